//! A reader of topics without I/O: it feeds a timeline in a random interleaving and lets the judge see what comes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidewater_delta::{Change, Op, TableId};
use tidewater_ingest::event::Operation;
use tidewater_ingest::timeline::{Bounds, Loss, Output, Place, TableSpec, Waiting};
use tidewater_ingest::{Health, State};

use crate::crash::{CatchingUp, Checkpoint};
use crate::debezium::key_row;
use crate::judge::Judge;
use crate::kafka::{Partition, Payload, Record};
use crate::random::Random;
use crate::story::{Outcome, Story};
use crate::subject::Subject;
use crate::text::{boundary_text, event_text, output_text};

/// Rounds in which everything must have settled when nothing comes any more.
const ROUNDS: usize = 12;

/// Makes a subject; with or without transactions.
pub(crate) type Make<'a> = &'a dyn Fn(bool) -> Box<dyn Subject>;

/// What is read of a topic.
#[derive(Clone, Default)]
pub(crate) struct Cursor {
    pub(crate) added: bool,
    /// Which of the sources that were made of the topic, one after the other, it is.
    pub(crate) number: usize,
    pub(crate) since: u64,
    pub(crate) next: Vec<i64>,
}

pub(crate) struct Driver<'a> {
    pub(crate) story: &'a Story,
    pub(crate) outcome: &'a Outcome,
    pub(crate) make: Make<'a>,
    pub(crate) subject: Box<dyn Subject>,
    pub(crate) judge: Judge<'a>,
    pub(crate) random: Random,
    pub(crate) now: u64,
    /// By topic; the last one is that of transactions.
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) late: Vec<bool>,
    pub(crate) restarts: usize,
    pub(crate) removes: usize,
    /// By topic and partition, the key of the newest deletion that was read: its tombstone says nothing more.
    pub(crate) deleted: HashMap<(usize, usize), i64>,
    /// The number of the first topic's table: others after a crash.
    pub(crate) first: u32,
    /// How many sources were made.
    pub(crate) made: usize,
    /// When the newest boundary was read.
    pub(crate) told: u64,
    /// Decides over checkpoints and crashes.
    pub(crate) fate: Random,
    pub(crate) crashes: usize,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) catching_up: Option<CatchingUp>,
    /// Topics whose tables were not shown when the others had caught up, and what waits since they are.
    pub(crate) joining: BTreeMap<usize, Option<Waiting>>,
    /// Offsets before which Kafka has deleted what the checkpoint includes.
    pub(crate) cut: HashMap<(usize, usize), i64>,
    pub(crate) log: Option<&'a mut Vec<String>>,
}

/// Runs the story's reader against a subject.
///
/// # Errors
/// What the subject did wrong.
pub(crate) fn run<'a>(
    story: &'a Story,
    outcome: &'a Outcome,
    make: Make<'a>,
    log: Option<&'a mut Vec<String>>,
) -> Result<(), String> {
    let mut random = Random::new(story.reader.seed);
    let end = outcome.world.kafka.now;
    let span = (end - outcome.ready).max(1) as usize;
    let now = match &story.reader {
        reader if reader.early => random.below(outcome.ready.max(1) as usize) as u64,
        reader if reader.from_end => end,
        _ => outcome.ready + random.below(span) as u64,
    };
    let mut driver = Driver {
        story,
        outcome,
        make,
        subject: make(story.transactions),
        judge: Judge::new(story, outcome),
        random,
        now,
        cursors: vec![Cursor::default(); story.partitions.len()],
        late: story.reader.late.clone(),
        restarts: story.reader.restarts,
        removes: story.reader.removes,
        deleted: HashMap::new(),
        first: 0,
        made: 0,
        told: 0,
        fate: Random::new(story.reader.seed ^ 0x0fa7_e0fa),
        crashes: story.reader.crashes,
        checkpoints: Vec::new(),
        catching_up: None,
        joining: BTreeMap::new(),
        cut: HashMap::new(),
        log,
    };
    driver.start();
    driver.live()?;
    driver.settle()
}

