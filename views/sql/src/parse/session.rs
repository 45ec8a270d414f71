//! `SHOW`, `SET`, `EXPLAIN`, `COPY`, transactions.

use sqlparser::ast::{Expr, ObjectName, Query};
use sqlparser::tokenizer::Token;

use super::ast::{CopyFormat, ExplainTarget, Statement};
use super::create::scalar;
use super::cursor::Cursor;
use super::{object_kind, statement, subscribe};
use crate::{Error, Result};

/// `BEGIN [WORK | TRANSACTION] [mode [, …]]`, `START TRANSACTION [mode [, …]]`.
pub(super) fn begin(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.word("START") {
        cursor.expect_word("TRANSACTION")?;
    } else {
        cursor.next();
        let _ = cursor.word("WORK") || cursor.word("TRANSACTION");
    }
    let Modes { isolation, read_only } = modes(cursor)?;
    Ok(Statement::Begin { read_only, isolation })
}

/// `COMMIT [WORK | TRANSACTION] [AND NO CHAIN]` and `END …`.
pub(super) fn commit(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.next();
    if cursor.peek_word().as_deref() == Some("PREPARED") {
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    ended(cursor, Statement::Commit, "COMMIT AND CHAIN")
}

/// What may stand behind COMMIT and ROLLBACK.
fn ended(cursor: &mut Cursor<'_>, statement: Statement, chain: &str) -> Result<Statement> {
    let _ = cursor.word("WORK") || cursor.word("TRANSACTION");
    if cursor.word("AND") && !cursor.word("NO") {
        cursor.expect_word("CHAIN")?;
        return Ok(Statement::Unsupported { words: chain.into() });
    }
    cursor.word("CHAIN");
    Ok(statement)
}

/// Modes of a transaction; what is not among them is no statement.
#[derive(Default)]
struct Modes {
    isolation: Option<String>,
    read_only: Option<bool>,
}

fn modes(cursor: &mut Cursor<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    loop {
        if cursor.words(&["ISOLATION", "LEVEL"]) {
            modes.isolation = Some(level(cursor)?);
        } else if cursor.words(&["READ", "ONLY"]) {
            modes.read_only = Some(true);
        } else if cursor.words(&["READ", "WRITE"]) {
            modes.read_only = Some(false);
        } else if !(cursor.words(&["NOT", "DEFERRABLE"]) || cursor.word("DEFERRABLE")) {
            return Ok(modes);
        }
        if cursor.comma() && cursor.peek_word().is_none() {
            return Err(cursor.unexpected("a mode of the transaction"));
        }
    }
}

/// `ROLLBACK [WORK | TRANSACTION] [TO [SAVEPOINT] name]`.
pub(super) fn rollback(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.next();
    if cursor.peek_word().as_deref() == Some("PREPARED") {
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    if !cursor.word("WORK") {
        cursor.word("TRANSACTION");
    }
    if cursor.word("TO") {
        cursor.word("SAVEPOINT");
        return Ok(Statement::RollbackTo { name: cursor.name()? });
    }
    ended(cursor, Statement::Rollback, "ROLLBACK AND CHAIN")
}

/// `SAVEPOINT name` and `RELEASE [SAVEPOINT] name`.
pub(super) fn savepoint(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let release = cursor.word("RELEASE");
    cursor.word("SAVEPOINT");
    let name = cursor.name()?;
    Ok(if release { Statement::Release { name } } else { Statement::Savepoint { name } })
}

/// `DISCARD ALL`; there are no other things to discard that one could name.
pub(super) fn discard(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.word("DISCARD");
    if cursor.word("ALL") {
        return Ok(Statement::DiscardAll);
    }
    if cursor.word("TEMP") || cursor.word("TEMPORARY") {
        return Ok(Statement::DiscardTemp);
    }
    let nothing = [("PLANS", "DISCARD PLANS"), ("SEQUENCES", "DISCARD SEQUENCES")];
    if let Some((_, tag)) = nothing.into_iter().find(|(word, _)| cursor.word(word)) {
        return Ok(Statement::Nothing { tag });
    }
    cursor.skip_statement();
    Ok(Statement::Unsupported { words })
}

/// `UNLISTEN *`, which pools send to a connection that comes back; `None` for others of this word.
pub(super) fn nothing(cursor: &mut Cursor<'_>) -> Option<Statement> {
    if cursor.word_before("UNLISTEN", &Token::Mul) {
        cursor.next();
        return Some(Statement::Nothing { tag: "UNLISTEN" });
    }
    None
}

pub(super) fn show(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("SHOW");
    if cursor.word("CREATE") {
        let kind = object_kind(cursor).ok_or_else(|| cursor.unexpected("the kind of an object"))?;
        return Ok(Statement::ShowCreate { kind, name: cursor.name()? });
    }
    cursor.word("EXTENDED");
    let full = cursor.word("FULL");
    if cursor.word("COLUMNS") {
        if !cursor.word("FROM") {
            cursor.expect_word("IN")?;
        }
        let name = cursor.name()?;
        let (like, filter) = like_or_where(cursor)?;
        return Ok(Statement::ShowColumns { name, like, filter });
    }
    let objects = cursor.word("OBJECTS");
    // `SHOW cluster` asks for the variable.
    let variable = matches!(cursor.peek_word().as_deref(), Some("CLUSTER" | "DATABASE" | "SCHEMA"));
    let kind = if objects || variable { None } else { object_kind(cursor) };
    if objects || kind.is_some() {
        return show_objects(cursor, kind, full);
    }
    if cursor.words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        return Ok(Statement::ShowVariable { name: "transaction_isolation".into() });
    }
    if cursor.words(&["TIME", "ZONE"]) {
        return Ok(Statement::ShowVariable { name: "timezone".into() });
    }
    Ok(Statement::ShowVariable { name: variable_name(cursor)? })
}

fn show_objects(cursor: &mut Cursor<'_>, kind: Option<super::ast::ObjectKind>, full: bool) -> Result<Statement> {
    let (mut on, mut schema) = (None, None);
    loop {
        if cursor.words(&["IN", "CLUSTER"]) {
            cursor.identifier()?;
        } else if cursor.word("ON") {
            on = Some(cursor.name()?);
        } else if cursor.word("FROM") || cursor.word("IN") {
            // 2021's SHOW INDEXES FROM names the object.
            if kind == Some(super::ast::ObjectKind::Index) && cursor.peek_word().as_deref() != Some("PUBLIC") {
                on = Some(cursor.name()?);
            } else {
                schema = Some(cursor.schema_name()?);
            }
        } else {
            break;
        }
    }
    let (like, filter) = like_or_where(cursor)?;
    Ok(Statement::ShowObjects { kind, on, schema, like, filter, full })
}

/// `LIKE 'pattern'` or `WHERE condition`.
fn like_or_where(cursor: &mut Cursor<'_>) -> Result<(Option<String>, Option<Box<Expr>>)> {
    if cursor.word("LIKE") {
        return Ok((Some(cursor.string()?), None));
    }
    if cursor.word("WHERE") {
        return Ok((None, Some(Box::new(cursor.sqlparser(|parser| parser.parse_expr())?))));
    }
    Ok((None, None))
}

/// A variable's name, lower case; a qualified one keeps its dot.
pub(super) fn variable_name(cursor: &mut Cursor<'_>) -> Result<String> {
    let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
    Ok(name.to_string().replace('"', "").to_lowercase())
}

pub(super) fn set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("SET");
    if cursor.words(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return isolation(cursor, false);
    }
    if cursor.word("TRANSACTION") {
        return isolation(cursor, true);
    }
    let local = !cursor.word("SESSION") && cursor.word("LOCAL");
    let name = if cursor.words(&["TIME", "ZONE"]) {
        "timezone".to_owned()
    } else if cursor.word("NAMES") {
        "client_encoding".to_owned()
    } else {
        let name = variable_name(cursor)?;
        if !cursor.token(&Token::Eq) {
            cursor.expect_word("TO")?;
        }
        name
    };
    if cursor.word("DEFAULT") {
        return Ok(Statement::Set { name, value: None, local });
    }
    let mut values = vec![scalar(cursor)?];
    while cursor.comma() {
        values.push(scalar(cursor)?);
    }
    Ok(Statement::Set { name, value: Some(values.join(", ")), local })
}

