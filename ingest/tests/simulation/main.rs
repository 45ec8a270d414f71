//! Seeded simulation of the way in: MySQL, Debezium and Kafka as a model, the timeline between them and a judge who knows every
//! state that the database was ever in. The oracle shares no code with what it judges.
//!
//! A seed makes a story (`story`, `classes`): statements, a connector with its accidents, what Kafka deletes. It is played into
//! logs (`model`, `debezium`, `kafka`), which a driver feeds in a random interleaving. After every output the shown tables must
//! be a state of the database, and never an earlier one; at the end the last one, or the timeline says why not.
//!
//! `SIM_SEEDS=n` seeds of each class from `SIM_FROM=k` on; `SIM_CLASS=Name` one class only. A failing seed is shrunk and printed.

mod classes;
mod crash;
mod debezium;
mod driver;
mod findings;
mod judge;
mod kafka;
mod model;
mod random;
mod reborn;
mod shrink;
mod soaked;
mod story;
mod subject;
mod text;
mod wrong;

use std::collections::BTreeMap;

use tidewater_ingest::timeline::Timeline;

use crate::story::{CLASSES, Class};
use crate::subject::Subject;

/// Seeds of each class in a plain `cargo test`.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn timeline(transactions: bool) -> Box<dyn Subject> {
    Box::new(Timeline::new("mysql.transaction", transactions))
}

/// Runs a seed against the timeline.
fn judge(seed: u64, class: Class) -> Result<(), String> {
    let story = classes::story(seed, class);
    shrink::outcome_of(&story, &timeline)
}

/// Failures of one class: of each kind the seeds, and one story.
fn told(class: Class, failed: &[(u64, String)]) -> String {
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (seed, failure) in failed {
        kinds.entry(shrink::kind(failure)).or_default().push(*seed);
    }
    let few = |seeds: &[u64]| seeds.iter().take(6).map(u64::to_string).collect::<Vec<_>>().join(" ");
    let lines = kinds.iter().map(|(kind, seeds)| format!("  {} × {kind}… ({})\n", seeds.len(), few(seeds)));
    let stories = kinds.values().map(|seeds| shrink::report(&classes::story(seeds[0], class), &timeline) + "\n\n");
    lines.chain(stories).collect()
}

#[test]
fn every_answer_is_a_state_of_the_database() {
    let (from, count) = (number("SIM_FROM").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let only = std::env::var("SIM_CLASS").ok();
    let mut failures = Vec::new();
    let mut tried = 0;
    for class in CLASSES {
        if only.as_ref().is_some_and(|only| *only != format!("{class:?}")) {
            continue;
        }
        let judged = (from..from + count).map(|seed| (seed, judge(seed, class)));
        let failed: Vec<(u64, String)> = judged.filter_map(|(seed, judged)| Some((seed, judged.err()?))).collect();
        tried += count;
        if !failed.is_empty() {
            failures.push(format!("{class:?}: {} of {count} seeds failed\n{}", failed.len(), told(class, &failed)));
        }
    }
    println!("{tried} seeds tried");
    assert!(tried > 0, "SIM_CLASS names no class: {CLASSES:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
