//! Every supported SQL construct: a view kept fresh equals the same SELECT computed anew, after every tick of random changes.
//!
//! The oracle is the batch executor, run over snapshots of the base tables; it is itself judged by PostgreSQL.

use proptest::prelude::*;
use tidewater_delta::{Change, Commit, Op, Row, RowBuilder, TableId};
use tidewater_sql::Database;
use tidewater_types::{Column, ColumnType, Datum, Numeric, Packing, TableSchema, Type};

use super::answer;

/// Views over users(id, name, phone), orders(id, user_id, total, note), items(id, order_id, quantity, price) and the keyless
/// updates(order_id, status, at). Each SELECT has one answer: orders of equal values are never left open.
const VIEWS: &[&str] = &[
    "SELECT id, name FROM users WHERE phone IS NOT NULL",
    "SELECT id * 2 AS twice, upper(name) AS name, coalesce(phone, 'none') AS phone FROM users WHERE id > 1 OR name = 'b'",
    "SELECT CASE WHEN total > 2 THEN 'big' WHEN total IS NULL THEN 'none' ELSE 'small' END AS size, total * 2 AS twice FROM orders",
    "SELECT o.id, u.name, o.total FROM orders o JOIN users u ON u.id = o.user_id",
    "SELECT o.id, u.name, o.total FROM orders o LEFT JOIN users u ON u.id = o.user_id AND u.phone IS NOT NULL",
    "SELECT u.id, o.id AS order_id FROM orders o RIGHT JOIN users u ON u.id = o.user_id WHERE o.total IS NULL OR o.total > 1",
    "SELECT o.id, u.name, i.quantity FROM orders o JOIN users u ON u.id = o.user_id JOIN items i ON i.order_id = o.id WHERE i.quantity < o.id + 3",
    "SELECT a.id, b.id AS other FROM orders a JOIN orders b ON a.user_id = b.user_id AND a.id < b.id",
    "SELECT a.id, b.id AS b, c.id AS c FROM orders a LEFT JOIN orders b ON a.user_id = b.id LEFT JOIN orders c ON b.user_id = c.id",
    "SELECT order_id, count(*) AS n, sum(quantity) AS quantity, sum(price) AS price FROM items GROUP BY order_id",
    "SELECT order_id, min(price) AS least, max(quantity) AS most, avg(price) AS mean FROM items GROUP BY order_id",
    "SELECT count(*) AS n, sum(quantity) AS q, max(price) AS p FROM items",
    "SELECT count(*) FILTER (WHERE quantity > 1) AS n, count(DISTINCT order_id) AS orders FROM items",
    "SELECT order_id, string_agg(quantity || 'x' || price, ', ' ORDER BY id) AS details FROM items GROUP BY order_id",
    "SELECT order_id, array_agg(quantity ORDER BY id DESC) AS list FROM items GROUP BY order_id",
    "SELECT order_id % 2 AS odd, sum(quantity + 1) AS q FROM items WHERE price > 1 GROUP BY order_id % 2 HAVING count(*) > 1",
    "SELECT u.name, sum(o.total) AS total FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.name",
    "SELECT bool_and(quantity > 1) AS every, bool_or(quantity > 2) AS some, order_id FROM items GROUP BY order_id",
    "SELECT DISTINCT user_id FROM orders",
    "SELECT DISTINCT name, phone FROM users",
    "SELECT DISTINCT ON (order_id) order_id, status, at FROM updates ORDER BY order_id, at DESC, status",
    "SELECT id FROM users UNION ALL SELECT user_id FROM orders UNION ALL SELECT order_id FROM updates",
    "SELECT id FROM users UNION SELECT user_id FROM orders",
    "WITH t AS (SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id) SELECT a.user_id, b.total FROM t a JOIN t b ON a.user_id = b.user_id",
    "SELECT o.id, l.status, d.details FROM orders o
       LEFT JOIN (SELECT DISTINCT ON (order_id) order_id, status, at FROM updates ORDER BY order_id, at DESC, status) l ON l.order_id = o.id
       LEFT JOIN (SELECT order_id, string_agg(quantity || ' @' || price, ', ' ORDER BY id) AS details FROM items GROUP BY order_id) d ON d.order_id = o.id",
    "SELECT order_id, status, count(*) AS n FROM updates GROUP BY order_id, status",
    "SELECT DISTINCT u.name FROM users u JOIN orders o ON o.user_id = u.id",
    "SELECT id FROM orders WHERE total > 2 AND total < 1 UNION ALL SELECT id FROM users",
    "SELECT count(*) AS n, max(id) AS id FROM orders WHERE false",
    "SELECT u.id, o.id AS order_id, o.total FROM users u FULL JOIN orders o ON u.id = o.user_id",
    "SELECT id FROM users WHERE id IN (SELECT user_id FROM orders)",
    "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders)",
    "SELECT id FROM users WHERE NOT EXISTS (SELECT 1 FROM orders WHERE user_id = users.id)",
    "SELECT id, EXISTS (SELECT 1 FROM orders WHERE user_id = users.id AND total > 1) AS rich FROM users",
    "SELECT u.id, o.id AS order_id FROM users u CROSS JOIN orders o WHERE u.id < o.id",
    "SELECT a.id, b.id AS b FROM orders a LEFT JOIN orders b ON a.total < b.total",
    "SELECT id FROM users INTERSECT SELECT user_id FROM orders",
    "SELECT order_id FROM updates EXCEPT ALL SELECT order_id FROM items",
    "SELECT order_id, stddev(quantity) AS s, percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS p FROM items GROUP BY order_id",
    "SELECT id, (SELECT max(total) FROM orders WHERE user_id = users.id) AS most FROM users",
    "SELECT avg(quantity) AS mean, total FROM items JOIN orders ON orders.id = order_id GROUP BY GROUPING SETS ((total), ())",
];

