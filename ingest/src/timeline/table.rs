//! A table of the timeline: what is known of its topic, and what waits for its turn among the transactions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::Op;

use super::ends::Fence;
use super::follow::Late;
use super::halves::Halves;
use super::partition::Partition;
use super::place::BinlogPlace;
use super::spec::{Place, TableSpec};
use super::steps::{Step, StepKind};
use super::transaction::Transaction;
use super::{Blocked, Recent};
use crate::event::{Origin, Snapshot};
use crate::source::OnError;

/// TRUNCATEs that are remembered: more than a connector goes back over.
const TRUNCATES: usize = 64;

/// A table of the timeline.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) topic: Arc<str>,
    pub(crate) keyed: bool,
    /// Whether its records are changes by themselves: what the topic holds is all that the table is.
    pub(crate) log: bool,
    pub(crate) on_error: OnError,
    pub(crate) compacted: bool,
    /// What the transaction topic calls it; several where several tables of MySQL share the topic.
    pub(crate) collections: Vec<Arc<str>>,
    /// How sure that is.
    pub(crate) naming: Naming,
    pub(crate) partitions: BTreeMap<i32, Partition>,
    /// Whether the timeline waits for it.
    pub(crate) live: bool,
    /// Whether it is shown.
    pub(crate) shown: bool,
    /// Whether it was ever shown: what is made of it anew then is no answer.
    pub(crate) was_shown: bool,
    /// Whether nothing can make it whole.
    pub(crate) refused: bool,
    /// Of a log: that its topic was deleted and made again, and what that means.
    pub(crate) remade: Option<String>,
    /// Why the topic does not hold all of the table.
    pub(crate) incomplete: Option<String>,
    /// When an event was made that was dropped because nothing tells it from its repetition.
    pub(crate) doubtful_ms: Option<i64>,
    /// The snapshot that comes while the table is not shown; its rows go on at once.
    pub(crate) snapshot: Option<Incoming>,
    /// The newest snapshot of which rows were given up.
    pub(crate) given_up: Option<BinlogPlace>,
    /// What it has rows of.
    pub(crate) snapshot_of: Vec<Arc<str>>,
    /// Whether a snapshot was given up for a newer one, which must come in before anything that it holds is shown.
    pub(crate) skipped: bool,
    /// The newest snapshot of which all rows have come.
    pub(crate) last_snapshot: Option<BinlogPlace>,
    /// Of a shown table: what waits for its turn, in the order of its log.
    pub(crate) steps: VecDeque<Step>,
    /// Records that could not be decoded and that no transaction is known to miss yet.
    pub(crate) losses: Vec<Lost>,
    /// Records given up.
    pub(crate) lost: u64,
    /// Of a table that is not shown: events still to come of transactions that the timeline has released, by collection.
    pub(crate) owed: BTreeMap<(Arc<str>, i64), Recent>,
    /// Of those that lack events when they were released, in that order: what is done with is taken out when it is looked at.
    owing: BTreeMap<u64, (Arc<str>, i64)>,
    /// END records before this offset must be released before the table is shown.
    pub(crate) boundaries: i64,
    /// Reading it to its present end.
    pub(crate) fence: Fence,
    /// What tombstones do whose deletions Kafka's compaction took away: they are shown with the transaction that lacks them.
    pub(crate) ghosts: Vec<Op>,
    /// Of a table of several partitions: its newest TRUNCATEs, with their times. Redelivered, they come in any partition.
    truncates: VecDeque<(Arc<str>, i64)>,
    /// What the timeline passed before it followed the table.
    pub(crate) late: VecDeque<Late>,
    /// Whether Kafka's compaction has taken records: what a snapshot holds is told by what came behind its rows, too.
    pub(crate) holed: bool,
    /// Whether something of that has come.
    pub(crate) refilled: bool,
    /// Whether changes of it have gone on.
    pub(crate) based: bool,
    /// When Kafka got the first and the newest row of the last whole snapshot.
    pub(crate) snapshot_first_ms: i64,
    pub(crate) snapshot_ms: i64,
    /// Whether its newest record belongs to no transaction, although others do.
    pub(crate) untold: bool,
    /// Why it is not shown yet.
    pub(crate) obstacle: Option<Blocked>,
    /// Changed primary keys of which one half has come.
    pub(crate) halves: Halves,
}

