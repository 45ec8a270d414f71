//! A node's rows at one moment as a table that DataFusion can scan.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use delta::RowRef;
use engine::Snapshot;

use crate::arrow_rows::batch_of;

/// Rows of a batch: DataFusion's own default.
const BATCH_ROWS: usize = 8192;

/// See the module.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    pub(crate) schema: SchemaRef,
    pub(crate) snapshot: Snapshot,
}

impl SnapshotTable {
    fn batches(&self, columns: &[usize], projected: &SchemaRef, limit: usize) -> Result<Vec<RecordBatch>> {
        let times = |(row, weight): (_, i64)| std::iter::repeat_n(row, weight as usize);
        let rows: Vec<RowRef<'_>> = self.snapshot.rows().flat_map(times).take(limit).collect();
        rows.chunks(BATCH_ROWS)
            .map(|rows| batch_of(rows, &self.schema, columns, projected.clone()))
            .collect::<Result<_, _>>()
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let projected = Arc::new(self.schema.project(columns)?);
        let batches = self.batches(columns, &projected, limit.unwrap_or(usize::MAX))?;
        Ok(MemorySourceConfig::try_new_exec(&[batches], projected, None)?)
    }
}