/// The modes of this transaction (`local`) or of those to come. All isolation levels are one here, the strictest, so of several
/// modes READ ONLY or READ WRITE is the one that counts.
fn isolation(cursor: &mut Cursor<'_>, local: bool) -> Result<Statement> {
    let modes = modes(cursor)?;
    let (name, value) = match (modes.read_only, modes.isolation) {
        (Some(read_only), _) if local => ("transaction_read_only", on(read_only)),
        (Some(read_only), _) => ("default_transaction_read_only", on(read_only)),
        (None, Some(level)) => ("transaction_isolation", level),
        (None, None) => return Err(cursor.unexpected("a mode of transactions")),
    };
    Ok(Statement::Set { name: name.into(), value: Some(value), local })
}

fn on(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn level(cursor: &mut Cursor<'_>) -> Result<String> {
    let levels: [&[&str]; 5] = [
        &["SERIALIZABLE"],
        &["STRICT", "SERIALIZABLE"],
        &["REPEATABLE", "READ"],
        &["READ", "COMMITTED"],
        &["READ", "UNCOMMITTED"],
    ];
    let Some(level) = levels.into_iter().find(|level| cursor.words(level)) else {
        return Err(cursor.unexpected("an isolation level"));
    };
    Ok(level.join(" ").to_lowercase())
}

/// PostgreSQL's `(option [value], …)`: what the plan that there is has nothing of may be left out; running it is refused.
fn explain_options(cursor: &mut Cursor<'_>) -> Result<()> {
    if !cursor.token(&Token::LParen) {
        return Ok(());
    }
    loop {
        let option = cursor.identifier()?;
        let value = match cursor.peek() {
            Token::Comma | Token::RParen => "on".to_owned(),
            _ => scalar(cursor)?.to_lowercase(),
        };
        let off = ["off", "false", "0"].contains(&value.as_str());
        match option.as_str() {
            "analyze" | "buffers" | "wal" | "timing" if !off => {
                return Err(Error::new(b"0A000", format!("EXPLAIN ({}) is not supported", option.to_uppercase())));
            }
            "format" if value != "text" => {
                return Err(Error::new(
                    b"0A000",
                    format!("EXPLAIN (FORMAT {}) is not supported", value.to_uppercase()),
                ));
            }
            "analyze" | "buffers" | "wal" | "timing" | "format" | "verbose" | "costs" | "settings" | "summary" => {}
            _ => return Err(Error::new(b"42601", format!("unrecognized EXPLAIN option \"{option}\""))),
        }
        if !cursor.comma() {
            break;
        }
    }
    cursor.expect(&Token::RParen)
}

/// `EXPLAIN [words] [PLAN] [WITH (…)] [AS TEXT] [FOR] target`.
pub(super) fn explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.word("EXPLAIN");
    explain_options(cursor)?;
    for stage in ["ANALYZE", "TIMESTAMP", "FILTER", "KEY", "VALUE", "INSERT", "UPDATE", "DELETE"] {
        if cursor.peek_word().as_deref() == Some(stage) {
            cursor.skip_statement();
            return Ok(Statement::Unsupported { words });
        }
    }
    let stages = ["TYPED", "RAW", "DECORRELATED", "LOCALLY", "OPTIMIZED", "PHYSICAL", "PLAN", "VERBOSE"];
    while stages.iter().any(|stage| cursor.word(stage)) {}
    // Only options stand in parentheses right after WITH; otherwise it opens the query's common tables.
    if cursor.word_before("WITH", &Token::LParen) {
        while cursor.next() != Token::RParen {
            if matches!(cursor.peek(), Token::EOF | Token::SemiColon) {
                return Err(cursor.unexpected("\")\""));
            }
        }
    }
    if cursor.word("AS") {
        cursor.identifier()?;
    }
    cursor.word("FOR");
    if !matches!(cursor.peek_word().as_deref(), Some("CREATE" | "SELECT" | "WITH" | "VALUES" | "TABLE")) {
        cursor.word("MATERIALIZED");
        if cursor.word("VIEW") || cursor.word("INDEX") || matches!(cursor.peek(), Token::Word(_)) {
            return Ok(Statement::Explain(ExplainTarget::Object(cursor.name()?)));
        }
    }
    match statement(cursor)? {
        Statement::Query(query) => Ok(Statement::Explain(ExplainTarget::Query(query))),
        Statement::CreateView(view) => Ok(Statement::Explain(ExplainTarget::Query(view.query))),
        Statement::CreateIndex { on, .. } => Ok(Statement::Explain(ExplainTarget::Object(on))),
        _ => Ok(Statement::Unsupported { words }),
    }
}

