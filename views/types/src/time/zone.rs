//! Time zones: offsets, names of the tz database (linked in: answers do not depend on the machine), POSIX's rules, abbreviations.

use std::collections::HashMap;

use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::abbreviations::{FIXED, OF_ZONE};
use super::{DAY, INFINITY, NEGATIVE_INFINITY, SECOND, is_infinite, timestamp};
use crate::{Interval, Result, SqlError, TimeTz};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    /// Seconds east of UTC.
    Fixed(i32),
    Zone(TimeZone),
    /// What a zone called so at the time, or else its offset then: an abbreviation in lower case.
    Called(TimeZone, String),
}

/// Seconds of 400 years, after which the calendar and all zones' rules repeat.
const CYCLE: i64 = 146_097 * 86_400;
/// The years that jiff's timestamps reach, with a year to spare.
const LATEST: i64 = 253_370_764_800;
const EARLIEST: i64 = -377_673_580_800;

impl Default for Zone {
    fn default() -> Self {
        Zone::utc()
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), rules: Rules::Fixed(0) }
    }

    /// A fixed offset, in seconds east of UTC.
    pub fn fixed(seconds: i32) -> Zone {
        Zone { name: offset_name(seconds), rules: Rules::Fixed(seconds) }
    }

    /// The name: as the tz database spells it, or as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone that a full name or POSIX's rules name, in any case; `None` if there is none.
    pub fn named(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Zone::utc());
        }
        if let Ok(zone) = database().get(name) {
            let name = zone.iana_name().unwrap_or(name).to_owned();
            return Some(Zone { name, rules: Rules::Zone(zone) });
        }
        if let Some(seconds) = posix_offset(name) {
            return Some(Zone { name: name.to_owned(), rules: Rules::Fixed(seconds) });
        }
        posix(name).map(|zone| Zone { name: name.to_owned(), rules: Rules::Zone(zone) })
    }

    /// The zone that `SET TimeZone` means: a name, POSIX's rules, or hours east of UTC; `None` if there is none.
    pub fn setting(text: &str) -> Option<Zone> {
        match text.trim().parse::<f64>() {
            Ok(hours) if hours.abs() < 168.0 => Some(Zone::fixed((hours * 3600.0) as i32)),
            _ => Zone::named(text),
        }
    }

    /// What an abbreviation stands for, in any case.
    pub fn abbreviated(name: &str) -> Option<Zone> {
        let lower = name.to_ascii_lowercase();
        let rules = match abbreviations().get(lower.as_str())? {
            Abbreviation::Offset { seconds, .. } => Rules::Fixed(*seconds),
            Abbreviation::OfZone(zone) => Rules::Called(database().get(zone).ok()?, lower),
        };
        Some(Zone { name: name.to_uppercase(), rules })
    }

    /// Whether an abbreviation says more than an offset: that of daylight saving, or one that depends on the time.
    pub(crate) fn is_peculiar(name: &str) -> bool {
        let known = abbreviations().get(name.to_ascii_lowercase().as_str());
        known.is_some_and(|known| !matches!(known, Abbreviation::Offset { daylight: false, .. }))
    }

    /// The zone that `AT TIME ZONE text` means: an abbreviation, a name, POSIX's rules.
    ///
    /// # Errors
    /// 22023 if there is none.
    pub fn parse(text: &str) -> Result<Zone> {
        Zone::abbreviated(text)
            .or_else(|| Zone::named(text))
            .ok_or_else(|| SqlError::new(b"22023", format!("time zone \"{text}\" not recognized")))
    }

    /// The zone that `SET TIME ZONE` or `AT TIME ZONE interval` means: an offset.
    ///
    /// # Errors
    /// 22023 for an interval of months or days.
    pub fn of_interval(interval: Interval) -> Result<Zone> {
        if interval.months != 0 || interval.days != 0 {
            let mut text = String::new();
            super::write_interval(interval, &mut text);
            let message = format!("interval time zone \"{text}\" must not include months or days");
            return Err(SqlError::new(b"22023", message));
        }
        Ok(Zone::fixed((interval.micros / SECOND) as i32))
    }

    /// The zone that an abbreviation is of, where a calendar is asked for and not an offset.
    pub(crate) fn as_calendar(&self) -> Zone {
        match &self.rules {
            Rules::Called(zone, _) => Zone { name: self.name.clone(), rules: Rules::Zone(zone.clone()) },
            _ => self.clone(),
        }
    }

    /// Whether the offset never changes.
    pub fn is_fixed(&self) -> bool {
        matches!(self.rules, Rules::Fixed(_))
    }

    /// Whether the offset depends on the date; an abbreviation is taken as of today.
    pub(crate) fn needs_date(&self) -> bool {
        match &self.rules {
            Rules::Zone(zone) => zone.following(jiff::Timestamp::MIN).next().is_some(),
            Rules::Fixed(_) | Rules::Called(..) => false,
        }
    }

    /// Seconds east of UTC at a moment (microseconds since 1970, UTC).
    pub fn offset_at(&self, micros: i64) -> i32 {
        let seconds = in_reach(micros.div_euclid(SECOND));
        match &self.rules {
            Rules::Fixed(offset) => *offset,
            Rules::Zone(zone) => offset_of(zone, seconds),
            Rules::Called(zone, name) => called(zone, name, seconds),
        }
    }

    /// Its abbreviation at a moment: CET, +03.
    pub fn abbreviation_at(&self, micros: i64) -> String {
        let seconds = in_reach(micros.div_euclid(SECOND));
        match (&self.rules, jiff::Timestamp::from_second(seconds)) {
            (Rules::Zone(zone), Ok(moment)) => zone.to_offset_info(moment).abbreviation().to_owned(),
            _ => self.name.clone(),
        }
    }

    /// Seconds east of UTC at a local time (microseconds since 1970, local). A time that clocks skip is read with the offset
    /// before, one that they show twice with the offset after: both are standard time.
    pub fn offset_of_local(&self, local: i128) -> i32 {
        let seconds = local.div_euclid(i128::from(SECOND));
        let seconds = i64::try_from(seconds).map_or(0, in_reach);
        match &self.rules {
            Rules::Fixed(offset) => *offset,
            Rules::Zone(zone) => offset_of_local(zone, seconds),
            Rules::Called(zone, name) => called(zone, name, seconds - i64::from(offset_of_local(zone, seconds))),
        }
    }

    /// The local time of a moment, in microseconds; the infinities stay.
    ///
    /// # Errors
    /// 22008 beyond the range of timestamps.
    pub fn to_local(&self, micros: i64) -> Result<i64> {
        if is_infinite(micros) {
            return Ok(micros);
        }
        timestamp(i128::from(micros) + i128::from(self.offset_at(micros)) * i128::from(SECOND))
    }

    /// The moment of a local time, in microseconds; the infinities stay.
    ///
    /// # Errors
    /// 22008 beyond the range of timestamps.
    pub fn to_moment(&self, local: i64) -> Result<i64> {
        if is_infinite(local) {
            return Ok(local);
        }
        self.moment(i128::from(local))
    }

    pub(crate) fn moment(&self, local: i128) -> Result<i64> {
        timestamp(local - i128::from(self.offset_of_local(local)) * i128::from(SECOND))
    }
}

