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
    /// apart in time the time tells; and of files that are named otherwise every time that is that of a commit.
    pub(crate) fn is_before(&self, moment: &BinlogPlace) -> bool {
        match self.ms.saturating_sub(moment.ms) {
            younger if younger > SAME_MOMENT_MS => false,
            older if older < -LONG_AGO_MS => true,
            apart if self.is_elsewhere(moment) && self.is_commit() && (apart < 0 || moment.is_commit()) => apart < 0,
            _ => self.key() < moment.key(),
        }
    }

    /// Whether its files are named otherwise: they are of another server.
    fn is_elsewhere(&self, other: &BinlogPlace) -> bool {
        let name = |place: &BinlogPlace| place.file.rfind('.').unwrap_or(place.file.len());
        self.file[..name(self)] != other.file[..name(other)]
    }

    /// Whether its time is that of a commit: whole seconds may be those of a statement's begin, or of a snapshot.
    pub(super) fn is_commit(&self) -> bool {
        self.ms % 1_000 != 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_servers_the_times_of_commits_tell() {
        let place = |file: &str, ms| BinlogPlace { file: file.into(), pos: 100, ms };
        let (snapshot, truncate) = (place("binlog.000007", 9_000), place("binlog.000007", 9_200));
        assert!(place("replica-bin.000001", 8_900).is_before(&snapshot));
        assert!(place("replica-bin.000001", 9_100).is_before(&truncate));
        assert!(!place("bin.000001", 9_300).is_before(&truncate));
        // Within the second of a snapshot, and of a server that writes whole seconds, places tell.
        assert!(
            place("bin.000001", 9_300).is_before(&snapshot) && !place("replica-bin.000001", 8_000).is_before(&snapshot)
        );
        assert!(place("binlog.000006", 9_300).is_before(&truncate), "of one server");
    }
}
