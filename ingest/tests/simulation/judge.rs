//! The law: after every output, the shown tables together are a state that the database was in, and never an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewater_delta::{Change, Op, Position, Row, TableId};
use tidewater_ingest::event::Operation;
use tidewater_ingest::timeline::Output;

use crate::kafka::Payload;
use crate::model::{State, Values};
use crate::story::{Outcome, Story};
use tidewater_ingest::OnError;

/// What of a table may be wrong, because records of it were lost by permission.
#[derive(Debug, Default, Clone)]
struct Tainted {
    all: bool,
    rows: BTreeSet<i64>,
}

/// Holds what the reader would show and compares it with the model.
pub(crate) struct Judge<'a> {
    story: &'a Story,
    outcome: &'a Outcome,
    now: Moment,
    /// Tables of which no answer is given at present.
    pub(crate) hidden: Vec<bool>,
    tainted: Vec<Tainted>,
    /// After a crash, as long as nobody may look: how far they had seen before.
    seen: Option<(usize, Vec<usize>)>,
}

/// What is shown at some moment.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// By topic.
    shown: Vec<State>,
    hydrated: Vec<bool>,
    /// Topics whose tables the timeline shows and nobody may look at before it has caught up.
    held: BTreeSet<usize>,
    /// Number of transactions that the shown state includes at least.
    prefix: usize,
    /// Without transactions: each table's place in its own history.
    steps: Vec<usize>,
}

fn values(row: &Row) -> Values {
    let row = row.as_ref();
    (row.slot(0) as i64, if row.columns() > 1 { row.slot(1) as i64 } else { 0 })
}

/// An operation, readable.
pub(crate) fn op_text(op: &Op) -> String {
    match op {
        Op::Upsert(row) => format!("upsert {:?}", values(row)),
        Op::Delete(row) => format!("delete key {}", values(row).0),
        Op::Insert(row) => format!("insert {:?}", values(row)),
        Op::Remove(row) => format!("remove {:?}", values(row)),
        Op::Truncate => "truncate".into(),
    }
}

/// A state, readable.
pub(crate) fn state_text(state: &State) -> String {
    let rows = state.iter().flat_map(|(row, &count)| std::iter::repeat_n(format!("{row:?}"), count as usize));
    format!("{{{}}}", rows.collect::<Vec<_>>().join(" "))
}

impl<'a> Judge<'a> {
    pub(crate) fn new(story: &'a Story, outcome: &'a Outcome) -> Self {
        let topics = outcome.world.db.topics;
        let mut tainted = vec![Tainted::default(); topics];
        for (topic, tainted) in tainted.iter_mut().enumerate() {
            let stalls = story.on_error[topic] == OnError::Stall;
            // Compaction takes the deletion, too, and nothing is left that tells.
            if !stalls || story.compacted {
                let forgotten = outcome.world.forgotten.iter().filter(|(of, _)| *of == topic);
                tainted.rows.extend(forgotten.map(|(_, key)| *key));
            }
            if stalls {
                continue;
            }
            let records = outcome.world.kafka.topics[topic].partitions.iter().flat_map(|p| &p.records);
            for record in records.filter(|record| record.lost) {
                tainted.all |= record.touches.is_empty();
                tainted.rows.extend(record.touches.iter().map(|row| row.0));
            }
            // Of a snapshot without a row that can be read nobody knows: what it replaces stays.
            let mut moments: BTreeMap<(Arc<str>, u64, i64), bool> = BTreeMap::new();
            for record in outcome.world.kafka.topics[topic].partitions.iter().flat_map(|p| &p.records) {
                let Payload::Event(event) = &record.payload else { continue };
                if event.operation == Operation::Read {
                    let origin = &event.origin;
                    *moments.entry((origin.file.clone(), origin.pos, origin.ts_ms)).or_insert(true) &= record.lost;
                }
            }
            tainted.all |= moments.values().any(|lost| *lost);
        }
        Judge {
            story,
            outcome,
            now: Moment {
                shown: vec![State::new(); topics],
                hydrated: vec![false; topics],
                held: BTreeSet::new(),
                prefix: 0,
                steps: vec![0; topics],
            },
            hidden: vec![false; topics],
            tainted,
            seen: None,
        }
    }

