//! `CREATE SINK` (<https://materialize.com/docs/sql/create-sink/kafka/>), and as it was in 2021.

use sqlparser::tokenizer::Token;

use super::ast::{CreateSink, OptionValue, SinkEnvelope, Statement};
use super::create::{formats, if_not_exists, in_cluster, location, options_in_parentheses};
use super::cursor::Cursor;
use crate::{Error, Result};

/// `CREATE SINK [IF NOT EXISTS] name [IN CLUSTER c] FROM relation INTO KAFKA … [KEY (…) [NOT ENFORCED]] FORMAT … ENVELOPE …
/// [WITH (…)]`.
pub(super) fn sink(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.words(&["CREATE", "SINK"]);
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name()?;
    in_cluster(cursor)?;
    cursor.expect_word("FROM")?;
    let from = cursor.name()?;
    cursor.expect_word("INTO")?;
    if !cursor.word("KAFKA") {
        let words = format!("CREATE SINK INTO {}", cursor.first_words(1));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    let (broker, topic, mut options) = location(cursor)?;
    let key = key(cursor)?;
    let not_enforced = key.is_some() && cursor.words(&["NOT", "ENFORCED"]);
    for clause in ["HEADERS", "CONSISTENCY"] {
        if cursor.peek_word().as_deref() == Some(clause) {
            return Err(Error::new(b"0A000", format!("{clause} of a sink is not supported")).hint("leave it out"));
        }
    }
    if cursor.word("WITH") {
        options.extend(options_in_parentheses(cursor)?);
    }
    let (key_format, format) = match formats(cursor)? {
        Ok(formats) => formats,
        Err(words) => {
            cursor.skip_statement();
            return Ok(Statement::Unsupported { words });
        }
    };
    if *cursor.peek() == Token::LParen {
        return Err(Error::new(b"0A000", "options of a sink's FORMAT are not supported").hint("leave them out"));
    }
    let envelope = envelope(cursor)?;
    with(cursor, &mut options)?;
    Ok(Statement::CreateSink(Box::new(CreateSink {
        name,
        if_not_exists,
        from,
        broker,
        topic,
        key,
        not_enforced,
        key_format,
        format,
        envelope,
        options,
    })))
}

fn key(cursor: &mut Cursor<'_>) -> Result<Option<Vec<String>>> {
    // KEY FORMAT is another clause.
    if !cursor.word_before("KEY", &Token::LParen) {
        return Ok(None);
    }
    cursor.expect(&Token::LParen)?;
    let mut names = vec![cursor.identifier()?];
    while cursor.comma() {
        names.push(cursor.identifier()?);
    }
    cursor.expect(&Token::RParen)?;
    Ok(Some(names))
}

fn envelope(cursor: &mut Cursor<'_>) -> Result<SinkEnvelope> {
    if !cursor.word("ENVELOPE") {
        return Err(cursor.unexpected("ENVELOPE UPSERT or ENVELOPE DEBEZIUM"));
    }
    match () {
        () if cursor.word("UPSERT") => Ok(SinkEnvelope::Upsert),
        () if cursor.word("DEBEZIUM") => Ok(SinkEnvelope::Debezium),
        () => Err(cursor.unexpected("UPSERT or DEBEZIUM")),
    }
}

/// `WITH (option, …)`, `WITH SNAPSHOT`, `WITHOUT SNAPSHOT`.
fn with(cursor: &mut Cursor<'_>, options: &mut Vec<(String, OptionValue)>) -> Result<()> {
    let snapshot = |on: bool| ("snapshot".to_owned(), OptionValue::Text(on.to_string()));
    if cursor.words(&["WITH", "SNAPSHOT"]) {
        options.push(snapshot(true));
    } else if cursor.words(&["WITHOUT", "SNAPSHOT"]) {
        options.push(snapshot(false));
    } else if cursor.word("WITH") {
        options.extend(options_in_parentheses(cursor)?);
    }
    Ok(())
}
