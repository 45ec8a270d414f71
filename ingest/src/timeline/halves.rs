//! Changed primary keys of which one half has come.
//!
//! Of an UPDATE that changes a primary key Debezium makes two events: a deletion of the old key, whose header
//! `__debezium.newkey` names the new one, and an insertion with the header `__debezium.oldkey`
//! (<https://debezium.io/documentation/reference/stable/connectors/mysql.html>, "Primary key updates"). Both have one place in
//! the binlog, and the connector one offset for both: if it is stopped between the two it takes the change for done, the
//! insertion never comes, and the END that it then writes does not count it.
//!
//! So whoever has seen the deletion waits for the insertion, whatever END counts. In a partition an insertion follows its deletion
//! before any other event: another one that comes for the first time shows that it is lost, unless offsets are missing between,
//! where Kafka's compaction took it for a later record of its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;

use super::hydrate::AGAIN;
use super::judge::{Verdict, stalls, waits};
use super::place::BinlogPlace;
use super::table::Table;
use super::{Blocked, Timeline};
use crate::event::{KeyChange, Origin};
use crate::source::OnError;

/// So many transactions of several partitions are remembered whose halves have all come: one may come again.
const KEPT: usize = 128;

/// See the module. By transaction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Halves(BTreeMap<Arc<str>, Changes>);

/// The changed keys of one transaction.
#[derive(Debug, Serialize, Deserialize)]
struct Changes {
    /// By position in the binlog and row: whether the deletion has come, and whether the insertion.
    halves: BTreeMap<(u64, u32), (bool, bool)>,
    /// How many of them lack their insertion, and how many their deletion.
    lacking: (u64, u64),
    /// Where the first of them lies, on which server, and in which partition.
    place: BinlogPlace,
    server: u64,
    partition: i32,
    /// Whether others lie on another server, where their places are others.
    elsewhere: bool,
    /// Whether an insertion is known to be lost.
    lost: bool,
    /// Whether compaction took one.
    taken: bool,
    /// Whether a snapshot began since, which holds them if it becomes whole.
    snapshotted: bool,
}

/// Where an event lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lies {
    pub(crate) partition: i32,
    /// Whether its table has several partitions: then an insertion may come before its deletion, and either of them again in another
    /// partition.
    pub(crate) several: bool,
    /// Whether compaction took what lay before it.
    pub(crate) jumped: bool,
}

impl Changes {
    fn new(origin: &Origin, partition: i32) -> Self {
        let (place, server) = (BinlogPlace::of(origin), origin.server_id);
        Changes {
            halves: BTreeMap::new(),
            lacking: (0, 0),
            place,
            server,
            partition,
            elsewhere: false,
            lost: false,
            taken: false,
            snapshotted: false,
        }
    }

    /// How many insertions are still to come. One that another server wrote may be any of them.
    fn open(&self) -> u64 {
        let (insertions, deletions) = self.lacking;
        if self.elsewhere { insertions.saturating_sub(deletions) } else { insertions }
    }

    /// Something lies behind a deletion that is not its insertion; `jumped` as in [`Lies`]. The first tells.
    fn end(&mut self, jumped: bool) {
        if !self.lost && !self.taken {
            (self.lost, self.taken) = (!jumped, jumped);
        }
    }

    /// Takes a half; `several` as in [`Lies`].
    fn take(&mut self, origin: &Origin, half: KeyChange, several: bool) {
        let at = (origin.pos, origin.row);
        let found = self.halves.entry(at).or_default();
        let before = *found;
        match half {
            KeyChange::Deletion => found.0 = true,
            KeyChange::Insertion => found.1 = true,
        }
        let lacking = |halves: (bool, bool)| (u64::from(halves == (true, false)), u64::from(halves == (false, true)));
        let (old, new) = (lacking(before), lacking(*found));
        self.lacking = (self.lacking.0 + new.0 - old.0, self.lacking.1 + new.1 - old.1);
        self.elsewhere |= origin.server_id != self.server;
        if !several && *found == (true, true) {
            self.halves.remove(&at);
        }
        if self.open() == 0 {
            (self.lost, self.taken) = (false, false);
        }
    }
}

impl Halves {
    /// Takes an event that comes for the first time. Returns whether it shows that an insertion is lost.
    pub(crate) fn take(
        &mut self,
        transaction: &Arc<str>,
        origin: &Origin,
        half: Option<KeyChange>,
        lies: Lies,
    ) -> bool {
        let before = self.open(transaction);
        let mut after = before;
        if let Some(half) = half {
            if self.0.len() >= KEPT && !self.0.contains_key(transaction) {
                self.0.retain(|_, changes| changes.open() > 0);
            }
            let changes = self.0.entry(transaction.clone()).or_insert_with(|| Changes::new(origin, lies.partition));
            changes.take(origin, half, lies.several);
            after = changes.open();
            if changes.halves.is_empty() {
                self.0.remove(transaction);
            }
        }
        if lies.several || after < before {
            return false;
        }
        let own = |name: &Arc<str>| u64::from(half == Some(KeyChange::Deletion) && name == transaction);
        self.0.iter_mut().fold(false, |lost, (name, changes)| {
            if changes.open() > own(name) {
                changes.end(lies.jumped);
            }
            lost || changes.lost
        })
    }

