//! The view as Tidewater keeps it: planned from its SQL text, fed by commits of packed rows as the decoders hand them over.
//! Packing the rows counts; the baselines take the events as they are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidewater_delta::{Change, Commit, Row, RowBuilder, TableId};
use tidewater_order_summary::engine::Engine;
use tidewater_order_summary::event::{Event, Op, SummaryRow};
use tidewater_sql::{Database, Outcome, Sizes};

use tidewater_query::run::Limits;
use tidewater_types::{Column, Datum, TableSchema, Type};

const VIEW: &str = include_str!("order_summary.sql");

/// The engine. Panics on a stream that is no history.
pub struct Tidewater {
    database: Database,
    tables: [Table; TABLES],
}

struct Table {
    id: TableId,
    /// Of rows.
    row: RowBuilder,
    /// Of keys; tables whose rows are only added have none.
    key: RowBuilder,
}

const INT: Type = Type::Int8;
const TEXT: Type = Type::Text;

/// Tables of the view.
pub const TABLES: usize = 5;

impl Default for Tidewater {
    fn default() -> Self {
        let mut engine = Tidewater::restored(BTreeMap::new(), |_, _| Ok(())).expect("nothing is restored");
        while engine.database.build() {}
        engine
    }
}

impl Tidewater {
    /// The engine with what `restore` gives each of its tables before the view is made, which is planned with these sizes.
    ///
    /// # Errors
    /// Those of `restore`.
    pub fn restored(
        sizes: BTreeMap<String, Sizes>,
        mut restore: impl FnMut(&mut Database, TableId) -> tidewater_sql::Result<()>,
    ) -> tidewater_sql::Result<Self> {
        let mut database = Database::new();
        let mut table = |name: &str, keyed: bool, columns: &[(&str, Type)]| {
            let columns: Vec<_> = columns.iter().map(|(name, of)| Column::new(*name, of.clone()).not_null()).collect();
            let schema = TableSchema::new(columns, keyed.then(|| vec![0])).expect("a key among the columns");
            let id = database.create_source(name, &schema, "").expect("a name of its own");
            Table { id, row: RowBuilder::new(schema.widths.clone()), key: RowBuilder::new(schema.widths[..1].to_vec()) }
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
                &[("id", INT), ("order_id", INT), ("name", TEXT), ("price", INT), ("quantity", Type::Int4)],
            ),
            table("order_updates", false, &[("order_id", INT), ("status", TEXT), ("updated_at", INT)]),
        ];
        for table in &tables {
            restore(&mut database, table.id)?;
        }
        database.plan_with(sizes);
        // What is still to be computed is whoever's who restores.
        for parsed in tidewater_sql::parse(VIEW)? {
            database.execute_statement(&Arc::new(parsed), &[], &Arc::default())?;
        }
        Ok(Tidewater { database, tables })
    }

    /// What it keeps the view with.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The same, to be changed.
    pub fn database_mut(&mut self) -> &mut Database {
        &mut self.database
    }

    /// Its tables.
    pub fn tables(&self) -> [TableId; TABLES] {
        self.tables.each_ref().map(|table| table.id)
    }

    /// Rows of the view.
    ///
    /// # Errors
    /// Those of the query.
    pub fn orders(&mut self) -> tidewater_sql::Result<i64> {
        let Some(Outcome::Rows(query)) = self.database.execute("SELECT count(*) FROM order_summary")?.pop() else {
            return Ok(0);
        };
        let mut found = 0;
        query.run(&Limits::default(), &mut |values: &[Datum<'_>]| {
            found = values[0].as_int().unwrap_or_default();
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl Engine for Tidewater {
    fn tick(&mut self, events: &[Event]) {
        let mut changes = Vec::with_capacity(events.len());
        events.iter().for_each(|event| self.push(event, &mut changes));
        self.database.apply([Commit::local(changes)]);
    }

    fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
        let Ok(mut outcomes) = self.database.execute("SELECT * FROM order_summary") else { panic!("the view answers") };
        let Some(Outcome::Rows(query)) = outcomes.pop() else { panic!("a SELECT has rows") };
        let mut view = BTreeMap::new();
        let mut keep = |values: &[Datum<'_>]| {
            let int = |column: usize| values[column].as_int().expect("a whole number");
            let text = |column: usize| values[column].as_str().expect("a text").to_owned();
            let found = SummaryRow {
                order_id: int(0),
                total: int(1),
                order_date: int(2),
                order_status: text(3),
                last_order_update: int(4),
                user_id: int(5),
                user_phone: text(6),
                full_address: text(7),
                order_items_details: text(8),
            };
            assert!(view.insert(found.order_id, found).is_none(), "one row an order");
            Ok(ControlFlow::Continue(()))
        };
        query.run(&Limits::default(), &mut keep).expect("rows");
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
                    out.set_tail(1, row.email.as_bytes());
                    out.set_tail(2, row.name.as_bytes());
                    out.set_tail(3, row.phone.as_bytes());
                },
            ),
            Event::Address(op) => addresses.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    set_int(out, 1, row.user_id);
                    out.set_tail(2, row.full_address.as_bytes());
                },
            ),
            Event::Order(op) => orders.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    set_int(out, 1, row.user_id);
                    set_int(out, 2, row.address_id);
                    set_int(out, 3, row.total);
                    set_int(out, 4, row.created_at);
                },
            ),
            Event::Item(op) => items.push_keyed(
                op,
                changes,
                |row| row.id,
                |row, out| {
                    set_int(out, 1, row.order_id);
                    out.set_tail(2, row.name.as_bytes());
                    set_int(out, 3, row.price);
                    set_int(out, 4, i64::from(row.quantity));
                },
            ),
            Event::Update(op) => {
                let (old, new) = op.old_and_new();
                let mut packed = |update: &tidewater_order_summary::event::Update| {
                    updates.row.reset();
                    set_int(&mut updates.row, 0, update.order_id);
                    updates.row.set_tail(1, update.status.as_bytes());
                    set_int(&mut updates.row, 2, update.updated_at);
                    updates.row.take()
                };
                let ops = [
                    old.map(|row| tidewater_delta::Op::Remove(packed(row))),
                    new.map(|row| tidewater_delta::Op::Insert(packed(row))),
                ];
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
        let keyed = |builder: &mut RowBuilder, id: i64| set_int(builder, 0, id);
        let take = |builder: &mut RowBuilder| -> Row { builder.take() };
        let (old, new) = op.old_and_new();
        let op = match (old, new) {
            (_, Some(new)) => {
                self.row.reset();
                keyed(&mut self.row, id(new));
                fill(new, &mut self.row);
                tidewater_delta::Op::Upsert(take(&mut self.row))
            }
            (Some(old), None) => {
                self.key.reset();
                keyed(&mut self.key, id(old));
                tidewater_delta::Op::Delete(take(&mut self.key))
            }
            (None, None) => return,
        };
        changes.push(Change { table: self.id, op });
    }
}

fn set_int(row: &mut RowBuilder, column: usize, value: i64) {
    row.set_slot(column, value as u64);
}
