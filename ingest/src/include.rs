//! Columns of `INCLUDE`: what Kafka says of a record.

use tidewater_delta::RowBuilder;
use tidewater_types::time;

use crate::event::{MetaColumn, RecordMeta};

/// Fills the columns of `INCLUDE`, which begin at `first`.
pub(crate) fn set_metadata(row: &mut RowBuilder, first: usize, include: &[MetaColumn], meta: &RecordMeta) {
    for (i, column) in include.iter().enumerate() {
        let value = match column {
            MetaColumn::Partition => i64::from(meta.partition),
            MetaColumn::Offset => meta.offset,
            // Producers choose the time: any number may come.
            MetaColumn::Timestamp => {
                meta.timestamp_ms.saturating_mul(1_000).clamp(time::FIRST_TIMESTAMP, time::LAST_TIMESTAMP)
            }
        };
        row.set_slot(first + i, value as u64);
    }
}
