//! What the fields of a date or time text mean, taken together
//! (<https://www.postgresql.org/docs/15/datetime-input-rules.html>).

use super::civil::{Civil, days_in};
use super::tokens::{Field, Kind, Word, fields, word};
use super::{HOUR, MINUTE, SECOND, Zone, split_day};
use crate::SqlError;
use crate::settings::{DateOrder, Settings};

/// Why a text is no date or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It has another form.
    Format,
    /// A field is out of range.
    Field,
    /// A month or day is out of range: perhaps another DateStyle is meant.
    MonthDay,
    /// An offset beyond 16 hours.
    Displacement,
    /// No such zone.
    Zone(String),
    /// It says when it is, as seen from now, and there is no now.
    Moment(SqlError),
}

type Decoded<T> = Result<T, Failure>;

/// What a text says.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    Infinity,
    NegativeInfinity,
    Epoch,
    Fields { date: Option<Civil>, time: Option<i64>, zone: Option<Zone> },
}

// What is known so far.
const YEAR: u16 = 1;
const MONTH: u16 = 2;
const DAY: u16 = 4;
const TIME: u16 = 8;
const ZONE: u16 = 16;
const MERIDIEM: u16 = 32;
const ERA: u16 = 64;
const WEEKDAY: u16 = 128;
/// The zone is given by an abbreviation that is more than an offset.
const PECULIAR: u16 = 256;
const DATE: u16 = YEAR | MONTH | DAY;

#[derive(Default)]
struct State {
    have: u16,
    year: i64,
    month: u32,
    day: u32,
    day_of_year: Option<i64>,
    time: i64,
    /// The hour as it is written: 11:59:60 PM is in the hour 11.
    hour: i64,
    zone: Option<Zone>,
    special: Option<Meaning>,
    text_month: bool,
    short_year: bool,
    /// The date is a Julian day: its year is as it should be.
    julian: bool,
    before_christ: Option<bool>,
    afternoon: Option<bool>,
    next: Option<Word>,
}

/// What is being read.
#[derive(Debug, Clone, Copy)]
struct Mode {
    time_only: bool,
    /// A field with punctuation is a zone's name or a time with an offset.
    zone_expected: bool,
    /// A number with a point is a date.
    point_in_date: bool,
}

/// Reads a date and time; if `time_only`, numbers are times.
pub(super) fn decode(text: &str, settings: &Settings, time_only: bool) -> Decoded<Meaning> {
    let fields = fields(text).ok_or(Failure::Format)?;
    let mut state = State::default();
    for (i, field) in fields.iter().enumerate() {
        // A time alone takes a date only before the time.
        let date_first = i == 0
            && (fields.len() >= 2 && fields[fields.len() - 1].kind == Kind::Date
                || fields.get(1).is_some_and(|next| next.kind == Kind::Time));
        let date_last = fields.len() >= 2 && fields[fields.len() - 1].kind == Kind::Date;
        let mode = Mode {
            time_only,
            zone_expected: time_only && !date_first,
            point_in_date: time_only && i == 0 && date_last,
        };
        let new = state.field(field, fields.get(i + 1), settings, mode)?;
        if state.have & new != 0 {
            return Err(Failure::Format);
        }
        state.have |= new;
    }
    if state.next.is_some() {
        return Err(Failure::Format);
    }
    state.finish(time_only)
}

impl State {
    fn field(&mut self, field: &Field, next: Option<&Field>, settings: &Settings, mode: Mode) -> Decoded<u16> {
        let time_only = mode.time_only;
        let text = field.text.as_str();
        if self.next == Some(Word::JulianFollows) {
            return self.julian(field, time_only);
        }
        match field.kind {
            Kind::Date if self.have & (MONTH | DAY) == MONTH | DAY || mode.zone_expected || self.next.is_some() => {
                self.next = None;
                self.zone_or_time(text)
            }
            Kind::Date => self.date(text, settings.date_order),
            Kind::Time => {
                self.next = None;
                let (hour, minute, second, micros) = clock_parts(text, false)?;
                self.set_time(hour, minute, second, micros)
            }
            Kind::Offset => {
                self.zone = Some(Zone::fixed(displacement(text)?));
                Ok(ZONE)
            }
            Kind::Number if mode.point_in_date && text.contains('.') => self.date(text, settings.date_order),
            Kind::Number => self.plain_number(text, settings.date_order, time_only),
            Kind::Word | Kind::Signed => self.word(text, next, settings, time_only),
        }
    }

