//! Versions of blocks: after a crash or failure anywhere the newest one that was finished is there, as it was, and only what changed is written.

use std::io::ErrorKind;
use std::sync::Arc;

use tidewater_storage::Result;
use tidewater_storage::blocks::{Blocks, Loaded, Part, Written};

use crate::disk::{Disk, Fault, Random};

const VERSIONS: usize = 12;

fn opened(disk: &Disk) -> Result<Loaded> {
    Blocks::open(Arc::new(disk.clone()))
}

/// What the next version holds: some parts come and go, some blocks change.
fn next(parts: &[Part], random: &mut Random) -> Vec<Part> {
    let mut next = parts.to_vec();
    if next.len() < 4 && random.below(3) == 0 || next.is_empty() {
        let name =
            format!("part {}", (0..).find(|n| next.iter().all(|part| part.name != format!("part {n}"))).unwrap_or(0));
        next.push(Part { name, ..Part::default() });
    } else if random.below(8) == 0 {
        next.remove(random.below(next.len()));
    }
    for part in &mut next {
        part.note = vec![random.below(200) as u8; random.below(50)];
        for _ in 0..random.below(4) {
            let long = random.below(6) == 0;
            let block: Arc<[u8]> = vec![random.below(250) as u8; random.below(if long { 10_000 } else { 400 })].into();
            match random.below(5) {
                // One byte of a page.
                3 | 4 if part.blocks.iter().any(|block| !block.is_empty()) => {
                    let at = random.below(part.blocks.len());
                    let mut changed = part.blocks[at].to_vec();
                    let byte = random.below(changed.len().max(1));
                    changed.iter_mut().skip(byte).take(1).for_each(|byte| *byte ^= 1);
                    part.blocks[at] = changed.into();
                }
                0 if !part.blocks.is_empty() => {
                    let at = random.below(part.blocks.len());
                    part.blocks[at] = block;
                }
                1 => drop(part.blocks.pop()),
                _ => part.blocks.push(block),
            }
        }
    }
    next
}

fn write(blocks: &mut Blocks, parts: &[Part]) -> Result<Written> {
    let mut writer = blocks.begin();
    parts.iter().try_for_each(|part| writer.part(&part.name, &part.note, &part.blocks))?;
    writer.finish()
}

/// Writes versions until the disk ends; what must be there, and what also may.
fn play(disk: &Disk, random: &mut Random) -> (Option<Vec<Part>>, Option<Vec<Part>>) {
    let Ok(Loaded { mut blocks, .. }) = opened(disk) else { return (None, None) };
    let (mut there, mut maybe): (Option<Vec<Part>>, Option<Vec<Part>>) = (None, None);
    for _ in 0..VERSIONS {
        let parts = next(there.as_deref().unwrap_or_default(), random);
        match write(&mut blocks, &parts) {
            Ok(_) => (there, maybe) = (Some(parts), None),
            // It may have its name already; what comes behind the disk's end has not.
            Err(_) => drop(maybe.get_or_insert(parts)),
        }
    }
    (there, maybe)
}