    /// Compaction took what lay before a tombstone.
    pub(crate) fn jump(&mut self) {
        self.0.values_mut().filter(|changes| changes.open() > 0).for_each(|changes| changes.end(true));
    }

    /// How many insertions of a transaction are still to come.
    pub(crate) fn open(&self, transaction: &str) -> u64 {
        self.0.get(transaction).map_or(0, Changes::open)
    }

    /// Whether one of them is lost.
    pub(crate) fn is_lost(&self, transaction: &str) -> bool {
        self.0.get(transaction).is_some_and(|changes| changes.lost)
    }

    /// A transaction that lacks insertions for good, of those that `of` names.
    pub(crate) fn first_open(&self, of: impl Fn(&Arc<str>) -> bool) -> Option<&Arc<str>> {
        self.0
            .iter()
            .find(|(transaction, changes)| changes.open() > 0 && !changes.taken && of(transaction))
            .map(|(transaction, _)| transaction)
    }

    /// Forgets all transactions but those.
    pub(crate) fn keep(&mut self, of: impl Fn(&Arc<str>) -> bool) {
        self.0.retain(|transaction, _| of(transaction));
    }

    /// Nothing more is expected of a transaction.
    pub(crate) fn forgive(&mut self, transaction: &str) {
        self.0.remove(transaction);
    }

    /// The first row of a snapshot lies in a partition. A connector takes none in the midst of a transaction.
    pub(crate) fn begin_snapshot(&mut self, partition: i32) {
        let before = self.0.values_mut().filter(|changes| changes.partition == partition);
        before.for_each(|changes| changes.snapshotted = true);
    }

    /// The newest snapshot that began is whole: it holds what came before its first row, and what the database did before its moment.
    pub(crate) fn end_snapshot(&mut self, moment: &BinlogPlace) {
        self.0.retain(|_, changes| !changes.snapshotted && !changes.place.is_before(moment));
    }
}

impl Table {
    /// That the oldest transaction lacks `open` insertions.
    pub(super) fn lacks_insertions(&self, transaction: &str, open: u64) -> String {
        let (topic, rows) = (&self.topic, if open == 1 { "row" } else { "rows" });
        format!(
            "transaction {transaction} changed primary keys in topic \"{topic}\", and {open} {rows} under the new key have not come: \
             Debezium loses them if it is stopped in the midst of such a change"
        )
    }

    /// What a transaction lacks in insertions, and whether for good, which it is if nothing more comes: `over`. Nothing where that is
    /// the source's policy.
    fn insertions_lacked(&mut self, transaction: &str, over: bool) -> Option<(bool, String)> {
        let (open, lost) = (self.halves.open(transaction), over || self.halves.is_lost(transaction));
        if lost && self.on_error != OnError::Stall {
            self.lost += open;
            self.halves.forgive(transaction);
            return None;
        }
        Some((lost, self.lacks_insertions(transaction, open)))
    }
}

impl Timeline {
    /// A transaction whose boundaries were deleted lacks insertions of a table that is shown.
    pub(super) fn without_insertions(&mut self, id: &Arc<str>, of: TableId) -> Verdict {
        match self.tables.get_mut(&of).and_then(|table| table.insertions_lacked(id, self.quiet)) {
            None => Verdict::Release,
            Some((false, text)) => waits(text),
            Some((true, text)) => stalls(text),
        }
    }

    /// A table lacks insertions for good of what the timeline does not judge any more, or never did: it has no state to show.
    pub(super) fn hide_halves(&mut self, id: TableId) {
        let stalls = |table: &Table| table.on_error == OnError::Stall;
        match self.tables.get(&id).is_some_and(stalls) {
            true => self.hide(id),
            false => drop(self.lacks_insertion(id)),
        }
    }

    /// Hides what lacks an insertion where nothing more comes.
    pub(super) fn hide_all_halves(&mut self) {
        let lacks = |table: &Table| {
            let open = || table.halves.first_open(|id| !self.pending.contains_key(id));
            table.live && !(table.is_split() && table.holed) && open().is_some()
        };
        let hidden = self.tables.iter().filter(|(_, table)| self.quiet && lacks(table)).map(|(id, _)| *id);
        hidden.collect::<Vec<_>>().into_iter().for_each(|id| self.hide_halves(id));
    }

