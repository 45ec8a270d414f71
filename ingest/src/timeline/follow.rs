//! A table of several partitions that is not shown yet: followed, but not shown.
//!
//! Its partitions are read one faster than the other, so nothing of its log goes on before all are read to where they ended. Then
//! what they hold is put in order: what is older than all that the timeline remembers, in the order of the binlog; what the
//! timeline has passed since, in the order in which it did; the rest is held as of any shown table. From then on the table is
//! followed: transactions wait for it too, and what they do goes on at once. It is shown when nothing that was passed before is late.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Op, TableId};

use super::known::Known;
use super::log::{Entry, EntryKind};
use super::place::BinlogPlace;
use super::seen::{self, Before, Seen};
use super::steps::{Step, StepKind};
use super::table::Table;
use super::transaction::Part;
use super::{Blocked, Timeline};
use crate::source::OnError;

/// What the timeline passed before it followed the table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Late {
    /// Events of a transaction, of which some may not have come yet.
    Transaction(Box<LateTransaction>),
    /// What lies between.
    Step(Vec<Op>),
}

/// Events of a transaction that was released.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LateTransaction {
    pub(crate) id: Arc<str>,
    pub(crate) committed_ms: i64,
    /// How many there must be, by collection.
    counts: Vec<(Arc<str>, u64)>,
    /// Whether there may be more.
    again: bool,
    /// Whether some went on when the table had one partition.
    repaid: bool,
    pub(crate) part: Part,
    /// Where in the order of the binlog the first of them lies.
    first: usize,
}

/// What a table's log is made of, in order.
#[derive(Default)]
struct Sorted {
    /// In the order of release.
    late: BTreeMap<u64, LateTransaction>,
    /// What is older than all that is remembered, and what lies between.
    old: Vec<(usize, Vec<Op>)>,
    steps: Vec<(usize, Step)>,
    /// Of a table without a key: which events of what is old have come.
    known: HashMap<Arc<str>, Known>,
}

/// What lies between late transactions.
enum Between {
    /// Events of transactions that are not remembered, or of which the boundaries are lost.
    Old(Vec<Op>),
    Step(Step),
}

impl Between {
    fn ops(self) -> Vec<Op> {
        match self {
            Between::Old(ops) => ops,
            Between::Step(step) => step.ops,
        }
    }
}

impl Timeline {
    /// The table is read: what waits is put in order, and from now on it is followed like one that is shown.
    pub(super) fn follow(&mut self, id: TableId) {
        let older = self.older_entries(id);
        let Some(table) = self.tables.get_mut(&id) else { return };
        table.live = true;
        table.fence.renew();
        let entries = table.in_order(&self.released);
        let mut sorted = Sorted::default();
        let mut numbers = BTreeMap::new();
        let owed = std::mem::take(&mut table.owed);
        table.forgive();
        for ((name, committed_ms), recent) in owed {
            numbers.insert((name.clone(), committed_ms), recent.number);
            let (counts, again, repaid) = (recent.counts, recent.again, recent.repaid);
            let part = Part::new(id);
            let late = LateTransaction { id: name, committed_ms, counts, again, repaid, part, first: usize::MAX };
            sorted.late.insert(recent.number, late);
        }
        for (index, entry) in entries.into_iter().enumerate() {
            let from = (entry.transaction.clone(), entry.origin.ts_ms);
            let late = numbers.range(from..).next().filter(|((name, committed_ms), _)| {
                *name == entry.transaction && self.released.is_one_beginning(name, entry.origin.ts_ms, *committed_ms)
            });
            let is_old = older.contains(&entry.at) || self.has_passed(&entry);
            let (transaction, ms) = (entry.transaction.clone(), entry.origin.ts_ms);
            if self.sort_in(id, &mut sorted, index, entry, late.map(|(_, number)| *number), is_old) == Before::Unclear {
                return self.doubt(id, &transaction, ms, Before::Unclear);
            }
        }
        self.arrange(id, sorted);
    }

