//! What a connection knows of itself: its variables and its transaction block.
//!
//! Every statement sees one moment. In a block, INSERT's rows are evaluated at once and put into their tables at COMMIT, as
//! one change; until then nobody reads them. CREATE and DROP take effect at once, as the client is told; UPDATE and DELETE
//! are refused there.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use sql::{After, Error, Insertion, Notice, Positions, Result};
use std::sync::Arc;

use crate::waits::Wait;

/// Without another word a statement waits this long for the initial rows of what it reads.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables that exist before anybody sets one, as clients ask for them.
const DEFAULTS: [(&str, &str); 23] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("cluster", "default"),
    ("database", "materialize"),
    ("datestyle", "ISO, MDY"),
    (DEFAULT_READ_ONLY, "off"),
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
    (AFTER, ""),
    ("timezone", "UTC"),
    ("transaction_isolation", "strict serializable"),
    (TRANSACTION_READ_ONLY, "off"),
];

/// Whether transactions may change nothing: those to come, and this one.
const DEFAULT_READ_ONLY: &str = "default_transaction_read_only";
const TRANSACTION_READ_ONLY: &str = "transaction_read_only";

/// Positions that answers of the session must include.
pub const AFTER: &str = "tidewater.after";

/// Shows the positions of this moment; no variable of the session.
pub const POSITION: &str = "tidewater.position";

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
#[derive(Debug, Default)]
pub struct Session {
    set: BTreeMap<String, String>,
    /// What the client's startup set, to which RESET goes back.
    start: BTreeMap<String, String>,
    transaction: Option<Transaction>,
    /// Whether it was told what needs telling once only.
    told: bool,
    /// Names of the prepared statements, so that all of them can be forgotten.
    pub(crate) statements: HashSet<String>,
}

/// A transaction block: what its end undoes, and what it does.
#[derive(Debug, Default)]
struct Transaction {
    /// The variables at its beginning.
    before: BTreeMap<String, String>,
    /// What variables were before SET LOCAL, which its end takes back.
    local: BTreeMap<String, Option<String>>,
    /// Rows that COMMIT puts into their tables.
    insertions: Vec<Insertion>,
    savepoints: Vec<Savepoint>,
    read_only: Option<bool>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    set: BTreeMap<String, String>,
    local: BTreeMap<String, Option<String>>,
    insertions: usize,
}