    fn julian(&mut self, field: &Field, time_only: bool) -> Decoded<u16> {
        self.next = None;
        if field.kind == Kind::Date && !time_only {
            // With an offset: J2451187-08:00.
            let digits = field.text.bytes().take_while(u8::is_ascii_digit).count();
            let days: i32 = field.text[..digits].parse().map_err(|_| Failure::Format)?;
            self.set_date(Civil::of(i64::from(days) + super::FIRST_DAY));
            self.julian = true;
            self.zone = Some(Zone::fixed(displacement(&field.text[digits..])?));
            return Ok(DATE | TIME | ZONE);
        }
        let value: f64 = field.text.parse().map_err(|_| Failure::Format)?;
        if field.kind != Kind::Number || value > 3e9 {
            return Err(Failure::Format);
        }
        let days = value.floor();
        self.set_date(Civil::of(days as i64 + super::FIRST_DAY));
        self.julian = true;
        if !field.text.contains('.') {
            return Ok(DATE);
        }
        self.time = ((value - days) * super::DAY as f64) as i64;
        Ok(DATE | TIME)
    }

    fn set_time(&mut self, hour: i64, minute: i64, second: i64, micros: i64) -> Decoded<u16> {
        self.time = checked_clock(hour, minute, second, micros)?;
        self.hour = hour;
        Ok(TIME)
    }

    fn set_date(&mut self, date: Civil) {
        (self.year, self.month, self.day) = (date.year, date.month, date.day);
        self.short_year = false;
    }

    /// Where a date is known: a zone's name, or a time without colons that has an offset.
    fn zone_or_time(&mut self, text: &str) -> Decoded<u16> {
        if starts_alpha(text) {
            self.zone = Some(Zone::named(text).ok_or_else(|| Failure::Zone(text.to_owned()))?);
            return Ok(ZONE);
        }
        if self.have & TIME != 0 {
            return Err(Failure::Format);
        }
        let at = text.find('-').ok_or(Failure::Format)?;
        self.zone = Some(Zone::fixed(displacement(&text[at..])?));
        Ok(self.run_together(&text[..at], DATE)? | ZONE)
    }

    /// Fields with punctuation between: a text month first, then numbers by their places.
    fn date(&mut self, text: &str, order: DateOrder) -> Decoded<u16> {
        // A month named outside of this field says nothing about the numbers' places in it.
        let named = std::mem::take(&mut self.text_month);
        let new = self.date_parts(text, order);
        self.text_month = named;
        new
    }

    fn date_parts(&mut self, text: &str, order: DateOrder) -> Decoded<u16> {
        let mut new = 0;
        let mut numbers = Vec::new();
        for part in parts(text)? {
            if !starts_alpha(part) {
                numbers.push(part);
                continue;
            }
            match word(part) {
                Some(Word::Month(month)) if (self.have | new) & MONTH == 0 => {
                    self.month = month;
                    self.text_month = true;
                    new |= MONTH;
                }
                _ => return Err(Failure::Format),
            }
        }
        for part in numbers {
            let got = self.number(part, self.have | new, order)?;
            if (self.have | new) & got != 0 {
                return Err(Failure::Format);
            }
            new |= got;
        }
        // A date with punctuation does not follow a time.
        if (self.have | new) & !ZONE == DATE { Ok(new) } else { Err(Failure::Format) }
    }

    /// A number that stands alone.
    fn plain_number(&mut self, text: &str, order: DateOrder, time_only: bool) -> Decoded<u16> {
        let follows_t = self.next.take().is_some();
        let have = if time_only || follows_t { self.have | DATE } else { self.have };
        let point = text.find('.');
        if point.is_some() && have & DATE == 0 && !follows_t {
            return self.date(text, order);
        }
        let long = point.map_or(text.len() >= 6 && (have & DATE == 0 || have & TIME == 0), |at| at > 2);
        if long || follows_t {
            return self.run_together(text, have);
        }
        self.number(text, have, order)
    }

