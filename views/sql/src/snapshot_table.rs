//! A node's rows at one moment as a table that DataFusion can scan, made into batches as they are asked for.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Statistics, tree_node::TreeNodeRecursion};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use delta::RowRef;
use engine::{RowsFrom, Snapshot};

use crate::arrow_rows::batch_of;

/// Rows of a batch: DataFusion's own default.
const BATCH_ROWS: usize = 8192;

/// See the module.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    pub(crate) schema: SchemaRef,
    pub(crate) snapshot: Snapshot,
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
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let projected = Arc::new(self.schema.project(&columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(projected.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (schema, snapshot) = (self.schema.clone(), self.snapshot.clone());
        let scan = SnapshotScan { schema, snapshot, columns, projected, limit, properties: Arc::new(properties) };
        Ok(Arc::new(scan))
    }
}

/// A scan of some columns. It pauses after each batch, so that a query which nobody waits for any more can end there:
/// DataFusion's operators otherwise compute all that they can before they pause, a join of two large tables for minutes.
#[derive(Debug)]
struct SnapshotScan {
    schema: SchemaRef,
    snapshot: Snapshot,
    columns: Vec<usize>,
    projected: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for SnapshotScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotScan: {} rows", self.snapshot.len())
    }
}

impl ExecutionPlan for SnapshotScan {
    fn name(&self) -> &'static str {
        "SnapshotScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (schema, columns, projected) = (self.schema.clone(), self.columns.clone(), self.projected.clone());
        let (snapshot, mut from) = (self.snapshot.clone(), RowsFrom::default());
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut next = move || {
            let mut rows: Vec<RowRef<'_>> = Vec::with_capacity(BATCH_ROWS);
            while rows.len() < BATCH_ROWS.min(left) {
                let Some((row, weight)) = snapshot.next_row(&mut from) else { break };
                rows.extend(std::iter::repeat_n(row, left.saturating_sub(rows.len()).min(weight as usize)));
            }
            left -= rows.len();
            (!rows.is_empty()).then(|| batch(&rows, &schema, &columns, &projected))
        };
        let mut pause = false;
        let paced = futures::stream::poll_fn(move |context| {
            if std::mem::take(&mut pause) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let batch = next();
            pause = batch.is_some();
            Poll::Ready(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.projected.clone(), paced)))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = Precision::Inexact(self.snapshot.len());
        Ok(Arc::new(Statistics { num_rows: rows, ..Statistics::new_unknown(&self.projected) }))
    }
}

fn batch(rows: &[RowRef<'_>], schema: &SchemaRef, columns: &[usize], projected: &SchemaRef) -> Result<RecordBatch> {
    batch_of(rows, schema, columns, projected.clone()).map_err(|error| DataFusionError::External(Box::new(error)))
}
