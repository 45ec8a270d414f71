//! Statements: which there are, and what each does to the database.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::{FieldRef, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, ColumnOption, CreateTable, Delete, Expr, FromTable, Insert, ObjectName, SetExpr,
    TableFactor, TableObject, TableWithJoins, Update,
};
use delta::{Op, Row, RowBuilder, RowRef, TableId, TableSchema};
use engine::NodeId;

use crate::arrow_rows::rows_of;
use crate::catalog::Body;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::parse::ast::{CreateView, ObjectKind, Parsed, Statement};
use crate::query::{Query, renamed};
use crate::types::declared_schema;

/// What a statement answers.
pub enum Outcome {
    /// A command tag, as PostgreSQL's clients show it.
    Tag(String),
    /// A query to run; the database may change meanwhile.
    Rows(Box<Query>),
    /// A command tag, and sources that are gone: whoever feeds them stops.
    Dropped(String, Vec<TableId>),
}

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
    /// Runs statements, one after another, and gives the outcome of each.
    ///
    /// # Errors
    /// The first error; statements before it have taken effect.
    pub fn execute(&mut self, text: &str) -> Result<Vec<Outcome>> {
        let mut run = |parsed| {
            let outcome = self.execute_statement(&Arc::new(parsed), &[]);
            while self.build() {}
            outcome
        };
        crate::parse::parse(text)?.into_iter().map(&mut run).collect()
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// What is wrong with it; nothing has changed then.
    pub fn execute_statement(&mut self, parsed: &Arc<Parsed>, parameters: &[ScalarValue]) -> Result<Outcome> {
        let statement = match parameters {
            [] => None,
            values => Some(crate::parameters::bound(&parsed.statement, values)?),
        };
        let text = parsed.text.as_str();
        let tag = match statement.as_ref().unwrap_or(&parsed.statement) {
            Statement::Query(query) | Statement::CopyOut { query, .. } => {
                let plan = self.plan(query)?;
                return Ok(Outcome::Rows(Box::new(self.attached(plan, &[])?)));
            }
            Statement::CreateSecret { name, if_not_exists, value } => {
                self.create(name, *if_not_exists, "CREATE SECRET", text, Body::Secret(value.clone()))?
            }
            Statement::CreateConnection { name, if_not_exists, connection } => {
                self.create(name, *if_not_exists, "CREATE CONNECTION", text, Body::Connection(connection.clone()))?
            }
            Statement::CreateTable(table) => self.create_table_statement(table, text)?,
            Statement::CreateView(view) => self.create_view(view, text)?,
            Statement::CreateIndex { name, if_not_exists, on, key } => {
                self.create_index(name.as_deref(), *if_not_exists, on, key.as_deref(), text)?
            }
            Statement::Insert(insert) => self.insert(insert)?,
            Statement::Delete(delete) => self.delete(delete)?,
            Statement::Update(update) => self.update(update)?,
            Statement::Drop { kind, if_exists, names, cascade } => {
                let gone = self.drop_objects(*kind, *if_exists, names, *cascade)?;
                return Ok(Outcome::Dropped(format!("DROP {}", kind.words()), gone));
            }
            Statement::CreateSource(source) => {
                let message = format!("source \"{}\" needs a server that reads Kafka", source.name);
                return Err(Error::new("0A000", message));
            }
            Statement::Unsupported { words } => return Err(Error::new("0A000", format!("{words} is not supported"))),
            other => {
                if let Some(batch) = self.show(other)? {
                    return Ok(Outcome::Rows(Box::new(Query::of(batch))));
                }
                return Err(Error::new("0A000", "this statement needs a session"));
            }
        };
        Ok(Outcome::Tag(tag))
    }

    /// Makes an object that holds no rows.
    fn create(&mut self, name: &str, if_not_exists: bool, tag: &str, text: &str, body: Body) -> Result<String> {
        if !(if_not_exists && self.exists(name)) {
            self.free(name)?;
            self.define(name, text, body, None);
        }
        Ok(tag.into())
    }

    fn create_table_statement(&mut self, table: &CreateTable, text: &str) -> Result<String> {
        let name = name_of(&table.name)?;
        if table.if_not_exists && self.exists(&name) {
            return Ok("CREATE TABLE".into());
        }
        self.free(&name)?;
        refuse_table_clauses(table, &name)?;
        let schema = declared_schema(&table.columns)?;
        distinct_names(&schema)?;
        let schema = TableSchema::new(schema, None).map_err(|error| Error::new("0A000", error.to_string()))?;
        self.create_table(&name, &schema, text);
        Ok("CREATE TABLE".into())
    }

    fn create_view(&mut self, view: &CreateView, text: &str) -> Result<String> {
        let name = view.name.as_str();
        let tag = if view.materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" };
        if view.if_not_exists && self.exists(name) {
            return Ok(tag.into());
        }
        if view.or_replace && self.exists(name) {
            let kind = if view.materialized { ObjectKind::MaterializedView } else { ObjectKind::View };
            self.drop_objects(kind, false, &[name.to_owned()], false)?;
        }
        self.free(name)?;
        if view.materialized {
            let plan = renamed(self.plan(&view.query)?, &view.columns)?;
            let schema = plan.schema().inner().clone();
            distinct_names(&schema)?;
            let reads = self.references(&view.query)?;
            self.materialize(name, text, &plan, schema, reads)?;
        } else {
            let reads = self.references(&view.query)?;
            let view = Arc::new(self.view(&view.query, &view.columns)?);
            let schema = datafusion::datasource::TableProvider::schema(view.as_ref());
            distinct_names(&schema)?;
            self.define(name, text, Body::View { view, reads }, Some(schema));
        }
        Ok(tag.into())
    }

    fn create_index(
        &mut self,
        name: Option<&str>,
        if_not_exists: bool,
        on: &str,
        key: Option<&[Expr]>,
        text: &str,
    ) -> Result<String> {
        let object = self.objects.get(on).ok_or_else(|| unknown(on))?;
        let Some(node) = object.node() else {
            let hint = "an index keeps rows: make the view a MATERIALIZED VIEW, then index that";
            return Err(Error::new("0A000", format!("\"{on}\" keeps no rows to index")).hint(hint));
        };
        let schema = self.columns[on].clone();
        let columns = match key {
            Some(exprs) => exprs.iter().map(|expr| indexed_column(&schema, expr)).collect::<Result<Vec<_>>>()?,
            None => self.circuit.key(node).unwrap_or_else(|| (0..schema.fields().len()).collect()),
        };
        let part = |&column: &usize| schema.field(column).name().clone();
        let suffix =
            if key.is_some() { columns.iter().map(part).collect::<Vec<_>>().join("_") } else { "primary".into() };
        let default = format!("{on}_{suffix}_idx");
        let name = name.unwrap_or(&default);
        if if_not_exists && self.exists(name) {
            return Ok("CREATE INDEX".into());
        }
        self.free(name)?;
        let index = self.circuit.add_index(node, &columns);
        self.define(name, text, Body::Index { on: on.to_owned(), index, columns }, None);
        Ok("CREATE INDEX".into())
    }

    /// Drops objects; gives the sources among them.
    fn drop_objects(
        &mut self,
        kind: ObjectKind,
        if_exists: bool,
        names: &[String],
        cascade: bool,
    ) -> Result<Vec<TableId>> {
        let mut gone: Vec<String> = Vec::new();
        for name in names {
            let Some(object) = self.objects.get(name) else {
                if if_exists {
                    continue;
                }
                return Err(unknown(name));
            };
            // DROP VIEW also takes materialized views, as it did in 2021.
            let found = object.kind();
            if found != kind && !(kind == ObjectKind::View && found == ObjectKind::MaterializedView) {
                let found = found.words();
                let message = format!("\"{name}\" is not a {}", kind.words().to_lowercase());
                return Err(Error::new("42809", message).hint(format!("use DROP {found} to drop it")));
            }
            let first = gone.len();
            gone.push(name.clone());
            let mut next = first;
            while next < gone.len() {
                let readers = self.readers(&gone[next]);
                gone.extend(readers.into_iter().filter(|reader| !gone.contains(reader)).collect::<Vec<_>>());
                next += 1;
            }
            let is_index = |name: &&String| self.objects.get(*name).is_some_and(|o| o.kind() == ObjectKind::Index);
            if let Some(reader) = gone[first + 1..].iter().find(|name| !is_index(name))
                && !cascade
                && !names.contains(reader)
            {
                let message = format!("cannot drop \"{name}\": still depended upon by \"{reader}\"");
                return Err(Error::new("2BP01", message).hint("use DROP … CASCADE to drop the dependents too"));
            }
        }
        Ok(self.forget(&gone))
    }

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
            return Err(Error::new("55000", message).hint("SHOW SOURCES and SHOW VIEWS tell how far it is; try again"));
        }
        // A value that does not fit is an error, never a NULL.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let mut rows = Vec::new();
        for batch in futures::executor::block_on(query.run())? {
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

    /// Evaluates an INSERT without doing it.
    ///
    /// # Errors
    /// What is wrong with it; 42601 for another statement.
    pub fn insertion(&self, parsed: &Parsed, parameters: &[ScalarValue]) -> Result<Insertion> {
        let bound = match parameters {
            [] => None,
            values => Some(crate::parameters::bound(&parsed.statement, values)?),
        };
        match bound.as_ref().unwrap_or(&parsed.statement) {
            Statement::Insert(insert) => self.evaluated(insert),
            _ => Err(Error::new("42601", "expected INSERT")),
        }
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

    fn evaluated(&self, insert: &Insert) -> Result<Insertion> {
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

    fn insert(&mut self, insert: &Insert) -> Result<String> {
        let insertion = self.evaluated(insert)?;
        let tag = insertion.tag();
        self.insert_all(vec![insertion])?;
        Ok(tag)
    }

    fn delete(&mut self, delete: &Delete) -> Result<String> {
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

    fn update(&mut self, update: &Update) -> Result<String> {
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

/// What CREATE TABLE may say and this system does not do.
fn refuse_table_clauses(table: &CreateTable, name: &str) -> Result<()> {
    use ColumnOption as O;
    let refused = |what: &str| Err(Error::new("0A000", format!("table \"{name}\": {what} not supported")));
    if table.query.is_some() {
        return refused("CREATE TABLE AS is").map_err(|error| {
            error.hint("CREATE MATERIALIZED VIEW name AS query keeps a query's rows, and keeps them fresh")
        });
    }
    if table.temporary {
        return refused("temporary tables are").map_err(|error| error.hint("leave out the word TEMPORARY"));
    }
    if !table.constraints.is_empty() {
        return refused("constraints are");
    }
    if table.like.is_some() || table.inherits.is_some() || table.partition_by.is_some() {
        return refused("LIKE, INHERITS and PARTITION BY are");
    }
    for column in &table.columns {
        let of = |what: &str| refused(&format!("column \"{}\": {what}", column.name.value));
        for option in &column.options {
            match &option.option {
                O::Null | O::NotNull | O::Comment(_) => {}
                O::Default(_) => return of("DEFAULT is"),
                O::PrimaryKey(_) => return of("PRIMARY KEY is"),
                O::Unique(_) => return of("UNIQUE is"),
                O::ForeignKey(_) => return of("REFERENCES is"),
                O::Check(_) => return of("CHECK is"),
                other => return of(&format!("{other} is")),
            }
        }
    }
    Ok(())
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::new("42P01", format!("unknown catalog item \"{name}\""))
}

/// Columns of a view can be told apart.
fn distinct_names(schema: &SchemaRef) -> Result<()> {
    match crate::output_names::repeated(schema) {
        None => Ok(()),
        Some(name) => Err(Error::new("42701", format!("column \"{name}\" specified more than once"))
            .hint("give one of them another name with AS")),
    }
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

/// The column that an index's key names.
fn indexed_column(schema: &SchemaRef, expr: &Expr) -> Result<usize> {
    match expr {
        Expr::Identifier(ident) => {
            let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
            column_of(schema, &name)
        }
        other => Err(Error::new("0A000", format!("an index on the expression {other} is not supported"))
            .hint("make the expression a column of a materialized view and index that")),
    }
}