    /// Puts an entry where it belongs, unless it came before.
    fn sort_in(
        &mut self,
        id: TableId,
        sorted: &mut Sorted,
        index: usize,
        entry: Entry,
        late: Option<u64>,
        is_old: bool,
    ) -> Before {
        let Some(table) = self.tables.get_mut(&id) else { return Before::Again };
        let (keyless, whole, in_order) = (!table.keyed, self.whole, !table.is_split());
        let place = BinlogPlace::of(&entry.origin);
        let included = table.includes(&entry.origin, entry.created_ms);
        let refills = included && table.refills(entry.created_ms);
        table.refilled |= refills;
        let first_ms = table.snapshot_first_ms;
        let Entry { at, transaction, collection, origin, created_ms, ops, kind } = entry;
        if let (true, EntryKind::Event) = (keyless, kind) {
            let told = match late.and_then(|number| sorted.late.get_mut(&number)).filter(|_| is_old) {
                Some(late) if late.again && late.repaid => Before::Unclear,
                Some(late) if late.repaid && late.has_all(&collection) => Before::Again,
                Some(late) => late.part.tell(&origin, &ops, in_order),
                None if is_old => sorted.known.entry(transaction.clone()).or_default().tell(&origin, &ops, in_order),
                None => self.transaction_of(&transaction, origin.ts_ms).part(id).tell(&origin, &ops, in_order),
            };
            if !matches!(told, Before::New | Before::Reused) {
                return told;
            }
        }
        let ops = if included && !refills && kind != EntryKind::Ghost { Vec::new() } else { ops.into_vec() };
        match kind {
            _ if !whole => sorted.old.push((index, ops)),
            EntryKind::Rows | EntryKind::Truncate if included => {}
            EntryKind::Rows => sorted.steps.push((index, Step::new(StepKind::Rows, at, place, origin.gtid, ops))),
            EntryKind::Truncate => {
                sorted.steps.push((index, Step::new(StepKind::Truncate, at, place, origin.gtid, ops)));
            }
            EntryKind::Ghost if created_ms < first_ms => {}
            EntryKind::Ghost if is_old => match late.and_then(|number| sorted.late.get_mut(&number)) {
                Some(late) => ops.into_iter().for_each(|op| late.part.add_ghost(at.0, op)),
                None => sorted.old.push((index, ops)),
            },
            EntryKind::Ghost => match self.pending.get_mut(&transaction).map(|found| found.part(id)) {
                Some(part) => ops.into_iter().for_each(|op| part.add_ghost(at.0, op)),
                None => sorted.steps.push((index, Step::new(StepKind::Ghost, at, place, None, ops))),
            },
            EntryKind::Again if is_old => sorted.old.push((index, ops)),
            EntryKind::Again => {}
            EntryKind::Event if is_old => match late.and_then(|number| sorted.late.get_mut(&number)) {
                Some(late) => {
                    late.first = late.first.min(index);
                    late.part.add(&collection, at, &origin, ops, true);
                }
                None => sorted.old.push((index, ops)),
            },
            EntryKind::Event => {
                let pending = self.transaction_of(&transaction, origin.ts_ms);
                pending.place.get_or_insert(place);
                pending.part(id).add(&collection, at, &origin, ops, true);
            }
        }
        Before::New
    }

