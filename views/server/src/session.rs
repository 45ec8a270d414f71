//! What a connection knows of itself: its variables and its transaction.
//!
//! Every statement sees one moment, and all of a transaction the same: that of the first one that reads. In a transaction, what INSERT,
//! UPDATE and DELETE change is evaluated at once and put into the tables at COMMIT, as one change ([`crate::transaction`]); until then
//! only the transaction itself reads it, in tables but not in materialized views. CREATE and DROP take effect at once, as the client is told.
//!
//! A transaction is a block from BEGIN to COMMIT, or the statements of one text, which are a transaction without these words
//! (<https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT>).

mod settings;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidewater_sql::{Changes, Error, HeldKeys, Prepared, Result, TransactionMoment, Within};
use tidewater_types::Settings;
use tidewater_types::time::Zone;

use crate::acting::Acting;
use crate::copy_in::Copying;
use crate::cursors::Cursors;
use crate::transaction::{Ended, HeldChange, RestsOn};
pub use crate::variables::{AFTER, POSITION, REPORTED, SERVER_VERSION};
use crate::variables::{
    DATABASE, DATE_STYLE, DEFAULT_READ_ONLY, DEFAULTS, ISOLATION, SEARCH_PATH, TIME_ZONE, TRANSACTION_READ_ONLY, USER,
    VERSION, date_order, names, options, shown_name,
};

/// Without another word a statement waits this long for the initial rows of what it reads.
const TIMEOUT: Duration = Duration::from_secs(60);

type Variables = BTreeMap<String, String>;

/// See the module.
#[derive(Debug, Default)]
pub struct Session {
    set: Arc<Variables>,
    /// What the client's startup set, to which RESET goes back.
    start: Arc<Variables>,
    transaction: Option<Transaction>,
    /// Whether it was told what needs telling once only.
    told: bool,
    /// Names of the prepared statements, so that all of them can be forgotten.
    pub(crate) statements: HashSet<String>,
    /// What PREPARE named.
    pub(crate) prepared: HashMap<String, Arc<Prepared>>,
    pub(crate) cursors: Cursors,
    /// What its functions do.
    pub(crate) acting: Option<Arc<Acting>>,
    /// The schema of its temporary objects; empty where there can be none.
    pub(crate) temp_schema: String,
    /// Whether it has made any.
    has_temp: bool,
    /// When the server started.
    pub(crate) server_started: i64,
    /// The number of the transaction, or of the statement by itself, if it asked for one.
    transaction_id: Option<i64>,
    /// What a function of a statement by itself has set.
    by_function: Option<ByFunction>,
    /// Variables that clients are told of and a function has set.
    untold: Vec<&'static str>,
    /// The COPY whose lines come.
    pub(crate) copying: Option<Copying>,
    /// By which clients know it.
    pub(crate) backend_pid: i32,
    /// What expressions see of these variables.
    seen: Option<(Arc<Variables>, tidewater_functions::Session)>,
}

/// What the end of a statement takes back of what its functions set.
#[derive(Debug)]
struct ByFunction {
    /// The variables before it, for an error.
    before: Arc<Variables>,
    /// What variables were that it set for itself only.
    local: BTreeMap<String, Option<String>>,
}

/// A transaction: what its end undoes, and what it does.
#[derive(Debug, Default)]
struct Transaction {
    /// Whether BEGIN began it; otherwise it ends with its text.
    block: bool,
    /// What `now()` is in it.
    began: i64,
    /// The variables at its beginning.
    before: Arc<Variables>,
    /// What variables were before SET LOCAL, which its end takes back.
    local: BTreeMap<String, Option<String>>,
    /// The moment that it sees, once it has read.
    moment: Option<Arc<TransactionMoment>>,
    /// What it read, by number; kept where it is to be as if nobody else had been there.
    read: BTreeSet<u32>,
    /// What COMMIT does to tables.
    changes: Vec<HeldChange>,
    /// Their keys, as far as they are known.
    keys: HeldKeys,
    /// What has taken effect already.
    done: Vec<String>,
    savepoints: Vec<Savepoint>,
    read_only: bool,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    set: Arc<Variables>,
    local: BTreeMap<String, Option<String>>,
    changes: usize,
}

