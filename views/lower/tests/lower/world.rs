//! Tables that change, in the circuit and as plain lists, and queries over both.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::Statement;
use tidewater_delta::{Op, Row, RowBuilder, RowRef};
use tidewater_engine::{Circuit, NodeId};
use tidewater_functions::Session;
use tidewater_lower::{Shared, lower};
use tidewater_query::catalog::{Catalog, Relation, Rows, Source};
use tidewater_query::run::{self, Limits, pack_row};
use tidewater_query::{Plan, bind, parse, rewrite};
use tidewater_types::{Column, ColumnType, Datum, Result, Scratch, SqlError, Type, input, key, output};

/// Rows with how often they occur.
pub(crate) type Bag = BTreeMap<Vec<u8>, i64>;

struct Table {
    relation: Arc<Relation>,
    node: NodeId,
    rows: Vec<Row>,
}

/// See the module.
pub(crate) struct World {
    tables: Vec<Table>,
    pub(crate) circuit: Circuit,
    pub(crate) shared: Shared,
    pub(crate) session: Arc<Session>,
    /// Changes of the tick that has not been yet.
    waiting: Vec<(NodeId, Op)>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            tables: Vec::new(),
            circuit: Circuit::new(),
            shared: Shared::default(),
            session: Arc::default(),
            waiting: Vec::new(),
        }
    }

    /// Makes a table; one whose first column is called id has it as primary key.
    pub(crate) fn table(&mut self, name: &str, columns: &[(&str, ColumnType)]) {
        let has_key = columns[0].0 == "id";
        let column = |(i, (name, ty)): (usize, &(&str, ColumnType))| {
            let column = Column::new(*name, ty.clone());
            if has_key && i == 0 { column.not_null() } else { column }
        };
        let types: Arc<[ColumnType]> = columns.iter().map(|(_, ty)| ty.clone()).collect();
        let relation = Relation {
            id: self.tables.len() as u64,
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: columns.iter().enumerate().map(column).collect(),
            keys: if has_key { vec![vec![0]] } else { Vec::new() },
            has_primary_key: has_key,
        };
        let node = self.circuit.add_input(types, has_key.then_some(&[0][..]));
        self.tables.push(Table { relation: Arc::new(relation), node, rows: Vec::new() });
    }

    pub(crate) fn types(&self, table: usize) -> Vec<ColumnType> {
        self.tables[table].relation.columns.iter().map(|column| column.ty.clone()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.tables.len()
    }

    pub(crate) fn rows(&self, table: usize) -> usize {
        self.tables[table].rows.len()
    }

    /// One more row, in the next tick; of a table with a key in place of the one that has its key.
    pub(crate) fn insert(&mut self, table: usize, row: Row) {
        let table = &mut self.tables[table];
        if table.relation.has_primary_key {
            table.rows.retain(|other| other.as_ref().slot(0) != row.as_ref().slot(0));
            self.waiting.push((table.node, Op::Upsert(row.clone())));
        } else {
            self.waiting.push((table.node, Op::Insert(row.clone())));
        }
        table.rows.push(row);
    }

    /// One row fewer, in the next tick.
    pub(crate) fn remove(&mut self, table: usize, number: usize) {
        let table = &mut self.tables[table];
        let row = table.rows.remove(number);
        let op = if table.relation.has_primary_key {
            let widths =
                self.circuit.types(table.node).iter().take(1).map(|ty| tidewater_types::Packing::of(ty).width());
            let mut key = RowBuilder::new(widths.collect::<Vec<_>>());
            key.copy(0, row.as_ref(), 0);
            Op::Delete(key.take())
        } else {
            Op::Remove(row)
        };
        self.waiting.push((table.node, op));
    }

    /// Takes every row out.
    pub(crate) fn truncate(&mut self) {
        for table in &mut self.tables {
            table.rows.clear();
            self.waiting.push((table.node, Op::Truncate));
        }
    }

    pub(crate) fn tick(&mut self) {
        self.circuit.tick(std::mem::take(&mut self.waiting));
    }

    /// Takes all rows of a table out, one by one.
    pub(crate) fn unload(&mut self, table: &str) {
        let number = self.number(table);
        (0..self.rows(number)).for_each(|_| self.remove(number, 0));
    }

    fn number(&self, table: &str) -> usize {
        self.tables.iter().position(|other| other.relation.name == table).expect("a table")
    }

    /// Rows written as text, column by column; the word null is NULL.
    pub(crate) fn load(&mut self, table: &str, rows: &[&[&str]]) {
        let number = self.number(table);
        let types = self.types(number);
        for row in rows {
            let scratch = Scratch::new();
            let read = |(text, ty): (&&str, &ColumnType)| match *text {
                "null" => Datum::Null,
                text => input(text, ty, &self.session.settings, &scratch).expect("a value of its type"),
            };
            let values: Vec<Datum<'_>> = row.iter().zip(&types).map(read).collect();
            let row = pack_row(&types, &values);
            self.insert(number, row);
        }
    }

    pub(crate) fn plan(&self, sql: &str) -> Result<Plan> {
        let mut statements = parse(sql)?;
        let Some(Statement::Query(query)) = statements.pop() else {
            return Err(SqlError::new(b"42601", "not a query"));
        };
        let mut plan = bind(&query, sql, self, &self.session, &[])?;
        rewrite(&mut plan, &|_| None)?;
        Ok(plan)
    }

    /// The view of a query. It is not built yet.
    pub(crate) fn view(&mut self, plan: &Plan) -> Result<NodeId> {
        let tables = &self.tables;
        let node_of =
            |relation: &Relation| tables.iter().find(|table| *table.relation == *relation).map(|table| table.node);
        lower(plan, &mut self.circuit, &mut self.shared, &node_of, &self.session)
    }

    pub(crate) fn build(&mut self) {
        while self.circuit.build() {}
    }

    /// What a view holds.
    pub(crate) fn held(&self, node: NodeId) -> Result<Bag> {
        if let Some(error) = self.circuit.error(node) {
            return Err(error.clone());
        }
        Ok(self.circuit.snapshot(node).rows().map(|(row, weight)| (row.bytes().to_vec(), weight)).collect())
    }

    /// What its query answers.
    pub(crate) fn answer(&self, plan: &Plan) -> Result<Bag> {
        let types = run::output_types(plan);
        let mut rows = Bag::new();
        let limits = Limits { memory: 256 << 20, ..Limits::default() };
        run::run(plan, self, &self.session, &[], &limits, &mut |values| {
            *rows.entry(pack_row(&types, values).bytes().to_vec()).or_default() += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Rows by what they are equal to.
    pub(crate) fn by_value(&self, rows: &Bag, plan: &Plan) -> Bag {
        let types = run::output_types(plan);
        let mut values = Bag::new();
        for (row, weight) in rows {
            let mut bytes = Vec::new();
            for (i, ty) in types.iter().enumerate() {
                key(&ty.ty, &run::unpack(RowRef::new(row), i, ty), &mut bytes);
            }
            *values.entry(bytes).or_default() += weight;
        }
        values
    }

    /// The view of a query, built.
    pub(crate) fn built(&mut self, sql: &str) -> (Plan, NodeId) {
        let plan = self.plan(sql).expect(sql);
        let node = self.view(&plan).expect(sql);
        self.build();
        (plan, node)
    }

    /// What a view holds, as text.
    pub(crate) fn text(&self, (plan, node): &(Plan, NodeId)) -> Vec<String> {
        self.shown(&self.held(*node).expect("rows"), plan)
    }

    /// Rows as text, for people.
    pub(crate) fn shown(&self, rows: &Bag, plan: &Plan) -> Vec<String> {
        let types = run::output_types(plan);
        let text = |(row, weight): (&Vec<u8>, &i64)| {
            let row = RowRef::new(row);
            let value = |(i, ty): (usize, &ColumnType)| {
                let value = run::unpack(row, i, ty);
                let mut text = String::new();
                output(&value, ty, &self.session.settings, &mut text);
                if value.is_null() { "null".to_owned() } else { text }
            };
            let values: Vec<String> = types.iter().enumerate().map(value).collect();
            format!("{weight} × {}", values.join(","))
        };
        rows.iter().map(text).collect()
    }
}

impl Catalog for World {
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<Arc<Relation>> {
        let table = self.tables.iter().find(|table| table.relation.name == name)?;
        schema.is_none_or(|schema| schema == "public").then(|| table.relation.clone())
    }

    fn has_schema(&self, name: &str) -> bool {
        name == "public"
    }
}

impl Source for World {
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
        for batch in self.tables[relation.id as usize].rows.chunks(64) {
            let batch: Vec<RowRef<'_>> = batch.iter().map(Row::as_ref).collect();
            if rows(&batch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

pub(crate) fn ty(ty: Type) -> ColumnType {
    ty.into()
}
