//! A place in the binlog, and which of two comes first.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::Position;

use crate::event::Origin;

/// How far a snapshot's time, which has whole seconds, and a transaction's may lie apart for one moment.
const SAME_MOMENT_MS: i64 = 1_000;
/// A change so much older than a snapshot is part of it, wherever it lies. Statements of a transaction may carry their own
/// time, so it is not less.
const LONG_AGO_MS: i64 = 60_000;

/// Where and when a server wrote a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BinlogPlace {
    pub(crate) file: Arc<str>,
    pub(crate) pos: u64,
    pub(crate) ms: i64,
}

impl BinlogPlace {
    pub(crate) fn of(origin: &Origin) -> Self {
        BinlogPlace { file: origin.file.clone(), pos: origin.pos, ms: origin.ts_ms }
    }

    /// Whether this change is part of what `moment` shows. After a failover names of files tell nothing, so of what lies clearly
    /// apart in time the time tells.
    pub(crate) fn is_before(&self, moment: &BinlogPlace) -> bool {
        match self.ms.saturating_sub(moment.ms) {
            younger if younger > SAME_MOMENT_MS => false,
            older if older < -LONG_AGO_MS => true,
            _ => self.key() < moment.key(),
        }
    }

    /// Whether this change is certainly not part of what `moment` shows.
    pub(crate) fn is_behind(&self, moment: &BinlogPlace) -> bool {
        self.ms >= moment.ms && !self.is_before(moment)
    }

    /// Whether this snapshot was taken earlier than that one.
    pub(crate) fn is_older(&self, other: &BinlogPlace) -> bool {
        (self.ms, self.key()) < (other.ms, other.key())
    }

    /// Binlog files are numbered; of two names the longer or the later one is the newer.
    fn key(&self) -> (usize, &str, u64) {
        (self.file.len(), &self.file, self.pos)
    }

    pub(crate) fn position(&self) -> Position {
        Position::Binlog { file: self.file.to_string(), offset: self.pos }
    }
}