    /// What the timeline shows now, with what nobody may look at yet.
    pub(crate) fn moment(&self, held: impl Iterator<Item = usize>) -> Moment {
        let held = self.now.held.iter().copied().chain(held).collect();
        Moment { held, ..self.now.clone() }
    }

    /// The timeline shows a table from now on, and nobody may look at it before the reader has caught up.
    pub(crate) fn hold(&mut self, topic: usize) {
        self.now.held.insert(topic);
    }

    pub(crate) fn is_hydrated(&self, topic: usize) -> bool {
        self.now.hydrated[topic]
    }

    /// The reader goes on from an earlier moment. Nobody looks before it has caught up, and then time has not gone back.
    pub(crate) fn go_back(&mut self, moment: Moment) {
        let Moment { prefix, steps, .. } = std::mem::replace(&mut self.now, moment);
        self.seen.get_or_insert((prefix, steps));
        self.hidden.fill(false);
    }

    /// The reader says that it shows what it has shown before, or later.
    pub(crate) fn catch_up(&mut self) -> Result<(), String> {
        let Some((prefix, steps)) = self.seen.take() else { return Ok(()) };
        self.now.prefix = self.now.prefix.max(prefix);
        for (now, seen) in self.now.steps.iter_mut().zip(steps) {
            *now = (*now).max(seen);
        }
        for topic in std::mem::take(&mut self.now.held) {
            self.now.hydrated[topic] = true;
        }
        self.check().map_err(|text| format!("after a crash, {text}"))
    }

    /// The reader starts again: nothing is shown, but time does not go back.
    pub(crate) fn restart(&mut self) {
        let (prefix, steps) = self.seen.take().unwrap_or_default();
        self.now.prefix = self.now.prefix.max(prefix);
        for (now, seen) in self.now.steps.iter_mut().zip(steps) {
            *now = (*now).max(seen);
        }
        self.now.shown.iter_mut().for_each(State::clear);
        self.now.hydrated.fill(false);
        self.now.held.clear();
        self.hidden.fill(false);
    }

    pub(crate) fn remove(&mut self, topic: usize) {
        self.now.shown[topic].clear();
        (self.now.hydrated[topic], self.hidden[topic]) = (false, false);
        self.now.held.remove(&topic);
    }

    pub(crate) fn take(&mut self, output: &Output) -> Result<(), String> {
        match output {
            Output::Base { table, ops } => {
                let topic = table.0 as usize;
                if self.now.hydrated[topic] && !self.hidden[topic] {
                    return Err(format!("rows of t{topic}, which is shown, come as its base"));
                }
                ops.iter().try_for_each(|op| self.apply(topic, op))
            }
            Output::Commit(commit) => {
                for Change { table, op } in &commit.changes {
                    self.apply(table.0 as usize, op)?;
                }
                self.reach(&commit.position);
                self.check()
            }
            Output::Hydrated(TableId(topic)) => {
                self.now.hydrated[*topic as usize] = true;
                self.check()
            }
        }
    }

    /// A commit's position says what is included at least. Places in the binlog may be used again.
    fn reach(&mut self, position: &Position) {
        let places = self.outcome.world.positions.iter().filter(|(id, _)| *id == position.to_string());
        if let Some(first) = places.map(|(_, first)| *first).min()
            && self.story.transactions
        {
            self.now.prefix = self.now.prefix.max(first);
        }
    }