impl Driver<'_> {
    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(text());
        }
    }

    pub(crate) fn partitions(&self, topic: usize) -> &[Partition] {
        &self.outcome.world.kafka.topics[topic].partitions
    }

    pub(crate) fn transactions(&self) -> usize {
        self.story.partitions.len() - 1
    }

    fn bounds(&self, topic: usize, partition: usize) -> Bounds {
        let there = &self.partitions(topic)[partition];
        Bounds { partition: partition as i32, low: self.low(topic, partition), end: there.end(self.now) }
    }

    fn low(&self, topic: usize, partition: usize) -> i64 {
        let cut = self.cut.get(&(topic, partition)).copied().unwrap_or(0);
        self.partitions(topic)[partition].low(self.now).max(cut)
    }

    pub(crate) fn id(&self, topic: usize) -> TableId {
        TableId(self.first + topic as u32)
    }

    fn topic(&self, id: TableId) -> usize {
        (id.0 - self.first) as usize
    }

    fn start(&mut self) {
        for topic in 0..self.transactions() {
            if self.story.subscribed[topic] && !self.late[topic] {
                self.add(topic);
            }
        }
        self.find_transactions();
    }

    fn find_transactions(&mut self) {
        let topic = self.transactions();
        let bounds = self.bounds(topic, 0);
        if self.story.transactions && !self.cursors[topic].added && bounds.end > 0 {
            self.say(|| format!("transaction topic found: {}..{}", bounds.low, bounds.end));
            self.subject.begin_boundaries(bounds.low, bounds.end);
            self.cursors[topic] = Cursor { added: true, number: 0, since: self.now, next: vec![bounds.low] };
        }
    }

    pub(crate) fn add(&mut self, topic: usize) {
        let count = self.partitions(topic).iter().filter(|partition| partition.created <= self.now).count();
        let partitions: Vec<Bounds> = (0..count).map(|partition| self.bounds(topic, partition)).collect();
        self.made += 1;
        let next = partitions.iter().map(|bounds| bounds.low).collect();
        self.cursors[topic] = Cursor { added: true, number: self.made, since: self.now, next };
        let declared = self.story.declared[topic];
        let collection = declared.then(|| self.story.tables.iter().find(|table| table.topic == topic)).flatten();
        let bounds = partitions.iter().map(|b| format!("{}..{}", b.low, b.end)).collect::<Vec<_>>().join(" ");
        let keyed = self.story.keyed[topic];
        let on_error = self.story.on_error[topic];
        self.say(|| format!("add t{topic} keyed={keyed} {on_error:?} {bounds}"));
        let spec = TableSpec {
            topic: format!("routed-{topic}").into(),
            keyed,
            on_error,
            collection: collection.map(|table| Arc::from(table.collection.as_str())),
            compacted: self.story.compacted,
            partitions,
        };
        let id = self.id(topic);
        self.subject.add_table(id, spec);
    }

    fn live(&mut self) -> Result<(), String> {
        let end = self.outcome.world.kafka.now;
        let mut patience = 4_000;
        while self.now < end && patience > 0 {
            patience -= 1;
            self.crash_sometimes(3);
            match self.random.below(100) {
                0..=24 => self.pass(end)?,
                25..=79 => {
                    let topic = self.random.below(self.cursors.len());
                    let count = self.random.between(1, 6);
                    self.feed_some(topic, count);
                }
                80..=91 => drop(self.release()?),
                92..=94 => self.answer(),
                95..=96 => self.discover(),
                _ => self.upheaval(),
            }
        }
        self.now = end;
        Ok(())
    }

    /// Time passes; where the connector rests, the reader may see it.
    fn pass(&mut self, end: u64) -> Result<(), String> {
        let to = (self.now + self.random.between(1, 25) as u64).min(end);
        let rest = self.outcome.world.rests.iter().find(|(at, _)| *at > self.now && *at <= to).copied();
        match rest {
            Some((rest, done)) if self.random.chance(70) => {
                self.now = rest;
                self.drain();
                for _ in 0..self.random.between(1, 4) {
                    self.settle_once()?;
                }
                if self.outcome.may_stall.is_empty() && self.random.chance(50) {
                    return self.rest(done);
                }
                Ok(())
            }
            _ => {
                self.now = to;
                Ok(())
            }
        }
    }

    /// Where the connector rests, the reader catches up.
    fn rest(&mut self, done: usize) -> Result<(), String> {
        for _ in 0..ROUNDS {
            self.drain();
            self.settle_once()?;
        }
        let added: Vec<usize> = (0..self.transactions()).filter(|&topic| self.cursors[topic].added).collect();
        added
            .into_iter()
            .filter(|&topic| !cannot_be_told(&self.subject.health(self.id(topic))))
            .try_for_each(|topic| self.judge.check_end(topic, done))
            .map_err(|text| format!("at rest, {text}"))
    }

    /// All that has come is released; then nothing comes.
    fn settle_once(&mut self) -> Result<(), String> {
        // Seconds have passed.
        self.told = 0;
        let mut came = self.release()?;
        self.answer();
        came += self.release()?;
        if came == 0 {
            self.say(|| "quiet".into());
            self.subject.quiet();
            self.release()?;
        }
        Ok(())
    }

    pub(crate) fn discover(&mut self) {
        self.find_transactions();
        for topic in 0..self.transactions() {
            let known = self.cursors[topic].next.len();
            let count = self.partitions(topic).iter().filter(|partition| partition.created <= self.now).count();
            for partition in known..count {
                if !self.cursors[topic].added {
                    continue;
                }
                let bounds = self.bounds(topic, partition);
                self.cursors[topic].next.push(bounds.low);
                self.say(|| format!("t{topic} has a partition {partition}: {}..{}", bounds.low, bounds.end));
                self.subject.add_partition(self.id(topic), bounds);
            }
        }
    }

    /// A table comes or goes, or the reader starts again.
    fn upheaval(&mut self) {
        let topic = self.random.below(self.transactions());
        if self.story.subscribed[topic] && !self.cursors[topic].added && self.random.chance(50) {
            self.late[topic] = false;
            self.add(topic);
        } else if self.cursors[topic].added && self.removes > 0 && self.random.chance(30) {
            self.removes -= 1;
            self.say(|| format!("remove t{topic}"));
            self.cursors[topic] = Cursor::default();
            self.subject.remove_table(self.id(topic));
            self.judge.remove(topic);
            self.joining.remove(&topic);
        } else if self.restarts > 0 && self.random.chance(20) {
            self.restarts -= 1;
            match self.cut.is_empty() {
                true => self.restart(),
                // What it would read anew is gone.
                false => self.crash(),
            }
        }
    }

    fn restart(&mut self) {
        self.say(|| "the reader starts again".into());
        self.subject = (self.make)(self.story.transactions);
        self.catching_up = None;
        self.joining.clear();
        self.judge.restart();
        let added: Vec<usize> = (0..self.transactions()).filter(|&topic| self.cursors[topic].added).collect();
        self.cursors.fill(Cursor::default());
        self.find_transactions();
        added.into_iter().for_each(|topic| self.add(topic));
    }

    fn answer(&mut self) {
        // Nothing tells for how long a record may be on its way that was written before an END that is there: who asks where the
        // topics end asks so much later. Of compacted topics holes tell what is gone.
        if !self.subject.wants_ends() || !self.story.compacted && self.now < self.told + self.story.skew {
            return;
        }
        self.discover();
        let mut ends = Vec::new();
        for topic in 0..self.transactions() {
            for partition in 0..self.cursors[topic].next.len() {
                let end = self.partitions(topic)[partition].end(self.now);
                ends.push((self.id(topic), partition as i32, end));
            }
        }
        self.say(|| {
            format!(
                "ends {}",
                ends.iter().map(|(t, p, end)| format!("t{}/{p}@{end}", t.0)).collect::<Vec<_>>().join(" ")
            )
        });
        self.subject.ends(&ends);
    }

    /// Reads everything up to the ends.
    fn drain(&mut self) {
        self.discover();
        for topic in 0..self.cursors.len() {
            self.feed_some(topic, usize::MAX);
        }
    }

    /// Feeds up to `count` records of each partition of a topic, or of one.
    fn feed_some(&mut self, topic: usize, count: usize) {
        let known = self.cursors[topic].next.len();
        if known == 0 {
            return;
        }
        let all = count == usize::MAX;
        let first = if all { 0 } else { self.random.below(known) };
        let last = if all { known - 1 } else { first };
        for partition in first..=last {
            for _ in 0..count {
                if !self.feed(topic, partition) {
                    break;
                }
                if self.cursors[topic].next.is_empty() {
                    return;
                }
            }
        }
    }

    /// Feeds the next record, if there is one; at the end says so.
    fn feed(&mut self, topic: usize, partition: usize) -> bool {
        let outcome = self.outcome;
        let there = &outcome.world.kafka.topics[topic].partitions[partition];
        let next = self.cursors[topic].next[partition];
        let low = self.low(topic, partition);
        if next < low {
            if topic == self.transactions() {
                // A reader whose boundaries are gone begins anew.
                self.restart();
                return true;
            }
            self.say(|| format!("t{topic}/{partition}: {next}..{low} are deleted"));
            self.subject.gap(self.id(topic), partition as i32, next, low);
            self.cursors[topic].next[partition] = low;
        }
        let next = next.max(low);
        let Some(record) = there.next(next, self.now, self.cursors[topic].since) else {
            let end = there.end(self.now).max(next);
            self.cursors[topic].next[partition] = end;
            self.read(topic, partition, end);
            return false;
        };
        self.cursors[topic].next[partition] = record.offset + 1;
        self.deliver(topic, partition, record);
        true
    }

    fn read(&mut self, topic: usize, partition: usize, next: i64) {
        if topic == self.transactions() {
            self.say(|| format!("transactions read up to {next}"));
            self.subject.boundaries_read(next);
        } else {
            self.say(|| format!("t{topic}/{partition} read up to {next}"));
            self.subject.read(self.id(topic), partition as i32, next);
        }
    }

    fn deliver(&mut self, topic: usize, partition: usize, record: &Record) {
        let (offset, timestamp_ms) = (record.offset, record.timestamp_ms);
        let id = self.id(topic);
        let deletes = matches!(&record.payload, Payload::Event(event) if event.operation == Operation::Delete);
        match record.key.filter(|_| deletes && !record.lost) {
            Some(key) => drop(self.deleted.insert((topic, partition), key)),
            None if matches!(&record.payload, Payload::Event(_)) => drop(self.deleted.remove(&(topic, partition))),
            None => {}
        }
        let place = Place { partition: partition as i32, offset, timestamp_ms };
        match &record.payload {
            Payload::Control => {}
            Payload::Tombstone => match record.key.filter(|key| self.deleted.get(&(topic, partition)) != Some(key)) {
                Some(key) => {
                    self.say(|| format!("t{topic}/{partition}@{offset} tombstone of {key}"));
                    self.subject.tombstone(id, place, Some(Op::Delete(key_row(key))));
                }
                None => self.subject.tombstone(id, place, None),
            },
            Payload::Boundary(boundary) if record.lost => {
                self.say(|| format!("transactions@{offset} LOST {}", boundary_text(boundary)));
                self.subject.boundary_lost(offset, "a byte is wrong".into());
            }
            Payload::Boundary(boundary) => {
                self.say(|| format!("transactions@{offset} {} at {timestamp_ms}", boundary_text(boundary)));
                self.told = self.now;
                self.subject.boundary(offset, timestamp_ms, boundary.clone());
            }
            Payload::Event(event) if record.lost => {
                let told = !record.written.is_multiple_of(3);
                let transaction = event.origin.transaction.as_ref().filter(|_| told).map(|t| t.id.clone());
                let snapshot = told && event.operation == Operation::Read;
                self.say(|| format!("t{topic}/{partition}@{offset} LOST told={told} {}", event_text(event)));
                self.subject.lost(id, place, Loss { transaction, snapshot, reason: "a byte is wrong".into() });
            }
            Payload::Event(event) => {
                self.say(|| format!("t{topic}/{partition}@{offset} {} at {timestamp_ms}", event_text(event)));
                self.subject.event(id, place, event.clone());
            }
        }
    }

    /// Lets the judge see what is whole. Returns how much that was.
    fn release(&mut self) -> Result<usize, String> {
        let outputs = self.subject.release();
        let before = self.judge.hidden.clone();
        self.hide();
        let after = std::mem::replace(&mut self.judge.hidden, before);
        for (hidden, after) in self.judge.hidden.iter_mut().zip(&after) {
            *hidden |= after;
        }
        for output in outputs.iter().map(|output| self.local(output)).collect::<Vec<_>>() {
            let output = &output;
            self.say(|| output_text(output));
            self.knows(output)?;
            if !self.is_held(output) {
                self.judge.take(output)?;
            }
        }
        self.judge.hidden = after;
        self.judge.check()?;
        self.catch_up()?;
        self.keep_sometimes();
        Ok(outputs.len())
    }

    /// The same with the topics' numbers for the tables'.
    fn local(&self, output: &Output) -> Output {
        let of = |id: &TableId| TableId(self.topic(*id) as u32);
        match output {
            Output::Base { table, ops } => Output::Base { table: of(table), ops: ops.clone() },
            Output::Hydrated(table) => Output::Hydrated(of(table)),
            Output::Commit(commit) => {
                let mut commit = commit.clone();
                commit.changes.iter_mut().for_each(|Change { table, .. }| *table = of(table));
                Output::Commit(commit)
            }
        }
    }

    /// A removed table is not spoken of any more.
    fn knows(&self, output: &Output) -> Result<(), String> {
        let tables: Vec<TableId> = match output {
            Output::Base { table, .. } | Output::Hydrated(table) => vec![*table],
            Output::Commit(commit) => commit.changes.iter().map(|change| change.table).collect(),
        };
        match tables.iter().find(|table| !self.cursors[table.0 as usize].added) {
            Some(table) => Err(format!("t{} was removed and is spoken of", table.0)),
            None => Ok(()),
        }
    }

    /// Asks of which tables no answer is given.
    fn hide(&mut self) {
        for topic in 0..self.transactions() {
            let added = self.cursors[topic].added;
            let hidden = added && self.subject.health(self.id(topic)).state == State::Incomplete;
            self.judge.hidden[topic] = hidden;
        }
    }

    /// Everything was written and read: what is shown is the end, or the timeline says why not.
    fn settle(&mut self) -> Result<(), String> {
        for topic in 0..self.transactions() {
            if self.story.subscribed[topic] && !self.cursors[topic].added {
                self.add(topic);
            }
        }
        for round in 0..2 * ROUNDS {
            if round < ROUNDS {
                self.crash_sometimes(10);
            }
            self.drain();
            self.settle_once()?;
        }
        if self.catching_up.is_some() && !self.says_why_not() {
            return Err("never catches up after a crash".into());
        }
        let mut verdict = Ok(());
        for topic in (0..self.transactions()).filter(|&topic| self.cursors[topic].added).collect::<Vec<_>>() {
            let health = self.subject.health(self.id(topic));
            self.say(|| format!("t{topic}: {:?} {} {}", health.state, health.reason, health.hint));
            verdict = verdict.and(self.end_of(topic, &health));
        }
        verdict
    }

    /// Whether no table says that all is well, and rightly: where boundaries are missing nothing tells what was shown before.
    fn says_why_not(&self) -> bool {
        let mut added = (0..self.transactions()).filter(|&topic| self.cursors[topic].added);
        !self.outcome.may_stall.is_empty()
            && added.all(|topic| self.subject.health(self.id(topic)).state != State::Running)
    }

    fn end_of(&self, topic: usize, health: &Health) -> Result<(), String> {
        if cannot_be_told(health) {
            return Ok(());
        }
        if health.state == State::Running {
            if self.outcome.world.torn && self.story.transactions && health.reason.is_empty() {
                return Err(format!("t{topic} says nothing of the transaction that is not ended"));
            }
            return self.judge.check_end(topic, self.outcome.world.done);
        }
        if health.reason.is_empty() {
            return Err(format!("t{topic} is {:?} at the end and gives no reason", health.state));
        }
        if self.outcome.may_stall.is_empty() && !cannot_be_told(health) {
            return Err(format!("t{topic} is needlessly {:?} at the end: {}", health.state, health.reason));
        }
        Ok(())
    }
}

/// Whether a table waits although nothing more comes, and rightly: of a snapshot of which others have rows it has none, and
/// nothing shows yet that the snapshot is over. It may be empty, or its turn may come.
fn cannot_be_told(health: &Health) -> bool {
    // Nothing tells an event of a table without a key that comes again in another partition.
    if health.state == State::Incomplete && health.reason.contains("needs the transaction topic") {
        return true;
    }
    // Another server's files have the same names, or an older connector began a transaction again: a key tells, nothing else.
    if health.state == State::Incomplete
        && [
            "nothing tells its events from their repetition",
            "and a snapshot has no rows of",
            "nothing tells its rows",
            "equal keys would be one row",
        ]
        .iter()
        .any(|why| health.reason.contains(why))
    {
        return true;
    }
    // The tables after ours come without a word, and an interrupted snapshot looks the same.
    if health.state == State::Running && health.reason.contains("whose last row has not come") {
        return true;
    }
    let reasons = ["has no row of the snapshot at", "where other tables are not yet"];
    health.state == State::Hydrating && reasons.iter().any(|reason| health.reason.contains(reason))
}
