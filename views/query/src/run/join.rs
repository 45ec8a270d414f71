//! Joins: by hash where columns of both sides are compared for equality, else every pair.
//!
//! The right side is kept, the left streams. NULL has three meanings among the compared columns: it equals nothing (`=`), itself (IS
//! NOT DISTINCT FROM), or perhaps everything (NOT IN, and marks, whose answer may be NULL): then rows with NULLs are looked at one by
//! one.

use std::collections::BTreeSet;

use bumpalo::Bump;
use tidewater_delta::{Row, RowRef};
use tidewater_types::{Datum, Expr, Result, Scratch, SqlError, Type};

use super::built::{self, Built, Candidates, State};
use super::cell;
use super::compile::Builder;
use super::layout::Layout;
use super::lookup::{self, Lookup};
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out};
use super::quick::{Place, by_slot};
use super::scalar::Condition;
use crate::plan::{Id, Join as Written, JoinKind, Rel, Scalar, Test};

/// A compiled join.
pub(crate) struct Join {
    kind: JoinKind,
    left: Node,
    right: Right,
    keys: Vec<Key>,
    /// The places of the keys' columns on the left and on the right, where they are whole numbers or the like and NULL equals nothing.
    numbers: Option<Vec<[Place; 2]>>,
    /// The left side is kept and the right one streams: a semi or anti join of few rows with many.
    keeps_left: bool,
    /// The whole condition, and what of it the keys leave.
    on: Vec<Expr>,
    rest: Vec<Expr>,
    left_nulls: Vec<Row>,
    right_nulls: Vec<Row>,
    /// The rows false, true and NULL of a mark.
    marks: [Row; 3],
}

/// Where right rows come from.
enum Right {
    /// All at once, before the left ones.
    Kept(Node),
    /// By an index, for the left rows of each batch.
    Index(Index),
}

/// An index of the right side, and conditions on its rows.
struct Index {
    lookup: Lookup,
    filter: Vec<Condition>,
}

/// Columns that are compared for equality.
struct Key {
    left: Expr,
    right: Expr,
    ty: Type,
    nulls: Nulls,
    /// Where they lie, if both are columns that are compared as their slots are.
    places: Option<[Place; 2]>,
}

/// What NULL equals in a key.
#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    Nothing,
    Itself,
    Perhaps,
}

pub(crate) fn compile(builder: Builder<'_>, written: &Written) -> Result<(Node, Layout)> {
    let left_ids: BTreeSet<Id> = written.left.columns().into_iter().collect();
    if written.right.free().iter().any(|id| left_ids.contains(id)) {
        return Err(super::compile::broken("a dependent join"));
    }
    let (left, left_layout) = builder.node(&written.left)?;
    let (right, right_layout) = builder.node(&written.right)?;
    let forward = index(builder, written, (&written.left, &written.right), &left_layout, &right_layout)?;
    if let (JoinKind::Inner, None) = (written.kind, &forward) {
        // Either side may be the one that is kept: better the smaller, or one that an index reads.
        let back = index(builder, written, (&written.right, &written.left), &right_layout, &left_layout)?;
        let smaller = size(builder, &written.left) < size(builder, &written.right);
        if back.is_some() || smaller {
            let kept = back.map_or(Right::Kept(left), Right::Index);
            return joined(builder, written, (right, right_layout), (kept, left_layout));
        }
    }
    let right = forward.map_or(Right::Kept(right), Right::Index);
    joined(builder, written, (left, left_layout), (right, right_layout))
}