/// `name [(column, …)]` as the query that reads it.
pub(super) fn whole(cursor: &mut Cursor<'_>) -> Result<Box<Query>> {
    let (name, columns) = named(cursor)?;
    selected(&name, columns.as_deref())
}

/// `name [(column, …)]`.
fn named(cursor: &mut Cursor<'_>) -> Result<(ObjectName, Option<String>)> {
    let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
    if !cursor.token(&Token::LParen) {
        return Ok((name, None));
    }
    let idents = cursor.sqlparser(|parser| parser.parse_comma_separated(|parser| parser.parse_identifier()))?;
    cursor.expect(&Token::RParen)?;
    Ok((name, Some(idents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))))
}

fn selected(name: &ObjectName, columns: Option<&str>) -> Result<Box<Query>> {
    let columns = columns.unwrap_or("*");
    Cursor::new(&format!("SELECT {columns} FROM {name}"))?.sqlparser(|parser| parser.parse_query())
}

/// `COPY (query) TO STDOUT [WITH (FORMAT csv, HEADER)]` or `COPY name [(column, …)] TO STDOUT`.
pub(super) fn copy(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("COPY");
    let query = if cursor.token(&Token::LParen) {
        if matches!(cursor.peek_word().as_deref(), Some("SUBSCRIBE" | "TAIL")) {
            let subscribe = subscribe::subscribe(cursor)?;
            cursor.expect(&Token::RParen)?;
            cursor.words(&["TO", "STDOUT"]);
            return Ok(Statement::Subscribe { subscribe, copy: Some(copy_format(cursor)?) });
        }
        let query = cursor.sqlparser(|parser| parser.parse_query())?;
        cursor.expect(&Token::RParen)?;
        query
    } else {
        let (name, columns) = named(cursor)?;
        if cursor.words(&["FROM", "STDIN"]) {
            let insert = inserted(&name, columns.as_deref())?;
            return Ok(Statement::CopyIn { insert, format: copy_format(cursor)? });
        }
        selected(&name, columns.as_deref())?
    };
    if !cursor.words(&["TO", "STDOUT"]) {
        let words = format!("COPY {}", cursor.first_words(2));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words: words.trim_end().into() });
    }
    Ok(Statement::CopyOut { query, format: copy_format(cursor)? })
}

