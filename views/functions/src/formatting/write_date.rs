//! to_char of timestamps and intervals.

use tidewater_types::time::Civil;
use tidewater_types::{Result, SqlError};

use super::ordinal;
use super::template::{Case, Field, Pattern, Piece, Template};

/// What is to be shown: a local time, or an interval's parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// 1 to 12, of a date.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micros: i64,
    /// 1 to 366; of an interval, its days all in all.
    pub(crate) day_of_year: i64,
    /// Seconds east of UTC.
    pub(crate) offset: i64,
    /// The zone's abbreviation, of a timestamp with time zone.
    pub(crate) zone: Option<String>,
    /// Whether it is an interval, which has no days of the week.
    pub(crate) is_interval: bool,
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

impl Moment {
    /// The day; an interval's parts may be beyond those of a date.
    fn civil(&self) -> Civil {
        let month = Civil { year: self.year, month: 1, day: 1 }.add_months(self.month - 1);
        Civil::of(month.days() + self.day - 1)
    }

    /// 0 for Sunday.
    fn weekday(&self) -> usize {
        (self.civil().days() + 4).rem_euclid(7) as usize
    }

    /// A year as it is written: without a sign, where it is one before Christ.
    fn shown(&self, year: i64) -> i64 {
        if self.is_interval || year > 0 { year } else { 1 - year }
    }
}

/// The text of a value by a format.
pub(crate) fn write(template: &Template, moment: &Moment) -> Result<String> {
    let mut out = String::new();
    for piece in &template.0 {
        match piece {
            Piece::Pattern(pattern) => {
                let start = out.len();
                field(pattern, moment, &mut out)?;
                let takes_ordinal = pattern.field.is_digits() && !matches!(pattern.field, Field::ZoneMinutes);
                if let Some(upper) = pattern.ordinal.filter(|_| takes_ordinal && out.len() > start) {
                    let ending = ordinal(&out[start..], upper);
                    out.push_str(ending);
                }
            }
            Piece::Space(char) | Piece::Separator(char) | Piece::Char(char) => out.push(*char),
        }
    }
    Ok(out)
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_ascii_uppercase(),
        Case::Capital => text.to_owned(),
        Case::Lower => text.to_ascii_lowercase(),
    }
}

/// A number of at least `width` digits; a negative one has its sign beside them.
fn number(out: &mut String, pattern: &Pattern, value: i64, width: usize) {
    let width = match (pattern.fill, value < 0) {
        (true, _) => 0,
        (false, true) => width + 1,
        (false, false) => width,
    };
    out.push_str(&format!("{value:0width$}"));
}

/// A number of at least `width` characters, its sign among them.
fn narrow(out: &mut String, pattern: &Pattern, value: i64, width: usize) {
    let width = if pattern.fill { 0 } else { width };
    out.push_str(&format!("{value:0width$}"));
}

/// A name, padded to the longest one's width.
fn name(out: &mut String, pattern: &Pattern, text: &str, width: usize) {
    let width = if pattern.fill || pattern.local { 0 } else { width };
    out.push_str(&format!("{:width$}", cased(text, pattern.case)));
}

fn field(pattern: &Pattern, moment: &Moment, out: &mut String) -> Result<()> {
    use Field as F;
    let of_date = matches!(
        pattern.field,
        F::Era(_)
            | F::DayName
            | F::DayShort
            | F::DayOfWeek
            | F::MonthName
            | F::MonthShort
            | F::Offset
            | F::Zone
            | F::ZoneHours
            | F::ZoneMinutes
    ) || matches!(pattern.field, F::IsoDayOfWeek);
    if moment.is_interval && of_date {
        return Err(SqlError::new(b"22007", "invalid format specification for an interval value")
            .hint("Intervals are not tied to specific calendar dates."));
    }
    match pattern.field {
        F::Era(dots) => {
            let text = match (moment.year <= 0, dots) {
                (true, true) => "B.C.",
                (true, false) => "BC",
                (false, true) => "A.D.",
                (false, false) => "AD",
            };
            out.push_str(&cased(text, pattern.case));
        }
        F::Half(dots) => {
            let text = match (moment.hour % 24 >= 12, dots) {
                (true, true) => "P.M.",
                (true, false) => "PM",
                (false, true) => "A.M.",
                (false, false) => "AM",
            };
            out.push_str(&cased(text, pattern.case));
        }
        F::MonthName | F::MonthShort | F::Roman | F::DayName | F::DayShort => names(pattern, moment, out),
        F::Offset | F::Zone | F::ZoneHours | F::ZoneMinutes => zone(pattern, moment, out),
        F::Exact => {}
        _ => digits(pattern, moment, out),
    }
    Ok(())
}

