//! Groups, by hash.

use bumpalo::Bump;
use hashbrown::HashTable;
use tidewater_delta::{Row, RowRef};
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch};

use super::aggregate::{Feed, State};
use super::cell::{self, Packer, Types};
use super::compile::Builder;
use super::layout::{Layout, types};
use super::memory::Held;
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out};
use crate::plan::{Aggregate, Id, Rel};

/// A compiled grouping.
pub(crate) struct Reduce {
    input: Node,
    keys: Grouping,
    feeds: Vec<Feed>,
    types: Types,
}

/// Columns by whose equality rows are grouped.
pub(crate) struct Grouping {
    exprs: Vec<Expr>,
    types: Types,
    /// Equal values may look different.
    various: bool,
}

impl Grouping {
    pub(crate) fn new(exprs: Vec<Expr>, types: Types) -> Grouping {
        let various = types.iter().any(|ty| !cell::is_identity(ty));
        Grouping { exprs, types, various }
    }

    /// The values of a tuple, and its key.
    pub(crate) fn read<'a>(
        &self,
        tuple: &'a [RowRef<'a>],
        scratch: &'a Scratch,
        values: &mut Vec<Datum<'a>>,
        key: &mut Vec<u8>,
    ) -> Result<()> {
        values.clear();
        key.clear();
        for (expr, ty) in self.exprs.iter().zip(self.types.iter()) {
            let value = expr.eval(tuple, scratch)?;
            cell::key(&value, &ty.ty, key);
            values.push(value);
        }
        Ok(())
    }

    /// Of two rows of equal values, column by column the one of lesser bytes: what is shown does not depend on which came first.
    pub(crate) fn lesser(&self, shown: &Row, values: &[Datum<'_>], packer: &mut Packer) -> Option<Row> {
        if !self.various {
            return None;
        }
        let packed = |value: &Datum<'_>| {
            let mut bytes = Vec::new();
            tidewater_types::encode(value, &mut bytes);
            bytes
        };
        let mut changed = false;
        let mut best = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            let old = cell::unpack(shown.as_ref(), i, &self.types[i]);
            if packed(value) < packed(&old) {
                changed = true;
                best.push(*value);
            } else {
                best.push(old);
            }
        }
        changed.then(|| packer.row(&best))
    }

    /// Packs the values that are shown.
    pub(crate) fn packer(&self) -> Packer {
        Packer::new(&self.types)
    }

    pub(crate) fn types(&self) -> &[ColumnType] {
        &self.types
    }
}

struct Group {
    shown: Row,
    states: Vec<State>,
}

pub(crate) fn compile(
    builder: Builder<'_>,
    input: &Rel,
    keys: &[Id],
    aggregates: &[(Id, Aggregate)],
) -> Result<(Node, Layout)> {
    let (input, layout) = builder.node(input)?;
    let exprs = builder.reads(keys, &layout)?;
    let feeds = aggregates
        .iter()
        .map(|(_, aggregate)| Feed::compile(builder.compiler, aggregate, &layout))
        .collect::<Result<_>>()?;
    let all: Vec<Id> = keys.iter().copied().chain(aggregates.iter().map(|(id, _)| *id)).collect();
    let node = Reduce {
        input,
        keys: Grouping::new(exprs, types(keys, builder.columns)),
        feeds,
        types: types(&all, builder.columns),
    };
    Ok((Node::Reduce(Box::new(node)), Layout::of(&all, builder.columns)))
}

impl Reduce {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let arena = Bump::new();
        let held = Held::new(cx.account);
        let mut groups: Vec<Group> = Vec::new();
        let mut found: Vec<&[u8]> = Vec::new();
        let mut table: HashTable<u32> = HashTable::new();
        if self.keys.exprs.is_empty() {
            // Without keys there is a group even if there are no rows.
            groups.push(self.group(self.keys.packer().row(&[]))?);
            found.push(&[]);
            table.insert_unique(tidewater_delta::hash_bytes(&[]), 0, |_| tidewater_delta::hash_bytes(&[]));
        }
        let mut scratch = Scratch::new();
        let mut key = Vec::new();
        let mut packer = self.keys.packer();
        let _ = self.input.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            let mut values = Vec::new();
            for tuple in batch.tuples() {
                self.keys.read(tuple, &scratch, &mut values, &mut key)?;
                let hash = tidewater_delta::hash_bytes(&key);
                let at = match table.find(hash, |at| found[*at as usize] == key.as_slice()) {
                    Some(at) => {
                        let at = *at as usize;
                        if let Some(lesser) = self.keys.lesser(&groups[at].shown, &values, &mut packer) {
                            groups[at].shown = lesser;
                        }
                        at
                    }
                    None => {
                        let group = self.group(packer.row(&values))?;
                        held.reserve(group.shown.bytes().len() + key.len() + 64 * (1 + self.feeds.len()))?;
                        groups.push(group);
                        found.push(arena.alloc_slice_copy(&key));
                        let at = groups.len() - 1;
                        table.insert_unique(hash, at as u32, |at| tidewater_delta::hash_bytes(found[*at as usize]));
                        at
                    }
                };
                for (feed, state) in self.feeds.iter().zip(&mut groups[at].states) {
                    feed.add(state, tuple, &scratch, &held)?;
                }
            }
            Ok(Flow::Continue(()))
        })?;
        self.hand_out(groups, cx, out)
    }

    fn group(&self, shown: Row) -> Result<Group> {
        let states = self.feeds.iter().map(Feed::state).collect::<Result<_>>()?;
        Ok(Group { shown, states })
    }

    fn hand_out(&self, mut groups: Vec<Group>, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let mut packer = Packer::new(&self.types);
        for groups in groups.chunks_mut(BATCH_ROWS) {
            cx.limits.check()?;
            let arena = Bump::new();
            let scratch = Scratch::new();
            let mut rows = Vec::with_capacity(groups.len());
            for group in groups {
                let shown = &group.shown;
                let keys = self.keys.types().iter().enumerate();
                let mut values: Vec<Datum<'_>> = keys.map(|(i, ty)| cell::unpack(shown.as_ref(), i, ty)).collect();
                for (feed, state) in self.feeds.iter().zip(&mut group.states) {
                    values.push(feed.finish(state, &scratch)?);
                }
                rows.push(packer.pack(&values, &arena));
            }
            if out(&Batch { rows: &rows, arity: 1 })?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }
}
