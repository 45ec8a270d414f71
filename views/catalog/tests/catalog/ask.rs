//! A query over the system relations, here and in the judge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::Statement;
use tidewater_catalog as catalog;
use tidewater_functions::Session;
use tidewater_judge::{Answer, Column, Connection};
use tidewater_query::catalog::{Catalog, Relation, Rows, Source};
use tidewater_query::run::Limits;
use tidewater_query::{bind, parse, rewrite, run};
use tidewater_types::{Result, SqlError, output};

use crate::sample::snapshot;

/// The system relations, and those of the sample, without rows.
pub(crate) struct World(catalog::Catalog);

impl Catalog for World {
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<Arc<Relation>> {
        catalog::relation(schema, name)
    }

    fn has_schema(&self, name: &str) -> bool {
        catalog::has_schema(name) || name == "public"
    }
}

impl Source for World {
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
        catalog::rows(relation, &self.0, rows)
    }

    fn estimate(&self, relation: &Relation) -> Option<u64> {
        Some(catalog::estimate(relation))
    }
}

/// A session as the judge's is.
pub(crate) fn session() -> Arc<Session> {
    let variables = [
        ("jit", "off"),
        ("search_path", "public"),
        ("timezone", "UTC"),
        ("max_index_keys", "32"),
        ("server_version_num", "150000"),
    ];
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let session = Session {
        user: "judge".to_owned(),
        database: "postgres".to_owned(),
        variables: Arc::new(variables),
        ..Session::default()
    };
    catalog::informed(&Arc::new(session), &snapshot())
}

/// What we answer.
pub(crate) fn ours(sql: &str) -> Result<Answer> {
    let session = session();
    let world = World(catalog::Catalog::new(&snapshot(), &session));
    let mut statements = parse(sql)?;
    let Some(Statement::Query(query)) = statements.pop() else {
        return Err(SqlError::new(b"42601", "not a query"));
    };
    let mut plan = bind(&query, sql, &world, &session, &[])?;
    rewrite(&mut plan, &|relation| Source::estimate(&world, relation))?;
    let schema = plan.schema();
    let columns = schema
        .iter()
        .map(|(name, ty)| Column { name: name.clone(), type_oid: ty.ty.oid(), modifier: ty.modifier })
        .collect();
    let mut rows = Vec::new();
    run(&plan, &world, &session, &[], &Limits::default(), &mut |values| {
        let text = values.iter().zip(&schema).map(|(value, (_, ty))| {
            (!value.is_null()).then(|| {
                let mut text = String::new();
                output(value, ty, &session.settings, &mut text);
                text
            })
        });
        rows.push(text.collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Answer { columns, rows })
}

/// Rows as lines, NULL as `NULL`.
pub(crate) fn lines(answer: &Answer) -> Vec<String> {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
    answer.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect()
}

/// Our rows as lines.
///
/// # Panics
/// If the query is refused.
pub(crate) fn answer(sql: &str) -> Vec<String> {
    lines(&ours(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}")))
}

/// The number of a relation here, and in the judge.
pub(crate) fn oids(judge: &mut Connection, name: &str) -> (String, String) {
    let query = format!("select '{name}'::regclass::oid");
    let theirs = judge.ask(&query).expect("the judge has it");
    (answer(&query).remove(0), theirs.value().expect("a number").to_owned())
}

/// What is different between our answer and the judge's, numbers of objects aside: `{oid}` in the query is the number of `name`.
pub(crate) fn difference(judge: &mut Connection, sql: &str, name: &str) -> Option<String> {
    let (our_oid, their_oid) = oids(judge, name);
    let sql = sql.replace("{name}", name);
    let (our_sql, their_sql) = (sql.replace("{oid}", &our_oid), sql.replace("{oid}", &their_oid));
    let without = |answer: Answer, oid: &str| {
        let mut answer = answer;
        for value in answer.rows.iter_mut().flatten().flatten() {
            if value == oid {
                *value = "{oid}".to_owned();
            }
        }
        answer
    };
    let (ours, theirs) = (ours(&our_sql), judge.ask(&their_sql));
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (without(ours, &our_oid), without(theirs, &their_oid)),
        (Err(ours), Err(theirs)) if ours.sqlstate == theirs.sqlstate.as_bytes() => return None,
        (ours, theirs) => return Some(format!("{our_sql}\n  ours: {ours:?}\n  theirs: {theirs:?}")),
    };
    let names = |answer: &Answer| answer.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let same_names = names(&ours) == names(&theirs);
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    let same = same_names && ours == theirs;
    (!same).then(|| {
        format!(
            "{our_sql}\n  names {same_names}\n  ours:   {}\n  theirs: {}",
            ours.join("\n          "),
            theirs.join("\n          ")
        )
    })
}
