//! Definitions are never lost: an object whose statement cannot be done stays in the catalog under its name, with its
//! statement and the reason, until it can be done or is dropped.
//!
//! A catalog is restored by putting all its definitions in as broken and then mending them one after another, so their order
//! stays and no name is free meanwhile. Making an object anew takes those that read it through the same way.

use std::sync::Arc;

use tidewater_delta::{TableId, Weight};
use tidewater_functions::Session;
use tidewater_types::TableSchema;

use crate::catalog::{Body, Object};
use crate::comment::Comments;
use crate::database::Database;
use crate::names::{is_temp, key_of};
use crate::parse::ast::{
    Broker, Connection, CreateSource, Envelope, Format, ObjectKind, OptionValue, Parsed, Registry, Statement,
};
use crate::sequence::Mark;
use crate::{Error, Result, temp};

/// Why an object is broken, and what it would be.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) kind: ObjectKind,
    /// What it reads, as far as its statement says.
    pub(crate) reads: Vec<String>,
    pub(crate) error: Error,
    /// A source's columns, where they are known.
    pub(crate) table: Option<TableSchema>,
    /// Where a sequence goes on.
    pub(crate) mark: Option<Mark>,
}

/// What the catalog must keep of an object to make it again.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The object's number in the catalogs, which stays over restarts; `None` for the next one.
    pub oid: Option<u32>,
    /// The statement.
    pub text: String,
    /// Where names without a schema are looked for in it.
    pub search_path: Vec<String>,
    /// The columns of a source, as they were when it was made.
    pub table: Option<TableSchema>,
    /// Where a sequence goes on.
    pub mark: Option<Mark>,
    /// What COMMENT ON said of it.
    pub comments: Comments,
}

/// An object whose statement cannot be done at the moment.
#[derive(Debug, Clone)]
pub struct BrokenObject {
    /// Its name.
    pub name: String,
    /// What it would be.
    pub kind: ObjectKind,
    /// Its statement.
    pub definition: Definition,
    /// Why it cannot be done.
    pub error: Error,
}

/// What came of making an object anew.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Sources that are gone: whoever feeds them stops.
    pub gone: Vec<TableId>,
    /// Readers of the object that could not be made again, and why.
    pub broken: Vec<(String, Error)>,
}

impl Database {
    /// All definitions, in the order in which the objects were made.
    pub fn definitions(&self) -> Vec<Definition> {
        // What is a session's own goes with it.
        let kept = self.user_objects().filter(|(name, _)| !is_temp(name));
        let mut objects: Vec<_> = kept.map(|(_, object)| object).collect();
        objects.sort_by_key(|object| object.oid);
        let definition = |object: &Object| {
            let table = match &object.body {
                Body::Source { schema, .. } => Some(schema.clone()),
                Body::Broken(broken) => broken.table.clone(),
                _ => None,
            };
            let mark = match &object.body {
                Body::Sequence { sequence, .. } => Some(sequence.kept()),
                Body::Broken(broken) => broken.mark,
                _ => None,
            };
            let (text, search_path) = (object.definition.clone(), object.search_path.clone());
            let comments = object.comments.clone();
            Definition { oid: Some(object.oid), text, search_path, table, mark, comments }
        };
        objects.into_iter().map(definition).collect()
    }

    /// The definition of an object.
    pub fn definition(&self, name: &str) -> Option<(ObjectKind, &str)> {
        self.objects.get(name).map(|object| (object.kind(), object.definition.as_str()))
    }

    /// Where names without a schema are looked for in an object's definition.
    pub fn search_path_of(&self, name: &str) -> Vec<String> {
        self.objects.get(name).map(|object| object.search_path.clone()).unwrap_or_default()
    }

    /// The columns of a source, with all that is known of them.
    pub fn source_table(&self, name: &str) -> Option<(TableId, &TableSchema)> {
        match &self.objects.get(name)?.body {
            Body::Source { table, schema, .. } => Some((*table, schema)),
            _ => None,
        }
    }

