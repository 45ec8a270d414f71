//! What the functions of a session do: its sequences, its variables, other sessions.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tidewater_functions::{Actions, Backend, Signal};
use tidewater_sql::Result;

use crate::activity::Activity;
use crate::sequences::Sequences;
use crate::session::Session;

/// See the module.
pub(crate) struct Acting {
    pub(crate) sequences: Sequences,
    activity: Arc<Activity>,
    session: Weak<Mutex<Session>>,
}

impl std::fmt::Debug for Acting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acting")
    }
}

impl Acting {
    pub(crate) fn new(sequences: Sequences, activity: Arc<Activity>, session: &Arc<Mutex<Session>>) -> Self {
        Acting { sequences, activity, session: Arc::downgrade(session) }
    }

    /// Does something with the session, which is there as long as its statements are.
    fn with<T>(&self, with: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.session.upgrade().map(|session| with(&mut session.lock()))
    }
}

impl Actions for Acting {
    fn next_value(&self, sequence: u32) -> Result<i64> {
        self.sequences.next_value(sequence)
    }

    fn own_value(&self, sequence: u32) -> Result<i64> {
        self.sequences.own_value(sequence)
    }

    fn last_value(&self) -> Result<i64> {
        self.sequences.last_value()
    }

    fn set_value(&self, sequence: u32, value: i64, called: bool) -> Result<()> {
        self.sequences.set_value(sequence, value, called)
    }

    fn value_of(&self, sequence: u32) -> Result<Option<i64>> {
        self.sequences.value_of(sequence)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.with(|session| session.get(name).map(str::to_owned)).flatten()
    }

    fn set_variable(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        self.with(|session| session.set_by_function(name, value, local)).unwrap_or_else(|| Ok(String::new()))
    }

    fn backends(&self) -> Vec<Backend> {
        self.activity.backends()
    }

    fn signal(&self, pid: i32, signal: Signal) -> bool {
        self.activity.signal(pid, signal)
    }

    fn transaction_id(&self, assign: bool) -> Option<i64> {
        let next = || self.activity.transaction_id();
        self.with(|session| session.transaction_id(assign.then_some(next))).flatten()
    }
}
