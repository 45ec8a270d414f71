//! Every aggregate over lists of values at the edges of its parameters' types, NULLs and none at all among them: PostgreSQL gives
//! the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_functions::{Function, Kind, Session, all_functions, resolve};
use tidewater_judge::server;
use tidewater_types::{ColumnType, Datum, Result, Scratch, SqlError, Type};

use crate::evaluate::{key, known, stand_ins};
use crate::exceptions::AGGREGATES_DIFFERENT;
use crate::values::edges;

type Row = Vec<Option<&'static str>>;

/// Lists of rows: none, one, all edges, parts of them, with NULLs.
fn lists(types: &[Type], direct: usize) -> Vec<Vec<Row>> {
    let columns: Vec<Vec<Option<&'static str>>> =
        types.iter().map(|ty| edges(ty).into_iter().map(Some).collect()).collect();
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let shares = [None, Some("0"), Some("0.5"), Some("1")];
    let mut lists = vec![Vec::new()];
    for (step, skip) in [(1, 0), (1, 1), (2, 0), (3, 1), (1, 3)] {
        for share in if direct > 0 { &shares[..] } else { &shares[..1] } {
            for nulls in [false, true] {
                let mut rows: Vec<Row> = (skip..longest)
                    .step_by(step)
                    .map(|i| {
                        columns.iter().enumerate().map(|(at, column)| column[(i + at * skip) % column.len()]).collect()
                    })
                    .collect();
                if nulls {
                    rows.insert(rows.len() / 2, vec![None; types.len()]);
                }
                for row in &mut rows {
                    if direct > 0 && !matches!(types[0], Type::Array(_)) {
                        row[0] = *share;
                    } else if direct > 0 {
                        row[0] = Some("{0,0.25,1}");
                    }
                }
                lists.push(rows);
            }
        }
    }
    // A few values of an even kind, whose statistics are finite.
    for count in [1, 2, 4] {
        let rows = (0..count).map(|i| columns.iter().map(|column| column[i % column.len().min(3)]).collect());
        if direct == 0 {
            lists.push(rows.collect());
        }
    }
    lists
}

fn sql(function: &Function, types: &[Type], rows: &[Row]) -> String {
    let direct = function.direct.unwrap_or(0);
    let names: Vec<String> = (0..types.len()).map(|i| format!("c{i}")).collect();
    let literal = |value: &Option<&str>, ty: &Type| match value {
        None => format!("NULL::{ty}"),
        Some(text) => format!("'{}'::{ty}", text.replace('\'', "''")),
    };
    let tuple = |row: &Row| {
        format!("({})", row.iter().zip(types).map(|(value, ty)| literal(value, ty)).collect::<Vec<_>>().join(", "))
    };
    let empty: Row = vec![None; types.len()];
    let values: Vec<String> = rows.iter().map(tuple).collect();
    let values = if rows.is_empty() { format!("{} LIMIT 0", tuple(&empty)) } else { values.join(", ") };
    let call = if function.direct.is_some() {
        let first = rows.first().unwrap_or(&empty);
        let shares: Vec<String> = first.iter().zip(types).take(direct).map(|(value, ty)| literal(value, ty)).collect();
        format!("\"{}\"({}) WITHIN GROUP (ORDER BY {})", function.name, shares.join(", "), names[direct..].join(", "))
    } else if types.is_empty() {
        format!("{}(*)", function.name)
    } else {
        format!("\"{}\"({})", function.name, names.join(", "))
    };
    if types.is_empty() {
        return format!("SELECT pg_catalog.{call} FROM generate_series(1, 3)");
    }
    format!("SELECT pg_catalog.{call} FROM (VALUES {values}) AS v({})", names.join(", "))
}

