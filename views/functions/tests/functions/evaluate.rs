//! Every function and operator of the table, called with values at the edges of its parameters' types: PostgreSQL gives the same
//! text, or refuses with the same SQLSTATE.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tidewater_functions::{
    Argument, Function, Kind, Param, Session, Volatility, all_functions, all_operators, resolve,
};
use tidewater_judge::server;
use tidewater_types::time::Zone;
use tidewater_types::{ColumnType, Datum, Expr, RangeOf, Result, Scratch, Settings, SqlError, Type};

use crate::exceptions::{DIFFERENT, NOT_ASKED, TRANSCENDENTAL};
use crate::regex::Random;
use crate::values::edges;

/// Calls of one entry with one choice of types; a soak makes more.
fn max_calls() -> usize {
    if std::env::var_os("TIDEWATER_FUZZ").is_some() { 600 } else { 60 }
}

/// Rows of a set that are compared.
const MAX_ROWS: usize = 20;

/// Types that stand for families.
const ELEMENTS: [Type; 12] = [
    Type::Int4,
    Type::Text,
    Type::Numeric,
    Type::Bool,
    Type::Date,
    Type::TimestampTz,
    Type::Timestamp,
    Type::Float8,
    Type::Jsonb,
    Type::Interval,
    Type::Bytea,
    Type::Json,
];

pub(crate) fn stand_ins(param: &Param) -> Vec<Type> {
    match param {
        Param::Of(ty) => vec![ty.clone()],
        Param::AnyElement | Param::AnyCompatible | Param::AnyNonArray | Param::AnyCompatibleNonArray | Param::Any => {
            ELEMENTS.to_vec()
        }
        Param::AnyArray | Param::AnyCompatibleArray => ELEMENTS.map(Type::array).to_vec(),
        Param::AnyRange | Param::AnyCompatibleRange => vec![Type::Range(RangeOf::Int4), Type::Range(RangeOf::Numeric)],
        Param::AnyMultirange | Param::AnyCompatibleMultirange => {
            vec![Type::Multirange(RangeOf::Int4), Type::Multirange(RangeOf::Numeric)]
        }
        _ => vec![],
    }
}

/// A call: the function, the types of its arguments, their literals.
struct Call {
    function: &'static Function,
    types: Vec<Type>,
    result: ColumnType,
    literals: Vec<Option<&'static str>>,
    /// Types of the columns of a set-returning function.
    columns: Vec<Type>,
}

impl Call {
    fn sql(&self, is_operator: bool) -> String {
        let literal = |i: usize| {
            let name = self.types[i].to_string();
            match self.literals[i] {
                None => format!("NULL::{name}"),
                Some(text) => format!("'{}'::{name}", text.replace('\'', "''")),
            }
        };
        let name = self.function.name;
        match (is_operator, self.types.len()) {
            (true, 1) => format!("SELECT {name} ({})", literal(0)),
            (true, _) => format!("SELECT {} {name} {}", literal(0), literal(1)),
            (false, count) => {
                let args: Vec<String> = (0..count).map(literal).collect();
                let call = format!("pg_catalog.\"{name}\"({})", args.join(", "));
                // In the select list rows are made one at a time; in FROM all of them before the first.
                match (self.function.kind, self.columns.len()) {
                    (Kind::Set, 1) => format!("SELECT {call} LIMIT {MAX_ROWS}"),
                    (Kind::Set, _) => format!("SELECT * FROM {call} LIMIT {MAX_ROWS}"),
                    _ => format!("SELECT {call}"),
                }
            }
        }
    }

    fn arguments(&self, session: &Arc<Session>) -> Vec<Argument> {
        let args = self.types.iter().zip(&self.literals).map(|(ty, literal)| {
            let (column, text, session) = (ColumnType::from(ty.clone()), *literal, session.clone());
            let expr = Expr::new(move |_, scratch| match text {
                None => Ok(Datum::Null),
                Some(text) => tidewater_types::input(text, &column, &session.settings, scratch),
            });
            Argument { constant: true, ..Argument::new(expr, ty.clone()) }
        });
        args.collect()
    }

    fn ours(&self, session: &Arc<Session>) -> Result<Option<String>> {
        let scratch = Scratch::new();
        if self.function.kind == Kind::Set {
            return self.rows(self.arguments(session), session, &scratch).map(Some);
        }
        let expr = self.function.compile(self.arguments(session), &self.result, session)?;
        let value = expr.eval(&[], &scratch)?;
        if value.is_null() {
            return Ok(None);
        }
        let mut out = String::new();
        tidewater_types::output(&value, &self.result, &session.settings, &mut out);
        Ok(Some(out))
    }
}

impl Call {
    /// The value as it is packed, which no session shows differently.
    fn packed(&self, session: &Arc<Session>) -> Result<Vec<u8>> {
        let scratch = Scratch::new();
        let expr = self.function.compile(self.arguments(session), &self.result, session)?;
        let mut bytes = Vec::new();
        tidewater_types::encode(&expr.eval(&[], &scratch)?, &mut bytes);
        Ok(bytes)
    }