fn names(pattern: &Pattern, moment: &Moment, out: &mut String) {
    let month = || MONTHS.get((moment.month - 1).max(0) as usize).copied().unwrap_or("");
    match pattern.field {
        Field::MonthName if moment.month > 0 => name(out, pattern, month(), 9),
        Field::MonthShort if moment.month > 0 => name(out, pattern, &month()[..3], 0),
        Field::DayName => name(out, pattern, DAYS[moment.weekday()], 9),
        Field::DayShort => name(out, pattern, &DAYS[moment.weekday()][..3], 0),
        Field::Roman if moment.month != 0 || moment.year != 0 => {
            // Months of an interval may be none or negative: they count from December backwards.
            let at = match moment.month {
                0 if moment.year >= 0 => 11,
                0 => 0,
                month if month < 0 => 12 + month,
                month => month - 1,
            };
            name(out, pattern, ROMAN.get(at as usize).copied().unwrap_or(""), 4);
        }
        _ => {}
    }
}

fn zone(pattern: &Pattern, moment: &Moment, out: &mut String) {
    let sign = if moment.offset >= 0 { '+' } else { '-' };
    let (hours, minutes) = (moment.offset.abs() / 3600, moment.offset.abs() % 3600 / 60);
    match pattern.field {
        Field::ZoneHours => out.push_str(&format!("{sign}{hours:02}")),
        Field::ZoneMinutes => out.push_str(&format!("{minutes:02}")),
        Field::Offset => {
            out.push(sign);
            out.push_str(&if pattern.fill { hours.to_string() } else { format!("{hours:02}") });
            if moment.offset.abs() % 3600 != 0 {
                out.push_str(&format!(":{minutes:02}"));
            }
        }
        _ => {
            let name = moment.zone.as_deref().unwrap_or("");
            out.push_str(&if pattern.case == Case::Lower { name.to_ascii_lowercase() } else { name.to_owned() });
        }
    }
}

fn digits(pattern: &Pattern, moment: &Moment, out: &mut String) {
    use Field as F;
    match pattern.field {
        F::Hour12 => number(out, pattern, if moment.hour % 12 == 0 { 12 } else { moment.hour % 12 }, 2),
        F::Hour24 => number(out, pattern, moment.hour, 2),
        F::Minute => number(out, pattern, moment.minute, 2),
        F::Second => number(out, pattern, moment.second, 2),
        // Fractions keep their zeros whatever the prefix says.
        F::Fraction(digits) => {
            out.push_str(&format!("{:0width$}", moment.micros / 10_i64.pow(6 - digits), width = digits as usize))
        }
        F::Milliseconds => out.push_str(&format!("{:03}", moment.micros / 1000)),
        F::Microseconds => out.push_str(&format!("{:06}", moment.micros)),
        F::SecondOfDay => out.push_str(&(moment.hour * 3600 + moment.minute * 60 + moment.second).to_string()),
        F::MonthNumber => number(out, pattern, moment.month, 2),
        F::DayOfMonth => narrow(out, pattern, moment.day, 2),
        F::DayOfYear => narrow(out, pattern, moment.day_of_year, 3),
        F::IsoDayOfYear => {
            let week = moment.civil().iso_week().1;
            number(out, pattern, (week - 1) * 7 + (moment.weekday() as i64 + 6) % 7 + 1, 3);
        }
        F::DayOfWeek => out.push_str(&(moment.weekday() + 1).to_string()),
        F::IsoDayOfWeek => out.push_str(&(if moment.weekday() == 0 { 7 } else { moment.weekday() }).to_string()),
        F::Week => narrow(out, pattern, (moment.day_of_year - 1) / 7 + 1, 2),
        F::IsoWeek => number(out, pattern, moment.civil().iso_week().1, 2),
        F::Quarter if moment.month == 0 => {}
        F::Quarter => out.push_str(&((moment.month - 1) / 3 + 1).to_string()),
        F::Century => {
            let century = match moment.year {
                year if moment.is_interval => year / 100,
                year if year > 0 => (year - 1) / 100 + 1,
                year => year / 100 - 1,
            };
            if century.abs() <= 99 { number(out, pattern, century, 2) } else { out.push_str(&century.to_string()) }
        }
        F::YearWithComma => {
            let year = moment.shown(moment.year);
            out.push_str(&format!("{},{:03}", year / 1000, year % 1000));
        }
        F::Year(width) => year(pattern, moment.shown(moment.year), width, out),
        F::IsoYear(width) => {
            let iso = moment.civil().iso_week().0;
            // As wide as the calendar's year is.
            let width_of_sign = usize::from(moment.shown(iso) < 0 && moment.shown(moment.year) < 0);
            let shown = moment.shown(iso);
            match width {
                1 => out.push_str(&(shown % 10).to_string()),
                4 => narrow(out, pattern, shown, 4 + width_of_sign),
                width => narrow(out, pattern, shown % 10_i64.pow(width), width as usize + width_of_sign),
            }
        }
        F::WeekOfMonth => out.push_str(&((moment.day - 1) / 7 + 1).to_string()),
        F::Julian => out.push_str(&(moment.civil().days() + 2_440_588).to_string()),
        _ => {}
    }
}

/// The last digits of a year; all of them, from four on.
fn year(pattern: &Pattern, year: i64, width: u32, out: &mut String) {
    match width {
        4 => number(out, pattern, year, 4),
        1 => out.push_str(&(year % 10).to_string()),
        width => number(out, pattern, year % 10_i64.pow(width), width as usize),
    }
}
