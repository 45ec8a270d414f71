//! The same query on both sides.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlparser::ast::Statement;
use tidewater_functions::Session;
use tidewater_judge::{Answer, Column, Connection};
use tidewater_query::run::Limits;
use tidewater_query::{Plan, bind, parse, rewrite, run};
use tidewater_types::{Result, SqlError, output};

use crate::world::world;

/// The plan of a query as it is bound.
pub(crate) fn bound(sql: &str) -> Result<Plan> {
    let session = Arc::new(Session::default());
    let mut statements = parse(sql)?;
    let Some(Statement::Query(query)) = statements.pop() else {
        return Err(SqlError::new(b"42601", "not a query"));
    };
    bind(&query, sql, world(), &session, &[])
}

/// The plan of a query as it runs.
pub(crate) fn rewritten(sql: &str) -> Result<Plan> {
    let mut plan = bound(sql)?;
    rewrite(&mut plan, &|relation| tidewater_query::Source::estimate(world(), relation))?;
    Ok(plan)
}

/// What we answer.
pub(crate) fn ours(sql: &str) -> Result<Answer> {
    let plan = rewritten(sql)?;
    let session = Arc::new(Session::default());
    let schema = plan.schema();
    let columns = schema
        .iter()
        .map(|(name, ty)| Column { name: name.clone(), type_oid: ty.ty.oid(), modifier: ty.modifier })
        .collect();
    let mut rows = Vec::new();
    // A query of a test that needs more is one that does not end.
    let limits =
        Limits { memory: 256 << 20, deadline: Some(Instant::now() + Duration::from_secs(20)), ..Limits::default() };
    run(&plan, world(), &session, &[], &limits, &mut |values| {
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

/// Which of several equal numerics stands for a group is PostgreSQL's accident and our rule: digits that only show are left out.
fn without_trailing_zeros(answer: &mut Answer) {
    const NUMERIC: u32 = 1700;
    for row in &mut answer.rows {
        for (value, column) in row.iter_mut().zip(&answer.columns) {
            if let Some(text) = value
                && column.type_oid == NUMERIC
                && text.contains('.')
            {
                *text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            }
        }
    }
}

/// What is different, if anything is. With `values` it is values that are compared, not how they are shown.
pub(crate) fn difference(judge: &mut Connection, sql: &str, values: bool) -> Option<String> {
    let theirs = judge.ask(sql);
    let ours = std::panic::catch_unwind(|| ours(sql));
    let ours = match ours {
        Ok(ours) => ours,
        Err(_) => return Some(format!("{sql}\n  panics")),
    };
    let said = match (ours, theirs) {
        (Ok(mut ours), Ok(mut theirs)) => {
            if values {
                without_trailing_zeros(&mut ours);
                without_trailing_zeros(&mut theirs);
            }
            compare(sql, ours, theirs)?
        }
        (Err(ours), Err(theirs)) if ours.sqlstate == theirs.sqlstate.as_bytes() => return None,
        (Err(ours), Err(theirs)) => {
            format!(
                "ours: {} {}\n  theirs: {} {}",
                String::from_utf8_lossy(&ours.sqlstate),
                ours.message,
                theirs.sqlstate,
                theirs.message
            )
        }
        (Ok(ours), Err(theirs)) => format!("ours: {:?}\n  theirs: {} {}", ours.rows, theirs.sqlstate, theirs.message),
        (Err(ours), Ok(theirs)) => {
            format!("ours: {} {}\n  theirs: {:?}", String::from_utf8_lossy(&ours.sqlstate), ours.message, theirs.rows)
        }
    };
    Some(format!("{sql}\n  {said}"))
}

/// In order where the query has one; `order by` inside parentheses is not the query's.
fn compare(sql: &str, mut ours: Answer, mut theirs: Answer) -> Option<String> {
    let shape = |answer: &Answer| -> Vec<(String, u32)> {
        answer.columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect()
    };
    if shape(&ours) != shape(&theirs) {
        return Some(format!("ours: {:?}\n  theirs: {:?}", shape(&ours), shape(&theirs)));
    }
    if !sql.contains("-- ordered") {
        ours.rows.sort();
        theirs.rows.sort();
    }
    (ours.rows != theirs.rows).then(|| format!("ours: {:?}\n  theirs: {:?}", ours.rows, theirs.rows))
}

/// Asks every line that is a query; all differences at once.
pub(crate) fn judge_lines(lines: &str) {
    world();
    let mut judge = tidewater_judge::server().connect();
    let mut asked = 0;
    let mut wrong = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--")) {
        asked += 1;
        wrong.extend(difference(&mut judge, line, false));
    }
    assert!(asked > 0, "no query");
    assert!(wrong.is_empty(), "{} of {asked} queries differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where an error is said to be: ours and theirs.
pub(crate) fn positions(judge: &mut Connection, sql: &str) -> Option<(Option<u32>, Option<u32>)> {
    let theirs = judge.ask(sql).err()?;
    let ours = ours(sql).err()?;
    Some((ours.position, theirs.position))
}
