//! COMMENT ON: what people say of objects. It stands with the object's definition, and goes with the object.

use std::collections::BTreeMap;

use tidewater_catalog::On;
use tidewater_functions::Session;

use crate::catalog::{Body, Object};
use crate::database::Database;
use crate::names::{schema_key, shown, split};
use crate::parse::ast::{Comment, ObjectKind};
use crate::{Error, Result};

/// What is said of an object, its columns and its constraints.
pub type Comments = BTreeMap<On, String>;

impl Database {
    /// COMMENT ON.
    pub(crate) fn comment(&mut self, comment: &Comment, session: &Session) -> Result<String> {
        let Comment { kind, name, on, text } = comment;
        let key = if *kind == ObjectKind::Schema { schema_key(name) } else { self.resolved(name, session)? };
        let object = self.objects.get(&key).ok_or_else(|| missing(*kind, name))?;
        if crate::catalog::is_system(&key) {
            return Err(Error::new(b"42501", format!("permission denied: \"{key}\" is a system relation")));
        }
        let is_it = match on {
            On::Itself => object.kind() == *kind,
            On::Column(_) => object.relation.is_some() || matches!(object.body, Body::Broken(_)),
            On::Constraint(_) => object.kind() == ObjectKind::Table,
        };
        if !is_it {
            let what = if *on == On::Itself { kind.words().to_lowercase() } else { "table".to_owned() };
            return Err(Error::new(b"42809", format!("\"{}\" is not a {what}", split(&key).1)));
        }
        has(object, on, split(&key).1)?;
        if let Some(object) = self.objects.get_mut(&key) {
            match text {
                Some(text) if !text.is_empty() => drop(object.comments.insert(on.clone(), text.clone())),
                _ => drop(object.comments.remove(on)),
            }
        }
        self.told = std::sync::OnceLock::new();
        Ok("COMMENT".to_owned())
    }

    /// Bytes that are written with a comment: a table's definition is written with its rows.
    pub fn room_of_comment(&self, comment: &Comment, session: &Session) -> usize {
        let key = self.resolved(&comment.name, session);
        let node = key.ok().and_then(|key| match self.objects.get(&key)?.body {
            Body::Table { node, .. } => Some(node),
            _ => None,
        });
        node.map_or(0, |node| self.circuit.size(node).1)
    }
}

fn missing(kind: ObjectKind, name: &str) -> Error {
    match kind {
        ObjectKind::Schema => Error::new(b"3F000", format!("schema \"{}\" does not exist", shown(name))),
        _ => Error::new(b"42P01", format!("relation \"{name}\" does not exist")),
    }
}

/// Fails if the object has no such column or constraint.
fn has(object: &Object, on: &On, name: &str) -> Result<()> {
    match on {
        On::Itself => Ok(()),
        On::Column(column) => {
            let columns = object.relation.iter().flat_map(|relation| &relation.columns);
            match columns.into_iter().any(|known| known.name == *column) {
                true => Ok(()),
                false => {
                    let message = format!("column \"{column}\" of relation \"{name}\" does not exist");
                    Err(Error::new(b"42703", message))
                }
            }
        }
        On::Constraint(constraint) => {
            let known = match &object.body {
                Body::Table { constraints, .. } => {
                    let uniques = constraints.uniques.iter().map(|unique| &unique.name);
                    uniques.chain(constraints.checks.iter().map(|check| &check.name)).any(|name| name == constraint)
                }
                _ => false,
            };
            match known {
                true => Ok(()),
                false => {
                    let message = format!("constraint \"{constraint}\" for table \"{name}\" does not exist");
                    Err(Error::new(b"42704", message))
                }
            }
        }
    }
}
