//! Calls with any number of arguments: those that stand one by one, and those in an array after VARIADIC.

use std::sync::Arc;

use tidewater_functions::{Argument, Session, functions, resolve};
use tidewater_judge::server;
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, Type};

struct Call {
    name: &'static str,
    args: Vec<(Type, Option<&'static str>)>,
    /// Whether the last is written VARIADIC.
    packed: bool,
}

fn sql(call: &Call) -> String {
    let last = call.args.len();
    let args = call.args.iter().enumerate().map(|(i, (ty, value))| {
        let variadic = if call.packed && i + 1 == last { "VARIADIC " } else { "" };
        match value {
            None => format!("{variadic}NULL::{ty}"),
            Some(text) => format!("{variadic}'{}'::{ty}", text.replace('\'', "''")),
        }
    });
    format!("SELECT pg_catalog.\"{}\"({})", call.name, args.collect::<Vec<_>>().join(", "))
}

fn ours(call: &Call, session: &Arc<Session>) -> Result<Option<String>> {
    let types: Vec<Type> = call.args.iter().map(|(ty, _)| ty.clone()).collect();
    let function =
        functions(call.name).iter().find(|function| function.takes(types.len())).expect("it is in the table");
    let resolved = resolve(function, &types, call.packed, &mut |types| Ok(types[0].clone()))?;
    let last = call.args.len();
    let args = call.args.iter().enumerate().map(|(i, (ty, text))| {
        let (column, text, session) = (ColumnType::from(ty.clone()), *text, session.clone());
        let expr = Expr::new(move |_, scratch| match text {
            None => Ok(Datum::Null),
            Some(text) => tidewater_types::input(text, &column, &session.settings, scratch),
        });
        Argument { variadic: call.packed && i + 1 == last, ..Argument::new(expr, ty.clone()) }
    });
    let result: ColumnType = resolved.result.into();
    let expr = function.compile(args.collect(), &result, session)?;
    let scratch = Scratch::new();
    let value = expr.eval(&[], &scratch)?;
    let mut out = String::new();
    tidewater_types::output(&value, &result, &session.settings, &mut out);
    Ok((!value.is_null()).then_some(out))
}

/// Lists of arguments of several types and lengths.
fn lists() -> Vec<Vec<(Type, Option<&'static str>)>> {
    let text = |value| (Type::Text, Some(value));
    vec![
        vec![text("a"), (Type::Int4, Some("1")), (Type::Bool, Some("t")), (Type::Numeric, Some("1.50"))],
        vec![text("k"), (Type::Text, None), text("k2"), (Type::Int4.array(), Some("{1,2}"))],
        vec![(Type::Text, None), text("x"), (Type::Date, Some("2024-02-29")), (Type::Jsonb, Some("{\"a\": 1}"))],
        vec![text(","), text("x y"), (Type::Bpchar, Some("b ")), (Type::Float8, Some("0.1"))],
        vec![text("only")],
        vec![(Type::Int4, Some("7")), (Type::TimestampTz, Some("2024-02-29 12:00+00"))],
        vec![(Type::Bool, Some("f")), (Type::Json, Some("[1,  2]")), (Type::Float8, Some("NaN")), text("v")],
        vec![text("a"), (Type::Text.array(), Some("{x,NULL,y}"))],
    ]
}

#[test]
fn arguments_in_any_number_are_taken_as_there() {
    let text = |value| (Type::Text, Some(value));
    let mut calls = Vec::new();
    let names = [
        "concat",
        "concat_ws",
        "json_build_array",
        "jsonb_build_array",
        "json_build_object",
        "jsonb_build_object",
        "num_nulls",
        "num_nonnulls",
    ];
    for name in names {
        for args in lists() {
            if name == "concat_ws" && (args.len() < 2 || args[0].0 != Type::Text) {
                continue;
            }
            calls.push(Call { name, args, packed: false });
        }
        for array in [Some("{a,b}"), Some("{}"), Some("{NULL,c}"), Some("{{a,b},{c,d}}"), None] {
            let mut args = vec![(Type::Text.array(), array)];
            if name == "concat_ws" {
                args.insert(0, text("-"));
            }
            calls.push(Call { name, args, packed: true });
        }
    }
    for format in [
        "%s",
        "%s %s",
        "%I.%I",
        "%L",
        "%s%%",
        "%2$s %1$s",
        "%10s|",
        "%-10s|",
        "%*s|",
        "%-*s|",
        "%1$*2$s|",
        "%2$I",
        "%x",
        "%",
        "%0$s",
        "%5$s",
        "%1$",
        "%s %s %s %s",
        "%1$s %s",
        "%-3$s",
        "no",
        "%1$-10s|",
        "%*1$s",
    ] {
        for args in [
            vec![text("a B"), text("it's")],
            vec![(Type::Int4, Some("5")), text("x")],
            vec![text("select"), (Type::Int4, Some("-8"))],
            vec![(Type::Text, None), (Type::Bool, Some("t"))],
            vec![text("back\\slash"), text("\"q\"")],
        ] {
            let mut all = vec![text(format)];
            all.extend(args);
            calls.push(Call { name: "format", args: all, packed: false });
        }
        calls.push(Call {
            name: "format",
            args: vec![text(format), (Type::Text.array(), Some("{x,NULL,3}"))],
            packed: true,
        });
        calls.push(Call { name: "format", args: vec![text(format), (Type::Text.array(), None)], packed: true });
    }
    for name in ["json_extract_path", "json_extract_path_text"] {
        for path in [vec!["a"], vec!["a", "0"], vec!["a", "-1", "b"], vec!["x"], vec!["a", "x"]] {
            let mut args = vec![(Type::Json, Some("{\"a\": [1, {\"b\":  \"c\"}]}"))];
            args.extend(path.into_iter().map(text));
            calls.push(Call { name, args, packed: false });
        }
    }
    let session = Arc::new(Session::default());
    let statements: Vec<String> = calls.iter().map(sql).collect();
    let mut judge = server().connect();
    let mut wrong = Vec::new();
    for ((call, sql), answer) in calls.iter().zip(&statements).zip(judge.ask_all(&statements)) {
        let theirs = match answer {
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(refusal) => Err(refusal.sqlstate),
        };
        let ours = ours(call, &session).map_err(|error| String::from_utf8_lossy(&error.sqlstate).into_owned());
        if ours != theirs {
            wrong.push(format!("{sql}\n     ours {ours:?}\n   theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} calls differ:\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}
