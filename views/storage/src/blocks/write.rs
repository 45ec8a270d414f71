//! Writing a version: pages that are where they were are not written again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use super::Blocks;
use super::index::{Frames, Index, Listed, PAGE, Place, Placed, hash, pages_of};
use crate::error::{Error, Result};
use crate::files::Writing;
use crate::names;

/// What lies in memory before it is written.
const BUFFER: usize = 1 << 20;
/// Segments beyond which the smaller half of them is emptied.
const SEGMENTS: usize = 64;

/// A version that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    blocks: &'a mut Blocks,
    number: u64,
    seed: u64,
    parts: Vec<Listed>,
    /// Segments whose blocks are written again.
    emptied: BTreeSet<u64>,
    segment: Option<Box<dyn Writing>>,
    buffer: Vec<u8>,
    /// Bytes of the segment, those in the buffer too.
    at: u64,
    whole: bool,
}

/// What a version cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its number.
    pub number: u64,
    /// Bytes of all of its blocks.
    pub bytes: u64,
    /// Bytes of blocks that were written.
    pub new: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(blocks: &'a mut Blocks, number: u64) -> Self {
        let seed = blocks.newest.as_ref().map_or_else(|| RandomState::new().hash_one(number), |newest| newest.seed);
        let emptied = blocks.newest.as_ref().map(to_empty).unwrap_or_default();
        Writer {
            blocks,
            number,
            seed,
            parts: Vec::new(),
            emptied,
            segment: None,
            buffer: Vec::new(),
            at: 0,
            whole: false,
        }
    }

    /// Adds a part of this name, which no other part of the version has.
    ///
    /// # Errors
    /// What the system says.
    pub fn part<B: AsRef<[u8]>>(&mut self, name: &str, note: &[u8], blocks: impl IntoIterator<Item = B>) -> Result<()> {
        let (mut placed, mut first) = (Placed::default(), 0);
        for (number, block) in blocks.into_iter().enumerate() {
            let block = block.as_ref();
            let length = u32::try_from(block.len()).map_err(|_| Error::TooLarge { bytes: block.len() })?;
            placed.lengths.push(length);
            for (n, page) in block.chunks(PAGE).enumerate() {
                let hash = hash(self.seed, page);
                let newest = self.blocks.newest.as_ref().and_then(|newest| newest.parts.get(name));
                // Bytes of two lengths have two hashes.
                let same = newest.filter(|newest| n < newest.lengths.get(number).map_or(0, |then| pages_of(*then)));
                let same = same.map(|newest| newest.pages[first + n]).filter(|then| then.hash == hash);
                match same.filter(|same| !self.emptied.contains(&same.segment)) {
                    Some(same) => placed.pages.push(same),
                    None => placed.pages.push(self.write(page, hash)?),
                }
            }
            let newest = self.blocks.newest.as_ref().and_then(|newest| newest.parts.get(name)?.lengths.get(number));
            first += newest.map_or(0, |then| pages_of(*then));
        }
        self.parts.push(Listed { name: name.to_owned(), note: note.to_vec(), placed });
        Ok(())
    }

    fn write(&mut self, page: &[u8], hash: u128) -> Result<Place> {
        let place = Place { segment: self.number, at: self.at, hash };
        self.buffer.extend_from_slice(page);
        self.at += page.len() as u64;
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(place)
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let name = names::segment(self.number);
        let segment = match &mut self.segment {
            Some(segment) => segment,
            None => self.segment.insert(self.blocks.files.create(&name).map_err(Error::io("create", &name))?),
        };
        let at = self.at - self.buffer.len() as u64;
        segment.write_at(at, &self.buffer).map_err(Error::io("write", &name))?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes it whole and the newest one.
    ///
    /// # Errors
    /// What the system says: the one before is the newest then.
    pub fn finish(mut self) -> Result<Written> {
        self.flush()?;
        let segment = names::segment(self.number);
        if let Some(file) = &mut self.segment {
            file.sync().map_err(Error::io("write", &segment))?;
        }
        let before = self.blocks.newest.as_ref();
        let size = |number: u64| match number == self.number {
            true => self.at,
            false => before.and_then(|newest| newest.segments.get(&number)).copied().unwrap_or_default(),
        };
        let used: BTreeSet<u64> =
            self.parts.iter().flat_map(|part| &part.placed.pages).map(|page| page.segment).collect();
        let segments: BTreeMap<u64, u64> = used.into_iter().map(|number| (number, size(number))).collect();
        let bytes = self.parts.iter().flat_map(|part| &part.placed.lengths).map(|length| u64::from(*length)).sum();
        let mut frames = Frames::new(self.number, self.seed)?;
        self.parts.iter().try_for_each(|part| frames.part(&part.name, &part.note, &part.placed))?;
        frames.end(&segments)?;
        let (name, beside) = (names::blocks(self.number), names::blocks(self.number) + names::BESIDE);
        let files = &self.blocks.files;
        let mut file = files.create(&beside).map_err(Error::io("create", &beside))?;
        file.write_at(0, &frames.bytes).map_err(Error::io("write", &beside))?;
        file.sync().map_err(Error::io("write", &beside))?;
        files.sync().map_err(Error::io("create", &beside))?;
        files.rename(&beside, &name).map_err(Error::io("replace", &name))?;
        self.whole = true;
        let parts: HashMap<_, _> = self.parts.drain(..).map(|part| (part.name, part.placed)).collect();
        let index = Index { number: self.number, seed: self.seed, segments, parts };
        // Where the name may not be durable the version before stays beside it, as ever.
        self.blocks.previous = self.blocks.newest.replace(index).as_ref().map(Index::uses);
        self.blocks.files.sync().map_err(Error::io("replace", &name))?;
        self.blocks.remove_old();
        Ok(Written { number: self.number, bytes, new: self.at })
    }
}

impl Drop for Writer<'_> {
    /// Gives back the room of one that has not become whole.
    fn drop(&mut self) {
        if !self.whole {
            self.segment = None;
            let _ = self.blocks.files.remove(&names::segment(self.number));
            let _ = self.blocks.files.remove(&(names::blocks(self.number) + names::BESIDE));
        }
    }
}

/// Segments that are mostly unused, and the smaller half where there are many.
fn to_empty(newest: &Index) -> BTreeSet<u64> {
    let mut used: BTreeMap<u64, u64> = BTreeMap::new();
    for (page, bytes) in newest.parts.values().flat_map(Placed::pages) {
        *used.entry(page.segment).or_default() += bytes as u64;
    }
    let is_mostly_unused = |number: &u64, bytes: u64| used.get(number).copied().unwrap_or_default() * 2 < bytes;
    let unused = newest.segments.iter().filter(|(number, bytes)| is_mostly_unused(number, **bytes));
    let mut emptied: BTreeSet<u64> = unused.map(|(number, _)| *number).collect();
    if newest.segments.len() > SEGMENTS {
        let mut by_size: Vec<(u64, u64)> = newest.segments.iter().map(|(number, bytes)| (*bytes, *number)).collect();
        by_size.sort_unstable();
        emptied.extend(by_size.iter().take(SEGMENTS / 2).map(|(_, number)| number));
    }
    emptied
}
