//! boolean.

use crate::{Result, SqlError};

/// The value of `t`, `yes`, `off`, `0` and the like: any unambiguous beginning, in any case.
///
/// # Errors
/// 22P02 for anything else.
pub fn parse(text: &str) -> Result<bool> {
    let word = crate::text::trim_space(text).to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1" {
        return Ok(true);
    }
    if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(SqlError::new(b"22P02", format!("invalid input syntax for type boolean: \"{text}\"")))
}
