//! Formats of dates and times, as a list of pieces.

/// What a pattern shows or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// AD or BC; with dots or without.
    Era(bool),
    /// AM or PM; with dots or without.
    Half(bool),
    Century,
    DayName,
    DayShort,
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    /// So many digits of the second's fraction.
    Fraction(u32),
    Exact,
    Hour24,
    Hour12,
    IsoDayOfYear,
    IsoDayOfWeek,
    IsoWeek,
    /// So many last digits.
    IsoYear(u32),
    Julian,
    Minute,
    MonthNumber,
    MonthName,
    MonthShort,
    Milliseconds,
    Offset,
    Quarter,
    Roman,
    SecondOfDay,
    Second,
    ZoneHours,
    ZoneMinutes,
    Zone,
    Microseconds,
    Week,
    WeekOfMonth,
    YearWithComma,
    /// So many last digits.
    Year(u32),
}

/// How a pattern writes letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// A pattern with what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) field: Field,
    pub(super) case: Case,
    /// As it is written, for errors; its length is the number of characters that are read.
    pub(super) name: &'static str,
    /// FM: without padding.
    pub(super) fill: bool,
    /// TM: names of the locale, which are those of English, without padding.
    pub(super) local: bool,
    /// TH or th.
    pub(super) ordinal: Option<bool>,
}

/// A piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Pattern(Pattern),
    Space(char),
    Separator(char),
    Char(char),
}

/// A parsed format.
#[derive(Debug, Clone)]
pub(crate) struct Template(pub(super) Vec<Piece>);

/// Patterns in upper case; those that write letters have more cases below.
const PATTERNS: &[(&str, &str, Field)] = &[
    ("A.D.", "a.d.", Field::Era(true)),
    ("A.M.", "a.m.", Field::Half(true)),
    ("AD", "ad", Field::Era(false)),
    ("AM", "am", Field::Half(false)),
    ("B.C.", "b.c.", Field::Era(true)),
    ("BC", "bc", Field::Era(false)),
    ("CC", "cc", Field::Century),
    ("DAY", "day", Field::DayName),
    ("DDD", "ddd", Field::DayOfYear),
    ("DD", "dd", Field::DayOfMonth),
    ("DY", "dy", Field::DayShort),
    ("D", "d", Field::DayOfWeek),
    ("FF1", "ff1", Field::Fraction(1)),
    ("FF2", "ff2", Field::Fraction(2)),
    ("FF3", "ff3", Field::Fraction(3)),
    ("FF4", "ff4", Field::Fraction(4)),
    ("FF5", "ff5", Field::Fraction(5)),
    ("FF6", "ff6", Field::Fraction(6)),
    ("FX", "fx", Field::Exact),
    ("HH24", "hh24", Field::Hour24),
    ("HH12", "hh12", Field::Hour12),
    ("HH", "hh", Field::Hour12),
    ("IDDD", "iddd", Field::IsoDayOfYear),
    ("ID", "id", Field::IsoDayOfWeek),
    ("IW", "iw", Field::IsoWeek),
    ("IYYY", "iyyy", Field::IsoYear(4)),
    ("IYY", "iyy", Field::IsoYear(3)),
    ("IY", "iy", Field::IsoYear(2)),
    ("I", "i", Field::IsoYear(1)),
    ("J", "j", Field::Julian),
    ("MI", "mi", Field::Minute),
    ("MM", "mm", Field::MonthNumber),
    ("MONTH", "month", Field::MonthName),
    ("MON", "mon", Field::MonthShort),
    ("MS", "ms", Field::Milliseconds),
    ("OF", "of", Field::Offset),
    ("P.M.", "p.m.", Field::Half(true)),
    ("PM", "pm", Field::Half(false)),
    ("Q", "q", Field::Quarter),
    ("RM", "rm", Field::Roman),
    ("SSSSS", "sssss", Field::SecondOfDay),
    ("SSSS", "ssss", Field::SecondOfDay),
    ("SS", "ss", Field::Second),
    ("TZH", "tzh", Field::ZoneHours),
    ("TZM", "tzm", Field::ZoneMinutes),
    ("TZ", "tz", Field::Zone),
    ("US", "us", Field::Microseconds),
    ("WW", "ww", Field::Week),
    ("W", "w", Field::WeekOfMonth),
    ("Y,YYY", "y,yyy", Field::YearWithComma),
    ("YYYY", "yyyy", Field::Year(4)),
    ("YYY", "yyy", Field::Year(3)),
    ("YY", "yy", Field::Year(2)),
    ("Y", "y", Field::Year(1)),
];