    /// A year, month or day, by what is known already.
    fn number(&mut self, text: &str, have: u16, order: DateOrder) -> Decoded<u16> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(Failure::Format);
        }
        if text.as_bytes().get(digits) == Some(&b'.') && digits > 2 {
            return self.run_together(text, have);
        }
        if digits < text.len()
            && (text.as_bytes()[digits] != b'.' || !text[digits + 1..].bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(Failure::Format);
        }
        let value: i64 = text[..digits].parse::<i32>().map_err(|_| Failure::Field)?.into();
        let long = text.len() >= 3;
        if text.len() == 3 && have & DATE == YEAR && (1..=366).contains(&value) {
            self.day_of_year = Some(value);
            return Ok(MONTH | DAY);
        }
        let field = match have & DATE {
            0 if long || order == DateOrder::Ymd => YEAR,
            0 if order == DateOrder::Dmy => DAY,
            0 | YEAR | DAY => MONTH,
            MONTH if self.text_month && (long || order == DateOrder::Ymd) => YEAR,
            MONTH => DAY,
            known if known == YEAR | MONTH && self.text_month && long && self.short_year => {
                // The number before was the day after all.
                self.day = self.year as u32;
                self.year = value;
                self.short_year = false;
                return Ok(DAY);
            }
            known if known == YEAR | MONTH => DAY,
            known if known == MONTH | DAY => YEAR,
            DATE => return self.run_together(text, have),
            _ => return Err(Failure::Format),
        };
        match field {
            YEAR => {
                self.year = value;
                self.short_year = text.len() <= 2;
            }
            MONTH => self.month = value as u32,
            _ => self.day = value as u32,
        }
        Ok(field)
    }

    /// Digits without anything between: yyyymmdd, hhmmss, hhmm.
    fn run_together(&mut self, text: &str, have: u16) -> Decoded<u16> {
        let (digits, fraction) = match text.split_once('.') {
            Some((digits, rest)) => (digits, Some(fraction(rest)?)),
            None => (text, None),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Failure::Format);
        }
        let part = |range: std::ops::Range<usize>| digits[range].parse::<i64>().map_err(|_| Failure::Field);
        let length = digits.len();
        if fraction.is_none() && have & DATE != DATE && length >= 6 {
            self.day = part(length - 2..length)? as u32;
            self.month = part(length - 4..length - 2)? as u32;
            self.year = digits[..length - 4].parse::<i32>().map_err(|_| Failure::Field)?.into();
            self.short_year = length == 6;
            return Ok(DATE);
        }
        if have & TIME != 0 || length != 6 && length != 4 {
            return Err(Failure::Format);
        }
        let seconds = if length == 6 { part(4..6)? } else { 0 };
        self.set_time(part(0..2)?, part(2..4)?, seconds, fraction.unwrap_or(0))
    }

    fn word(&mut self, text: &str, next: Option<&Field>, settings: &Settings, time_only: bool) -> Decoded<u16> {
        if let Some(zone) = Zone::abbreviated(text) {
            self.zone = Some(zone);
            return Ok(if Zone::is_peculiar(text) { ZONE | PECULIAR } else { ZONE });
        }
        let Some(word) = word(text) else {
            self.zone = Some(Zone::named(text).ok_or(Failure::Format)?);
            return Ok(ZONE);
        };
        let (mut today, mut time, mut moment) = (0, 0, 0);
        if matches!(word, Word::Now | Word::Today | Word::Tomorrow | Word::Yesterday) {
            moment = settings.moment().map_err(Failure::Moment)?;
            (today, time) = split_day(moment + i64::from(settings.time_zone.offset_at(moment)) * SECOND);
        }
        // Of several words for a whole moment the last counts.
        if matches!(word, Word::Now | Word::AllBalls | Word::Today | Word::Tomorrow | Word::Yesterday) {
            self.special = None;
        }
        match word {
            Word::Now => {
                (self.time, self.hour) = (time, time / HOUR);
                if time_only {
                    return Ok(TIME);
                }
                self.set_date(Civil::of(today));
                self.zone = Some(Zone::fixed(settings.time_zone.offset_at(moment)));
                return Ok(DATE | TIME | ZONE);
            }
            Word::Month(_) | Word::Weekday if time_only => {
                return Err(Failure::Format);
            }
            Word::AllBalls => {
                self.time = 0;
                self.zone = Some(Zone::utc());
                return Ok(TIME | ZONE);
            }
            Word::Today | Word::Tomorrow | Word::Yesterday | Word::Epoch | Word::Infinity | Word::NegativeInfinity
                if time_only =>
            {
                return Err(Failure::Format);
            }
            Word::Today => self.set_date(Civil::of(today)),
            Word::Tomorrow => self.set_date(Civil::of(today + 1)),
            Word::Yesterday => self.set_date(Civil::of(today - 1)),
            Word::Epoch => self.special = Some(Meaning::Epoch),
            Word::Infinity => self.special = Some(Meaning::Infinity),
            Word::NegativeInfinity => self.special = Some(Meaning::NegativeInfinity),
            Word::Month(month) => return self.month_name(month),
            Word::Am | Word::Pm => self.afternoon = Some(word == Word::Pm),
            Word::Ad | Word::Bc => self.before_christ = Some(word == Word::Bc),
            Word::Dst => {
                let zone = self.zone.take().filter(Zone::is_fixed).ok_or(Failure::Format)?;
                self.zone = Some(Zone::fixed(zone.offset_at(0) + 3600));
            }
            Word::TimeFollows => {
                let time = next.is_some_and(|f| matches!(f.kind, Kind::Number | Kind::Time | Kind::Date));
                if !time || !time_only && self.have & DATE != DATE {
                    return Err(Failure::Format);
                }
                self.next = Some(word);
            }
            Word::JulianFollows => self.next = Some(word),
            Word::Weekday | Word::Filler => {}
        }
        Ok(match word {
            Word::Today | Word::Tomorrow | Word::Yesterday => DATE,
            Word::Am | Word::Pm => MERIDIEM,
            Word::Ad | Word::Bc => ERA,
            Word::Weekday => WEEKDAY,
            Word::Dst => PECULIAR,
            _ => 0,
        })
    }

    /// A month by its name; a number that was taken for the month is the day.
    fn month_name(&mut self, month: u32) -> Decoded<u16> {
        let mut new = MONTH;
        if self.have & MONTH != 0 && !self.text_month && self.have & DAY == 0 && (1..=31).contains(&self.month) {
            self.day = self.month;
            new = DAY;
        }
        self.text_month = true;
        self.month = month;
        Ok(new)
    }

    fn finish(mut self, time_only: bool) -> Decoded<Meaning> {
        let date = self.have & DATE;
        if date == DATE || !time_only {
            self.check_date()?;
        }
        self.apply_meridiem()?;
        if let Some(special) = self.special {
            return Ok(special);
        }
        if date != DATE && (date != 0 || self.have & TIME == 0) {
            return Err(Failure::Format);
        }
        let civil = (date == DATE).then_some(Civil { year: self.year, month: self.month, day: self.day });
        if time_only && self.have & TIME == 0 {
            return Err(Failure::Format);
        }
        // Without a date nobody knows whether daylight saving holds.
        if time_only && civil.is_none() && self.zone.as_ref().is_some_and(Zone::needs_date) {
            return Err(Failure::Format);
        }
        // PM alone is noon.
        let time = (self.have & (TIME | MERIDIEM) != 0).then_some(self.time);
        Ok(Meaning::Fields { date: civil, time, zone: self.zone })
    }

    fn apply_meridiem(&mut self) -> Decoded<()> {
        let hour = self.hour;
        match self.afternoon {
            Some(_) if hour > 12 => return Err(Failure::Field),
            Some(false) if hour == 12 => self.time -= 12 * HOUR,
            Some(true) if hour != 12 => self.time += 12 * HOUR,
            _ => {}
        }
        Ok(())
    }

    /// Checks the fields of a date that there are, and makes its year whole.
    fn check_date(&mut self) -> Decoded<()> {
        if self.have & YEAR != 0 && !self.julian {
            match self.before_christ {
                // There is no year 0.
                _ if self.year < 0 || self.year == 0 && !self.short_year => return Err(Failure::Field),
                Some(true) => self.year = 1 - self.year,
                Some(false) | None if self.short_year => self.year += if self.year < 70 { 2000 } else { 1900 },
                _ => {}
            }
        }
        if let Some(number) = self.day_of_year {
            let first = Civil { year: self.year, month: 1, day: 1 }.days();
            self.set_date(Civil::of(first + number - 1));
        }
        if self.have & MONTH != 0 && !(1..=12).contains(&self.month)
            || self.have & DAY != 0 && !(1..=31).contains(&self.day)
        {
            return Err(Failure::MonthDay);
        }
        if self.have & DATE == DATE && self.day > days_in(self.year, self.month) {
            return Err(Failure::Field);
        }
        Ok(())
    }
}