/// Microseconds since 1970.
pub(crate) fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Random bits of the system. It has some, or nothing that must not be guessed may be made.
fn random() -> u64 {
    getrandom::u64().expect("the system has random bits")
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
        if let Some(user) = user {
            Arc::make_mut(&mut session.set).insert(USER.to_owned(), user);
        }
        session.start = session.set.clone();
        Ok(session)
    }

    /// What the expressions of a statement that begins now see of the session.
    pub fn statement(&mut self) -> Arc<tidewater_functions::Session> {
        let now = clock();
        if self.transaction.is_none() {
            self.transaction_id = None;
        }
        if !self.seen.as_ref().is_some_and(|(set, _)| Arc::ptr_eq(set, &self.set)) {
            self.seen = Some((self.set.clone(), self.shown_to_functions()));
        }
        let mut seen = self.seen.as_ref().map(|(_, seen)| seen.clone()).unwrap_or_default();
        if let Some(acting) = &self.acting {
            acting.sequences.read_only.store(self.is_read_only(), Ordering::Relaxed);
            seen.actions = Some(acting.clone());
        }
        let began = self.transaction.as_ref().map_or(now, |transaction| transaction.began);
        let settings = Settings { now: began, ..seen.settings };
        Arc::new(tidewater_functions::Session { settings, statement_now: now, ..seen })
    }

    fn shown_to_functions(&self) -> tidewater_functions::Session {
        let of = |name: &str| self.get(name).unwrap_or_default();
        let user = of(USER).to_owned();
        let mut variables: Variables =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.extend(self.set.iter().map(|(name, value)| (name.clone(), value.clone())));
        let path = names(of(SEARCH_PATH), &user);
        tidewater_functions::Session {
            settings: Settings {
                // It was understood when it was set.
                time_zone: Zone::setting(of(TIME_ZONE)).unwrap_or_default(),
                date_order: date_order(of(DATE_STYLE)),
                ..Settings::default()
            },
            clock,
            random,
            search_path: self.has_temp.then(|| self.temp_schema.clone()).into_iter().chain(path).collect(),
            temp_schema: self.temp_schema.clone(),
            server_started: self.server_started,
            user,
            database: DATABASE.to_owned(),
            backend_pid: self.backend_pid,
            version: VERSION.to_owned(),
            variables: Arc::new(variables),
            ..tidewater_functions::Session::default()
        }
    }

    /// Who it is.
    pub(crate) fn user(&self) -> String {
        self.get(USER).unwrap_or_default().to_owned()
    }

    /// It has temporary objects from now on.
    pub(crate) fn made_temp(&mut self) {
        self.has_temp = true;
        self.seen = None;
    }

    /// Whether it may have temporary objects.
    pub(crate) fn has_temp(&self) -> bool {
        self.has_temp
    }

    /// When its transaction began, or a statement by itself that begins now.
    pub(crate) fn began(&self) -> i64 {
        self.transaction.as_ref().map_or_else(clock, |transaction| transaction.began)
    }

    /// The number of the transaction; `assign` gives one where it has none.
    pub(crate) fn transaction_id(&mut self, assign: Option<impl FnOnce() -> i64>) -> Option<i64> {
        if self.transaction_id.is_none() {
            self.transaction_id = assign.map(|assign| assign());
        }
        self.transaction_id
    }

    /// Sets a variable for a function. What a statement by itself sets is taken back if it fails.
    ///
    /// # Errors
    /// See [`Session::set`].
    pub(crate) fn set_by_function(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        if self.transaction.is_some() {
            if local { self.set_local(name, value) } else { self.set(name, value) }?;
        } else {
            let (before, earlier) = (self.set.clone(), self.set.get(name).cloned());
            self.set(name, value)?;
            let all = self.by_function.get_or_insert_with(|| ByFunction { before, local: BTreeMap::new() });
            if local {
                all.local.entry(name.to_owned()).or_insert(earlier);
            } else {
                all.local.remove(name);
            }
        }
        let reported = REPORTED.iter().find(|(reported, _)| *reported == name);
        self.untold.extend(reported.map(|(name, _)| *name));
        Ok(self.get(name).unwrap_or_default().to_owned())
    }

    /// A statement has ended: what its functions set stays only if it succeeded.
    pub(crate) fn end_statement(&mut self, succeeded: bool) {
        let Some(ByFunction { before, local }) = self.by_function.take() else { return };
        match succeeded {
            true => local.into_iter().for_each(|(name, value)| self.put(&name, value)),
            false => self.set = before,
        }
    }

    /// The variables that a function has set and the client is to be told of.
    pub(crate) fn take_untold(&mut self) -> Vec<(&'static str, String)> {
        let untold = std::mem::take(&mut self.untold);
        untold.iter().map(|name| (shown_name(name), self.get(name).unwrap_or_default().to_owned())).collect()
    }

    /// Begins a transaction block; false if there is one. The transaction of a text becomes the block.
    pub fn begin(&mut self, read_only: Option<bool>, isolation: Option<&str>) -> bool {
        let transaction = self.open();
        let new = !transaction.block;
        if new {
            transaction.block = true;
            transaction.read_only = read_only.unwrap_or(transaction.read_only);
            // The parser knows the levels.
            let _ = isolation.map(|level| self.set_local(ISOLATION, Some(level)));
        }
        new
    }

    /// Begins the transaction of a text, unless there is one.
    pub fn open_implicit(&mut self) {
        self.open();
    }

    fn open(&mut self) -> &mut Transaction {
        let read_only = self.is_read_only();
        let new = || Transaction { before: self.set.clone(), began: clock(), read_only, ..Transaction::default() };
        self.transaction.get_or_insert_with(new)
    }

    /// Whether there is a transaction that BEGIN did not begin.
    pub fn is_implicit(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| !transaction.block)
    }

    /// How many savepoints the transaction has.
    pub(crate) fn savepoints(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.savepoints.len())
    }

    /// Whether there is a transaction.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether statements may change nothing now.
    pub fn is_read_only(&self) -> bool {
        let set = |name| self.set.get(name).map(|value| value == "on");
        match &self.transaction {
            Some(transaction) => set(TRANSACTION_READ_ONLY).unwrap_or(transaction.read_only),
            None => set(DEFAULT_READ_ONLY).unwrap_or(false),
        }
    }

    /// Ends the transaction and keeps what it set; gives what it changes.
    pub fn commit(&mut self) -> Ended {
        self.cursors.commit();
        let Some(transaction) = self.transaction.take() else { return Ended::default() };
        self.transaction_id = None;
        for (name, value) in transaction.local {
            self.put(&name, value);
        }
        let (moment, relations) = (transaction.moment, transaction.read);
        let rests_on = moment.filter(|_| !relations.is_empty()).map(|moment| RestsOn { moment, relations });
        Ended { changes: transaction.changes, rests_on: rests_on.into_iter().collect() }
    }

    /// What a statement sees inside the transaction, and whether there is one.
    pub(crate) fn within(&self) -> (Within, bool) {
        let moment = self.transaction.as_ref().and_then(|transaction| transaction.moment.clone());
        (Within::new(self.held(), moment), self.in_transaction())
    }

    /// The moment that the transaction sees, to be changed.
    pub(crate) fn moment_mut(&mut self) -> Option<&mut Arc<TransactionMoment>> {
        self.transaction.as_mut()?.moment.as_mut()
    }

    /// Takes note of what a statement of the transaction read: the first fixes the moment.
    pub(crate) fn has_read(&mut self, moment: Option<Arc<TransactionMoment>>, read: impl FnOnce() -> BTreeSet<u32>) {
        let is_serializable = self.is_serializable();
        let Some(transaction) = &mut self.transaction else { return };
        if transaction.moment.is_none() {
            transaction.moment = moment;
        }
        if is_serializable {
            transaction.read.extend(read());
        }
    }

    /// Statements of a text that come now see what has happened meanwhile.
    pub(crate) fn forget_moment(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.moment = None;
        }
    }

    /// Whether what the transaction reads must be as it was when it ends.
    fn is_serializable(&self) -> bool {
        self.get(ISOLATION).is_some_and(|level| level.ends_with("serializable"))
    }

    /// Ends the transaction and takes back what it set; gives what of it has taken effect all the same. `None` if there is none.
    pub fn rollback(&mut self) -> Option<Vec<String>> {
        self.cursors.roll_back();
        let transaction = self.transaction.take()?;
        self.set = transaction.before;
        Some(transaction.done)
    }

    /// Keeps changes until COMMIT, and what is known of the keys of all of them.
    pub(crate) fn hold(&mut self, changes: HeldChange, keys: HeldKeys) {
        if let Some(transaction) = &mut self.transaction {
            transaction.changes.push(changes);
            transaction.keys = keys;
        }
    }

    /// The keys of changes that wait for COMMIT; they are to be given back by [`Session::hold`].
    pub fn take_keys(&mut self) -> HeldKeys {
        self.transaction.as_mut().map(|transaction| std::mem::take(&mut transaction.keys)).unwrap_or_default()
    }

    /// Changes that wait for COMMIT.
    pub fn held(&self) -> Vec<Arc<Changes>> {
        let changes = self.transaction.iter().flat_map(|transaction| &transaction.changes);
        changes.map(|held| held.evaluated.changes.clone()).collect()
    }

    /// Gives the changes that wait, which take effect before the end of their text.
    pub(crate) fn take_held(&mut self) -> Ended {
        let Some(transaction) = &mut self.transaction else { return Ended::default() };
        transaction.keys = HeldKeys::default();
        transaction.moment = None;
        Ended { changes: std::mem::take(&mut transaction.changes), rests_on: Vec::new() }
    }

    /// Takes note of what no error and no ROLLBACK undoes.
    pub fn took_effect(&mut self, tag: &str) {
        if let Some(transaction) = &mut self.transaction {
            transaction.done.push(tag.to_owned());
        }
    }

    fn block(&mut self, statement: &str) -> Result<&mut Transaction> {
        let message = || Error::new(b"25P01", format!("{statement} can only be used in transaction blocks"));
        self.transaction.as_mut().filter(|transaction| transaction.block).ok_or_else(message)
    }

    /// Marks a place in the block to which [`Session::rollback_to`] goes back.
    ///
    /// # Errors
    /// 25P01 outside a block.
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        let set = self.set.clone();
        let block = self.block("SAVEPOINT")?;
        let (local, changes) = (block.local.clone(), block.changes.len());
        block.savepoints.push(Savepoint { name: name.to_owned(), set, local, changes });
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
        block.changes.truncate(savepoint.changes);
        block.keys = HeldKeys::default();
        block.local.clone_from(&savepoint.local);
        self.set = savepoint.set.clone();
        self.cursors.roll_back_to(at + 1);
        Ok(())
    }
}

