//! Columns of sources that have no value any more, and who reads them.
//!
//! Where MySQL drops, renames or retypes a column, a source goes on with the others. Whoever reads the column, through views too,
//! gets an error that says why; everybody else goes on.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use delta::TableId;

use crate::catalog::{Body, object_name};
use crate::database::Database;
use crate::{Error, Result};

/// Relations and the columns of each that something reads.
pub(crate) type ColumnsRead = BTreeMap<String, BTreeSet<String>>;

/// What an optimised plan reads.
pub(crate) fn columns_read(plan: &LogicalPlan) -> ColumnsRead {
    let mut read = ColumnsRead::new();
    let visited = plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            let columns = read.entry(object_name(&scan.table_name)).or_default();
            columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
            for filter in &scan.filters {
                columns.extend(filter.column_refs().into_iter().map(|column| column.name.clone()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.expect("collecting columns cannot fail");
    read
}

impl Database {
    /// Takes note that a source's column has no value from here on; false if the source was dropped meanwhile.
    pub fn lose_column(&mut self, table: TableId, column: usize, reason: String) -> bool {
        let Some(name) = self.source_name(table).map(str::to_owned) else { return false };
        let Some(field) = self.columns.get(&name).and_then(|schema| schema.fields().get(column)) else { return false };
        let column = field.name().clone();
        let Some(source) = self.sources.get_mut(&table) else { return false };
        source.lost_columns.entry(column).or_insert(reason);
        self.look_at_sources();
        true
    }

    /// Fails where a plan reads a column that has no value any more.
    ///
    /// # Errors
    /// 55000, as for a source that does not hold all of its table.
    pub(crate) fn columns_readable(&self, plan: &LogicalPlan) -> Result<()> {
        if !self.columns_lost {
            return Ok(());
        }
        let mut open: Vec<_> = columns_read(&self.state.optimize(plan)?).into_iter().collect();
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