fn joined(
    builder: Builder<'_>,
    written: &Written,
    (left, left_layout): (Node, Layout),
    (right, right_layout): (Right, Layout),
) -> Result<(Node, Layout)> {
    let both = left_layout.clone().join(&right_layout);
    let mut keys = Vec::new();
    let mut rest = Vec::new();
    for predicate in &written.on {
        match key(builder, written.kind, predicate, &left_layout, &right_layout)? {
            Some(key) => keys.push(key),
            None => rest.push(predicate),
        }
    }
    let numbers = numbers(&keys);
    let plain = !keys.is_empty() && keys.iter().all(|key| key.nulls == Nulls::Nothing);
    let keeps_left = plain
        && matches!(written.kind, JoinKind::Semi | JoinKind::Anti)
        && matches!(right, Right::Kept(_))
        && size(builder, &written.left) < size(builder, &written.right);
    let nulls = |layout: &Layout| layout.inputs.iter().map(|types| cell::null_row(types)).collect();
    let join = Join {
        kind: written.kind,
        numbers,
        keeps_left,
        keys,
        on: builder.compiler.all(&written.on, &both)?,
        rest: builder.compiler.all(rest, &both)?,
        left_nulls: nulls(&left_layout),
        right_nulls: nulls(&right_layout),
        marks: marks(),
        left,
        right,
    };
    let layout = match written.kind {
        JoinKind::Semi | JoinKind::Anti => left_layout,
        JoinKind::Mark(id) => left_layout.and(&[id], builder.columns),
        _ => both,
    };
    Ok((Node::Join(Box::new(join)), layout))
}

/// Rows of the left side for which asking an index is less work than reading the right side: a part of its rows.
const INDEX_SHARE: f64 = 0.1;

