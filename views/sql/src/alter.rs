//! ALTER TABLE: the declaration changes as the statement says. Where only defaults and constraints are others, they are put in place;
//! else a table of the new declaration takes the old one's place, with the rows that an INSERT … SELECT from the old one makes.

mod declaration;
mod numbered;

use std::sync::Arc;

use sqlparser::ast::{AlterTable, AlterTableOperation, CreateTable, ObjectName, RenameTableNameKind};
use tidewater_functions::Session;
use tidewater_query::Relation;
use tidewater_query::run::Limits;

use crate::catalog::{Body, Object};
use crate::change::{Changes, unknown};
use crate::comment::Comments;
use crate::constraint::{Constraints, RowChecks};
use crate::database::Database;
use crate::names::{self, key_of, schema_key, shown};
use crate::parse::ast::{ObjectKind, Statement};
use crate::{Error, Result};
use declaration::Altered;

/// What an index keeps while it is made again.
struct KeptOfIndex {
    search_path: Vec<String>,
    comments: Comments,
}

/// A name in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What the catalog calls an object, in quotes.
pub(crate) fn quoted_key(key: &str) -> String {
    let (schema, name) = names::split(key);
    format!("{}.{}", quoted(schema), quoted(name))
}

/// The CREATE TABLE that a text is.
pub(crate) fn create_table(text: &str) -> Result<Box<CreateTable>> {
    match crate::parse::parse(text)?.pop().map(|parsed| parsed.statement) {
        Some(Statement::CreateTable(table)) => Ok(table),
        _ => Err(Error::new(b"XX000", "the catalog holds no statement that makes the table")),
    }
}

