//! The variables of a session: which there are, what their values mean, and how clients name them.

use std::time::Duration;

use tidewater_sql::{After, Error, Result};
use tidewater_types::DateOrder;
use tidewater_types::time::Zone;

use crate::inert::inert;

/// Variables that exist before anybody sets one, as clients ask for them. Some mean nothing here, as `lock_timeout`: nothing is locked.
pub(crate) const DEFAULTS: [(&str, &str); 38] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("check_function_bodies", "on"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("cluster", "default"),
    ("database", DATABASE),
    (DATE_STYLE, "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    (DEFAULT_READ_ONLY, "off"),
    ("escape_string_warning", "on"),
    ("extra_float_digits", "1"),
    (IDLE_TIMEOUT, "10min"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "on"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("mz_version", concat!("tidewater ", env!("CARGO_PKG_VERSION"))),
    ("row_security", "on"),
    (SEARCH_PATH, "public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "90500"),
    (USER, "materialize"),
    ("standard_conforming_strings", "on"),
    (STATEMENT_TIMEOUT, "60s"),
    ("synchronous_commit", "on"),
    (AFTER, ""),
    (TIME_ZONE, "UTC"),
    (ISOLATION, "repeatable read"),
    (TRANSACTION_READ_ONLY, "off"),
    ("xmloption", "content"),
];

/// The database that there is.
pub(crate) const DATABASE: &str = "materialize";

/// Whether transactions may change nothing: those to come, and this one.
pub(crate) const DEFAULT_READ_ONLY: &str = "default_transaction_read_only";
pub(crate) const TRANSACTION_READ_ONLY: &str = "transaction_read_only";

/// How much of what others do a transaction may meet.
pub(crate) const ISOLATION: &str = "transaction_isolation";

/// How long a client may be silent in a transaction, which keeps the rows of its moment.
pub(crate) const IDLE_TIMEOUT: &str = "idle_in_transaction_session_timeout";

pub(crate) const DATE_STYLE: &str = "datestyle";
pub(crate) const SEARCH_PATH: &str = "search_path";
pub(crate) const STATEMENT_TIMEOUT: &str = "statement_timeout";
pub(crate) const TIME_ZONE: &str = "timezone";
pub(crate) const USER: &str = "session_authorization";

/// Positions that answers of the session must include.
pub const AFTER: &str = "tidewater.after";

/// Shows the positions of this moment; no variable of the session.
pub const POSITION: &str = "tidewater.position";

/// As Materialize announces itself: clients ask less of so old a server.
pub const SERVER_VERSION: &str = "9.5.0";

/// What `version()` gives.
pub(crate) const VERSION: &str = concat!("PostgreSQL 9.5.0 on tidewater ", env!("CARGO_PKG_VERSION"));

/// Variables whose changes clients are told of.
pub const REPORTED: [(&str, &str); 11] = [
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    (DATE_STYLE, "DateStyle"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("server_encoding", "server_encoding"),
    ("server_version", "server_version"),
    (USER, "session_authorization"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    (TIME_ZONE, "TimeZone"),
];

/// Variables that tell what the server is.
pub(crate) const READ_ONLY: [&str; 10] = [
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "max_index_keys",
    "mz_version",
    "server_encoding",
    "server_version",
    "server_version_num",
];

/// The default of a variable.
pub(crate) fn default(name: &str) -> Option<&'static str> {
    DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).or_else(|| inert(name))
}

/// The variable that a name means.
pub(crate) fn meant(name: &str) -> &str {
    if name == "default_transaction_isolation" { ISOLATION } else { name }
}

/// A variable's name as answers write it.
pub(crate) fn shown_name(name: &str) -> &str {
    REPORTED.iter().find(|(known, _)| *known == name).map_or(name, |(_, shown)| shown)
}

/// Whether a variable is a client's own: its name is of several parts.
pub(crate) fn is_own(name: &str) -> bool {
    name.contains('.') && ![AFTER, POSITION].contains(&name)
}

/// Fails for a variable that nobody knows. Names of several parts are the client's own.
///
/// # Errors
/// 42704, 42602 for a name that is none.
pub(crate) fn known(name: &str) -> Result<()> {
    let is_part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
        first && letters.all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
    };
    let unknown = || Error::new(b"42704", format!("unrecognized configuration parameter \"{name}\""));
    match name.contains('.') {
        true if name == AFTER => Ok(()),
        true if name.starts_with("tidewater.") => Err(unknown()),
        true if name.split('.').all(is_part) => Ok(()),
        true => Err(Error::new(b"42602", format!("invalid configuration parameter name \"{name}\""))
            .detail("Custom parameter names must be two or more simple identifiers separated by dots.")),
        false if default(name).is_some() => Ok(()),
        false => Err(unknown()),
    }
}

fn invalid(name: &str, value: &str) -> Error {
    Error::new(b"22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
}

/// The value as it is shown: clients compare some with the word that PostgreSQL uses. `now` is what the variable is at present.
///
/// # Errors
/// 22023 for a value that has no meaning here, 55P02 for what cannot be set.
pub(crate) fn meaning(name: &str, value: &str, now: Option<&str>) -> Result<String> {
    // asyncpg sends 'utf-8' with its quotes.
    let word = value.trim().trim_matches('\'').to_lowercase();
    let one_of = |words: &[&str], shown: &str, hint: &str| {
        if words.contains(&word.as_str()) { Ok(shown.to_owned()) } else { Err(invalid(name, value).hint(hint)) }
    };
    match name {
        "client_encoding" => one_of(&["utf8", "utf-8", "unicode"], "UTF8", "only UTF8 is supported"),
        TIME_ZONE => {
            let value = value.trim().trim_matches('\'');
            let zone = if word == "local" { Some(Zone::utc()) } else { Zone::setting(value) };
            let hint = "a name of the tz database, as Europe/Berlin, or hours east of UTC";
            zone.map(|zone| zone.name().to_owned()).ok_or_else(|| invalid(name, value).hint(hint))
        }
        DATE_STYLE => {
            let order = date_style(&word, now.map(date_order).unwrap_or_default());
            let hint = "dates are shown in style ISO; MDY, DMY and YMD say how others are read";
            order.map(|order| format!("ISO, {}", order_name(order))).ok_or_else(|| invalid(name, value).hint(hint))
        }
        "intervalstyle" => one_of(&["postgres"], "postgres", "intervals are shown in style postgres only"),
        "bytea_output" => one_of(&["hex"], "hex", "bytes are shown in hexadecimal only"),
        "extra_float_digits" => {
            let hint = "floats are always shown with as many digits as bring them back: 1, 2 and 3 say so";
            one_of(&["1", "2", "3"], &word, hint)
        }
        SEARCH_PATH if names(value, "").iter().any(|name| name == "pg_temp") => {
            Err(Error::new(b"0A000", "pg_temp in search_path is not supported")
                .hint("temporary objects are always looked for first"))
        }
        "array_nulls" => one_of(&["on", "true", "1", "yes"], "on", "NULL in an array's text is always NULL"),
        "transform_null_equals" | "quote_all_identifiers" | "exit_on_error" => {
            one_of(&["off", "false", "0", "no"], "off", "it is always off")
        }
        "lc_monetary" | "lc_numeric" | "lc_time" => one_of(&["c", "posix"], value.trim(), "there is no other locale"),
        "timezone_abbreviations" => one_of(&["default"], "Default", "there are no others"),
        "idle_session_timeout" => one_of(&["0"], "0", "sessions outside of transactions may be idle for ever"),
        "standard_conforming_strings" => {
            one_of(&["on", "true", "1", "yes"], "on", "backslashes in plain strings are always backslashes")
        }
        DEFAULT_READ_ONLY | TRANSACTION_READ_ONLY => match word.as_str() {
            "on" | "true" | "1" | "yes" => Ok("on".to_owned()),
            _ => one_of(&["off", "false", "0", "no"], "off", "it is on or off"),
        },
        AFTER if value.trim().is_empty() => Ok(String::new()),
        AFTER => value.parse::<After>().map(|_| value.trim().to_owned()).map_err(|error| {
            Error::new(b"22023", format!("invalid value for parameter \"{name}\": {}", error.message))
        }),
        POSITION => Err(Error::new(b"55P02", format!("parameter \"{name}\" cannot be changed"))
            .hint(format!("SET {AFTER} = '…' lets queries wait for a position"))),
        ISOLATION => {
            let levels =
                ["read uncommitted", "read committed", "repeatable read", "serializable", "strict serializable"];
            one_of(&levels, &word, "the levels are read committed, repeatable read and serializable")
        }
        STATEMENT_TIMEOUT | IDLE_TIMEOUT => match duration(&word) {
            Some(_) => Ok(value.to_owned()),
            None => one_of(&[], "", "write 5000, 5s or 1min; 0 is no limit"),
        },
        _ => Ok(value.to_owned()),
    }
}

/// What a list of words of DateStyle makes of an order; `None` if one of them is no such word.
fn date_style(words: &str, now: DateOrder) -> Option<DateOrder> {
    words.split(',').try_fold(now, |order, word| match word.trim() {
        "iso" => Some(order),
        "mdy" | "us" | "noneuro" | "noneuropean" => Some(DateOrder::Mdy),
        "dmy" | "euro" | "european" => Some(DateOrder::Dmy),
        "ymd" => Some(DateOrder::Ymd),
        "default" => Some(DateOrder::default()),
        _ => None,
    })
}

/// The order that a value of DateStyle, as it is shown, says.
pub(crate) fn date_order(shown: &str) -> DateOrder {
    date_style(&shown.to_lowercase(), DateOrder::default()).unwrap_or_default()
}

fn order_name(order: DateOrder) -> &'static str {
    match order {
        DateOrder::Mdy => "MDY",
        DateOrder::Dmy => "DMY",
        DateOrder::Ymd => "YMD",
    }
}

/// The names in a list, as `public, "My Schema", "$user"`.
pub(crate) fn names(list: &str, user: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut is_quoted) = (Vec::new(), String::new(), false, false);
    let mut letters = list.chars().chain([',']).peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => name.extend(letters.next()),
            '"' => {
                quoted = !quoted;
                is_quoted = true;
            }
            ',' if !quoted => {
                let found = std::mem::take(&mut name);
                let found = if std::mem::take(&mut is_quoted) { found } else { found.trim().to_lowercase() };
                match found.as_str() {
                    "$user" => names.push(user.to_owned()),
                    "" => {}
                    _ => names.push(found),
                }
            }
            letter if !quoted && (letter.is_whitespace() && (is_quoted || name.is_empty())) => {}
            letter => name.push(letter),
        }
    }
    names
}

