//! This side: the source's rows at a moment and the commits behind it, one by one, until it is known that all of MySQL's snapshot has come.
//!
//! While it follows, the loop takes every commit in a tick by itself, so that no state between two of them is passed over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidewater_delta::Reached;
use tidewater_functions::Session;
use tidewater_sql::{Changed, Error, FollowedRows, Result};

use super::mysql::Between;
use crate::feeds::Subscription;
use crate::handle::Handle;
use crate::waits::Wait;

/// A source to which nothing came for so long may show all that there is: its timeline need not hear of MySQL's newest transactions, which may
/// be of no table.
const QUIET: Duration = Duration::from_secs(1);

/// While there is one, commits are not taken together.
pub(super) struct Apart(Arc<AtomicUsize>);

impl Apart {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Apart(count.clone())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a state of the source lies to MySQL's snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The snapshot holds its newest commit.
    Within,
    /// It is open whether the snapshot does.
    Between,
    /// The snapshot does not.
    Beyond,
}

pub(super) fn place(between: &Between, reached: &Reached) -> Place {
    match (between.before.holds(reached), between.upto.holds(reached)) {
        (true, _) => Place::Within,
        (false, true) => Place::Between,
        (false, false) => Place::Beyond,
    }
}

/// Whether all commits have come that the snapshot may hold.
fn is_whole(between: &Between, reached: &Reached) -> bool {
    place(between, reached) == Place::Beyond || between.upto.is_reached(reached)
}

/// See the module.
pub(super) struct Here {
    handle: Handle,
    pub(super) source: String,
    subscription: Subscription,
    pub(super) rows: FollowedRows,
    /// What was reached with the rows.
    pub(super) begun: Reached,
    /// Commits behind the rows, in their order.
    pub(super) commits: VecDeque<Arc<Changed>>,
    bytes: usize,
    moment: u64,
    pub(super) reached: Reached,
    /// When that changed last.
    since: Instant,
    apart: Option<Apart>,
}

impl Here {
    pub(super) async fn follow(handle: &Handle, source: &str, session: &Arc<Session>, wait: &Wait) -> Result<Self> {
        let apart = Apart::new(&handle.apart);
        let parsed = tidewater_sql::parse(&format!("SUBSCRIBE TO {}", quoted_key(source)))?.pop();
        let parsed = parsed.ok_or_else(|| Error::new(b"XX000", "nothing to follow"))?;
        let prepared = handle.prepare(&Arc::new(parsed), &[], session)?;
        let (subscription, rows) = handle.follow(&prepared, session, wait).await?;
        let begun = rows.positions.only().cloned().unwrap_or_default();
        Ok(Here {
            handle: handle.clone(),
            source: source.to_owned(),
            subscription,
            moment: rows.moment,
            rows,
            reached: begun.clone(),
            begun,
            commits: VecDeque::new(),
            bytes: 0,
            since: Instant::now(),
            apart: Some(apart),
        })
    }

    /// Takes what has come; whether all has that the snapshot may hold.
    pub(super) fn take(&mut self, between: &Between) -> Result<bool> {
        if self.apart.is_none() {
            return Ok(true);
        }
        let (newest, positions) = {
            let database = self.handle.read();
            (database.newest_moment(), database.positions_of([self.source.as_str()]))
        };
        let found = self.subscription.feed.after(self.moment)?;
        let last = found.last().filter(|last| last.moment > newest).map(|last| &last.positions);
        let reached = last.unwrap_or(&positions).only().cloned().unwrap_or_default();
        for changed in found {
            self.moment = changed.moment;
            self.bytes += changed.rows.iter().map(|(row, _)| row.bytes().len() + 48).sum::<usize>() + 128;
            self.commits.push_back(changed);
        }
        if self.bytes > self.handle.query_memory {
            let detail = "A check holds what changes until the source has come to MySQL's position.";
            return Err(Error::new(b"53200", "out of memory").detail(detail));
        }
        if reached != self.reached {
            self.reached = reached;
            self.since = Instant::now();
        }
        let whole = is_whole(between, &self.reached);
        if whole {
            // From here on nobody needs states between two commits.
            self.apart = None;
        }
        Ok(whole)
    }

    /// Why nothing may come, as the end of a sentence.
    pub(super) fn trouble(&self) -> String {
        let status = self.handle.read().source_status(&self.source);
        let reason = status.map(|status| status.health).filter(|health| !health.reason.is_empty());
        reason.map_or(String::new(), |health| format!("; the source is {}: {}", health.state.word(), health.reason))
    }

    /// Whether nothing came for a while.
    pub(super) fn is_quiet(&self) -> bool {
        self.since.elapsed() >= QUIET
    }

    /// Returns when something may have come, or nothing did for a while.
    pub(super) async fn wait(&self, ticks: &mut tokio::sync::watch::Receiver<u64>) {
        // Either way it is looked at next.
        let _ = tokio::time::timeout(QUIET, ticks.changed()).await;
    }
}

/// A name of the catalog as a statement says it.
fn quoted_key(key: &str) -> String {
    let quoted = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    let (schema, name) = key.split_once('.').unwrap_or(("public", key));
    format!("{}.{}", quoted(schema), quoted(name))
}

#[cfg(test)]
mod tests {
    use tidewater_delta::Position;

    use super::super::gtids::GtidSet;
    use super::*;

    const SERVER: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn at(number: u64) -> Reached {
        let mut reached = Reached::default();
        reached.advance(&Position::Gtid(format!("{SERVER}:{number}")));
        reached
    }

    #[test]
    fn states_lie_within_between_and_beyond() {
        let set = |last| GtidSet::parse(&format!("{SERVER}:1-{last}")).expect("a set");
        let between = Between { before: set(5), upto: set(7) };
        let places = [4, 5, 6, 7, 8].map(|number| place(&between, &at(number)));
        assert_eq!(places, [Place::Within, Place::Within, Place::Between, Place::Between, Place::Beyond]);
        assert_eq!([5, 6, 7, 8].map(|number| is_whole(&between, &at(number))), [false, false, true, true]);
        assert!(!is_whole(&between, &Reached::default()));
    }
}