const CAPITALS: &[(&str, Field)] =
    &[("Month", Field::MonthName), ("Mon", Field::MonthShort), ("Day", Field::DayName), ("Dy", Field::DayShort)];

/// The pattern that the text begins with: the longest.
fn pattern(text: &str) -> Option<(&'static str, Field, Case)> {
    let spelled = PATTERNS
        .iter()
        .flat_map(|(upper, lower, field)| [(*upper, *field, Case::Upper), (*lower, *field, Case::Lower)]);
    let capitals = CAPITALS.iter().map(|(name, field)| (*name, *field, Case::Capital));
    spelled.chain(capitals).filter(|(name, ..)| text.starts_with(name)).max_by_key(|(name, ..)| name.len())
}

impl Field {
    /// Whether what is read for it are digits.
    pub(super) fn is_digits(self) -> bool {
        use Field as F;
        !matches!(
            self,
            F::Era(_)
                | F::Half(_)
                | F::DayName
                | F::DayShort
                | F::Exact
                | F::MonthName
                | F::MonthShort
                | F::Offset
                | F::Roman
                | F::Zone
                | F::ZoneHours
        )
    }
}

/// Whether a character of a format or text separates fields: a printable one that is no letter or digit.
pub(super) fn is_separator(char: char) -> bool {
    char.is_ascii_punctuation()
}

pub(super) fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t'..='\r')
}

impl Template {
    /// Parses a format. Every text is one.
    pub(crate) fn parse(text: &str) -> Template {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (mut after, mut fill, mut local) = (rest, false, false);
            if let Some(next) = after.strip_prefix("FM").or_else(|| after.strip_prefix("fm")) {
                (after, fill) = (next, true);
            } else if let Some(next) = after.strip_prefix("TM").or_else(|| after.strip_prefix("tm")) {
                (after, local) = (next, true);
            }
            if let Some((name, field, case)) = pattern(after) {
                rest = &after[name.len()..];
                let ordinal = if rest.starts_with("TH") {
                    Some(true)
                } else if rest.starts_with("th") {
                    Some(false)
                } else {
                    None
                };
                if ordinal.is_some() {
                    rest = &rest[2..];
                } else if rest.starts_with("SP") {
                    // SP is read and means nothing.
                    rest = &rest[2..];
                }
                pieces.push(Piece::Pattern(Pattern { field, case, name, fill, local, ordinal }));
                continue;
            }
            // A prefix before what is no pattern goes without a trace.
            rest = after;
            other(&mut rest, &mut pieces);
        }
        Template(pieces)
    }
}

/// Takes what is no pattern off the front: a text in quotes, or a character.
fn other(rest: &mut &str, pieces: &mut Vec<Piece>) {
    let Some(first) = rest.chars().next() else { return };
    *rest = &rest[first.len_utf8()..];
    if first == '"' {
        let mut chars = rest.char_indices();
        while let Some((_, char)) = chars.next() {
            let char = match char {
                '"' => break,
                '\\' => match chars.next() {
                    Some((_, escaped)) => escaped,
                    None => '\\',
                },
                other => other,
            };
            pieces.push(Piece::Char(char));
        }
        *rest = chars.as_str();
        return;
    }
    // A backslash means something before a quote only.
    let char = if first == '\\' && rest.starts_with('"') {
        *rest = &rest[1..];
        '"'
    } else {
        first
    };
    pieces.push(if is_separator(char) {
        Piece::Separator(char)
    } else if is_space(char) {
        Piece::Space(char)
    } else {
        Piece::Char(char)
    });
}