/// How sure it is what the transaction topic calls a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Naming {
    /// The user said so.
    Declared,
    /// A record of the table said so.
    Told,
    /// The topic's name suggests it.
    Guessed,
}

/// A snapshot whose rows are coming.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Incoming {
    /// The moment that it shows: all its rows carry it.
    pub(crate) moment: BinlogPlace,
    pub(crate) rows: u64,
    /// The first and the newest row's time in Kafka.
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// What it has rows of: several tables of MySQL may share the topic.
    pub(crate) collections: Vec<Arc<str>>,
    /// Whether the table held something when it began.
    pub(crate) replaces: bool,
    /// Whether the table missed something since it began.
    pub(crate) cut: bool,
    pub(crate) markers: Markers,
    /// Rows that could not be decoded.
    pub(crate) lost: Vec<Lost>,
    pub(crate) fence: Option<u64>,
    /// Whether the table's end was asked for since it was over.
    pub(crate) fenced: bool,
    /// Whether the table's log goes on behind it with changes that it does not hold.
    pub(crate) streamed: bool,
}

/// Markers that a snapshot's rows of a table had.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Markers {
    pub(crate) first: bool,
    pub(crate) last: bool,
    pub(crate) other: bool,
}

impl Markers {
    pub(crate) fn add(&mut self, snapshot: Snapshot) {
        match snapshot {
            Snapshot::First => self.first = true,
            Snapshot::Last | Snapshot::LastOfAll => self.last = true,
            _ => self.other = true,
        }
    }
}

impl Incoming {
    /// Whether its rows need not say that it is over: a first table of one row is marked as the first alone, and versions that
    /// mark no first row mark only the last of all.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.rows == 1 || !self.markers.first
    }

    pub(crate) fn new(origin: &Origin) -> Self {
        let (moment, markers) = (BinlogPlace::of(origin), Markers::default());
        Incoming {
            moment,
            rows: 0,
            first_ms: 0,
            last_ms: 0,
            collections: Vec::new(),
            replaces: false,
            cut: false,
            markers,
            lost: Vec::new(),
            fence: None,
            fenced: false,
            streamed: false,
        }
    }
}

/// A record that could not be decoded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lost {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) transaction: Option<Arc<str>>,
    /// The newest transaction of its partition when it came.
    pub(crate) after: Option<Arc<str>>,
    /// Whether it was a row of a snapshot.
    pub(crate) of_snapshot: bool,
    /// When Kafka got it: a snapshot whose rows were written later makes it good.
    pub(crate) created_ms: i64,
    pub(crate) reason: String,
}

impl Table {
    pub(crate) fn new(spec: TableSpec, boundaries: i64, log: bool) -> Self {
        let (collections, naming) = match spec.collection {
            Some(declared) => (vec![declared], Naming::Declared),
            None => (derived_collection(&spec.topic).into_iter().collect(), Naming::Guessed),
        };
        let mut table = Table {
            topic: spec.topic,
            keyed: spec.keyed,
            log,
            on_error: spec.on_error,
            compacted: spec.compacted,
            collections,
            naming,
            partitions: BTreeMap::new(),
            live: false,
            shown: false,
            was_shown: false,
            refused: false,
            remade: None,
            incomplete: None,
            doubtful_ms: None,
            snapshot: None,
            given_up: None,
            snapshot_of: Vec::new(),
            skipped: false,
            last_snapshot: None,
            steps: VecDeque::new(),
            losses: Vec::new(),
            lost: 0,
            owed: BTreeMap::new(),
            owing: BTreeMap::new(),
            boundaries,
            fence: Fence::default(),
            ghosts: Vec::new(),
            truncates: VecDeque::new(),
            late: VecDeque::new(),
            holed: false,
            refilled: false,
            based: false,
            snapshot_first_ms: 0,
            snapshot_ms: 0,
            untold: false,
            obstacle: None,
            halves: Halves::default(),
        };
        for bounds in spec.partitions {
            if bounds.low > 0 {
                table.misses(bounds.partition, 0, bounds.low);
            }
            table.partitions.insert(bounds.partition, Partition::new(bounds));
        }
        table
    }