    /// What is broken, in the order in which it was made.
    pub fn broken(&self) -> Vec<BrokenObject> {
        let mut found: Vec<_> =
            self.user_objects().filter(|(_, object)| matches!(object.body, Body::Broken(_))).collect();
        found.sort_by_key(|(_, object)| object.oid);
        let show = |(name, object): (&String, &Object)| {
            let Body::Broken(broken) = &object.body else { return None };
            let (text, search_path) = (object.definition.clone(), object.search_path.clone());
            let (table, mark) = (broken.table.clone(), broken.mark);
            let comments = object.comments.clone();
            let definition = Definition { oid: Some(object.oid), text, search_path, table, mark, comments };
            Some(BrokenObject { name: name.clone(), kind: broken.kind, definition, error: broken.error.clone() })
        };
        found.into_iter().filter_map(show).collect()
    }

    /// Keeps a definition whose statement is not done, for this reason. Gives its name.
    pub fn add_broken(&mut self, definition: Definition, error: Error) -> String {
        let parsed = crate::parse::parse(&definition.text).ok().and_then(|mut all| all.pop());
        let (mut name, kind, reads) = match &parsed {
            Some(parsed) => self.described(&parsed.statement),
            None => (format!("statement {} of the catalog", self.objects.len()), ObjectKind::View, Vec::new()),
        };
        while self.exists(&name) {
            name.push_str(" (again)");
        }
        let broken = Broken { kind, reads, error, table: definition.table, mark: definition.mark };
        self.search_path = definition.search_path;
        let next = self.next_oid;
        self.next_oid = definition.oid.unwrap_or(next);
        self.define(&name, &definition.text, Body::Broken(broken), None);
        if let Some(object) = self.objects.get_mut(&name) {
            object.comments = definition.comments;
        }
        self.next_oid = self.next_oid.max(next);
        name
    }

    /// Does the statement of a broken object by `make`; it keeps its place among the definitions.
    ///
    /// # Errors
    /// That of `make`, which is the reason from now on; 42704 if no such object is broken.
    pub fn mend<T>(&mut self, name: &str, make: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        let is_broken = |object: &&Object| matches!(object.body, Body::Broken(_));
        let Some(mut object) = self.objects.get(name).filter(is_broken).cloned() else {
            return Err(Error::new(b"42704", format!("\"{name}\" is not broken")));
        };
        self.objects.remove(name);
        self.search_path.clone_from(&object.search_path);
        let next = self.next_oid;
        match make(self) {
            Ok(made) => {
                let new = self.objects.values_mut().find(|object| object.oid == next);
                if let Some(new) = new {
                    new.oid = object.oid;
                    new.comments = object.comments;
                    if let (Body::Sequence { sequence, .. }, Body::Broken(Broken { mark: Some(mark), .. })) =
                        (&new.body, &object.body)
                    {
                        sequence.set(*mark);
                    }
                }
                Ok(made)
            }
            Err(error) => {
                if let Body::Broken(broken) = &mut object.body {
                    broken.error = error.clone();
                }
                self.objects.insert(name.to_owned(), object);
                // What was made before it failed is nobody's.
                self.nodes.remove(name);
                self.changed();
                Err(error)
            }
        }
    }

    /// Does the statement of a broken object that needs nothing from outside.
    ///
    /// # Errors
    /// As [`Database::mend`].
    pub fn mend_by_statement(&mut self, name: &str) -> Result<()> {
        self.mend_with_rows(name, Vec::new())
    }

    /// The same for a table that has rows: it has them or stays broken.
    ///
    /// # Errors
    /// As [`Database::mend`].
    pub fn mend_with_rows(&mut self, name: &str, rows: Vec<(Box<[u8]>, Weight)>) -> Result<()> {
        let object = self.objects.get(name);
        let text = object.map(|object| object.definition.clone()).unwrap_or_default();
        let mut session = Session::default();
        if let Some(object) = object {
            session.search_path.clone_from(&object.search_path);
            session.temp_schema = temp::schema_of(&object.search_path);
        }
        let session = Arc::new(session);
        let parsed = crate::parse::parse(&text)
            .and_then(|mut all| all.pop().ok_or_else(|| Error::new(b"42601", "the catalog holds no statement for it")));
        self.mend(name, |database| {
            database.execute_statement(&Arc::new(parsed?), &[], &session)?;
            if rows.is_empty() { Ok(()) } else { database.load_rows(name, rows) }
        })
    }

