//! What to_timestamp reads: one field at a time.

use tidewater_types::{Result, SqlError};

use super::template::{Case, Field, Pattern, Piece, is_space};
use super::write_date::{DAYS, MONTHS, ROMAN};

/// Which calendar's weeks a format uses: it may not mix them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weeks {
    Gregorian,
    Iso,
}

/// What was read, 0 where nothing was: a second value for a field must be the same, unless the first was 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) weeks: Option<Weeks>,
    pub(super) hour: i64,
    pub(super) afternoon: i64,
    pub(super) twelve_hours: bool,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) second_of_day: i64,
    /// 1 for Sunday.
    pub(super) day_of_week: i64,
    pub(super) day: i64,
    pub(super) day_of_year: i64,
    pub(super) month: i64,
    pub(super) millis: i64,
    pub(super) year: i64,
    pub(super) before_christ: i64,
    pub(super) week: i64,
    pub(super) week_of_month: i64,
    pub(super) century: i64,
    pub(super) julian: i64,
    pub(super) micros: i64,
    /// Digits that the year was written with.
    pub(super) year_digits: i64,
    pub(super) zone_sign: i64,
    pub(super) zone_hours: i64,
    pub(super) zone_minutes: i64,
}

pub(super) fn bad(message: impl Into<String>) -> SqlError {
    SqlError::new(b"22007", message)
}

/// The text that is left, and what is known about the place in it.
pub(super) struct Reader<'t> {
    pub(super) rest: &'t str,
    pub(super) whole: &'t str,
}