impl Session {
    /// A session of a client that sent these parameters at its start.
    ///
    /// # Errors
    /// 22023 for an encoding that is not UTF-8; other values that have no meaning here leave the default, as the client
    /// is told.
    pub fn new<'a>(startup: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<Self> {
        let mut session = Session::default();
        let mut start = |name: &str, value: &str| match session.set(name, Some(value)) {
            Err(error) if name == "client_encoding" => Err(error),
            _ => Ok(()),
        };
        let mut user = None;
        for (name, value) in startup {
            match name.to_lowercase().as_str() {
                "user" => user = Some(value.clone()),
                "options" => {
                    for (name, value) in options(value) {
                        start(&name, &value)?;
                    }
                }
                // Extensions of the protocol itself.
                "replication" => {}
                name if name.starts_with("_pq_.") => {}
                name => start(name, value)?,
            }
        }
        session.set.extend(user.map(|user| ("session_authorization".to_owned(), user)));
        session.start.clone_from(&session.set);
        Ok(session)
    }

    /// Begins a transaction block; false if there is one.
    pub fn begin(&mut self, read_only: Option<bool>) -> bool {
        let new = self.transaction.is_none();
        let before = || Transaction { before: self.set.clone(), read_only, ..Transaction::default() };
        self.transaction.get_or_insert_with(before);
        new
    }

    /// Whether statements may change nothing now.
    pub fn is_read_only(&self) -> bool {
        let set = |name| self.set.get(name).map(|value| value == "on");
        let of_block = self.transaction.as_ref().and_then(|block| set(TRANSACTION_READ_ONLY).or(block.read_only));
        of_block.or(set(DEFAULT_READ_ONLY)).unwrap_or(false)
    }

    /// Ends the block and keeps what it set; gives the rows to insert.
    pub fn commit(&mut self) -> Vec<Insertion> {
        let Some(transaction) = self.transaction.take() else { return Vec::new() };
        for (name, value) in transaction.local {
            match value {
                Some(value) => drop(self.set.insert(name, value)),
                None => drop(self.set.remove(&name)),
            }
        }
        transaction.insertions
    }

    /// Ends the block and takes back what it set; false if there is none.
    pub fn rollback(&mut self) -> bool {
        let Some(transaction) = self.transaction.take() else { return false };
        self.set = transaction.before;
        true
    }

    /// Keeps rows until COMMIT.
    pub fn hold(&mut self, insertion: Insertion) {
        if let Some(transaction) = &mut self.transaction {
            transaction.insertions.push(insertion);
        }
    }

    /// Whether rows wait for COMMIT.
    pub fn holds(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| !transaction.insertions.is_empty())
    }

    fn block(&mut self, statement: &str) -> Result<&mut Transaction> {
        let message = || Error::new("25P01", format!("{statement} can only be used in transaction blocks"));
        self.transaction.as_mut().ok_or_else(message)
    }

    /// Marks a place in the block to which [`Session::rollback_to`] goes back.
    ///
    /// # Errors
    /// 25P01 outside a block.
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        let set = self.set.clone();
        let block = self.block("SAVEPOINT")?;
        let (local, insertions) = (block.local.clone(), block.insertions.len());
        block.savepoints.push(Savepoint { name: name.to_owned(), set, local, insertions });
        Ok(())
    }

    /// Forgets a savepoint and those after it.
    ///
    /// # Errors
    /// 25P01 outside a block, 3B001 for an unknown name.
    pub fn release(&mut self, name: &str) -> Result<()> {
        let block = self.block("RELEASE SAVEPOINT")?;
        let at = block.find(name)?;
        block.savepoints.truncate(at);
        Ok(())
    }

    /// Takes back what the block did since a savepoint, which stays.
    ///
    /// # Errors
    /// 25P01 outside a block, 3B001 for an unknown name.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let block = self.block("ROLLBACK TO SAVEPOINT")?;
        let at = block.find(name)?;
        block.savepoints.truncate(at + 1);
        let savepoint = &block.savepoints[at];
        block.insertions.truncate(savepoint.insertions);
        block.local.clone_from(&savepoint.local);
        self.set = savepoint.set.clone();
        Ok(())
    }

    /// Sets a variable until the block's end; outside a block it changes nothing.
    ///
    /// # Errors
    /// See [`Session::set`].
    pub fn set_local(&mut self, name: &str, value: Option<&str>) -> Result<bool> {
        let earlier = self.transaction.as_ref().and_then(|transaction| transaction.local.get(name).cloned());
        let before = earlier.unwrap_or_else(|| self.set.get(name).cloned());
        let known = self.set(name, value)?;
        match &mut self.transaction {
            Some(transaction) => drop(transaction.local.insert(name.to_owned(), before)),
            None => match before {
                Some(before) => drop(self.set.insert(name.to_owned(), before)),
                None => drop(self.set.remove(name)),
            },
        }
        Ok(known)
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
        match value {
            Some(value) => {
                let value = meaning(name, value)?;
                self.set.insert(name.to_owned(), value);
            }
            None => match self.start.get(name) {
                Some(start) => drop(self.set.insert(name.to_owned(), start.clone())),
                None => drop(self.set.remove(name)),
            },
        }
        if let Some(transaction) = &mut self.transaction {
            // A plain SET after SET LOCAL outlives the block.
            transaction.local.remove(name);
        }
        Ok(DEFAULTS.iter().any(|(known, _)| *known == name))
    }

    /// Takes all defaults back.
    pub fn reset(&mut self) {
        self.set.clone_from(&self.start);
        if let Some(transaction) = &mut self.transaction {
            transaction.local.clear();
        }
    }

    /// The variables that clients are told of, as they are now.
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        REPORTED.iter().map(|(name, reported)| (*reported, self.get(name).unwrap_or_default().to_owned())).collect()
    }

    /// How long a statement may wait.
    pub fn statement_timeout(&self) -> Duration {
        let set = self.set.get("statement_timeout").and_then(|value| duration(value));
        set.unwrap_or(STATEMENT_TIMEOUT)
    }

    /// What queries of this session wait for.
    pub fn wait(&self) -> Wait {
        // It was understood when it was set.
        let after = self.set.get(AFTER).and_then(|text| text.parse().ok());
        Wait { limit: self.statement_timeout(), after }
    }

    /// What of `notices` this client wants to hear and has not heard.
    pub fn news(&mut self, notices: Vec<Notice>) -> Vec<Notice> {
        let least = self.get("client_min_messages").unwrap_or_default().to_lowercase();
        let wanted = |notice: &Notice| match least.as_str() {
            "warning" => notice.severity != "NOTICE",
            "error" => false,
            _ => true,
        };
        let told = self.told;
        let news: Vec<_> = notices.into_iter().filter(|notice| wanted(notice) && !(notice.once && told)).collect();
        self.told |= news.iter().any(|notice| notice.once);
        news
    }

    /// The columns of the answer of `SHOW name`.
    pub fn columns(name: &str) -> SchemaRef {
        let names: &[&str] = if name == "all" { &["name", "setting"] } else { &[name] };
        let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
        Arc::new(Schema::new(fields))
    }

    /// The answer of `SHOW name`; `positions` is asked for those of this moment.
    ///
    /// # Errors
    /// 42704 for an unknown variable.
    pub fn show(&self, name: &str, positions: impl FnOnce() -> Positions) -> Result<RecordBatch> {
        if name == POSITION {
            return table(Self::columns(name), vec![vec![positions().to_string().as_str()]]);
        }
        if name == "all" {
            let names = DEFAULTS.iter().map(|(name, _)| *name);
            let values = names.clone().map(|name| self.get(name).unwrap_or_default());
            return table(Self::columns(name), vec![names.collect(), values.collect()]);
        }
        let value = self.get(name).ok_or_else(|| {
            Error::new("42704", format!("unrecognized configuration parameter \"{name}\"")).hint("SHOW ALL lists them")
        })?;
        table(Self::columns(name), vec![vec![value]])
    }
}