/// `-c name=value`, `-cname=value` and `--name=value`; spaces in values are written `\ `.
pub(crate) fn options(text: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter =
            if letter == '\\' { letters.next() } else { Some(letter).filter(|letter| !letter.is_whitespace()) };
        match (letter, words.last_mut()) {
            (Some(letter), Some(word)) => word.push(letter),
            _ => words.push(String::new()),
        }
    }
    let mut found = Vec::new();
    for word in words {
        let setting = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(&word);
        if let Some((name, value)) = setting.split_once('=') {
            found.push((name.replace('-', "_").to_lowercase(), value.to_owned()));
        }
    }
    found
}

/// `5000` (milliseconds), `5s`, `1min`; 0 waits for ever, which here is a day.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let millis = milliseconds(text)?;
    Some(Duration::from_millis(if millis == 0 { 86_400_000 } else { millis }))
}

/// A number of ms, s, min or h; of ms where it does not say.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_postgresql_s_words_or_refused() {
        for (name, value, shown) in [
            (TIME_ZONE, "europe/berlin", "Europe/Berlin"),
            (TIME_ZONE, "utc", "UTC"),
            (TIME_ZONE, "-3", "<-03>+03"),
            (TIME_ZONE, "LOCAL", "UTC"),
            (DATE_STYLE, "ISO", "ISO, DMY"),
            (DATE_STYLE, "mdy", "ISO, MDY"),
            (DATE_STYLE, "ISO, YMD", "ISO, YMD"),
            (DATE_STYLE, "iso,European", "ISO, DMY"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("extra_float_digits", "3", "3"),
        ] {
            assert_eq!(meaning(name, value, Some("ISO, DMY")).as_deref(), Ok(shown), "{name} {value}");
        }
        for (name, value) in [
            (TIME_ZONE, "Europe/Atlantis"),
            (DATE_STYLE, "German"),
            (DATE_STYLE, "SQL, DMY"),
            ("intervalstyle", "iso_8601"),
            ("extra_float_digits", "0"),
            ("client_encoding", "LATIN1"),
            (STATEMENT_TIMEOUT, "soon"),
        ] {
            assert_eq!(meaning(name, value, None).map_err(|error| error.sqlstate), Err(*b"22023"), "{name} {value}");
        }
        assert_eq!(date_order("ISO, DMY"), DateOrder::Dmy);
    }

    #[test]
    fn lists_of_names_are_taken_apart_as_sql_writes_them() {
        assert_eq!(
            names(" Public , \"My, Schema\", \"$user\",\"a\"\"b\" ", "ann"),
            ["public", "My, Schema", "ann", "a\"b"]
        );
        assert_eq!(names("", "ann"), [""; 0]);
    }

    #[test]
    fn options_of_the_command_line() {
        let found = options(r"-c statement_timeout=5s --search-path=a\ b -capplication_name=x");
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("statement_timeout", "5s"), ("search_path", "a b"), ("application_name", "x")]);
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
    }
}