    /// What keeps a table from being shown: the timeline does not judge a transaction any more that lacks an insertion.
    pub(super) fn lacks_insertion(&mut self, id: TableId) -> Option<Blocked> {
        loop {
            let table = self.tables.get_mut(&id).filter(|table| !(table.is_split() && table.holed))?;
            let name = table.halves.first_open(|id| !self.pending.contains_key(id))?.clone();
            if let Some((definite, reason)) = table.insertions_lacked(&name, self.quiet) {
                let hint = if definite { AGAIN.to_owned() } else { String::new() };
                return Some(Blocked { definite, reason, hint });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Snapshot;

    /// What `halves` says of events of one transaction: the position in the binlog and the half, and where it lies. Whether an
    /// insertion was told lost, and how many are open.
    fn told(halves: &mut Halves, events: &[(u64, Option<KeyChange>, Lies)]) -> (bool, u64) {
        let id: Arc<str> = "u:1".into();
        let lost = events.iter().fold(false, |lost, &(pos, half, lies)| {
            let origin = Origin {
                gtid: None,
                file: "binlog.000001".into(),
                pos,
                row: 0,
                server_id: 1,
                ts_ms: 1,
                snapshot: Snapshot::No,
                collection: "shop.t".into(),
                transaction: None,
            };
            halves.take(&id, &origin, half, lies) || lost
        });
        (lost, halves.open(&id))
    }

    const DELETION: Option<KeyChange> = Some(KeyChange::Deletion);
    const INSERTION: Option<KeyChange> = Some(KeyChange::Insertion);
    const ONE: Lies = Lies { partition: 0, several: false, jumped: false };
    const JUMPED: Lies = Lies { jumped: true, ..ONE };
    const SEVERAL: Lies = Lies { several: true, ..ONE };

    #[test]
    fn of_a_changed_key_both_halves_come_one_behind_the_other() {
        let mut halves = Halves::default();
        assert_eq!(told(&mut halves, &[(4, DELETION, ONE)]), (false, 1));
        assert_eq!(halves.first_open(|_| true).map(|id| &**id), Some("u:1"));
        assert_eq!(told(&mut halves, &[(4, INSERTION, ONE), (8, DELETION, ONE), (8, INSERTION, ONE)]), (false, 0));
        assert!(halves.0.is_empty());
    }

    #[test]
    fn another_event_in_between_shows_that_the_insertion_is_lost() {
        let mut halves = Halves::default();
        assert_eq!(told(&mut halves, &[(4, DELETION, ONE), (8, None, ONE)]), (true, 1));
        assert!(halves.is_lost("u:1"));
        let mut halves = Halves::default();
        assert_eq!(told(&mut halves, &[(4, DELETION, ONE), (8, DELETION, ONE), (8, INSERTION, ONE)]), (true, 1));
        halves.forgive("u:1");
        assert_eq!((halves.is_lost("u:1"), halves.open("u:1")), (false, 0));
    }

    #[test]
    fn where_compaction_took_what_lay_between_nothing_is_lost() {
        let mut halves = Halves::default();
        assert_eq!(told(&mut halves, &[(4, DELETION, ONE), (8, None, JUMPED), (9, None, ONE)]), (false, 1));
        assert!(!halves.is_lost("u:1"));
        assert_eq!(halves.first_open(|_| true), None, "a later record of its key says all");
    }

    #[test]
    fn in_several_partitions_the_insertion_may_come_first_and_either_again() {
        let mut halves = Halves::default();
        assert_eq!(told(&mut halves, &[(4, INSERTION, SEVERAL), (8, None, SEVERAL)]), (false, 0));
        assert_eq!(told(&mut halves, &[(4, DELETION, SEVERAL), (4, INSERTION, SEVERAL)]), (false, 0));
        assert_eq!(told(&mut halves, &[(8, DELETION, SEVERAL), (9, None, SEVERAL)]), (false, 1), "it may still come");
        assert!(!halves.is_lost("u:1"));
    }

    #[test]
    fn a_snapshot_that_becomes_whole_holds_what_came_before_it() {
        let mut halves = Halves::default();
        let moment = |pos| BinlogPlace { file: "binlog.000001".into(), pos, ms: 1 };
        told(&mut halves, &[(4, DELETION, ONE)]);
        halves.end_snapshot(&moment(4));
        assert_eq!(halves.open("u:1"), 1, "it is of the moment before");
        halves.end_snapshot(&moment(5));
        assert_eq!(halves.open("u:1"), 0);
        told(&mut halves, &[(9, DELETION, ONE)]);
        halves.begin_snapshot(1);
        halves.end_snapshot(&moment(5));
        assert_eq!(halves.open("u:1"), 1, "its first row lies in another partition");
        halves.begin_snapshot(0);
        halves.end_snapshot(&moment(5));
        assert_eq!(halves.open("u:1"), 0);
    }
}
