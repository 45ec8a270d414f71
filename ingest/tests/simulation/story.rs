//! Stories: what happens to the servers in one run, made from a seed, and small enough to be shrunk and read.

use tidewater_ingest::OnError;

use crate::debezium::{Options, World};
use crate::kafka::Kafka;
use crate::model::{Action, Database, Statement, Table};
use crate::random::Random;

/// A chunk of an incremental snapshot: of these keys, read after so many of the transactions between its watermarks.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) table: usize,
    pub(crate) keys: (i64, i64),
    pub(crate) during: Vec<Vec<Statement>>,
    pub(crate) read_after: usize,
}

/// What happens next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Commit(Vec<Statement>),
    Truncate(usize),
    /// A new binlog file.
    Rotate,
    /// The connector takes so many entries of the binlog.
    Stream(usize),
    /// It takes `into` items of them, dies, and goes on `back` items earlier.
    Crash {
        into: usize,
        back: usize,
    },
    /// It takes `into` items, and is stopped between the two events of the next changed primary key.
    Forget {
        into: usize,
    },
    /// It takes `into` items of them, dies, and goes on `back` items earlier, from another server.
    FailOver {
        into: usize,
        back: usize,
        same_names: bool,
    },
    /// It takes `into` items and is not heard of any more.
    Die {
        into: usize,
    },
    /// A connector made anew; it dies after `stop` rows of its snapshot.
    ///
    /// Older versions do not mark the very last row where the last tables are empty.
    Initial {
        stop: Option<usize>,
        last_is_empty: bool,
    },
    /// A connector that takes no snapshot but chunks of an incremental one, until it has all rows.
    NoSnapshot(Vec<Chunk>),
    Blocking(Vec<usize>),
    Chunk(Chunk),
    /// RESET BINARY LOGS AND GTIDS.
    Reset,
    Idle,
    AddPartition(usize),
    Control {
        topic: usize,
        partition: usize,
    },
    Retain {
        topic: usize,
        partition: usize,
        keep: usize,
    },
    Compact {
        topic: usize,
        partition: usize,
        keep: usize,
    },
}

impl Step {
    /// Whether binlogs of the names of the first ones follow, of another server or anew.
    pub(crate) fn is_same_names(&self) -> bool {
        matches!(self, Step::FailOver { same_names: true, .. } | Step::Reset)
    }
}

/// A kind of story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    Partitions,
    Truncates,
    Restarts,
    OldRestarts,
    FailOver,
    Reset,
    NoGtids,
    Collections,
    OldMarkers,
    InterruptedSnapshot,
    SecondSnapshot,
    BlockingSnapshot,
    IncrementalSnapshot,
    OnlyIncremental,
    Skew,
    Losses,
    Retention,
    Gap,
    Compaction,
    Control,
    LateTables,
    NewPartitions,
    Loose,
    EarlyReader,
    ParallelSnapshot,
    CoarseTimes,
    Mixed,
    /// The connector is stopped between the two events of a changed primary key, beside accidents of another class.
    Forgotten,
}

pub(crate) const CLASSES: [Class; 29] = {
    use Class as C;
    [
        C::Plain,
        C::Partitions,
        C::Truncates,
        C::Restarts,
        C::OldRestarts,
        C::FailOver,
        C::Reset,
        C::NoGtids,
        C::Collections,
        C::OldMarkers,
        C::InterruptedSnapshot,
        C::SecondSnapshot,
        C::BlockingSnapshot,
        C::IncrementalSnapshot,
        C::OnlyIncremental,
        C::Skew,
        C::Losses,
        C::Retention,
        C::Gap,
        C::Compaction,
        C::Control,
        C::LateTables,
        C::NewPartitions,
        C::ParallelSnapshot,
        C::CoarseTimes,
        C::Loose,
        C::EarlyReader,
        C::Mixed,
        C::Forgotten,
    ]
};

/// How the reader behaves.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) seed: u64,
    /// Starts when all is written already.
    pub(crate) from_end: bool,
    /// Starts before the first snapshot is whole.
    pub(crate) early: bool,
    pub(crate) restarts: usize,
    pub(crate) removes: usize,
    /// How often it dies and goes on from a state that it was in before.
    pub(crate) crashes: usize,
    /// Tables that are added later.
    pub(crate) late: Vec<bool>,
}

/// A story.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) class: Class,
    /// The last one is Debezium's signal table.
    pub(crate) tables: Vec<Table>,
    /// By topic; the last one is that of transactions.
    pub(crate) partitions: Vec<usize>,
    /// By topic.
    pub(crate) keyed: Vec<bool>,
    pub(crate) subscribed: Vec<bool>,
    pub(crate) declared: Vec<bool>,
    pub(crate) on_error: Vec<OnError>,
    pub(crate) compacted: bool,
    pub(crate) gtids: bool,
    /// Whether there is a transaction topic.
    pub(crate) transactions: bool,
    pub(crate) skew: u64,
    pub(crate) options: Options,
    pub(crate) steps: Vec<Step>,
    /// Undecodable records, by number.
    pub(crate) losses: Vec<u64>,
    pub(crate) reader: Reader,
}

/// What a story made of the servers.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) world: World,
    /// Why the timeline may say that it cannot go on.
    pub(crate) may_stall: Vec<&'static str>,
    /// When the first whole snapshot was there.
    pub(crate) ready: u64,
    /// Whether a snapshot was begun.
    snapshots: bool,
}

