//! Calls that a test lists one by one, asked of both.

use std::sync::Arc;

use tidewater_functions::{Argument, Function, Session, functions, operators, resolve};
use tidewater_judge::server;
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, SqlError, Type};

use crate::exceptions::FORMATS_DIFFERENT;

/// One call of a function whose arguments are of these types.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<(Type, String)>,
    pub(crate) result: Type,
}

fn is_operator(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_punctuation())
}

fn sql(case: &Case) -> String {
    let literal = |(ty, text): &(Type, String)| format!("'{}'::{ty}", text.replace('\'', "''"));
    let args: Vec<String> = case.args.iter().map(literal).collect();
    if is_operator(case.name) {
        return format!("SELECT {} {} {}", args[0], case.name, args[1]);
    }
    format!("SELECT pg_catalog.\"{}\"({})", case.name, args.join(", "))
}

fn ours(case: &Case, session: &Arc<Session>) -> Result<Option<String>> {
    let types: Vec<Type> = case.args.iter().map(|(ty, _)| ty.clone()).collect();
    let candidates = if is_operator(case.name) { operators(case.name) } else { functions(case.name) };
    let alike = |function: &Function| {
        let resolved = resolve(function, &types, false, &mut |types| Ok(types[0].clone()));
        function.params.len() == types.len() && resolved.is_ok_and(|resolved| resolved.args == types)
    };
    let exact = candidates.iter().find(|function| function.is_for(&types));
    let function = exact.or_else(|| candidates.iter().find(|function| alike(function))).expect("it is in the table");
    let args = case.args.iter().map(|(ty, text)| {
        let (column, text, session) = (ColumnType::from(ty.clone()), text.clone(), session.clone());
        Argument::new(
            Expr::new(move |_, scratch| tidewater_types::input(&text, &column, &session.settings, scratch)),
            ty.clone(),
        )
    });
    let result: ColumnType = case.result.clone().into();
    let expr = function.compile(args.collect(), &result, session)?;
    let scratch = Scratch::new();
    let value = expr.eval(&[], &scratch)?;
    if matches!(value, Datum::Null) {
        return Ok(None);
    }
    let mut out = String::new();
    tidewater_types::output(&value, &result, &session.settings, &mut out);
    Ok(Some(out))
}

/// Asks both.
pub(crate) fn check(cases: &[Case]) {
    let session = Arc::new(Session::default());
    let statements: Vec<String> = cases.iter().map(sql).collect();
    let mut judge = server().connect();
    let mut wrong = Vec::new();
    for ((case, sql), answer) in cases.iter().zip(&statements).zip(judge.ask_all(&statements)) {
        let theirs = match answer {
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(refusal) => Err((refusal.sqlstate, refusal.message)),
        };
        let ours = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ours(case, &session)))
            .unwrap_or_else(|_| Err(SqlError::new(b"XX000", "it panicked")))
            .map_err(|error| (String::from_utf8_lossy(&error.sqlstate).into_owned(), error.message));
        let same = match (&ours, &theirs) {
            (Err((ours, _)), Err((theirs, _))) => ours == theirs,
            (ours, theirs) => ours == theirs,
        };
        if !same && !FORMATS_DIFFERENT.iter().any(|(parts, _)| parts.split(" … ").all(|part| sql.contains(part))) {
            wrong.push(format!("{sql}\n     ours {ours:?}\n   theirs {theirs:?}"));
        }
    }
    println!("{} calls", cases.len());
    assert!(wrong.is_empty(), "{} of {} calls differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// An argument of type text.
pub(crate) fn text(text: &str) -> (Type, String) {
    (Type::Text, text.to_owned())
}
