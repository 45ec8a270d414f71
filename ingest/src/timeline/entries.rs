//! A partition's waiting log as bytes. Millions of entries share few names (transactions, tables, binlog files), so each name is
//! written once and entries say which, and what is read shares its names as before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidewater_delta::Op;

use super::log::{Entry, EntryKind};
use crate::event::{Origin, Snapshot, TransactionRef};

/// An entry whose names are numbers.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    at: (i32, i64),
    transaction: u32,
    collection: u32,
    origin: StoredOrigin,
    created_ms: i64,
    ops: T,
    kind: EntryKind,
}

#[derive(Serialize, Deserialize)]
struct StoredOrigin {
    snapshot: Snapshot,
    collection: u32,
    server_id: u64,
    file: u32,
    pos: u64,
    row: u32,
    gtid: Option<u32>,
    ts_ms: i64,
    transaction: Option<(u32, u64, u64)>,
}

/// Names and their numbers.
#[derive(Default)]
struct Names<'a> {
    all: Vec<&'a Arc<str>>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a Arc<str>) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.all.push(name);
            // A log has fewer than 4 billion entries.
            self.all.len() as u32 - 1
        })
    }

    fn store(&mut self, entry: &'a Entry) -> Stored<&'a [Op]> {
        let Entry { at, transaction, collection, origin, created_ms, ops, kind } = entry;
        let member = origin.transaction.as_ref();
        let origin = StoredOrigin {
            snapshot: origin.snapshot,
            collection: self.number(&origin.collection),
            server_id: origin.server_id,
            file: self.number(&origin.file),
            pos: origin.pos,
            row: origin.row,
            gtid: origin.gtid.as_ref().map(|gtid| self.number(gtid)),
            ts_ms: origin.ts_ms,
            transaction: member.map(|of| (self.number(&of.id), of.total_order, of.data_collection_order)),
        };
        let (transaction, collection) = (self.number(transaction), self.number(collection));
        Stored { at: *at, transaction, collection, origin, created_ms: *created_ms, ops, kind: *kind }
    }
}

pub(super) fn serialize<S: Serializer>(log: &VecDeque<Entry>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut names = Names::default();
    let entries: Vec<_> = log.iter().map(|entry| names.store(entry)).collect();
    (names.all, entries).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<Entry>, D::Error> {
    let (names, entries): (Vec<Arc<str>>, Vec<Stored<Vec<Op>>>) = Deserialize::deserialize(deserializer)?;
    let entries = entries.into_iter().map(|entry| restore(entry, &names));
    entries.collect::<Option<_>>().ok_or_else(|| D::Error::custom("an entry of a name that is not there"))
}

fn restore(entry: Stored<Vec<Op>>, names: &[Arc<str>]) -> Option<Entry> {
    let name = |number: u32| names.get(number as usize).cloned();
    let Stored { at, transaction, collection, origin, created_ms, ops, kind } = entry;
    let gtid = match origin.gtid {
        Some(number) => Some(name(number)?),
        None => None,
    };
    let member = match origin.transaction {
        Some((id, total_order, data_collection_order)) => {
            Some(TransactionRef { id: name(id)?, total_order, data_collection_order })
        }
        None => None,
    };
    let origin = Origin {
        snapshot: origin.snapshot,
        collection: name(origin.collection)?,
        server_id: origin.server_id,
        file: name(origin.file)?,
        pos: origin.pos,
        row: origin.row,
        gtid,
        ts_ms: origin.ts_ms,
        transaction: member,
    };
    let (transaction, collection) = (name(transaction)?, name(collection)?);
    Some(Entry { at, transaction, collection, origin, created_ms, ops: ops.into(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Log(#[serde(with = "super")] VecDeque<Entry>);

    fn entry(offset: i64, streamed: bool) -> Entry {
        let id: Arc<str> = format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:{}", offset / 100).into();
        let member = TransactionRef { id: id.clone(), total_order: 1, data_collection_order: 2 };
        let origin = Origin {
            snapshot: Snapshot::No,
            collection: "shop.t".into(),
            server_id: 3,
            file: "binlog.000001".into(),
            pos: 4,
            row: 5,
            gtid: streamed.then(|| id.clone()),
            ts_ms: 6,
            transaction: streamed.then_some(member),
        };
        let (at, ops) = ((0, offset), smallvec::smallvec![Op::Truncate]);
        Entry { at, transaction: id, collection: Arc::default(), origin, created_ms: 7, ops, kind: EntryKind::Event }
    }

    #[test]
    fn entries_come_back_and_share_their_names() {
        let log: VecDeque<_> = (0..1_000).map(|offset| entry(offset, offset % 3 > 0)).collect();
        let expected = format!("{log:?}");
        let bytes = postcard::to_allocvec(&Log(log)).expect("bytes");
        assert!(bytes.len() < 30_000, "{} bytes", bytes.len());
        let Log(found) = postcard::from_bytes(&bytes).expect("the same");
        assert_eq!(format!("{found:?}"), expected);
        assert!(Arc::ptr_eq(&found[0].origin.file, &found[999].origin.file));
    }
}