    /// Makes an object anew under its name by `make`, and all that reads it. What reads it and cannot be made again is broken.
    ///
    /// # Errors
    /// That of `make`; all is as before then, except for a source, which whoever asks must be able to make.
    pub(crate) fn replace<T>(
        &mut self,
        name: &str,
        make: impl FnOnce(&mut Database) -> Result<T>,
    ) -> Result<(T, Replaced)> {
        let mut names = self.all_readers(name);
        names.sort_by_key(|name| self.objects.get(name).map(|object| object.oid));
        let old = self.objects.get(name).map(definition_of);
        let comments = self.objects.get(name).map(|object| object.comments.clone());
        let definitions: Vec<_> = names.iter().filter_map(|name| self.objects.get(name)).map(definition_of).collect();
        let gone = self.forget(&[&names[..], &[name.to_owned()]].concat());
        let made = make(self);
        if let (Err(_), Some(old)) = (&made, old) {
            definitions_again(self, vec![old]);
        }
        if made.is_ok()
            && let (Some(new), Some(comments)) = (self.objects.get_mut(name), comments)
        {
            new.comments = comments;
        }
        let broken = definitions_again(self, definitions);
        made.map(|made| (made, Replaced { gone, broken }))
    }

    /// Makes a source anew with these columns; its rows come from the beginning.
    ///
    /// # Errors
    /// 42P01 if there is no source of this name.
    pub fn replace_source(
        &mut self,
        name: &str,
        schema: &TableSchema,
        definition: &str,
    ) -> Result<(TableId, Replaced)> {
        match self.objects.get(name) {
            Some(object) if object.kind() == ObjectKind::Source => {
                self.search_path.clone_from(&object.search_path);
                self.replace(name, |database| database.create_source(name, schema, definition))
            }
            _ => Err(Error::new(b"42P01", format!("source \"{name}\" does not exist"))),
        }
    }

    /// Forgets a source that could not be begun.
    pub fn drop_source(&mut self, name: &str) {
        self.forget(&[name.to_owned()]);
    }

    /// All that reads an object, directly or not, and its indexes.
    fn all_readers(&self, name: &str) -> Vec<String> {
        let mut found = self.readers_of_rows(name);
        let mut next = 0;
        while next < found.len() {
            let more = self.readers_of_rows(&found[next]);
            found.extend(more.into_iter().filter(|reader| !found.contains(reader)).collect::<Vec<_>>());
            next += 1;
        }
        found
    }

    /// Fails if an object is broken.
    ///
    /// # Errors
    /// 55000: the statement is right, its object is not ready.
    pub(crate) fn intact(&self, name: &str) -> Result<()> {
        let Some(Object { body: Body::Broken(broken), .. }) = self.objects.get(name) else { return Ok(()) };
        let kind = broken.kind.words();
        let message = format!("{} \"{name}\" is broken: {}", kind.to_lowercase(), broken.error.message);
        let again = || format!("it is tried again by itself; DROP {kind} \"{name}\" gives it up");
        Err(Error::new(b"55000", message).hint(broken.error.hint.clone().unwrap_or_else(again)))
    }

