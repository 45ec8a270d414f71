//! Crashes and failures at every single operation: after each, what is there is what was acknowledged, and whole.

use std::io::ErrorKind;

use tidewater_storage::Error;

use crate::disk::{Disk, Fault, Random};
use crate::story::{Model, compact, is_crash, opened};

const STATEMENTS: usize = 14;
const SEEDS: u64 = 12;

/// What must be there, and what also may: a batch of which it is not known whether it is durable.
struct Told {
    model: Model,
    maybe: Option<Model>,
}

/// Makes statements one after another until the disk ends.
fn play(disk: &Disk, random: &mut Random, told: &mut Told) {
    let mut opened = match opened(disk) {
        Ok(opened) => opened,
        Err(error) => return assert!(is_crash(&error) || told.model == Model::default(), "{error}"),
    };
    for _ in 0..STATEMENTS {
        if random.below(5) == 0 {
            // It fails or not: nothing changes.
            let _ = compact(&mut opened, &told.model);
            continue;
        }
        let (next, batch) = told.model.step(random);
        if random.below(3) == 0 && opened.log.reserve(batch.len()).is_err() {
            continue;
        }
        match opened.log.append(batch) {
            Ok(()) => (told.model, told.maybe) = (next, None),
            Err(Error::Stopped { .. }) => {
                // The first time nothing is known of it; from then on nothing is taken.
                told.maybe.get_or_insert(next);
            }
            Err(error) => assert!(!is_crash(&error), "a disk that has ended cannot take anything back: {error}"),
        }
    }
}

fn check(seed: u64, operation: usize, fault: Fault) {
    let what = format!("seed {seed}, operation {operation}, {fault:?}");
    let disk = Disk::default();
    disk.fail(operation, fault);
    let mut random = Random::new(seed);
    let mut told = Told { model: Model::default(), maybe: None };
    play(&disk, &mut random, &mut told);
    let mut chance = Random::new(seed * 1_000 + operation as u64);
    // What is not acknowledged may be there or not, but once it was seen it stays.
    let after = disk.after_crash(&mut chance);
    let mut again = opened(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = Model::of(std::mem::take(&mut again.state)).unwrap_or_else(|error| panic!("{what}: {error}"));
    if Some(&found) != told.maybe.as_ref() {
        assert_eq!(found, told.model, "{what}");
    }
    let (next, batch) = found.step(&mut random);
    again.log.append(batch).unwrap_or_else(|error| panic!("{what}: {error}"));
    compact(&mut again, &next).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (last, batch) = next.step(&mut random);
    again.log.append(batch).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(again);
    let state = opened(&after.after_crash(&mut chance)).unwrap_or_else(|error| panic!("{what}: {error}")).state;
    assert_eq!(Model::of(state).expect("it is whole"), last, "{what}, at the end");
}

/// How many operations a seed's story takes.
fn operations(seed: u64) -> usize {
    let disk = Disk::default();
    let mut told = Told { model: Model::default(), maybe: None };
    play(&disk, &mut Random::new(seed), &mut told);
    disk.operations()
}

fn everywhere(fault: Fault) {
    let mut tried = 0;
    for seed in 1..=SEEDS {
        for operation in 0..operations(seed) {
            check(seed, operation, fault);
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried} faults were tried");
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_was_acknowledged() {
    everywhere(Fault::Crash);
}

#[test]
fn a_full_disk_fails_statements_and_leaves_nothing_of_them() {
    everywhere(Fault::Once(ErrorKind::StorageFull));
}

#[test]
fn after_a_failure_that_cannot_be_undone_the_log_takes_nothing_more() {
    everywhere(Fault::Twice(ErrorKind::Other));
}

#[test]
fn a_full_disk_is_told_as_such_and_room_that_was_reserved_is_there() {
    let disk = Disk::default();
    let mut opened = opened(&disk).expect("an empty disk");
    disk.fail(0, Fault::Once(ErrorKind::StorageFull));
    assert!(opened.log.reserve(1_000_000).expect_err("there is no room").is_full());
    opened.log.reserve(1_000).expect("there is room");
    let before = disk.operations();
    let (_, batch) = Model::default().step(&mut Random::new(3));
    opened.log.append(batch).expect("it has its room");
    assert_eq!(disk.operations() - before, 2, "one write and one sync a batch");
}
