//! INSERT, UPDATE and DELETE on tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::{FieldRef, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, ObjectName, SetExpr, TableFactor, TableObject,
    TableWithJoins, Update,
};
use delta::{Op, Row, RowBuilder, RowRef, TableSchema};
use engine::NodeId;

use crate::arrow_rows::rows_of;
use crate::catalog::Body;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::parse::ast::Statement;

/// Rows of an INSERT that was evaluated and not yet done.
#[derive(Debug, Clone)]
pub struct Insertion {
    table: String,
    oid: u32,
    rows: Vec<Row>,
}

impl Insertion {
    /// The command tag.
    pub fn tag(&self) -> String {
        format!("INSERT 0 {}", self.rows.len())
    }
}

impl Database {
    /// The node and columns of a table that statements may change.
    pub(crate) fn local_table(&self, name: &str) -> Result<(NodeId, SchemaRef)> {
        match self.objects.get(name).map(|object| &object.body) {
            Some(Body::Table(node)) => Ok((*node, self.columns[name].clone())),
            Some(_) => Err(Error::new("42809", format!("\"{name}\" is not a table: its rows come from elsewhere"))),
            None => Err(unknown(name)),
        }
    }

    /// Runs a query to its end and gives its rows, each column cast to the type that `target` names.
    fn rows(&self, text: &str, target: &SchemaRef) -> Result<Vec<Row>> {
        let Some(Statement::Query(query)) = crate::parse::parse(text)?.pop().map(|parsed| parsed.statement) else {
            return Err(Error::new("42601", "expected a query"));
        };
        let query = self.attached(self.plan(&query)?, &[])?;
        if let Some((name, _)) = self.hydrating(query.reads.iter().map(String::as_str)).first() {
            let message = format!("\"{name}\" does not hold all of its initial rows yet");
            return Err(Error::new("55000", message)
                .hint("SHOW SOURCES and SHOW MATERIALIZED VIEWS tell how far it is; try again"));
        }
        // A value that does not fit is an error, never a NULL.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let mut rows = Vec::new();
        for batch in query.wait()? {
            if batch.num_columns() != target.fields().len() {
                return Err(Error::new("42601", "the number of values differs from the number of columns"));
            }
            let mut columns = Vec::new();
            for (column, field) in batch.columns().iter().zip(target.fields()) {
                let cast = cast_with_options(column, field.data_type(), &strict);
                columns.push(cast.map_err(|error| Error::new("22P02", error.to_string()))?);
            }
            let batch = RecordBatch::try_new(target.clone(), columns)
                .map_err(|error| Error::new("23502", error.to_string()))?;
            rows.extend(rows_of(&batch)?);
        }
        Ok(rows)
    }

    /// Does several INSERTs as one change: readers see all of them or none.
    ///
    /// # Errors
    /// 40001 if a table is gone since; nothing has changed then.
    pub fn insert_all(&mut self, insertions: Vec<Insertion>) -> Result<()> {
        let mut ops = Vec::new();
        for Insertion { table, oid, rows } in insertions {
            let Some(object) = self.objects.get(&table).filter(|object| object.oid == oid) else {
                let message = format!("table \"{table}\" was dropped or made anew since the rows were inserted");
                return Err(Error::new("40001", message));
            };
            let Body::Table(node) = object.body else { continue };
            ops.extend(rows.into_iter().map(|row| (node, Op::Insert(row))));
        }
        self.circuit.tick(ops);
        Ok(())
    }

