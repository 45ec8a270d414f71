//! Columns of sources that have no value any more, and who reads them.
//!
//! Where MySQL drops, renames or retypes a column, a source goes on with the others. Whoever reads the column, through views too,
//! gets an error that says why; everybody else goes on.

use std::collections::{BTreeMap, BTreeSet};

use tidewater_delta::TableId;
use tidewater_query::Plan;

use crate::catalog::Body;
use crate::database::Database;
use crate::names;
use crate::{Error, Result};

/// Relations and the columns of each that something reads.
pub(crate) type ColumnsRead = BTreeMap<String, BTreeSet<String>>;

/// What a plan reads.
pub(crate) fn columns_read(plan: &Plan) -> ColumnsRead {
    let of = |(relation, columns): (std::sync::Arc<tidewater_query::Relation>, BTreeSet<usize>)| {
        let columns = columns.into_iter().map(|at| relation.columns[at].name.clone()).collect();
        (names::key(&relation.schema, &relation.name), columns)
    };
    plan.reads().into_iter().map(of).collect()
}

impl Database {
    /// Takes note that a source's column has no value from here on; false if the source was dropped meanwhile.
    pub fn lose_column(&mut self, table: TableId, column: usize, reason: String) -> bool {
        let Some(name) = self.source_name(table).map(str::to_owned) else { return false };
        let relation = self.objects.get(&name).and_then(|object| object.relation.clone());
        let Some(column) = relation.and_then(|of| Some(of.columns.get(column)?.name.clone())) else { return false };
        let Some(source) = self.sources.get_mut(&table) else { return false };
        source.lost_columns.entry(column).or_insert(reason);
        self.look_at_sources();
        true
    }

    /// Fails where a plan reads a column that has no value any more.
    ///
    /// # Errors
    /// 55000, as for a source that does not hold all of its table.
    pub(crate) fn columns_readable(&self, plan: &Plan) -> Result<()> {
        if !self.columns_lost {
            return Ok(());
        }
        let mut open: Vec<_> = columns_read(plan).into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some((name, columns)) = open.pop() {
            match self.objects.get(&name).map(|object| &object.body) {
                Some(Body::Source { table, .. }) => self.have_values(&name, *table, &columns)?,
                Some(Body::MaterializedView { columns, .. }) if seen.insert(name) => open.extend(columns.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    fn have_values(&self, name: &str, table: TableId, columns: &BTreeSet<String>) -> Result<()> {
        let lost = self.sources.get(&table).map(|source| &source.lost_columns);
        let Some((column, reason)) = lost.and_then(|lost| lost.iter().find(|(column, _)| columns.contains(*column)))
        else {
            return Ok(());
        };
        let message = format!("column \"{column}\" of source \"{name}\" has no value any more: {reason}");
        let hint = format!(
            "the other columns go on; ALTER SOURCE {name} REFRESH takes the columns as they are now, where a registry tells them"
        );
        Err(Error::new(b"55000", message).hint(hint))
    }
}
