//! The statements that made what exists, in one file, so that a restart makes it again.
//!
//! A source's columns are kept with its statement: what the registry or the topic tells at the next start may be another
//! schema than that of the rows that views were made for.
//!
//! The file is replaced as a whole: written beside, synced, renamed. So it always holds one whole catalog, whenever the
//! process ends. Secrets are in it, so only its owner may read it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sql::Definition;
use tidewater_types::{Column, ColumnType, TableSchema};

/// A definition in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    /// A statement that needs nothing beside it.
    Statement(String),
    Details(Details),
    /// As versions before types were PostgreSQL's wrote sources: their columns are asked for again.
    Former {
        statement: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    statement: String,
    /// Where names without a schema are looked for; absent where that is `public`.
    #[serde(default = "public", skip_serializing_if = "is_public")]
    search_path: Vec<String>,
    /// Of a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<ColumnEntry>>,
    /// Names of the columns that identify a row; absent where rows repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: String,
    /// As SQL writes it.
    #[serde(rename = "type")]
    ty: String,
    not_null: bool,
    /// What the decoder wants to remember.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, String>,
}

fn public() -> Vec<String> {
    vec!["public".to_owned()]
}

fn is_public(search_path: &[String]) -> bool {
    search_path == public()
}

fn entry(definition: &Definition) -> Entry {
    let Definition { text: statement, search_path, table } = definition;
    if table.is_none() && is_public(search_path) {
        return Entry::Statement(statement.clone());
    }
    let column = |column: &Column| ColumnEntry {
        name: column.name.clone(),
        ty: column.ty.name(),
        not_null: column.not_null,
        notes: column.notes.clone(),
    };
    let columns = table.as_ref().map(|table| table.columns.iter().map(column).collect());
    let key = table.as_ref().and_then(|table| {
        let name = |&at: &usize| table.columns[at].name.clone();
        table.key.as_ref().map(|key| key.iter().map(name).collect())
    });
    Entry::Details(Details { statement: statement.clone(), search_path: search_path.clone(), columns, key })
}

