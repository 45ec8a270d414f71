//! Temporary objects: a session's own, in a schema of its own (`pg_temp_7`) that is looked at first. They are written nowhere and go with
//! the session.

use sqlparser::ast::OnCommit;
use tidewater_functions::{Session, is_temp_schema};

use crate::catalog::Body;
use crate::database::Database;
use crate::names::{self, schema_key};
use crate::{Error, Result};

/// What the schema of a session's own objects is called in its statements.
const OWN: &str = "pg_temp";

/// The key that a name with a schema of temporary objects means; `None` for other names.
///
/// # Errors
/// 0A000 for another session's.
pub(crate) fn written_key(written: &str, session: &Session) -> Result<Option<String>> {
    let (schema, name) = names::split(written);
    if schema == OWN {
        return Ok(Some(names::key(&session.temp_schema, name)));
    }
    if session.is_other_temp(schema) {
        return Err(Error::new(b"0A000", "cannot access temporary tables of other sessions"));
    }
    Ok(None)
}

/// Where the statement that makes an object looks for names: of what stays, not among what goes.
pub(crate) fn path_of(key: &str, path: &[String]) -> Vec<String> {
    let own = names::is_temp(key).then(|| names::split(key).0.to_owned());
    own.into_iter().chain(path.iter().filter(|schema| !is_temp_schema(schema)).cloned()).collect()
}

/// The schema of temporary objects in a search path; empty if there is none.
pub(crate) fn schema_of(path: &[String]) -> String {
    path.iter().find(|schema| is_temp_schema(schema)).cloned().unwrap_or_default()
}

impl Database {
    /// The key of a temporary object that is to be made; its schema is there then.
    ///
    /// # Errors
    /// 42P16 if its name says another schema, 0A000 where nothing temporary can be.
    pub(crate) fn new_temp_key(&mut self, written: &str, session: &Session) -> Result<String> {
        let own = &session.temp_schema;
        if own.is_empty() {
            let message = "temporary objects are not supported outside of PostgreSQL's protocol";
            return Err(Error::new(b"0A000", message));
        }
        let name = match written.contains('.') {
            true => match names::split(written) {
                (schema, name) if schema == OWN || schema == own => name,
                _ => {
                    let message = "cannot create temporary relation in non-temporary schema";
                    return Err(Error::new(b"42P16", message));
                }
            },
            false => written,
        };
        let schema = schema_key(own);
        if !self.exists(&schema) {
            self.define(&schema, "", Body::Schema, None);
        }
        Ok(names::key(own, name))
    }

    /// The key of a relation that is to be made, temporary or not.
    pub(crate) fn new_relation_key(&mut self, written: &str, temporary: bool, session: &Session) -> Result<String> {
        let temporary = temporary || names::split(written).0 == OWN;
        if temporary { self.new_temp_key(written, session) } else { self.new_key(written, session) }
    }

    /// Drops all temporary objects of a session.
    pub(crate) fn drop_temp(&mut self, schema: &str) {
        let of_it = |key: &&String| names::split(key).0 == schema;
        let gone: Vec<String> = self.objects.keys().filter(of_it).cloned().collect();
        if is_temp_schema(schema) && !gone.is_empty() {
            self.forget(&gone);
        }
    }

    /// What the end of a transaction does to temporary tables of a session: in quotes, and whether they go.
    pub fn ends_with_transaction(&self, schema: &str) -> Vec<(String, bool)> {
        let of_it = |(key, object): (&String, &crate::catalog::Object)| {
            let goes = match object.on_commit? {
                OnCommit::Drop => true,
                OnCommit::DeleteRows => false,
                OnCommit::PreserveRows => return None,
            };
            (names::split(key).0 == schema).then(|| (crate::alter::quoted_key(key), goes))
        };
        if is_temp_schema(schema) { self.objects.iter().filter_map(of_it).collect() } else { Vec::new() }
    }

    /// Whether a session has temporary objects.
    pub fn has_temp(&self, schema: &str) -> bool {
        !schema.is_empty() && self.objects.contains_key(&schema_key(schema))
    }
}
