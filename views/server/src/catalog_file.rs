//! The statements that made what exists, in one file, so that a restart makes it again.
//!
//! A source's columns are kept with its statement: what the registry or the topic tells at the next start may be another
//! schema than that of the rows that views were made for.
//!
//! The file is replaced as a whole: written beside, synced, renamed. So it always holds one whole catalog, whenever the
//! process ends. Secrets are in it, so only its owner may read it.

mod table;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidewater_sql::Definition;
use tidewater_types::TableSchema;

use table::KeptTable;

/// The form that this version writes and reads. Before it the file was a list, whose columns had types of another kind.
const VERSION: u64 = 2;

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u64,
    definitions: Vec<Entry>,
}

/// A definition in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    statement: String,
    /// Where names without a schema are looked for in it.
    search_path: Vec<String>,
    /// A source's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<KeptTable>,
}

fn entry(definition: &Definition) -> Entry {
    Entry {
        statement: definition.text.clone(),
        search_path: definition.search_path.clone(),
        table: definition.table.as_ref().map(KeptTable::from),
    }
}

fn definition(entry: Entry) -> Result<Definition, String> {
    let table = entry.table.map(TableSchema::try_from).transpose()?;
    Ok(Definition { text: entry.statement, search_path: entry.search_path, table })
}

/// The definitions that a file's bytes hold.
fn read(bytes: &[u8]) -> Result<Vec<Definition>, String> {
    let damaged = |error: serde_json::Error| format!("is damaged: {error}");
    let whole: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    // The first version did not say so.
    let version = whole.get("version").and_then(serde_json::Value::as_u64).unwrap_or(1);
    if version != VERSION {
        return Err(format!(
            "is of version {version}, and this Tidewater reads version {VERSION}: move the file away, start again and execute its \
             statements, which stand in it as text"
        ));
    }
    let kept: Kept = serde_json::from_value(whole).map_err(damaged)?;
    let definitions = kept.definitions.into_iter().map(definition).collect::<Result<_, _>>();
    definitions.map_err(|error| format!("is damaged: {error}"))
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
        let unread =
            |error: String| io::Error::new(io::ErrorKind::InvalidData, format!("{} {error}", file.path().display()));
        let definitions = match fs::read(file.path()) {
            Ok(bytes) => read(&bytes).map_err(unread)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok((file, definitions))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("catalog.json")
    }

    /// Replaces the definitions.
    pub(crate) fn write(&self, definitions: &[Definition]) -> io::Result<()> {
        let beside = self.folder.join("catalog.json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let kept = Kept { version: VERSION, definitions: definitions.iter().map(entry).collect() };
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
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
        Definition {
            text: "CREATE SOURCE s …".into(),
            search_path: vec!["a".into(), "b \"c\"".into()],
            table: Some(table::tests::table()),
        }
    }

    #[test]
    fn definitions_come_back_as_they_were() {
        let folder = folder("columns");
        let (file, none) = CatalogFile::open(&folder).expect("a folder");
        assert!(none.is_empty());
        let view = Definition { text: "CREATE VIEW v AS SELECT 1".into(), search_path: Vec::new(), table: None };
        let written = [source(), view];
        file.write(&written).expect("it is written");
        drop(file);
        let (_, found) = CatalogFile::open(&folder).expect("the same folder");
        let shown = |definitions: &[Definition]| format!("{definitions:?}");
        assert_eq!(shown(&found), shown(&written));
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let folder = folder("old");
        fs::create_dir_all(&folder).expect("a folder");
        for (text, version) in [
            (r#"["CREATE VIEW v AS SELECT 1", {"statement": "", "columns": []}]"#, "version 1"),
            (r#"{"version": 3, "objects": {}}"#, "version 3"),
        ] {
            fs::write(folder.join("catalog.json"), text).expect("a file");
            let error = CatalogFile::open(&folder).expect_err("a refusal").to_string();
            assert!(error.contains(version) && error.contains("catalog.json") && error.contains("move"), "{error}");
            assert_eq!(fs::read_to_string(folder.join("catalog.json")).expect("the file"), text);
        }
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
