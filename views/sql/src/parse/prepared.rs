//! What a session names: prepared statements and cursors.

use sqlparser::tokenizer::Token;

use super::ast::{Direction, Statement};
use super::cursor::Cursor;
use super::nested;
use crate::{Error, Result};

/// `PREPARE name [(type, …)] AS statement`.
pub(super) fn prepare(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.word("PREPARE");
    if cursor.peek_word().as_deref() == Some("TRANSACTION") {
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    let name = cursor.identifier()?;
    let mut types = Vec::new();
    if cursor.token(&Token::LParen) {
        types = cursor.sqlparser(|parser| parser.parse_comma_separated(|parser| parser.parse_data_type()))?;
        cursor.expect(&Token::RParen)?;
    }
    cursor.expect_word("AS")?;
    let statement = nested(cursor)?;
    match &statement.statement {
        Statement::Query(_) | Statement::Change(_) => {
            Ok(Statement::Prepare { name, types, statement: statement.into() })
        }
        _ => Err(cursor.unexpected("SELECT, INSERT, UPDATE, DELETE or VALUES")),
    }
}

/// `EXECUTE name [(value, …)]`.
pub(super) fn execute(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("EXECUTE");
    let name = cursor.identifier()?;
    let mut values = Vec::new();
    if cursor.token(&Token::LParen) {
        values = cursor.sqlparser(|parser| parser.parse_comma_separated(|parser| parser.parse_expr()))?;
        cursor.expect(&Token::RParen)?;
    }
    Ok(Statement::Execute { name, values })
}

/// `DECLARE name [BINARY] [ASENSITIVE | INSENSITIVE] [[NO] SCROLL] CURSOR [WITH | WITHOUT HOLD] FOR query | SUBSCRIBE …`.
pub(super) fn declare(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("DECLARE");
    let name = cursor.identifier()?;
    let mut scroll = true;
    while !cursor.word("CURSOR") {
        if cursor.words(&["NO", "SCROLL"]) {
            scroll = false;
        } else if cursor.word("BINARY") {
            return Err(Error::new(b"0A000", "DECLARE … BINARY CURSOR is not supported")
                .hint("the extended protocol gives rows in binary"));
        } else if !["SCROLL", "INSENSITIVE", "ASENSITIVE"].into_iter().any(|word| cursor.word(word)) {
            return Err(cursor.unexpected("CURSOR"));
        }
    }
    let hold = cursor.words(&["WITH", "HOLD"]);
    cursor.words(&["WITHOUT", "HOLD"]);
    cursor.expect_word("FOR")?;
    let query = nested(cursor)?;
    match &query.statement {
        Statement::Query(_) | Statement::Subscribe { copy: None, .. } => {
            Ok(Statement::Declare { name, hold, scroll, query: query.into() })
        }
        _ => Err(cursor.unexpected("SELECT, VALUES or SUBSCRIBE")),
    }
}

/// `FETCH [direction] [FROM | IN] name [WITH (TIMEOUT [=] 'duration')]` and `MOVE …`.
pub(super) fn fetch(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let moves = !cursor.word("FETCH");
    cursor.word("MOVE");
    let direction = direction(cursor)?;
    if !cursor.word("FROM") {
        cursor.word("IN");
    }
    let name = cursor.identifier()?;
    let mut timeout = None;
    if cursor.word("WITH") {
        cursor.expect(&Token::LParen)?;
        cursor.expect_word("TIMEOUT")?;
        cursor.token(&Token::Eq);
        timeout = Some(cursor.string()?);
        cursor.expect(&Token::RParen)?;
    }
    Ok(Statement::Fetch { name, direction, moves, timeout })
}

fn direction(cursor: &mut Cursor<'_>) -> Result<Direction> {
    // A cursor may be called as a direction is, and then nothing follows it.
    if matches!(cursor.peek_after(), Token::EOF | Token::SemiColon) {
        return Ok(Direction::Forward(1));
    }
    Ok(if cursor.word("NEXT") {
        Direction::Forward(1)
    } else if cursor.word("PRIOR") {
        Direction::Forward(-1)
    } else if cursor.word("FIRST") {
        Direction::Absolute(1)
    } else if cursor.word("LAST") {
        Direction::Absolute(-1)
    } else if cursor.word("ABSOLUTE") {
        Direction::Absolute(count(cursor)?.ok_or_else(|| cursor.unexpected("a number"))?)
    } else if cursor.word("RELATIVE") {
        Direction::Relative(count(cursor)?.ok_or_else(|| cursor.unexpected("a number"))?)
    } else if cursor.word("FORWARD") {
        Direction::Forward(if cursor.word("ALL") { i64::MAX } else { count(cursor)?.unwrap_or(1) })
    } else if cursor.word("BACKWARD") {
        Direction::Forward(if cursor.word("ALL") { i64::MIN } else { count(cursor)?.unwrap_or(1).saturating_neg() })
    } else if cursor.word("ALL") {
        Direction::Forward(i64::MAX)
    } else {
        Direction::Forward(count(cursor)?.unwrap_or(1))
    })
}

/// A whole number, if one is next.
fn count(cursor: &mut Cursor<'_>) -> Result<Option<i64>> {
    let negative = cursor.token(&Token::Minus);
    if !negative {
        cursor.token(&Token::Plus);
    }
    let Token::Number(digits, _) = cursor.peek().clone() else {
        return if negative { Err(cursor.unexpected("a number")) } else { Ok(None) };
    };
    let number: i64 = digits.parse().map_err(|_| cursor.unexpected("a whole number"))?;
    cursor.next();
    Ok(Some(if negative { -number } else { number }))
}

/// `CLOSE name | ALL`.
pub(super) fn close(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CLOSE");
    let name = if cursor.word("ALL") { None } else { Some(cursor.identifier()?) };
    Ok(Statement::Close { name })
}
