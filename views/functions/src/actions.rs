//! What functions do beside computing: they take numbers of sequences, set variables, tell of other sessions and end them. Handed in,
//! because expressions change nothing of their own.

use tidewater_types::Result;

/// The sequences as one session uses them, by number.
pub trait Actions: Send + Sync {
    /// The next number, which is nobody else's.
    ///
    /// # Errors
    /// 2200H at the end of the sequence, 25006 in a transaction that changes nothing, what keeping it says.
    fn next_value(&self, sequence: u32) -> Result<i64>;

    /// The number that this session took last.
    ///
    /// # Errors
    /// 55000 before the first.
    fn own_value(&self, sequence: u32) -> Result<i64>;

    /// The number that this session took last of any sequence.
    ///
    /// # Errors
    /// 55000 before the first.
    fn last_value(&self) -> Result<i64>;

    /// Goes on behind this number, or with it where it has not been `called`.
    ///
    /// # Errors
    /// 22003 beyond the sequence's ends, 25006, what keeping it says.
    fn set_value(&self, sequence: u32, value: i64, called: bool) -> Result<()>;

    /// The number that anybody took last; `None` before the first.
    ///
    /// # Errors
    /// 42P01 if there is no such sequence.
    fn value_of(&self, sequence: u32) -> Result<Option<i64>>;

    /// A variable's value as it is at this moment of the statement; `None` if there is none.
    fn variable(&self, name: &str) -> Option<String>;

    /// Sets a variable, for the transaction only where it is `local`; without a value to its default. Gives what it is then.
    ///
    /// # Errors
    /// 42704 for an unknown one, 22023 for a value that has no meaning, 55P02 for what cannot be set.
    fn set_variable(&self, name: &str, value: Option<&str>, local: bool) -> Result<String>;

    /// The sessions that there are.
    fn backends(&self) -> Vec<Backend>;

    /// Cancels what a session does, or ends the session; false if there is none of this number.
    fn signal(&self, pid: i32, signal: Signal) -> bool;

    /// The number of the transaction; without `assign` `None` if it has none yet.
    fn transaction_id(&self, assign: bool) -> Option<i64>;
}

/// What is done to another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Its statement ends with an error.
    Cancel,
    /// It ends.
    Terminate,
}

/// A session of a client. Times are microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Backend {
    /// By which clients know it.
    pub pid: i32,
    /// Who it is.
    pub user: String,
    /// What the client calls itself.
    pub application_name: String,
    /// Where the client is: its address and port.
    pub client: Option<(String, u16)>,
    /// When it began.
    pub began: i64,
    /// When its transaction began, if there is one.
    pub transaction_began: Option<i64>,
    /// When its statement, or the last one, began.
    pub statement_began: Option<i64>,
    /// When its state became what it is.
    pub state_changed: i64,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: &'static str,
    /// Its statement, or the last one.
    pub statement: String,
}

impl std::fmt::Debug for dyn Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Actions")
    }
}
