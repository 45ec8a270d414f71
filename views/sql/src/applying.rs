//! Changes on their way through the views.
//!
//! Few are one tick. Many are done in parts, so that nobody who reads waits for more than one of them: readers see the moment before the first
//! part until the last is done, and then all changes at once, with the positions of their timelines.

use tidewater_delta::{Commit, Op};
use tidewater_engine::{Gone, NodeId, RowsFrom};

use crate::database::Database;

/// Changes of base tables, each made when its turn comes.
pub(crate) type Ops = Box<dyn Iterator<Item = (NodeId, Op)> + Send>;

/// See the module. Of one database at most one is under way.
pub struct Applying {
    ops: Ops,
    /// A table that is being emptied before the next of them.
    emptied: Option<(NodeId, RowsFrom)>,
    /// Changes that are left, about: TRUNCATE counts as the rows that it takes out.
    left: usize,
    /// What timelines are told at the end; the changes are gone from them.
    commits: Vec<Commit>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is done yet.
    Begun,
    /// A moment is held.
    Parts,
    /// Nothing is left to do.
    Done,
    /// All changes are shown; what they left behind is swept out.
    Sweeping,
}

impl Applying {
    pub(crate) fn new(ops: impl Iterator<Item = (NodeId, Op)> + Send + 'static, left: usize) -> Applying {
        Applying { ops: Box::new(ops), emptied: None, left, commits: Vec::new(), stage: Stage::Begun }
    }

    /// Changes that are still to be done.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl Database {
    /// Begins to take whole commits through all views; [`Database::advance`] does it. Changes of sources that were dropped meanwhile are
    /// passed over.
    pub fn begin(&self, commits: impl IntoIterator<Item = Commit>) -> Applying {
        let tables = self.tables.clone();
        let (mut heads, mut changes, mut left) = (Vec::new(), Vec::new(), 0);
        for mut commit in commits {
            left += commit.changes.len();
            let emptied = commit.changes.iter().filter(|change| change.op == Op::Truncate);
            left += emptied.map(|change| self.circuit.rows(tables[change.table.0 as usize])).sum::<usize>();
            changes.push(std::mem::take(&mut commit.changes));
            heads.push(commit);
        }
        let ops = changes.into_iter().flatten().map(move |change| (tables[change.table.0 as usize], change.op));
        Applying { ops: Box::new(ops), emptied: None, left, commits: heads, stage: Stage::Begun }
    }

    /// Does up to `limit` changes; false once all are done and shown. Nothing else may change the database in between.
    pub fn advance(&mut self, applying: &mut Applying, limit: usize) -> bool {
        if applying.stage == Stage::Begun && applying.left > limit {
            let readable: Vec<_> = self.nodes.values().copied().chain(self.followed.nodes()).collect();
            self.circuit.hold(readable);
            applying.stage = Stage::Parts;
        }
        match applying.stage {
            Stage::Begun => {
                self.circuit.tick(&mut applying.ops);
                applying.left = 0;
                self.shown_now(applying);
                false
            }
            Stage::Parts => {
                self.part(applying, limit);
                true
            }
            Stage::Done => {
                self.circuit.release();
                self.shown_now(applying);
                applying.stage = Stage::Sweeping;
                true
            }
            Stage::Sweeping => self.circuit.sweep(limit),
        }
    }

    /// Tells timelines and followers of what is shown now.
    fn shown_now(&mut self, applying: &mut Applying) {
        applying.commits.drain(..).for_each(|commit| self.timelines.take(&commit));
        self.tell_followers();
    }

    fn part(&mut self, applying: &mut Applying, limit: usize) {
        applying.left = applying.left.saturating_sub(limit);
        if let Some((node, from)) = applying.emptied {
            applying.emptied = self.circuit.empty(node, from, limit).map(|from| (node, from));
            return;
        }
        let mut ops = Vec::with_capacity(limit.min(1 << 12));
        while ops.len() < limit {
            match applying.ops.next() {
                Some((node, Op::Truncate)) => {
                    applying.emptied = Some((node, RowsFrom::default()));
                    break;
                }
                Some(op) => ops.push(op),
                None => {
                    applying.stage = Stage::Done;
                    break;
                }
            }
        }
        self.circuit.tick(ops);
    }

    /// Whether something was removed that is still to be freed.
    pub fn has_gone(&self) -> bool {
        self.circuit.has_gone()
    }

    /// What was removed lately. Freeing it takes time: better where nobody waits for the database.
    pub fn take_gone(&mut self) -> Gone {
        self.circuit.take_gone()
    }
}