/// The INSERT of the columns that a COPY FROM names.
fn inserted(name: &ObjectName, columns: Option<&str>) -> Result<Box<super::ast::ChangeStatement>> {
    let targets = columns.map(|columns| format!(" ({columns})")).unwrap_or_default();
    let insert = format!("INSERT INTO {name}{targets} SELECT {} FROM {name}", columns.unwrap_or("*"));
    match super::parse(&insert)?.pop().map(|parsed| parsed.statement) {
        Some(Statement::Change(insert)) => Ok(insert),
        _ => Err(Error::new(b"42601", "COPY FROM names a table and its columns")),
    }
}

const COPY_HINT: &str = "FORMAT text or csv, HEADER, DELIMITER, NULL, QUOTE and ESCAPE are";

/// `[WITH] (FORMAT csv, HEADER, DELIMITER ';', NULL '')`, or the same words without parentheses, as they once were.
fn copy_format(cursor: &mut Cursor<'_>) -> Result<CopyFormat> {
    let (mut csv, mut header, mut delimiter, mut null) = (false, false, None, None);
    let (mut quote, mut escape) = (None, None);
    cursor.word("WITH");
    let parenthesis = cursor.token(&Token::LParen);
    while !matches!(cursor.peek(), Token::EOF | Token::SemiColon | Token::RParen) {
        if cursor.word("FORMAT") {
            // A word, or in quotes of either kind.
            match scalar(cursor)?.to_lowercase().as_str() {
                "csv" => csv = true,
                "text" => {}
                other => {
                    return Err(Error::new(b"0A000", format!("COPY format {other} is not supported")).hint(COPY_HINT));
                }
            }
        } else if cursor.word("CSV") {
            csv = true;
        } else if cursor.word("HEADER") {
            let off = cursor.word("FALSE") || cursor.word("OFF");
            header = !off;
            if !off && !cursor.word("TRUE") {
                cursor.word("ON");
            }
        } else if cursor.word("DELIMITER") {
            cursor.word("AS");
            delimiter = Some(one_byte(cursor, "delimiter")?);
        } else if cursor.word("QUOTE") {
            cursor.word("AS");
            quote = Some(one_byte(cursor, "quote")?);
        } else if cursor.word("ESCAPE") {
            cursor.word("AS");
            escape = Some(one_byte(cursor, "escape")?);
        } else if cursor.word("ENCODING") {
            let encoding = cursor.string()?;
            if !["utf8", "utf-8", "unicode"].contains(&encoding.to_lowercase().as_str()) {
                return Err(Error::new(b"0A000", format!("COPY in the encoding {encoding} is not supported")));
            }
        } else if cursor.word("NULL") {
            cursor.word("AS");
            null = Some(cursor.string()?);
        } else if !cursor.word("TEXT") {
            let option = cursor.identifier()?.to_uppercase();
            return Err(Error::new(b"0A000", format!("COPY option {option} is not supported")).hint(COPY_HINT));
        }
        cursor.comma();
    }
    if parenthesis {
        cursor.expect(&Token::RParen)?;
    }
    let delimiter = delimiter.unwrap_or(if csv { ',' } else { '\t' });
    let null = null.unwrap_or_else(|| if csv { String::new() } else { "\\N".into() });
    if let (false, Some(_), word) | (false, None, word @ Some(_)) = (csv, quote, escape) {
        let word = if word.is_some() && quote.is_none() { "escape" } else { "quote" };
        return Err(Error::new(b"0A000", format!("COPY {word} available only in CSV mode")));
    }
    let quote = quote.unwrap_or('"');
    if csv && quote == delimiter {
        return Err(Error::new(b"22023", "COPY delimiter and quote must be different"));
    }
    Ok(CopyFormat { csv, header, delimiter, null, quote, escape: escape.unwrap_or(quote) })
}

/// A letter that an option of COPY is.
fn one_byte(cursor: &mut Cursor<'_>, option: &str) -> Result<char> {
    let text = match cursor.peek() {
        Token::EscapedStringLiteral(text) => {
            let text = text.clone();
            cursor.next();
            text
        }
        _ => cursor.string()?,
    };
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('\n' | '\r'), None) => {
            Err(Error::new(b"22023", format!("COPY {option} cannot be newline or carriage return")))
        }
        (Some(letter), None) if letter.is_ascii() => Ok(letter),
        _ => Err(Error::new(b"22023", format!("COPY {option} must be a single one-byte character"))),
    }
}
