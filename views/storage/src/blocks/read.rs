//! A version is read on all cores: its blocks are what a start waits for.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::index::{self, Index, Place};
use super::{Blocks, Part};
use crate::error::{Error, Result};
use crate::files::Reading;
use crate::names;

impl Blocks {
    /// The version of this number.
    pub(super) fn read(&self, number: u64) -> Result<(Index, Vec<Part>)> {
        let (index, listed) = index::read(&*self.files, number)?;
        let mut segments = HashMap::new();
        for place in listed.iter().flat_map(|part| &part.places) {
            if place.length > 0 && !segments.contains_key(&place.segment) {
                let name = names::segment(place.segment);
                let missing = || Error::Missing {
                    file: name.clone(),
                    why: format!("\"{}\" has blocks of it", names::blocks(number)),
                };
                let file = self.files.reading(&name).map_err(Error::io("read", &name))?.ok_or_else(missing)?;
                segments.insert(place.segment, (name, file));
            }
        }
        let places: Vec<Place> = listed.iter().flat_map(|part| part.places.iter().copied()).collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let each = places.len().div_ceil(threads).max(1);
        let (segments, seed) = (&segments, index.seed);
        let read: Result<Vec<Vec<Arc<[u8]>>>> = thread::scope(|scope| {
            let read =
                |some: &[Place]| some.iter().map(|place| block(segments, seed, place)).collect::<Result<Vec<_>>>();
            let tasks: Vec<_> = places.chunks(each).map(|some| scope.spawn(move || read(some))).collect();
            tasks.into_iter().map(|task| task.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut blocks = read?.into_iter().flatten();
        let part = |part: index::Listed| {
            let blocks = blocks.by_ref().take(part.places.len()).collect();
            Part { name: part.name, note: part.note, blocks }
        };
        let parts = listed.into_iter().map(part).collect();
        Ok((index, parts))
    }
}

type Segments = HashMap<u64, (String, Box<dyn Reading>)>;

fn block(segments: &Segments, seed: u64, place: &Place) -> Result<Arc<[u8]>> {
    let mut block: Arc<[u8]> = std::iter::repeat_n(0, place.length as usize).collect();
    let (Some((name, file)), Some(bytes)) = (segments.get(&place.segment), Arc::get_mut(&mut block)) else {
        return Ok(block);
    };
    let read = file.read_at(place.at, bytes).map_err(Error::io("read", name))?;
    if read < bytes.len() {
        return Err(Error::damaged(name, place.at, "a block is cut off"));
    }
    if index::hash(seed, bytes) != place.hash {
        return Err(Error::damaged(name, place.at, "a block's checksum is wrong"));
    }
    Ok(block)
}