impl Story {
    /// The world after all steps.
    pub(crate) fn play(&self) -> Outcome {
        let topics = self.partitions.len() - 1;
        let db = Database::new(self.tables.clone(), topics, self.gtids);
        let kafka = Kafka::new(&self.partitions, self.skew);
        let world = World::new(db, kafka, self.options.clone(), self.seed);
        let mut outcome = Outcome { world, may_stall: Vec::new(), ready: 0, snapshots: false };
        for step in &self.steps {
            outcome.step(self, step);
        }
        if !self.transactions {
            // What belongs together is nobody's to know: the end is the end of a transaction.
            outcome.world.stream(usize::MAX);
        }
        outcome.world.kafka.rest();
        outcome.lose(self);
        outcome
    }
}

const DIED: &str = "the connector died in a transaction";
const REUSED: &str = "GTIDs or binlog files are used again";

impl Outcome {
    fn allow(&mut self, why: &'static str) {
        if !self.may_stall.contains(&why) {
            self.may_stall.push(why);
        }
    }

    fn step(&mut self, story: &Story, step: &Step) {
        match step {
            Step::Commit(statements) => self.world.commit(statements),
            Step::Truncate(table) => self.world.truncate(*table),
            Step::Rotate => self.world.db.rotate(),
            Step::Stream(count) => self.world.stream(*count),
            Step::Crash { into, back } => self.world.crash(*into, *back),
            Step::Forget { into } => self.forget(story, *into),
            Step::FailOver { into, back, same_names } => self.world.fail_over(*into, *back, *same_names),
            Step::Die { into } => {
                self.allow(DIED);
                self.world.die(*into);
            }
            Step::Initial { stop, last_is_empty } => self.initial(story, *stop, *last_is_empty),
            Step::NoSnapshot(chunks) => {
                self.snapshots = true;
                self.world.without_snapshot();
                chunks.iter().for_each(|chunk| self.world.chunk(chunk));
                self.ready = self.world.kafka.now;
            }
            Step::Blocking(tables) => self.world.blocking(tables),
            Step::Chunk(chunk) => self.world.chunk(chunk),
            Step::Reset => {
                self.allow(REUSED);
                self.world.reset();
            }
            Step::Idle => self.world.rest(),
            Step::AddPartition(topic) => self.world.kafka.add_partition(*topic),
            Step::Control { topic, partition } => self.control(*topic, *partition),
            Step::Retain { topic, partition, keep } => {
                self.allow("records were deleted");
                let partition = partition % self.world.kafka.topics[*topic].partitions.len();
                self.world.kafka.retain(*topic, partition, *keep);
            }
            Step::Compact { topic, partition, keep } => {
                let World { kafka, random, .. } = &mut self.world;
                let partition = partition % kafka.topics[*topic].partitions.len();
                kafka.compact(random, *topic, partition, *keep);
            }
        }
    }

    fn forget(&mut self, story: &Story, into: usize) {
        self.world.forget(into);
        if self.world.forgotten.iter().any(|(topic, _)| story.on_error[*topic] == OnError::Stall) {
            self.allow("an insertion was forgotten");
        }
    }

    fn control(&mut self, topic: usize, partition: usize) {
        let World { kafka, random, .. } = &mut self.world;
        let partition = partition % kafka.topics[topic].partitions.len();
        kafka.write(random, (topic, partition), crate::kafka::Payload::Control, None, Vec::new());
    }

    /// A snapshot says nothing of a table without rows. Where all are empty, nothing can be known of it.
    fn initial(&mut self, story: &Story, stop: Option<usize>, last_is_empty: bool) {
        let again = std::mem::replace(&mut self.snapshots, true);
        if again || stop.is_some() {
            for table in 0..story.tables.len() - 1 {
                if self.world.db.rows(table).is_empty() {
                    let b = 9;
                    self.world.commit(&[Statement { table, action: Action::Insert, a: 1, b }]);
                }
            }
        }
        self.world.initial(stop, last_is_empty);
        if self.world.runs() {
            // Where ids are used again a stall that says so is right, even if the new snapshot holds everything.
            self.may_stall.retain(|why| *why != DIED);
            if self.ready == 0 {
                self.ready = self.world.kafka.now;
            }
        }
    }

    fn lose(&mut self, story: &Story) {
        let topics = &self.world.kafka.topics;
        let places: Vec<(usize, usize, usize)> = (0..topics.len())
            .flat_map(|topic| (0..topics[topic].partitions.len()).map(move |partition| (topic, partition)))
            .flat_map(|(topic, partition)| {
                (0..topics[topic].partitions[partition].records.len()).map(move |record| (topic, partition, record))
            })
            .collect();
        for pick in story.losses.iter().filter(|_| !places.is_empty()) {
            let (topic, partition, record) = places[*pick as usize % places.len()];
            let transactions = topic == self.world.kafka.transactions();
            let record = &mut self.world.kafka.topics[topic].partitions[partition].records[record];
            if matches!(record.payload, crate::kafka::Payload::Tombstone | crate::kafka::Payload::Control) {
                continue;
            }
            record.lost = true;
            if transactions {
                self.allow("a boundary was lost");
            } else if story.on_error[topic] == OnError::Stall {
                self.allow("a record was lost");
            }
        }
    }
}

/// A statement of small numbers.
pub(crate) fn statement(random: &mut Random, tables: usize) -> Statement {
    use Action as A;
    let action =
        *random.pick(&[A::Insert, A::Insert, A::Update, A::Update, A::Delete, A::Rekey, A::Swap, A::Replace, A::Shift]);
    Statement { table: random.below(tables), action, a: random.between(1, 5) as i64, b: random.between(1, 5) as i64 }
}

/// A transaction's statements; sometimes none.
pub(crate) fn statements(random: &mut Random, tables: usize) -> Vec<Statement> {
    let count = *random.pick(&[0, 1, 1, 2, 2, 3, 5]);
    (0..count).map(|_| statement(random, tables)).collect()
}
