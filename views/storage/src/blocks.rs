//! Large state in blocks, of which a version writes only the pages that changed.
//!
//! ```text
//! blocks-7        a version: all of its parts, each a note and a list of blocks
//! segment-7       the pages that version 7 wrote; what did not change lies in segments of earlier versions
//! ```
//!
//! A page is known by its place in its block and its part and a hash of 128 bits, so that whoever writes need not know what has changed.
//! Where rows change here and there it is pages, not blocks, that decide how much is written. A version is written beside, synced and then renamed: a file `blocks-N` was whole once, and what is wrong with it is damage.
//! The version before the newest is kept in case of that. A segment of which less than half is still in use is emptied by the next version, as are the
//! smallest ones where there are many: so neither the room nor the number of files grows beyond twice of what is in use.

mod index;
mod read;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use write::{Writer, Written};

use crate::error::{Error, Result};
use crate::files::Files;
use crate::names;
use index::Index;

/// A part of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// What it is; no two parts of a version have one name.
    pub name: String,
    /// Some bytes that are written with every version.
    pub note: Vec<u8>,
    /// Its blocks, in their order. Some may be empty.
    pub blocks: Vec<Arc<[u8]>>,
}

/// Where versions are written, one at a time.
#[derive(Debug)]
pub struct Blocks {
    files: Arc<dyn Files>,
    newest: Option<Index>,
    /// The number and the segments of the version before.
    previous: Option<(u64, BTreeSet<u64>)>,
    /// The number of the next version: no file has it, not even a left-over.
    next: u64,
}

/// What a folder holds.
#[derive(Debug)]
pub struct Loaded {
    /// Where it goes on.
    pub blocks: Blocks,
    /// The newest version that could be read; none if there is none.
    pub parts: Option<Vec<Part>>,
    /// What had to be done, in sentences; nothing after an orderly end.
    pub told: Vec<String>,
}

/// 128 bits that tell bytes apart, where nobody means to make them collide.
pub fn fingerprint(bytes: &[u8]) -> u128 {
    index::hash(0, bytes)
}

impl Blocks {
    /// Reads the newest version that is whole, all of it.
    ///
    /// # Errors
    /// If the folder cannot be looked into, or a version is of a later Tidewater. Damage is told and no error.
    pub fn open(files: Arc<dyn Files>) -> Result<Loaded> {
        let found = files.names().map_err(Error::io("list", "."))?;
        let mut numbers: Vec<u64> = found.iter().filter_map(|name| names::number(name, names::BLOCKS)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let used = found.iter().filter_map(|name| {
            let name = name.strip_suffix(names::BESIDE).unwrap_or(name);
            names::number(name, names::BLOCKS).or_else(|| names::number(name, names::SEGMENT))
        });
        let next = used.max().unwrap_or(0) + 1;
        let mut blocks = Blocks { files, newest: None, previous: None, next };
        let (mut parts, mut told) = (None, Vec::new());
        for number in numbers {
            match blocks.read(number) {
                Ok((index, read)) => {
                    parts = Some(read);
                    blocks.newest = Some(index);
                    break;
                }
                Err(error @ Error::Version { found, known, .. }) if found > known => return Err(error),
                Err(error) => told.push(error.to_string()),
            }
        }
        if !told.is_empty() {
            told.push(match &blocks.newest {
                Some(index) => format!("\"{}\", the version before it, is used", names::blocks(index.number)),
                None => "no earlier version is there".to_owned(),
            });
        }
        Ok(Loaded { blocks, parts, told })
    }

    /// Begins the next version.
    pub fn begin(&mut self) -> Writer<'_> {
        let number = self.next;
        self.next += 1;
        Writer::new(self, number)
    }

    /// Whether there is no version.
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// Bytes of all segments that the newest version uses; 0 if there is none.
    pub fn bytes(&self) -> u64 {
        self.newest.iter().flat_map(|index| index.segments.values()).sum()
    }

    /// Removes what neither of the two newest versions uses. What stays does no harm; the next version removes it.
    fn remove_old(&self) {
        let Ok(found) = self.files.names() else { return };
        let newest = self.newest.iter().map(Index::uses);
        let kept: Vec<(u64, BTreeSet<u64>)> = newest.chain(self.previous.clone()).collect();
        for name in found {
            let plain = name.strip_suffix(names::BESIDE).unwrap_or(&name);
            let old = match (names::number(plain, names::BLOCKS), names::number(plain, names::SEGMENT)) {
                (Some(number), _) => plain != name || kept.iter().all(|(kept, _)| *kept != number),
                (_, Some(number)) => kept.iter().all(|(_, segments)| !segments.contains(&number)),
                _ => false,
            };
            if old {
                let _ = self.files.remove(&name);
            }
        }
    }
}