    /// The first rows of a set-returning function, in one text.
    fn rows(&self, args: Vec<Argument>, session: &Arc<Session>, scratch: &Scratch) -> Result<String> {
        let rows = self.function.rows(args, &self.result, session)?;
        let mut source = rows.eval(&[], scratch)?;
        let mut lines = Vec::new();
        let mut row = Vec::new();
        while lines.len() < MAX_ROWS && source.next(&mut row)? {
            let values = row.drain(..).zip(&self.columns).map(|(value, ty)| {
                let mut out = String::new();
                if value.is_null() {
                    return "NULL".to_owned();
                }
                tidewater_types::output(&value, &ty.clone().into(), &session.settings, &mut out);
                out
            });
            lines.push(values.collect::<Vec<_>>().join("|"));
        }
        Ok(lines.join("\n"))
    }
}

/// Tuples of literals: all of them if they are few, else some by chance.
pub(crate) fn tuples(types: &[Type]) -> Vec<Vec<Option<&'static str>>> {
    let values: Vec<Vec<Option<&'static str>>> =
        types.iter().map(|ty| edges(ty).into_iter().map(Some).chain([None]).collect()).collect();
    let total: usize = values.iter().map(Vec::len).product();
    let mut random = Random::new(total as u64);
    (0..total.min(max_calls()))
        .map(|n| {
            let mut number = if total <= max_calls() { n } else { random.below(total as u64) as usize };
            values
                .iter()
                .map(|values| {
                    let value = values[number % values.len()];
                    number /= values.len();
                    value
                })
                .collect()
        })
        .collect()
}

fn calls(function: &'static Function) -> Vec<Call> {
    if matches!(function.kind, Kind::Aggregate | Kind::Window)
        // What reads the catalog is asked where there is one: views/catalog.
        || function.family == "System catalogs" && function.volatility != Volatility::Immutable
        || NOT_ASKED.contains(&function.name)
        || NOT_ASKED.contains(&key(function).as_str())
    {
        return Vec::new();
    }
    let mut found = Vec::new();
    let choices = function.params.iter().map(|param| stand_ins(param).len()).max().unwrap_or(1);
    for choice in 0..choices {
        let types: Option<Vec<Type>> = function
            .params
            .iter()
            .map(|param| {
                let types = stand_ins(param);
                types.get(choice % types.len().max(1)).cloned()
            })
            .collect();
        let Some(types) = types else { continue };
        let packed = function.variadic
            && matches!(function.params.last(), Some(Param::Of(_) | Param::AnyArray | Param::AnyCompatibleArray));
        let mut first = |types: &[Type]| Ok::<Type, SqlError>(types[0].clone());
        // A variadic array is called with two elements.
        let mut types = types;
        if packed && let Some(array) = types.pop() {
            let element = array.element().cloned().unwrap_or(Type::Unknown);
            types.extend([element.clone(), element]);
        }
        let Ok(resolved) = resolve(function, &types, false, &mut first) else { continue };
        for literals in tuples(&types) {
            found.push(Call {
                function,
                types: types.clone(),
                result: resolved.result.clone().into(),
                literals,
                columns: resolved.columns.clone(),
            });
        }
    }
    found
}

/// Names and parameters of PostgreSQL's functions and operators.
pub(crate) fn known() -> (HashSet<String>, HashSet<String>) {
    let mut judge = server().connect();
    let list = |sql: &str, judge: &mut tidewater_judge::Connection| -> HashSet<String> {
        let answer = judge.ask(sql).expect("the catalog answers");
        answer.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    };
    let functions = list(
        "SELECT proname || '(' || array_to_string(ARRAY(SELECT typname FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n)
           JOIN pg_type ON pg_type.oid = t ORDER BY n), ',') || ')' FROM pg_proc WHERE pronamespace = 11",
        &mut judge,
    );
    let operators = list(
        "SELECT oprname || '(' || concat_ws(',', (SELECT typname FROM pg_type WHERE oid = oprleft),
           (SELECT typname FROM pg_type WHERE oid = oprright)) || ')' FROM pg_operator",
        &mut judge,
    );
    (functions, operators)
}

/// The entry as the catalog writes it.
pub(crate) fn key(function: &Function) -> String {
    let name = |param: &Param| match param {
        Param::Of(ty) => ty.internal_name(),
        family => family.to_string(),
    };
    let params: Vec<String> = function.params.iter().map(name).collect();
    format!("{}({})", function.name, params.join(","))
}

pub(crate) fn is_close(name: &str, ours: &str, theirs: &str) -> bool {
    let (Ok(a), Ok(b)) = (ours.parse::<f64>(), theirs.parse::<f64>()) else { return false };
    TRANSCENDENTAL.contains(&name) && (a - b).abs() <= 4.0 * f64::EPSILON * a.abs().max(b.abs())
}

#[test]
fn answers_are_postgres_own() {
    check("UTC", |_| true);
}

