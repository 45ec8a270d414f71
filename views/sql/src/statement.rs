//! Statements: which there are, and what each does to the database.

use std::sync::Arc;

use sqlparser::ast::Expr;
use tidewater_delta::TableId;
use tidewater_functions::Session;
use tidewater_query::View;
use tidewater_query::plan::Constant;
use tidewater_query::run::Limits;
use tidewater_types::{Column, Settings};

use crate::catalog::Body;
use crate::change::{Changes, Evaluated, unknown};
use crate::database::{Database, Shown, is_system_schema, view_columns};
use crate::names::{fold, schema_key, shown};
use crate::parse::ast::{CreateView, ObjectKind, Parsed, Statement};
use crate::query::Query;
use crate::source_status::Notice;
use crate::{Error, Result};

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
        let session = Arc::new(Session::default());
        let mut run = |parsed| {
            let outcome = self.execute_statement(&Arc::new(parsed), &[], &session);
            while self.build() {}
            outcome
        };
        crate::parse::parse(text)?.into_iter().map(&mut run).collect()
    }

    /// Runs one statement to its end.
    ///
    /// # Errors
    /// What is wrong with it; nothing has changed then.
    pub fn execute_statement(
        &mut self,
        parsed: &Arc<Parsed>,
        parameters: &[Constant],
        session: &Arc<Session>,
    ) -> Result<Outcome> {
        let (text, whole) = (parsed.text.as_str(), &parsed.whole);
        self.search_path.clone_from(&session.search_path);
        let tag = match &parsed.statement {
            Statement::Query(_) | Statement::CopyOut { .. } | Statement::CheckView { .. } => {
                let types: Vec<_> = parameters.iter().map(|value| value.ty.clone()).collect();
                let prepared = self.prepare(parsed, &types, session)?;
                return Ok(Outcome::Rows(Box::new(self.query(&prepared, parameters, session)?)));
            }
            Statement::Change(_) => {
                let types: Vec<_> = parameters.iter().map(|value| value.ty.clone()).collect();
                let prepared = self.prepare(parsed, &types, session)?;
                let Evaluated { changes, rows } =
                    self.change(&prepared, parameters, session)?.evaluate(&Limits::default())?;
                let tag = changes.tag().to_owned();
                self.apply_changes(vec![Arc::unwrap_or_clone(changes)])?;
                if let Some(rows) = rows {
                    return Ok(Outcome::Rows(Box::new(Query::of(rows))));
                }
                tag
            }
            Statement::Truncate { tables, restart } => {
                let (mut all, mut restarts) = (Vec::with_capacity(tables.len()), Vec::new());
                for table in tables {
                    let prepared = self.prepare(table, &[], session)?;
                    if *restart {
                        restarts.extend(self.sequences_of(&prepared));
                    }
                    all.push(self.change(&prepared, &[], session)?.evaluate(&Limits::default())?.changes);
                }
                self.apply_changes(Changes::net(all))?;
                for oid in restarts {
                    let sequence = self.sequence(oid)?;
                    sequence.set(sequence.beginning());
                }
                "TRUNCATE TABLE".into()
            }
            Statement::CreateTableAs(create) => {
                let prepared = self.prepare(&create.query, &[], session)?;
                let rows = self.query(&prepared, &[], session)?.collect(&Limits::default())?;
                self.create_table_as(create, &rows, session)?
            }
            Statement::CreateSchema { name, if_not_exists } => {
                let reserved = tidewater_catalog::has_schema(name) || name.starts_with("pg_");
                if reserved || is_system_schema(name) || name.contains('.') {
                    return Err(Error::new(b"42939", format!("unacceptable schema name \"{name}\"")));
                }
                let exists = self.has_schema(name);
                if exists && !if_not_exists {
                    return Err(Error::new(b"42P06", format!("schema \"{name}\" already exists")));
                }
                if !exists {
                    self.define(&schema_key(name), text, Body::Schema, None);
                }
                "CREATE SCHEMA".into()
            }
            Statement::CreateSecret { name, if_not_exists, value } => {
                self.create(name, *if_not_exists, "CREATE SECRET", text, Body::Secret(value.clone()), session)?
            }
            Statement::CreateConnection { name, if_not_exists, connection } => {
                let body = Body::Connection(connection.clone());
                self.create(name, *if_not_exists, "CREATE CONNECTION", text, body, session)?
            }
            Statement::CreateTable(table) => self.create_table_statement(table, text, whole, session)?,
            Statement::CreateSequence(create) => self.create_sequence(create, text, session)?,
            Statement::Comment(comment) => self.comment(comment, session)?,
            Statement::DiscardTemp => {
                self.drop_temp(&session.temp_schema);
                "DISCARD TEMP".into()
            }
            Statement::CreateUniqueIndex { name, if_not_exists, alter } => {
                if !(*if_not_exists && self.has_constraint(&alter.name, name, session)?) {
                    self.alter_table(alter, session)?;
                }
                "CREATE INDEX".into()
            }
            Statement::AlterTable(alter) => self.alter_table(alter, session)?,
            Statement::AlterRename { kind, if_exists, name, to } => {
                self.alter_rename(*kind, *if_exists, name, to, session)?
            }
            Statement::CreateView(view) => {
                let (tag, notices) = self.create_view(view, text, whole, session)?;
                if !notices.is_empty() {
                    return Ok(Outcome::Told(tag, notices));
                }
                tag
            }
            Statement::CreateIndex { name, if_not_exists, on, key } => {
                self.create_index(name.as_deref(), *if_not_exists, on, key.as_deref(), text, session)?
            }
            Statement::CreateSink(create) => self.create_sink(create, text, session)?,
            Statement::Drop { kind, if_exists, names, cascade } => {
                let gone = self.drop_objects(*kind, *if_exists, names, *cascade, session)?;
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
            Statement::Unsupported { words } => {
                return Err(Error::new(b"0A000", format!("{words} is not supported")));
            }
            other => {
                if let Some(rows) = self.show(other, session)? {
                    return Ok(Outcome::Rows(Box::new(Query::of(rows))));
                }
                return Err(Error::new(b"0A000", "this statement needs a session"));
            }
        };
        Ok(Outcome::Tag(tag))
    }

    /// Makes an object that holds no rows.
    fn create(
        &mut self,
        name: &str,
        if_not_exists: bool,
        tag: &str,
        text: &str,
        body: Body,
        session: &Arc<Session>,
    ) -> Result<String> {
        let key = self.new_key(name, session)?;
        if !(if_not_exists && self.exists(&key)) {
            self.free(&key)?;
            self.define(&key, text, body, None);
        }
        Ok(tag.into())
    }

    fn create_view(
        &mut self,
        view: &CreateView,
        text: &str,
        whole: &Arc<str>,
        session: &Arc<Session>,
    ) -> Result<(String, Vec<Notice>)> {
        let tag = if view.materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" };
        let done = |notices| Ok((tag.to_owned(), notices));
        let (mut temporary, mut notices) = (view.temporary, Vec::new());
        if !temporary && self.has_temp(&session.temp_schema) {
            let kept = if view.materialized { &kept_session(session) } else { session };
            // What is wrong with the query is said when it is made.
            let reads = self.planned(&view.query, whole, &[], &self.informed(kept)).map(|planned| planned.reads);
            temporary = reads.is_ok_and(|reads| reads.iter().any(|read| crate::names::is_temp(read)));
            if temporary && view.materialized {
                let message = "materialized views must not use temporary tables or views";
                return Err(Error::new(b"0A000", message));
            }
            if temporary {
                let name = crate::names::split(&view.name).1;
                notices.push(Notice::new(format!("view \"{name}\" will be a temporary view")));
            }
        } else if temporary && view.materialized {
            return Err(Error::new(b"0A000", "temporary materialized views are not supported"));
        }
        let key = self.new_relation_key(&view.name, temporary, session)?;
        if view.if_not_exists && self.exists(&key) {
            return done(notices);
        }
        if view.or_replace && self.exists(&key) {
            let kind = if view.materialized { ObjectKind::MaterializedView } else { ObjectKind::View };
            self.droppable(kind, false, std::slice::from_ref(&key), false)?;
            let kept = if view.materialized { &kept_session(session) } else { session };
            let planned = self.planned(&view.query, whole, &[], &self.informed(kept))?;
            view_columns(&planned.plan, &view.columns)?;
            self.replace(&key, |database| database.make_view(&key, view, text, whole, session))?;
        } else {
            self.free(&key)?;
            self.make_view(&key, view, text, whole, session)?;
        }
        done(notices)
    }

    fn make_view(
        &mut self,
        key: &str,
        view: &CreateView,
        text: &str,
        whole: &Arc<str>,
        session: &Arc<Session>,
    ) -> Result<()> {
        let kept = if view.materialized { &kept_session(session) } else { session };
        let informed = self.informed(kept);
        let sizes = self.sizes_then.get(key).cloned().unwrap_or_default();
        let planned = self.planned_with(&sizes, &view.query, whole, &[], &informed)?;
        if !planned.plan.parameters.is_empty() {
            return Err(Error::new(b"42P02", "there is no parameter $1"));
        }
        let columns = view_columns(&planned.plan, &view.columns)?;
        if view.materialized {
            return self.materialize(key, text, &planned, columns, &informed);
        }
        let shown = Shown { columns, key: None, has_primary_key: false };
        let query = Arc::new(View { query: view.query.clone(), text: whole.clone() });
        self.define(key, text, Body::View { view: query, reads: planned.reads }, Some(shown));
        Ok(())
    }

    fn create_index(
        &mut self,
        name: Option<&str>,
        if_not_exists: bool,
        on: &str,
        key: Option<&[Expr]>,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<String> {
        let on = self.resolved(on, session)?;
        self.intact(&on)?;
        let object = self.objects.get(&on).ok_or_else(|| unknown(&on))?;
        let (Some(node), Some(relation)) = (object.node(), object.relation.clone()) else {
            let hint = "an index keeps rows: make the view a MATERIALIZED VIEW, then index that";
            return Err(Error::new(b"0A000", format!("\"{on}\" keeps no rows to index")).hint(hint));
        };
        let columns = match key {
            Some(exprs) => {
                exprs.iter().map(|expr| indexed_column(&relation.columns, expr)).collect::<Result<Vec<_>>>()?
            }
            None => self.circuit.key(node).unwrap_or_else(|| (0..relation.columns.len()).collect()),
        };
        let part = |&column: &usize| relation.columns[column].name.clone();
        let suffix =
            if key.is_some() { columns.iter().map(part).collect::<Vec<_>>().join("_") } else { "primary".into() };
        let default = format!("{on}_{suffix}_idx");
        // An index is where its object is.
        let name = name.unwrap_or(&default);
        let name = if name.contains('.') { name.to_owned() } else { crate::names::key(&relation.schema, name) };
        if if_not_exists && self.exists(&name) {
            return Ok("CREATE INDEX".into());
        }
        self.free(&name)?;
        let index = self.circuit.add_index(node, &columns);
        self.define(&name, text, Body::Index { on, index, columns }, None);
        Ok("CREATE INDEX".into())
    }

    /// Drops objects; gives the sources among them.
    fn drop_objects(
        &mut self,
        kind: ObjectKind,
        if_exists: bool,
        names: &[String],
        cascade: bool,
        session: &Arc<Session>,
    ) -> Result<Vec<TableId>> {
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            match kind {
                ObjectKind::Schema if name == "public" => {
                    return Err(Error::new(b"0A000", "schema \"public\" cannot be dropped"));
                }
                ObjectKind::Schema => keys.push(schema_key(name)),
                _ => match self.resolved(name, session) {
                    Err(_) if if_exists => {}
                    key => keys.push(key?),
                },
            }
        }
        if kind == ObjectKind::Index {
            for key in std::mem::take(&mut keys) {
                if !self.drop_unique_index(&key, session)? {
                    keys.push(key);
                }
            }
        }
        let gone = self.droppable(kind, if_exists, &keys, cascade)?;
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
                return Err(match kind {
                    ObjectKind::Schema => Error::new(b"3F000", format!("schema \"{}\" does not exist", shown(name))),
                    _ => unknown(name),
                });
            };
            if crate::catalog::is_system(name) {
                let message = format!("permission denied: \"{name}\" is a system relation");
                return Err(Error::new(b"42501", message));
            }
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
            let is_index = |name: &&String| self.goes_with(name, &gone[first..]);
            if kind == ObjectKind::Sequence
                && let Some(reader) = gone[first + 1..].iter().find(|reader| !names.contains(reader))
            {
                let name = shown(name);
                let message = format!("cannot drop sequence {name} because other objects depend on it");
                let detail = format!("default value of a column of table {} depends on sequence {name}", shown(reader));
                return Err(Error::new(b"2BP01", message)
                    .detail(detail)
                    .hint("ALTER TABLE … DROP DEFAULT, or DROP TABLE"));
            }
            if let Some(reader) = gone[first + 1..].iter().find(|name| !is_index(name))
                && !cascade
                && !names.contains(reader)
            {
                let message = format!("cannot drop \"{}\": still depended upon by \"{reader}\"", shown(name));
                return Err(Error::new(b"2BP01", message).hint("use DROP … CASCADE to drop the dependents too"));
            }
        }
        Ok(gone)
    }
}

