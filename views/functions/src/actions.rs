//! What functions do beside computing: they take numbers of sequences. Handed in, because expressions change nothing of their own.

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
}

impl std::fmt::Debug for dyn Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Actions")
    }
}