#[test]
fn answers_in_a_zone_are_postgres_own() {
    let zoned = |ty: &Type| matches!(ty, Type::TimestampTz | Type::TimeTz);
    check("Europe/Berlin", |call| {
        call.function.volatility != Volatility::Immutable || call.types.iter().any(zoned) || zoned(&call.result.ty)
    });
}

fn check(zone: &str, asked: impl Fn(&Call) -> bool) {
    let (functions, operators) = known();
    let mut all: Vec<(Call, bool)> = Vec::new();
    let mut entries: Vec<&'static Function> = all_functions().filter(|f| functions.contains(&key(f))).collect();
    entries.sort_by_key(|function| key(function));
    all.extend(entries.into_iter().flat_map(calls).map(|call| (call, false)));
    let mut entries: Vec<&'static Function> = all_operators().filter(|f| operators.contains(&key(f))).collect();
    entries.sort_by_key(|function| key(function));
    all.extend(entries.into_iter().flat_map(calls).map(|call| (call, true)));
    let only = std::env::var("TIDEWATER_ONLY").ok();
    all.retain(|(call, _)| only.as_ref().is_none_or(|only| call.function.name == only));
    all.retain(|(call, _)| asked(call));
    let statements: Vec<String> = all.iter().map(|(call, is_operator)| call.sql(*is_operator)).collect();
    let mut judge = server().connect();
    judge.ask(&format!("SET statement_timeout = '1s'; SET TimeZone = '{zone}'")).expect("settings");
    let answers = judge.ask_all(&statements);
    let settings = Settings { time_zone: Zone::parse(zone).expect("a zone"), ..Settings::default() };
    let session = Arc::new(Session { settings, ..Session::default() });
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (((call, _), sql), answer) in all.iter().zip(&statements).zip(answers) {
        let theirs = match answer {
            Ok(answer) if call.function.kind == Kind::Set => {
                let value = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
                let line = |row: Vec<Option<String>>| row.into_iter().map(value).collect::<Vec<_>>().join("|");
                Ok(Some(answer.rows.into_iter().map(line).collect::<Vec<_>>().join("\n")))
            }
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            // It takes too long there.
            Err(refusal) if refusal.sqlstate == "57014" => continue,
            Err(refusal) => Err((refusal.sqlstate, refusal.message)),
        };
        let ours = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.ours(&session)))
            .unwrap_or_else(|_| Err(SqlError::new(b"XX000", "it panicked")));
        let ours = ours.map_err(|error| (String::from_utf8_lossy(&error.sqlstate).into_owned(), error.message));
        let same = match (&ours, &theirs) {
            (Ok(Some(ours)), Ok(Some(theirs))) => ours == theirs || is_close(call.function.name, ours, theirs),
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err((ours, _)), Err((theirs, _))) => ours == theirs,
            _ => false,
        };
        if !same && !DIFFERENT.iter().any(|(parts, _)| parts.split(" … ").all(|part| sql.contains(part))) {
            wrong
                .entry(key(call.function))
                .or_default()
                .push(format!("{sql:.300}\n     ours {ours:.300?}\n   theirs {theirs:.300?}"));
        }
    }
    let count: usize = wrong.values().map(Vec::len).sum();
    let shown: Vec<String> = wrong
        .iter()
        .map(|(key, cases)| {
            format!("{key}: {}\n{}", cases.len(), cases.iter().take(3).cloned().collect::<Vec<_>>().join("\n"))
        })
        .collect();
    println!("{} calls", statements.len());
    assert!(only.is_some() || statements.len() > 10_000, "{} calls: entries were not found", statements.len());
    assert!(
        count == 0,
        "{count} of {} calls differ, in {} entries:\n{}",
        statements.len(),
        wrong.len(),
        shown.join("\n")
    );
}

#[test]
fn what_reads_no_session_is_the_same_in_every_session() {
    let zone = |name| Settings { time_zone: Zone::parse(name).expect("a zone"), ..Settings::default() };
    let here = Arc::new(Session { settings: zone("UTC"), ..Session::default() });
    let there = Session {
        settings: Settings { now: 1_700_000_000_000_000, ..zone("Asia/Kolkata") },
        statement_now: 7,
        user: "someone".to_owned(),
        database: "another".to_owned(),
        search_path: Vec::new(),
        backend_pid: 77,
        version: "else".to_owned(),
        ..Session::default()
    };
    let there = Arc::new(there);
    let (mut asked, mut dependent) = (0, BTreeSet::new());
    for call in all_functions().chain(all_operators()).flat_map(calls) {
        if call.function.reads_session(&call.types, &call.result.ty) {
            continue;
        }
        asked += 1;
        let same = match call.function.kind {
            // Rows are compared as text, which depends on the zone by itself.
            Kind::Set => call.columns.contains(&Type::TimestampTz) || call.ours(&here) == call.ours(&there),
            _ => call.packed(&here) == call.packed(&there),
        };
        if !same {
            dependent.insert(key(call.function));
        }
    }
    assert!(asked > 1_000, "{asked} calls");
    assert!(dependent.is_empty(), "{dependent:#?}");
}
