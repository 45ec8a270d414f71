//! Followed queries: what every tick changed in each is kept for a while, in one place for all who follow it.
//!
//! A subscriber is only a place in that history, so it costs no memory, nobody waits for it, and one that comes back with a moment goes on
//! from there. Whoever asks for what is no longer kept is told so.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidewater_functions::Session;
use tidewater_sql::{Changed, Error, FollowId, FollowedRows, Follower, Prepared, Result};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::coordinator::{Loop, Request, stopping};
use crate::handle::Handle;
use crate::source_events;
use crate::waits::Wait;

/// How long a query that nobody follows any more is kept fresh: a subscriber whose connection broke comes back to its history.
const LINGER: Duration = Duration::from_secs(60);
/// How often it is looked whether anybody follows.
pub(crate) const SWEEP: Duration = Duration::from_secs(10);

/// What ticks changed in a followed query.
pub(crate) struct Feed {
    history: Mutex<History>,
    /// Changes with every tick that is told, and at the end.
    told: watch::Sender<()>,
}

#[derive(Default)]
struct History {
    /// In the order of their moments.
    changes: VecDeque<Arc<Changed>>,
    bytes: usize,
    /// Bytes that are kept.
    most: usize,
    /// What changed up to this moment is not kept any more.
    lost: Option<u64>,
    ended: Option<Error>,
}

/// Bytes of a change, about.
fn size(changed: &Changed) -> usize {
    changed.rows.iter().map(|(row, _)| row.bytes().len() + 32).sum::<usize>() + 128
}

/// The end of a feed at which the database writes.
struct Writer(Arc<Feed>);

impl Follower for Writer {
    fn changed(&mut self, changed: Changed) {
        {
            let mut history = self.0.history.lock();
            history.bytes += size(&changed);
            history.changes.push_back(Arc::new(changed));
            // The newest stays, however large it is: subscribers that keep up need it.
            while history.bytes > history.most && history.changes.len() > 1 {
                if let Some(oldest) = history.changes.pop_front() {
                    history.bytes -= size(&oldest);
                    history.lost = Some(oldest.moment);
                }
            }
        }
        self.0.told.send_replace(());
    }

    fn ended(&mut self, error: Error) {
        self.0.history.lock().ended = Some(error);
        self.0.told.send_replace(());
    }
}

impl Feed {
    fn new(most: usize) -> Arc<Self> {
        let history = History { most, ..History::default() };
        Arc::new(Feed { history: Mutex::new(history), told: watch::channel(()).0 })
    }

    /// What changed after a moment, as far as it is known.
    ///
    /// # Errors
    /// 55000 if some of it is not kept any more; what ended the feed, after its last change.
    pub(crate) fn after(&self, moment: u64) -> Result<Vec<Arc<Changed>>> {
        let history = self.history.lock();
        if history.lost.is_some_and(|lost| lost > moment) {
            return Err(too_old(moment));
        }
        let first = history.changes.partition_point(|changed| changed.moment <= moment);
        let found: Vec<_> = history.changes.range(first..).cloned().collect();
        match &history.ended {
            Some(error) if found.is_empty() => Err(error.clone()),
            _ => Ok(found),
        }
    }

    pub(crate) fn told(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    fn has_ended(&self) -> bool {
        self.history.lock().ended.is_some()
    }
}

/// What a subscriber is told whose next change is not kept any more.
pub(crate) fn too_old(moment: u64) -> Error {
    Error::new(b"55000", format!("what changed after {moment} is not kept any more")).hint(
        "subscribe again with a snapshot; --subscribe-memory says how much is kept for subscribers that fall behind",
    )
}

/// A query that a session follows.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) id: FollowId,
    pub(crate) feed: Arc<Feed>,
}

/// All followed queries, as the loop holds them.
#[derive(Default)]
pub(crate) struct Feeds {
    by_id: HashMap<FollowId, (Arc<Feed>, Option<Instant>)>,
    /// When it is looked next whether anybody follows.
    pub(crate) sweep: Option<Instant>,
}

