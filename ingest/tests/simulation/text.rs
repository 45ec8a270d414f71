//! What goes in and what comes out, in words: a failing story is printed for a human.

use tidewater_ingest::event::{Boundary, Event};
use tidewater_ingest::timeline::Output;

use crate::judge::op_text;

/// An event, readable.
pub(crate) fn event_text(event: &Event) -> String {
    let origin = &event.origin;
    let ops = event.ops.iter().map(op_text).collect::<Vec<_>>().join(", ");
    let transaction = origin.transaction.as_ref().map_or(String::new(), |t| format!(" in {}#{}", t.id, t.total_order));
    let snapshot = format!("{:?}", origin.snapshot);
    let gtid = origin.gtid.as_deref().unwrap_or("-");
    let place = format!("{}:{}.{}", origin.file, origin.pos, origin.row);
    format!(
        "{:?} {ops}{transaction} [{snapshot} {place} {gtid} {} ts {}]",
        event.operation, origin.collection, origin.ts_ms
    )
}

/// A boundary, readable.
pub(crate) fn boundary_text(boundary: &Boundary) -> String {
    match boundary {
        Boundary::Begin { id, ts_ms } => format!("BEGIN {id} ts {ts_ms}"),
        Boundary::End { id, event_count, ts_ms, data_collections } => {
            let counts = data_collections.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
            format!("END {id}: {event_count} ({}) ts {ts_ms}", counts.join(", "))
        }
    }
}

/// What comes out, readable.
pub(crate) fn output_text(output: &Output) -> String {
    match output {
        Output::Base { table, ops } => {
            format!("    -> base of t{}: {}", table.0, ops.iter().map(op_text).collect::<Vec<_>>().join(", "))
        }
        Output::Commit(commit) => {
            let changes = commit.changes.iter().map(|change| format!("t{} {}", change.table.0, op_text(&change.op)));
            format!("    -> commit {}: {}", commit.position, changes.collect::<Vec<_>>().join(", "))
        }
        Output::Hydrated(table) => format!("    -> t{} hydrated", table.0),
    }
}
