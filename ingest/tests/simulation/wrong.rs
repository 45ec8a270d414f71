//! Negative controls: a timeline with a defect put back, made by changing what it is told. The simulation must catch each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidewater_delta::{Op, TableId};
use tidewater_ingest::event::{Boundary, Event, Operation, Snapshot};
use tidewater_ingest::timeline::{Bounds, Loss, Output, Place, TableSpec, Timeline, Waiting};
use tidewater_ingest::{Health, OnError};

use crate::classes::story;
use crate::shrink::outcome_of;
use crate::story::Class;
use crate::subject::Subject;

/// Seeds in which a defect must show.
const SEEDS: u64 = 300;

/// A defect, named after what the wrong assembler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    /// Drops an event whose file, position and row are not greater than the last one's of its table.
    OnlyGreaterPlaces,
    /// Takes two events of one order number for one event.
    OneEventAnOrder,
    /// Takes the rest of a topic for the whole of it.
    HidesGaps,
    /// Knows collections by the topic's name only.
    IgnoresCollections,
    /// Releases a transaction at its END.
    CountsNothing,
    /// A loss lets the table's next transaction go without an event.
    LossIsCredit,
    /// Releases transactions without their lost members, whatever was asked for.
    NeverStalls,
    /// Puts the rows of a snapshot ahead of all transactions.
    SnapshotFirst,
    /// Adds the rows of a second snapshot to those that are there.
    SnapshotAdds,
    /// Orders by arrival.
    OrderOfArrival,
    /// Never looks for new partitions.
    FirstPartitionsOnly,
    /// Says that it runs, whatever it does.
    SaysItRuns,
    /// Says that it stalls, but not why.
    GivesNoReason,
    /// Does not hear of the end of a partition.
    WaitsForLastOffset,
    /// Is ready before it has caught up.
    ReadyAtOnce,
    /// Takes a transaction id for seen when it is used again.
    IdsAreForEver,
    /// Keeps a state, and with it the rows of a later moment.
    StateOfBefore,
    /// Keeps its state without the transactions that it has released.
    ForgetsReleased,
    /// Goes on behind the next record, as far as its reader had come.
    GoesOnTooFar,
    /// Does not know which deletions an insertion follows.
    IgnoresHeaders,
}

struct Wrong {
    inner: Timeline,
    defect: Defect,
    last: HashMap<TableId, (usize, Arc<str>, u64, u32)>,
    orders: HashSet<(Arc<str>, u64)>,
    ended: HashSet<Arc<str>>,
    credits: HashMap<TableId, u64>,
    arrivals: u64,
    partitions: HashMap<TableId, i32>,
    shown: HashSet<TableId>,
    /// The newest state that was taken.
    state: Option<Vec<u8>>,
    /// Transactions that were released, and those that the state of before had released.
    released: HashSet<Arc<str>>,
    forgotten: HashSet<Arc<str>>,
    skips: bool,
}

impl Wrong {
    fn new(defect: Defect, transactions: bool) -> Self {
        Wrong {
            inner: Timeline::new("mysql.transaction", transactions),
            defect,
            last: HashMap::new(),
            orders: HashSet::new(),
            ended: HashSet::new(),
            credits: HashMap::new(),
            arrivals: 0,
            partitions: HashMap::new(),
            shown: HashSet::new(),
            state: None,
            released: HashSet::new(),
            forgotten: HashSet::new(),
            skips: false,
        }
    }

    fn bounds(&self, bounds: Bounds) -> Bounds {
        let Bounds { partition, low, end } = bounds;
        match self.defect {
            Defect::HidesGaps => Bounds { partition, low: 0, end },
            Defect::ReadyAtOnce => Bounds { partition, low, end: low },
            _ => bounds,
        }
    }

    /// A transaction that was forgotten is another one when it comes again.
    fn unseen(&self, id: &Arc<str>) -> Arc<str> {
        match self.defect == Defect::ForgetsReleased && self.forgotten.contains(id) {
            true => format!("forgotten-{id}").into(),
            false => id.clone(),
        }
    }

