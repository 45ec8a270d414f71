//! Which stories there are: each class has its own accidents; `Mixed` takes from all.

use tidewater_ingest::OnError;

use crate::debezium::Options;
use crate::model::{Action, Statement, Table};
use crate::random::Random;
use crate::story::{CLASSES, Chunk, Class, Reader, Step, Story, statements};

/// Whether the story has the accidents of `class`.
struct Traits(Vec<Class>);

impl Traits {
    fn of(class: Class, random: &mut Random) -> Self {
        // Loose, EarlyReader, and what is made of several.
        let singles = &CLASSES[..CLASSES.len() - 4];
        match class {
            Class::Mixed => {
                let count = random.between(2, 5);
                Traits((0..count).map(|_| *random.pick(singles)).collect())
            }
            Class::Forgotten => {
                let other = if random.chance(20) { Class::Loose } else { *random.pick(singles) };
                Traits(vec![class, other])
            }
            _ => Traits(vec![class]),
        }
    }

    fn has(&self, class: Class) -> bool {
        self.0.contains(&class)
    }
}

/// The story of a seed.
pub(crate) fn story(seed: u64, class: Class) -> Story {
    let random = &mut Random::new(seed ^ (class as u64) << 48);
    let traits = Traits::of(class, random);
    let topics = random.between(1, 4);
    // On another server what was forgotten changes the numbers, which alone tell events of tables without a key.
    let numbered = traits.has(Class::Forgotten) && traits.has(Class::FailOver);
    let keyless_too = !traits.has(Class::Compaction) && !traits.has(Class::OnlyIncremental) && !numbered;
    let keyed: Vec<bool> = (0..topics).map(|_| !keyless_too || random.chance(70)).chain([false]).collect();
    let tables = tables(random, &traits, &keyed);
    let mut partitions: Vec<usize> = (0..topics).map(|_| partitions(random, &traits)).collect();
    partitions.extend([1, 1]);
    let mut subscribed: Vec<bool> = (0..topics).map(|_| random.chance(80)).collect();
    subscribed[0] = true;
    subscribed.push(false);
    let names_collection = !traits.has(Class::Collections) || tables.len() > topics + 1 || random.chance(60);
    let declared =
        (0..=topics).map(|_| !names_collection || (tables.len() == topics + 1 && random.chance(20))).collect();
    let on_error = (0..=topics).map(|_| *random.pick(&[OnError::Stall, OnError::DeadLetter, OnError::Skip])).collect();
    let options = Options {
        order_goes_on: !traits.has(Class::OldRestarts),
        booleans: traits.has(Class::OldMarkers) && random.chance(50),
        tombstones: random.chance(80),
        names_collection,
        // A transaction of several seconds that comes again in a new partition looks like another of its id.
        coarse: traits.has(Class::CoarseTimes) && !traits.has(Class::NewPartitions),
        parallel: traits.has(Class::ParallelSnapshot),
        metadata: !traits.has(Class::Loose) || random.chance(50),
        same_names: false,
    };
    let steps = steps(random, &traits, &tables, &partitions);
    let options = Options { same_names: steps.iter().any(Step::is_same_names), ..options };
    let losses =
        if traits.has(Class::Losses) { (0..random.between(1, 3)).map(|_| random.next()).collect() } else { Vec::new() };
    let late = (0..=topics)
        .map(|topic| topic > 0 && random.chance(if traits.has(Class::LateTables) { 70 } else { 10 }))
        .collect();
    let restarts = if random.chance(30) { random.between(1, 2) } else { 0 };
    let removes = if traits.has(Class::LateTables) { random.below(3) } else { 0 };
    // Random numbers of their own: the stories are what they were before there were checkpoints.
    let fate = &mut Random::new(seed ^ 0x00c4_ec49_0174);
    let crashes = if fate.chance(50) { fate.between(1, 4) } else { 0 };
    let reader = Reader {
        seed: random.next(),
        from_end: random.chance(40),
        early: traits.has(Class::EarlyReader),
        restarts,
        removes,
        crashes,
        late,
    };
    Story {
        seed,
        class,
        tables,
        partitions,
        keyed,
        subscribed,
        declared,
        on_error,
        compacted: traits.has(Class::Compaction),
        gtids: !traits.has(Class::NoGtids),
        transactions: !traits.has(Class::Loose),
        skew: if traits.has(Class::Skew) || traits.has(Class::Compaction) { 12 } else { 0 },
        options,
        steps,
        losses,
        reader,
    }
}

fn tables(random: &mut Random, traits: &Traits, keyed: &[bool]) -> Vec<Table> {
    let topics = keyed.len() - 1;
    let mut tables = Vec::new();
    for (topic, &keyed) in keyed[..topics].iter().enumerate() {
        let parts = if traits.has(Class::Collections) && random.chance(40) { 2 } else { 1 };
        for part in 0..parts {
            let collection = if parts == 1 { format!("shop.t{topic}") } else { format!("shop.t{topic}_{part}") };
            tables.push(Table { collection, topic, keyed, base: if keyed { part * 100 } else { 0 } });
        }
    }
    tables.push(Table { collection: "shop.signals".into(), topic: topics, keyed: false, base: 0 });
    tables
}

fn partitions(random: &mut Random, traits: &Traits) -> usize {
    if traits.has(Class::Partitions) || traits.has(Class::NewPartitions) {
        return random.between(1, 4);
    }
    if random.chance(25) { random.between(2, 3) } else { 1 }
}

