//! `ALTER SOURCE` and the clause `ON ERROR`.

use super::ast::{OnError, OptionValue, SourceChange, Statement};
use super::create::{options_in_parentheses, take};
use super::cursor::Cursor;
use crate::{Error, Result};

/// What follows `ALTER SOURCE`: `name REFRESH [SCHEMA]` or `name SET (ON ERROR = policy)`.
pub(super) fn source(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    if cursor.word("REFRESH") {
        cursor.word("SCHEMA");
        return Ok(Statement::AlterSource { name, change: SourceChange::Refresh });
    }
    if !cursor.word("SET") {
        let words = format!("ALTER SOURCE … {}", cursor.first_words(1));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    let mut options = options_in_parentheses(cursor)?;
    let policy = take(&mut options, &["on error", "on_error"]);
    if let Some((option, _)) = options.first() {
        let message = format!("ALTER SOURCE SET ({}) is not supported", option.to_uppercase());
        return Err(
            Error::new(b"0A000", message).hint("ON ERROR can be set; for others drop the source and make it anew")
        );
    }
    let policy = policy.ok_or_else(|| cursor.unexpected("ON ERROR = …"))?;
    Ok(Statement::AlterSource { name, change: SourceChange::OnError(on_error(&policy)?) })
}

/// What follows the words ON ERROR in a statement.
pub(super) fn on_error_clause(cursor: &mut Cursor<'_>) -> Result<OnError> {
    let words: [(&[&str], OnError); 3] =
        [(&["STALL"], OnError::Stall), (&["DEAD", "LETTER"], OnError::DeadLetter), (&["SKIP"], OnError::Skip)];
    let found = words.into_iter().find(|(words, _)| cursor.words(words));
    found.map(|(_, policy)| policy).ok_or_else(|| cursor.unexpected("STALL, DEAD LETTER or SKIP"))
}

/// The value of the option ON ERROR.
pub(super) fn on_error(value: &OptionValue) -> Result<OnError> {
    let found = match value {
        OptionValue::Text(text) => OnError::of(text),
        OptionValue::Secret(_) | OptionValue::List(_) => None,
    };
    found.ok_or_else(|| {
        Error::new(b"22023", "ON ERROR has no such policy")
            .hint("'stall' waits, 'dead letter' goes on and tells readers, 'skip' goes on")
    })
}
