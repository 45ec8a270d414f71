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
}

impl Timeline {
    /// A transaction whose boundaries were deleted lacks insertions of a table that is shown.
    pub(super) fn without_insertions(&mut self, id: &Arc<str>, of: TableId) -> Verdict {
        let Some(table) = self.tables.get_mut(&of) else { return Verdict::Release };
        let open = table.halves.open(id);
        let text = table.lacks_insertions(id, open);
        match (self.quiet || table.halves.is_lost(id), table.on_error) {
            (false, _) => waits(text),
            (true, OnError::Stall) => stalls(text),
            (true, _) => {
                table.lost += open;
                table.halves.forgive(id);
                Verdict::Release
            }
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
            let open = table.halves.open(&name);
            let reason = table.lacks_insertions(&name, open);
            match (self.quiet || table.halves.is_lost(&name), table.on_error) {
                (false, _) => return Some(Blocked { definite: false, reason, hint: String::new() }),
                (true, OnError::Stall) => return Some(Blocked { definite: true, reason, hint: AGAIN.to_owned() }),
                (true, _) => {
                    table.lost += open;
                    table.halves.forgive(&name);
                }
            }
        }
    }
}
