//! Rows: their comparison, and their JSON. PostgreSQL has them from a subquery, so each case brings its own statement.

use std::sync::Arc;

use tidewater_functions::{Argument, Session, functions, operators, resolve};
use tidewater_judge::server;
use tidewater_types::{ColumnType, Datum, Expr, Record, RecordRef, Result, Scratch, Type};

/// A row's columns: name, type, literal.
type Row = Vec<(&'static str, Type, Option<&'static str>)>;

fn row_type(row: &Row) -> Type {
    let fields = row.iter().map(|(name, ty, _)| ((*name).to_owned(), ty.clone().into())).collect();
    Type::Record(Arc::new(Record { fields }))
}

fn expr(row: &Row) -> Expr {
    let row = row.clone();
    Expr::new(move |_, scratch| {
        let session = Session::default();
        let values = row.iter().map(|(_, ty, text)| match text {
            None => Ok(Datum::Null),
            Some(text) => tidewater_types::input(text, &ty.clone().into(), &session.settings, scratch),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(Datum::Record(RecordRef::build(scratch, &values)?))
    })
}

fn columns(row: &Row) -> String {
    let literal = |(name, ty, text): &(&str, Type, Option<&str>)| match text {
        None => format!("NULL::{ty} AS \"{name}\""),
        Some(text) => format!("'{}'::{ty} AS \"{name}\"", text.replace('\'', "''")),
    };
    row.iter().map(literal).collect::<Vec<_>>().join(", ")
}

fn rows() -> Vec<Row> {
    let row = |a, b, c| vec![("a", Type::Int4, a), ("B c", Type::Text, b), ("t", Type::TimestampTz, c)];
    vec![
        row(Some("1"), Some("x\"y"), Some("2024-02-29 12:00:00+00")),
        row(Some("1"), None, Some("infinity")),
        row(None, Some(""), None),
        row(Some("2"), Some("x"), Some("2024-02-29 12:00:00.5+00")),
        vec![
            ("n", Type::Numeric, Some("1.50")),
            ("arr", Type::Int4.array(), Some("{{1,2},{3,4}}")),
            ("j", Type::Jsonb, Some("{\"k\": [1]}")),
        ],
        vec![("f", Type::Float8, Some("NaN")), ("d", Type::Date, Some("2024-02-29")), ("o", Type::Bool, Some("t"))],
    ]
}

fn ours(name: &str, is_operator: bool, args: Vec<Argument>) -> Result<Option<String>, String> {
    let session = Arc::new(Session::default());
    let types: Vec<Type> = args.iter().map(|arg| arg.ty.ty.clone()).collect();
    let candidates = if is_operator { operators(name) } else { functions(name) };
    let record = |ty: &Type| matches!(ty, Type::Record(_));
    let (function, resolved) = candidates
        .iter()
        .filter(|f| f.params.len() == types.len())
        .filter(|f| !is_operator || f.params[0].to_string() == "record")
        .find_map(|function| {
            Some((function, resolve(function, &types, false, &mut |types| Ok(types[0].clone())).ok()?))
        })
        .expect("an overload");
    assert!(types.iter().any(record));
    let result: ColumnType = resolved.result.into();
    let code = |error: tidewater_types::SqlError| String::from_utf8_lossy(&error.sqlstate).into_owned();
    let scratch = Scratch::new();
    let expr = function.compile(args, &result, &session).map_err(code)?;
    let value = expr.eval(&[], &scratch).map_err(code)?;
    if value.is_null() {
        return Ok(None);
    }
    let mut out = String::new();
    tidewater_types::output(&value, &result, &session.settings, &mut out);
    Ok(Some(out))
}

#[test]
fn rows_are_compared_and_shown_as_there() {
    let mut statements = Vec::new();
    let mut answers = Vec::new();
    let argument = |row: &Row| Argument::new(expr(row), row_type(row));
    for a in &rows() {
        for name in ["row_to_json", "to_json", "to_jsonb"] {
            statements.push(format!("SELECT {name}(x) FROM (SELECT {}) AS x", columns(a)));
            answers.push(ours(name, false, vec![argument(a)]));
        }
        statements.push(format!("SELECT row_to_json(x, true) FROM (SELECT {}) AS x", columns(a)));
        let pretty = Argument::new(Expr::new(|_, _| Ok(Datum::Bool(true))), Type::Bool);
        answers.push(ours("row_to_json", false, vec![argument(a), pretty]));
        for b in &rows() {
            for name in ["=", "<>", "<", "<=", ">", ">="] {
                statements.push(format!(
                    "SELECT x {name} y FROM (SELECT {}) AS x, (SELECT {}) AS y",
                    columns(a),
                    columns(b)
                ));
                answers.push(ours(name, true, vec![argument(a), argument(b)]));
            }
        }
    }
    let mut judge = server().connect();
    let mut wrong = Vec::new();
    for ((sql, ours), answer) in statements.iter().zip(answers).zip(judge.ask_all(&statements)) {
        let theirs = match answer {
            Ok(answer) => Ok(answer.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(refusal) => Err(refusal.sqlstate),
        };
        if ours != theirs {
            wrong.push(format!("{sql}\n     ours {ours:?}\n   theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} calls differ:\n{}", wrong.len(), statements.len(), wrong.join("\n"));
}

#[test]
fn rows_come_from_json_as_there() {
    let definition = "a int, b text, c int[], d jsonb, e date, f json, g text[], h numeric(4,1)";
    let fields: Vec<(String, ColumnType)> = [
        ("a", Type::Int4.into()),
        ("b", Type::Text.into()),
        ("c", Type::Int4.array().into()),
        ("d", Type::Jsonb.into()),
        ("e", Type::Date.into()),
        ("f", Type::Json.into()),
        ("g", Type::Text.array().into()),
        ("h", ColumnType::with_modifiers(Type::Numeric, &[4, 1]).expect("a modifier")),
    ]
    .map(|(name, ty): (&str, ColumnType)| (name.to_owned(), ty))
    .into();
    let objects = [
        r#"{"a": 1, "b": "x", "c": [1, 2], "d": {"k": null}, "e": "2024-02-29", "f": [1,  2], "g": ["a", null, 1.50], "h": 12.34}"#,
        r#"{"a": "7", "b": {"x": 1}, "c": [[1, 2], [3, 4]], "d": null, "f": null, "g": "{p,q}", "h": "1e2"}"#,
        r#"{"a": null, "b": 1.50, "c": "{1,NULL}", "d": "text", "g": []}"#,
        "{}",
        r#"{"a": "x"}"#,
        r#"{"c": 1}"#,
        r#"{"c": [[1, 2], [3]]}"#,
        r#"{"c": [[1, 2], 3]}"#,
        r#"{"c": [1, [2]]}"#,
        r#"{"c": [{}]}"#,
        r#"{"h": 12345}"#,
        r#"{"a": 1, "a": 2}"#,
        "[]",
        "1",
        r#"[{"a": 1}, {"a": 2, "b": null}]"#,
        "[1]",
        r#"{"e": "no date"}"#,
    ];
    let session = Arc::new(Session::default());
    let mut judge = server().connect();
    let mut wrong = Vec::new();
    for name in ["json_to_record", "jsonb_to_record", "json_to_recordset", "jsonb_to_recordset"] {
        let ty = if name.starts_with("jsonb") { Type::Jsonb } else { Type::Json };
        for object in objects.map(str::to_owned).into_iter().chain(objects.map(|object| format!("[{object}]"))) {
            let sql = format!("SELECT * FROM {name}('{object}'::{ty}) AS t({definition})");
            let theirs = judge.ask(&sql).map(|answer| answer.rows).map_err(|refusal| refusal.sqlstate);
            let result: ColumnType = Type::Record(Arc::new(Record { fields: fields.clone() })).into();
            let ours = from_json(name, &ty, &object, &result, &session)
                .map_err(|error| String::from_utf8_lossy(&error.sqlstate).into_owned());
            if ours != theirs {
                wrong.push(format!("{sql}\n     ours {ours:?}\n   theirs {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} calls differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn from_json(
    name: &str,
    ty: &Type,
    object: &str,
    result: &ColumnType,
    session: &Arc<Session>,
) -> Result<Vec<Vec<Option<String>>>> {
    let function = &functions(name)[0];
    let (column, object) = (ColumnType::from(ty.clone()), object.to_owned());
    let expr =
        Expr::new(move |_, scratch| tidewater_types::input(&object, &column, &Session::default().settings, scratch));
    let rows = function.rows(vec![Argument::new(expr, ty.clone())], result, session)?;
    let scratch = Scratch::new();
    let mut source = rows.eval(&[], &scratch)?;
    let Type::Record(record) = &result.ty else { panic!("a record") };
    let mut all = Vec::new();
    let mut row = Vec::new();
    while source.next(&mut row)? {
        let shown = row.drain(..).zip(&record.fields).map(|(value, (_, ty))| {
            let mut out = String::new();
            tidewater_types::output(&value, ty, &session.settings, &mut out);
            (!value.is_null()).then_some(out)
        });
        all.push(shown.collect());
    }
    Ok(all)
}
