//! A failing story made smaller for as long as it fails, and printed for a human.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::{Make, run};
use crate::story::{Step, Story};

/// Stories tried while shrinking.
const TRIES: usize = 3_000;

/// Plays a story and judges the subject. A panic is a failure as any other.
pub(crate) fn outcome_of(story: &Story, make: Make<'_>) -> Result<(), String> {
    logged(story, make, None)
}

fn logged(story: &Story, make: Make<'_>, log: Option<&mut Vec<String>>) -> Result<(), String> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let outcome = story.play();
        run(story, &outcome, make, log)
    }));
    judged.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "panic: {}",
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        ))
    })
}

/// Smaller stories, the boldest first.
fn smaller(story: &Story) -> Vec<Story> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Story)| {
        let mut story = story.clone();
        change(&mut story);
        all.push(story);
    };
    // A connector that stops in the midst is an accident of its own: what is streamed at the end stays.
    let length = story.steps.len() - usize::from(matches!(story.steps.last(), Some(Step::Stream(usize::MAX))));
    for size in [length / 2, length / 4, 3, 2, 1] {
        for from in (0..length).step_by(size.max(1)) {
            if size > 0 {
                with(&|story| drop(story.steps.drain(from..(from + size).min(length))));
            }
        }
    }
    for at in 0..story.losses.len() {
        with(&|story| {
            story.losses.remove(at);
        });
    }
    with(&|story| story.reader.restarts = 0);
    with(&|story| story.reader.removes = 0);
    with(&|story| story.reader.crashes = 0);
    with(&|story| story.reader.crashes = story.reader.crashes.min(1));
    with(&|story| story.reader.late.fill(false));
    with(&|story| (story.reader.from_end, story.reader.early) = (true, false));
    with(&|story| story.skew = 0);
    with(&|story| story.options.tombstones = false);
    for topic in 0..story.partitions.len() - 1 {
        with(&|story| story.partitions[topic] = 1);
        with(&|story| story.subscribed[topic] = false);
    }
    for (at, step) in story.steps.iter().enumerate() {
        match step {
            Step::Commit(statements) => {
                for statement in 0..statements.len() {
                    with(&|story| {
                        if let Step::Commit(statements) = &mut story.steps[at] {
                            statements.remove(statement);
                        }
                    });
                }
            }
            Step::Crash { into, back } | Step::FailOver { into, back, .. } => {
                let (into, back) = (*into, *back);
                with(&|story| story.steps[at] = Step::Crash { into, back });
                with(&|story| story.steps[at] = Step::Crash { into: into / 2, back });
                with(&|story| story.steps[at] = Step::Crash { into, back: back / 2 });
            }
            _ => {}
        }
    }
    all
}

fn size(story: &Story) -> usize {
    let statements = |step: &Step| match step {
        Step::Commit(statements) => 2 + statements.len(),
        Step::Crash { into, back } => 4 + into + back,
        Step::FailOver { into, back, .. } => 6 + into + back,
        _ => 3,
    };
    let reader = &story.reader;
    story.steps.iter().map(statements).sum::<usize>()
        + story.losses.len() * 3
        + reader.restarts
        + reader.removes
        + reader.crashes
        + reader.late.iter().filter(|late| **late).count()
        + usize::from(!reader.from_end)
        + usize::from(story.options.tombstones)
        + story.skew as usize
        + story.partitions.iter().sum::<usize>() * 2
        + story.subscribed.iter().filter(|subscribed| **subscribed).count()
}

/// What kind of failure it is: the text without its numbers and particulars.
pub(crate) fn kind(failure: &str) -> String {
    let head = failure.split(['{', ':', '(']).next().unwrap_or_default();
    head.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The smallest story found that fails in the same way.
fn shrink(story: &Story, make: Make<'_>) -> Story {
    let mut best = story.clone();
    let same = outcome_of(story, make).err().map(|failure| kind(&failure));
    let mut tries = 0;
    // Other interleavings of a smaller story may fail where this one's does not.
    let seeds = [0, 1, 2, 3];
    loop {
        let mut found = None;
        'candidates: for candidate in smaller(&best) {
            if size(&candidate) >= size(&best) {
                continue;
            }
            for seed in seeds {
                tries += 1;
                let mut candidate = candidate.clone();
                candidate.reader.seed = candidate.reader.seed.wrapping_add(seed);
                if outcome_of(&candidate, make).err().map(|failure| kind(&failure)) == same {
                    found = Some(candidate);
                    break 'candidates;
                }
            }
        }
        match found {
            Some(candidate) if tries < TRIES => best = candidate,
            _ => return best,
        }
    }
}

/// What a failing story did, small and readable.
pub(crate) fn report(story: &Story, make: Make<'_>) -> String {
    let best = shrink(story, make);
    let mut log = Vec::new();
    let failure = logged(&best, make, Some(&mut log)).err().unwrap_or_default();
    let steps = best.steps.iter().map(|step| format!("  {step:?}")).collect::<Vec<_>>().join("\n");
    let tables =
        best.tables.iter().map(|table| format!("{} in t{}", table.collection, table.topic)).collect::<Vec<_>>();
    let (seed, class) = (story.seed, story.class);
    format!(
        "seed {seed} of {class:?}: {failure}\n{}; partitions {:?}, {:?}, gtids {}\n{steps}\n  ---\n  {}\n  ---\n{failure}",
        tables.join(", "),
        best.partitions,
        best.options,
        best.gtids,
        log.join("\n  ")
    )
}
