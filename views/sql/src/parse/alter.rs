//! `ALTER`, and the clause `ON ERROR` of sources.

use sqlparser::ast as sql;
use sqlparser::tokenizer::Token;

use super::ast::{ObjectKind, OnError, OptionValue, SourceChange, Statement};
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

/// `ALTER TABLE …`.
pub(super) fn table(cursor: &mut Cursor<'_>) -> Result<Statement> {
    match cursor.sqlparser(|parser| parser.parse_statement())? {
        sql::Statement::AlterTable(alter) => Ok(Statement::AlterTable(alter.into())),
        _ => Ok(Statement::Unsupported { words: "ALTER TABLE".into() }),
    }
}

/// `ALTER kind [IF EXISTS] name RENAME TO name`; what else ALTER does is not done.
pub(super) fn rename(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.word("ALTER");
    let kind = super::object_kind(cursor);
    if kind == Some(ObjectKind::Sequence) {
        return restart(cursor);
    }
    let renamed = [ObjectKind::View, ObjectKind::MaterializedView, ObjectKind::Index, ObjectKind::Schema];
    let Some(kind) = kind.filter(|kind| renamed.contains(kind)) else {
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    };
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = if kind == ObjectKind::Schema { cursor.schema_name()? } else { cursor.name()? };
    if !cursor.words(&["RENAME", "TO"]) {
        let words = format!("ALTER {} … {}", kind.words(), cursor.first_words(2));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    Ok(Statement::AlterRename { kind, if_exists, name, to: cursor.identifier()? })
}

/// What follows `ALTER SEQUENCE`: `[IF EXISTS] name RESTART [[WITH] value]`.
fn restart(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name()?;
    if !cursor.word("RESTART") {
        let words = format!("ALTER SEQUENCE … {}", cursor.first_words(1));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    let with = cursor.word("WITH");
    let value = match cursor.expect_end() {
        Ok(()) if !with => None,
        _ => {
            let negative = cursor.token(&Token::Minus);
            let text = cursor.sqlparser(|parser| parser.parse_number_value())?.to_string();
            let text = if negative { format!("-{text}") } else { text };
            Some(
                text.parse()
                    .map_err(|_| Error::new(b"22003", format!("value \"{text}\" is out of range for type bigint")))?,
            )
        }
    };
    Ok(Statement::RestartSequence { name, if_exists, value })
}

/// The statement that makes a view, an index or a schema, with another name.
pub(crate) fn renamed(text: &str, name: &str) -> Result<String> {
    let mut cursor = Cursor::new(text)?;
    let start = cursor.index();
    cursor.expect_word("CREATE")?;
    let _ = cursor.words(&["OR", "REPLACE"]) || cursor.word("UNIQUE") || cursor.word("DEFAULT");
    let kind = super::object_kind(&mut cursor);
    cursor.words(&["IF", "NOT", "EXISTS"]);
    let head = cursor.text_since(start);
    let mut schema = String::new();
    if cursor.peek_word().as_deref() != Some("ON") && cursor.peek_word().as_deref() != Some("IN") {
        let found = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
        if let ([.., schema_part, _], true) = (&found.0[..], kind != Some(ObjectKind::Schema)) {
            schema = format!("{schema_part}.");
        }
    }
    let rest = cursor.index();
    cursor.skip_statement();
    Ok(format!("{head} {schema}{name} {}", cursor.text_since(rest)).trim_end().to_owned())
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