impl Database {
    /// ALTER TABLE.
    pub(crate) fn alter_table(&mut self, alter: &AlterTable, session: &Arc<Session>) -> Result<String> {
        let tag = || Ok("ALTER TABLE".to_owned());
        let key = self.resolved(&key_of(&alter.name)?, session)?;
        if alter.if_exists && !self.exists(&key) {
            return tag();
        }
        self.intact(&key)?;
        let (old, constraints, columns) = self.altered(&key)?;
        let within = Session { search_path: old.search_path.clone(), ..(**session).clone() };
        let mut table = create_table(&old.definition)?;
        declaration::name_constraints(&mut table, &constraints);
        let name = names::split(&key).1;
        let mut altered = Altered::new(*table, name, &columns);
        let (mut new_name, mut made) = (None, Vec::new());
        for operation in &alter.operations {
            self.not_of_identity(&key, operation)?;
            match operation {
                AlterTableOperation::AddColumn { if_not_exists, column_def, .. }
                    if crate::table::numbered(column_def)?.is_some() =>
                {
                    let has_it = altered.has_column(&column_def.name);
                    if !(*if_not_exists && has_it) {
                        let added = self.add_numbered(&key, column_def, &mut altered);
                        made.push(added.inspect_err(|_| drop(self.forget(&made)))?);
                    }
                }
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::To(to) | RenameTableNameKind::As(to),
                } => new_name = Some(key_of(to)?),
                operation => {
                    let applied = altered.apply(operation);
                    applied.inspect_err(|_| drop(self.forget(&made)))?;
                }
            }
        }
        self.search_path.clone_from(&old.search_path);
        match new_name {
            Some(_) if alter.operations.len() > 1 => {
                return Err(Error::new(b"0A000", "ALTER TABLE with RENAME TO and others at once is not supported"));
            }
            Some(to) => self.rename_table(&key, &to, altered)?,
            None => {
                let (now, numbered) = (altered.names_now(&columns), !made.is_empty());
                let done = self.redeclare(&key, altered, &constraints, &Arc::new(within));
                let rows = done.inspect_err(|_| drop(self.forget(&made)))?;
                if numbered {
                    self.go_on_behind(&made, rows)?;
                }
                self.columns_are_called(&key, &now);
                self.rename_constraint_comments(&key, alter);
            }
        }
        tag()
    }

    /// Bytes that the rows of a table take, about; 0 if there is none.
    pub fn room_of(&self, name: &ObjectName, session: &Session) -> usize {
        let key = key_of(name).and_then(|name| self.resolved(&name, session));
        let node = key.ok().and_then(|key| self.objects.get(&key)?.node());
        node.map_or(0, |node| self.circuit.size(node).1)
    }

    /// Whether a table has a constraint of this name.
    pub(crate) fn has_constraint(&self, table: &ObjectName, name: &str, session: &Session) -> Result<bool> {
        let (_, constraints, _) = self.altered(&self.resolved(&key_of(table)?, session)?)?;
        Ok(constraints.uniques.iter().any(|unique| unique.name == name))
    }

    /// DROP INDEX of what is a unique constraint; false if it is none.
    pub(crate) fn drop_unique_index(&mut self, key: &str, session: &Arc<Session>) -> Result<bool> {
        let (schema, name) = names::split(key);
        let has_it = |(table, object): &(&String, &Object)| match &object.body {
            Body::Table { constraints, .. } => {
                let named = constraints.uniques.iter().any(|unique| unique.name == name && !unique.primary);
                named && names::split(table).0 == schema
            }
            _ => false,
        };
        let Some(table) = self.objects.iter().find(has_it).map(|(table, _)| table.clone()) else { return Ok(false) };
        if self.exists(key) {
            return Ok(false);
        }
        let text = format!("ALTER TABLE {} DROP CONSTRAINT {}", quoted_key(&table), quoted(name));
        match crate::parse::parse(&text)?.pop().map(|parsed| parsed.statement) {
            Some(Statement::AlterTable(alter)) => self.alter_table(&alter, session).map(|_| true),
            _ => Err(Error::new(b"XX000", "ALTER TABLE is no statement")),
        }
    }

    /// The table, its constraints and columns.
    fn altered(&self, key: &str) -> Result<(Object, Arc<Constraints>, Vec<tidewater_types::Column>)> {
        let object = self
            .objects
            .get(key)
            .ok_or_else(|| Error::new(b"42P01", format!("relation \"{}\" does not exist", shown(key))))?;
        match (&object.body, &object.relation) {
            (Body::Table { constraints, .. }, Some(relation)) => {
                Ok((object.clone(), constraints.clone(), relation.columns.clone()))
            }
            _ => Err(Error::new(b"42809", format!("\"{}\" is not a table", shown(key)))),
        }
    }

    /// Fails where something but an index is made from an object.
    fn nothing_depends(&self, key: &str) -> Result<()> {
        let is_index = |name: &String| {
            let kind = self.objects.get(name).map(Object::kind);
            matches!(kind, Some(ObjectKind::Index | ObjectKind::Sequence))
        };
        match self.readers(key).into_iter().find(|reader| !is_index(reader)) {
            None => Ok(()),
            Some(reader) => {
                let kind = |key: &str| self.objects.get(key).map_or("", |object| object.kind().words()).to_lowercase();
                let (name, reader_name) = (shown(key), shown(&reader));
                let message = format!("cannot alter {} {name} because other objects depend on it", kind(key));
                let detail = format!("{} {reader_name} depends on {} {name}", kind(&reader), kind(key));
                Err(Error::new(b"2BP01", message)
                    .detail(detail)
                    .hint("drop what depends on it, and make it again then"))
            }
        }
    }

    /// Gives how many rows were written anew.
    fn redeclare(
        &mut self,
        key: &str,
        altered: Altered,
        before: &Constraints,
        session: &Arc<Session>,
    ) -> Result<usize> {
        let text = altered.text(&quoted_key(key));
        let table = create_table(&text)?;
        let (schema, constraints) = self.declared_table(&table, key, &text, session)?;
        let (_, _, columns) = self.altered(key)?;
        let primary = |of: &Constraints| of.uniques.iter().find(|unique| unique.primary).map(|u| u.columns.clone());
        if altered.keeps_rows() && schema.columns[..] == columns[..] && primary(before) == primary(&constraints) {
            return self.put_constraints(key, &text, constraints, session).map(|()| 0);
        }
        self.nothing_depends(key)?;
        self.take_place(key, &text, &altered, session)
    }

    /// Other constraints and defaults of the same rows.
    fn put_constraints(
        &mut self,
        key: &str,
        text: &str,
        mut constraints: Constraints,
        session: &Arc<Session>,
    ) -> Result<()> {
        let object = self.objects.get(key).ok_or_else(|| unknown(key))?;
        let (Some(node), Some(relation)) = (object.node(), &object.relation) else { return Err(unknown(key)) };
        let columns: Arc<[_]> = relation.columns.clone().into();
        let name = &relation.name;
        let checks = RowChecks::new(name, &columns, &constraints, &self.informed(session))?;
        let snapshot = self.circuit.snapshot(node);
        for (row, weight) in snapshot.rows() {
            checks.check(&row.into()).map_err(|error| declaration::of_rows(error, name))?;
            for unique in &constraints.uniques {
                for _ in 0..weight {
                    unique.add(row, &columns).map_err(|error| declaration::of_rows(error, name))?;
                }
            }
        }
        self.changed();
        constraints.made = self.generation;
        if let Some(object) = self.objects.get_mut(key) {
            object.definition = text.to_owned();
            object.body = Body::Table { node, constraints: Arc::new(constraints) };
        }
        Ok(())
    }

    /// A table of another declaration in the place of one that nothing but indexes depends on.
    fn take_place(&mut self, key: &str, text: &str, altered: &Altered, session: &Arc<Session>) -> Result<usize> {
        let indexes = self.indexes_of(key);
        let (schema, name) = names::split(key);
        let aside = names::key(schema, &format!("{name} (before it was altered)"));
        self.free(&aside)?;
        self.move_object(key, &aside);
        let rows = match self.filled(key, &aside, text, altered, session) {
            Ok(rows) => rows,
            Err(error) => {
                self.forget(&[key.to_owned()]);
                self.move_object(&aside, key);
                return Err(declaration::of_rows(error, name));
            }
        };
        let comments = self.objects.get(&aside).map(|aside| aside.comments.clone()).unwrap_or_default();
        if let Some(object) = self.objects.get_mut(key) {
            object.comments = comments;
        }
        let mut gone: Vec<String> = indexes.iter().map(|(name, ..)| name.clone()).collect();
        gone.push(aside);
        self.forget(&gone);
        for (index, kept, columns) in indexes {
            let Some(columns) = altered.columns_now(&columns) else { continue };
            self.index_again(&index, key, &columns, kept);
        }
        Ok(rows)
    }

    /// Makes the table and its rows; gives how many there are.
    fn filled(
        &mut self,
        key: &str,
        aside: &str,
        text: &str,
        altered: &Altered,
        session: &Arc<Session>,
    ) -> Result<usize> {
        let table = create_table(text)?;
        self.create_table_statement(&table, text, text, session)?;
        let insert = altered.insert(&quoted_key(key), &quoted_key(aside));
        let parsed = crate::parse::parse(&insert)?.pop().ok_or_else(|| Error::new(b"XX000", "no statement"))?;
        let prepared = self.prepare(&Arc::new(parsed), &[], session)?;
        let evaluated = self.change(&prepared, &[], session)?.evaluate(&Limits::default())?;
        let rows = evaluated.changes.rows().count();
        self.apply_changes(Changes::net(vec![evaluated.changes]))?;
        Ok(rows)
    }

    /// The indexes of an object: name, what is kept of each, and its columns.
    fn indexes_of(&self, key: &str) -> Vec<(String, KeptOfIndex, Vec<usize>)> {
        let index = |(name, object): (&String, &Object)| match &object.body {
            Body::Index { on, columns, .. } if on == key => {
                let kept = KeptOfIndex { search_path: object.search_path.clone(), comments: object.comments.clone() };
                Some((name.clone(), kept, columns.clone()))
            }
            _ => None,
        };
        self.objects.iter().filter_map(index).collect()
    }

    fn index_again(&mut self, name: &str, on: &str, columns: &[usize], kept: KeptOfIndex) {
        let Some(object) = self.objects.get(on) else { return };
        let (Some(node), Some(relation)) = (object.node(), object.relation.clone()) else { return };
        let listed: Vec<String> = columns.iter().map(|&at| quoted(&relation.columns[at].name)).collect();
        let index_name = quoted(names::split(name).1);
        let text = format!("CREATE INDEX {index_name} ON {} ({})", quoted_key(on), listed.join(", "));
        let index = self.circuit.add_index(node, columns);
        self.search_path = kept.search_path;
        self.define(name, &text, Body::Index { on: on.to_owned(), index, columns: columns.to_vec() }, None);
        if let Some(object) = self.objects.get_mut(name) {
            object.comments = kept.comments;
        }
    }

    /// Calls an object otherwise.
    fn move_object(&mut self, from: &str, to: &str) {
        let Some(mut object) = self.objects.remove(from) else { return };
        let (schema, name) = names::split(to);
        object.relation = object.relation.map(|relation| {
            Arc::new(Relation {
                id: relation.id,
                schema: schema.to_owned(),
                name: name.to_owned(),
                columns: relation.columns.clone(),
                keys: relation.keys.clone(),
                has_primary_key: relation.has_primary_key,
            })
        });
        if let Some(node) = self.nodes.remove(from) {
            self.nodes.insert(to.to_owned(), node);
        }
        self.objects.insert(to.to_owned(), object);
        self.changed();
    }

    fn rename_table(&mut self, key: &str, to: &str, altered: Altered) -> Result<()> {
        let to = self.beside(key, to)?;
        self.nothing_depends(key)?;
        let indexes = self.indexes_of(key);
        self.forget(&indexes.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>());
        self.move_object(key, &to);
        if let Some(object) = self.objects.get_mut(&to) {
            object.definition = altered.text(&quoted_key(&to));
        }
        for object in self.objects.values_mut() {
            if let Body::Sequence { owner: Some(owner), .. } = &mut object.body
                && owner.table == key
            {
                to.clone_into(&mut owner.table);
                let of = format!(" OWNED BY {}.{}", quoted_key(&to), quoted(&owner.column));
                let end = object.definition.rfind(" OWNED BY ").unwrap_or(object.definition.len());
                object.definition.replace_range(end.., &of);
            }
        }
        for (index, kept, columns) in indexes {
            self.index_again(&index, &to, &columns, kept);
        }
        Ok(())
    }

    /// The key of a free name in an object's schema.
    fn beside(&self, key: &str, to: &str) -> Result<String> {
        let to = names::key(names::split(key).0, names::split(to).1);
        if self.exists(&to) {
            return Err(Error::new(b"42P07", format!("relation \"{}\" already exists", names::split(&to).1)));
        }
        Ok(to)
    }

    /// `ALTER VIEW | INDEX | SCHEMA name RENAME TO name`.
    pub(crate) fn alter_rename(
        &mut self,
        kind: ObjectKind,
        if_exists: bool,
        name: &str,
        to: &str,
        session: &Arc<Session>,
    ) -> Result<String> {
        let tag = format!("ALTER {}", kind.words());
        let is_schema = kind == ObjectKind::Schema;
        let key = if is_schema { schema_key(name) } else { self.resolved(name, session)? };
        let Some(object) = self.objects.get(&key) else {
            return match (if_exists, is_schema) {
                (true, _) => Ok(tag),
                (_, true) => Err(Error::new(b"3F000", format!("schema \"{name}\" does not exist"))),
                _ => Err(Error::new(b"42P01", format!("relation \"{name}\" does not exist"))),
            };
        };
        if object.kind() != kind {
            let message = format!("\"{name}\" is not a {}", kind.words().to_lowercase());
            return Err(Error::new(b"42809", message));
        }
        let definition = crate::parse::renamed(&object.definition, &quoted(names::split(to).1))?;
        let search_path = object.search_path.clone();
        let new = if is_schema { schema_key(to) } else { self.beside(&key, to)? };
        if self.exists(&new) || (is_schema && tidewater_catalog::has_schema(to)) {
            return Err(Error::new(b"42P06", format!("schema \"{to}\" already exists")));
        }
        match self.readers(&key).first() {
            Some(reader) if is_schema => {
                let message = format!("cannot rename schema {name} because \"{}\" is in it", shown(reader));
                return Err(Error::new(b"2BP01", message));
            }
            _ => self.nothing_depends(&key)?,
        }
        let indexes = self.indexes_of(&key);
        self.forget(&indexes.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>());
        self.move_object(&key, &new);
        if let Some(object) = self.objects.get_mut(&new) {
            // A name without a schema is found where it was.
            object.definition = definition;
            object.search_path = search_path;
        }
        for (index, kept, columns) in indexes {
            self.index_again(&index, &new, &columns, kept);
        }
        Ok(tag)
    }
}
