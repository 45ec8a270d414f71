//! Times as text: ISO 8601, as Debezium and services write it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

const SECOND: i128 = 1_000_000_000;

/// Nanoseconds since 1970 of a time with zone.
pub(crate) fn zoned_nanos(text: &str) -> Option<i128> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(i128::from(time.timestamp()) * SECOND + i128::from(time.timestamp_subsec_nanos()))
}

/// Nanoseconds since 1970 of a time whose zone, if it names one, is UTC.
pub(crate) fn local_nanos(text: &str) -> Option<i128> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let time: NaiveDateTime =
        text.parse().ok().or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok())?;
    let utc = time.and_utc();
    Some(i128::from(utc.timestamp()) * SECOND + i128::from(utc.timestamp_subsec_nanos()))
}

/// Days since 1970 of a date.
pub(crate) fn days(text: &str) -> Option<i32> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.to_epoch_days())
}

/// Nanoseconds of a time as MySQL's TIME has it: it may be negative or longer than a day.
pub(crate) fn clock_nanos(text: &str) -> Option<i128> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (hours, rest) = text.split_once(':')?;
    if hours.is_empty() || hours.len() > 4 || !hours.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Minutes and seconds as chrono checks them.
    let rest = format!("00:{rest}").parse::<NaiveTime>().ok()?;
    let rest = rest.signed_duration_since(NaiveTime::MIN).num_nanoseconds()?;
    let nanos = hours.parse::<i128>().ok()? * 3_600 * SECOND + i128::from(rest);
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_kind() {
        assert_eq!(clock_nanos("-838:59:58.999999"), Some(-3_020_398_999_999_000));
        assert_eq!(clock_nanos("12:34:56Z"), Some(45_296 * SECOND));
        assert_eq!(clock_nanos("24:00:00"), Some(86_400 * SECOND));
        for text in ["", ":", "-", "1", "aa:00:00", "1:60:00", "1:00:00x", "99999:00:00", "+1:00:00", "--1:00:00"] {
            assert_eq!(clock_nanos(text), None, "{text}");
        }
        assert_eq!(zoned_nanos("1970-01-01T01:00:00.5+01:00"), Some(SECOND / 2));
        assert_eq!(zoned_nanos("1970-01-01T01:00:00"), None);
        assert_eq!(local_nanos("1970-01-01 00:00:01"), Some(SECOND));
        assert_eq!(local_nanos("1969-12-31T23:59:59.999999Z"), Some(-1_000));
        assert_eq!(days("1969-12-31Z"), Some(-1));
        assert_eq!(days("2026-02-30"), None);
    }
}
