//! Text to statements: Materialize's own by recursive descent over sqlparser's tokens, all others by sqlparser itself.
//!
//! Both grammars are accepted: today's, with connections, and that of 2021-22, with addresses in the statement. Source of the
//! grammars: Materialize's public documentation.

mod alter;
pub mod ast;
mod create;
mod cursor;
mod prepared;
mod sequence;
mod session;
mod sink;
mod subscribe;

use std::sync::Arc;

pub(crate) use alter::renamed;
use ast::{
    ChangeStatement, ChangeVerb, CheckSource, CreateTableAs, CreateView, ObjectKind, OptionValue, Parsed, Statement,
};
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
    if let Some(shown) = cursor.without_hidden() {
        let shown: Arc<str> = shown.into();
        statements.iter_mut().for_each(|parsed| parsed.whole = shown.clone());
    }
    Ok(statements)
}

/// First words of statements that the field knows and this system does not do.
const UNSUPPORTED: [&str; 9] = ["CALL", "GRANT", "LISTEN", "LOCK", "MERGE", "NOTIFY", "REVOKE", "UNLISTEN", "VACUUM"];

fn statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let first = cursor.peek_word().unwrap_or_default();
    match first.as_str() {
        "CREATE" => create::create(cursor),
        "DROP" => drop(cursor),
        "ALTER" if cursor.words(&["ALTER", "SOURCE"]) => alter::source(cursor),
        "ALTER" if cursor.first_words(2) == "ALTER TABLE" => alter::table(cursor),
        "ALTER" => alter::rename(cursor),
        "CHECKPOINT" => {
            cursor.word("CHECKPOINT");
            Ok(Statement::Checkpoint)
        }
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
        "CHECK" => check(cursor),
        "COMMENT" => sequence::comment(cursor),
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
        "TRUNCATE" => truncate(cursor),
        "PREPARE" => prepared::prepare(cursor),
        "EXECUTE" => prepared::execute(cursor),
        "DECLARE" => prepared::declare(cursor),
        "FETCH" | "MOVE" => prepared::fetch(cursor),
        "CLOSE" => prepared::close(cursor),
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

/// An expression.
///
/// # Errors
/// 42601.
pub(crate) fn expression(text: &str) -> Result<sql::Expr> {
    Cursor::new(text)?.sqlparser(|parser| parser.parse_expr())
}

/// A statement inside another one.
fn nested(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let start = cursor.index();
    let statement = statement(cursor)?;
    Ok(Parsed { statement, text: cursor.text_since(start).to_owned(), whole: cursor.text().into() })
}

/// `TRUNCATE [TABLE] [ONLY] name, … [RESTART | CONTINUE IDENTITY] [CASCADE | RESTRICT]`: there is nothing that refers to a table.
fn truncate(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("TRUNCATE");
    cursor.word("TABLE");
    let mut tables = Vec::new();
    loop {
        cursor.word("ONLY");
        let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
        tables.extend(parse(&format!("DELETE FROM {name}"))?.into_iter().map(Arc::new));
        if !cursor.comma() {
            break;
        }
    }
    let restart = cursor.words(&["RESTART", "IDENTITY"]);
    if !restart {
        cursor.words(&["CONTINUE", "IDENTITY"]);
    }
    let _ = cursor.word("CASCADE") || cursor.word("RESTRICT");
    Ok(Statement::Truncate { tables, restart })
}

/// `SELECT … INTO name`: the query without it, and the name.
fn into(query: &mut sql::Query) -> Option<sql::SelectInto> {
    match query.body.as_mut() {
        sql::SetExpr::Select(select) => select.into.take(),
        _ => None,
    }
}

fn create_table_as(
    cursor: &Cursor<'_>,
    name: &sql::ObjectName,
    table: As,
    query: Box<sql::Query>,
) -> Result<Statement> {
    let query = Parsed { text: query.to_string(), statement: Statement::Query(query), whole: cursor.text().into() };
    temporary_name(table.temporary, name)?;
    let (name, query) = (key_of(name)?, Arc::new(query));
    let As { if_not_exists, temporary, on_commit, columns } = table;
    let create = CreateTableAs { name, if_not_exists, temporary, on_commit, columns, query };
    Ok(Statement::CreateTableAs(Box::new(create)))
}

/// Fails where a name says another schema than that of temporary objects.
fn temporary_name(temporary: bool, name: &sql::ObjectName) -> Result<()> {
    let own = |part: &sql::ObjectNamePart| part.as_ident().is_some_and(|ident| fold(ident).starts_with("pg_temp"));
    match name.0.len() > 1 && temporary && !name.0.iter().rev().nth(1).is_some_and(own) {
        true => Err(Error::new(b"42P16", "cannot create temporary relation in non-temporary schema")),
        false => Ok(()),
    }
}

/// What CREATE TABLE AS says beside name and query.
#[derive(Default)]
struct As {
    if_not_exists: bool,
    temporary: bool,
    on_commit: Option<sql::OnCommit>,
    columns: Vec<String>,
}

/// A statement that sqlparser understands.
fn general(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(2);
    Ok(match cursor.sqlparser(|parser| parser.parse_statement())? {
        sql::Statement::Query(query) => match *query {
            // WITH … INSERT.
            sql::Query { with, body, .. } if changes(&body) => match *body {
                sql::SetExpr::Insert(statement) | sql::SetExpr::Update(statement) | sql::SetExpr::Delete(statement) => {
                    change(with, statement).unwrap_or(Statement::Unsupported { words })
                }
                _ => Statement::Unsupported { words },
            },
            mut query => match into(&mut query) {
                Some(into) if into.unlogged => Statement::Unsupported { words: "SELECT INTO UNLOGGED".into() },
                Some(into) => {
                    let table = As { temporary: into.temporary, ..As::default() };
                    create_table_as(cursor, &into.name, table, query.into())?
                }
                None => Statement::Query(query.into()),
            },
        },
        statement @ (sql::Statement::Insert(_) | sql::Statement::Update(_) | sql::Statement::Delete(_)) => {
            change(None, statement).unwrap_or(Statement::Unsupported { words })
        }
        sql::Statement::CreateTable(mut table) => match table.query.take() {
            Some(_) if table.or_replace || !table.constraints.is_empty() => {
                Statement::Unsupported { words: "CREATE TABLE AS with these clauses".into() }
            }
            Some(query) => {
                let said = As {
                    if_not_exists: table.if_not_exists,
                    temporary: table.temporary,
                    on_commit: table.on_commit,
                    columns: table.columns.iter().map(|column| fold(&column.name)).collect(),
                };
                create_table_as(cursor, &table.name, said, query)?
            }
            None => {
                temporary_name(table.temporary, &table.name)?;
                Statement::CreateTable(table.into())
            }
        },
        sql::Statement::CreateView(view) => Statement::CreateView(Box::new(CreateView {
            name: key_of(&view.name)?,
            temporary: view.temporary,
            materialized: view.materialized,
            or_replace: view.or_replace,
            if_not_exists: view.if_not_exists,
            columns: view.columns.iter().map(|column| fold(&column.name)).collect(),
            query: view.query,
        })),
        _ => Statement::Unsupported { words },
    })
}

/// `CHECK [MATERIALIZED] VIEW name | VIEWS`, `CHECK SOURCE name | SOURCES AGAINST MYSQL …`.
fn check(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("CHECK")?;
    if cursor.word("SOURCES") {
        return check_source(cursor, None);
    }
    if cursor.word("SOURCE") {
        let name = cursor.name()?;
        return check_source(cursor, Some(name));
    }
    cursor.word("MATERIALIZED");
    if cursor.word("VIEWS") {
        return Ok(Statement::CheckView { name: None });
    }
    cursor.expect_word("VIEW")?;
    Ok(Statement::CheckView { name: Some(cursor.name()?) })
}

/// `AGAINST MYSQL 'url' | SECRET name [TABLE database.table]`; the names of MySQL are taken as they are written.
fn check_source(cursor: &mut Cursor<'_>, name: Option<String>) -> Result<Statement> {
    cursor.expect_word("AGAINST")?;
    cursor.expect_word("MYSQL")?;
    let server = match cursor.word("SECRET") {
        true => OptionValue::Secret(cursor.name()?),
        false => OptionValue::Text(cursor.hidden_string()?),
    };
    let mut table = None;
    if name.is_some() && cursor.word("TABLE") {
        let named = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
        let parts: Vec<&str> =
            named.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
        let &[database, of_database] = parts.as_slice() else {
            let message = format!("{named} is not a table of MySQL: write database.table");
            return Err(Error::new(b"42602", message));
        };
        table = Some((database.to_owned(), of_database.to_owned()));
    }
    Ok(Statement::CheckSource(Box::new(CheckSource { name, server, table })))
}

fn changes(body: &sql::SetExpr) -> bool {
    matches!(body, sql::SetExpr::Insert(_) | sql::SetExpr::Update(_) | sql::SetExpr::Delete(_))
}

fn change(with: Option<sql::With>, statement: sql::Statement) -> Option<Statement> {
    let verb = match statement {
        sql::Statement::Insert(insert) => ChangeVerb::Insert(insert.into()),
        sql::Statement::Update(update) => ChangeVerb::Update(update.into()),
        sql::Statement::Delete(delete) => ChangeVerb::Delete(delete.into()),
        _ => return None,
    };
    Some(Statement::Change(Box::new(ChangeStatement { with, verb })))
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
    let kinds: [(&[&str], ObjectKind); 12] = [
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
        (&["SEQUENCE", "SEQUENCES"], ObjectKind::Sequence),
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
