//! `SUBSCRIBE` and its name of 2021, `TAIL` (<https://materialize.com/docs/sql/subscribe/>).

use sqlparser::tokenizer::Token;

use super::ast::{AsOf, ChangeEnvelope, Subscribe};
use super::cursor::Cursor;
use super::session::whole;
use crate::{Error, Result};

/// `SUBSCRIBE [TO] name | (query) [ENVELOPE … | WITHIN TIMESTAMP ORDER BY …] [WITH (…)] [AS OF …] [UP TO …]`.
pub(super) fn subscribe(cursor: &mut Cursor<'_>) -> Result<Box<Subscribe>> {
    if !cursor.word("TAIL") {
        cursor.expect_word("SUBSCRIBE")?;
    }
    cursor.word("TO");
    let query = if cursor.token(&Token::LParen) {
        let query = cursor.sqlparser(|parser| parser.parse_query())?;
        cursor.expect(&Token::RParen)?;
        query
    } else {
        whole(cursor)?
    };
    let envelope = ChangeEnvelope::Diff(Vec::new());
    let mut subscribe = Subscribe { query, envelope, snapshot: true, progress: false, as_of: None, up_to: None };
    loop {
        if cursor.word("ENVELOPE") {
            subscribe.envelope = envelope_of(cursor)?;
        } else if cursor.words(&["WITHIN", "TIMESTAMP", "ORDER", "BY"]) {
            subscribe.envelope = ChangeEnvelope::Diff(order(cursor)?);
        } else if cursor.word("WITH") {
            options(cursor, &mut subscribe)?;
        } else if cursor.words(&["AS", "OF"]) {
            let at_least = cursor.words(&["AT", "LEAST"]);
            subscribe.as_of = Some(AsOf { moment: moment(cursor)?, at_least });
        } else if cursor.words(&["UP", "TO"]) {
            subscribe.up_to = Some(moment(cursor)?);
        } else {
            return Ok(Box::new(subscribe));
        }
    }
}

fn envelope_of(cursor: &mut Cursor<'_>) -> Result<ChangeEnvelope> {
    let debezium = cursor.word("DEBEZIUM");
    if !debezium {
        cursor.expect_word("UPSERT")?;
    }
    cursor.expect(&Token::LParen)?;
    cursor.expect_word("KEY")?;
    cursor.expect(&Token::LParen)?;
    let mut key = vec![cursor.identifier()?];
    while cursor.comma() {
        key.push(cursor.identifier()?);
    }
    cursor.expect(&Token::RParen)?;
    cursor.expect(&Token::RParen)?;
    Ok(if debezium { ChangeEnvelope::Debezium(key) } else { ChangeEnvelope::Upsert(key) })
}

/// `column [ASC | DESC] [NULLS FIRST | LAST], …`; NULLs are last unless descending, as in PostgreSQL.
fn order(cursor: &mut Cursor<'_>) -> Result<Vec<(String, bool, bool)>> {
    let mut columns = Vec::new();
    loop {
        let name = cursor.identifier()?;
        let descending = cursor.word("DESC");
        if !descending {
            cursor.word("ASC");
        }
        let nulls_first = match cursor.word("NULLS") {
            true if cursor.word("FIRST") => true,
            true => {
                cursor.expect_word("LAST")?;
                false
            }
            false => descending,
        };
        columns.push((name, descending, nulls_first));
        if !cursor.comma() {
            return Ok(columns);
        }
    }
}

/// `WITH (SNAPSHOT [= false], PROGRESS)`, with or without parentheses.
fn options(cursor: &mut Cursor<'_>, subscribe: &mut Subscribe) -> Result<()> {
    let parenthesis = cursor.token(&Token::LParen);
    loop {
        let option = match () {
            () if cursor.word("SNAPSHOT") => &mut subscribe.snapshot,
            () if cursor.word("PROGRESS") => &mut subscribe.progress,
            () => return Err(cursor.unexpected("SNAPSHOT or PROGRESS")),
        };
        cursor.token(&Token::Eq);
        let off = cursor.word("FALSE") || cursor.word("OFF");
        *option = !off;
        if !off && !cursor.word("TRUE") {
            cursor.word("ON");
        }
        if !cursor.comma() {
            break;
        }
    }
    if parenthesis {
        cursor.expect(&Token::RParen)?;
    }
    Ok(())
}

/// A moment: milliseconds since 1970, as the column `mz_timestamp` shows it.
fn moment(cursor: &mut Cursor<'_>) -> Result<u64> {
    let text = match cursor.next() {
        Token::Number(digits, _) => digits,
        Token::SingleQuotedString(text) => text,
        token => token.to_string(),
    };
    text.trim().parse().map_err(|_| {
        let message = format!("\"{text}\" is no moment of a subscription");
        Error::new(b"22023", message).hint("use a value that mz_timestamp had: milliseconds since 1970, as a number")
    })
}
