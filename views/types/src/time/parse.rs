//! Text in: dates, times, timestamps.

use super::civil::{Civil, local};
use super::decode::{Failure, Meaning, decode};
use super::{DAY, FIRST_DAY, INFINITY, LAST_DAY, NEGATIVE_INFINITY, Zone, timestamp};
use crate::settings::Settings;
use crate::{Result, SqlError, TimeTz};

fn refuse(failure: Failure, text: &str, name: &str) -> SqlError {
    match failure {
        Failure::Format => SqlError::new(b"22007", format!("invalid input syntax for type {name}: \"{text}\"")),
        Failure::Field => SqlError::new(b"22008", format!("date/time field value out of range: \"{text}\"")),
        Failure::MonthDay => SqlError::new(b"22008", format!("date/time field value out of range: \"{text}\""))
            .hint("Perhaps you need a different \"datestyle\" setting."),
        Failure::Displacement => SqlError::new(b"22009", format!("time zone displacement out of range: \"{text}\"")),
        Failure::Moment(error) => error,
        Failure::Zone(zone) => SqlError::new(b"22023", format!("time zone \"{zone}\" not recognized")),
    }
}

/// The date that `text` shows.
///
/// # Errors
/// 22007 if it shows none, 22008 if it is out of range.
pub fn parse_date(text: &str, settings: &Settings) -> Result<i64> {
    match decode(text, settings, false).map_err(|failure| refuse(failure, text, "date"))? {
        Meaning::Infinity => Ok(INFINITY),
        Meaning::NegativeInfinity => Ok(NEGATIVE_INFINITY),
        Meaning::Epoch => Ok(0),
        Meaning::Fields { date: Some(date), .. } => {
            let days = date.days();
            let range = FIRST_DAY..=LAST_DAY;
            let error = || SqlError::new(b"22008", format!("date out of range: \"{text}\""));
            range.contains(&days).then_some(days).ok_or_else(error)
        }
        Meaning::Fields { .. } => Err(refuse(Failure::Format, text, "date")),
    }
}

/// The time that `text` shows.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_time(text: &str, settings: &Settings) -> Result<i64> {
    match decode(text, settings, true).map_err(|failure| refuse(failure, text, "time"))? {
        Meaning::Fields { time: Some(time), .. } => Ok(time),
        _ => Err(refuse(Failure::Format, text, "time")),
    }
}

/// The time with time zone that `text` shows; without one it is in the session's.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timetz(text: &str, settings: &Settings) -> Result<TimeTz> {
    let name = "time with time zone";
    let meaning = decode(text, settings, true).map_err(|failure| refuse(failure, text, name))?;
    let Meaning::Fields { date, time: Some(time), zone } = meaning else {
        return Err(refuse(Failure::Format, text, name));
    };
    let offset = match (zone, date) {
        (Some(zone), Some(date)) => zone.offset_of_local(local(date.days(), time)),
        (Some(zone), None) if zone.is_fixed() => zone.offset_at(0),
        (Some(zone), None) => zone.offset_at(settings.moment()?),
        (None, Some(date)) => settings.time_zone.offset_of_local(local(date.days(), time)),
        (None, None) => {
            let moment = if settings.time_zone.is_fixed() { 0 } else { settings.moment()? };
            let now = i128::from(moment) + i128::from(settings.time_zone.offset_at(moment)) * 1_000_000;
            let today = now.div_euclid(i128::from(DAY)) as i64;
            settings.time_zone.offset_of_local(local(today, time))
        }
    };
    Ok(TimeTz { micros: time, offset })
}

/// The timestamp that `text` shows; a zone in it says nothing.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamp(text: &str, settings: &Settings) -> Result<i64> {
    parse_moment(text, settings, "timestamp", |_, local| timestamp(local))
}

/// The timestamp with time zone that `text` shows; without a zone it is in the session's.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamptz(text: &str, settings: &Settings) -> Result<i64> {
    parse_moment(text, settings, "timestamp with time zone", |zone, local| {
        zone.as_ref().unwrap_or(&settings.time_zone).moment(local)
    })
}

fn parse_moment(
    text: &str,
    settings: &Settings,
    name: &str,
    finish: impl Fn(Option<Zone>, i128) -> Result<i64>,
) -> Result<i64> {
    match decode(text, settings, false).map_err(|failure| refuse(failure, text, name))? {
        Meaning::Infinity => Ok(INFINITY),
        Meaning::NegativeInfinity => Ok(NEGATIVE_INFINITY),
        Meaning::Epoch => Ok(0),
        Meaning::Fields { date: Some(date), time, zone } => {
            let out_of_range = || SqlError::new(b"22008", format!("timestamp out of range: \"{text}\""));
            if !in_calendar(date) {
                return Err(out_of_range());
            }
            finish(zone, local(date.days(), time.unwrap_or(0))).map_err(|_| out_of_range())
        }
        Meaning::Fields { .. } => Err(refuse(Failure::Format, text, name)),
    }
}

/// Years that days can count.
fn in_calendar(date: Civil) -> bool {
    (-5000..=300_000).contains(&date.year)
}