    /// Name, kind and what is read, of the object that a statement makes.
    fn described(&self, statement: &Statement) -> (String, ObjectKind, Vec<String>) {
        match statement {
            Statement::CreateSecret { name, .. } => (name.clone(), ObjectKind::Secret, Vec::new()),
            Statement::CreateConnection { name, .. } => (name.clone(), ObjectKind::Connection, Vec::new()),
            Statement::CreateSource(source) => (source.name.clone(), ObjectKind::Source, Vec::new()),
            Statement::CreateSink(sink) => (sink.name.clone(), ObjectKind::Sink, vec![sink.from.clone()]),
            Statement::CreateTable(table) => (key_of(&table.name).unwrap_or_default(), ObjectKind::Table, Vec::new()),
            Statement::CreateSequence(create) => {
                (key_of(&create.name).unwrap_or_default(), ObjectKind::Sequence, Vec::new())
            }
            Statement::CreateView(view) => {
                let kind = if view.materialized { ObjectKind::MaterializedView } else { ObjectKind::View };
                (view.name.clone(), kind, named_in(&view.query))
            }
            Statement::CreateIndex { name, on, key, .. } => {
                let part = |expr: &sqlparser::ast::Expr| expr.to_string().replace('"', "");
                let suffix = match key {
                    Some(key) => key.iter().map(part).collect::<Vec<_>>().join("_"),
                    None => "primary".into(),
                };
                let default = || format!("{on}_{suffix}_idx");
                (name.clone().unwrap_or_else(default), ObjectKind::Index, vec![on.clone()])
            }
            _ => (format!("statement {} of the catalog", self.objects.len()), ObjectKind::View, Vec::new()),
        }
    }
}

/// What makes an object again that needs nothing from outside.
fn definition_of(object: &Object) -> Definition {
    Definition {
        oid: None,
        text: object.definition.clone(),
        search_path: object.search_path.clone(),
        table: None,
        mark: None,
        comments: object.comments.clone(),
    }
}

/// Makes objects by their statements; gives those that are broken now.
fn definitions_again(database: &mut Database, definitions: Vec<Definition>) -> Vec<(String, Error)> {
    let later = || Error::new(b"55000", "it is being made again");
    let names: Vec<_> = definitions.into_iter().map(|definition| database.add_broken(definition, later())).collect();
    let again = |name: String| database.mend_by_statement(&name).err().map(|error| (name, error));
    names.into_iter().filter_map(again).collect()
}

/// The connections, secrets and sources without which a statement cannot be done.
pub(crate) fn uses(parsed: &Parsed) -> Vec<String> {
    match &parsed.statement {
        Statement::CreateConnection { connection, .. } => match connection {
            Connection::Kafka { options, .. } | Connection::SchemaRegistry { options, .. } => secrets(options),
        },
        Statement::CreateSource(source) => {
            let CreateSource { broker, options, key_format, format, envelope, .. } = source.as_ref();
            let mut found = outside(broker, options, [Some(format), key_format.as_ref()]);
            if let Envelope::Debezium { transaction_source: Some(name), .. } = envelope {
                found.push(name.clone());
            }
            found
        }
        Statement::CreateSink(sink) => {
            outside(&sink.broker, &sink.options, [Some(&sink.format), sink.key_format.as_ref()])
        }
        _ => Vec::new(),
    }
}

/// The connections and secrets by which Kafka and the registry are reached.
fn outside(broker: &Broker, options: &[(String, OptionValue)], formats: [Option<&Format>; 2]) -> Vec<String> {
    let mut found = secrets(options);
    if let Broker::Connection(name) = broker {
        found.push(name.clone());
    }
    for format in formats.into_iter().flatten() {
        match format {
            Format::Avro(Registry::Connection(name)) => found.push(name.clone()),
            Format::Avro(Registry::Inline { options, .. }) => found.extend(secrets(options)),
            Format::Json | Format::Text | Format::Bytes => {}
        }
    }
    found
}

fn secrets(options: &[(String, OptionValue)]) -> Vec<String> {
    let secret = |(_, value): &(String, OptionValue)| match value {
        OptionValue::Secret(name) => Some(name.clone()),
        _ => None,
    };
    options.iter().filter_map(secret).collect()
}

/// The relations that a query names, whether they exist or not.
fn named_in(query: &sqlparser::ast::Query) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    let _ = sqlparser::ast::visit_relations(query, |name| {
        names.extend(key_of(name));
        std::ops::ControlFlow::<()>::Continue(())
    });
    names.into_iter().collect()
}
