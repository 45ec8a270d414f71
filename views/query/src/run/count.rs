//! INTERSECT and EXCEPT: how often each row occurs on either side.

use hashbrown::HashMap;
use tidewater_delta::Row;
use tidewater_types::{Result, Scratch};

use super::compile::Builder;
use super::layout::{Layout, types};
use super::memory::Held;
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out};
use super::reduce::Grouping;
use crate::plan::{Count as Written, CountKind};

/// A compiled set operation.
pub(crate) struct Count {
    kind: CountKind,
    all: bool,
    left: Node,
    right: Node,
    left_keys: Grouping,
    right_keys: Grouping,
}

struct Occurs {
    shown: Row,
    left: u64,
    right: u64,
}

pub(crate) fn compile(builder: Builder<'_>, written: &Written) -> Result<(Node, Layout)> {
    let (left, left_layout) = builder.node(&written.left.0)?;
    let (right, right_layout) = builder.node(&written.right.0)?;
    let types = types(&written.columns, builder.columns);
    let node = Count {
        kind: written.kind,
        all: written.all,
        left,
        right,
        left_keys: Grouping::new(builder.reads(&written.left.1, &left_layout)?, types.clone()),
        right_keys: Grouping::new(builder.reads(&written.right.1, &right_layout)?, types),
    };
    Ok((Node::Count(Box::new(node)), Layout::of(&written.columns, builder.columns)))
}

impl Count {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let held = Held::new(cx.account);
        let mut found: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut rows: Vec<Occurs> = Vec::new();
        let mut scratch = Scratch::new();
        let mut key = Vec::new();
        let mut packer = self.left_keys.packer();
        let _ = self.left.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            let mut values = Vec::new();
            for tuple in batch.tuples() {
                self.left_keys.read(tuple, &scratch, &mut values, &mut key)?;
                match found.get(&key) {
                    Some(at) => {
                        let row = &mut rows[*at];
                        row.left += 1;
                        if let Some(lesser) = self.left_keys.lesser(&row.shown, &values, &mut packer) {
                            row.shown = lesser;
                        }
                    }
                    None => {
                        let shown = packer.row(&values);
                        held.reserve(shown.bytes().len() + key.len() + 128)?;
                        found.insert(key.clone(), rows.len());
                        rows.push(Occurs { shown, left: 1, right: 0 });
                    }
                }
            }
            Ok(Flow::Continue(()))
        })?;
        let _ = self.right.run(cx, &mut |batch| {
            cx.limits.check()?;
            scratch.reset();
            let mut values = Vec::new();
            for tuple in batch.tuples() {
                self.right_keys.read(tuple, &scratch, &mut values, &mut key)?;
                if let Some(at) = found.get(&key) {
                    rows[*at].right += 1;
                }
            }
            Ok(Flow::Continue(()))
        })?;
        self.hand_out(&rows, cx, out)
    }

    fn times(&self, row: &Occurs) -> u64 {
        match (self.kind, self.all) {
            (CountKind::Intersect, true) => row.left.min(row.right),
            (CountKind::Intersect, false) => u64::from(row.right > 0),
            (CountKind::Except, true) => row.left.saturating_sub(row.right),
            (CountKind::Except, false) => u64::from(row.right == 0),
        }
    }

    fn hand_out(&self, rows: &[Occurs], cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let mut batch = Vec::new();
        for row in rows {
            for _ in 0..self.times(row) {
                batch.push(row.shown.as_ref());
                if batch.len() == BATCH_ROWS {
                    cx.limits.check()?;
                    if out(&Batch { rows: &batch, arity: 1 })?.is_break() {
                        return Ok(Flow::Break(()));
                    }
                    batch.clear();
                }
            }
        }
        if batch.is_empty() { Ok(Flow::Continue(())) } else { out(&Batch { rows: &batch, arity: 1 }) }
    }
}