    /// Hands on what is old and keeps the rest in its order.
    fn arrange(&mut self, id: TableId, sorted: Sorted) {
        let Sorted { late, old, steps, .. } = sorted;
        let first_late = late.values().map(|late| late.first).min().unwrap_or(usize::MAX);
        let (mut before, amid): (Vec<_>, Vec<_>) = old.into_iter().partition(|(index, _)| *index < first_late);
        let last_before = before.iter().map(|(index, _)| *index).max().unwrap_or(0);
        let mut between: Vec<_> = amid.into_iter().map(|(index, ops)| (index, Between::Old(ops))).collect();
        for (index, step) in steps {
            match index < last_before {
                true => before.push((index, step.ops)),
                false => between.push((index, Between::Step(step))),
            }
        }
        before.sort_by_key(|(index, _)| *index);
        between.sort_by_key(|(index, _)| *index);
        for (_, ops) in before {
            self.base(id, ops);
        }
        let is_past = |found: &Between| match found {
            Between::Old(_) => true,
            Between::Step(step) => self.is_past(step),
        };
        let mut past: VecDeque<_> = between.iter().map(|(_, found)| is_past(found)).collect();
        let mut between = VecDeque::from(between);
        let Some(table) = self.tables.get_mut(&id) else { return };
        for transaction in late.into_values() {
            while let Some((_, found)) =
                between.pop_front_if(|(index, _)| *index < transaction.first && transaction.first < usize::MAX)
            {
                past.pop_front();
                table.late.push_back(Late::Step(found.ops()));
            }
            table.late.push_back(Late::Transaction(Box::new(transaction)));
        }
        let passed = past.iter().rposition(|past| *past).map_or(0, |last| last + 1);
        let waiting = between.split_off(passed);
        table.late.extend(between.into_iter().map(|(_, found)| Late::Step(found.ops())));
        for (_, found) in waiting {
            let Between::Step(step) = found else { continue };
            match step.kind {
                StepKind::Ghost => table.ghosts.extend(step.ops),
                _ => table.add_step(step, true),
            }
        }
    }

    /// Whether the timeline is past a step.
    fn is_past(&self, step: &Step) -> bool {
        // It shows the state of that transaction.
        let shown = |gtid: &Arc<str>| self.released.before(gtid, step.place.ms) == Before::Again;
        if matches!(step.kind, StepKind::Rows) && step.gtid.as_ref().is_some_and(shown) {
            return true;
        }
        let place = || format!("file={},pos={}", step.place.file, step.place.pos).into();
        self.has_come_to(&step.gtid.clone().unwrap_or_else(place), &step.place)
    }

    /// Where entries lie that the transaction topic does not name and that are older than what it names. A transaction is
    /// older in all partitions or in none.
    fn older_entries(&self, id: TableId) -> HashSet<(i32, i64)> {
        let Some(table) = self.tables.get(&id) else { return HashSet::new() };
        let mut older = HashSet::new();
        let mut unnamed = Vec::new();
        let mut transactions: HashMap<&str, i64> = HashMap::new();
        for partition in table.partitions.values() {
            let last = partition.log.iter().rposition(|entry| entry.kind == EntryKind::Event && self.has_passed(entry));
            for (index, entry) in partition.log.iter().enumerate() {
                let (name, ms) = (&entry.transaction, entry.origin.ts_ms);
                if self.names(name, ms) {
                    continue;
                }
                let first = || self.released.is_older_than_all(name, ms) || self.has_lost(name, ms);
                // Without a key what comes again may lie behind what follows it.
                let before = last.is_some_and(|last| index < last) && !self.follows(name, ms);
                if before || first() {
                    older.insert(entry.at);
                    if !self.has_passed(entry) {
                        transactions.insert(name, ms);
                    }
                } else if self.released.newest_ms(name).is_some_and(|newest| ms <= newest) {
                    unnamed.push(entry);
                }
            }
        }
        let same = |entry: &&Entry| {
            let ms = transactions.get(&*entry.transaction);
            ms.is_some_and(|ms| self.released.is_one_beginning(&entry.transaction, *ms, entry.origin.ts_ms))
        };
        older.extend(unnamed.into_iter().filter(same).map(|entry| entry.at));
        older
    }

    /// Whether the server's numbers say that a transaction follows all that were released.
    fn follows(&self, name: &str, ms: i64) -> bool {
        let newest_ms = self.released.newest_ms(name);
        self.newest.as_ref().is_some_and(|newest| seen::is_less(newest, name))
            && newest_ms.is_some_and(|newest_ms| self.released.is_one_beginning(name, ms, newest_ms))
    }

