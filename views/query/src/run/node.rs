//! Operators: what each does with the batches of those below it.

use std::ops::ControlFlow;
use std::sync::Arc;

use bumpalo::Bump;
use tidewater_delta::RowRef;
use tidewater_types::{Expr, Result, Scratch, SqlError};

use super::Limits;
use super::cell::{Packer, Types};
use super::lookup::Lookup;
use super::memory::Account;
use super::scalar::Condition;
use crate::catalog::{Relation, Source};
use crate::plan::LetId;

/// Tuples of an operator make batches of about this many: enough to spread what a batch costs, few enough for its arena to stay in
/// the cache.
pub(crate) const BATCH_ROWS: usize = 1024;

/// Whether more rows are wanted.
pub(crate) type Flow = ControlFlow<()>;

/// Takes batches.
pub(crate) type Out<'s> = dyn FnMut(&Batch<'_>) -> Result<Flow> + 's;

/// Tuples of rows.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a [RowRef<'a>],
    pub(crate) arity: usize,
}

impl<'a> Batch<'a> {
    pub(crate) fn tuples(&self) -> impl Iterator<Item = &'a [RowRef<'a>]> + use<'a> {
        self.rows.chunks_exact(self.arity)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() / self.arity
    }
}

/// What a running query has at hand.
#[derive(Clone, Copy)]
pub(crate) struct Cx<'c> {
    pub(crate) source: &'c dyn Source,
    pub(crate) limits: &'c Limits,
    pub(crate) account: &'c Account,
    pub(crate) outer: Option<&'c Bound<'c>>,
}

/// A LET while its body runs.
pub(crate) struct Bound<'c> {
    pub(crate) id: LetId,
    pub(crate) rows: BoundRows<'c>,
    pub(crate) outer: Option<&'c Bound<'c>>,
}

/// Where the rows of a LET come from.
#[derive(Clone, Copy)]
pub(crate) enum BoundRows<'c> {
    /// They are kept.
    Kept(&'c [RowRef<'c>]),
    /// They are found while they are read, so that a reader that stops early ends a recursion that has no end.
    Recursion(&'c super::recurse::LetRec),
}

impl<'c> Cx<'c> {
    fn find(&self, id: LetId) -> Result<&'c Bound<'c>> {
        let mut bound = self.outer;
        while let Some(binding) = bound {
            if binding.id == id {
                return Ok(binding);
            }
            bound = binding.outer;
        }
        Err(SqlError::new(b"XX000", format!("relation {} is not bound", id.0)))
    }
}

/// A compiled operator.
pub(crate) enum Node {
    /// All rows of a relation, or those that an index finds.
    Scan {
        relation: Arc<Relation>,
        lookup: Option<Lookup>,
    },
    /// Rows written out.
    Values {
        rows: Vec<Vec<Expr>>,
        types: Types,
    },
    /// Each tuple with one row more, of computed columns.
    Map {
        input: Box<Node>,
        exprs: Vec<Expr>,
        types: Types,
    },
    /// The tuples for which all predicates are true.
    Filter {
        input: Box<Node>,
        predicates: Vec<Condition>,
    },
    /// One row of computed columns in place of each tuple.
    Pack {
        input: Box<Node>,
        exprs: Vec<Expr>,
        types: Types,
    },
    /// One input after the other.
    Union(Vec<Node>),
    Join(Box<super::join::Join>),
    Reduce(Box<super::reduce::Reduce>),
    Sort(Box<super::sort::Sort>),
    Window(Box<super::window::Window>),
    FlatMap(Box<super::flat_map::FlatMap>),
    Count(Box<super::count::Count>),
    /// A relation that is kept while the body runs.
    Let {
        id: LetId,
        value: Box<Node>,
        body: Box<Node>,
    },
    LetRec(Box<super::recurse::LetRec>),
    /// The rows of a LET.
    Ref(LetId),
}