    fn apply(&mut self, topic: usize, op: &Op) -> Result<(), String> {
        let (tainted, is_shown) = (&self.tainted[topic], self.is_shown(topic));
        let state = &mut self.now.shown[topic];
        match op {
            Op::Truncate => state.clear(),
            Op::Upsert(row) => {
                let row = values(row);
                state.retain(|old, _| old.0 != row.0);
                state.insert(row, 1);
            }
            Op::Delete(row) => state.retain(|old, _| old.0 != values(row).0),
            Op::Insert(row) => *state.entry(values(row)).or_default() += 1,
            Op::Remove(row) => match state.get_mut(&values(row)) {
                Some(1) => drop(state.remove(&values(row))),
                Some(count) => *count -= 1,
                // The engine passes over it; what is wrong in a base shows when the table is shown.
                None if !is_shown || tainted.all || tainted.rows.contains(&values(row).0) => {}
                None => return Err(format!("t{topic}: {} of a row that is not there", op_text(op))),
            },
        }
        Ok(())
    }

    fn is_shown(&self, topic: usize) -> bool {
        self.now.hydrated[topic] && !self.hidden[topic]
    }

    fn same(&self, topic: usize, expected: &State) -> bool {
        let tainted = &self.tainted[topic];
        if tainted.all || self.now.shown[topic] == *expected {
            return true;
        }
        let clean = |state: &State| -> State {
            state.iter().filter(|(row, _)| !tainted.rows.contains(&row.0)).map(|(row, count)| (*row, *count)).collect()
        };
        !tainted.rows.is_empty() && clean(&self.now.shown[topic]) == clean(expected)
    }

    /// Finds the state of the database that is shown.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        if !self.story.transactions {
            return self.check_each();
        }
        let shown: Vec<usize> = (0..self.now.shown.len()).filter(|&topic| self.is_shown(topic)).collect();
        let states = &self.outcome.world.db.states;
        let found = (self.now.prefix..states.len()).find(|&at| shown.iter().all(|&t| self.same(t, &states[at][t])));
        match found {
            Some(at) => {
                self.now.prefix = at;
                Ok(())
            }
            None => {
                let earlier =
                    (0..self.now.prefix).rev().find(|&at| shown.iter().all(|&t| self.same(t, &states[at][t])));
                let what = match earlier {
                    Some(at) => format!("goes back from {} transactions to {at}", self.now.prefix),
                    None => format!("is no state of the database (at least {} transactions)", self.now.prefix),
                };
                Err(format!("{what}: {}", self.text(&shown)))
            }
        }
    }

    fn text(&self, topics: &[usize]) -> String {
        topics.iter().map(|&t| format!("t{t} {}", state_text(&self.now.shown[t]))).collect::<Vec<_>>().join(", ")
    }

    /// Each table by itself goes through its own history. The order across partitions is nobody's to know.
    fn check_each(&mut self) -> Result<(), String> {
        for topic in (0..self.now.shown.len()).filter(|&topic| self.is_shown(topic)).collect::<Vec<_>>() {
            if self.story.partitions[topic] > 1 || self.outcome.world.kafka.topics[topic].partitions.len() > 1 {
                continue;
            }
            let steps = &self.outcome.world.db.steps[topic];
            let Some(at) = (self.now.steps[topic]..steps.len()).find(|&at| self.same(topic, &steps[at])) else {
                return Err(format!("no later state of the table: {}", self.text(&[topic])));
            };
            self.now.steps[topic] = at;
        }
        Ok(())
    }

    /// When all was read, the table is what Debezium wrote of it: `done` transactions.
    pub(crate) fn check_end(&self, topic: usize, done: usize) -> Result<(), String> {
        let expected = &self.outcome.world.db.states[done][topic];
        if !self.now.hydrated[topic] {
            return Err(format!("t{topic} is not hydrated at the end, and says nothing"));
        }
        if !self.same(topic, expected) {
            let (shown, expected) = (state_text(&self.now.shown[topic]), state_text(expected));
            return Err(format!("t{topic} is {shown} at the end, the database {expected}"));
        }
        Ok(())
    }
}