fn schemas() -> Vec<(&'static str, TableSchema)> {
    let money = || ColumnType::parse("numeric(10,2)").expect("a type");
    let table = |name, columns: Vec<(&str, ColumnType)>, key: Option<Vec<usize>>| {
        let columns: Vec<_> = columns.into_iter().map(|(name, ty)| Column::new(name, ty)).collect();
        (name, TableSchema::new(columns, key).expect("a key"))
    };
    let (int, text) = (|| ColumnType::from(Type::Int8), || ColumnType::from(Type::Text));
    vec![
        table("users", vec![("id", int()), ("name", text()), ("phone", text())], Some(vec![0])),
        table("orders", vec![("id", int()), ("user_id", int()), ("total", money()), ("note", text())], Some(vec![0])),
        table(
            "items",
            vec![("id", int()), ("order_id", int()), ("quantity", int()), ("price", money())],
            Some(vec![0]),
        ),
        table("updates", vec![("order_id", int()), ("status", text()), ("at", int())], None),
    ]
}

#[derive(Debug, Clone)]
struct Step {
    table: usize,
    /// First is never NULL; each is a small number from which the column's value is made.
    cells: [Option<i64>; 4],
    delete: bool,
    ends_tick: bool,
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let cell = || prop_oneof![1 => Just(None), 5 => (0..4_i64).prop_map(Some)];
    let step = (0..4_usize, 0..5_i64, cell(), cell(), cell(), prop::bool::weighted(0.35), prop::bool::weighted(0.25));
    let step = step.prop_map(|(table, id, a, b, c, delete, ends_tick)| Step {
        table,
        cells: [Some(id), a, b, c],
        delete,
        ends_tick,
    });
    prop::collection::vec(step, 1..40)
}

fn row(schema: &TableSchema, cells: &[Option<i64>]) -> Row {
    let mut builder = RowBuilder::new(schema.widths.clone());
    for (column, (cell, packing)) in cells.iter().zip(schema.packings.iter()).enumerate() {
        let Some(value) = cell else { continue };
        let datum = match packing {
            Packing::Text => Datum::from(["a", "b", "", "é, x"][*value as usize % 4]),
            Packing::Decimal(scale) => Datum::Numeric(Numeric::Small(i128::from(*value) * 125 - 100, *scale)),
            _ => Datum::Int(*value),
        };
        packing.set(&mut builder, column, &datum);
    }
    builder.take()
}