impl Node {
    /// The relation that it reads all of, and the conditions on its rows, if it does nothing else.
    pub(crate) fn plain_scan(&self) -> Option<(&Relation, &[Condition])> {
        match self {
            Node::Scan { relation, lookup: None } => Some((relation, &[])),
            Node::Filter { input, predicates } => match &**input {
                Node::Scan { relation, lookup: None } => Some((relation, predicates)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Hands all tuples to `out`, until it wants no more.
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        match self {
            Node::Scan { relation, lookup: None } => cx.source.scan(relation, &mut |rows| {
                cx.limits.check()?;
                out(&Batch { rows, arity: 1 })
            }),
            Node::Scan { lookup: Some(lookup), .. } => lookup.run([&[][..]].into_iter(), cx, &mut |rows| {
                cx.limits.check()?;
                out(&Batch { rows, arity: 1 })
            }),
            Node::Values { rows, types } => values(rows, types, out),
            Node::Map { input, exprs, types } => map(input, exprs, types, cx, out, true),
            Node::Pack { input, exprs, types } => map(input, exprs, types, cx, out, false),
            Node::Filter { input, predicates } => filter(input, predicates, cx, out),
            Node::Union(inputs) => {
                for input in inputs {
                    if input.run(cx, out)?.is_break() {
                        return Ok(Flow::Break(()));
                    }
                }
                Ok(Flow::Continue(()))
            }
            Node::Join(join) => join.run(cx, out),
            Node::Reduce(reduce) => reduce.run(cx, out),
            Node::Sort(sort) => sort.run(cx, out),
            Node::Window(window) => window.run(cx, out),
            Node::FlatMap(flat_map) => flat_map.run(cx, out),
            Node::Count(count) => count.run(cx, out),
            Node::Let { id, value, body } => {
                let arena = Bump::new();
                let mut store = super::store::Store::new(&arena, cx.account, 1);
                let _ = value.run(cx, &mut |batch| {
                    store.extend(batch)?;
                    Ok(Flow::Continue(()))
                })?;
                let bound = Bound { id: *id, rows: BoundRows::Kept(&store.rows), outer: cx.outer };
                body.run(&Cx { outer: Some(&bound), ..*cx }, out)
            }
            Node::LetRec(recursion) => recursion.run(cx, out),
            Node::Ref(id) => {
                let bound = cx.find(*id)?;
                match bound.rows {
                    BoundRows::Kept(rows) => hand_out(rows, 1, cx, out),
                    // What stands in the recursion sees what stands around it, not its body.
                    BoundRows::Recursion(recursion) => recursion.rows(&Cx { outer: bound.outer, ..*cx }, out),
                }
            }
        }
    }
}

/// Kept tuples, in batches.
pub(crate) fn hand_out(rows: &[RowRef<'_>], arity: usize, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
    for rows in rows.chunks(BATCH_ROWS * arity) {
        cx.limits.check()?;
        if out(&Batch { rows, arity })?.is_break() {
            return Ok(Flow::Break(()));
        }
    }
    Ok(Flow::Continue(()))
}

fn values(rows: &[Vec<Expr>], types: &Types, out: &mut Out<'_>) -> Result<Flow> {
    let mut packer = Packer::new(types);
    for rows in rows.chunks(BATCH_ROWS) {
        let scratch = Scratch::new();
        let arena = Bump::new();
        let mut made = Vec::with_capacity(rows.len());
        for row in rows {
            let values = row.iter().map(|expr| expr.eval(&[], &scratch)).collect::<Result<Vec<_>>>()?;
            made.push(packer.pack(&values, &arena));
        }
        if out(&Batch { rows: &made, arity: 1 })?.is_break() {
            return Ok(Flow::Break(()));
        }
    }
    Ok(Flow::Continue(()))
}

fn map(input: &Node, exprs: &[Expr], types: &Types, cx: &Cx<'_>, out: &mut Out<'_>, keep: bool) -> Result<Flow> {
    let mut packer = Packer::new(types);
    let mut scratch = Scratch::new();
    input.run(cx, &mut |batch| {
        cx.limits.check()?;
        let arena = Bump::new();
        let arity = if keep { batch.arity + 1 } else { 1 };
        let mut made = Vec::with_capacity(batch.len() * arity);
        scratch.reset();
        let mut values = Vec::with_capacity(exprs.len());
        for tuple in batch.tuples() {
            values.clear();
            for expr in exprs {
                values.push(expr.eval(tuple, &scratch)?);
            }
            if keep {
                made.extend_from_slice(tuple);
            }
            made.push(packer.pack(&values, &arena));
        }
        out(&Batch { rows: &made, arity })
    })
}

fn filter(input: &Node, predicates: &[Condition], cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
    let mut scratch = Scratch::new();
    input.run(cx, &mut |batch| {
        cx.limits.check()?;
        scratch.reset();
        let mut kept = Vec::with_capacity(batch.rows.len());
        for tuple in batch.tuples() {
            if all_true(predicates, tuple, &scratch)? {
                kept.extend_from_slice(tuple);
            }
        }
        if kept.is_empty() {
            return Ok(Flow::Continue(()));
        }
        out(&Batch { rows: &kept, arity: batch.arity })
    })
}

/// Whether all predicates are true of a tuple.
pub(crate) fn all_true<'a>(predicates: &[Condition], tuple: &'a [RowRef<'a>], scratch: &'a Scratch) -> Result<bool> {
    for predicate in predicates {
        if !predicate.is_true(tuple, scratch)? {
            return Ok(false);
        }
    }
    Ok(true)
}
