//! Who is connected and does what: pg_stat_activity, and what ends another session or its statement.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use pgwire::api::ConnectionHandle;
use tidewater_functions::{Backend, Signal, TEMP_SCHEMA};
use tokio::sync::watch;

use crate::session::clock;

/// All sessions.
pub struct Activity {
    /// When the server started, in microseconds since 1970.
    pub(crate) started: i64,
    sessions: Mutex<BTreeMap<i32, Arc<Entry>>>,
    temp_schemas: AtomicU64,
    /// The number of the transaction that asked for one last.
    transactions: AtomicI64,
}

impl Default for Activity {
    fn default() -> Self {
        // Numbers of transactions begin behind those of the server before: it gave away less than one a microsecond.
        let started = clock();
        Activity {
            started,
            sessions: Mutex::default(),
            temp_schemas: AtomicU64::new(0),
            transactions: AtomicI64::new(started),
        }
    }
}

/// One session.
pub(crate) struct Entry {
    pid: i32,
    user: String,
    client: SocketAddr,
    began: i64,
    cancel: Arc<ConnectionHandle>,
    ended: watch::Sender<bool>,
    now: Mutex<Now>,
}

/// What a session does.
struct Now {
    application_name: String,
    transaction_began: Option<i64>,
    statement_began: Option<i64>,
    state_changed: i64,
    state: &'static str,
    statement: Arc<str>,
}

/// What a session does while its statement runs.
const ACTIVE: &str = "active";

/// Takes a session off the list at its end.
pub(crate) struct Listed {
    activity: Arc<Activity>,
    pub(crate) entry: Arc<Entry>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.activity.sessions.lock().remove(&self.entry.pid);
    }
}

impl Activity {
    /// Puts a session on the list; `None` if there is one of its number.
    pub(crate) fn add(
        self: &Arc<Self>,
        pid: i32,
        user: &str,
        client: SocketAddr,
        cancel: Arc<ConnectionHandle>,
    ) -> Option<Listed> {
        let began = clock();
        let now = Now {
            application_name: String::new(),
            transaction_began: None,
            statement_began: None,
            state_changed: began,
            state: "idle",
            statement: Arc::from(""),
        };
        let (ended, _) = watch::channel(false);
        let entry = Arc::new(Entry { pid, user: user.to_owned(), client, began, cancel, ended, now: now.into() });
        let mut sessions = self.sessions.lock();
        if sessions.contains_key(&pid) {
            return None;
        }
        sessions.insert(pid, entry.clone());
        Some(Listed { activity: self.clone(), entry })
    }

    /// The name of a schema for a session's temporary objects, which no other has.
    pub(crate) fn temp_schema(&self) -> String {
        format!("{TEMP_SCHEMA}{}", self.temp_schemas.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The next number of a transaction.
    pub(crate) fn transaction_id(&self) -> i64 {
        self.transactions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The sessions that there are.
    pub(crate) fn backends(&self) -> Vec<Backend> {
        self.sessions.lock().values().map(|entry| entry.shown()).collect()
    }

    /// Cancels a session's statement, or ends the session; false if there is none of this number.
    pub(crate) fn signal(&self, pid: i32, signal: Signal) -> bool {
        let Some(entry) = self.sessions.lock().get(&pid).cloned() else { return false };
        match signal {
            // Nobody holds its lock for longer than it takes to take what lies behind it.
            Signal::Cancel => drop(futures::executor::block_on(entry.cancel.cancel())),
            Signal::Terminate => drop(entry.ended.send_replace(true)),
        }
        true
    }
}

impl Entry {
    fn shown(&self) -> Backend {
        let now = self.now.lock();
        Backend {
            pid: self.pid,
            user: self.user.clone(),
            application_name: now.application_name.clone(),
            client: Some((self.client.ip().to_string(), self.client.port())),
            began: self.began,
            transaction_began: now.transaction_began,
            statement_began: now.statement_began,
            state_changed: now.state_changed,
            state: now.state,
            statement: now.statement.to_string(),
        }
    }

    /// A statement begins.
    pub(crate) fn begins(&self, statement: &Arc<str>, application_name: &str, transaction_began: i64) {
        let at = clock();
        let mut now = self.now.lock();
        if now.application_name != application_name {
            application_name.clone_into(&mut now.application_name);
        }
        now.statement = statement.clone();
        now.statement_began = Some(at);
        now.transaction_began = Some(transaction_began);
        now.state = ACTIVE;
        now.state_changed = at;
    }

    /// What came of the client is answered; this is what the session is now.
    pub(crate) fn rests(&self, state: &'static str) {
        let mut now = self.now.lock();
        if now.state == ACTIVE {
            now.state = state;
            now.state_changed = clock();
            if state == "idle" {
                now.transaction_began = None;
            }
        }
    }

    /// Returns when somebody has ended the session.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is this entry's own.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}
