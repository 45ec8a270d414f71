//! A definition as bytes: JSON, which a later version can read.
//!
//! A source's columns are kept with its statement: what the registry or the topic tells at the next start may be another
//! schema than that of the rows that views were made for.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tidewater_sql::{Definition, Mark, On};
use tidewater_types::TableSchema;

use super::table::KeptTable;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    statement: String,
    /// Where names without a schema are looked for in it.
    search_path: Vec<String>,
    /// A source's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<KeptTable>,
    /// Where a sequence goes on, and whether that number was given away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<(i64, bool)>,
    /// Comments: what of the object they are on, its name, the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    comments: Vec<(KeptOn, String, String)>,
}

/// What of an object a comment is on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeptOn {
    Itself,
    Column,
    Constraint,
}

fn kept((on, text): (&On, &String)) -> (KeptOn, String, String) {
    match on {
        On::Itself => (KeptOn::Itself, String::new(), text.clone()),
        On::Column(name) => (KeptOn::Column, name.clone(), text.clone()),
        On::Constraint(name) => (KeptOn::Constraint, name.clone(), text.clone()),
    }
}

fn comment((on, name, text): (KeptOn, String, String)) -> (On, String) {
    match on {
        KeptOn::Itself => (On::Itself, text),
        KeptOn::Column => (On::Column(name), text),
        KeptOn::Constraint => (On::Constraint(name), text),
    }
}

/// The bytes of a definition.
pub(super) fn bytes(definition: &Definition) -> Vec<u8> {
    let entry = Entry {
        statement: definition.text.clone(),
        search_path: definition.search_path.clone(),
        table: definition.table.as_ref().map(KeptTable::from),
        mark: definition.mark.map(|mark| (mark.value, mark.called)),
        comments: definition.comments.iter().map(kept).collect(),
    };
    serde_json::to_vec(&entry).expect("texts and maps of texts are JSON")
}

/// The definition of this number that bytes hold.
pub(super) fn definition(oid: Option<u32>, bytes: &[u8]) -> Result<Definition, String> {
    let entry: Entry = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    of(oid, entry)
}

fn of(oid: Option<u32>, entry: Entry) -> Result<Definition, String> {
    let table = entry.table.map(TableSchema::try_from).transpose()?;
    let mark = entry.mark.map(|(value, called)| Mark { value, called });
    let comments = entry.comments.into_iter().map(comment).collect();
    Ok(Definition { oid, text: entry.statement, search_path: entry.search_path, table, mark, comments })
}

/// The one version of `catalog.json` that can be taken over.
const VERSION: u64 = 2;

/// The whole of `catalog.json`, in which versions before the log kept definitions.
#[derive(Debug, Deserialize)]
struct Before {
    definitions: Vec<Entry>,
}

/// The definitions of a folder that a version before the log has left; none if there are none.
pub(super) fn before(path: &Path) -> io::Result<Vec<Definition>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let unread = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{} {what}", path.display()));
    let damaged = |error: String| unread(format!("is damaged: {error}"));
    let whole: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    // The first version did not say so.
    let version = whole.get("version").and_then(serde_json::Value::as_u64).unwrap_or(1);
    if version != VERSION {
        return Err(unread(format!(
            "is of version {version}, and this Tidewater reads version {VERSION}: move the file away, start again and execute its \
             statements, which stand in it as text"
        )));
    }
    let found: Before = serde_json::from_value(whole).map_err(|error| damaged(error.to_string()))?;
    found.definitions.into_iter().map(|entry| of(None, entry).map_err(damaged)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;

    #[test]
    fn definitions_come_back_as_they_were() {
        let source = Definition {
            oid: Some(16_390),
            text: "CREATE SOURCE s …".into(),
            search_path: vec!["a".into(), "b \"c\"".into()],
            table: Some(table()),
            mark: Some(Mark { value: -7, called: true }),
            comments: [
                (On::Itself, "a \"source\"".to_owned()),
                (On::Column("a".to_owned()), "ü".to_owned()),
                (On::Constraint("b".to_owned()), String::new()),
            ]
            .into(),
        };
        let view = Definition {
            oid: None,
            text: "CREATE VIEW".into(),
            search_path: Vec::new(),
            table: None,
            mark: None,
            comments: Default::default(),
        };
        for written in [source, view] {
            let found = definition(written.oid, &bytes(&written)).expect("the same");
            assert_eq!(format!("{found:?}"), format!("{written:?}"));
        }
        assert!(definition(None, b"{").is_err());
    }
}