    /// Whether nothing shows that the entry's transaction has its turn: the transaction topic does not name it.
    pub(super) fn is_unnamed(&self, id: TableId) -> Option<Arc<str>> {
        let older = self.older_entries(id);
        let table = self.tables.get(&id)?;
        let early = |(partition, entry): (&super::partition::Partition, &Entry)| {
            entry.at.1 < partition.horizon && entry.kind == EntryKind::Event && !older.contains(&entry.at)
        };
        let entries =
            table.partitions.values().flat_map(|partition| partition.log.iter().map(move |entry| (partition, entry)));
        let mut waiting = entries.filter(|(partition, entry)| early((partition, entry)) && !self.has_passed(entry));
        let unnamed = waiting.find(|(_, entry)| !self.names(&entry.transaction, entry.origin.ts_ms));
        unnamed.map(|(_, entry)| entry.transaction.clone())
    }

    /// Hands on what is late and has come; what is missing keeps the table from being shown.
    pub(super) fn drain_late(&mut self, id: TableId) -> Option<Blocked> {
        loop {
            let table = self.tables.get_mut(&id)?;
            table.late.front()?;
            if let Some(blocked) = self.judge_late(id) {
                return Some(blocked);
            }
            let ops = match self.tables.get_mut(&id)?.late.pop_front()? {
                Late::Transaction(late) => late.part.into_ops(&late.counts).collect(),
                Late::Step(ops) => ops,
            };
            self.base(id, ops);
        }
    }

    /// Whether what is late first is a transaction that lacks events.
    fn judge_late(&mut self, id: TableId) -> Option<Blocked> {
        let table = self.tables.get(&id)?;
        let Some(Late::Transaction(late)) = table.late.front() else { return None };
        let short = |(name, count): &(Arc<str>, u64)| late.part.count(name) < *count;
        let own = late.counts.iter().any(|found| table.collections.contains(&found.0) && short(found));
        let unknown = late.counts.iter().any(|found| !self.owners.contains_key(&found.0));
        let halves = table.halves.open(&late.id);
        if !own && !unknown && !late.again && halves == 0 {
            return None;
        }
        let lacks = format!("topic \"{}\" lacks events of transaction {}", table.topic, late.id);
        let reason = if halves > 0 { table.lacks_insertions(&late.id, halves) } else { lacks };
        let own = own || halves > 0;
        let waits = Blocked { definite: false, reason, hint: String::new() };
        let never = self.is_long_past(late.committed_ms);
        let table = self.tables.get_mut(&id)?;
        if !table.fence.is_behind() {
            return Some(waits);
        }
        match (own, table.compacted, table.on_error) {
            (false, ..) => None,
            (true, true, _) if never => None,
            (true, false, OnError::Stall) if self.quiet => {
                Some(Blocked { definite: true, hint: super::hydrate::AGAIN.into(), ..waits })
            }
            (true, false, OnError::DeadLetter | OnError::Skip) if self.quiet => {
                table.lost += 1;
                None
            }
            _ => Some(waits),
        }
    }
}

impl Late {
    /// Gives its table another number; false if it has none.
    pub(crate) fn renumber(&mut self, kept: impl Fn(&mut TableId) -> bool) -> bool {
        match self {
            Late::Transaction(late) => kept(&mut late.part.table),
            Late::Step(_) => true,
        }
    }
}

impl LateTransaction {
    /// Whether as many events as END counts have come or gone on: one that comes then is redelivered.
    fn has_all(&self, collection: &str) -> bool {
        let counted = self.counts.iter().find(|(name, _)| **name == *collection);
        counted.is_some_and(|(_, count)| self.part.count(collection) >= *count)
    }
}

impl Table {
    /// The late transaction that an event of this time belongs to.
    pub(crate) fn late_of(&mut self, transaction: &str, ms: i64) -> Option<&mut Part> {
        self.late.iter_mut().find_map(|late| match late {
            Late::Transaction(late) if *late.id == *transaction && ms <= late.committed_ms => Some(&mut late.part),
            _ => None,
        })
    }