    pub(crate) fn evaluated(&self, insert: &Insert) -> Result<Insertion> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::new("0A000", "INSERT into a function is not supported"));
        };
        let table = name_of(name)?;
        let (_, schema) = self.local_table(&table)?;
        for (given, clause) in [
            (insert.returning.is_some(), "RETURNING"),
            (insert.on.is_some(), "ON CONFLICT"),
            (insert.overwrite, "OVERWRITE"),
        ] {
            if given {
                return Err(Error::new("0A000", format!("INSERT with {clause} is not supported")));
            }
        }
        let source = insert.source.as_ref();
        let source = source.ok_or_else(|| Error::new("0A000", "INSERT without rows is not supported"))?;
        let mut columns: Vec<usize> = (0..schema.fields().len()).collect();
        if !insert.columns.is_empty() {
            let find = |name: &ObjectName| column_of(&schema, &name_of(name)?);
            columns = insert.columns.iter().map(find).collect::<Result<_>>()?;
        } else if let SetExpr::Values(values) = source.body.as_ref() {
            // Fewer values than columns: the rest is NULL.
            columns.truncate(values.rows.first().map_or(0, |row| row.len()));
        }
        let left_out = |(number, field): &(usize, &FieldRef)| !columns.contains(number) && !field.is_nullable();
        if let Some((_, field)) = schema.fields().iter().enumerate().find(left_out) {
            let (column, hint) = (field.name(), "it is NOT NULL and has no default: give it a value");
            let message = format!("null value in column \"{column}\" of relation \"{table}\"");
            return Err(Error::new("23502", message).hint(hint));
        }
        let target = schema.project(&columns).map_err(|error| Error::new("42601", error.to_string()))?;
        let rows = self.rows(&source.to_string(), &target.into())?;
        let kinds = TableSchema::new(schema, None).map_err(|e| Error::new("XX000", e.to_string()))?.kinds;
        let mut builder = RowBuilder::new(kinds.clone());
        let mut widen = |row: Row| {
            for (from, &to) in columns.iter().enumerate() {
                builder.set(to, row.as_ref().get(from, &kinds[to]));
            }
            builder.take()
        };
        let rows = rows.into_iter().map(&mut widen).collect();
        let oid = self.objects.get(&table).map_or(0, |object| object.oid);
        Ok(Insertion { table, oid, rows })
    }

    pub(crate) fn insert(&mut self, insert: &Insert) -> Result<String> {
        let insertion = self.evaluated(insert)?;
        let tag = insertion.tag();
        self.insert_all(vec![insertion])?;
        Ok(tag)
    }

    pub(crate) fn delete(&mut self, delete: &Delete) -> Result<String> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [from] = from.as_slice() else { return Err(Error::new("0A000", "DELETE from several tables")) };
        for (given, clause) in [
            (delete.returning.is_some(), "RETURNING"),
            (delete.using.is_some(), "USING"),
            (!delete.order_by.is_empty(), "ORDER BY"),
            (delete.limit.is_some(), "LIMIT"),
        ] {
            if given {
                return Err(Error::new("0A000", format!("DELETE with {clause} is not supported")));
            }
        }
        let name = table_of(from)?;
        let (node, schema) = self.local_table(&name)?;
        let rows = self.rows(&format!("SELECT * FROM {from}{}", condition(delete.selection.as_ref())), &schema)?;
        let count = rows.len();
        self.change(node, rows.into_iter().map(Op::Remove));
        Ok(format!("DELETE {count}"))
    }

    pub(crate) fn update(&mut self, update: &Update) -> Result<String> {
        let name = table_of(&update.table)?;
        for (given, clause) in [(update.returning.is_some(), "RETURNING"), (update.from.is_some(), "FROM")] {
            if given {
                return Err(Error::new("0A000", format!("UPDATE with {clause} is not supported")));
            }
        }
        let (node, schema) = self.local_table(&name)?;
        let mut values: Vec<String> = schema.fields().iter().map(|field| quote(field.name())).collect();
        for Assignment { target, value } in &update.assignments {
            let AssignmentTarget::ColumnName(column) = target else {
                return Err(Error::new("0A000", "UPDATE of several columns by one value is not supported"));
            };
            values[column_of(&schema, &name_of(column)?)?] = value.to_string();
        }
        let labelled = values.iter().enumerate().map(|(i, value)| format!("{value} AS \"new {i}\""));
        let columns: Vec<_> = schema.fields().iter().map(|field| quote(field.name())).chain(labelled).collect();
        let text =
            format!("SELECT {} FROM {}{}", columns.join(", "), update.table, condition(update.selection.as_ref()));
        let twice: Vec<_> = schema.fields().iter().chain(schema.fields()).cloned().collect();
        let rows = self.rows(&text, &Arc::new(arrow_schema::Schema::new(twice)))?;
        let count = rows.len();
        let kinds = TableSchema::new(schema, None).map_err(|e| Error::new("XX000", e.to_string()))?.kinds;
        let mut builder = RowBuilder::new(kinds.clone());
        let mut half = |row: RowRef<'_>, from: usize| {
            for (column, kind) in kinds.iter().enumerate() {
                builder.set(column, row.get(from + column, kind));
            }
            builder.take()
        };
        let split = |row: Row| [Op::Remove(half(row.as_ref(), 0)), Op::Insert(half(row.as_ref(), kinds.len()))];
        let ops: Vec<_> = rows.into_iter().flat_map(split).collect();
        self.change(node, ops);
        Ok(format!("UPDATE {count}"))
    }
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new("42P01", format!("unknown catalog item \"{name}\""))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn condition(selection: Option<&Expr>) -> String {
    selection.map(|selection| format!(" WHERE {selection}")).unwrap_or_default()
}

/// The last part of a name; unquoted names are lower case.
pub(crate) fn name_of(name: &ObjectName) -> Result<String> {
    let ident = name.0.last().and_then(|part| part.as_ident());
    let ident = ident.ok_or_else(|| Error::new("42602", format!("{name} is not a name")))?;
    Ok(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() })
}

pub(crate) fn table_of(table: &TableWithJoins) -> Result<String> {
    match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => name_of(name),
        other => Err(Error::new("0A000", format!("{other} cannot be changed"))),
    }
}

pub(crate) fn column_of(schema: &SchemaRef, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| Error::new("42703", format!("column \"{name}\" does not exist")))
}