fn everywhere(fault: Fault) {
    for seed in 1..8 {
        let disk = Disk::default();
        play(&disk, &mut Random::new(seed));
        for operation in 0..disk.operations() {
            let what = format!("seed {seed}, operation {operation}, {fault:?}");
            let disk = Disk::default();
            disk.fail(operation, fault);
            let (there, maybe) = play(&disk, &mut Random::new(seed));
            let after = disk.after_crash(&mut Random::new(seed * 1_000 + operation as u64));
            let Loaded { mut blocks, parts, told } = opened(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(told.is_empty(), "{what}: a crash is no damage: {told:?}");
            assert!(parts == there || maybe.is_some() && parts == maybe, "{what}: {parts:?}");
            let more = next(parts.as_deref().unwrap_or_default(), &mut Random::new(seed));
            write(&mut blocks, &more).unwrap_or_else(|error| panic!("{what}: {error}"));
            let again = opened(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(again.parts, Some(more), "{what}");
        }
    }
}

#[test]
fn a_crash_at_every_operation_leaves_the_newest_version_whole() {
    everywhere(Fault::Crash);
}

#[test]
fn a_version_that_fails_changes_nothing() {
    everywhere(Fault::Once(ErrorKind::StorageFull));
}

#[test]
fn what_has_not_changed_is_not_written_and_room_is_given_back() {
    let disk = Disk::default();
    let mut blocks = opened(&disk).expect("an empty disk").blocks;
    let mut part =
        Part { name: "rows".into(), note: Vec::new(), blocks: (0..100_u8).map(|n| vec![n; 1_000].into()).collect() };
    let first = write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
    assert_eq!((first.bytes, first.new), (100_000, 100_000));
    let same = write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
    assert_eq!((same.bytes, same.new), (100_000, 0));
    for round in 0..1_000 {
        part.blocks[round % 100] = vec![round as u8 ^ 0x80; 1_000].into();
        let written = write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
        assert!(written.new <= 51_000, "{written:?}: half of a segment at most is written again");
        assert!(blocks.bytes() <= 200_000, "{} bytes of 100000", blocks.bytes());
        assert!(disk.names().len() <= 140, "{:?}", disk.names());
    }
    assert_eq!(opened(&disk).expect("it is whole").parts, Some(vec![part]));
}

#[test]
fn of_a_block_only_pages_that_changed_are_written() {
    let disk = Disk::default();
    let mut blocks = opened(&disk).expect("an empty disk").blocks;
    let bytes: Vec<u8> = (0..56 << 10).map(|n: u32| (n / 7) as u8).collect();
    let mut part = Part { name: "rows".into(), note: Vec::new(), blocks: vec![bytes.clone().into(), bytes.into()] };
    write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
    for (at, new) in [(0, 4_096), (4_095, 4_096), (30_000, 4_096), (57_343, 4_096)] {
        for block in &mut part.blocks {
            Arc::make_mut(block)[at] ^= 0x10;
        }
        let written = write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
        assert_eq!(written.new, 2 * new, "a page of each block, byte {at}");
        assert_eq!(opened(&disk).expect("it is whole").parts, Some(vec![part.clone()]));
    }
    // A block that has become shorter or longer keeps its whole pages, and so do those behind it.
    for length in [40_000, 50_000] {
        let mut bytes = part.blocks[0].to_vec();
        bytes.resize(length, 3);
        part.blocks[0] = bytes.into();
        let written = write(&mut blocks, std::slice::from_ref(&part)).expect("it is written");
        assert!(written.new <= 10_000 + 4_096, "{written:?}: what was added, and the rest of its page");
        assert_eq!(opened(&disk).expect("it is whole").parts, Some(vec![part.clone()]));
    }
}

#[test]
fn one_changed_byte_anywhere_is_told_and_the_version_before_is_used() {
    let (disk, mut random) = (Disk::default(), Random::new(5));
    let mut blocks = opened(&disk).expect("an empty disk").blocks;
    let mut versions = vec![Vec::new()];
    for _ in 0..6 {
        let parts = next(&versions[versions.len() - 1], &mut random);
        write(&mut blocks, &parts).expect("it is written");
        versions.push(parts);
    }
    let (newest, before) = (versions.pop().expect("there are some"), versions.pop().expect("there are some"));
    for name in ["blocks-6", "segment-6"] {
        for at in 0..disk.length(name) {
            let damaged = disk.after_crash(&mut Random::new(1));
            damaged.damage(name, |bytes| bytes[at] ^= 0x55);
            let Loaded { parts, told, .. } = opened(&damaged).expect("the one before is there");
            assert_eq!(parts.as_ref(), Some(&before), "{name}, byte {at}");
            assert!(told[0].contains(name) && told[1].contains("blocks-5"), "{told:?}");
        }
    }
    assert_eq!(opened(&disk).expect("it is whole").parts, Some(newest));
    // Of a version that is not used any more nothing is missed.
    for name in disk.names() {
        assert!(["blocks-5", "blocks-6"].contains(&name.as_str()) || name.starts_with("segment-"), "{name}");
    }
}