/// What an abbreviation is.
enum Abbreviation {
    Offset { seconds: i32, daylight: bool },
    OfZone(&'static str),
}

fn abbreviations() -> &'static HashMap<&'static str, Abbreviation> {
    static KNOWN: std::sync::OnceLock<HashMap<&'static str, Abbreviation>> = std::sync::OnceLock::new();
    KNOWN.get_or_init(|| {
        let fixed = FIXED.iter().flat_map(|(seconds, names)| {
            names.split(' ').map(|name| {
                let daylight = name.ends_with('*');
                (name.trim_end_matches('*'), Abbreviation::Offset { seconds: *seconds, daylight })
            })
        });
        fixed.chain(OF_ZONE.iter().map(|(name, zone)| (*name, Abbreviation::OfZone(zone)))).collect()
    })
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: std::sync::OnceLock<TimeZoneDatabase> = std::sync::OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// Seconds east of UTC of POSIX's rules without daylight saving, a name of any length and hours west: `XYZ+3`, `<+03>-3`, `+05:30`.
fn posix_offset(text: &str) -> Option<i32> {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let (sign, digits) = match rest.strip_prefix('-') {
        Some(digits) => (1, digits),
        None => (-1, rest.strip_prefix('+').unwrap_or(rest)),
    };
    let parts: Vec<i32> = digits.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours] => (*hours, 0, 0),
        [hours, minutes] => (*hours, *minutes, 0),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    // A week less an hour, as the tz library allows.
    let valid = digits.starts_with(|c: char| c.is_ascii_digit()) && hours <= 167 && minutes < 60 && seconds < 60;
    valid.then(|| sign * (hours * 3600 + minutes * 60 + seconds))
}

/// Only what has the form of POSIX's rules, `CET-1CEST,M3.5.0,M10.5.0/3` or `<+03>-3`, and names a length of three.
fn posix(text: &str) -> Option<TimeZone> {
    let name = text.trim_start_matches('<').chars().take_while(|c| c.is_ascii_alphanumeric() || "+-".contains(*c));
    if text.starts_with('<') && name.count() < 3 || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    TimeZone::posix(text).ok()
}

fn in_reach(seconds: i64) -> i64 {
    if seconds > LATEST { LATEST - CYCLE + (seconds - LATEST).rem_euclid(CYCLE) } else { seconds.max(EARLIEST) }
}

fn offset_of(zone: &TimeZone, seconds: i64) -> i32 {
    jiff::Timestamp::from_second(seconds).map_or(0, |moment| zone.to_offset(moment).seconds())
}

fn offset_of_local(zone: &TimeZone, seconds: i64) -> i32 {
    let Ok(as_utc) = jiff::Timestamp::from_second(seconds) else { return 0 };
    let offset = match zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(as_utc)).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    offset.seconds()
}

