//! WITH RECURSIVE: the step over the rows that the last step found, until it finds none; WITH MUTUALLY RECURSIVE: until it finds the same.

use bumpalo::Bump;
use hashbrown::HashSet;
use tidewater_delta::{Row, RowRef};
use tidewater_types::{Expr, Result, Scratch, SqlError};

use super::compile::Builder;
use super::layout::{Layout, types};
use super::memory::Held;
use super::node::{Bound, BoundRows, Cx, Flow, Node, Out, hand_out};
use super::reduce::Grouping;
use super::store::Store;
use crate::plan::{LetId, LetRec as Written, Recursion, TurnLimit};

/// A compiled recursion.
pub(crate) struct LetRec {
    id: LetId,
    base: Node,
    step: Node,
    /// With UNION: by which rows are new.
    distinct: Option<Grouping>,
    /// With MUTUALLY RECURSIVE: its limit.
    fixpoint: Option<Option<TurnLimit>>,
    body: Node,
    /// The body reads it once, so that its rows need not be kept.
    once: bool,
}

pub(crate) fn compile(builder: Builder<'_>, written: &Written) -> Result<(Node, Layout)> {
    let row = Layout::of(&written.columns, builder.columns);
    let distinct = if written.kind == Recursion::Distinct {
        let exprs: Vec<Expr> = builder.reads(&written.columns, &row)?;
        Some(Grouping::new(exprs, types(&written.columns, builder.columns)))
    } else {
        None
    };
    let mut copy = written.body.clone();
    let once = copy.uses().get(&written.id).copied().unwrap_or(0) == 1;
    let (body, layout) = builder.node(&written.body)?;
    let node = LetRec {
        id: written.id,
        base: builder.packed(&written.base.0, &written.base.1, &written.columns)?,
        step: builder.packed(&written.step.0, &written.step.1, &written.columns)?,
        distinct,
        fixpoint: if let Recursion::Fixpoint(limit) = written.kind { Some(limit) } else { None },
        body,
        once,
    };
    Ok((Node::LetRec(Box::new(node)), layout))
}

impl LetRec {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        if self.once {
            let bound = Bound { id: self.id, rows: BoundRows::Recursion(self), outer: cx.outer };
            return self.body.run(&Cx { outer: Some(&bound), ..*cx }, out);
        }
        let arena = Bump::new();
        let mut store = Store::new(&arena, cx.account, 1);
        let _ = self.rows(cx, &mut |batch| {
            store.extend(batch)?;
            Ok(Flow::Continue(()))
        })?;
        let bound = Bound { id: self.id, rows: BoundRows::Kept(&store.rows), outer: cx.outer };
        self.body.run(&Cx { outer: Some(&bound), ..*cx }, out)
    }

    /// All its rows, as they are found.
    pub(crate) fn rows(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        if let Some(limit) = self.fixpoint {
            let found = self.last_turn(limit, cx)?;
            return hand_out(&found.iter().map(Row::as_ref).collect::<Vec<_>>(), 1, cx, out);
        }
        let held = Held::new(cx.account);
        let mut seen = HashSet::new();
        let mut working = self.turn(&self.base, cx, &mut seen, &held)?;
        while !working.is_empty() {
            let rows: Vec<RowRef<'_>> = working.iter().map(Row::as_ref).collect();
            if hand_out(&rows, 1, cx, out)?.is_break() {
                return Ok(Flow::Break(()));
            }
            let bound = Bound { id: self.id, rows: BoundRows::Kept(&rows), outer: cx.outer };
            let found = self.turn(&self.step, &Cx { outer: Some(&bound), ..*cx }, &mut seen, &held)?;
            working = found;
        }
        Ok(Flow::Continue(()))
    }

    /// The rows of the turn that changes nothing, or of the last that may be.
    fn last_turn(&self, limit: Option<TurnLimit>, cx: &Cx<'_>) -> Result<Vec<Row>> {
        let held = Held::new(cx.account);
        let (mut seen, mut turns) = (HashSet::new(), 0);
        let mut found = Vec::new();
        loop {
            cx.limits.check()?;
            let rows: Vec<RowRef<'_>> = found.iter().map(Row::as_ref).collect();
            let bound = Bound { id: self.id, rows: BoundRows::Kept(&rows), outer: cx.outer };
            let mut next = self.turn(&self.step, &Cx { outer: Some(&bound), ..*cx }, &mut seen, &held)?;
            next.sort_unstable_by(|a, b| a.bytes().cmp(b.bytes()));
            if next == found {
                return Ok(found);
            }
            found = next;
            turns += 1;
            match limit {
                Some(TurnLimit { turns: most, is_error: true }) if turns == most => {
                    let message = format!("recursive query still changes after {most} iterations, its RECURSION LIMIT");
                    let hint = "RETURN AT RECURSION LIMIT gives the rows of the last of them.";
                    return Err(SqlError::new(b"54000", message).hint(hint));
                }
                Some(TurnLimit { turns: most, .. }) if turns == most => return Ok(found),
                _ => {}
            }
        }
    }

    /// The new rows of one turn. What they take is reserved as long as the turn lasts: the last turn's rows are gone by then.
    fn turn(&self, node: &Node, cx: &Cx<'_>, seen: &mut HashSet<Vec<u8>>, held: &Held<'_>) -> Result<Vec<Row>> {
        let own = Held::new(cx.account);
        let mut rows = Vec::new();
        let mut scratch = Scratch::new();
        let mut key = Vec::new();
        let _ = node.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            let mut values = Vec::new();
            for tuple in batch.tuples() {
                if let Some(distinct) = &self.distinct {
                    distinct.read(tuple, &scratch, &mut values, &mut key)?;
                    if seen.contains(&key) {
                        continue;
                    }
                    held.reserve(key.len() + 64)?;
                    seen.insert(key.clone());
                }
                own.reserve(tuple[0].bytes().len() + size_of::<Row>())?;
                rows.push(Row::from(tuple[0]));
            }
            Ok(Flow::Continue(()))
        })?;
        Ok(rows)
    }
}
