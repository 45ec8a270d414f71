//! Rows of one moment found by index, by readers of any thread, while ticks go on.
//!
//! An index tells where rows are now, a snapshot what was there at its moment. A row of the moment that has a key is either still where
//! the index leads for this key, or it has left the index since. So an arrangement takes note of the rows that leave its indexes while
//! somebody watches it: both together are all places to look at, and the snapshot says what was there. A place keeps its bounds as long
//! as no other chunk takes its chunk's number; if one did, or too much has left, the snapshot is read from its beginning instead.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tidewater_delta::{KeyColumn, RowRef, Weight, hash_key, same_key};

use crate::arena::{RowId, Snapshot};
use crate::arrangement::Arrangement;
use crate::circuit::{Circuit, IndexId};
use crate::nodes::NodeId;

/// So many rows that left are noted: each lookup looks through them, and behind so many a scan is not much slower.
const LEFT_MAX: usize = 1 << 16;

/// Rows that left an arrangement's indexes while somebody watched it.
#[derive(Debug, Default)]
pub(crate) struct Left {
    ids: Vec<RowId>,
    /// How many were noted and forgotten before these.
    first: u64,
    /// Held by everybody who watches.
    watching: Arc<()>,
}

impl Left {
    /// A row has left.
    pub(crate) fn note(&mut self, id: RowId) {
        if Arc::strong_count(&self.watching) == 1 {
            if !self.ids.is_empty() {
                self.forget();
            }
            return;
        }
        if self.ids.len() == LEFT_MAX {
            self.forget();
        }
        self.ids.push(id);
    }

    /// More has left than is noted.
    pub(crate) fn lose(&mut self) {
        self.forget();
        self.first += 1;
    }

    fn forget(&mut self) {
        self.first += self.ids.len() as u64;
        self.ids = Vec::new();
    }

    fn end(&self) -> u64 {
        self.first + self.ids.len() as u64
    }

    fn since(&self, begin: u64) -> Option<&[RowId]> {
        self.ids.get(usize::try_from(begin.checked_sub(self.first)?).ok()?..)
    }
}

/// A node's rows at one moment, to be found by index later.
#[derive(Debug, Clone)]
pub struct Watched {
    node: NodeId,
    rows: Snapshot,
    /// How many rows had left by then, and how many chunks had another's number.
    since: u64,
    renumbered: u64,
    _watching: Arc<()>,
}

/// Where the rows of some keys may be.
#[derive(Debug)]
pub struct Trail {
    /// Columns of the index in a row of the node, and in a row of them alone.
    key: Vec<KeyColumn>,
    alone: Vec<KeyColumn>,
    places: Option<Vec<RowId>>,
    /// Whether a place may be named twice.
    repeats: bool,
}

impl Circuit {
    /// The rows of a node as readers see them between two ticks, to be found by index whatever is ticked later.
    pub fn watch(&self, node: NodeId) -> Watched {
        let arrangement = self.nodes.arrangement(node);
        Watched {
            node,
            rows: arrangement.snapshot(),
            since: arrangement.left.end(),
            renumbered: arrangement.arena.renumbered,
            _watching: arrangement.left.watching.clone(),
        }
    }

    /// Where watched rows may be of which the indexed columns equal one of `keys`, different rows of these columns only. `None` if
    /// the node is gone.
    pub fn trail(&self, watched: &Watched, index: IndexId, keys: &[RowRef<'_>]) -> Option<Trail> {
        debug_assert_eq!(watched.node, index.node);
        self.nodes.0.get(watched.node.0)?.as_ref().map(|arrangement| arrangement.trail(watched, index.index, keys))
    }
}

impl Arrangement {
    fn trail(&self, watched: &Watched, index: usize, keys: &[RowRef<'_>]) -> Trail {
        let (key, alone) = self.key_columns(index);
        let known = self.arena.renumbered == watched.renumbered;
        let left = self.left.since(watched.since).filter(|_| known);
        let places = left.map(|left| {
            let found = keys.iter().flat_map(|row| self.find(index, *row, &alone));
            found.chain(left.iter().copied()).collect()
        });
        Trail { key, alone, places, repeats: left.is_some_and(|left| !left.is_empty()) }
    }
}

impl Watched {
    /// All rows.
    pub fn rows(&self) -> &Snapshot {
        &self.rows
    }

    /// The rows of the keys that a trail was asked for, each once with its weight.
    pub fn found<'r>(&'r self, trail: &Trail, keys: &[RowRef<'_>]) -> Vec<(RowRef<'r>, Weight)> {
        let wanted = trail.wanted(keys);
        match &trail.places {
            None => self.rows.rows().filter(|(row, _)| wanted(*row)).collect(),
            Some(places) => {
                let mut seen = FxHashSet::default();
                let mut is_new = |id: &RowId| !trail.repeats || seen.insert(*id);
                let rows = places.iter().filter(|id| is_new(id)).filter_map(|id| self.rows.get(*id));
                rows.filter(|(row, _)| wanted(*row)).collect()
            }
        }
    }
}

impl Trail {
    /// Whether it says where to look; if not, all rows are looked at.
    pub fn is_known(&self) -> bool {
        self.places.is_some()
    }

    /// Tells of a row whether it has one of the keys that the trail was asked for.
    pub fn wanted<'k>(&'k self, keys: &'k [RowRef<'k>]) -> impl Fn(RowRef<'_>) -> bool + 'k {
        let mut hashed: FxHashMap<u64, Vec<RowRef<'k>>> = FxHashMap::default();
        for key in keys {
            hashed.entry(hash_key(*key, &self.alone).0).or_default().push(*key);
        }
        move |row| {
            let keys = hashed.get(&hash_key(row, &self.key).0);
            keys.is_some_and(|keys| keys.iter().any(|key| same_key(row, &self.key, *key, &self.alone)))
        }
    }
}
