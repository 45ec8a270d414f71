//! Bytes that changed by themselves are found and named, wherever they are; a checkpoint before helps, a guess never.

use tidewater_storage::Batch;

use crate::disk::{Disk, Random};
use crate::story::{Model, compact, opened};

/// A disk with two checkpoints and a log behind each, and what it holds.
fn written() -> (Disk, Model) {
    let (disk, mut model, mut random) = (Disk::default(), Model::default(), Random::new(7));
    let mut opened = opened(&disk).expect("an empty disk");
    for number in 0..30 {
        let (next, batch) = model.step(&mut random);
        opened.log.append(batch).expect("it is written");
        model = next;
        if number == 10 || number == 20 {
            compact(&mut opened, &model).expect("it is written");
        }
    }
    (disk, model)
}

#[test]
fn one_changed_byte_anywhere_in_a_log_is_an_error_that_names_file_and_place_or_the_torn_end() {
    let (disk, model) = written();
    let length = disk.length("log-3");
    let mut errors = 0;
    for at in 0..length {
        let damaged = disk.after_crash(&mut Random::new(1));
        damaged.damage("log-3", |bytes| bytes[at] ^= 0x55);
        match opened(&damaged) {
            Err(error) => {
                errors += 1;
                let text = error.to_string();
                assert!(text.contains("log-3") && text.contains("damaged at byte"), "{text}");
            }
            // The last batch alone may be taken for one that was never finished.
            Ok(opened) => {
                assert!(opened.told.iter().any(|told| told.contains("log-3") && told.contains("cut off")), "byte {at}");
                assert_ne!(Model::of(opened.state).expect("it is whole"), model);
            }
        }
    }
    assert!(errors > length / 2, "{errors} of {length}");
    // A log that others follow has no torn end.
    for at in 0..disk.length("log-2") {
        let damaged = disk.after_crash(&mut Random::new(1));
        damaged.damage("log-2", |bytes| bytes[at] ^= 0x55);
        damaged.damage("checkpoint-3", |bytes| bytes[30] ^= 1);
        let text = opened(&damaged).expect_err("two things are damaged").to_string();
        assert!(text.contains("log-2") && text.contains("damaged at byte"), "{text}");
    }
}

#[test]
fn a_damaged_checkpoint_is_said_and_the_one_before_it_gives_the_same() {
    let (disk, model) = written();
    for at in 0..disk.length("checkpoint-3") {
        let damaged = disk.after_crash(&mut Random::new(1));
        damaged.damage("checkpoint-3", |bytes| bytes[at] ^= 0x55);
        let mut found = opened(&damaged).expect("the one before is whole");
        assert!(found.told[0].contains("checkpoint-3") && found.told[0].contains("damaged"), "{:?}", found.told);
        assert_eq!(Model::of(std::mem::take(&mut found.state)).expect("it is whole"), model);
        // The next one is kept together with the whole one, not with the damaged one.
        compact(&mut found, &model).expect("it is written");
        damaged.damage("checkpoint-4", |bytes| bytes.truncate(bytes.len() / 2));
        let found = opened(&damaged).expect("there is a whole one still");
        assert_eq!(Model::of(found.state).expect("it is whole"), model);
    }
}

#[test]
fn what_is_missing_is_no_empty_database() {
    let (disk, _) = written();
    for (file, names) in [("manifest", &["manifest"][..]), ("log-3", &["log-3"]), ("checkpoint-3", &[])] {
        let damaged = disk.after_crash(&mut Random::new(1));
        tidewater_storage::Files::remove(&damaged, file).expect("it is there");
        match opened(&damaged) {
            Ok(_) => assert!(names.is_empty(), "{file} is missed by nobody"),
            Err(error) => assert!(names.iter().all(|name| error.to_string().contains(name)), "{error}"),
        }
    }
    let damaged = disk.after_crash(&mut Random::new(1));
    damaged.damage("manifest", |bytes| bytes[12] ^= 1);
    assert!(opened(&damaged).expect_err("a refusal").to_string().contains("manifest"));
    // The first log without its manifest.
    let disk = Disk::default();
    let mut first = opened(&disk).expect("an empty disk");
    let mut batch = Batch::default();
    batch.define(1, b"one");
    first.log.append(batch).expect("it is written");
    tidewater_storage::Files::remove(&disk, "manifest").expect("it is there");
    assert!(opened(&disk).expect_err("a refusal").to_string().contains("manifest"));
}
