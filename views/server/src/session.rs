//! What a connection knows of itself: its variables.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use sql::{Error, Result};
use std::sync::Arc;

/// Without another word a statement waits this long for the initial rows of what it reads.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables that exist before anybody sets one, as clients ask for them.
const DEFAULTS: [(&str, &str); 20] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("cluster", "default"),
    ("database", "materialize"),
    ("datestyle", "ISO, MDY"),
    ("extra_float_digits", "1"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "on"),
    ("mz_version", concat!("tidewater ", env!("CARGO_PKG_VERSION"))),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "90500"),
    ("session_authorization", "materialize"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "60s"),
    ("timezone", "UTC"),
    ("transaction_isolation", "strict serializable"),
];

/// As Materialize announces itself: clients ask less of so old a server.
pub const SERVER_VERSION: &str = "9.5.0";

/// Variables whose changes clients are told of.
pub const REPORTED: [(&str, &str); 11] = [
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("server_encoding", "server_encoding"),
    ("server_version", "server_version"),
    ("session_authorization", "session_authorization"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// Variables that tell what the server is.
const READ_ONLY: [&str; 6] =
    ["integer_datetimes", "is_superuser", "mz_version", "server_encoding", "server_version", "server_version_num"];

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Session {
    set: BTreeMap<String, String>,
}

impl Session {
    /// A session of a client that sent these parameters at its start.
    pub fn new<'a>(startup: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut session = Session::default();
        for (name, value) in startup {
            let name = name.to_lowercase();
            match name.as_str() {
                "user" => drop(session.set.insert("session_authorization".into(), value.clone())),
                "options" | "replication" => {}
                _ => drop(session.set.insert(name, value.clone())),
            }
        }
        session
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        let default = || DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        self.set.get(name).map(String::as_str).or_else(default)
    }

    /// Sets a variable, or takes its default back; whether it is one that this system knows.
    ///
    /// # Errors
    /// 55P02 for what cannot be changed, 22023 for a value that has no meaning.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<bool> {
        if READ_ONLY.contains(&name) {
            return Err(Error::new("55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        if let Some(value) = value {
            let wrong = |hint: &str| {
                Err(Error::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\"")).hint(hint))
            };
            match name {
                "client_encoding" if !["utf8", "utf-8", "unicode"].contains(&value.to_lowercase().as_str()) => {
                    return wrong("only UTF8 is supported");
                }
                "timezone"
                    if !["utc", "gmt", "etc/utc", "0", "+00:00", "+00"].contains(&value.to_lowercase().as_str()) =>
                {
                    return wrong("times are shown in UTC only");
                }
                "statement_timeout" if duration(value).is_none() => return wrong("write 5000, 5s or 1min"),
                _ => {}
            }
            self.set.insert(name.to_owned(), value.to_owned());
        } else {
            self.set.remove(name);
        }
        Ok(DEFAULTS.iter().any(|(known, _)| *known == name))
    }

    /// Takes all defaults back.
    pub fn reset(&mut self) {
        self.set.retain(|name, _| name == "session_authorization");
    }

    /// How long a statement may wait.
    pub fn statement_timeout(&self) -> Duration {
        let set = self.set.get("statement_timeout").and_then(|value| duration(value));
        set.unwrap_or(STATEMENT_TIMEOUT)
    }

    /// The answer of `SHOW name`.
    ///
    /// # Errors
    /// 42704 for an unknown variable.
    pub fn show(&self, name: &str) -> Result<RecordBatch> {
        if name == "all" {
            let names = DEFAULTS.iter().map(|(name, _)| *name);
            let values = names.clone().map(|name| self.get(name).unwrap_or_default());
            return table(&["name", "setting"], vec![names.collect(), values.collect()]);
        }
        let value = self.get(name).ok_or_else(|| {
            Error::new("42704", format!("unrecognized configuration parameter \"{name}\"")).hint("SHOW ALL lists them")
        })?;
        table(&[name], vec![vec![value]])
    }
}

fn table(names: &[&str], columns: Vec<Vec<&str>>) -> Result<RecordBatch> {
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let columns = columns.into_iter().map(|values| Arc::new(StringArray::from(values)) as _).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::new("XX000", e.to_string()))
}

/// `5000` (milliseconds), `5s`, `1min`; 0 waits for ever, which here is a day.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "" | "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "min" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(if millis == 0 { 86_400_000 } else { millis }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let mut session = Session::default();
        assert_eq!(session.get("timezone"), Some("UTC"));
        assert!(session.set("timezone", Some("Europe/Berlin")).is_err());
        assert!(session.set("server_version", Some("16")).is_err());
        assert_eq!(session.set("statement_timeout", Some("2min")), Ok(true));
        assert_eq!(session.statement_timeout(), Duration::from_secs(120));
        assert_eq!(session.set("never_heard_of", Some("1")), Ok(false));
        assert_eq!(session.get("never_heard_of"), Some("1"));
        session.reset();
        assert_eq!(session.get("never_heard_of"), None);
        assert_eq!(session.show("nothing").map_err(|error| error.sqlstate), Err("42704".into()));
    }
}
