//! A version is read on all cores: its blocks are what a start waits for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::index::{self, Index, PAGE, Place};
use super::{Blocks, Part};
use crate::error::{Error, Result};
use crate::files::Reading;
use crate::names;

impl Blocks {
    /// The version of this number.
    pub(super) fn read(&self, number: u64) -> Result<(Index, Vec<Part>)> {
        let (index, listed) = index::read(&*self.files, number)?;
        let mut segments = HashMap::new();
        for page in listed.iter().flat_map(|part| &part.placed.pages) {
            if let Entry::Vacant(entry) = segments.entry(page.segment) {
                let name = names::segment(page.segment);
                let missing = || Error::Missing {
                    file: name.clone(),
                    why: format!("\"{}\" has pages of it", names::blocks(number)),
                };
                let file = self.files.reading(&name).map_err(Error::io("read", &name))?.ok_or_else(missing)?;
                entry.insert((name, file));
            }
        }
        let places: Vec<(u32, &[Place])> = listed.iter().flat_map(|part| part.placed.blocks()).collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let each = places.len().div_ceil(threads).max(1);
        let (segments, seed) = (&segments, index.seed);
        let read: Result<Vec<Vec<Arc<[u8]>>>> = thread::scope(|scope| {
            let read = |some: &[(u32, &[Place])]| {
                some.iter().map(|(length, pages)| block(segments, seed, *length, pages)).collect::<Result<Vec<_>>>()
            };
            let tasks: Vec<_> = places.chunks(each).map(|some| scope.spawn(move || read(some))).collect();
            tasks.into_iter().map(|task| task.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut blocks = read?.into_iter().flatten();
        let part = |part: index::Listed| {
            let blocks = blocks.by_ref().take(part.placed.lengths.len()).collect();
            Part { name: part.name, note: part.note, blocks }
        };
        let parts = listed.into_iter().map(part).collect();
        Ok((index, parts))
    }
}

type Segments = HashMap<u64, (String, Box<dyn Reading>)>;

/// A block, of which pages that lie behind one another are read at once.
fn block(segments: &Segments, seed: u64, length: u32, mut pages: &[Place]) -> Result<Arc<[u8]>> {
    let mut block: Arc<[u8]> = std::iter::repeat_n(0, length as usize).collect();
    let Some(mut rest) = Arc::get_mut(&mut block) else { return Ok(block) };
    while let Some(first) = pages.first() {
        let together =
            |(n, page): (usize, &Place)| page.segment == first.segment && page.at == first.at + (n * PAGE) as u64;
        let count = pages.iter().enumerate().take_while(|page| together(*page)).count();
        let (now, later) = pages.split_at(count);
        let (bytes, others) = rest.split_at_mut((count * PAGE).min(rest.len()));
        let Some((name, file)) = segments.get(&first.segment) else { return Ok(block) };
        let read = file.read_at(first.at, bytes).map_err(Error::io("read", name))?;
        if read < bytes.len() {
            return Err(Error::damaged(name, first.at, "a page is cut off"));
        }
        if let Some((wrong, _)) =
            now.iter().zip(bytes.chunks(PAGE)).find(|(page, bytes)| index::hash(seed, bytes) != page.hash)
        {
            return Err(Error::damaged(name, wrong.at, "a page's checksum is wrong"));
        }
        (pages, rest) = (later, others);
    }
    Ok(block)
}