fn steps(random: &mut Random, traits: &Traits, tables: &[Table], partitions: &[usize]) -> Vec<Step> {
    let own = tables.len() - 1;
    let mut steps: Vec<Step> = (0..random.below(6)).map(|_| Step::Commit(statements(random, own))).collect();
    if traits.has(Class::OnlyIncremental) {
        let keys = [(1, 3), (4, 60), (61, 99)];
        let places = (0..own).flat_map(|table| keys.map(|keys| (table, keys)));
        steps.push(Step::NoSnapshot(places.map(|(table, keys)| chunk(random, own, table, keys)).collect()));
    } else {
        if traits.has(Class::InterruptedSnapshot) {
            for _ in 0..random.between(1, 2) {
                steps.push(Step::Initial { stop: Some(random.below(8)), last_is_empty: false });
                steps.extend((0..random.below(3)).map(|_| Step::Commit(statements(random, own))));
            }
        }
        steps.push(Step::Initial { stop: None, last_is_empty: traits.has(Class::OldMarkers) && random.chance(30) });
    }
    for _ in 0..random.between(1, 30) {
        steps.push(match random.below(10) {
            0..=4 => Step::Commit(statements(random, own)),
            5..=6 => Step::Stream(random.between(1, 4)),
            7 if random.chance(40) => Step::Idle,
            8 if random.chance(30) => Step::Rotate,
            _ => accident(random, traits, tables, partitions).unwrap_or(Step::Stream(2)),
        });
        if let Some(Step::Forget { .. }) = steps.last() {
            let rekey = Statement { table: random.below(own), action: Action::Shift, a: 1, b: 1 };
            steps.insert(steps.len() - 1, Step::Commit(vec![rekey, crate::story::statement(random, own)]));
        }
        if let Some(Step::Crash { .. } | Step::FailOver { .. }) = steps.last()
            && random.chance(70)
        {
            // Something to die in.
            let at = steps.len() - 1;
            steps.insert(
                at,
                Step::Commit(vec![crate::story::statement(random, own), crate::story::statement(random, own)]),
            );
        }
    }
    ending(random, traits, own, &mut steps);
    steps
}

fn ending(random: &mut Random, traits: &Traits, own: usize, steps: &mut Vec<Step>) {
    if traits.has(Class::SecondSnapshot) {
        steps.extend((0..random.below(3)).map(|_| Step::Commit(statements(random, own))));
        steps.push(Step::Die { into: random.below(5) });
        steps.extend((0..random.below(3)).map(|_| Step::Commit(statements(random, own))));
        steps.push(Step::Initial { stop: None, last_is_empty: traits.has(Class::OldMarkers) && random.chance(30) });
        steps.extend((0..random.below(6)).map(|_| Step::Commit(statements(random, own))));
    }
    if traits.has(Class::Reset) {
        steps.push(Step::Stream(usize::MAX));
        steps.push(Step::Reset);
        if random.chance(50) {
            steps.push(Step::Initial { stop: None, last_is_empty: false });
        }
        steps.extend((0..random.between(1, 6)).map(|_| Step::Commit(statements(random, own))));
    }
    // A connector that is not heard of after a blocking snapshot never says what the database did before it.
    if random.chance(90) || !traits.has(Class::Restarts) || traits.has(Class::BlockingSnapshot) {
        steps.push(Step::Stream(usize::MAX));
    } else {
        steps.push(Step::Die { into: random.below(4) });
    }
}

fn chunk(random: &mut Random, own: usize, table: usize, keys: (i64, i64)) -> Chunk {
    let during = (0..random.below(3)).map(|_| statements(random, own)).collect();
    Chunk { table, keys, during, read_after: random.below(3) }
}

/// One of the accidents of the story's classes, if it has any in its midst.
fn accident(random: &mut Random, traits: &Traits, tables: &[Table], partitions: &[usize]) -> Option<Step> {
    let own = tables.len() - 1;
    let topics = partitions.len() - 2;
    let class = *random.pick(&traits.0);
    let topic = random.below(topics);
    let partition = random.below(partitions[topic]);
    let (into, back) = (random.below(6), random.below(8));
    Some(match class {
        Class::Truncates => Step::Truncate(random.below(own)),
        Class::Restarts | Class::OldRestarts => Step::Crash { into, back },
        Class::NoGtids | Class::Loose | Class::Partitions | Class::CoarseTimes if random.chance(50) => {
            Step::Crash { into, back }
        }
        Class::Forgotten => Step::Forget { into },
        Class::FailOver => Step::FailOver { into, back, same_names: random.chance(60) },
        Class::BlockingSnapshot => Step::Blocking((0..own).filter(|_| random.chance(60)).collect()),
        Class::IncrementalSnapshot => {
            let table = random.below(own);
            let from = random.between(1, 4) as i64;
            let to = from + random.below(90) as i64;
            if !tables[table].keyed {
                return None;
            }
            Step::Chunk(chunk(random, own, table, (from, to)))
        }
        Class::Retention | Class::Gap => {
            let (topic, partition) = if random.chance(20) { (partitions.len() - 1, 0) } else { (topic, partition) };
            Step::Retain { topic, partition, keep: random.below(8) }
        }
        Class::Compaction => Step::Compact { topic, partition, keep: random.below(8) },
        Class::Control => {
            let (topic, partition) = if random.chance(30) { (partitions.len() - 1, 0) } else { (topic, partition) };
            Step::Control { topic, partition }
        }
        Class::NewPartitions => Step::AddPartition(topic),
        Class::Skew if random.chance(50) => Step::Crash { into, back },
        Class::SecondSnapshot if random.chance(30) => Step::Initial { stop: None, last_is_empty: false },
        _ => return None,
    })
}
