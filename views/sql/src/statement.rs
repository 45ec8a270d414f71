//! Statements: which there are, and what each does to the database.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{ColumnOption, CreateTable, Expr};
use delta::{TableId, TableSchema};

use crate::catalog::Body;
use crate::database::Database;
use crate::{Error, Result};
use crate::parse::ast::{CreateView, ObjectKind, Parsed, Statement};
use crate::query::{Query, renamed};
use crate::source_status::Notice;
use crate::table_changes::{Insertion, column_of, name_of, unknown};
use crate::types::declared_schema;

/// What a statement answers.
pub enum Outcome {
    /// A command tag, as PostgreSQL's clients show it.
    Tag(String),
    /// A query to run; the database may change meanwhile.
    Rows(Box<Query>),
    /// A command tag, and sources that are gone: whoever feeds them stops.
    Dropped(String, Vec<TableId>),
    /// A command tag, and what the client is told beside it.
    Told(String, Vec<Notice>),
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
                return Err(Error::new(b"0A000", message));
            }
            Statement::AlterSource { name, .. } => {
                let message = format!("source \"{name}\" needs a server that reads Kafka");
                return Err(Error::new(b"0A000", message));
            }
            Statement::Unsupported { words } => return Err(Error::new(b"0A000", format!("{words} is not supported"))),
            other => {
                if let Some(batch) = self.show(other)? {
                    return Ok(Outcome::Rows(Box::new(Query::of(batch))));
                }
                return Err(Error::new(b"0A000", "this statement needs a session"));
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
        let schema = TableSchema::new(schema, None).map_err(|error| Error::new(b"0A000", error.to_string()))?;
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
            self.droppable(kind, false, &[name.to_owned()], false)?;
            self.plan(&view.query)?;
            self.replace(name, |database| database.make_view(view, text))?;
        } else {
            self.free(name)?;
            self.make_view(view, text)?;
        }
        Ok(tag.into())
    }

    fn make_view(&mut self, view: &CreateView, text: &str) -> Result<()> {
        let name = view.name.as_str();
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
        Ok(())
    }

    fn create_index(
        &mut self,
        name: Option<&str>,
        if_not_exists: bool,
        on: &str,
        key: Option<&[Expr]>,
        text: &str,
    ) -> Result<String> {
        self.intact(on)?;
        let object = self.objects.get(on).ok_or_else(|| unknown(on))?;
        let Some(node) = object.node() else {
            let hint = "an index keeps rows: make the view a MATERIALIZED VIEW, then index that";
            return Err(Error::new(b"0A000", format!("\"{on}\" keeps no rows to index")).hint(hint));
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
        let gone = self.droppable(kind, if_exists, names, cascade)?;
        Ok(self.forget(&gone))
    }

    /// What DROP of these names takes with it.
    fn droppable(&self, kind: ObjectKind, if_exists: bool, names: &[String], cascade: bool) -> Result<Vec<String>> {
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
                return Err(Error::new(b"42809", message).hint(format!("use DROP {found} to drop it")));
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
                return Err(Error::new(b"2BP01", message).hint("use DROP … CASCADE to drop the dependents too"));
            }
        }
        Ok(gone)
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
            _ => Err(Error::new(b"42601", "expected INSERT")),
        }
    }
}

/// What CREATE TABLE may say and this system does not do.
fn refuse_table_clauses(table: &CreateTable, name: &str) -> Result<()> {
    use ColumnOption as O;
    let refused = |what: &str| Err(Error::new(b"0A000", format!("table \"{name}\": {what} not supported")));
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

/// Columns of a view can be told apart.
fn distinct_names(schema: &SchemaRef) -> Result<()> {
    match crate::output_names::repeated(schema) {
        None => Ok(()),
        Some(name) => Err(Error::new(b"42701", format!("column \"{name}\" specified more than once"))
            .hint("give one of them another name with AS")),
    }
}

/// The column that an index's key names.
fn indexed_column(schema: &SchemaRef, expr: &Expr) -> Result<usize> {
    match expr {
        Expr::Identifier(ident) => {
            let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
            column_of(schema, &name)
        }
        other => Err(Error::new(b"0A000", format!("an index on the expression {other} is not supported"))
            .hint("make the expression a column of a materialized view and index that")),
    }
}