/// The value as it is shown: clients compare some with the word that PostgreSQL uses.
fn meaning(name: &str, value: &str) -> Result<String> {
    // asyncpg sends 'utf-8' with its quotes.
    let word = value.trim().trim_matches('\'').to_lowercase();
    let one_of = |words: &[&str], shown: &str, hint: &str| {
        if words.contains(&word.as_str()) {
            return Ok(shown.to_owned());
        }
        Err(Error::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\"")).hint(hint))
    };
    match name {
        "client_encoding" => one_of(&["utf8", "utf-8", "unicode"], "UTF8", "only UTF8 is supported"),
        "timezone" => one_of(&["utc", "gmt", "etc/utc", "0", "+00:00", "+00"], "UTC", "times are shown in UTC only"),
        "datestyle" => {
            let iso = ["iso", "iso, mdy", "iso,mdy", "iso, us", "iso, dmy", "iso, ymd", "mdy"];
            one_of(&iso, "ISO, MDY", "dates are shown in ISO style only")
        }
        "intervalstyle" => one_of(&["postgres"], "postgres", "intervals are shown in style postgres only"),
        "standard_conforming_strings" => {
            one_of(&["on", "true", "1", "yes"], "on", "backslashes in plain strings are always backslashes")
        }
        DEFAULT_READ_ONLY | TRANSACTION_READ_ONLY => match word.as_str() {
            "on" | "true" | "1" | "yes" => Ok("on".to_owned()),
            _ => one_of(&["off", "false", "0", "no"], "off", "it is on or off"),
        },
        AFTER if value.trim().is_empty() => Ok(String::new()),
        AFTER => value
            .parse::<After>()
            .map(|_| value.trim().to_owned())
            .map_err(|error| Error::new("22023", format!("invalid value for parameter \"{name}\": {}", error.message))),
        POSITION => Err(Error::new("55P02", format!("parameter \"{name}\" cannot be changed"))
            .hint(format!("SET {AFTER} = '…' lets queries wait for a position"))),
        "statement_timeout" => match duration(&word) {
            Some(_) => Ok(value.to_owned()),
            None => one_of(&[], "", "write 5000, 5s or 1min; 0 is no limit"),
        },
        _ => Ok(value.to_owned()),
    }
}

/// `-c name=value`, `-cname=value` and `--name=value`; spaces in values are written `\ `.
fn options(text: &str) -> Vec<(String, String)> {
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

fn table(schema: SchemaRef, columns: Vec<Vec<&str>>) -> Result<RecordBatch> {
    let columns = columns.into_iter().map(|values| Arc::new(StringArray::from(values)) as _).collect();
    RecordBatch::try_new(schema, columns).map_err(|e| Error::new("XX000", e.to_string()))
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

impl Transaction {
    fn find(&self, name: &str) -> Result<usize> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| Error::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }
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
        assert!(session.set("datestyle", Some("German")).is_err());
        assert_eq!(session.set("client_encoding", Some("'utf-8'")), Ok(true));
        assert_eq!(session.get("client_encoding"), Some("UTF8"));
        assert_eq!(session.show("nothing", Positions::default).map_err(|error| error.sqlstate), Err("42704".into()));
    }

    #[test]
    fn startup_parameters() {
        let start = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Session::new(pairs.iter().map(|(name, value)| (name, value)))
        };
        let text = r"-c statement_timeout=5s --search-path=a\ b -capplication_name=x";
        let session = start(&[("user", "me"), ("options", text), ("TimeZone", "Europe/Berlin")]).expect("a session");
        let of = |name| session.get(name).unwrap_or_default();
        assert_eq!((of("session_authorization"), of("application_name"), of("search_path")), ("me", "x", "a b"));
        assert_eq!((session.statement_timeout(), of("timezone")), (Duration::from_secs(5), "UTC"));
        assert!(start(&[("client_encoding", "LATIN1")]).is_err());
    }

    #[test]
    fn a_block_takes_back_what_it_set() {
        let mut session = Session::default();
        assert!(session.savepoint("a").is_err());
        assert!(session.begin(None) && !session.begin(None));
        session.set("application_name", Some("one")).expect("a value");
        session.savepoint("a").expect("in a block");
        session.set("application_name", Some("two")).expect("a value");
        session.rollback_to("a").expect("it is there");
        assert_eq!(session.get("application_name"), Some("one"));
        session.set_local("statement_timeout", Some("1s")).expect("a value");
        session.release("a").expect("it is still there");
        assert!(session.rollback_to("a").is_err());
        session.commit();
        assert_eq!(session.get("application_name"), Some("one"));
        assert_eq!(session.get("statement_timeout"), Some("60s"));
        session.begin(None);
        session.set("application_name", Some("three")).expect("a value");
        assert!(session.rollback() && !session.rollback());
        assert_eq!(session.get("application_name"), Some("one"));
    }
}