    /// Whether the wrong assembler would drop the event; else what it would make of it.
    fn drops(&mut self, id: TableId, place: &Place, event: &mut Event) -> bool {
        let origin = &mut event.origin;
        let reads = event.operation == Operation::Read;
        match self.defect {
            Defect::OnlyGreaterPlaces if !reads => {
                let place = (origin.file.len(), origin.file.clone(), origin.pos, origin.row);
                let new = self.last.get(&id).is_none_or(|last| *last < place);
                self.last.insert(id, place);
                return !new;
            }
            Defect::OneEventAnOrder => {
                let member = origin.transaction.as_ref().map(|member| (member.id.clone(), member.total_order));
                return member.is_some_and(|member| !self.orders.insert(member));
            }
            Defect::IgnoresCollections => origin.collection = "".into(),
            Defect::LossIsCredit => {
                let credit = self.credits.entry(id).or_default();
                if let Some(member) = &origin.transaction
                    && *credit > 0
                {
                    *credit -= 1;
                    let transaction = Some(member.id.clone());
                    let loss = Loss { transaction, snapshot: false, reason: "an earlier loss".into() };
                    self.inner.lost(id, *place, loss);
                    return true;
                }
            }
            Defect::SnapshotFirst if reads => {
                (origin.file, origin.pos, origin.ts_ms) = ("binlog.000001".into(), 4, 1_000);
            }
            Defect::SnapshotAdds if reads && self.shown.contains(&id) => origin.snapshot = Snapshot::Incremental,
            Defect::OrderOfArrival => {
                self.arrivals += 1;
                origin.pos = self.arrivals;
                if let Some(member) = &mut origin.transaction {
                    member.total_order = self.arrivals;
                }
            }
            Defect::FirstPartitionsOnly => {
                return self.partitions.get(&id).is_some_and(|known| place.partition >= *known);
            }
            Defect::ForgetsReleased => {
                if let Some(member) = &mut origin.transaction {
                    member.id = self.unseen(&member.id);
                }
            }
            Defect::GoesOnTooFar => return std::mem::take(&mut self.skips),
            Defect::IgnoresHeaders => event.key_change = None,
            Defect::IdsAreForEver => {
                return origin.transaction.as_ref().is_some_and(|member| self.ended.contains(&member.id));
            }
            _ => {}
        }
        false
    }
}

impl Subject for Wrong {
    fn begin_boundaries(&mut self, low: i64, end: i64) {
        match self.defect {
            Defect::HidesGaps => self.inner.begin_boundaries(0, end),
            Defect::ReadyAtOnce => self.inner.begin_boundaries(low, low),
            _ => self.inner.begin_boundaries(low, end),
        }
    }
    fn add_table(&mut self, id: TableId, mut spec: TableSpec) {
        self.partitions.insert(id, spec.partitions.len() as i32);
        spec.partitions = spec.partitions.drain(..).map(|bounds| self.bounds(bounds)).collect();
        match self.defect {
            Defect::IgnoresCollections => spec.collection = Some(spec.topic.clone()),
            Defect::NeverStalls => spec.on_error = OnError::Skip,
            _ => {}
        }
        self.inner.add_table(id, spec);
    }
    fn add_partition(&mut self, id: TableId, bounds: Bounds) {
        if self.defect != Defect::FirstPartitionsOnly {
            let bounds = self.bounds(bounds);
            self.inner.add_partition(id, bounds);
        }
    }
    fn remove_table(&mut self, id: TableId) {
        self.shown.remove(&id);
        self.inner.remove_table(id);
    }
    fn boundary(&mut self, offset: i64, timestamp_ms: i64, mut boundary: Boundary) {
        let (Boundary::Begin { id, .. } | Boundary::End { id, .. }) = &mut boundary;
        *id = self.unseen(id);
        if self.defect == Defect::IdsAreForEver && self.ended.contains(id) {
            return self.inner.boundaries_read(offset + 1);
        }
        if let Boundary::End { id, event_count, data_collections, .. } = &mut boundary {
            self.ended.insert(id.clone());
            if self.defect == Defect::CountsNothing {
                *event_count = 0;
                data_collections.clear();
            }
        }
        self.inner.boundary(offset, timestamp_ms, boundary);
    }
    fn boundary_lost(&mut self, offset: i64, reason: String) {
        self.inner.boundary_lost(offset, reason);
    }
    fn boundaries_read(&mut self, next: i64) {
        if self.defect != Defect::WaitsForLastOffset {
            self.inner.boundaries_read(next);
        }
    }
    fn event(&mut self, id: TableId, place: Place, mut event: Event) {
        if self.drops(id, &place, &mut event) {
            self.read(id, place.partition, place.offset + 1);
        } else {
            self.inner.event(id, place, event);
        }
    }
    fn lost(&mut self, id: TableId, place: Place, loss: Loss) {
        if self.defect == Defect::LossIsCredit {
            *self.credits.entry(id).or_default() += 1;
        }
        self.inner.lost(id, place, loss);
    }
    fn tombstone(&mut self, id: TableId, place: Place, op: Option<Op>) {
        self.inner.tombstone(id, place, op);
    }
    fn read(&mut self, id: TableId, partition: i32, next: i64) {
        let unknown = self.partitions.get(&id).is_some_and(|known| partition >= *known);
        if self.defect != Defect::WaitsForLastOffset && !(unknown && self.defect == Defect::FirstPartitionsOnly) {
            self.inner.read(id, partition, next);
        }
    }
    fn gap(&mut self, id: TableId, partition: i32, from: i64, to: i64) {
        if self.defect != Defect::HidesGaps {
            self.inner.gap(id, partition, from, to);
        }
    }
    fn wants_ends(&self) -> bool {
        self.inner.wants_ends()
    }
    fn ends(&mut self, ends: &[(TableId, i32, i64)]) {
        let known = |(id, partition, _): &&(TableId, i32, i64)| {
            self.defect != Defect::FirstPartitionsOnly || self.partitions.get(id).is_some_and(|known| partition < known)
        };
        let ends: Vec<_> = ends.iter().filter(known).copied().collect();
        self.inner.ends(&ends);
    }
    fn quiet(&mut self) {
        if self.defect != Defect::WaitsForLastOffset {
            self.inner.quiet();
        }
    }
    fn release(&mut self) -> Vec<Output> {
        let outputs = self.inner.release();
        self.shown.extend(outputs.iter().filter_map(|output| match output {
            Output::Hydrated(table) => Some(*table),
            _ => None,
        }));
        self.released.extend(outputs.iter().filter_map(|output| match output {
            Output::Commit(commit) => Some(Arc::from(commit.position.to_string())),
            _ => None,
        }));
        outputs
    }
    fn health(&self, id: TableId) -> Health {
        let mut health = self.inner.health(id);
        match self.defect {
            Defect::SaysItRuns => health = Health::running(),
            Defect::GivesNoReason => health.reason.clear(),
            _ => {}
        }
        health
    }
    fn state(&mut self) -> Option<Vec<u8>> {
        let ids = self.released.iter().map(|id| &**id).collect::<Vec<_>>().join("\n");
        let inner = self.inner.state().ok()?;
        let state = [&(inner.len() as u64).to_le_bytes(), &inner[..], ids.as_bytes()].concat();
        let before = self.state.replace(state.clone());
        Some(before.filter(|_| self.defect == Defect::StateOfBefore).unwrap_or(state))
    }
    fn restore(&mut self, state: &[u8], tables: &BTreeMap<TableId, TableId>) {
        let (length, rest) = state.split_first_chunk().expect("a length");
        let (state, ids) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let ids = std::str::from_utf8(ids).expect("ids");
        self.forgotten = ids.split('\n').map(Arc::from).collect();
        self.inner = Timeline::restore(state, tables).expect("the state of a timeline");
        self.skips = true;
    }
    fn waiting(&self) -> Waiting {
        self.inner.waiting()
    }
    fn has_settled(&self, waiting: &Waiting) -> bool {
        self.inner.has_settled(waiting)
    }
}

