//! Places are found again, snapshots keep their moment, memory is given back.

use tidewater_delta::{RowBuilder, Width};

use super::*;

#[test]
fn a_snapshot_keeps_its_moment_and_places_are_reused() {
    let mut builder = RowBuilder::new(vec![Width::Variable]);
    let mut row = |text: &str| {
        builder.set_tail(0, text.as_bytes());
        builder.take()
    };
    let mut arena = Arena::default();
    let big = "x".repeat(3 * CHUNK_BYTES);
    let ids: Vec<_> = (0..5000)
        .map(|i| if i == 77 { row(&big) } else { row(&format!("row {i:05}")) })
        .map(|row| arena.insert(row.as_ref(), 1).expect("room"))
        .collect();
    let before = arena.snapshot();
    assert_eq!((arena.change_weight(ids[4], -1), arena.untouch(ids[4])), (Ok(None), 0), "it was new in this tick");
    arena.remove(ids[4]);
    let again = arena.insert(row("row again").as_ref(), 2);
    assert_eq!(again, Ok(ids[4]), "a place of the same size is reused");
    assert_eq!(before.rows().count(), 5000);
    assert!(before.rows().all(|(_, weight)| weight == 1));
    assert_eq!(arena.snapshot().rows().map(|(_, weight)| weight).sum::<i64>(), 5001);
    assert_eq!(arena.row(ids[77]).tail(0).len(), big.len());
}

fn text(length: usize) -> tidewater_delta::Row {
    let mut builder = RowBuilder::new(vec![Width::Variable]);
    builder.set_tail(0, &vec![b'x'; length]);
    builder.take()
}

fn take_out(arena: &mut Arena, id: RowId) {
    assert_eq!((arena.change_weight(id, -1).map(|_| ()), arena.untouch(id)), (Ok(()), 0));
    arena.remove(id);
    arena.tidy();
}

#[test]
fn rows_that_grow_take_no_more_memory_than_they_need() {
    let mut arena = Arena::default();
    let mut id = arena.insert(text(1).as_ref(), 1).expect("room");
    for length in (2..300_000).step_by(97) {
        take_out(&mut arena, id);
        id = arena.insert(text(length).as_ref(), 1).expect("room");
    }
    assert_eq!(arena.snapshot().rows().map(|(row, _)| row.tail(0).len()).collect::<Vec<_>>(), [299_926]);
    assert!(arena.bytes() < 30 * CHUNK_BYTES, "{} bytes", arena.bytes());
}

#[test]
fn a_large_deletion_gives_memory_back_and_what_stays_is_found() {
    let mut arena = Arena::default();
    let ids: Vec<_> = (0..20_000).map(|i| arena.insert(text(100 + i % 50).as_ref(), 1).expect("room")).collect();
    let before = (arena.bytes(), arena.snapshot());
    ids.iter().enumerate().filter(|(i, _)| i % 5_000 != 0).for_each(|(_, id)| take_out(&mut arena, *id));
    assert!(arena.bytes() * 2 < before.0, "{} of {} bytes", arena.bytes(), before.0);
    assert_eq!((arena.snapshot().rows().count(), before.1.rows().count()), (4, 20_000));
    let again: Vec<_> = (0..20_000).map(|i| arena.insert(text(100 + i % 50).as_ref(), 1).expect("room")).collect();
    assert!(
        again
            .iter()
            .all(|id| arena.row(*id).tail(0).len() >= 100 && !ids.iter().step_by(5_000).any(|stays| stays == id))
    );
    assert_eq!(arena.snapshot().rows().count(), 20_004);
    assert!(arena.bytes() < before.0 * 11 / 10);
}

#[test]
fn what_there_is_no_room_for_is_refused() {
    let mut arena = Arena { chunks_max: 2, ..Arena::default() };
    let ids: Vec<_> = (0..2_000).map_while(|_| arena.insert(text(100).as_ref(), 1).ok()).collect();
    assert!(ids.len() > 500 && ids.len() < 1_500);
    assert_eq!(arena.insert(text(70_000).as_ref(), 1), Err(Limit::Rows));
    assert_eq!(arena.snapshot().rows().count(), ids.len());
    take_out(&mut arena, ids[3]);
    assert_eq!(arena.insert(text(101).as_ref(), 1), Ok(ids[3]));
    assert_eq!(arena.change_weight(ids[3], Weight::MAX), Err(Limit::Weight));
    assert_eq!((arena.change_weight(ids[4], 1 << 40), arena.weight(ids[4])), (Ok(None), (1 << 40) + 1));
}
