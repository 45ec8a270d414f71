//! Parameters: their types as PostgreSQL infers them, and their values.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::Statement;
use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_query::run::Limits;
use tidewater_query::{Plan, bind, parse, rewrite, run};
use tidewater_types::{Datum, Result, Type};

use crate::world::world;

fn bound(sql: &str) -> Result<Plan> {
    let Some(Statement::Query(query)) = parse(sql)?.pop() else { panic!("{sql} is a query") };
    bind(&query, sql, world(), &Arc::new(Session::default()), &[])
}

#[test]
fn types_are_those_that_postgresql_infers() {
    world();
    let mut judge = tidewater_judge::server().connect();
    for sql in [
        "select $1",
        "select $1 + 1",
        "select $1::int, $2::text",
        "select * from t where a = $1 and c = $2",
        "select * from t where a in ($1, $2, 3)",
        "select * from t where c like $1",
        "select * from t limit $1 offset $2",
        "select coalesce($1, a), case when $2 then $3 else b end from t",
        "select $1 || 'x', upper($2)",
        "select a from t union select $1",
        "values ($1, 1), (2, $2)",
        "select * from t where a between $1 and $2",
        "select $2::int",
        "select date '2020-01-01' + $1",
        "select array[$1, 1], $2 = any(array[1, 2])",
        "select (select x from u where id = $1), exists (select 1 from n where k = $2)",
        "select $1 = $2",
        "select $1, $1 + 1",
        "select sum($1::int), lag(a, $2) over () from t",
        "select nullif($1, 1), greatest($2, 1.5)",
    ] {
        let theirs = judge.describe(sql).map(|description| description.parameters).map_err(|error| error.sqlstate);
        let ours = bound(sql)
            .map(|plan| plan.parameters.iter().map(|ty| ty.ty.oid()).collect::<Vec<_>>())
            .map_err(|error| String::from_utf8_lossy(&error.sqlstate).into_owned());
        assert_eq!(ours, theirs, "{sql}");
    }
}

#[test]
fn values_are_not_part_of_the_text() {
    let mut plan = bound("select c, $2 from t where c = $1 and id < $3 + 1 order by id").expect("a plan");
    rewrite(&mut plan, &|_| None).expect("a plan");
    let values = [
        Constant::new(&Datum::Text(b"x"), Type::Text),
        Constant::new(&Datum::Text(b"'; drop table t"), Type::Text),
        Constant::new(&Datum::Int(4), Type::Int4),
    ];
    let mut rows = Vec::new();
    run(&plan, world(), &Arc::new(Session::default()), &values, &Limits::default(), &mut |row| {
        rows.push(row.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Vec<_>>());
        Ok(ControlFlow::Continue(()))
    })
    .expect("rows");
    let row = vec![Some("x".to_owned()), Some("'; drop table t".to_owned())];
    assert_eq!(rows, [row.clone(), row]);
}