impl Transaction {
    fn find(&self, name: &str) -> Result<usize> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| Error::new(b"3B001", format!("savepoint \"{name}\" does not exist")))
    }
}

#[cfg(test)]
mod tests {
    use tidewater_sql::Positions;

    use super::*;

    #[test]
    fn variables() {
        let mut session = Session::default();
        assert_eq!(session.get("timezone"), Some("UTC"));
        assert!(session.set("server_version", Some("16")).is_err());
        assert_eq!(session.set("statement_timeout", Some("2min")), Ok(()));
        assert_eq!(session.statement_timeout(), Duration::from_secs(120));
        assert_eq!(session.set("never_heard_of", Some("1")).map_err(|error| error.sqlstate), Err(*b"42704"));
        assert_eq!(session.set("my.4", Some("1")).map_err(|error| error.sqlstate), Err(*b"42602"));
        assert_eq!((session.set("my.own", Some("1")), session.get("my.own")), (Ok(()), Some("1")));
        assert_eq!((session.set("work_mem", Some("64MB")), session.get("work_mem")), (Ok(()), Some("64MB")));
        session.reset();
        assert_eq!((session.get("my.own"), session.get("work_mem")), (Some(""), Some("4096")));
        assert_eq!(session.show("nothing", Positions::default).err().map(|error| error.sqlstate), Some(*b"42704"));
    }

