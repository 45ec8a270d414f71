//! The same objects here and in the judge: a table with constraints, a source (there a table), a view, a materialized view, an index.

use std::sync::{Arc, OnceLock};

use tidewater_catalog::{Constraint, ConstraintKind, Index, Kind, Object, Schema, Snapshot};
use tidewater_judge::{Connection, server};
use tidewater_types::{Column, ColumnType};

const STATEMENTS: &str = "
create table orders (id bigint, total numeric(10,2) default 0, placed timestamptz, kind varchar(10) not null, note text, tags text[],
  constraint orders_pkey primary key (id), constraint orders_kind_key unique (kind), constraint positive check (total >= 0));
create table payments (payment_id integer, order_id bigint, paid_at timestamp(3), amount double precision);
create view big as select id from orders where total > 100;
create materialized view order_summary as select id, total from orders;
create index order_summary_by_id on order_summary (id, total);
create schema other;
create table other.\"Mixed Case\" (\"Id\" integer, flag boolean);
";

/// What stands nowhere in any relation.
pub(crate) const SECRET_VALUE: &str = "hunter2-never-shown";

fn columns(all: &[(&str, &str)]) -> Arc<[Column]> {
    let column = |(name, ty): &(&str, &str)| {
        let ty = ColumnType::parse(ty.trim_end_matches('!')).expect("a type");
        Column::new(*name, ty)
    };
    all.iter().map(|one| if one.1.ends_with('!') { column(one).not_null() } else { column(one) }).collect()
}

/// Our objects.
pub(crate) fn snapshot() -> Arc<Snapshot> {
    static SNAPSHOT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| Arc::new(objects())).clone()
}

fn objects() -> Snapshot {
    let key = |name: &str, kind, columns: &[usize], condition: &str| Constraint {
        name: name.to_owned(),
        kind,
        columns: columns.to_vec(),
        condition: condition.to_owned(),
    };
    let orders = Object {
        columns: columns(&[
            ("id", "bigint!"),
            ("total", "numeric(10,2)"),
            ("placed", "timestamptz"),
            ("kind", "varchar(10)!"),
            ("note", "text"),
            ("tags", "text[]"),
        ]),
        constraints: vec![
            key("orders_pkey", ConstraintKind::PrimaryKey, &[0], ""),
            key("orders_kind_key", ConstraintKind::Unique, &[3], ""),
            key("positive", ConstraintKind::Check, &[1], "total >= 0::numeric"),
        ],
        defaults: vec![(1, "0".to_owned())],
        statement: "CREATE TABLE orders (…)".to_owned(),
        ..Object::new(16_400, "public", "orders", Kind::Table)
    };
    let payments = Object {
        columns: columns(&[
            ("payment_id", "integer"),
            ("order_id", "bigint"),
            ("paid_at", "timestamp(3)"),
            ("amount", "double precision"),
        ]),
        flavour: "kafka".to_owned(),
        statement: "CREATE SOURCE payments FROM KAFKA CONNECTION kafka".to_owned(),
        uses: vec![16_406],
        ..Object::new(16_401, "public", "payments", Kind::Source)
    };
    let big = Object {
        columns: columns(&[("id", "bigint")]),
        query: " SELECT orders.id\n   FROM orders\n  WHERE (orders.total > (100)::numeric);".to_owned(),
        statement: "CREATE VIEW big AS …".to_owned(),
        uses: vec![16_400],
        ..Object::new(16_402, "public", "big", Kind::View)
    };
    let summary = Object {
        columns: columns(&[("id", "bigint"), ("total", "numeric(10,2)")]),
        query: " SELECT orders.id,\n    orders.total\n   FROM orders;".to_owned(),
        statement: "CREATE MATERIALIZED VIEW order_summary AS …".to_owned(),
        uses: vec![16_400],
        ..Object::new(16_403, "public", "order_summary", Kind::MaterializedView)
    };
    let by_id = Object {
        index: Some(Index { on: 16_403, columns: vec![0, 1], unique: false }),
        statement: "CREATE INDEX order_summary_by_id ON order_summary (id, total)".to_owned(),
        ..Object::new(16_404, "public", "order_summary_by_id", Kind::Index)
    };
    let mixed = Object {
        columns: columns(&[("Id", "integer"), ("flag", "boolean")]),
        ..Object::new(16_405, "other", "Mixed Case", Kind::Table)
    };
    let connection = Object {
        flavour: "kafka".to_owned(),
        statement: "CREATE CONNECTION kafka TO KAFKA (BROKER 'kafka:9092', SASL PASSWORD = SECRET password)".to_owned(),
        uses: vec![16_407],
        ..Object::new(16_406, "public", "kafka", Kind::Connection)
    };
    // Whoever describes a secret by mistake with its value is not believed.
    let secret = Object {
        statement: format!("CREATE SECRET password AS '{SECRET_VALUE}'"),
        ..Object::new(16_407, "public", "password", Kind::Secret)
    };
    let all = vec![orders, payments, big, summary, by_id, mixed, connection, secret];
    let schema = |oid, name: &str| Schema { oid, name: name.to_owned(), comment: None };
    Snapshot::new("judge", all, vec![schema(2200, "public"), schema(16_399, "other")])
}

/// A connection to the judge, where the objects are, too.
pub(crate) fn judge() -> Connection {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        server().connect().ask(STATEMENTS).expect("the judge makes the objects");
    });
    let mut judge = server().connect();
    judge.ask("set jit = off").expect("a setting");
    judge
}
