//! The tables that random statements read, and random changes of them.
//!
//! Values come from a handful of small numbers, so that keys meet, rows repeat and changes undo one another.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use delta::{Change, Commit, Datum, Op, Row, RowBuilder, TableId, TableSchema};
use proptest::prelude::*;
use sql::Database;

use super::scalar::Type;
use super::select::Named;
use crate::RUNTIME;

/// A table that statements change; the others are sources, changed by commits.
pub(super) const LOCAL: &str = "notes";

const CREATE_LOCAL: &str =
    "CREATE TABLE notes (id bigint, ref bigint, body text, amount numeric(12,3), day date, score double precision)";

/// Columns of a table, at most.
const COLUMNS: usize = 8;

/// A source: its name, its columns, and how many of the first are the key. Key columns are never NULL.
type Source = (&'static str, Vec<(&'static str, DataType)>, Option<usize>);

fn sources() -> Vec<Source> {
    use DataType::{Binary, Boolean, Date32, Float32, Float64, Int16, Int32, Int64, Utf8};
    let time = |unit| DataType::Timestamp(unit, None);
    let money = || DataType::Decimal128(10, 2);
    vec![
        (
            "users",
            vec![
                ("id", Int64),
                ("name", Utf8),
                ("phone", Utf8),
                ("joined", Date32),
                ("active", Boolean),
                ("rank", Int16),
                ("photo", Binary),
            ],
            Some(1),
        ),
        (
            "orders",
            vec![
                ("id", Int64),
                ("user_id", Int64),
                ("total", money()),
                ("at", time(TimeUnit::Microsecond)),
                ("weight", Float64),
                ("ratio", Float32),
            ],
            Some(1),
        ),
        (
            "items",
            vec![("order_id", Int64), ("line", Int32), ("quantity", Int32), ("price", money()), ("label", Utf8)],
            Some(2),
        ),
        (
            "events",
            vec![
                ("order_id", Int64),
                ("status", Utf8),
                ("at", time(TimeUnit::Millisecond)),
                ("ok", Boolean),
                ("amount", DataType::Decimal128(20, 3)),
                ("hour", DataType::Time64(TimeUnit::Microsecond)),
                ("seen", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ],
            None,
        ),
    ]
}

/// What statements may name.
pub(super) fn tables() -> Vec<Named> {
    let kind = |data_type: &DataType| match data_type {
        DataType::Int64 | DataType::Int32 | DataType::Int16 => Type::Int,
        DataType::Utf8 => Type::Text,
        DataType::Boolean => Type::Bool,
        DataType::Date32 => Type::Date,
        DataType::Float64 | DataType::Float32 => Type::Float,
        DataType::Time64(_) => Type::Time,
        DataType::Binary => Type::Bytes,
        DataType::Timestamp(_, None) => Type::Timestamp,
        DataType::Timestamp(_, Some(_)) => Type::Instant,
        _ => Type::Decimal,
    };
    let named = |(name, columns, _): (&str, Vec<(&str, DataType)>, _)| Named {
        text: name.to_owned(),
        columns: columns.iter().map(|(name, data_type)| ((*name).to_owned(), kind(data_type))).collect(),
    };
    let mut tables: Vec<_> = sources().into_iter().map(named).collect();
    use Type as T;
    let local = [
        ("id", T::Int),
        ("ref", T::Int),
        ("body", T::Text),
        ("amount", T::Decimal),
        ("day", T::Date),
        ("score", T::Float),
    ];
    let columns = local.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    tables.push(Named { text: LOCAL.into(), columns });
    tables
}

/// One change of one table.
#[derive(Debug, Clone)]
pub(super) struct Step {
    table: usize,
    /// The numbers from which the columns' values are made; a key's are never NULL.
    cells: [Option<u8>; COLUMNS],
    action: Action,
    /// Whether the commits so far become one tick.
    pub(super) ends_tick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Put,
    Remove,
    /// Of a source: all its rows at once. Of the local table: UPDATE.
    Other,
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let cell = || prop_oneof![5 => (0..6_u8).prop_map(Some), 1 => Just(None)];
    let cells = [(); COLUMNS].map(|()| cell());
    let action = prop_oneof![40 => Just(Action::Put), 12 => Just(Action::Remove), 1 => Just(Action::Other)];
    let step = (0..5_usize, cells, action, prop::bool::weighted(0.1));
    step.prop_map(|(table, cells, action, ends_tick)| Step { table, cells, action, ends_tick })
}

/// A database with the tables.
pub(super) struct Tables {
    pub(super) database: Database,
    sources: Vec<(TableId, TableSchema)>,
}

/// Bytes of a filler: a chunk of an arena holds two such rows.
const FILLER: usize = 30_000;

impl Tables {
    /// Tables whose sources' rows have a `filler`, too, or not. It makes many chunks of few rows, which views are built from
    /// one by one.
    pub(super) fn new(wide: bool) -> Self {
        let mut database = Database::new();
        let mut sources = Vec::new();
        for (name, columns, key) in self::sources() {
            let field = |(number, (name, data_type)): (usize, (&str, DataType))| {
                Field::new(name, data_type, key.is_none_or(|key| number >= key))
            };
            let mut fields: Vec<_> = columns.into_iter().enumerate().map(field).collect();
            if wide {
                fields.push(Field::new("filler", DataType::Utf8, true));
            }
            let key = key.map(|key| (0..key).collect());
            let schema = TableSchema::new(Arc::new(Schema::new(fields)), key).expect("supported types");
            sources.push((database.create_source(name, &schema, "").expect("a free name"), schema));
        }
        let mut tables = Tables { database, sources };
        tables.execute(CREATE_LOCAL);
        tables
    }

    /// Runs a statement of the test's own, without waiting for views that are being built.
    pub(super) fn execute(&mut self, text: &str) {
        let _guard = RUNTIME.enter();
        for parsed in sql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
            let outcome = self.database.execute_statement(&Arc::new(parsed), &[]);
            outcome.map(drop).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    /// Applies steps in one commit, which is one tick, besides one of each statement.
    pub(super) fn apply(&mut self, steps: &[Step]) {
        let mut changes = Vec::new();
        for step in steps {
            match self.sources.get(step.table) {
                Some((table, schema)) => changes.push(Change { table: *table, op: step.op(schema) }),
                None => self.execute(&step.statement()),
            }
        }
        self.database.apply([Commit::local(changes)]);
    }

    /// Takes out all rows of a table, by its number.
    pub(super) fn clear(&mut self, table: usize) {
        match self.sources.get(table) {
            Some((table, _)) => {
                let changes = vec![Change { table: *table, op: Op::Truncate }];
                self.database.apply([Commit::local(changes)]);
            }
            None => self.execute(&format!("DELETE FROM {LOCAL}")),
        }
    }
}

impl Step {
    fn op(&self, schema: &TableSchema) -> Op {
        let whole = row(schema, &self.cells, schema.kinds.len());
        match (&schema.key, self.action) {
            (_, Action::Other) => Op::Truncate,
            (Some(_), Action::Put) => Op::Upsert(whole),
            (Some(key), Action::Remove) => Op::Delete(row(schema, &self.cells, key.len())),
            (None, Action::Put) => Op::Insert(whole),
            (None, Action::Remove) => Op::Remove(whole),
        }
    }

    fn statement(&self) -> String {
        let number = |cell: Option<u8>| cell.map_or("NULL".to_owned(), |cell| cell.to_string());
        let [id, reference, body, amount, day, score, ..] = self.cells;
        match self.action {
            Action::Put => {
                let body = body.map_or("NULL".into(), |body| format!("'{}'", text(body)));
                let amount = amount.map_or("NULL".into(), |amount| format!("{}.125", i32::from(amount) - 2));
                let day = day.map_or("NULL".into(), |day| format!("DATE '2024-02-2{day}'"));
                let score = score.map_or("NULL".into(), |score| format!("{}", f64::from(score) / 4.0));
                let (id, reference) = (number(id), number(reference));
                format!("INSERT INTO {LOCAL} VALUES ({id}, {reference}, {body}, {amount}, {day}, {score})")
            }
            Action::Remove => format!("DELETE FROM {LOCAL} WHERE id = {} OR ref = {}", number(id), number(reference)),
            Action::Other => {
                format!("UPDATE {LOCAL} SET ref = id, amount = amount + 1, body = body || 'x' WHERE id < 3")
            }
        }
    }

    /// The change as a reader of a failure sees it.
    pub(super) fn describe(&self) -> String {
        let tick = if self.ends_tick { " -- tick" } else { "" };
        match sources().get(self.table) {
            None => format!("{}{tick}", self.statement()),
            Some((name, columns, key)) => {
                let shown = columns.iter().zip(self.cells).enumerate().map(|(number, ((_, data_type), cell))| {
                    let cell = if key.is_some_and(|key| number < key) { cell.or(Some(0)) } else { cell };
                    cell.map_or("NULL".into(), |cell| shown(data_type, cell))
                });
                let shown: Vec<_> = shown.collect();
                format!("{:?} {name} ({}){tick}", self.action, shown.join(", "))
            }
        }
    }
}

fn text(cell: u8) -> &'static str {
    ["a", "b", "", "é, x", "A%b", "ab"][usize::from(cell) % 6]
}

/// The first columns of a row. A number gives each column a value by the column's type.
fn row(schema: &TableSchema, cells: &[Option<u8>], columns: usize) -> Row {
    let mut builder = RowBuilder::new(schema.kinds[..columns].to_vec());
    for (column, field) in schema.schema.fields().iter().take(columns).enumerate() {
        if field.name() == "filler" {
            builder.set_text(column, &"x".repeat(FILLER));
            continue;
        }
        let Some(cell) = cells[column].or((!field.is_nullable()).then_some(0)) else { continue };
        match field.data_type() {
            DataType::Utf8 => builder.set_text(column, text(cell)),
            DataType::Float64 | DataType::Float32 => builder.set_float(column, f64::from(cell) / 4.0 - 0.5),
            DataType::Binary => builder.set(column, Datum::Bytes(&[0, b'a'][..usize::from(cell) % 3])),
            DataType::Decimal256(..) => builder.set(column, Datum::Decimal256(wide(i64::from(cell) * 12_500 - 25_000))),
            DataType::Decimal128(..) => builder.set_decimal(column, i128::from(cell) * 125 - 250),
            DataType::Boolean => builder.set(column, Datum::Bool(cell % 2 == 1)),
            other => builder.set_int(column, integer(other, cell)),
        }
    }
    builder.take()
}

fn wide(value: i64) -> [u8; 32] {
    let mut bytes = if value < 0 { [0xff; 32] } else { [0; 32] };
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn integer(data_type: &DataType, cell: u8) -> i64 {
    /// 2024-02-28.
    const DAY: i64 = 19_781;
    /// Three quarters of a day.
    const STEP_MS: i64 = 64_800_000;
    let cell = i64::from(cell);
    match data_type {
        DataType::Date32 => DAY + cell,
        DataType::Time64(_) => cell * 3_600_000_000 * 4,
        DataType::Timestamp(TimeUnit::Millisecond, _) => DAY * 86_400_000 + cell * STEP_MS,
        DataType::Timestamp(..) => (DAY * 86_400_000 + cell * STEP_MS) * 1000,
        _ => cell,
    }
}

fn shown(data_type: &DataType, cell: u8) -> String {
    match data_type {
        DataType::Utf8 => format!("'{}'", text(cell)),
        DataType::Float64 | DataType::Float32 => format!("{}", f64::from(cell) / 4.0 - 0.5),
        DataType::Binary => format!("{} bytes", cell % 3),
        DataType::Decimal128(_, scale) => format!("{}e-{scale}", i64::from(cell) * 125 - 250),
        DataType::Decimal256(..) => format!("{}e-5", i64::from(cell) * 12_500 - 25_000),
        DataType::Boolean => format!("{}", cell % 2 == 1),
        other => format!("{}", integer(other, cell)),
    }
}
