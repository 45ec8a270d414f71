//! A source's columns as the catalog file keeps them: types by the names that PostgreSQL's `format_type` gives them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewater_types::{Column, ColumnType, TableSchema};

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptTable {
    columns: Vec<KeptColumn>,
    /// Names of the columns that identify a row; absent where rows repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptColumn {
    name: String,
    /// `numeric(65,30)`, `timestamp with time zone`, `real[]`.
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    not_null: bool,
    /// What its decoder remembers of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, String>,
}

impl From<&TableSchema> for KeptTable {
    fn from(table: &TableSchema) -> Self {
        let column = |column: &Column| KeptColumn {
            name: column.name.clone(),
            ty: column.ty.name(),
            not_null: column.not_null,
            notes: column.notes.clone(),
        };
        let name = |&at: &usize| table.columns[at].name.clone();
        KeptTable {
            columns: table.columns.iter().map(column).collect(),
            key: table.key.as_ref().map(|key| key.iter().map(name).collect()),
        }
    }
}

impl TryFrom<KeptTable> for TableSchema {
    type Error = String;

    fn try_from(kept: KeptTable) -> Result<Self, String> {
        let column = |column: KeptColumn| {
            let ty = ColumnType::parse(&column.ty).map_err(|error| format!("column \"{}\": {error}", column.name))?;
            Ok(Column { name: column.name, ty, not_null: column.not_null, notes: column.notes })
        };
        let columns = kept.columns.into_iter().map(column).collect::<Result<Vec<_>, String>>()?;
        let at = |name: &String| {
            let found = columns.iter().position(|column| column.name == *name);
            found.ok_or_else(|| format!("key column \"{name}\" is not a column of the table"))
        };
        let key = kept.key.map(|names| names.iter().map(at).collect::<Result<Vec<_>, _>>()).transpose()?;
        TableSchema::new(columns, key).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every type that a source's column can have.
    pub(crate) fn table() -> TableSchema {
        let types = [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "uint8",
            "real",
            "double precision",
            "numeric",
            "numeric(20,0)",
            "numeric(65,30)",
            "text",
            "character varying(20)",
            "character(3)",
            "bytea",
            "uuid",
            "json",
            "jsonb",
            "date",
            "time(3) without time zone",
            "timestamp without time zone",
            "timestamp(3) without time zone",
            "timestamp with time zone",
            "interval",
            "real[]",
        ];
        let column = |(at, ty): (usize, &str)| {
            let column =
                Column::new(format!("column {at} \"ü\""), ColumnType::parse(ty).expect("a type of PostgreSQL's"));
            if at % 2 == 0 { column.not_null() } else { column }
        };
        let mut columns: Vec<_> = types.into_iter().enumerate().map(column).collect();
        columns[2].notes.insert("tidewater.default".to_owned(), "\"5\"".to_owned());
        TableSchema::new(columns, Some(vec![3, 1])).expect("a table")
    }

    #[test]
    fn columns_come_back_as_they_were() {
        let text = serde_json::to_string(&KeptTable::from(&table())).expect("JSON");
        assert!(text.contains(r#""type":"timestamp(3) without time zone""#), "{text}");
        let kept: KeptTable = serde_json::from_str(&text).expect("the same");
        assert_eq!(TableSchema::try_from(kept), Ok(table()));
    }

    #[test]
    fn what_is_no_table_is_named() {
        for (text, what) in [
            (r#"{"columns": [{"name": "a", "type": "Utf8"}]}"#, "column \"a\": type \"utf8\" does not exist"),
            (r#"{"columns": [{"name": "a", "type": "text"}], "key": ["b"]}"#, "key column \"b\""),
        ] {
            let kept: KeptTable = serde_json::from_str(text).expect("JSON");
            let error = TableSchema::try_from(kept).expect_err("no table");
            assert!(error.to_lowercase().starts_with(what), "{error}");
        }
    }
}