/// Of each defect the classes of stories in which it shows.
const CONTROLS: [(Defect, &[Class]); 24] = {
    use Class as C;
    use Defect as D;
    [
        (D::OnlyGreaterPlaces, &[C::Plain]),
        (D::OnlyGreaterPlaces, &[C::Loose]),
        (D::OnlyGreaterPlaces, &[C::FailOver]),
        (D::OneEventAnOrder, &[C::OldRestarts]),
        (D::HidesGaps, &[C::Retention, C::Gap]),
        (D::IgnoresCollections, &[C::Collections]),
        (D::CountsNothing, &[C::Plain]),
        (D::LossIsCredit, &[C::Losses]),
        (D::NeverStalls, &[C::Losses]),
        (D::SnapshotFirst, &[C::BlockingSnapshot]),
        (D::SnapshotFirst, &[C::SecondSnapshot]),
        (D::SnapshotAdds, &[C::SecondSnapshot]),
        (D::OrderOfArrival, &[C::Partitions]),
        (D::FirstPartitionsOnly, &[C::NewPartitions]),
        (D::SaysItRuns, &[C::Retention, C::Losses]),
        (D::GivesNoReason, &[C::Retention, C::Losses]),
        (D::WaitsForLastOffset, &[C::Control]),
        (D::ReadyAtOnce, &[C::LateTables]),
        (D::IdsAreForEver, &[C::Reset]),
        (D::StateOfBefore, &[C::Plain]),
        (D::ForgetsReleased, &[C::Restarts]),
        (D::GoesOnTooFar, &[C::Plain]),
        (D::IgnoresHeaders, &[C::Forgotten]),
        (D::SaysItRuns, &[C::Forgotten]),
    ]
};

#[test]
fn every_defect_is_caught_when_it_is_put_back() {
    let caught = |defect: Defect, classes: &[Class]| {
        let make = move |transactions| Box::new(Wrong::new(defect, transactions)) as Box<dyn Subject>;
        let fails = |seed, class| {
            let story = story(seed, class);
            outcome_of(&story, &make).is_err() && outcome_of(&story, &crate::timeline).is_ok()
        };
        (0..SEEDS).find(|&seed| classes.iter().any(|&class| fails(seed, class)))
    };
    let mut missed = Vec::new();
    for (defect, classes) in CONTROLS {
        match caught(defect, classes) {
            Some(seed) => println!("{defect:?} in {classes:?}: caught by seed {seed}"),
            None => missed.push((defect, classes)),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
