//! Statements: which there are, and what each does to the database.

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::SchemaRef;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, CreateTable, CreateView, Delete, Expr, FromTable, Insert, ObjectName, ObjectType,
    SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use delta::{Op, Row, RowBuilder, RowRef, TableSchema};
use engine::NodeId;

use crate::arrow_rows::rows_of;
use crate::database::{Database, Object, Query};
use crate::error::{Error, Result};

/// What a statement answers.
pub enum Outcome {
    /// A command tag, as PostgreSQL's clients show it.
    Tag(String),
    /// A query to run; the database may change meanwhile.
    Rows(Box<Query>),
}

impl Database {
    /// Runs statements, one after another, and gives the outcome of each.
    ///
    /// # Errors
    /// The first error; statements before it have taken effect.
    pub fn execute(&mut self, text: &str) -> Result<Vec<Outcome>> {
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, text)
            .map_err(|error| Error::new("42601", error.to_string().replace("sql parser error: ", "")))?;
        statements.into_iter().map(|statement| self.statement(statement)).collect()
    }

    fn statement(&mut self, statement: Statement) -> Result<Outcome> {
        let tag = match statement {
            Statement::Query(_) => return Ok(Outcome::Rows(Box::new(self.query(parsed(statement))?))),
            Statement::CreateTable(table) => self.create_table_statement(&table)?,
            Statement::CreateView(view) => self.create_view(view)?,
            Statement::Insert(insert) => self.insert(insert)?,
            Statement::Delete(delete) => self.delete(&delete)?,
            Statement::Update(update) => self.update(&update)?,
            Statement::Drop { object_type, if_exists, names, cascade, .. } => {
                self.drop_objects(&object_type, if_exists, &names, cascade)?
            }
            other => {
                let words: Vec<_> = other.to_string().split_whitespace().take(2).map(str::to_uppercase).collect();
                return Err(Error::new("0A000", format!("{} is not supported", words.join(" "))));
            }
        };
        Ok(Outcome::Tag(tag))
    }

    fn create_table_statement(&mut self, table: &CreateTable) -> Result<String> {
        let name = name_of(&table.name)?;
        if table.if_not_exists && self.objects.contains_key(&name) {
            return Ok("CREATE TABLE".into());
        }
        self.free(&name)?;
        if !table.constraints.is_empty() {
            return Err(Error::new("0A000", format!("table \"{name}\": constraints are not supported")));
        }
        let schema = schema_of(table)?;
        let schema = TableSchema::new(schema, None).map_err(|error| Error::new("0A000", error.to_string()))?;
        self.create_table(&name, &schema);
        Ok("CREATE TABLE".into())
    }

    fn create_view(&mut self, view: CreateView) -> Result<String> {
        let name = name_of(&view.name)?;
        let tag = if view.materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" };
        if view.if_not_exists && self.objects.contains_key(&name) {
            return Ok(tag.into());
        }
        self.free(&name)?;
        if view.or_replace || !view.columns.is_empty() {
            return Err(Error::new("0A000", format!("view \"{name}\": OR REPLACE and column lists are not supported")));
        }
        let text = view.query.to_string();
        let query = parsed(Statement::Query(view.query));
        if view.materialized {
            self.materialize(&name, query)?;
        } else {
            let view = self.view(query, &text)?;
            let schema = datafusion::datasource::TableProvider::schema(&view);
            self.define(&name, Object::View(view.into()), schema);
        }
        Ok(tag.into())
    }

    fn drop_objects(
        &mut self,
        object_type: &ObjectType,
        if_exists: bool,
        names: &[ObjectName],
        cascade: bool,
    ) -> Result<String> {
        for name in names {
            let name = name_of(name)?;
            if !self.objects.contains_key(&name) {
                if if_exists {
                    continue;
                }
                return Err(unknown(&name));
            }
            let mut gone = vec![name.clone()];
            let mut next = 0;
            while next < gone.len() {
                let readers = self.readers(&gone[next]);
                gone.extend(readers.into_iter().filter(|reader| !gone.contains(reader)).collect::<Vec<_>>());
                next += 1;
            }
            if gone.len() > 1 && !cascade {
                let message = format!("cannot drop \"{name}\": still depended upon by \"{}\"", gone[1]);
                return Err(Error::new("2BP01", message).hint("use DROP … CASCADE to drop the dependents too"));
            }
            gone.iter().for_each(|name| self.forget(name));
        }
        Ok(format!("DROP {object_type}"))
    }

    /// The node and columns of a table that statements may change.
    fn local_table(&self, name: &str) -> Result<(NodeId, SchemaRef)> {
        match self.objects.get(name) {
            Some(Object::Table(node)) => Ok((*node, self.schemas[node].clone())),
            Some(_) => Err(Error::new("42809", format!("\"{name}\" is not a table: its rows come from elsewhere"))),
            None => Err(unknown(name)),
        }
    }

    /// Runs a query to its end and gives its rows, each column cast to the type that `target` names.
    fn rows(&self, text: &str, target: &SchemaRef) -> Result<Vec<Row>> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, text)
            .map_err(|error| Error::new("42601", error.to_string()))?
            .pop()
            .ok_or_else(|| Error::new("42601", "an empty query"))?;
        let query = self.query(parsed(statement))?;
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

    fn insert(&mut self, insert: Insert) -> Result<String> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(Error::new("0A000", "INSERT into a function is not supported"));
        };
        let (node, schema) = self.local_table(&name_of(name)?)?;
        let source = insert.source.ok_or_else(|| Error::new("0A000", "INSERT without rows is not supported"))?;
        let mut columns: Vec<usize> = (0..schema.fields().len()).collect();
        if !insert.columns.is_empty() {
            let find = |name: &ObjectName| column_of(&schema, &name_of(name)?);
            columns = insert.columns.iter().map(find).collect::<Result<_>>()?;
        } else if let SetExpr::Values(values) = source.body.as_ref() {
            // Fewer values than columns: the rest is NULL.
            columns.truncate(values.rows.first().map_or(0, |row| row.len()));
        }
        let target = schema.project(&columns).map_err(|error| Error::new("42601", error.to_string()))?;
        let rows = self.rows(&source.to_string(), &target.into())?;
        let kinds = TableSchema::new(schema, None).map_err(|e| Error::new("XX000", e.to_string()))?.kinds;
        let mut builder = RowBuilder::new(kinds.clone());
        let count = rows.len();
        let mut widen = |row: Row| {
            for (from, &to) in columns.iter().enumerate() {
                builder.set(to, row.as_ref().get(from, &kinds[to]));
            }
            Op::Insert(builder.take())
        };
        let ops: Vec<_> = rows.into_iter().map(&mut widen).collect();
        self.change(node, ops);
        Ok(format!("INSERT 0 {count}"))
    }

    fn delete(&mut self, delete: &Delete) -> Result<String> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [from] = from.as_slice() else { return Err(Error::new("0A000", "DELETE from several tables")) };
        let name = table_of(from)?;
        let (node, schema) = self.local_table(&name)?;
        let rows = self.rows(&format!("SELECT * FROM {from}{}", condition(delete.selection.as_ref())), &schema)?;
        let count = rows.len();
        self.change(node, rows.into_iter().map(Op::Remove));
        Ok(format!("DELETE {count}"))
    }

    fn update(&mut self, update: &Update) -> Result<String> {
        let name = table_of(&update.table)?;
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
        let rows = self.rows(&text, &std::sync::Arc::new(arrow_schema::Schema::new(twice)))?;
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

fn parsed(statement: Statement) -> Parsed {
    Parsed::Statement(Box::new(statement))
}

fn unknown(name: &str) -> Error {
    Error::new("42P01", format!("unknown catalog item \"{name}\""))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn condition(selection: Option<&Expr>) -> String {
    selection.map(|selection| format!(" WHERE {selection}")).unwrap_or_default()
}

/// The last part of a name; unquoted names are lower case.
fn name_of(name: &ObjectName) -> Result<String> {
    let ident = name.0.last().and_then(|part| part.as_ident());
    let ident = ident.ok_or_else(|| Error::new("42602", format!("{name} is not a name")))?;
    Ok(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() })
}

fn table_of(table: &TableWithJoins) -> Result<String> {
    match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => name_of(name),
        other => Err(Error::new("0A000", format!("{other} cannot be changed"))),
    }
}

fn column_of(schema: &SchemaRef, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| Error::new("42703", format!("column \"{name}\" does not exist")))
}

/// The Arrow schema of declared columns.
fn schema_of(table: &CreateTable) -> Result<SchemaRef> {
    let options = ParserOptions { default_null_ordering: NullOrdering::NullsMax, ..ParserOptions::default() };
    let provider = crate::types::NoTables::default();
    let planner = SqlToRel::new_with_options(&provider, options);
    Ok(planner.build_schema(table.columns.clone())?.into())
}