    /// A transaction was released while others are late.
    pub(crate) fn be_late(&mut self, id: &Arc<str>, committed_ms: i64, part: Part) {
        let late = LateTransaction {
            id: id.clone(),
            committed_ms,
            counts: Vec::new(),
            again: false,
            repaid: false,
            part,
            first: 0,
        };
        self.late.push_back(Late::Transaction(Box::new(late)));
    }

    /// Takes what waits in all partitions, in one order: of the binlog, and each partition's own.
    fn in_order(&mut self, released: &Seen) -> Vec<Entry> {
        let mut logs: Vec<_> =
            self.partitions.values_mut().map(|partition| std::mem::take(&mut partition.log)).collect();
        let by_place = logs.iter().all(has_one_binlog) && has_one_server(&logs);
        let mut begun: HashMap<Arc<str>, (i64, usize, Arc<str>, u64)> = HashMap::new();
        for entry in logs.iter().flatten() {
            let Some(key) = order(entry, by_place) else { continue };
            let first = begun.entry(entry.transaction.clone()).or_insert_with(|| key.clone());
            if key < *first {
                *first = key;
            }
        }
        let key = |entry: &Entry| {
            let number = entry.origin.transaction.as_ref().map_or(0, |transaction| transaction.total_order);
            (begun.get(&entry.transaction).cloned(), number, entry.origin.pos, entry.origin.row)
        };
        let mut entries = Vec::with_capacity(logs.iter().map(VecDeque::len).sum());
        let next = |logs: &[VecDeque<Entry>]| {
            let heads = logs.iter().enumerate().filter_map(|(at, log)| Some((key(log.front()?), at)));
            let (_, mut first) = heads.min()?;
            for (at, log) in logs.iter().enumerate() {
                let (Some(other), Some(head)) = (log.front(), logs[first].front()) else { continue };
                if is_numbered_before(released, other, head) {
                    first = at;
                }
            }
            Some(first)
        };
        while let Some(entry) = next(&logs).and_then(|at| logs[at].pop_front()) {
            entries.push(entry);
        }
        entries
    }
}

/// Places of one server compare; of two, or of binlogs that began anew, only times do.
fn order(entry: &Entry, by_place: bool) -> Option<(i64, usize, Arc<str>, u64)> {
    let origin = &entry.origin;
    Some((if by_place { 0 } else { origin.ts_ms }, origin.file.len(), origin.file.clone(), origin.pos))
}

/// Whether the server's numbers say that one came before the other, although its time is later: events may carry the time at
/// which their statement began, and a TRUNCATE that of its end.
fn is_numbered_before(released: &Seen, first: &Entry, second: &Entry) -> bool {
    let (first_ms, second_ms) = (first.origin.ts_ms, second.origin.ts_ms);
    let (first, second) = (&first.transaction, &second.transaction);
    // The times of servers that write more than seconds are those of commits.
    let seconds = first_ms % 1_000 == 0 && second_ms % 1_000 == 0;
    seconds && seen::is_less(first, second) && released.is_one_beginning(first, first_ms, second_ms)
}

fn has_one_server(logs: &[VecDeque<Entry>]) -> bool {
    let told = logs.iter().flatten().map(|entry| entry.origin.server_id).filter(|id| *id != 0);
    told.collect::<HashSet<_>>().len() <= 1
}

/// Whether no later change has an earlier place.
fn has_one_binlog(log: &VecDeque<Entry>) -> bool {
    let mut furthest: Option<(i64, usize, &str, u64)> = None;
    for Entry { origin, .. } in log {
        let here = (origin.ts_ms, origin.file.len(), &*origin.file, origin.pos);
        match furthest {
            Some(there) if here.0 > there.0 && (here.1, here.2, here.3) < (there.1, there.2, there.3) => return false,
            Some(there) if (here.1, here.2, here.3) < (there.1, there.2, there.3) => {}
            _ => furthest = Some(here),
        }
    }
    true
}
