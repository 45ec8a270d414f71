//! What stops a query: its client, its time, its memory, and enough rows.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidewater_functions::Session;
use tidewater_query::run;
use tidewater_query::run::Limits;
use tidewater_types::{Datum, Result};

use crate::ask::rewritten;
use crate::world::world;

fn run_with(sql: &str, limits: &Limits, sink: &mut dyn FnMut(&[Datum<'_>]) -> Result<ControlFlow<()>>) -> String {
    let plan = rewritten(sql).expect(sql);
    match run(&plan, world(), &Arc::new(Session::default()), &[], limits, sink) {
        Ok(()) => "ok".to_owned(),
        Err(error) => String::from_utf8_lossy(&error.sqlstate).into_owned(),
    }
}

fn all(_: &[Datum<'_>]) -> Result<ControlFlow<()>> {
    Ok(ControlFlow::Continue(()))
}

/// Queries without an end, each in another operator.
const ENDLESS: [&str; 5] = [
    "with recursive r as (select 1 as i union all select i from r) select count(*) from r",
    "select count(*) from generate_series(1, 1000000000000)",
    "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b where a + b < 0",
    "select g from generate_series(1, 1000000000000) g order by g desc limit 5",
    "select count(*) from t, lateral (select count(*) from generate_series(1, 1000000000000) g where g < t.a) z",
];

#[test]
fn a_cancelled_query_ends() {
    for sql in ENDLESS {
        let cancel = Arc::new(AtomicBool::new(false));
        let limits = Limits { cancel: cancel.clone(), ..Limits::default() };
        std::thread::scope(|scope| {
            let query = scope.spawn(|| run_with(sql, &limits, &mut all));
            cancel.store(true, Ordering::Relaxed);
            assert_eq!(query.join().expect("the query's thread"), "57014", "{sql}");
        });
    }
}

#[test]
fn a_query_ends_with_its_time() {
    for sql in ENDLESS {
        let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(20)), ..Limits::default() };
        assert_eq!(run_with(sql, &limits, &mut all), "57014", "{sql}");
    }
}

#[test]
fn what_is_kept_is_limited() {
    let limits = Limits { memory: 100_000, ..Limits::default() };
    for sql in [
        "select g from generate_series(1, 1000000) g order by g offset 900000",
        "select g, count(*) from generate_series(1, 1000000) g group by g",
        "select distinct g from generate_series(1, 1000000) g",
        "select count(*) from generate_series(1, 1000000) a join generate_series(1, 1000000) b on a = b",
        "select g from generate_series(1, 1000000) g except select 1",
        "select row_number() over (order by g) from generate_series(1, 1000000) g",
        "with x as (select g from generate_series(1, 1000000) g) select count(*) from x a, x b where a.g = b.g",
        "with recursive r as (select 1 as i union select i + 1 from r) select count(*) from r",
        "select array_agg(g) from generate_series(1, 1000000) g",
        "select count(distinct g) from generate_series(1, 1000000) g",
    ] {
        assert_eq!(run_with(sql, &limits, &mut all), "53200", "{sql}");
    }
    // What streams keeps nothing, and what was kept is given back.
    for sql in [
        "select count(*) from generate_series(1, 200000) g where g % 2 = 0",
        "select g from generate_series(1, 200000) g order by g desc limit 3",
        "select count(*) from t, lateral (select count(*) from (select distinct g % 10 from generate_series(1, 5000) g) d) z",
    ] {
        assert_eq!(run_with(sql, &limits, &mut all), "ok", "{sql}");
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_query() {
    for sql in [
        "select g from generate_series(1, 1000000000000) g",
        "select g from generate_series(1, 1000000000000) g limit 10",
        "with recursive r as (select 1 as i union all select i + 1 from r) select i from r",
        "select t.id from t, generate_series(1, 1000000000000) g",
        "select a from t union all select g from generate_series(1, 1000000000000) g",
    ] {
        let mut seen = 0;
        let answer = run_with(sql, &Limits::default(), &mut |_| {
            seen += 1;
            Ok(if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert_eq!((answer.as_str(), seen), ("ok", 10), "{sql}");
    }
}