fn change(step: &Step, tables: &[(TableId, TableSchema)]) -> Change {
    let (table, schema) = &tables[step.table];
    let whole = row(schema, &step.cells);
    let op = match (&schema.key, step.delete) {
        (Some(_), false) => Op::Upsert(whole),
        (Some(_), true) => {
            let mut key = RowBuilder::new(schema.widths[..1].to_vec());
            Packing::Int.set(&mut key, 0, &Datum::Int(step.cells[0].expect("a key")));
            Op::Delete(key.take())
        }
        (None, false) => Op::Insert(whole),
        (None, true) => Op::Remove(whole),
    };
    Change { table: *table, op }
}

fn create(views: &[(usize, &str)]) -> (Database, Vec<(TableId, TableSchema)>) {
    let mut database = Database::new();
    let create =
        |(name, schema): (&str, TableSchema)| (database.create_source(name, &schema, "").expect("a free name"), schema);
    let tables: Vec<_> = schemas().into_iter().map(create).collect();
    create_views(&mut database, views);
    (database, tables)
}

fn create_views(database: &mut Database, views: &[(usize, &str)]) {
    for (number, text) in views {
        let statement = format!("CREATE MATERIALIZED VIEW v{number} AS {text}");
        database.execute(&statement).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn check(database: &mut Database, views: &[(usize, &str)]) {
    for (number, text) in views {
        let kept = answer(database, &format!("SELECT * FROM v{number}"));
        assert_eq!(kept, answer(database, text), "{text}");
    }
}

fn commit(changes: Vec<Change>) -> Commit {
    Commit::local(changes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn views_equal_batch(steps in any_steps(), chosen in prop::sample::subsequence((0..VIEWS.len()).collect::<Vec<_>>(), 3), late in 0..VIEWS.len()) {
        let views: Vec<_> = chosen.into_iter().map(|number| (number, VIEWS[number])).collect();
        let (mut database, tables) = create(&views);
        let mut changes = Vec::new();
        for step in &steps {
            changes.push(change(step, &tables));
            if step.ends_tick {
                database.apply([commit(std::mem::take(&mut changes))]);
                check(&mut database, &views);
            }
        }
        database.apply([commit(changes)]);
        check(&mut database, &views);
        // A view made over tables that hold rows already.
        let late = [(VIEWS.len() + late, VIEWS[late])];
        create_views(&mut database, &late);
        check(&mut database, &late);
    }
}

#[test]
fn every_view_over_fixed_rows() {
    let views: Vec<_> = VIEWS.iter().copied().enumerate().collect();
    let (mut database, tables) = create(&views);
    let step = |n: i64| Step {
        table: n as usize % 4,
        cells: [Some(n / 4 % 5), (n % 7 > 0).then_some(n % 4), Some(n * 3 % 5 % 4), Some(n % 3)],
        delete: n % 11 == 10,
        ends_tick: false,
    };
    for tick in 0..12 {
        let changes = (tick * 10..tick * 10 + 10).map(|n| change(&step(n), &tables)).collect();
        database.apply([commit(changes)]);
        check(&mut database, &views);
    }
    assert_ne!(answer(&mut database, "SELECT * FROM v0"), Vec::<String>::new(), "the rows are not all gone");
}

#[test]
fn what_is_not_kept_incrementally_is_refused_by_name() {
    let (mut database, _) = create(&[]);
    let refused = [
        ("SELECT id FROM users ORDER BY id LIMIT 3", "LIMIT"),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM users", "window function"),
        ("SELECT id, now() FROM users", "now()"),
        ("SELECT id, random() FROM users", "random()"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
            "WITH RECURSIVE",
        ),
        ("SELECT generate_series(1, id) FROM users", "set-returning"),
        ("SELECT id, current_user FROM users", "current_user"),
        ("SELECT id, 'today'::date AS day FROM users", "the moment"),
    ];
    for (text, construct) in refused {
        let error = database.execute(&format!("CREATE MATERIALIZED VIEW v AS {text}")).err();
        let error = error.unwrap_or_else(|| panic!("{text} was accepted"));
        assert_eq!(&error.sqlstate, b"0A000", "{text}: {error}");
        assert!(error.message.to_lowercase().contains(&construct.to_lowercase()), "{text}: {error}");
    }
}