/// The offset that `zone` last had under this name, or else first, or else has.
fn called(zone: &TimeZone, name: &str, seconds: i64) -> i32 {
    let Ok(moment) = jiff::Timestamp::from_second(seconds) else { return 0 };
    let info = zone.to_offset_info(moment);
    if info.abbreviation().eq_ignore_ascii_case(name) {
        return info.offset().seconds();
    }
    let same = |abbreviation: &str| abbreviation.eq_ignore_ascii_case(name);
    let before = zone.preceding(moment).find(|transition| same(transition.abbreviation()));
    // Rules without an end give transitions without an end: fifty years are enough for a name to come.
    let after = || zone.following(moment).take(100).find(|transition| same(transition.abbreviation()));
    before.or_else(after).map_or(info.offset().seconds(), |transition| transition.offset().seconds())
}

/// `<+03>-03`, as PostgreSQL names an offset.
fn offset_name(seconds: i32) -> String {
    let part = |sign: char| {
        let (h, m, s) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
        let mut text = format!("{sign}{h:02}");
        if m != 0 || s != 0 {
            text += &format!(":{m:02}");
        }
        if s != 0 {
            text += &format!(":{s:02}");
        }
        text
    };
    let (east, west) = if seconds < 0 { ('-', '+') } else { ('+', '-') };
    format!("<{}>{}", part(east), part(west))
}

/// `timestamptz AT TIME ZONE zone`: the local time there.
///
/// # Errors
/// 22008 beyond the range of timestamps.
pub fn timestamptz_at_zone(micros: i64, zone: &Zone) -> Result<i64> {
    zone.to_local(micros)
}

/// `timestamp AT TIME ZONE zone`: the moment that it is there.
///
/// # Errors
/// 22008 beyond the range of timestamps.
pub fn timestamp_at_zone(local: i64, zone: &Zone) -> Result<i64> {
    match local {
        INFINITY | NEGATIVE_INFINITY => Ok(local),
        _ => zone.moment(i128::from(local)),
    }
}

/// `timetz AT TIME ZONE zone`, with the offset that it has at `now`.
pub fn time_at_zone(time: TimeTz, zone: &Zone, now: i64) -> TimeTz {
    let offset = zone.offset_at(now);
    let shift = i64::from(offset - time.offset) * SECOND;
    TimeTz { micros: (time.micros + shift).rem_euclid(DAY), offset }
}
