//! Queries and changes through indexes give what they give without, however much is changed between their moment and their run.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use proptest::prelude::*;
use tidewater_functions::Session;
use tidewater_query::run::Limits;
use tidewater_sql::{Changes, Database, Evaluated, Query, Reach, Within, parse};
use tidewater_types::{Settings, output};

type Shared = Arc<RwLock<Database>>;

const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int, code text UNIQUE);
    CREATE TABLE log (a int, what varchar(5));
    CREATE INDEX log_a ON log (a);
    CREATE MATERIALIZED VIEW sums AS SELECT a, count(*) AS n, sum(id) AS s FROM t GROUP BY a;
    CREATE INDEX sums_a ON sums (a)";

const QUERIES: [&str; 10] = [
    "SELECT * FROM t WHERE id = 3 AND a > 0",
    "SELECT * FROM t WHERE id IN (1, 2, 5, 8) ",
    "SELECT * FROM t WHERE id = ANY (ARRAY[0, 4, 9]) AND a IS NOT NULL",
    "SELECT * FROM t WHERE code IN ('c1', 'c2', 'c3')",
    "SELECT * FROM log WHERE a = 1 AND what <> 'x'",
    "SELECT * FROM sums WHERE a IN (0, 1) AND n > 0",
    "SELECT v.id, t.a, t.code FROM (VALUES (1), (4), (4), (NULL), (7)) v (id) LEFT JOIN t ON t.id = v.id",
    "SELECT v.a, log.what, sums.n FROM (VALUES (0), (2)) v (a) JOIN log ON log.a = v.a JOIN sums ON sums.a = log.a",
    "SELECT v.id FROM (VALUES (1), (4), (7)) v (id) WHERE NOT EXISTS (SELECT FROM t WHERE t.id = v.id AND t.a = 1)",
    "SELECT t.id, log.what FROM t, log WHERE t.code = 'c' || log.a AND log.a = 2",
];

const CHANGES: [&str; 9] = [
    "UPDATE t SET a = a + 1, code = 'd' || id WHERE id = 3",
    "UPDATE t SET id = id + 100 WHERE id IN (2, 4)",
    "DELETE FROM t WHERE code = 'c5'",
    "DELETE FROM log WHERE a = ANY (ARRAY[0, 2])",
    "INSERT INTO t VALUES (3, 9, 'c3'), (50, 1, 'e'), (6, 6, 'c6') ON CONFLICT DO NOTHING",
    "INSERT INTO t VALUES (1, 7, 'x1'), (60, 1, 'e') ON CONFLICT (id) DO UPDATE SET a = t.a + excluded.a, code = excluded.code",
    "INSERT INTO t SELECT id + 40, a, code FROM t WHERE id < 4 ON CONFLICT (code) DO UPDATE SET a = 99",
    "UPDATE t SET a = log.a FROM log WHERE t.id = log.a RETURNING t.id",
    "DELETE FROM t USING sums WHERE t.id = sums.a",
];

fn session() -> Arc<Session> {
    Arc::new(Session::default())
}

fn reach(database: &Shared) -> Reach {
    let database = database.clone();
    Arc::new(move |look| look(&database.read().unwrap_or_else(PoisonError::into_inner)))
}

fn texts(query: &Query) -> Vec<String> {
    let mut rows = Vec::new();
    let collected = query.run(&Limits::default(), &mut |values| {
        let text = |(value, column): (&tidewater_types::Datum<'_>, &tidewater_types::Column)| {
            let mut text = String::new();
            output(value, &column.ty, &Settings::default(), &mut text);
            format!("{}{text}", if value.is_null() { "NULL" } else { "" })
        };
        rows.push(values.iter().zip(query.columns.iter()).map(text).collect::<Vec<_>>().join("|"));
        Ok(ControlFlow::Continue(()))
    });
    collected.expect("the query runs");
    rows.sort();
    rows
}

/// What a change does, in any order of its rows, or its error.
fn shown(evaluated: tidewater_sql::Result<Evaluated>) -> Result<(BTreeMap<String, i64>, usize), String> {
    let evaluated = evaluated.map_err(|error| error.to_string())?;
    let mut rows = BTreeMap::new();
    for (row, weight) in evaluated.changes.rows() {
        *rows.entry(format!("{:?}", row.bytes())).or_default() += weight;
    }
    Ok((rows, evaluated.rows.map_or(0, |rows| rows.rows.len())))
}