    /// Takes note of a record; false if it was read before, or lies in a partition that is not known.
    pub(crate) fn take(&mut self, place: Place) -> bool {
        let Some(partition) = self.partitions.get_mut(&place.partition) else { return false };
        let missing = place.offset - partition.next;
        let new = partition.take(place.offset);
        if self.compacted && partition.jumped {
            self.holed = true;
            partition.holes.add(missing.unsigned_abs(), partition.newest().cloned());
        }
        new
    }

    /// Whether compaction took the events that the oldest transaction lacks. `placed` says that it is known where they would lie,
    /// `waits` whether another is not released.
    pub(crate) fn is_taken(
        &self,
        oldest: &Arc<str>,
        missing: u64,
        placed: bool,
        waits: impl Fn(&Arc<str>) -> bool,
    ) -> bool {
        let holes = || self.partitions.values().map(|partition| partition.holes.of(oldest, &waits)).sum::<u64>();
        let is_later = |newest: &Arc<str>| newest != oldest && waits(newest);
        let goes_on = |partition: &Partition| partition.newest().is_some_and(is_later);
        self.compacted && (holes() >= missing || !placed && self.partitions.values().all(goes_on))
    }

    /// Whether compaction took something of which it is open whose it was.
    pub(crate) fn has_holes(&self) -> bool {
        self.compacted && self.partitions.values().any(|partition| !partition.holes.is_empty())
    }

    /// Takes note of a TRUNCATE; false if it came before, in whatever partition.
    pub(crate) fn truncate(&mut self, transaction: &Arc<str>, ms: i64) -> bool {
        if self.truncates.iter().any(|(id, at)| id == transaction && *at == ms) {
            return false;
        }
        if self.truncates.len() == TRUNCATES {
            self.truncates.pop_front();
        }
        self.truncates.push_back((transaction.clone(), ms));
        true
    }

