//! Which blocks a version has and where their pages lie, as a file of frames.
//!
//! ```text
//! header: u32 version of the form, u64 number, u64 seed of the hashes
//! part:   u8 1, u32 length, name, u64 length, note, u64 blocks, then each: u32 length, then each of its pages: u64 segment, u64 place, u128 hash
//! end:    u8 2, u64 parts, u64 segments, then each: u64 number, u64 bytes
//! ```
//! Little endian, a frame each ([`crate::frame`]). A page has [`PAGE`] bytes, the last of a block what is left.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};
use crate::files::Files;
use crate::frame::{self, Found};
use crate::names;

/// The version of this form.
const VERSION: u32 = 2;
/// A changed row of some hundred bytes costs so many.
pub(super) const PAGE: usize = 4 << 10;

const PART: u8 = 1;
const END: u8 = 2;

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) at: u64,
    pub(super) hash: u128,
}

/// Where the blocks of a part lie.
#[derive(Debug, Clone, Default)]
pub(super) struct Placed {
    /// Bytes of each block.
    pub(super) lengths: Vec<u32>,
    /// The pages of all blocks.
    pub(super) pages: Vec<Place>,
}

/// How many pages a block of so many bytes has.
pub(super) fn pages_of(length: u32) -> usize {
    (length as usize).div_ceil(PAGE)
}

impl Placed {
    /// Each block's bytes and its pages.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u32, &[Place])> {
        let mut rest = &self.pages[..];
        self.lengths.iter().map(move |&length| {
            let (pages, others) = rest.split_at(pages_of(length).min(rest.len()));
            rest = others;
            (length, pages)
        })
    }

    /// Each page with its bytes.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&Place, usize)> {
        self.blocks().flat_map(|(length, pages)| {
            pages.iter().enumerate().map(move |(n, page)| (page, (length as usize - n * PAGE).min(PAGE)))
        })
    }
}

/// A part as the index knows it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) note: Vec<u8>,
    pub(super) placed: Placed,
}

/// A version.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) number: u64,
    /// Of the hashes; of each folder another one, so that nobody can write rows that collide.
    pub(super) seed: u64,
    /// Bytes of each segment in use.
    pub(super) segments: BTreeMap<u64, u64>,
    /// The blocks of each part by its name.
    pub(super) parts: HashMap<String, Placed>,
}

impl Index {
    /// The number, and the segments in use.
    pub(super) fn uses(&self) -> (u64, BTreeSet<u64>) {
        (self.number, self.segments.keys().copied().collect())
    }
}

pub(super) fn hash(seed: u64, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, seed)
}

/// The frames of an index, one after another.
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    count: u64,
}

impl Frames {
    pub(super) fn new(number: u64, seed: u64) -> Result<Self> {
        let mut frames = Frames { bytes: Vec::new(), count: 0 };
        let mut payload = VERSION.to_le_bytes().to_vec();
        payload.extend_from_slice(&number.to_le_bytes());
        payload.extend_from_slice(&seed.to_le_bytes());
        frames.add(&payload)?;
        Ok(frames)
    }

    fn add(&mut self, payload: &[u8]) -> Result<()> {
        frame::write(self.count, payload, &mut self.bytes)?;
        self.count += 1;
        Ok(())
    }

    pub(super) fn part(&mut self, name: &str, note: &[u8], placed: &Placed) -> Result<()> {
        let mut payload = vec![PART];
        payload.extend_from_slice(&(name.len() as u32).to_le_bytes());
        payload.extend_from_slice(name.as_bytes());
        payload.extend_from_slice(&(note.len() as u64).to_le_bytes());
        payload.extend_from_slice(note);
        payload.extend_from_slice(&(placed.lengths.len() as u64).to_le_bytes());
        for (length, pages) in placed.blocks() {
            payload.extend_from_slice(&length.to_le_bytes());
            for page in pages {
                payload.extend_from_slice(&page.segment.to_le_bytes());
                payload.extend_from_slice(&page.at.to_le_bytes());
                payload.extend_from_slice(&page.hash.to_le_bytes());
            }
        }
        self.add(&payload)
    }

    pub(super) fn end(&mut self, segments: &BTreeMap<u64, u64>) -> Result<()> {
        let mut payload = vec![END];
        payload.extend_from_slice(&(self.count - 1).to_le_bytes());
        payload.extend_from_slice(&(segments.len() as u64).to_le_bytes());
        for (number, bytes) in segments {
            payload.extend_from_slice(&number.to_le_bytes());
            payload.extend_from_slice(&bytes.to_le_bytes());
        }
        self.add(&payload)
    }
}

/// Bytes of a frame's payload that are still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn place(&mut self) -> Option<Place> {
        let (segment, at) = (self.u64()?, self.u64()?);
        Some(Place { segment, at, hash: u128::from_le_bytes(self.take(16)?.try_into().ok()?) })
    }

    fn part(&mut self) -> Option<Listed> {
        let length = self.u32()? as usize;
        let name = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        let length = usize::try_from(self.u64()?).ok()?;
        let note = self.take(length)?.to_vec();
        let count = self.u64()?;
        let mut placed = Placed::default();
        for _ in 0..count {
            let length = self.u32()?;
            placed.lengths.push(length);
            for _ in 0..pages_of(length) {
                placed.pages.push(self.place()?);
            }
        }
        self.0.is_empty().then_some(Listed { name, note, placed })
    }

    fn segments(&mut self) -> Option<BTreeMap<u64, u64>> {
        let count = self.u64()?;
        (0..count).map(|_| Some((self.u64()?, self.u64()?))).collect()
    }
}

/// The version of this number, and its parts in their order.
pub(super) fn read(files: &dyn Files, number: u64) -> Result<(Index, Vec<Listed>)> {
    let name = names::blocks(number);
    let missing = || Error::Missing { file: name.clone(), why: "it has just been listed".to_owned() };
    let file = files.reading(&name).map_err(Error::io("read", &name))?.ok_or_else(missing)?;
    let (mut at, mut count) = (0, 0);
    let mut next = |what: &'static str| match frame::read(&*file, &name, at, count)? {
        Found::Frame { payload, end } => {
            let begun = std::mem::replace(&mut at, end);
            count += 1;
            Ok((payload, begun))
        }
        Found::End => Err(Error::damaged(&name, at, what)),
        Found::Bad(what) => Err(Error::damaged(&name, at, what)),
    };
    let (payload, begun) = next("it is empty")?;
    let mut rest = Rest(&payload);
    let damaged = |begun: u64| Error::damaged(&name, begun, "a frame does not say what it should");
    let version = rest.u32().ok_or_else(|| damaged(begun))?;
    if version != VERSION {
        return Err(Error::Version { file: name.clone(), found: version, known: VERSION });
    }
    let (Some(said), Some(seed)) = (rest.u64(), rest.u64()) else { return Err(damaged(begun)) };
    if said != number {
        return Err(Error::damaged(&name, begun, format!("it says that it is number {said}")));
    }
    let mut listed = Vec::new();
    let segments = loop {
        let (payload, begun) = next("it ends in the middle")?;
        let mut rest = Rest(&payload);
        match rest.take(1) {
            Some([PART]) => listed.push(rest.part().ok_or_else(|| damaged(begun))?),
            Some([END]) if rest.u64() == Some(listed.len() as u64) => {
                break rest.segments().ok_or_else(|| damaged(begun))?;
            }
            _ => return Err(damaged(begun)),
        }
    };
    let parts = listed.iter().map(|part| (part.name.clone(), part.placed.clone())).collect();
    Ok((Index { number, seed, segments, parts }, listed))
}
