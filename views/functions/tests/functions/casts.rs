//! Every cast, of values at the edges of its source, in both ways: written, and as an assignment. PostgreSQL agrees on which casts
//! there are, where they apply, and what they give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewater_functions::{Argument, Cast, CastContext, Session, cast};
use tidewater_judge::server;
use tidewater_types::time::Zone;
use tidewater_types::{ColumnType, Datum, Expr, RangeOf, Result, Scratch, Settings, SqlError, Type};

use crate::exceptions::CASTS_DIFFERENT;
use crate::values::edges;

fn types() -> Vec<Type> {
    use Type as T;
    let mut types = vec![
        T::Bool,
        T::Int2,
        T::Int4,
        T::Int8,
        T::Float4,
        T::Float8,
        T::Numeric,
        T::Text,
        T::Varchar,
        T::Bpchar,
        T::Name,
        T::Char,
        T::Bytea,
        T::Date,
        T::Time,
        T::TimeTz,
        T::Timestamp,
        T::TimestampTz,
        T::Interval,
        T::Uuid,
        T::Json,
        T::Jsonb,
        T::Oid,
    ];
    types.extend([
        T::Int4.array(),
        T::Text.array(),
        T::Numeric.array(),
        T::Range(RangeOf::Int4),
        T::Multirange(RangeOf::Int4),
    ]);
    types.push(T::Range(RangeOf::Date));
    types
}

/// Types to cast to, with modifiers.
fn targets() -> Vec<(ColumnType, String)> {
    let mut targets: Vec<(ColumnType, String)> =
        types().into_iter().map(|ty| (ty.clone().into(), ty.to_string())).collect();
    for (ty, modifiers) in [
        (Type::Varchar, vec![3]),
        (Type::Bpchar, vec![5]),
        (Type::Numeric, vec![6, 2]),
        (Type::Numeric, vec![3, -1]),
        (Type::Timestamp, vec![0]),
        (Type::TimestampTz, vec![2]),
        (Type::Time, vec![1]),
        (Type::Interval, vec![0]),
        (Type::Varchar.array(), vec![2]),
    ] {
        let column = ColumnType::with_modifiers(ty, &modifiers).expect("a modifier");
        let name = column.to_string();
        targets.push((column, name));
    }
    targets
}

fn ours(from: &Type, to: &ColumnType, text: &'static str, session: &Arc<Session>) -> Result<Option<String>> {
    let Some(cast) = cast(from, &to.ty) else {
        return Err(SqlError::new(b"42846", "cannot cast"));
    };
    let (source, settings) = (ColumnType::from(from.clone()), session.settings.clone());
    let expr = Expr::new(move |_, scratch| tidewater_types::input(text, &source, &settings, scratch));
    let expr = cast.compile(Argument::new(expr, from.clone()), to, true, session)?;
    let scratch = Scratch::new();
    let value = expr.eval(&[], &scratch)?;
    if matches!(value, Datum::Null) {
        return Ok(None);
    }
    let mut out = String::new();
    tidewater_types::output(&value, to, &session.settings, &mut out);
    Ok(Some(out))
}

#[test]
fn casts_are_postgres_own() {
    let session = Arc::new(Session::default());
    let mut statements = Vec::new();
    let mut cases = Vec::new();
    for from in types() {
        for (to, name) in targets() {
            for text in edges(&from) {
                let source = if from == Type::Bpchar { "bpchar".to_owned() } else { from.to_string() };
                statements.push(format!(
                    "SELECT '{}'::{source}::{}",
                    text.replace('\'', "''"),
                    if name == "character" { "bpchar" } else { &name }
                ));
                cases.push((from.clone(), to.clone(), text));
            }
        }
    }
    let mut judge = server().connect();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (((from, to, text), sql), answer) in cases.iter().zip(&statements).zip(judge.ask_all(&statements)) {
        let theirs = match answer {
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(refusal) => Err((refusal.sqlstate, refusal.message)),
        };
        let ours = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ours(from, to, text, &session)))
            .unwrap_or_else(|_| Err(SqlError::new(b"XX000", "it panicked")))
            .map_err(|error| (String::from_utf8_lossy(&error.sqlstate).into_owned(), error.message));
        let same = match (&ours, &theirs) {
            (Err((ours, _)), Err((theirs, _))) => ours == theirs,
            (ours, theirs) => ours == theirs,
        };
        if !same && !CASTS_DIFFERENT.iter().any(|(part, _)| sql.contains(part)) {
            wrong
                .entry(format!("{from} to {to}"))
                .or_default()
                .push(format!("{sql:.200}\n     ours {ours:.200?}\n   theirs {theirs:.200?}"));
        }
    }
    let shown: Vec<String> = wrong
        .iter()
        .map(|(key, cases)| {
            format!("{key}: {}\n{}", cases.len(), cases.iter().take(2).cloned().collect::<Vec<_>>().join("\n"))
        })
        .collect();
    println!("{} casts of values", statements.len());
    assert!(wrong.is_empty(), "calls differ in {} casts:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn contexts_are_those_of_pg_cast() {
    let mut judge = server().connect();
    let answer = judge.ask("SELECT castsource, casttarget, castcontext FROM pg_cast").expect("the catalog answers");
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for row in answer.rows {
        let [Some(source), Some(target), Some(context)] = &row[..] else { continue };
        let ty = |oid: &str| Type::from_oid(oid.parse().expect("an oid"));
        let (Some(source), Some(target)) = (ty(source), ty(target)) else { continue };
        let Some(cast) = cast(&source, &target) else {
            missing.insert(format!("{source} to {target}"));
            continue;
        };
        let expected = match context.as_str() {
            "i" => CastContext::Implicit,
            "a" => CastContext::Assignment,
            _ => CastContext::Explicit,
        };
        // A cast of a type to itself applies its modifier.
        assert!(source == target || cast.context == expected, "{source} to {target}: {:?}", cast.context);
        found += 1;
    }
    println!("{found} casts of pg_cast");
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn casts_that_read_no_session_are_the_same_in_every_session() {
    let here = Arc::new(Session::default());
    let settings = Settings {
        time_zone: Zone::parse("Asia/Kolkata").expect("a zone"),
        now: 1_700_000_000_000_000,
        ..Settings::default()
    };
    let there = Arc::new(Session { settings, ..Session::default() });
    let packed = |cast: &Cast, text: &'static str, session: &Arc<Session>| -> Result<Vec<u8>> {
        let (source, settings) = (ColumnType::from(cast.from.clone()), session.settings.clone());
        let expr = Expr::new(move |_, scratch| tidewater_types::input(text, &source, &settings, scratch));
        let expr = cast.compile(Argument::new(expr, cast.from.clone()), &cast.to.clone().into(), true, session)?;
        let scratch = Scratch::new();
        let mut bytes = Vec::new();
        tidewater_types::encode(&expr.eval(&[], &scratch)?, &mut bytes);
        Ok(bytes)
    };
    let (mut same, mut other) = (0, 0);
    for from in types() {
        for to in types() {
            let Some(cast) = cast(&from, &to) else { continue };
            for text in edges(&from) {
                let equal = packed(&cast, text, &here) == packed(&cast, text, &there);
                assert!(equal || cast.reads_session(), "'{text}'::{from}::{to}");
                same += usize::from(equal);
                other += usize::from(!equal);
            }
        }
    }
    assert!(same > 1_000 && other > 10, "{same} and {other}");
}
