//! Date and time texts, cut into fields (<https://www.postgresql.org/docs/15/datetime-input-rules.html>), and the words that they
//! may hold.

/// What a field looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits, perhaps with a fraction.
    Number,
    /// Fields with `-`, `/` or `.` between, or a zone's name with punctuation.
    Date,
    /// Digits and colons.
    Time,
    /// A sign and digits.
    Offset,
    /// Letters.
    Word,
    /// A sign and letters: -infinity.
    Signed,
}

/// One field, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// The most fields and characters that PostgreSQL reads.
const MAX_FIELDS: usize = 25;
const MAX_LENGTH: usize = 128;

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Now,
    Today,
    Tomorrow,
    Yesterday,
    Epoch,
    Infinity,
    NegativeInfinity,
    AllBalls,
    /// 1 to 12.
    Month(u32),
    /// 0 for Sunday.
    Weekday,
    Am,
    Pm,
    Ad,
    Bc,
    /// An hour earlier than the zone says.
    Dst,
    /// `T` before a time.
    TimeFollows,
    /// `J` before a Julian day.
    JulianFollows,
    /// Says nothing: at, on.
    Filler,
}

/// Letters that count of a word.
const WORD_LENGTH: usize = 10;

#[rustfmt::skip]
const MONTHS: &[&[&str]] = &[
    &["jan", "january"], &["feb", "february"], &["mar", "march"], &["apr", "april"], &["may"], &["jun", "june"],
    &["jul", "july"], &["aug", "august"], &["sep", "sept", "september"], &["oct", "october"], &["nov", "november"],
    &["dec", "december"],
];
#[rustfmt::skip]
const WEEKDAYS: &[&str] = &[
    "sun", "sunday", "mon", "monday", "tue", "tues", "tuesday", "wed", "weds", "wednesday", "thu", "thur", "thurs",
    "thursday", "fri", "friday", "sat", "saturday",
];

pub(super) fn word(text: &str) -> Option<Word> {
    let text = text.get(..WORD_LENGTH).unwrap_or(text);
    Some(match text {
        "now" => Word::Now,
        "today" => Word::Today,
        "tomorrow" => Word::Tomorrow,
        "yesterday" => Word::Yesterday,
        "epoch" => Word::Epoch,
        "infinity" => Word::Infinity,
        "-infinity" => Word::NegativeInfinity,
        "allballs" => Word::AllBalls,
        "am" => Word::Am,
        "pm" => Word::Pm,
        "ad" => Word::Ad,
        "bc" => Word::Bc,
        "dst" => Word::Dst,
        "t" => Word::TimeFollows,
        "j" | "jd" | "julian" => Word::JulianFollows,
        "at" | "on" => Word::Filler,
        _ if WEEKDAYS.contains(&text) => Word::Weekday,
        _ => {
            let month = MONTHS.iter().position(|names| names.contains(&text))?;
            Word::Month(month as u32 + 1)
        }
    })
}

/// The fields of `text`; `None` if it has characters that no field has.
pub(super) fn fields(text: &str) -> Option<Vec<Field>> {
    if text.len() > MAX_LENGTH || !text.is_ascii() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = match bytes[at] {
            byte if byte.is_ascii_whitespace() || byte == 0x0b => {
                at += 1;
                continue;
            }
            b'0'..=b'9' => digits_field(bytes, at),
            b'.' => (Kind::Number, run(bytes, at + 1, |b| b.is_ascii_digit())),
            b'a'..=b'z' => word_field(bytes, at),
            b'+' | b'-' => {
                fields.push(signed_field(&text, &mut at)?);
                if fields.len() > MAX_FIELDS {
                    return None;
                }
                continue;
            }
            byte if byte.is_ascii_punctuation() => {
                at += 1;
                continue;
            }
            _ => return None,
        };
        fields.push(Field { kind, text: text[at..end].to_owned() });
        if fields.len() > MAX_FIELDS {
            return None;
        }
        at = end;
    }
    Some(fields)
}

/// Where the run of such bytes from `at` ends.
fn run(bytes: &[u8], mut at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    while at < bytes.len() && wanted(bytes[at]) {
        at += 1;
    }
    at
}

fn digits_field(bytes: &[u8], at: usize) -> (Kind, usize) {
    let end = run(bytes, at, |b| b.is_ascii_digit());
    match bytes.get(end) {
        Some(b':') => (Kind::Time, run(bytes, end, |b| b.is_ascii_digit() || b == b':' || b == b'.')),
        Some(&delimiter @ (b'-' | b'/' | b'.')) => {
            let next = end + 1;
            if !bytes.get(next).is_some_and(u8::is_ascii_digit) {
                return (Kind::Date, run(bytes, next, |b| b.is_ascii_alphanumeric() || b == delimiter));
            }
            let second = run(bytes, next, |b| b.is_ascii_digit());
            if bytes.get(second) == Some(&delimiter) {
                return (Kind::Date, run(bytes, second, |b| b.is_ascii_digit() || b == delimiter));
            }
            (if delimiter == b'.' { Kind::Number } else { Kind::Date }, second)
        }
        _ => (Kind::Number, end),
    }
}

fn word_field(bytes: &[u8], at: usize) -> (Kind, usize) {
    let end = run(bytes, at, |b| b.is_ascii_alphabetic());
    let letters = std::str::from_utf8(&bytes[at..end]).unwrap_or_default();
    let more = match bytes.get(end) {
        Some(b'-' | b'/' | b'.') => true,
        // A word of dates ends before digits (`T10:00`, `J2451187`, `1y2mons`); a zone's name goes on (`GMT+3`, `EST5EDT`).
        Some(b'+' | b'0'..=b'9') => word(letters).is_none() && !matches!(letters, "d" | "h" | "m" | "s" | "y"),
        _ => false,
    };
    if !more {
        return (Kind::Word, end);
    }
    (Kind::Date, run(bytes, end, |b| b.is_ascii_alphanumeric() || b"+-/_.:".contains(&b)))
}

/// A sign, blanks perhaps, then digits or letters.
fn signed_field(text: &str, at: &mut usize) -> Option<Field> {
    let bytes = text.as_bytes();
    let sign = &text[*at..*at + 1];
    let start = run(bytes, *at + 1, |b| b.is_ascii_whitespace());
    let (kind, end) = match bytes.get(start)? {
        b'0'..=b'9' => (Kind::Offset, run(bytes, start, |b| b.is_ascii_digit() || b":.-".contains(&b))),
        b'a'..=b'z' => (Kind::Signed, run(bytes, start, |b| b.is_ascii_alphabetic())),
        _ => return None,
    };
    *at = end;
    Some(Field { kind, text: format!("{sign}{}", &text[start..end]) })
}