/// The index that finds the right side's rows, if the left has few.
fn index(
    builder: Builder<'_>,
    written: &Written,
    (left, right): (&Rel, &Rel),
    left_layout: &Layout,
    right_layout: &Layout,
) -> Result<Option<Index>> {
    let (get, filter) = match right {
        Rel::Get(get) => (get, &[][..]),
        Rel::Filter { input, predicates } => match &**input {
            Rel::Get(get) => (get, &predicates[..]),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let Some(rows) = builder.source.estimate(&get.relation) else { return Ok(None) };
    if written.kind == JoinKind::Full || size(builder, left) > rows as f64 * INDEX_SHARE {
        return Ok(None);
    }
    // A mark may be NULL for rows that an index does not find.
    if matches!(written.kind, JoinKind::Mark(_)) {
        return Ok(None);
    }
    let Some(lookup) = lookup::of(builder, get, &written.on, left_layout)? else { return Ok(None) };
    Ok(Some(Index { lookup, filter: builder.compiler.conditions(filter, right_layout)? }))
}

fn marks() -> [Row; 3] {
    [Datum::Bool(false), Datum::Bool(true), Datum::Null].map(|mark| cell::pack_row(&[Type::Bool.into()], &[mark]))
}

/// The key that a predicate is, if it compares the two sides.
fn key(builder: Builder<'_>, kind: JoinKind, predicate: &Scalar, left: &Layout, right: &Layout) -> Result<Option<Key>> {
    let found = match predicate {
        Scalar::Not(inner) => match &**inner {
            Scalar::Distinct(a, b) => Some((&**a, &**b, Nulls::Itself)),
            _ => None,
        },
        Scalar::Is(Test::NotFalse, inner) if kind == JoinKind::Anti => {
            crate::plan::equality(inner).map(|(a, b)| (a, b, Nulls::Perhaps))
        }
        Scalar::Is(Test::True, inner) => crate::plan::equality(inner).map(|(a, b)| (a, b, Nulls::Nothing)),
        other => crate::plan::equality(other)
            .map(|(a, b)| (a, b, if matches!(kind, JoinKind::Mark(_)) { Nulls::Perhaps } else { Nulls::Nothing })),
    };
    let Some((a, b, nulls)) = found else { return Ok(None) };
    let Some(ty) = hashed_as(&a.ty().ty, &b.ty().ty) else { return Ok(None) };
    let from = |scalar: &Scalar, layout: &Layout| {
        let free = scalar.free();
        !free.is_empty() && free.iter().all(|id| layout.places.contains_key(id))
    };
    let (on_left, on_right) = if from(a, left) && from(b, right) {
        (a, b)
    } else if from(b, left) && from(a, right) {
        (b, a)
    } else {
        return Ok(None);
    };
    if super::is_volatile(on_left) || super::is_volatile(on_right) {
        return Ok(None);
    }
    let places = match (Place::of(on_left, left), Place::of(on_right, right)) {
        (Some(a), Some(b)) if by_slot(&on_left.ty().ty, &on_right.ty().ty) => Some([a, b]),
        _ => None,
    };
    let left = builder.compiler.scalar(on_left, left)?;
    let right = builder.compiler.scalar(on_right, right)?;
    Ok(Some(Key { left, right, ty, nulls, places }))
}

/// The places of keys that fit two numbers.
fn numbers(keys: &[Key]) -> Option<Vec<[Place; 2]>> {
    if keys.is_empty() || keys.len() > 2 || keys.iter().any(|key| key.nulls != Nulls::Nothing) {
        return None;
    }
    keys.iter().map(|key| key.places).collect()
}

fn size(builder: Builder<'_>, rel: &Rel) -> f64 {
    crate::sizes::rows(rel, &|relation| builder.source.estimate(relation))
}

/// The type under whose key form values of both types are equal exactly if they are equal.
fn hashed_as(a: &Type, b: &Type) -> Option<Type> {
    let is_int = |ty: &Type| matches!(ty, Type::Int2 | Type::Int4 | Type::Int8);
    let is_float = |ty: &Type| matches!(ty, Type::Float4 | Type::Float8);
    match (a, b) {
        (Type::Record(_), _) | (_, Type::Record(_)) => None,
        (a, b) if a == b => Some(a.clone()),
        (a, b) if is_int(a) && is_int(b) => Some(Type::Int8),
        (a, b) if is_float(a) && is_float(b) => Some(Type::Float8),
        _ => None,
    }
}

/// Rows on their way out.
struct Made<'m, 's> {
    rows: Vec<RowRef<'m>>,
    arity: usize,
    out: &'m mut Out<'s>,
}

impl<'m> Made<'m, '_> {
    fn push(&mut self, left: &[RowRef<'m>], right: &[RowRef<'m>]) -> Result<Flow> {
        self.rows.extend_from_slice(left);
        self.rows.extend_from_slice(right);
        if self.rows.len() < BATCH_ROWS * self.arity { Ok(Flow::Continue(())) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<Flow> {
        if self.rows.is_empty() {
            return Ok(Flow::Continue(()));
        }
        let flow = (self.out)(&Batch { rows: &self.rows, arity: self.arity })?;
        self.rows.clear();
        Ok(flow)
    }
}

impl Join {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let right = match &self.right {
            Right::Kept(right) => right,
            Right::Index(index) => {
                return self.left.run(cx, &mut |batch| {
                    let arena = Bump::new();
                    let built = self.find(index, batch, &arena, cx)?;
                    self.probe(batch, &built, &mut [], cx, out)
                });
            }
        };
        if self.keeps_left {
            return self.by_left(right, cx, out);
        }
        let arena = Bump::new();
        let keep = self.kind == JoinKind::Full;
        let built = self.build(right, false, keep, &arena, cx)?;
        if built.store.len() == 0 && matches!(self.kind, JoinKind::Inner | JoinKind::Semi) {
            return Ok(Flow::Continue(()));
        }
        let mut matched = vec![false; if keep { built.store.len() } else { 0 }];
        let flow = self.left.run(cx, &mut |batch| self.probe(batch, &built, &mut matched, cx, out))?;
        if flow.is_break() || !keep {
            return Ok(flow);
        }
        self.unmatched(&built, &matched, out)
    }

    /// The tuples of a side, by their keys.
    fn build<'a>(&self, side: &Node, left: bool, keep: bool, arena: &'a Bump, cx: &Cx<'a>) -> Result<Built<'a>> {
        let arity = if left { self.left_nulls.len() } else { self.right_nulls.len() };
        let mut built = Built::new(arena, arity, self.numbers.is_some(), cx);
        let mut scratch = Scratch::new();
        let mut key = built::Key::default();
        if let Some((relation, conditions)) = side.plain_scan() {
            let kept = cx.source.scan_kept(relation, &mut |rows| {
                cx.limits.check()?;
                scratch.reset();
                for row in rows {
                    let tuple = std::slice::from_ref(row);
                    if super::node::all_true(conditions, tuple, &scratch)? {
                        let state = self.key_of(tuple, left, &mut key, &scratch)?;
                        built.refer(*row, &key, state, keep)?;
                    }
                }
                Ok(Flow::Continue(()))
            })?;
            if kept {
                return Ok(built);
            }
        }
        let _ = side.run(cx, &mut |batch| {
            cx.limits.check()?;
            for tuple in batch.tuples() {
                let state = self.key_of(tuple, left, &mut key, &scratch)?;
                built.insert(tuple, &key, state, keep)?;
            }
            scratch.reset();
            Ok(Flow::Continue(()))
        })?;
        Ok(built)
    }

    /// A semi or anti join: right rows mark the kept left rows that they meet.
    fn by_left(&self, right: &Node, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let arena = Bump::new();
        // A row whose key is NULL meets none, which an anti join gives.
        let built = self.build(&self.left, true, self.kind == JoinKind::Anti, &arena, cx)?;
        let mut met = vec![false; built.store.len()];
        if !met.is_empty() {
            self.mark(right, &built, &mut met, cx)?;
        }
        let wanted = self.kind == JoinKind::Semi;
        let mut made = Made { rows: Vec::new(), arity: built.store.arity, out };
        for (at, _) in met.iter().enumerate().filter(|(_, met)| **met == wanted) {
            if made.push(built.store.tuple(at), &[])?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        made.flush()
    }

    fn mark(&self, right: &Node, built: &Built<'_>, met: &mut [bool], cx: &Cx<'_>) -> Result<()> {
        let mut scratch = Scratch::new();
        let mut key = built::Key::default();
        let mut looked = 0_usize;
        let _ = right.run(cx, &mut |batch| {
            cx.limits.check()?;
            let mut pair: Vec<RowRef<'_>> = Vec::new();
            for tuple in batch.tuples() {
                scratch.reset();
                let state = self.key_of(tuple, false, &mut key, &scratch)?;
                let mut candidates = Candidates::new(built, &key, state);
                while let Some((at, _)) = candidates.next(built) {
                    looked += 1;
                    if looked.is_multiple_of(BATCH_ROWS) {
                        cx.limits.check()?;
                    }
                    if met[at as usize] {
                        continue;
                    }
                    pair.clear();
                    pair.extend_from_slice(built.store.tuple(at as usize));
                    pair.extend_from_slice(tuple);
                    met[at as usize] = self.test(&self.rest, &pair, &scratch)? == Some(true);
                }
            }
            Ok(Flow::Continue(()))
        })?;
        Ok(())
    }

    /// The right rows that may meet a batch's left rows.
    fn find<'a>(&self, index: &Index, batch: &Batch<'_>, arena: &'a Bump, cx: &Cx<'a>) -> Result<Built<'a>> {
        let mut built = Built::new(arena, self.right_nulls.len(), self.numbers.is_some(), cx);
        let mut key = built::Key::default();
        let mut scratch = Scratch::new();
        let _ = index.lookup.run(batch.tuples(), cx, &mut |rows| {
            cx.limits.check()?;
            scratch.reset();
            for row in rows.chunks(1) {
                if super::node::all_true(&index.filter, row, &scratch)? {
                    let state = self.key_of(row, false, &mut key, &scratch)?;
                    built.insert(row, &key, state, false)?;
                }
            }
            Ok(Flow::Continue(()))
        })?;
        Ok(built)
    }

    fn key_of(&self, tuple: &[RowRef<'_>], left: bool, key: &mut built::Key, scratch: &Scratch) -> Result<State> {
        if let Some(numbers) = &self.numbers {
            for (places, word) in numbers.iter().zip(&mut key.words) {
                match places[usize::from(!left)].int(tuple) {
                    Some(value) => *word = value as u64,
                    None => return Ok(State::Nothing),
                }
            }
            return Ok(State::Ready);
        }
        let out = &mut key.bytes;
        out.clear();
        let mut state = State::Ready;
        for key in &self.keys {
            let expr = if left { &key.left } else { &key.right };
            let value = expr.eval(tuple, scratch)?;
            match (value.is_null(), key.nulls) {
                (false, _) | (true, Nulls::Itself) => cell::key(&value, &key.ty, out),
                (true, Nulls::Nothing) => return Ok(State::Nothing),
                (true, Nulls::Perhaps) => state = State::Perhaps,
            }
        }
        Ok(state)
    }

    fn probe(
        &self,
        batch: &Batch<'_>,
        built: &Built<'_>,
        matched: &mut [bool],
        cx: &Cx<'_>,
        out: &mut Out<'_>,
    ) -> Result<Flow> {
        cx.limits.check()?;
        let right_nulls: Vec<RowRef<'_>> = self.right_nulls.iter().map(Row::as_ref).collect();
        let marks: [RowRef<'_>; 3] = [self.marks[0].as_ref(), self.marks[1].as_ref(), self.marks[2].as_ref()];
        let arity = match self.kind {
            JoinKind::Semi | JoinKind::Anti => batch.arity,
            JoinKind::Mark(_) => batch.arity + 1,
            _ => batch.arity + built.store.arity,
        };
        let mut made = Made { rows: Vec::new(), arity, out };
        let mut scratch = Scratch::new();
        let mut key = built::Key::default();
        let mut pair: Vec<RowRef<'_>> = Vec::new();
        let mut looked = 0_usize;
        for tuple in batch.tuples() {
            scratch.reset();
            let state = self.key_of(tuple, true, &mut key, &scratch)?;
            pair.clear();
            pair.extend_from_slice(tuple);
            let mut found = 0_usize;
            let mut unsure = false;
            let mut candidates = Candidates::new(built, &key, state);
            while let Some((at, sure)) = candidates.next(built) {
                looked += 1;
                if looked.is_multiple_of(BATCH_ROWS) {
                    cx.limits.check()?;
                    scratch.reset();
                }
                pair.truncate(batch.arity);
                pair.extend_from_slice(built.store.tuple(at as usize));
                // By the keys of a row without such NULLs the rest decides; else the whole condition does.
                match self.test(if sure { &self.rest } else { &self.on }, &pair, &scratch)? {
                    Some(false) => continue,
                    None => {
                        unsure = true;
                        // A mark stays unknown, whatever comes: what the left side compares is NULL.
                        if state == State::Perhaps && matches!(self.kind, JoinKind::Mark(_)) {
                            break;
                        }
                        continue;
                    }
                    Some(true) => {}
                }
                found += 1;
                if let Some(matched) = matched.get_mut(at as usize) {
                    *matched = true;
                }
                match self.kind {
                    JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_) => break,
                    JoinKind::Single if found > 1 => return Err(more_than_one()),
                    _ => {
                        if made.push(tuple, built.store.tuple(at as usize))?.is_break() {
                            return Ok(Flow::Break(()));
                        }
                    }
                }
            }
            let flow = match self.kind {
                JoinKind::Semi if found > 0 => made.push(tuple, &[])?,
                JoinKind::Anti if found == 0 => made.push(tuple, &[])?,
                JoinKind::Left | JoinKind::Full | JoinKind::Single if found == 0 => made.push(tuple, &right_nulls)?,
                JoinKind::Mark(_) => {
                    let mark = if found > 0 {
                        1
                    } else if unsure {
                        2
                    } else {
                        0
                    };
                    made.push(tuple, &marks[mark..=mark])?
                }
                _ => Flow::Continue(()),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        made.flush()
    }

    /// Three-valued AND of predicates.
    fn test(&self, predicates: &[Expr], pair: &[RowRef<'_>], scratch: &Scratch) -> Result<Option<bool>> {
        let mut result = Some(true);
        for predicate in predicates {
            match predicate.eval(pair, scratch)? {
                Datum::Bool(true) => {}
                Datum::Bool(false) => return Ok(Some(false)),
                _ => result = None,
            }
        }
        Ok(result)
    }

    /// The right rows of a full join that no left row met.
    fn unmatched(&self, built: &Built<'_>, matched: &[bool], out: &mut Out<'_>) -> Result<Flow> {
        let nulls: Vec<RowRef<'_>> = self.left_nulls.iter().map(Row::as_ref).collect();
        let arity = nulls.len() + built.store.arity;
        let mut made = Made { rows: Vec::new(), arity, out };
        for (at, _) in matched.iter().enumerate().filter(|(_, matched)| !**matched) {
            if made.push(&nulls, built.store.tuple(at))?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        made.flush()
    }
}

fn more_than_one() -> SqlError {
    SqlError::new(b"21000", "more than one row returned by a subquery used as an expression")
}