impl Loop {
    /// Follows a query; one that is followed already is shared.
    pub(crate) fn follow(&mut self, prepared: &Prepared, session: &Arc<Session>) -> Result<Subscription> {
        let feed = Feed::new(self.subscribe_memory);
        let mut database = self.database.write();
        let id = database.follow(prepared, session, || Box::new(Writer(feed.clone())))?;
        drop(database);
        self.building.get_or_insert_with(std::time::Instant::now);
        self.feeds.sweep.get_or_insert_with(|| Instant::now() + SWEEP);
        let (feed, idle) = self.feeds.by_id.entry(id).or_insert((feed, None));
        *idle = None;
        Ok(Subscription { id, feed: feed.clone() })
    }

    /// Ends what nobody has followed for a while.
    pub(crate) fn sweep_feeds(&mut self) {
        let mut gone = Vec::new();
        let now = Instant::now();
        self.feeds.by_id.retain(|id, (feed, idle)| {
            if Arc::strong_count(feed) > 2 && !feed.has_ended() {
                // Besides this list and the database.
                *idle = None;
                return true;
            }
            let since = *idle.get_or_insert(now);
            let stays = now.duration_since(since) < LINGER && !feed.has_ended();
            if !stays {
                gone.push(*id);
            }
            stays
        });
        if !gone.is_empty() {
            let mut database = self.database.write();
            gone.into_iter().for_each(|id| database.unfollow(id));
        }
        self.feeds.sweep = (!self.feeds.by_id.is_empty()).then(|| now + SWEEP);
    }
}

impl Handle {
    /// Follows the query of a subscription, once all that it reads has its rows.
    ///
    /// # Errors
    /// What is wrong with the query; 57014 after the limit.
    pub(crate) async fn follow(
        &self,
        prepared: &Prepared,
        session: &Arc<Session>,
        wait: &Wait,
    ) -> Result<(Subscription, FollowedRows)> {
        let deadline = Instant::now() + wait.limit;
        let mut hydrated = self.hydrated.clone();
        self.rows_of(prepared, wait).await?;
        let (answer, answered) = oneshot::channel();
        let request = Request::Follow { prepared: prepared.clone(), session: session.clone(), answer };
        self.send(request).await?;
        let subscription = answered.await.unwrap_or_else(|_| Err(stopping()))?;
        loop {
            hydrated.borrow_and_update();
            if let Some(rows) = self.read().followed_rows(subscription.id)? {
                return Ok((subscription, rows));
            }
            if !matches!(tokio::time::timeout_at(deadline, hydrated.changed()).await, Ok(Ok(()))) {
                return Err(source_events::still_hydrating(&self.read(), prepared));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewater_delta::RowBuilder;

    fn changed(moment: u64) -> Changed {
        let row = RowBuilder::new(Vec::new()).take();
        Changed { moment, rows: vec![(row, 1)], positions: Default::default() }
    }

    fn moments(found: Result<Vec<Arc<Changed>>>) -> Vec<u64> {
        found.expect("it is kept").iter().map(|changed| changed.moment).collect()
    }

    #[test]
    fn a_history_is_bounded_and_says_what_it_lost() {
        let feed = Feed::new(3 * size(&changed(1)));
        let mut writer = Writer(feed.clone());
        (1..=3).for_each(|moment| writer.changed(changed(moment * 10)));
        assert_eq!(moments(feed.after(0)), [10, 20, 30]);
        assert_eq!(moments(feed.after(15)), [20, 30]);
        assert!(moments(feed.after(30)).is_empty());
        (4..=5).for_each(|moment| writer.changed(changed(moment * 10)));
        assert_eq!(moments(feed.after(20)), [30, 40, 50], "what came up to 20 is lost, and not asked for");
        assert_eq!(feed.after(19).map(|_| ()).map_err(|error| error.sqlstate), Err(*b"55000"));
        writer.ended(Error::new(b"55000", "gone"));
        assert_eq!(moments(feed.after(40)), [50], "what came before the end is shown");
        assert!(feed.after(50).is_err_and(|error| error.message == "gone"));
    }
}
