//! The view as Tidewater keeps it: planned from its SQL text, fed by commits of packed rows as the decoders hand them over.
//! Packing the rows counts; the baselines take the events as they are.

use crate::engine::Engine;
use crate::event::{Event, Op, SummaryRow};
use delta::{Change, Commit, Row, RowBuilder, TableId, TableSchema};
use sql::{Database, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_schema::{DataType, Field, Schema};

const VIEW: &str = include_str!("order_summary.sql");

/// The engine. Panics on a stream that is no history.
pub struct Tidewater {
    runtime: tokio::runtime::Runtime,
    database: Database,
    tables: [Table; 5],
}

struct Table {
    id: TableId,
    /// Of rows.
    row: RowBuilder,
    /// Of keys; tables whose rows are only added have none.
    key: RowBuilder,
}

const INT: DataType = DataType::Int64;
const TEXT: DataType = DataType::Utf8;

impl Default for Tidewater {
    fn default() -> Self {
        let mut database = Database::new();
        let mut table = |name: &str, keyed: bool, columns: &[(&str, DataType)]| {
            let fields: Vec<_> = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), false)).collect();
            let schema = TableSchema::new(Arc::new(Schema::new(fields)), keyed.then(|| vec![0])).expect("packed types");
            let id = database.create_source(name, &schema, "").expect("a name of its own");
            Table { id, row: RowBuilder::new(schema.kinds.clone()), key: RowBuilder::new(schema.kinds[..1].to_vec()) }
        };
        let tables = [
            table("users", true, &[("id", INT), ("email", TEXT), ("name", TEXT), ("phone", TEXT)]),
            table("addresses", true, &[("id", INT), ("user_id", INT), ("full_address", TEXT)]),
            table(
                "orders",
                true,
                &[("id", INT), ("user_id", INT), ("address_id", INT), ("total", INT), ("created_at", INT)],
            ),
            table(
                "order_items",
                true,
                &[("id", INT), ("order_id", INT), ("name", TEXT), ("price", INT), ("quantity", DataType::Int32)],
            ),
            table("order_updates", false, &[("order_id", INT), ("status", TEXT), ("updated_at", INT)]),
        ];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("threads");
        {
            let _guard = runtime.enter();
            database.execute(VIEW).expect("the view");
        }
        Tidewater { runtime, database, tables }
    }
}

impl Engine for Tidewater {
    fn tick(&mut self, events: &[Event]) {
        let mut changes = Vec::with_capacity(events.len());
        events.iter().for_each(|event| self.push(event, &mut changes));
        self.database.apply([Commit::local(changes)]);
    }

    fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
        let guard = self.runtime.enter();
        let Ok(mut outcomes) = self.database.execute("SELECT * FROM order_summary") else { panic!("the view answers") };
        drop(guard);
        let Some(Outcome::Rows(query)) = outcomes.pop() else { panic!("a SELECT has rows") };
        let batches = self.runtime.block_on(query.run()).expect("rows");
        let mut view = BTreeMap::new();
        for batch in &batches {
            let text = |column: usize| arrow::compute::cast(batch.column(column), &TEXT).expect("a column of text");
            let texts: Vec<_> = [3, 6, 7, 8].into_iter().map(text).collect();
            let int = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
            let text = |number: usize, row: usize| texts[number].as_string::<i32>().value(row).to_owned();
            for row in 0..batch.num_rows() {
                let found = SummaryRow {
                    order_id: int(0, row),
                    total: int(1, row),
                    order_date: int(2, row),
                    order_status: text(0, row),
                    last_order_update: int(4, row),
                    user_id: int(5, row),
                    user_phone: text(1, row),
                    full_address: text(2, row),
                    order_items_details: text(3, row),
                };
                assert!(view.insert(found.order_id, found).is_none(), "one row an order");
            }
        }
        view
    }
}

impl Tidewater {
    fn push(&mut self, event: &Event, changes: &mut Vec<Change>) {
        let [users, addresses, orders, items, updates] = &mut self.tables;
        match event {
            Event::User(op) => users.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    out.set_text(1, &row.email);
                    out.set_text(2, &row.name);
                    out.set_text(3, &row.phone);
                },
            ),
            Event::Address(op) => addresses.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    out.set_int(1, row.user_id);
                    out.set_text(2, &row.full_address);
                },
            ),
            Event::Order(op) => orders.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    out.set_int(1, row.user_id);
                    out.set_int(2, row.address_id);
                    out.set_int(3, row.total);
                    out.set_int(4, row.created_at);
                },
            ),
            Event::Item(op) => items.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    out.set_int(1, row.order_id);
                    out.set_text(2, &row.name);
                    out.set_int(3, row.price);
                    out.set_int(4, i64::from(row.quantity));
                },
            ),
            Event::Update(op) => {
                let (old, new) = op.old_and_new();
                let mut packed = |update: &crate::event::Update| {
                    updates.row.reset();
                    updates.row.set_int(0, update.order_id);
                    updates.row.set_text(1, &update.status);
                    updates.row.set_int(2, update.updated_at);
                    updates.row.take()
                };
                let ops =
                    [old.map(|row| delta::Op::Remove(packed(row))), new.map(|row| delta::Op::Insert(packed(row)))];
                changes.extend(ops.into_iter().flatten().map(|op| Change { table: updates.id, op }));
            }
        }
    }
}

impl Table {
    /// An upsert of the new row, or a deletion by the old one's key.
    fn push_keyed<R>(
        &mut self,
        op: &Op<R>,
        changes: &mut Vec<Change>,
        id: impl Fn(&R) -> i64,
        fill: impl Fn(&R, &mut RowBuilder),
    ) {
        let keyed = |builder: &mut RowBuilder, id: i64| builder.set_int(0, id);
        let take = |builder: &mut RowBuilder| -> Row { builder.take() };
        let (old, new) = op.old_and_new();
        let op = match (old, new) {
            (_, Some(new)) => {
                self.row.reset();
                keyed(&mut self.row, id(new));
                fill(new, &mut self.row);
                delta::Op::Upsert(take(&mut self.row))
            }
            (Some(old), None) => {
                self.key.reset();
                keyed(&mut self.key, id(old));
                delta::Op::Delete(take(&mut self.key))
            }
            (None, None) => return,
        };
        changes.push(Change { table: self.id, op });
    }
}