impl Reader<'_> {
    pub(super) fn skip_spaces(&mut self) -> i64 {
        let trimmed = self.rest.trim_start_matches(is_space);
        let skipped = self.rest.len() - trimmed.len();
        self.rest = trimmed;
        skipped as i64
    }

    pub(super) fn skip_chars(&mut self, count: usize) {
        for _ in 0..count {
            let width = self.rest.chars().next().map_or(0, char::len_utf8);
            self.rest = &self.rest[width..];
        }
    }

    /// Reads a number of `width` characters, or of as many as there are if no digit can follow.
    fn number(&mut self, pattern: &Pattern, width: usize, greedy: bool) -> Result<(i64, usize)> {
        self.skip_spaces();
        let text = self.rest;
        let taken = if greedy { text.len() } else { text.char_indices().nth(width).map_or(text.len(), |(at, _)| at) };
        let part = &text[..taken];
        let sign = usize::from(part.starts_with(['+', '-']));
        let digits = part[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let used = if digits == 0 { 0 } else { sign + digits };
        if !greedy {
            let hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
            let there = part.chars().count();
            if there < width {
                return Err(bad(format!("source string too short for \"{}\" formatting field", pattern.name))
                    .detail(format!("Field requires {width} characters, but only {there} remain."))
                    .hint(hint));
            }
            if used > 0 && used < width {
                return Err(bad(format!("invalid value \"{part}\" for \"{}\"", pattern.name))
                    .detail(format!("Field requires {width} characters, but only {used} could be parsed."))
                    .hint(hint));
            }
        }
        if used == 0 {
            let shown: String = text.chars().take(width).collect();
            return Err(
                bad(format!("invalid value \"{shown}\" for \"{}\"", pattern.name)).detail("Value must be an integer.")
            );
        }
        self.rest = &text[used..];
        let value = part[..used].parse::<i64>().ok().filter(|value| i32::try_from(*value).is_ok());
        let value = value.ok_or_else(|| {
            SqlError::new(b"22008", format!("value for \"{}\" in source string is out of range", pattern.name))
                .detail("Value must be in the range -2147483648 to 2147483647.")
        })?;
        Ok((value, used))
    }

    /// Reads one of these words, of any case; gives its place in the list.
    fn word(&mut self, pattern: &Pattern, words: &[&str]) -> Result<i64> {
        let found = words
            .iter()
            .position(|word| self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
        match found {
            Some(at) => {
                self.rest = &self.rest[words[at].len()..];
                Ok(at as i64)
            }
            None => {
                let shown = self.rest.split(is_space).next().unwrap_or("");
                Err(bad(format!("invalid value \"{shown}\" for \"{}\"", pattern.name))
                    .detail("The given value did not match any of the allowed values for this field."))
            }
        }
    }
}

/// Puts a value into its field.
fn set(field: &mut i64, value: i64, pattern: &Pattern) -> Result<()> {
    if *field != 0 && *field != value {
        return Err(bad(format!("conflicting values for \"{}\" field in formatting string", pattern.name))
            .detail("This value contradicts a previous setting for the same field type."));
    }
    *field = value;
    Ok(())
}

/// Whether no digit can follow the pattern at `at`.
pub(super) fn is_free(pieces: &[Piece], at: usize) -> bool {
    if let Piece::Pattern(Pattern { ordinal: Some(_), .. }) = pieces[at] {
        return true;
    }
    match pieces.get(at + 1) {
        None => true,
        Some(Piece::Pattern(next)) => !next.field.is_digits(),
        Some(Piece::Char(char) | Piece::Space(char) | Piece::Separator(char)) => !char.is_ascii_digit(),
    }
}

/// A year of fewer digits, in the half century around 2020.
fn completed(year: i64) -> i64 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

/// Reads what a pattern says. `skipped` says how many more blanks and separators were passed over than the format has.
pub(super) fn read(
    reader: &mut Reader<'_>,
    pattern: &Pattern,
    greedy: bool,
    skipped: i64,
    fields: &mut Fields,
) -> Result<()> {
    use Field as F;
    let greedy = greedy || pattern.fill;
    let of = |pattern: &Pattern| -> Option<Weeks> {
        match pattern.field {
            F::IsoDayOfWeek | F::IsoDayOfYear | F::IsoWeek | F::IsoYear(_) => Some(Weeks::Iso),
            F::Century | F::DayName | F::DayShort | F::DayOfYear | F::DayOfMonth | F::DayOfWeek => {
                Some(Weeks::Gregorian)
            }
            F::MonthName | F::MonthShort | F::MonthNumber | F::Roman | F::Week | F::WeekOfMonth => {
                Some(Weeks::Gregorian)
            }
            F::Year(_) | F::YearWithComma => Some(Weeks::Gregorian),
            _ => None,
        }
    };
    if let Some(weeks) = of(pattern) {
        if fields.weeks.is_some_and(|other| other != weeks) {
            return Err(bad("invalid combination of date conventions")
                .hint("Do not mix Gregorian and ISO week date conventions in a formatting template."));
        }
        fields.weeks = Some(weeks);
    }
    match pattern.field {
        F::Exact | F::Offset | F::Zone => return other(pattern),
        F::Half(_) => {
            let at = reader.word(pattern, &["a.m.", "p.m.", "am", "pm"][if dotted(pattern) { 0..2 } else { 2..4 }])?;
            set(&mut fields.afternoon, at % 2, pattern)?;
            fields.twelve_hours = true;
        }
        F::Era(_) => {
            let at = reader.word(pattern, &["a.d.", "b.c.", "ad", "bc"][if dotted(pattern) { 0..2 } else { 2..4 }])?;
            set(&mut fields.before_christ, at % 2, pattern)?;
        }
        F::MonthName => {
            let at = reader.word(pattern, &MONTHS)?;
            set(&mut fields.month, at + 1, pattern)?;
        }
        F::MonthShort => {
            let at = reader.word(pattern, &MONTHS.map(|name| &name[..3]))?;
            set(&mut fields.month, at + 1, pattern)?;
        }
        F::DayName | F::DayShort => {
            let names = if pattern.field == F::DayName { DAYS } else { DAYS.map(|name| &name[..3]) };
            let at = reader.word(pattern, &names)?;
            set(&mut fields.day_of_week, at, pattern)?;
            fields.day_of_week += 1;
        }
        F::Roman => {
            // The longer ones first: VIII begins with V.
            let mut longest = ROMAN;
            longest.reverse();
            longest.sort_by_key(|name| std::cmp::Reverse(name.len()));
            let at = reader.word(pattern, &longest)? as usize;
            let month = ROMAN.iter().position(|name| *name == longest[at]).unwrap_or(0);
            set(&mut fields.month, month as i64 + 1, pattern)?;
        }
        F::ZoneHours => {
            // A minus that was passed over as a separator is the sign.
            fields.zone_sign = match reader.rest.bytes().next() {
                Some(sign @ (b'+' | b'-' | b' ')) => {
                    reader.rest = &reader.rest[1..];
                    if sign == b'-' { -1 } else { 1 }
                }
                _ => {
                    let before = &reader.whole[..reader.whole.len() - reader.rest.len()];
                    if skipped > 0 && before.ends_with('-') { -1 } else { 1 }
                }
            };
            let (value, _) = reader.number(pattern, 2, greedy)?;
            set(&mut fields.zone_hours, value, pattern)?;
        }
        F::ZoneMinutes => {
            if fields.zone_sign == 0 {
                fields.zone_sign = 1;
            }
            let (value, _) = reader.number(pattern, 2, greedy)?;
            set(&mut fields.zone_minutes, value, pattern)?;
        }
        F::YearWithComma => year_with_comma(reader, pattern, fields)?,
        _ => digits(reader, pattern, greedy, fields)?,
    }
    if pattern.ordinal.is_some() && pattern.field.is_digits() {
        reader.skip_chars(2);
    }
    Ok(())
}

fn dotted(pattern: &Pattern) -> bool {
    matches!(pattern.field, Field::Half(true) | Field::Era(true))
}

fn other(pattern: &Pattern) -> Result<()> {
    if pattern.field == Field::Exact {
        return Ok(());
    }
    let name = if pattern.case == Case::Lower { pattern.name.to_ascii_lowercase() } else { pattern.name.to_owned() };
    Err(SqlError::new(b"0A000", format!("formatting field \"{name}\" is only supported in to_char")))
}

fn year_with_comma(reader: &mut Reader<'_>, pattern: &Pattern, fields: &mut Fields) -> Result<()> {
    let refuse = || bad("invalid input string for \"Y,YYY\"");
    let text = reader.rest.trim_start_matches(is_space);
    let (thousands, rest) = text.split_once(',').ok_or_else(refuse)?;
    let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
    let thousands: i32 = thousands.parse().map_err(|_| refuse())?;
    let years: i64 = rest[..digits].parse().map_err(|_| refuse())?;
    set(&mut fields.year, years + i64::from(thousands) * 1000, pattern)?;
    fields.year_digits = 4;
    reader.rest = &rest[digits..];
    Ok(())
}

fn digits(reader: &mut Reader<'_>, pattern: &Pattern, greedy: bool, fields: &mut Fields) -> Result<()> {
    use Field as F;
    let width = match pattern.field {
        F::Hour12 | F::Hour24 | F::Minute | F::Second => 2,
        F::IsoDayOfYear | F::Milliseconds => 3,
        F::IsoDayOfWeek => 1,
        F::Fraction(digits) => digits as usize,
        F::Microseconds => 6,
        _ => pattern.name.len(),
    };
    let (value, used) = reader.number(pattern, width, greedy)?;
    let target = match pattern.field {
        F::Hour12 => {
            fields.twelve_hours = true;
            &mut fields.hour
        }
        F::Hour24 => &mut fields.hour,
        F::Minute => &mut fields.minute,
        F::Second => &mut fields.second,
        F::SecondOfDay => &mut fields.second_of_day,
        F::MonthNumber => &mut fields.month,
        F::DayOfMonth => &mut fields.day,
        F::DayOfYear | F::IsoDayOfYear => &mut fields.day_of_year,
        F::DayOfWeek => &mut fields.day_of_week,
        F::IsoDayOfWeek => {
            set(&mut fields.day_of_week, value, pattern)?;
            // Monday is 1 there, and 2 here.
            fields.day_of_week = if fields.day_of_week >= 7 { 1 } else { fields.day_of_week + 1 };
            return Ok(());
        }
        F::Week | F::IsoWeek => &mut fields.week,
        F::WeekOfMonth => &mut fields.week_of_month,
        F::Century => &mut fields.century,
        F::Julian => &mut fields.julian,
        F::Milliseconds => {
            set(&mut fields.millis, value, pattern)?;
            // 3 is 300 thousandths.
            fields.millis *= match used {
                1 => 100,
                2 => 10,
                _ => 1,
            };
            return Ok(());
        }
        F::Fraction(_) | F::Microseconds => {
            set(&mut fields.micros, value, pattern)?;
            fields.micros *= 10_i64.pow(6_u32.saturating_sub(used as u32));
            return Ok(());
        }
        F::Year(digits) | F::IsoYear(digits) => {
            let year = if digits == 4 || used >= 4 { value } else { completed(value) };
            set(&mut fields.year, year, pattern)?;
            fields.year_digits = i64::from(digits);
            return Ok(());
        }
        // Which day of a quarter is meant cannot be known.
        _ => return Ok(()),
    };
    set(target, value, pattern)
}