fn ours(
    function: &'static Function,
    types: &[Type],
    result: &Type,
    rows: &[Row],
    session: &Arc<Session>,
) -> Result<Option<String>> {
    let columns: Vec<ColumnType> = types.iter().map(|ty| ty.clone().into()).collect();
    let result: ColumnType = result.clone().into();
    let mut accumulator = function.accumulator(&columns, &result, session)?;
    let scratch = Scratch::new();
    let mut all: Vec<Vec<Datum<'_>>> = Vec::new();
    for row in rows {
        let values = row.iter().zip(&columns).map(|(value, ty)| match value {
            None => Ok(Datum::Null),
            Some(text) => tidewater_types::input(text, ty, &session.settings, &scratch),
        });
        all.push(values.collect::<Result<_>>()?);
    }
    if let (Some(direct), Some(ty)) = (function.direct, types.last()) {
        all.sort_by(|a, b| tidewater_types::compare(ty, &a[direct], &b[direct]));
    }
    if types.is_empty() {
        all = vec![Vec::new(); 3];
    }
    for row in &all {
        accumulator.add(row)?;
    }
    let value = accumulator.finish(&scratch)?;
    if value.is_null() {
        return Ok(None);
    }
    let mut out = String::new();
    tidewater_types::output(&value, &result, &session.settings, &mut out);
    Ok(Some(out))
}

fn is_close(ours: &str, theirs: &str) -> bool {
    matches!((ours.parse::<f64>(), theirs.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() <= 1e-14 * a.abs().max(b.abs()))
}

#[test]
fn aggregates_are_postgres_own() {
    let session = Arc::new(Session::default());
    let (functions, _) = known();
    let mut entries: Vec<&'static Function> =
        all_functions().filter(|f| f.kind == Kind::Aggregate && functions.contains(&key(f))).collect();
    entries.sort_by_key(|function| key(function));
    let mut cases = Vec::new();
    for function in entries {
        let choices = function.params.iter().map(|param| stand_ins(param).len()).max().unwrap_or(1);
        for choice in 0..choices {
            let types: Vec<Type> =
                function.params.iter().map(|param| stand_ins(param)[choice % stand_ins(param).len()].clone()).collect();
            let resolved = resolve(function, &types, false, &mut |types| Ok(types[0].clone())).expect("alike");
            for rows in lists(&types, function.direct.unwrap_or(0)) {
                cases.push((function, types.clone(), resolved.result.clone(), rows));
            }
        }
    }
    let statements: Vec<String> = cases.iter().map(|(function, types, _, rows)| sql(function, types, rows)).collect();
    let mut judge = server().connect();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (((function, types, result, rows), sql), answer) in
        cases.iter().zip(&statements).zip(judge.ask_all(&statements))
    {
        let theirs = match answer {
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(refusal) => Err((refusal.sqlstate, refusal.message)),
        };
        let ours =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ours(function, types, result, rows, &session)))
                .unwrap_or_else(|_| Err(SqlError::new(b"XX000", "it panicked")))
                .map_err(|error| (String::from_utf8_lossy(&error.sqlstate).into_owned(), error.message));
        let float = matches!(result, Type::Float8 | Type::Float4);
        let same = match (&ours, &theirs) {
            (Ok(Some(ours)), Ok(Some(theirs))) => ours == theirs || float && is_close(ours, theirs),
            (Err((ours, _)), Err((theirs, _))) => ours == theirs,
            (ours, theirs) => ours == theirs,
        };
        if !same && !AGGREGATES_DIFFERENT.iter().any(|(parts, _)| parts.split(" … ").all(|part| sql.contains(part))) {
            wrong
                .entry(key(function))
                .or_default()
                .push(format!("{sql:.400}\n     ours {ours:.300?}\n   theirs {theirs:.300?}"));
        }
    }
    let shown: Vec<String> = wrong
        .iter()
        .map(|(key, cases)| {
            format!("{key}: {}\n{}", cases.len(), cases.iter().take(2).cloned().collect::<Vec<_>>().join("\n"))
        })
        .collect();
    println!("{} aggregations", statements.len());
    assert!(statements.len() > 2_000, "{} aggregations: entries were not found", statements.len());
    assert!(wrong.is_empty(), "calls differ in {} aggregates:\n{}", wrong.len(), shown.join("\n"));
}