fn starts_alpha(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Runs of digits or letters, between punctuation. As in PostgreSQL, what ends a field is gone, even if it is a letter
/// (`1999-01-08T`), and no more than that may follow the last.
fn parts(text: &str) -> Decoded<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let alpha = starts_alpha(rest);
        let same = |c: char| if alpha { c.is_ascii_alphabetic() } else { c.is_ascii_digit() };
        let (part, tail) = rest.split_at(rest.find(|c| !same(c)).unwrap_or(rest.len()));
        if part.is_empty() {
            return Err(Failure::Format);
        }
        parts.push(part);
        rest = tail.get(1..).unwrap_or_default();
    }
    Ok(parts)
}

/// Microseconds of a fraction's digits.
pub(super) fn fraction(digits: &str) -> Decoded<i64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::Format);
    }
    let value: f64 = format!("0.{digits}0").parse().map_err(|_| Failure::Format)?;
    Ok((value * 1e6).round_ties_even() as i64)
}

/// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.ffffff`, `mm:ss.ffffff`, unchecked but for minutes and seconds; `mm:ss` if
/// `minutes_first`.
pub(super) fn clock_parts(text: &str, minutes_first: bool) -> Decoded<(i64, i64, i64, i64)> {
    let (whole, tail) = match text.split_once('.') {
        Some((whole, digits)) => (whole, Some(fraction(digits)?)),
        None => (text, None),
    };
    let numbers = whole.split(':').map(number).collect::<Decoded<Vec<i64>>>()?;
    let (hour, minute, second) = match (numbers.as_slice(), tail) {
        ([minute, second], Some(_)) => (0, *minute, *second),
        ([minute, second], None) if minutes_first => (0, *minute, *second),
        ([hour, minute], None) => (*hour, *minute, 0),
        ([hour, minute, second], _) => (*hour, *minute, *second),
        _ => return Err(Failure::Format),
    };
    if minute > 59 || second > 60 {
        return Err(Failure::Field);
    }
    Ok((hour, minute, second, tail.unwrap_or(0)))
}

