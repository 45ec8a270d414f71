//! A node's rows as they lie in memory, to be kept outside of the process and put back.
//!
//! An image holds the chunks of an arena byte for byte. So what has not changed between two images is the same bytes at the same number,
//! which is all that whoever keeps them must know, and putting an image back makes no row anew: what else an arena
//! has (its free places, the number of its rows) is read from the chunks, and the indexes are filled from them.

use std::sync::Arc;

use tidewater_delta::Weight;

use crate::arena::{Arena, RowId};
use crate::arrangement::Arrangement;
use crate::circuit::{Circuit, Operator};
use crate::nodes::NodeId;

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
    /// The rows of a base table as they lie, unless it has failed. Between two ticks, and while no moment is held.
    pub fn image(&self, node: NodeId) -> Option<Image> {
        let arrangement = self.nodes.arrangement(node);
        let plain = arrangement.held.is_none() && !arrangement.has_error();
        plain.then(|| arrangement.snapshot().image())
    }

    /// Puts the rows of an image into a base table that has none and that nothing is made from yet.
    ///
    /// # Errors
    /// If it is no image. The table is empty then.
    ///
    /// # Panics
    /// If the node is no base table, or holds rows.
    pub fn restore(&mut self, node: NodeId, image: Image) -> Result<(), NoImage> {
        assert!(matches!(self.operators[node.0], Some(Operator::Input)), "only base tables are put back");
        self.nodes.arrangement_mut(node).restore(image)
    }
}

impl Arrangement {
    fn restore(&mut self, image: Image) -> Result<(), NoImage> {
        assert!(self.arena.chunks() == 0, "rows are put back where none are");
        let heavy = image.heavy.into_iter().map(|(id, weight)| (RowId(id), weight)).collect();
        let current = image.current.map(|(chunk, used)| (chunk as usize, used as usize));
        self.arena = Arena::restore(image.chunks, current, heavy)?;
        self.fill_indexes();
        Ok(())
    }
}
