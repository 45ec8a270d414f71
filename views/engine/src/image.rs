//! A node's rows as they lie in memory, to be kept outside of the process and put back.
//!
//! An image holds the chunks of an arena byte for byte. So what has not changed between two images is the same bytes at the same number,
//! which is all that whoever keeps them must know, and putting an image back makes no row anew: what else an arena
//! has (its free places, the number of its rows) is read from the chunks, and indexes and totals are filled from them.

use std::iter;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustc_hash::FxHashMap;
use tidewater_delta::Weight;

use crate::arena::{Arena, RowId};
use crate::arrangement::Arrangement;
use crate::circuit::{Circuit, Operator};
use crate::index::Index;
use crate::nodes::{Fed, NodeId};
use crate::warm::{BATCH, warm_rows};

/// How rows lie in chunks; an image of another layout cannot be put back.
pub const LAYOUT: u32 = 1;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// Chunks by number; one without bytes was given back.
    pub chunks: Vec<Arc<[u8]>>,
    /// The chunk that takes new rows, and its bytes in use.
    pub current: Option<(u32, u32)>,
    /// Weights that 32 bits do not hold, by row.
    pub heavy: Vec<(u32, Weight)>,
}

/// Bytes that are no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoImage(pub(crate) &'static str);

impl std::fmt::Display for NoImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Circuit {
    /// The rows of a node as they lie, if it is built, has no error and can have other rows. Between two ticks, and while no moment is held.
    pub fn image(&self, node: NodeId) -> Option<Image> {
        let arrangement = self.nodes.arrangement(node);
        let made = !matches!(self.operators[node.0], Some(Operator::Values));
        let plain = arrangement.held.is_none() && !arrangement.has_error() && self.is_built(node) && made;
        plain.then(|| arrangement.snapshot().image())
    }

    /// Gives a node the rows of an image: a base table that has none yet, or one that is still to be built and was taken from a circuit
    /// in which all nodes below held what they hold here. [`Circuit::fill_indexes`] is to be called before anything is looked up.
    ///
    /// # Errors
    /// If it is no image. The node is as it was then.
    ///
    /// # Panics
    /// If the node holds rows, or one that it is made from is still to be built.
    pub fn restore(&mut self, node: NodeId, image: Image) -> Result<(), NoImage> {
        let inputs = self.operators[node.0].iter().flat_map(Operator::inputs);
        assert!(inputs.into_iter().all(|input| self.is_built(input)), "what is put back is made of what is there");
        self.nodes.arrangement_mut(node).restore(image)?;
        self.is_filled = false;
        self.building.retain(|other| *other != node);
        self.fed[node.0] = Fed::ALL;
        if let Some(Operator::Reduce(reduce)) = &mut self.operators[node.0] {
            let input = reduce.spec.input;
            self.nodes.write(node, |nodes, output| reduce.restore(nodes.arrangement(input), output));
        }
        Ok(())
    }

    /// Nodes that are still to be built and are made of none that is; in their order.
    pub fn next_to_build(&self) -> Vec<NodeId> {
        let built =
            |node: &NodeId| self.operators[node.0].iter().flat_map(Operator::inputs).all(|input| self.is_built(input));
        self.building.iter().copied().filter(|node| self.fed[node.0] == Fed::NONE && built(node)).collect()
    }

    /// Fills all indexes of all nodes, on as many threads as there are processors. What comes to it one by one is done by
    /// [`Circuit::build`].
    pub fn fill_indexes(&mut self) {
        self.is_filled = true;
        let work: Vec<_> = self.nodes.0.iter_mut().flatten().flat_map(Arrangement::unfilled_indexes).collect();
        if work.is_empty() {
            return;
        }
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(work.len());
        let next = Mutex::new(work.into_iter());
        let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| iter::from_fn(take).for_each(Filling::run));
            }
            iter::from_fn(take).for_each(Filling::run);
        });
        self.nodes.0.iter_mut().flatten().for_each(Arrangement::choose_identity);
    }
}

/// An index that does not hold all rows.
struct Filling<'a> {
    arena: &'a Arena,
    index: &'a mut Index,
    /// The first chunk whose rows are not in it.
    from: usize,
}

impl Filling<'_> {
    fn run(self) {
        let Filling { arena, index, from } = self;
        for chunk in from..arena.chunks() {
            let ids: Vec<RowId> = arena.chunk_ids(chunk).map(|(id, _)| id).collect();
            for batch in ids.chunks(BATCH) {
                warm_rows(index, arena, batch.iter().map(|&id| arena.row(id)));
                batch.iter().for_each(|&id| index.insert(arena, id));
            }
        }
    }
}

impl Arrangement {
    fn restore(&mut self, image: Image) -> Result<(), NoImage> {
        assert!(self.arena.chunks() == 0, "rows are put back where none are");
        let heavy = image.heavy.into_iter().map(|(id, weight)| (RowId(id), weight)).collect();
        let current = image.current.map(|(chunk, used)| (chunk as usize, used as usize));
        self.arena = Arena::restore(image.chunks, current, heavy)?;
        // Of no chunk there is nothing to fill.
        let to_fill = if self.arena.chunks() > 0 { self.indexes.len() } else { 0 };
        self.unfilled = (0..to_fill).filter(|&index| self.is_kept(index)).map(|index| (index, 0)).collect();
        Ok(())
    }

    /// The indexes that do not hold all rows; they count as filled from now on.
    fn unfilled_indexes(&mut self) -> Vec<Filling<'_>> {
        let unfilled: FxHashMap<usize, usize> = std::mem::take(&mut self.unfilled).into_iter().collect();
        let arena = &self.arena;
        let filling = |(number, index)| Some(Filling { arena, index, from: *unfilled.get(&number)? });
        self.indexes.iter_mut().enumerate().filter_map(filling).collect()
    }
}
