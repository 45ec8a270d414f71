//! Changes that wait for their transaction, which may have millions: all but the first few lie packed in chunks, so that
//! what waits takes little more than the bytes of its rows. Each is one byte that says what it is, its length and its row.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};
use tidewater_delta::{Op, RowRef};

/// So many changes stay as they came: most transactions are small.
const LOOSE: usize = 256;
/// Bytes of a chunk. A chunk is given back as soon as its changes are taken out.
const CHUNK: usize = 64 * 1024;
/// What a change is that has no row.
const TRUNCATE: u8 = 4;
/// Bytes before a row.
const HEAD: usize = 5;

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub(crate) struct PackedOps {
    loose: Vec<Op>,
    #[serde(serialize_with = "whole_chunks")]
    chunks: VecDeque<Vec<u8>>,
    count: usize,
}

/// The same as it was written.
#[derive(Deserialize)]
struct Stored {
    loose: Vec<Op>,
    chunks: Vec<ByteBuf>,
    count: usize,
}

/// Each chunk in one go: millions of rows are written as fast as their bytes are copied.
fn whole_chunks<S: Serializer>(chunks: &VecDeque<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(chunks.iter().map(|chunk| Bytes::new(chunk)))
}

impl TryFrom<Stored> for PackedOps {
    type Error = &'static str;

    fn try_from(Stored { loose, chunks, count }: Stored) -> Result<Self, Self::Error> {
        let chunks: VecDeque<_> = chunks.into_iter().map(ByteBuf::into_vec).collect();
        let in_chunk = |chunk: &Vec<u8>| {
            let (mut rest, mut count) = (&chunk[..], 0);
            while !rest.is_empty() {
                let (what, row, behind) = first(rest)?;
                (what >= TRUNCATE || RowRef::checked(row).is_some()).then_some(())?;
                (rest, count) = (behind, count + 1);
            }
            Some(count)
        };
        let packed = chunks.iter().try_fold(0_usize, |sum, chunk| Some(sum + in_chunk(chunk)?));
        match packed.and_then(|packed| packed.checked_add(loose.len())) {
            Some(found) if found == count => Ok(PackedOps { loose, chunks, count }),
            _ => Err("packed changes that are none"),
        }
    }
}

/// The first change of a chunk: what it is, the bytes of its row, and what lies behind it.
fn first(chunk: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = chunk.split_at_checked(HEAD)?;
    let length = head.get(1..)?.try_into().map(u32::from_le_bytes).ok()?;
    let (row, behind) = rest.split_at_checked(length as usize)?;
    Some((head[0], row, behind))
}

impl PackedOps {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn clear(&mut self) {
        *self = PackedOps::default();
    }

    pub(crate) fn push(&mut self, op: Op) {
        self.count += 1;
        if self.chunks.is_empty() && self.loose.len() < LOOSE {
            return self.loose.push(op);
        }
        let (what, bytes) = match &op {
            Op::Upsert(row) => (0, row.bytes()),
            Op::Delete(row) => (1, row.bytes()),
            Op::Insert(row) => (2, row.bytes()),
            Op::Remove(row) => (3, row.bytes()),
            Op::Truncate => (TRUNCATE, &[][..]),
        };
        let need = HEAD + bytes.len();
        if self.chunks.back().is_none_or(|chunk| chunk.capacity() - chunk.len() < need) {
            self.chunks.push_back(Vec::with_capacity(CHUNK.max(need)));
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(what);
            // A record of Kafka's has less than 4 GiB.
            chunk.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            chunk.extend_from_slice(bytes);
        }
    }
}

impl IntoIterator for PackedOps {
    type Item = Op;
    type IntoIter = Unpacked;

    fn into_iter(self) -> Unpacked {
        Unpacked { loose: self.loose.into_iter(), chunks: self.chunks, at: 0, left: self.count }
    }
}

/// The changes in their order.
#[derive(Debug)]
pub(crate) struct Unpacked {
    loose: std::vec::IntoIter<Op>,
    chunks: VecDeque<Vec<u8>>,
    at: usize,
    left: usize,
}

impl Iterator for Unpacked {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        let op = self.loose.next().or_else(|| self.unpack())?;
        self.left -= 1;
        Some(op)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl From<Vec<Op>> for Unpacked {
    fn from(ops: Vec<Op>) -> Self {
        Unpacked { left: ops.len(), loose: ops.into_iter(), chunks: VecDeque::new(), at: 0 }
    }
}

impl Unpacked {
    fn unpack(&mut self) -> Option<Op> {
        while self.chunks.front().is_some_and(|chunk| self.at >= chunk.len()) {
            self.chunks.pop_front();
            self.at = 0;
        }
        let (what, bytes, _) = first(self.chunks.front()?.get(self.at..)?)?;
        self.at += HEAD + bytes.len();
        let row = || RowRef::new(bytes).into();
        Some(match what {
            0 => Op::Upsert(row()),
            1 => Op::Delete(row()),
            2 => Op::Insert(row()),
            3 => Op::Remove(row()),
            _ => Op::Truncate,
        })
    }
}

#[cfg(test)]
mod tests {
    use tidewater_delta::{Row, RowBuilder, Width};

    use super::*;

    fn row(n: i64) -> Row {
        let mut builder = RowBuilder::new(vec![Width::Fixed, Width::Variable]);
        builder.set_slot(0, n as u64);
        builder.set_tail(1, "x".repeat(n as usize % 90).as_bytes());
        builder.take()
    }

    #[test]
    fn changes_come_out_as_they_went_in() {
        for count in [0, 1, LOOSE as i64, LOOSE as i64 + 1, 5_000] {
            let op = |n: i64| match n % 5 {
                0 => Op::Upsert(row(n)),
                1 => Op::Delete(row(n)),
                2 => Op::Insert(row(n)),
                3 => Op::Remove(row(n)),
                _ => Op::Truncate,
            };
            let mut packed = PackedOps::default();
            (0..count).for_each(|n| packed.push(op(n)));
            assert_eq!(packed.len(), count as usize);
            let kept = postcard::to_allocvec(&packed).expect("bytes");
            let kept: PackedOps = postcard::from_bytes(&kept).expect("the same");
            assert_eq!(kept.len(), count as usize);
            assert!(kept.into_iter().eq((0..count).map(op)), "{count}, kept");
            assert!(packed.into_iter().eq((0..count).map(op)), "{count}");
        }
    }

    #[test]
    fn a_row_larger_than_a_chunk_has_one_of_its_own() {
        let mut builder = RowBuilder::new(vec![Width::Variable]);
        builder.set_tail(0, "y".repeat(3 * CHUNK).as_bytes());
        let large = builder.take();
        let mut packed = PackedOps::default();
        (0..LOOSE as i64).for_each(|n| packed.push(Op::Insert(row(n))));
        packed.push(Op::Insert(large.clone()));
        packed.push(Op::Insert(row(1)));
        assert!(packed.into_iter().skip(LOOSE).eq([Op::Insert(large), Op::Insert(row(1))]));
    }
}
