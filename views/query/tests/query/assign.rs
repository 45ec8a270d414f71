//! Values for a table's columns, judged by inserting them.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, Statement, Value};
use tidewater_functions::Session;
use tidewater_query::run::{Limits, compile_over, pack_row};
use tidewater_query::{Catalog, ChangeContext, Changed, Relation, bind_insert, bind_scalar, parse, rewrite, run};
use tidewater_types::{Column, ColumnType, Datum, Result, Scratch, SqlError, output};

use crate::world::world;

const COLUMNS: [(&str, &str); 3] = [("i", "int4"), ("s", "varchar(3)"), ("n", "numeric(5, 2)")];

fn ours(sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let text = format!("insert into z (i, s, n) {sql}");
    let Some(Statement::Insert(insert)) = parse(&text)?.pop() else { panic!("{text} is an INSERT") };
    let session = Arc::new(Session::default());
    let seven = Expr::value(Value::Number("7".to_owned(), false));
    let column = |(name, ty): &(&str, &str)| Ok(Column::new(*name, ColumnType::parse(ty)?));
    let relation = Relation {
        id: 1 << 32,
        schema: "public".to_owned(),
        name: "z".to_owned(),
        columns: COLUMNS.iter().map(column).collect::<Result<_>>()?,
        keys: Vec::new(),
        has_primary_key: false,
    };
    let table =
        Changed { relation: Arc::new(relation), defaults: vec![Some(&seven), None, None], identities: Vec::new() };
    let context =
        ChangeContext { with: None, table: &table, text: &text, catalog: world(), session: &session, parameters: &[] };
    let mut plan = bind_insert(&insert, &context)?.read;
    rewrite(&mut plan, &|_| None)?;
    let schema = plan.schema();
    let mut rows = Vec::new();
    run(&plan, world(), &session, &[], &Limits::default(), &mut |values| {
        let text = values.iter().zip(&schema).map(|(value, (_, ty))| {
            let mut text = String::new();
            output(value, ty, &session.settings, &mut text);
            (!value.is_null()).then_some(text)
        });
        rows.push(text.collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

#[test]
fn values_become_what_columns_hold() {
    world();
    let mut judge = tidewater_judge::server().connect();
    let columns: Vec<String> = COLUMNS.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    let table = format!("create temp table z ({})", columns.join(", ")).replace("i int4", "i int4 default 7");
    judge.ask(&table).expect("a table");
    for sql in [
        "values (1, 'a', 2.5)",
        "values ('1', 'abc', '2.555'), (2.6, 'x', 3)",
        "values (1, 'abcd', 1)",
        "values (1, 'abc   ', 1)",
        "values (default, null, default)",
        "values (1, 2, 3), (4, true, 5)",
        "values (true, 'a', 1)",
        "values (1, 'a', 1000)",
        "values ('x', 'a', 1)",
        "values (1, 'a')",
        "values (1, 'a', 1, 1)",
        "values (1, 'a', 1), (1)",
        "values ((select max(a) from t), (select min(c) from t), 1)",
        "select id, c, b from t",
        "select '1', 'a', '2'",
        "select 1.5, 22, b::float8 from t where id < 3",
        "select 1, 'a', '2' union select '3', 'b', null",
        "select a, b, c from t",
        "select 1, 'a', 2 limit 1",
        "with q as (select 5 as v) select v, 'q', v from q",
    ] {
        let theirs = judge.ask(&format!("insert into z (i, s, n) {sql} returning *"));
        match (ours(sql), theirs) {
            (Ok(mut ours), Ok(mut theirs)) => {
                ours.sort();
                theirs.rows.sort();
                assert_eq!(ours, theirs.rows, "{sql}");
            }
            (ours, theirs) => {
                let ours = ours.map_err(|error: SqlError| String::from_utf8_lossy(&error.sqlstate).into_owned());
                assert_eq!(ours.err(), theirs.err().map(|refusal| refusal.sqlstate), "{sql}");
            }
        }
    }
}

#[test]
fn a_check_sees_a_row() {
    let relation = world().relation(None, "t").expect("t is there");
    let session = Arc::new(Session::default());
    let bound = |text: &str| {
        let Some(Statement::Query(query)) = parse(&format!("select {text}"))?.pop() else { panic!("a query") };
        let sqlparser::ast::SetExpr::Select(select) = *query.body else { panic!("a select") };
        let sqlparser::ast::SelectItem::UnnamedExpr(expr) = select.projection[0].clone() else { panic!("an item") };
        bind_scalar(&expr, "", world(), &session, Some(&relation), None)
    };
    let (scalar, rel, _) = bound("a > 0 and c <> ''").expect("a check");
    let check = compile_over(&scalar, &rel, &session, &[]).expect("a check");
    let types: Vec<ColumnType> = relation.columns.iter().map(|column| column.ty.clone()).collect();
    let scratch = Scratch::new();
    for (a, c, expected) in [(1, "x", true), (0, "x", false), (1, "", false)] {
        let values = [Datum::Int(1), Datum::Int(a), Datum::Null, Datum::Text(c.as_bytes())];
        let row = pack_row(&types, &values);
        let tuple = [row.as_ref()];
        assert_eq!(check.eval(&tuple, &scratch).expect("no error").as_bool(), Some(expected));
    }
    for (text, sqlstate) in
        [("sum(a) > 1", b"42803"), ("a = (select 1)", b"0A000"), ("row_number() over () = 1", b"42P20")]
    {
        assert_eq!(bound(text).expect_err(text).sqlstate, *sqlstate, "{text}");
    }
}