/// The queries and changes of this moment, each with and without indexes.
struct Moment {
    queries: Vec<(Query, Query)>,
    changes: Vec<(tidewater_sql::Change, tidewater_sql::Change)>,
}

impl Moment {
    fn take(database: &Shared, within: &Within) -> Moment {
        let reach = reach(database);
        let database = database.read().expect("nobody panicked");
        let prepare = |sql: &str| {
            let parsed = Arc::new(parse(sql).expect("it is SQL").pop().expect("a statement"));
            database.prepare(&parsed, &[], &session()).expect(sql)
        };
        let query = |sql: &&str| {
            let prepared = prepare(sql);
            let make = || database.query_within(within, &prepared, &[], &session()).expect(sql);
            (make().through(reach.clone()), make())
        };
        let change = |sql: &&str| {
            let prepared = prepare(sql);
            let make = || database.change_within(within, &prepared, &[], &session()).expect(sql);
            (make().through(reach.clone()), make())
        };
        Moment { queries: QUERIES.iter().map(query).collect(), changes: CHANGES.iter().map(change).collect() }
    }

    fn check(&self) {
        for ((with, without), sql) in self.queries.iter().zip(QUERIES) {
            assert_eq!(texts(with), texts(without), "{sql}");
        }
        for ((with, without), sql) in self.changes.iter().zip(CHANGES) {
            let limits = Limits::default();
            assert_eq!(shown(with.evaluate(&limits)), shown(without.evaluate(&limits)), "{sql}");
        }
    }
}

fn any_statement() -> impl Strategy<Value = String> {
    (0..8, 0..10, 0..4).prop_map(|(kind, id, a)| match kind {
        0 | 1 => format!("INSERT INTO t VALUES ({id}, {a}, 'c{id}') ON CONFLICT DO NOTHING"),
        2 => {
            format!("INSERT INTO t VALUES ({id}, {a}, NULL) ON CONFLICT (id) DO UPDATE SET a = excluded.a, code = NULL")
        }
        3 => format!("DELETE FROM t WHERE id = {id}"),
        4 => format!("UPDATE t SET a = {a}, code = 'c{id}' WHERE id = {id}"),
        5 | 6 => format!("INSERT INTO log VALUES ({a}, 'w{id}'), ({a}, 'x')"),
        _ => format!("DELETE FROM log WHERE a = {a}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_indexes_find_is_of_the_moment(
        before in proptest::collection::vec(any_statement(), 0..30),
        own in proptest::option::of(0..CHANGES.len()),
        after in proptest::collection::vec(any_statement(), 0..20),
    ) {
        let database: Shared = Arc::new(RwLock::new(Database::new()));
        let run = |sql: &str| {
            // A value that others have is refused, which changes nothing.
            let done = database.write().expect("nobody panicked").execute(sql);
            assert!(done.is_ok() || done.is_err_and(|error| error.sqlstate == *b"23505"), "{sql}");
        };
        run(TABLES);
        before.iter().for_each(|sql| run(sql));
        let none = Moment::take(&database, &Within::default());
        // What a transaction has changed and not yet done.
        let held = own.and_then(|own| none.changes[own].0.evaluate(&Limits::default()).ok());
        let held: Vec<Arc<Changes>> = held.into_iter().map(|evaluated| evaluated.changes).collect();
        let with_own = Moment::take(&database, &Within::new(held.clone(), None));
        let fixed = Arc::new(database.read().expect("nobody panicked").transaction_moment());
        for sql in &after {
            run(sql);
        }
        none.check();
        with_own.check();
        // The same transaction's statements, begun only now.
        let later = Moment::take(&database, &Within::new(held, Some(fixed)));
        later.check();
        for (((now, _), (_, then)), sql) in later.queries.iter().zip(&with_own.queries).zip(QUERIES) {
            assert_eq!(texts(now), texts(then), "{sql}");
        }
        run("DROP TABLE log CASCADE; DROP MATERIALIZED VIEW sums");
        none.check();
    }
}