    /// Takes note that records were deleted before they were read.
    pub(crate) fn misses(&mut self, partition: i32, from: i64, to: i64) {
        if self.log {
            self.lost += (to - from).max(0) as u64;
            return;
        }
        if let Some(incoming) = self.incoming_mut() {
            incoming.cut = true;
        }
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.cut = Some(None);
        }
        self.incomplete.get_or_insert_with(|| {
            let topic = &self.topic;
            format!("topic \"{topic}\", partition {partition}: the records at offsets {from} to {} were deleted from Kafka before they were read", to - 1)
        });
    }

    /// Whether anything of it is or was shown or has gone on.
    pub(crate) fn based_or_live(&self) -> bool {
        self.live || self.based
    }

    /// Whether nothing that is or was shown, has gone on or waits is of a transaction.
    pub(crate) fn holds_nothing_of(&self, transaction: &Arc<str>) -> bool {
        let mut waiting = self.partitions.values().flat_map(|partition| &partition.log);
        !self.based_or_live() && !waiting.any(|entry| entry.transaction == *transaction)
    }

    /// Whether it has several partitions.
    pub(crate) fn is_split(&self) -> bool {
        self.partitions.len() > 1
    }

    /// Whether records of it are lost that it cannot be shown without.
    pub(crate) fn misses_records(&self) -> bool {
        let of_snapshot = self.snapshot.as_ref().is_some_and(|incoming| !incoming.lost.is_empty());
        self.on_error == OnError::Stall && (of_snapshot || !self.losses.is_empty())
    }

    /// Whether everything was read that its topic held when the table was added.
    pub(crate) fn is_read(&self) -> bool {
        self.partitions.values().all(|partition| partition.next >= partition.horizon)
    }

    /// The number of events that `collections`, as an END counts them, name of this table.
    pub(crate) fn expected<'a>(&self, counts: &'a [(Arc<str>, u64)]) -> impl Iterator<Item = (&'a Arc<str>, u64)> {
        let own = |name: &Arc<str>| self.collections.contains(name);
        counts
            .iter()
            .filter(move |(name, _)| own(name))
            .map(|(name, count)| (name, *count))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Events that a transaction misses of this table.
    pub(crate) fn missing(
        &self,
        transaction: &Transaction,
        table: tidewater_delta::TableId,
        counts: &[(Arc<str>, u64)],
    ) -> u64 {
        let part = transaction.part_of(table);
        let have = |name: &str| part.map_or(0, |part| part.count(name));
        let counted = self.expected(counts).map(|(name, count)| count.saturating_sub(have(name))).sum::<u64>();
        counted.max(self.halves.open(transaction.id.as_deref().unwrap_or_default()))
    }

    /// Takes note of an event of a transaction that was released while the table was not shown.
    pub(crate) fn repay(&mut self, transaction: &Arc<str>, ms: i64, collection: &str) {
        let from = (transaction.clone(), ms);
        let Some((_, owed)) = self.owed.range_mut(from..).next().filter(|((id, _), _)| id == transaction) else {
            return;
        };
        if let Some((_, count)) = owed.counts.iter_mut().find(|(name, _)| **name == *collection) {
            *count = count.saturating_sub(1);
            owed.repaid = true;
        }
    }

    /// The timeline has released a transaction of which events of the table are still to come.
    pub(crate) fn owe(&mut self, transaction: Arc<str>, recent: Recent) {
        let key = (transaction, recent.committed_ms);
        self.owing.insert(recent.number, key.clone());
        self.owed.insert(key, recent);
    }

    /// Nothing more is expected of what was released before.
    pub(crate) fn forgive(&mut self) {
        self.owed.clear();
        self.owing.clear();
    }

    /// Whether something of the table is still to come that was released before `transaction`. Its one partition has everything
    /// in order, so that lies in a partition that nobody knows yet.
    pub(crate) fn lacks_before(&mut self, transaction: &Arc<str>, ms: i64) -> bool {
        // What was lost, deleted or compacted never comes.
        let lost =
            self.lost > 0 || !self.losses.is_empty() || self.incoming().is_some_and(|found| !found.lost.is_empty());
        let never = self.compacted || lost || self.partitions.values().any(|found| found.cut.is_some());
        if never || self.owing.is_empty() {
            return false;
        }
        let from = (transaction.clone(), ms);
        let own = self.owed.range(from..).next().filter(|((id, _), _)| id == transaction);
        let Some(number) = own.map(|(_, owed)| owed.number) else { return false };
        while let Some(first) = self.owing.first_entry() {
            if *first.key() >= number {
                return false;
            }
            let names = &self.collections;
            let lacks = |owed: &Recent| owed.counts.iter().any(|(name, count)| *count > 0 && names.contains(name));
            // A snapshot's time has whole seconds.
            let moment = self.snapshot.as_ref().map(|incoming| &incoming.moment).or(self.last_snapshot.as_ref());
            let behind = |owed: &Recent| moment.is_none_or(|moment| owed.committed_ms > moment.ms + 1_000);
            let open = self.owed.get(first.get()).is_some_and(|owed| !owed.again && behind(owed) && lacks(owed));
            if open {
                return true;
            }
            first.remove();
        }
        false
    }

    /// Whether the newest snapshot holds a streamed change. What its producer wrote before the snapshot's rows the database did
    /// before them; a connector that paused for a snapshot goes on behind it with what it holds already.
    pub(crate) fn includes(&self, origin: &Origin, created_ms: i64) -> bool {
        let incoming = self.snapshot.as_ref();
        let moment = incoming.map(|incoming| &incoming.moment).or(self.last_snapshot.as_ref());
        let first_ms = incoming.map_or(self.snapshot_first_ms, |incoming| incoming.first_ms);
        let of = incoming.map_or(&self.snapshot_of, |incoming| &incoming.collections);
        let shared = self.collections.len() > 1 && !of.contains(&origin.collection);
        let before = || moment.is_some_and(|moment| BinlogPlace::of(origin).is_before(moment));
        !shared && (created_ms < first_ms || before())
    }

    /// Whether a change that the newest snapshot holds is shown all the same. Where compaction took the row that the snapshot
    /// had, a change that was written behind it is there in its place, maybe not the last one that the snapshot holds.
    pub(crate) fn refills(&self, created_ms: i64) -> bool {
        let first_ms = self.snapshot.as_ref().map_or(self.snapshot_first_ms, |incoming| incoming.first_ms);
        self.holed && self.keyed && !self.shown && created_ms >= first_ms
    }

    /// The same for a snapshot that waits for its turn: it holds what is written behind its rows.
    pub(crate) fn refill(&mut self, happened: &BinlogPlace, ops: &[Op]) {
        if !(self.holed && self.keyed && self.live) {
            return;
        }
        let of = |step: &&mut Step| matches!(step.kind, StepKind::Snapshot(_)) && happened.is_before(&step.place);
        if let Some(step) = self.steps.iter_mut().find(of) {
            step.ops.extend_from_slice(ops);
        }
    }

    /// Whether a row that is marked as the last of its table is the last of the topic, too: a topic that is not named after a
    /// table may hold several.
    pub(crate) fn is_of_one(&self) -> bool {
        let own = |name: &Arc<str>| derived_collection(&self.topic).as_ref() == Some(name);
        self.naming == Naming::Declared || self.collections.iter().all(own)
    }

    /// The collection that an event of it counts for.
    pub(crate) fn collection_of(&self, origin: &Origin) -> Arc<str> {
        if origin.collection.is_empty() || self.naming == Naming::Declared {
            return self.collections.first().cloned().unwrap_or_else(|| origin.collection.clone());
        }
        origin.collection.clone()
    }

    /// Adds what belongs to no transaction in its place: partitions are not read in step. `parted` says that transactions with
    /// events of the table are held, which may lie between it and what came before.
    pub(crate) fn add_step(&mut self, step: Step, parted: bool) {
        let rows = |step: &Step| matches!(step.kind, StepKind::Rows);
        let split = self.is_split();
        if split
            && let Some(same) =
                self.steps.iter_mut().find(|other| rows(other) && rows(&step) && other.place == step.place)
        {
            return same.extend(step);
        }
        if let Some(last) = self.steps.back_mut().filter(|last| !split && !parted && rows(last) && rows(&step)) {
            return last.ops.extend(step.ops);
        }
        // A connector that paused for a snapshot goes on behind its rows with what the snapshot holds already.
        let holds = |other: &Step| matches!(other.kind, StepKind::Snapshot(_)) && step.place.is_before(&other.place);
        if let Some(at) = self.steps.iter().position(holds) {
            return self.steps.insert(at, step);
        }
        let elsewhere = |other: &Step| other.at.iter().all(|(found, _)| step.at.iter().all(|(own, _)| found != own));
        let later = |other: &&Step| elsewhere(other) && other.place != step.place && step.place.is_before(&other.place);
        let later = self.steps.iter().rev().take_while(later).count();
        self.steps.insert(self.steps.len() - later, step);
    }

    /// The same, to be changed.
    pub(crate) fn incoming_mut(&mut self) -> Option<&mut Incoming> {
        let step = self.steps.iter_mut().find_map(|step| match &mut step.kind {
            StepKind::Snapshot(incoming) => Some(&mut **incoming),
            _ => None,
        });
        self.snapshot.as_mut().or(step)
    }

    /// A snapshot that has begun and is not complete.
    pub(crate) fn incoming(&self) -> Option<&Incoming> {
        let step = self.steps.iter().find_map(|step| match &step.kind {
            StepKind::Snapshot(incoming) => Some(&**incoming),
            _ => None,
        });
        self.snapshot.as_ref().or(step)
    }
}

/// Debezium names topics PREFIX.DATABASE.TABLE.
fn derived_collection(topic: &str) -> Option<Arc<str>> {
    let mut parts = topic.rsplitn(3, '.');
    let (table, database) = (parts.next()?, parts.next()?);
    parts.next().map(|_| format!("{database}.{table}").into())
}
