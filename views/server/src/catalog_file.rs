//! The statements that made what exists, in one file, so that a restart makes it again.
//!
//! A source's columns are kept with its statement: what the registry or the topic tells at the next start may be another
//! schema than that of the rows that views were made for.
//!
//! The file is replaced as a whole: written beside, synced, renamed. So it always holds one whole catalog, whenever the
//! process ends. Secrets are in it, so only its owner may read it.

use std::collections::{BTreeMap, HashMap};

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use delta::TableSchema;
use serde::{Deserialize, Serialize};
use sql::Definition;

/// A definition in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    /// A statement that needs nothing beside it; versions before sources kept their columns wrote all of them so.
    Statement(String),
    Source(SourceEntry),
}

#[derive(Debug, Serialize, Deserialize)]
struct SourceEntry {
    statement: String,
    columns: Vec<Column>,
    /// Names of the columns that identify a row; absent where rows repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Vec<String>>,
    /// What else is known of the schema, as its number in the registry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Column {
    name: String,
    /// Arrow's type in Arrow's words.
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

fn sorted(metadata: &HashMap<String, String>) -> BTreeMap<String, String> {
    metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn entry(definition: &Definition) -> Entry {
    let Some(table) = &definition.table else { return Entry::Statement(definition.text.clone()) };
    let column = |field: &Arc<Field>| Column {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
        nullable: field.is_nullable(),
        metadata: sorted(field.metadata()),
    };
    let name = |&at: &usize| table.schema.field(at).name().clone();
    Entry::Source(SourceEntry {
        statement: definition.text.clone(),
        columns: table.schema.fields().iter().map(column).collect(),
        key: table.key.as_ref().map(|key| key.iter().map(name).collect()),
        metadata: sorted(table.schema.metadata()),
    })
}

fn definition(entry: Entry) -> Result<Definition, String> {
    let source = match entry {
        Entry::Statement(text) => return Ok(Definition { text, table: None }),
        Entry::Source(source) => source,
    };
    let mut fields = Vec::new();
    for column in source.columns {
        let data_type: DataType = column.data_type.parse().map_err(|error| format!("{}: {error}", column.name))?;
        let field = Field::new(column.name, data_type, column.nullable);
        fields.push(field.with_metadata(column.metadata.into_iter().collect()));
    }
    let schema = Schema::new_with_metadata(fields, source.metadata.into_iter().collect());
    let at = |name: &String| schema.index_of(name).map_err(|error| error.to_string());
    let key = source.key.map(|names| names.iter().map(at).collect::<Result<Vec<_>, _>>()).transpose()?;
    let table = TableSchema::new(Arc::new(schema), key).map_err(|error| error.to_string())?;
    Ok(Definition { text: source.statement, table: Some(table) })
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
    use arrow_schema::{IntervalUnit, TimeUnit};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tidewater-catalog-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn source() -> Definition {
        let zone = Some("UTC".into());
        let types = [
            DataType::Boolean,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::UInt64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(38, 10),
            DataType::Decimal256(65, 30),
            DataType::Date32,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, zone),
            DataType::Duration(TimeUnit::Microsecond),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Utf8,
            DataType::Binary,
            DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            DataType::Struct(
                vec![Field::new("x", DataType::Float64, false), Field::new("y z", DataType::Int32, true)].into(),
            ),
        ];
        let field =
            |(at, data_type): (usize, DataType)| Field::new(format!("column {at} \"ü\""), data_type, at % 2 == 0);
        let mut fields: Vec<_> = types.into_iter().enumerate().map(field).collect();
        let default = HashMap::from([("tidewater.default".to_owned(), "\"5\"".to_owned())]);
        fields[2] = fields[2].clone().with_metadata(default);
        let schema = Schema::new_with_metadata(fields, HashMap::from([("tidewater.schema".into(), "7".into())]));
        let table = TableSchema::new(Arc::new(schema), Some(vec![3, 1])).expect("rows hold these types");
        Definition { text: "CREATE SOURCE s …".into(), table: Some(table) }
    }

    #[test]
    fn columns_come_back_as_they_were() {
        let folder = folder("columns");
        let (file, none) = CatalogFile::open(&folder).expect("a folder");
        assert!(none.is_empty());
        let view = Definition { text: "CREATE VIEW v AS SELECT 1".into(), table: None };
        file.write(&[source(), view]).expect("it is written");
        drop(file);
        let (_, found) = CatalogFile::open(&folder).expect("the same folder");
        let [found_source, found_view] = &found[..] else { panic!("{found:?}") };
        let (found_table, table) = (found_source.table.as_ref().expect("columns"), source().table.expect("columns"));
        assert_eq!((&found_table.schema, &found_table.key), (&table.schema, &table.key));
        assert_eq!((found_view.text.as_str(), found_view.table.is_none()), ("CREATE VIEW v AS SELECT 1", true));
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