/// No digits at all are 0: `12:` is noon.
fn number(text: &str) -> Decoded<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::Format);
    }
    if text.is_empty() { Ok(0) } else { text.parse::<i64>().map_err(|_| Failure::Field) }
}

/// At most 24:00:00; the 60th second is the next minute's first.
fn checked_clock(hour: i64, minute: i64, second: i64, micros: i64) -> Decoded<i64> {
    if hour > 24 || minute > 59 || second > 60 {
        return Err(Failure::Field);
    }
    // Far from overflow now.
    let total = hour * HOUR + minute * MINUTE + second * SECOND + micros;
    if total > super::DAY { Err(Failure::Field) } else { Ok(total) }
}

/// Seconds east of UTC of `+05:30`, `-8`, `+0530`.
pub(super) fn displacement(text: &str) -> Decoded<i32> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Err(Failure::Format),
    };
    let whole = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().map_or(Ok(0), number);
    let parts: Vec<&str> = rest.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [run] if run.len() > 2 && run.bytes().all(|b| b.is_ascii_digit()) => {
            let run = number(run)?;
            (run / 100, run % 100, 0)
        }
        [hour] => (whole(hour)?, 0, 0),
        [hour, minute] => (whole(hour)?, whole(minute)?, 0),
        [hour, minute, second] => (whole(hour)?, whole(minute)?, whole(second)?),
        _ => return Err(Failure::Format),
    };
    if hour > 15 || minute > 59 || second > 59 {
        return Err(Failure::Displacement);
    }
    if !parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Failure::Format);
    }
    Ok(sign * (hour * 3600 + minute * 60 + second) as i32)
}