fn definition(entry: Entry) -> Result<Definition, String> {
    let Details { statement, search_path, columns, key } = match entry {
        Entry::Statement(text) => return Ok(Definition { text, search_path: public(), table: None }),
        Entry::Former { statement } => {
            tracing::warn!(statement, "the columns of a source are asked for again, for an earlier version wrote them");
            return Ok(Definition { text: statement, search_path: public(), table: None });
        }
        Entry::Details(details) => details,
    };
    let column = |entry: ColumnEntry| {
        let ty = ColumnType::parse(&entry.ty).map_err(|error| format!("{}: {error}", entry.name))?;
        Ok(Column { name: entry.name, ty, not_null: entry.not_null, notes: entry.notes })
    };
    let columns = columns.map(|all| all.into_iter().map(column).collect::<Result<Vec<_>, String>>()).transpose()?;
    let table = columns.map(|columns| {
        let at = |name: &String| {
            let at = columns.iter().position(|column| column.name == *name);
            at.ok_or_else(|| format!("the key names \"{name}\", which is no column"))
        };
        let key = key.map(|names| names.iter().map(at).collect::<Result<Vec<_>, _>>()).transpose()?;
        TableSchema::new(columns, key).map_err(|error| error.to_string())
    });
    Ok(Definition { text: statement, search_path, table: table.transpose()? })
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CatalogFile {
    folder: PathBuf,
    /// Locked for as long as this server runs: two of them would write over each other's statements.
    _lock: File,
}

impl CatalogFile {
    /// The file in `folder` and the definitions it holds; none if there is no file yet.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<Definition>)> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, "another tidewater uses it"),
            TryLockError::Error(error) => error,
        })?;
        let file = CatalogFile { folder: folder.to_owned(), _lock: lock };
        let damaged = |error: String| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {error}", file.path().display()))
        };
        let entries: Vec<Entry> = match fs::read(file.path()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let definitions = entries.into_iter().map(definition).collect::<Result<_, _>>().map_err(damaged)?;
        Ok((file, definitions))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("catalog.json")
    }

    /// Replaces the definitions.
    pub(crate) fn write(&self, definitions: &[Definition]) -> io::Result<()> {
        let beside = self.folder.join("catalog.json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let entries: Vec<_> = definitions.iter().map(entry).collect();
        file.write_all(&serde_json::to_vec_pretty(&entries)?)?;
        file.sync_all()?;
        fs::rename(&beside, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tidewater-catalog-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn source() -> Definition {
        let types = [
            "boolean",
            "smallint",
            "bigint",
            "uint8",
            "real",
            "numeric",
            "numeric(65,30)",
            "character varying(20)",
            "character(3)",
            "bytea",
            "date",
            "interval",
            "timestamp(3) without time zone",
            "timestamp with time zone",
            "json",
            "uuid",
            "text[]",
        ];
        let column = |(at, ty): (usize, &str)| Column {
            name: format!("column {at} \"ü\""),
            ty: ColumnType::parse(ty).expect("a type"),
            not_null: at % 2 == 0,
            notes: BTreeMap::new(),
        };
        let mut columns: Vec<_> = types.into_iter().enumerate().map(column).collect();
        columns[2].notes.insert("default".to_owned(), "\"5\"".to_owned());
        let table = TableSchema::new(columns, Some(vec![3, 1])).expect("a table");
        let search_path = vec!["My schema".to_owned(), "public".to_owned()];
        Definition { text: "CREATE SOURCE s …".into(), search_path, table: Some(table) }
    }

    #[test]
    fn columns_come_back_as_they_were() {
        let folder = folder("columns");
        let (file, none) = CatalogFile::open(&folder).expect("a folder");
        assert!(none.is_empty());
        let view = Definition { text: "CREATE VIEW v AS SELECT 1".into(), search_path: public(), table: None };
        file.write(&[source(), view]).expect("it is written");
        drop(file);
        let (_, found) = CatalogFile::open(&folder).expect("the same folder");
        let [found_source, found_view] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&found_source.table, &found_source.search_path), (&source().table, &source().search_path));
        assert_eq!((found_view.text.as_str(), found_view.table.is_none()), ("CREATE VIEW v AS SELECT 1", true));
    }

    /// Its columns had another system's types.
    #[test]
    fn a_source_that_an_earlier_version_wrote_is_asked_for_its_columns_again() {
        let folder = folder("former");
        fs::create_dir_all(&folder).expect("a folder");
        let former = r#"[{"statement": "CREATE SOURCE s …", "key": ["id"], "metadata": {"tidewater.schema": "7"},
            "columns": [{"name": "id", "type": "Int64", "nullable": false}]}]"#;
        fs::write(folder.join("catalog.json"), former).expect("a file");
        let (_, found) = CatalogFile::open(&folder).expect("the folder");
        assert_eq!((found[0].text.as_str(), found[0].table.is_none()), ("CREATE SOURCE s …", true));
    }

    #[test]
    fn a_file_of_statements_alone_is_read() {
        let folder = folder("old");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("catalog.json"), r#"["CREATE VIEW v AS SELECT 1"]"#).expect("a file");
        let (_, found) = CatalogFile::open(&folder).expect("the folder");
        assert_eq!(
            found.iter().map(|definition| definition.text.as_str()).collect::<Vec<_>>(),
            ["CREATE VIEW v AS SELECT 1"]
        );
    }

    /// `kill -9` in the middle of a write leaves half of the file beside; the catalog is that of before.
    #[test]
    fn half_a_file_beside_the_catalog_is_not_read() {
        let folder = folder("half");
        let (file, _) = CatalogFile::open(&folder).expect("a folder");
        file.write(&[source()]).expect("it is written");
        let whole = fs::read(file.path()).expect("the catalog");
        fs::write(folder.join("catalog.json.new"), &whole[..whole.len() / 2]).expect("half a file");
        drop(file);
        let (file, found) = CatalogFile::open(&folder).expect("the folder");
        assert_eq!(found.len(), 1);
        file.write(&[source(), source()]).expect("it is written over the half");
        drop(file);
        assert_eq!(CatalogFile::open(&folder).expect("the folder").1.len(), 2);
        // A damaged catalog is no empty one.
        fs::write(folder.join("catalog.json"), &whole[..whole.len() / 2]).expect("half a file");
        assert!(CatalogFile::open(&folder).expect_err("a refusal").to_string().contains("damaged"));
    }
}