impl Database {
    /// Whether an object goes with others without a word: an index, and the sequence of a column.
    fn goes_with(&self, name: &str, gone: &[String]) -> bool {
        match self.objects.get(name).map(|object| &object.body) {
            Some(Body::Index { .. }) => true,
            Some(Body::Sequence { owner: Some(owner), .. }) => gone.contains(&owner.table),
            _ => false,
        }
    }
}

/// What the expressions of a materialized view see: the same for whoever makes it and whenever. The time zone is UTC.
pub(crate) fn kept_session(session: &Session) -> Arc<Session> {
    let mut kept = Session { search_path: session.search_path.clone(), ..Session::default() };
    kept.temp_schema.clone_from(&session.temp_schema);
    kept.settings.now = Settings::NO_MOMENT;
    Arc::new(kept)
}

/// The column that an index's key names.
fn indexed_column(columns: &[Column], expr: &Expr) -> Result<usize> {
    match expr {
        Expr::Identifier(ident) => {
            let name = fold(ident);
            let at = columns.iter().position(|column| column.name == name);
            at.ok_or_else(|| Error::new(b"42703", format!("column \"{name}\" does not exist")))
        }
        other => Err(Error::new(b"0A000", format!("an index on the expression {other} is not supported"))
            .hint("make the expression a column of a materialized view and index that")),
    }
}
