//! Names: what a FROM clause makes visible, and how a column's name is looked up, from the innermost query outwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidewater_types::{Result, SqlError};

use crate::catalog::Relation;
use crate::plan::Id;

/// What is visible: tables for qualified names, columns for bare ones and for `*`.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) tables: Vec<ScopeTable>,
    /// In the order of `*`. Columns merged by USING stand here once and in `tables` twice.
    pub(super) columns: Vec<ScopeColumn>,
}

/// A FROM item under its alias.
#[derive(Debug, Clone)]
pub(super) struct ScopeTable {
    /// The schema, of a relation without alias.
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) columns: Vec<ScopeColumn>,
    /// The relation that it is, on whose primary key its columns depend.
    pub(super) relation: Option<Arc<Relation>>,
    /// It is a function with one column that is no record: its name alone means the value.
    pub(super) is_value: bool,
    /// A column that is NULL where an outer join found no row of it: its name alone then means NULL.
    pub(super) present: Option<Id>,
    /// A column that holds the relation's number: `tableoid`, where the statement names it.
    pub(super) table_oid: Option<Id>,
    /// Whether it may be read from where the names are looked up now.
    pub(super) hidden: Hidden,
}

/// Why a table may not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hidden {
    /// It may.
    No,
    /// LATERAL is missing, or it is of another part of FROM.
    Elsewhere,
    /// The join is of the wrong kind for LATERAL.
    ByJoin,
}

/// A column under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScopeColumn {
    pub(super) name: String,
    pub(super) id: Id,
}

impl Scope {
    /// The scope of one table.
    pub(super) fn table(table: ScopeTable) -> Scope {
        Scope { columns: table.columns.clone(), tables: vec![table] }
    }

    /// Both, side by side.
    pub(super) fn with(mut self, other: Scope) -> Result<Scope> {
        for table in &other.tables {
            let same = |known: &&ScopeTable| {
                known.name == table.name && (known.schema.is_none() || known.schema == table.schema)
            };
            if self.tables.iter().any(|known| same(&known) && !table.name.is_empty()) {
                return Err(SqlError::new(b"42712", format!("table name \"{}\" specified more than once", table.name)));
            }
        }
        self.tables.extend(other.tables);
        self.columns.extend(other.columns);
        Ok(self)
    }

    /// The same with all its tables hidden: an error tells what they are, nothing finds them.
    pub(super) fn hidden(&self, why: Hidden) -> Scope {
        let mut tables = self.tables.clone();
        tables.iter_mut().for_each(|table| table.hidden = table.hidden.max(why));
        Scope { tables, columns: Vec::new() }
    }

    /// The column of a bare name.
    pub(super) fn column(&self, name: &str) -> Result<Option<Id>> {
        let mut found = self.columns.iter().filter(|column| column.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(Some(column.id)),
            (Some(_), Some(_)) => Err(SqlError::new(b"42702", format!("column reference \"{name}\" is ambiguous"))),
            _ => Ok(None),
        }
    }

    /// The table of a name.
    pub(super) fn find(&self, schema: Option<&str>, name: &str) -> Option<&ScopeTable> {
        let matches =
            |table: &&ScopeTable| table.name == name && (schema.is_none() || table.schema.as_deref() == schema);
        // A table that may be read goes before one that may not.
        self.tables.iter().filter(matches).min_by_key(|table| table.hidden)
    }

    /// Every column that it names, by whatever name.
    pub(super) fn ids(&self) -> BTreeSet<Id> {
        let of_tables = self.tables.iter().filter(|table| table.hidden == Hidden::No).flat_map(|table| &table.columns);
        let oids = self.tables.iter().filter_map(|table| table.table_oid);
        self.columns.iter().chain(of_tables).map(|column| column.id).chain(oids).collect()
    }
}

/// Columns that every table of PostgreSQL has beside its own.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];

impl Scope {
    /// The system column of a bare name.
    ///
    /// # Errors
    /// 0A000 for one that there is not here, 42702 if several tables have it.
    pub(super) fn system_column(&self, name: &str) -> Result<Option<Id>> {
        if !SYSTEM_COLUMNS.contains(&name) {
            return Ok(None);
        }
        let mut tables = self.tables.iter().filter(|table| table.relation.is_some() && table.hidden == Hidden::No);
        match (tables.next(), tables.next()) {
            (Some(table), None) => table.system_column(name),
            (Some(_), Some(_)) => Err(SqlError::new(b"42702", format!("column reference \"{name}\" is ambiguous"))),
            _ => Ok(None),
        }
    }
}

impl ScopeTable {
    /// The system column of a name.
    ///
    /// # Errors
    /// 0A000 for one that there is not here.
    pub(super) fn system_column(&self, name: &str) -> Result<Option<Id>> {
        match self.relation {
            Some(_) if SYSTEM_COLUMNS.contains(&name) => match self.table_oid.filter(|_| name == "tableoid") {
                Some(id) => Ok(Some(id)),
                None => Err(SqlError::new(b"0A000", format!("system column \"{name}\" is not supported here"))),
            },
            _ => Ok(None),
        }
    }

    /// The column of a name.
    pub(super) fn column(&self, name: &str) -> Result<Option<Id>> {
        Scope { tables: Vec::new(), columns: self.columns.clone() }.column(name)
    }
}
