//! A node's rows at one moment as a table that DataFusion can scan.

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, ready};

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use delta::RowRef;
use engine::Snapshot;
use futures::StreamExt;

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
        Ok(Arc::new(Paced { input: MemorySourceConfig::try_new_exec(&[batches], projected, None)? }))
    }
}

/// A scan that pauses after each batch, so that a query which nobody waits for any more can end there: DataFusion's
/// operators otherwise compute all that they can before they pause, a join of two large tables for minutes.
#[derive(Debug)]
struct Paced {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Paced {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_as(format, f)
    }
}

/// A leaf to the optimizer: what it reads is as wanted already.
impl ExecutionPlan for Paced {
    fn name(&self) -> &str {
        "SnapshotScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut batches = self.input.execute(partition, context)?;
        let mut pause = false;
        let paced = futures::stream::poll_fn(move |context| {
            if std::mem::take(&mut pause) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let batch = ready!(batches.poll_next_unpin(context));
            pause = batch.is_some();
            Poll::Ready(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), paced)))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.input.statistics_from_inputs(inputs, args)
    }
}
