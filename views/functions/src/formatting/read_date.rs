//! to_timestamp and to_date: from a text and its format to a local time.

use tidewater_types::time::{Civil, Clock};
use tidewater_types::{Result, SqlError};

use super::read_field::{self, Fields, Reader, Weeks, bad, is_free};
use super::template::{Field, Piece, Template, is_separator, is_space};

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// The day.
    pub(crate) date: Civil,
    /// The time of day.
    pub(crate) clock: Clock,
    /// Seconds east of UTC, if the text says them.
    pub(crate) offset: Option<i64>,
}

/// Reads a text by a format.
pub(crate) fn read(template: &Template, text: &str) -> Result<Read> {
    let fields = fields(template, text)?;
    let clock = clock(&fields)?;
    let date = date(&fields, text)?;
    let valid = (0..24).contains(&clock.hour)
        && (0..60).contains(&clock.minute)
        && (0..60).contains(&clock.second)
        && (0..1_000_000).contains(&clock.micros);
    if !valid {
        return Err(overflow(text));
    }
    let offset = match fields.zone_sign {
        0 => None,
        sign => {
            if !(0..=15).contains(&fields.zone_hours) || !(0..60).contains(&fields.zone_minutes) {
                return Err(SqlError::new(b"22009", format!("time zone displacement out of range: \"{text}\"")));
            }
            Some(sign * (fields.zone_hours * 3600 + fields.zone_minutes * 60))
        }
    };
    Ok(Read { date, clock, offset })
}

fn overflow(text: &str) -> SqlError {
    SqlError::new(b"22008", format!("date/time field value out of range: \"{text}\""))
}

/// Walks over format and text.
fn fields(template: &Template, text: &str) -> Result<Fields> {
    let mut fields = Fields::default();
    let mut reader = Reader { rest: text, whole: text };
    let mut exact = false;
    let mut skipped = 0;
    for (i, piece) in template.0.iter().enumerate() {
        if reader.rest.is_empty() {
            break;
        }
        let is_exact = matches!(piece, Piece::Pattern(pattern) if pattern.field == Field::Exact);
        if !exact && !is_exact && (i == 0 || matches!(piece, Piece::Pattern(_))) {
            skipped += reader.skip_spaces();
        }
        match piece {
            Piece::Space(_) | Piece::Separator(_) if exact => reader.skip_chars(1),
            // One of the format stands for one of the text, or for none.
            Piece::Space(_) | Piece::Separator(_) => {
                skipped -= 1;
                if reader.rest.starts_with(|char| is_space(char) || is_separator(char)) {
                    reader.skip_chars(1);
                    skipped += 1;
                }
            }
            // Blanks that were passed over may have been what it stands for.
            Piece::Char(_) if !exact && skipped > 0 => skipped -= 1,
            Piece::Char(_) => reader.skip_chars(1),
            Piece::Pattern(pattern) => {
                exact |= is_exact;
                read_field::read(&mut reader, pattern, is_free(&template.0, i), skipped, &mut fields)?;
                if !exact {
                    skipped = reader.skip_spaces();
                }
            }
        }
    }
    Ok(fields)
}

fn clock(fields: &Fields) -> Result<Clock> {
    let (mut hour, mut minute, mut second) = (0, 0, 0);
    if fields.second_of_day != 0 {
        let of_day = fields.second_of_day;
        (hour, minute, second) = (of_day / 3600, of_day % 3600 / 60, of_day % 60);
    }
    let given = |value: i64, otherwise: i64| if value != 0 { value } else { otherwise };
    hour = given(fields.hour, hour);
    minute = given(fields.minute, minute);
    second = given(fields.second, second);
    if fields.twelve_hours {
        if !(1..=12).contains(&hour) {
            return Err(bad(format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if fields.afternoon != 0 && hour < 12 {
            hour += 12;
        } else if fields.afternoon == 0 && hour == 12 {
            hour = 0;
        }
    }
    Ok(Clock { hour, minute, second, micros: fields.millis * 1000 + fields.micros })
}

/// The year, as years are counted here, where 0 is 1 BC; `None` if nothing says one.
fn year(fields: &Fields) -> Option<i64> {
    let century = if fields.before_christ != 0 { -fields.century } else { fields.century };
    if fields.year != 0 {
        if fields.century != 0 && fields.year_digits <= 2 {
            // The century and its last two digits.
            return Some(match (fields.year % 100, century >= 0) {
                (0, true) => century * 100,
                (0, false) => century * 100 + 1,
                (year, true) => year + (century - 1) * 100,
                (year, false) => (century + 1) * 100 - year + 1,
            });
        }
        let year = if fields.before_christ != 0 { -fields.year } else { fields.year };
        return Some(if year < 0 { year + 1 } else { year });
    }
    (fields.century != 0).then_some(if century >= 0 { (century - 1) * 100 + 1 } else { century * 100 + 1 })
}

/// The Monday of an ISO week, in days since 1970.
fn monday(year: i64, week: i64) -> i64 {
    let fourth = Civil { year, month: 1, day: 4 }.days();
    fourth - (fourth + 3).rem_euclid(7) + (week - 1) * 7
}

fn date(fields: &Fields, text: &str) -> Result<Civil> {
    let (mut year, mut month, mut day) = (year(fields).unwrap_or(0), 1, 1);
    let mut checked = fields.year != 0 || fields.century != 0;
    let mut day_of_year = fields.day_of_year;
    let mut day_of_month = fields.day;
    let mut of_days = None;
    if fields.julian != 0 {
        of_days = Some(fields.julian - 2_440_588);
    }
    if fields.week != 0 {
        if fields.weeks == Some(Weeks::Iso) {
            // Of the days Sunday is 1 here, and the week's last.
            let after = match fields.day_of_week {
                0 => 0,
                1 => 6,
                day => day - 2,
            };
            of_days = Some(monday(year, fields.week) + after);
        } else {
            day_of_year = (fields.week - 1) * 7 + 1;
        }
    }
    if let Some(days) = of_days {
        let date = Civil::of(days);
        (year, month, day) = (date.year, i64::from(date.month), i64::from(date.day));
        checked = true;
    }
    if fields.week_of_month != 0 {
        day_of_month = (fields.week_of_month - 1) * 7 + 1;
    }
    if day_of_month != 0 {
        (day, checked) = (day_of_month, true);
    }
    if fields.month != 0 {
        (month, checked) = (fields.month, true);
    }
    if day_of_year != 0 && (month <= 1 || day <= 1) {
        if year == 0 && fields.before_christ == 0 {
            return Err(bad("cannot calculate day of year without year information"));
        }
        let first =
            if fields.weeks == Some(Weeks::Iso) { monday(year, 1) } else { Civil { year, month: 1, day: 1 }.days() };
        let date = Civil::of(first + day_of_year - 1);
        if fields.weeks == Some(Weeks::Iso) {
            (year, month, day) = (date.year, i64::from(date.month), i64::from(date.day));
        } else {
            let within = date.year == year;
            if month <= 1 {
                month = if within { date.month.into() } else { 13 };
            }
            if day <= 1 {
                day = if within { date.day.into() } else { day_of_year - 365 };
            }
        }
        checked = true;
    }
    let date = Civil { year, month: u32::try_from(month).unwrap_or(0), day: u32::try_from(day).unwrap_or(0) };
    if checked && !date.is_valid() {
        return Err(overflow(text));
    }
    Ok(date)
}