    #[test]
    fn startup_parameters() {
        let start = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Session::new(pairs.iter().map(|(name, value)| (name, value)))
        };
        let text = r"-c statement_timeout=5s --search-path=a\ b -capplication_name=x";
        let session = start(&[("user", "me"), ("options", text), ("TimeZone", "Europe/Nowhere")]).expect("a session");
        let of = |name| session.get(name).unwrap_or_default();
        assert_eq!((of("session_authorization"), of("application_name"), of("search_path")), ("me", "x", "a b"));
        assert_eq!((session.statement_timeout(), of("timezone")), (Duration::from_secs(5), "UTC"));
        assert!(start(&[("client_encoding", "LATIN1")]).is_err());
    }

    #[test]
    fn expressions_see_the_variables_as_they_are() {
        let mut session = Session::default();
        assert_eq!(session.statement().settings.time_zone.name(), "UTC");
        session.set("timezone", Some("europe/berlin")).expect("a zone");
        session.set("datestyle", Some("DMY")).expect("an order");
        session.set("search_path", Some("\"A b\", public")).expect("a list");
        let seen = session.statement();
        assert_eq!(seen.settings.time_zone.name(), "Europe/Berlin");
        assert_eq!(seen.settings.date_order, tidewater_types::DateOrder::Dmy);
        assert_eq!(seen.search_path, ["A b", "public"]);
        assert_eq!(seen.variables.get("timezone").map(String::as_str), Some("Europe/Berlin"));
        // The whole block has one now.
        session.begin(None, None);
        let first = session.statement();
        while (first.clock)() == first.statement_now {}
        let second = session.statement();
        assert_eq!(first.settings.now, second.settings.now);
        assert!(second.statement_now > first.statement_now && first.settings.now >= seen.statement_now);
        assert_ne!((first.random)(), (first.random)());
    }

    #[test]
    fn a_block_takes_back_what_it_set() {
        let mut session = Session::default();
        assert!(session.savepoint("a").is_err());
        assert!(session.begin(None, None) && !session.begin(None, None));
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
        session.begin(None, None);
        session.set("application_name", Some("three")).expect("a value");
        assert!(session.rollback().is_some() && session.rollback().is_none());
        assert_eq!(session.get("application_name"), Some("one"));
    }

    #[test]
    fn the_transaction_of_a_text_becomes_a_block_by_begin() {
        let mut session = Session::default();
        session.open_implicit();
        assert!(session.is_implicit() && session.savepoint("a").is_err());
        session.set("application_name", Some("one")).expect("a value");
        assert!(session.begin(None, None) && !session.is_implicit());
        session.savepoint("a").expect("in a block");
        session.took_effect("CREATE TABLE");
        assert_eq!(session.rollback(), Some(vec!["CREATE TABLE".to_owned()]));
        assert_eq!(session.get("application_name"), Some(""), "BEGIN began nothing new");
    }
}
