//! Text to statements: Materialize's own by recursive descent over sqlparser's tokens, all others by sqlparser itself.
//!
//! Both grammars are accepted: today's, with connections, and that of 2021-22, with addresses in the statement. Source of the
//! grammars: Materialize's public documentation.

mod alter;
pub mod ast;
mod create;
mod cursor;
mod session;
mod subscribe;

use std::sync::Arc;

use ast::{CreateView, ObjectKind, Parsed, Statement};
use cursor::Cursor;
use sqlparser::ast as sql;

use crate::names::{fold, key_of};
use crate::{Error, Result};

/// The statements of `text`, in order; none where it holds only comments and semicolons.
///
/// # Errors
/// 42601 with the position of what was not understood.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    let whole: Arc<str> = text.into();
    let mut cursor = Cursor::new(text)?;
    let mut statements = Vec::new();
    while cursor.skip_semicolons() {
        let start = cursor.index();
        let statement = statement(&mut cursor)?;
        let text = cursor.text_since(start).to_owned();
        cursor.expect_end()?;
        statements.push(Parsed { statement, text, whole: whole.clone() });
    }
    Ok(statements)
}

/// First words of statements that the field knows and this system does not do.
const UNSUPPORTED: [&str; 16] = [
    "ALTER", "CALL", "CLOSE", "COMMENT", "DECLARE", "EXECUTE", "FETCH", "GRANT", "LISTEN", "LOCK", "MERGE", "NOTIFY",
    "PREPARE", "REVOKE", "UNLISTEN", "VACUUM",
];

fn statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let first = cursor.peek_word().unwrap_or_default();
    match first.as_str() {
        "CREATE" => create::create(cursor),
        "DROP" => drop(cursor),
        "ALTER" if cursor.words(&["ALTER", "SOURCE"]) => alter::source(cursor),
        "SHOW" => session::show(cursor),
        "EXPLAIN" => session::explain(cursor),
        "SET" => session::set(cursor),
        "RESET" => {
            cursor.word("RESET");
            if cursor.words(&["TIME", "ZONE"]) {
                return Ok(Statement::Reset { name: "timezone".to_owned() });
            }
            Ok(Statement::Reset { name: session::variable_name(cursor)? })
        }
        "COPY" => session::copy(cursor),
        "SUBSCRIBE" | "TAIL" => Ok(Statement::Subscribe { subscribe: subscribe::subscribe(cursor)?, copy: None }),
        "TABLE" => {
            cursor.word("TABLE");
            session::whole(cursor).map(Statement::Query)
        }
        "BEGIN" | "START" => session::begin(cursor),
        "COMMIT" | "END" => session::commit(cursor),
        "ROLLBACK" | "ABORT" => session::rollback(cursor),
        "SAVEPOINT" | "RELEASE" => session::savepoint(cursor),
        "DISCARD" => session::discard(cursor),
        "DEALLOCATE" => {
            cursor.word("DEALLOCATE");
            cursor.word("PREPARE");
            let all = cursor.word("ALL");
            Ok(Statement::Deallocate { name: if all { None } else { Some(cursor.name()?) } })
        }
        word if UNSUPPORTED.contains(&word) => {
            if let Some(nothing) = session::nothing(cursor) {
                return Ok(nothing);
            }
            let words = cursor.first_words(1);
            cursor.skip_statement();
            Ok(Statement::Unsupported { words })
        }
        _ => general(cursor),
    }
}

/// A statement that sqlparser understands.
fn general(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    Ok(match cursor.sqlparser(|parser| parser.parse_statement())? {
        sql::Statement::Query(query) => Statement::Query(query),
        sql::Statement::Insert(insert) => Statement::Insert(insert.into()),
        sql::Statement::Update(update) => Statement::Update(update.into()),
        sql::Statement::Delete(delete) => Statement::Delete(delete.into()),
        sql::Statement::CreateTable(table) => Statement::CreateTable(table.into()),
        sql::Statement::CreateView(view) => Statement::CreateView(Box::new(CreateView {
            name: key_of(&view.name)?,
            materialized: view.materialized,
            or_replace: view.or_replace,
            if_not_exists: view.if_not_exists,
            columns: view.columns.iter().map(|column| fold(&column.name)).collect(),
            query: view.query,
        })),
        _ => Statement::Unsupported { words },
    })
}

fn drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    cursor.word("DROP");
    let Some(kind) = object_kind(cursor) else {
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    };
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let mut names = Vec::new();
    loop {
        names.push(if kind == ObjectKind::Schema { cursor.schema_name()? } else { cursor.name()? });
        if !cursor.comma() {
            break;
        }
    }
    let cascade = cursor.word("CASCADE");
    if !cascade {
        cursor.word("RESTRICT");
    }
    Ok(Statement::Drop { kind, if_exists, names, cascade })
}

/// A kind of object, singular or plural.
fn object_kind(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    let kinds: [(&[&str], ObjectKind); 11] = [
        (&["SECRET", "SECRETS"], ObjectKind::Secret),
        (&["CONNECTION", "CONNECTIONS"], ObjectKind::Connection),
        (&["SOURCE", "SOURCES"], ObjectKind::Source),
        (&["TABLE", "TABLES"], ObjectKind::Table),
        (&["VIEW", "VIEWS"], ObjectKind::View),
        (&["INDEX", "INDEXES", "KEYS"], ObjectKind::Index),
        (&["SINK", "SINKS"], ObjectKind::Sink),
        (&["SCHEMA", "SCHEMAS"], ObjectKind::Schema),
        (&["DATABASE", "DATABASES"], ObjectKind::Database),
        (&["CLUSTER", "CLUSTERS"], ObjectKind::Cluster),
        (&["SUBSOURCE", "SUBSOURCES"], ObjectKind::Source),
    ];
    let materialized = cursor.word("MATERIALIZED");
    let found = kinds.into_iter().find(|(words, _)| words.iter().any(|word| cursor.word(word)))?.1;
    match (materialized, found) {
        (true, ObjectKind::View) => Some(ObjectKind::MaterializedView),
        // 2021's MATERIALIZED SOURCE is a source.
        (_, found) => Some(found),
    }
}

/// An error of syntax at a position.
fn syntax(message: impl Into<String>, position: usize) -> Error {
    Error::new(b"42601", message).at(position as u32)
}
