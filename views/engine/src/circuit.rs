//! All nodes of one process and the tick that keeps them fresh.
//!
//! A node is a base table, a join, a reduce or a union; each owns the arrangement of its rows. Nodes are numbered so that
//! inputs come first. A tick takes whole commits through the nodes in that order; whoever reads between two ticks sees all
//! nodes at the same moment.

use std::collections::VecDeque;
use std::sync::Arc;

use tidewater_delta::{KeyColumn, Op, Row, RowRef, Weight};
use tidewater_types::{ColumnType, SqlError};

use crate::arena::{RowId, RowsFrom, Snapshot};
use crate::arrangement::Arrangement;
use crate::join::{self, Join, JoinSpec, Role};
use crate::materialise::materialise;
use crate::nodes::{Fed, NodeId, Nodes};
use crate::pending::{Pending, clear};
use crate::reduce::{Reduce, ReduceSpec};
use crate::shape::Shape;
use crate::walk::run_term;
use crate::warm::{BATCH, is_worth_it};

#[derive(Debug)]
pub(crate) enum Operator {
    Input,
    /// Rows that are there from the beginning and stay.
    Values,
    Join(Arc<Join>),
    Reduce(Box<Reduce>),
    Union(Vec<NodeId>),
}

impl Operator {
    /// The nodes that it reads.
    pub(crate) fn inputs(&self) -> Vec<NodeId> {
        match self {
            Operator::Input | Operator::Values => Vec::new(),
            Operator::Join(join) => join.spec.inputs.iter().map(|input| input.node).collect(),
            Operator::Reduce(reduce) => vec![reduce.spec.input],
            Operator::Union(inputs) => inputs.clone(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Circuit {
    pub(crate) nodes: Nodes,
    pub(crate) operators: Vec<Option<Operator>>,
    /// Nodes that do not hold all of their rows yet, in the order in which they are built.
    pub(crate) building: VecDeque<NodeId>,
    /// The part of its inputs that each node has taken in.
    pub(crate) fed: Vec<Fed>,
    /// Whether rows that were put back are in all indexes.
    pub(crate) is_filled: bool,
    /// Rows that the next slice of a node's building takes in.
    pub(crate) slice: usize,
    pending: Vec<Pending>,
    /// For each node, the nodes that read it and through which of their inputs.
    consumers: Vec<Vec<(NodeId, usize)>>,
    /// Operations of the running tick, by input node.
    waiting: Vec<Vec<Op>>,
    /// Room for the delta that a reduce takes.
    changed: Vec<(RowId, Weight)>,
    /// Nodes whose changes somebody wants to hear of, and what the last tick changed in each.
    pub(crate) followed: Vec<(NodeId, Changes)>,
    /// Whether a node may have an error.
    pub(crate) fails: bool,
    /// What was removed and is still to be freed.
    pub(crate) gone: Vec<Box<dyn std::any::Any + Send + Sync>>,
}

impl Default for Circuit {
    fn default() -> Self {
        Circuit::new()
    }
}

/// Rows with the difference of their weights, never zero.
pub type Changes = Vec<(Row, Weight)>;

impl Circuit {
    /// A circuit without nodes.
    pub fn new() -> Self {
        Circuit {
            nodes: Nodes::default(),
            operators: Vec::new(),
            building: VecDeque::new(),
            fed: Vec::new(),
            is_filled: true,
            slice: 0,
            pending: Vec::new(),
            consumers: Vec::new(),
            waiting: Vec::new(),
            changed: Vec::new(),
            followed: Vec::new(),
            fails: false,
            gone: Vec::new(),
        }
    }

    fn add(&mut self, types: Arc<[ColumnType]>, key: Option<&[usize]>, operator: Operator) -> NodeId {
        let node = NodeId(self.operators.len());
        let inputs = operator.inputs();
        for (number, input) in inputs.iter().enumerate() {
            self.consumers[input.0].push((node, number));
            self.nodes.arrangement_mut(*input).is_read = true;
        }
        self.fed.push(if inputs.is_empty() { Fed::ALL } else { Fed::NONE });
        if !inputs.is_empty() {
            self.building.push_back(node);
        }
        self.nodes.0.push(Some(Arrangement::new(Shape::new(types), key)));
        self.operators.push(Some(operator));
        self.pending.push(Pending::default());
        self.consumers.push(Vec::new());
        self.waiting.push(Vec::new());
        node
    }

    /// Adds a base table. With a key, changes are upserts and deletes by key; without, insertions and removals of rows.
    pub fn add_input(&mut self, types: Arc<[ColumnType]>, key: Option<&[usize]>) -> NodeId {
        self.add(types, key, Operator::Input)
    }

    /// Adds rows that never change.
    pub fn add_values<'a>(&mut self, types: Arc<[ColumnType]>, rows: impl IntoIterator<Item = &'a Row>) -> NodeId {
        let node = self.add(types, None, Operator::Values);
        let arrangement = self.nodes.arrangement_mut(node);
        rows.into_iter().for_each(|row| arrangement.update(row.as_ref(), 1));
        arrangement.end_tick();
        node
    }

    /// Adds a join; [`Circuit::build`] computes its rows.
    pub fn add_join(&mut self, spec: JoinSpec) -> NodeId {
        let inputs = spec.inputs.iter().map(|input| self.nodes.arrangement(input.node));
        let key = |key: &Vec<KeyColumn>| key.iter().map(|part| part.column).collect();
        let inputs = inputs.map(|node| join::Node { shape: node.shape.clone(), key: node.key.as_ref().map(key) });
        let inputs = inputs.collect();
        let nodes = &mut self.nodes;
        let mut index_of = |node: NodeId, columns: &[usize]| nodes.arrangement_mut(node).index(columns, &[]);
        let join = Arc::new(Join::plan(spec, inputs, &mut index_of));
        self.add(join.spec.types.clone(), join.spec.key.as_deref(), Operator::Join(join.clone()))
    }

    /// Adds a reduce; [`Circuit::build`] computes its rows.
    pub fn add_reduce(&mut self, spec: ReduceSpec) -> NodeId {
        let types = spec.types.clone();
        let key: Vec<usize> = (0..spec.key.len()).collect();
        let input = self.nodes.arrangement_mut(spec.input);
        let shape = input.shape.clone();
        let reduce = Reduce::new(spec, &shape, |key, order| input.index(key, order));
        self.add(types, Some(&key), Operator::Reduce(Box::new(reduce)))
    }

    /// Adds the union of nodes whose columns are packed alike, repeated rows kept; [`Circuit::build`] computes its rows.
    pub fn add_union(&mut self, inputs: Vec<NodeId>) -> NodeId {
        let types = self.types(inputs[0]).clone();
        self.add(types, None, Operator::Union(inputs))
    }

    /// Removes all nodes but those of `kept` and the ones that they are made from; gives the removed ones. Their numbers are
    /// not used again.
    pub fn retain(&mut self, kept: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut stays = vec![false; self.operators.len()];
        let mut open: Vec<NodeId> = kept.into_iter().collect();
        while let Some(node) = open.pop() {
            if let Some(operator) = &self.operators[node.0]
                && !std::mem::replace(&mut stays[node.0], true)
            {
                open.extend(operator.inputs());
            }
        }
        let leaves = |node: &NodeId| self.operators[node.0].is_some() && !stays[node.0];
        let leaving: Vec<NodeId> = (0..self.operators.len()).map(NodeId).filter(leaves).collect();
        leaving.iter().for_each(|&node| self.remove(node));
        leaving
    }

    fn remove(&mut self, node: NodeId) {
        let parts = (self.nodes.0[node.0].take(), self.operators[node.0].take());
        self.gone.push(Box::new(parts));
        self.building.retain(|other| *other != node);
        self.pending[node.0] = Pending::default();
        for consumers in &mut self.consumers {
            consumers.retain(|(consumer, _)| *consumer != node);
        }
        self.followed.retain(|(followed, _)| *followed != node);
        self.look_who_reads();
    }

    fn look_who_reads(&mut self) {
        for number in 0..self.nodes.0.len() {
            let is_read = !self.consumers[number].is_empty() || self.is_followed(NodeId(number));
            if let Some(arrangement) = &mut self.nodes.0[number] {
                arrangement.is_read = is_read;
            }
        }
    }

    /// Takes changes of base tables, in their order, through all nodes. Readers see all of them or none. Changes of a table
    /// that was removed are passed over.
    pub fn tick(&mut self, changes: impl IntoIterator<Item = (NodeId, Op)>) {
        for (node, op) in changes {
            if self.operators[node.0].is_some() {
                self.waiting[node.0].push(op);
            }
        }
        self.turn();
    }

    /// Takes up to `limit` rows out of a base table, in a tick; gives where to go on, or `None` once none is left.
    pub fn empty(&mut self, node: NodeId, from: RowsFrom, limit: usize) -> Option<RowsFrom> {
        let table = self.nodes.0[node.0].as_mut()?;
        let (rows, from) = table.arena.some_rows(from, limit);
        rows.iter().for_each(|&(id, weight)| table.add_weight(id, -weight));
        self.turn();
        from
    }

    fn turn(&mut self) {
        if !self.is_filled {
            self.fill_indexes();
        }
        for number in 0..self.operators.len() {
            self.step(NodeId(number));
        }
        for (node, changes) in &mut self.followed {
            let arrangement = self.nodes.arrangement(*node);
            changes.extend(arrangement.delta().map(|(id, weight)| (Row::from(arrangement.arena.row(id)), weight)));
        }
        for arrangement in self.nodes.0.iter_mut().flatten() {
            arrangement.end_tick();
        }
        self.look_for_errors();
    }

    /// Readers ask whether a node has an error for each row that they look up; hardly ever one has.
    pub(crate) fn look_for_errors(&mut self) {
        self.fails = self.nodes.0.iter().flatten().any(Arrangement::has_error);
    }

    /// From now on [`Circuit::changes`] tells what ticks change in a node; not what building it does.
    pub fn follow(&mut self, node: NodeId) {
        if !self.is_followed(node) {
            self.followed.push((node, Vec::new()));
            self.nodes.arrangement_mut(node).is_read = true;
        }
    }

    /// Ends [`Circuit::follow`].
    pub fn unfollow(&mut self, node: NodeId) {
        self.followed.retain(|(followed, _)| *followed != node);
        self.look_who_reads();
    }

    fn is_followed(&self, node: NodeId) -> bool {
        self.followed.iter().any(|(followed, _)| *followed == node)
    }

    /// What ticks changed since the last call, of each followed node in which they changed anything.
    pub fn changes(&mut self) -> Vec<(NodeId, Changes)> {
        let changed = self.followed.iter_mut().filter(|(_, changes)| !changes.is_empty());
        changed.map(|(node, changes)| (*node, std::mem::take(changes))).collect()
    }

    /// Brings one node up to date, its inputs being so, and sends its delta on to the joins that read it.
    fn step(&mut self, node: NodeId) {
        let Some(mut operator) = self.operators[node.0].take() else { return };
        let fed = self.fed[node.0];
        match &mut operator {
            Operator::Values => {}
            // It holds nothing any more.
            _ if self.nodes.arrangement(node).has_failed() => {
                self.waiting[node.0].clear();
                self.pending[node.0] = Pending::default();
            }
            Operator::Input => {
                let ops = &mut self.waiting[node.0];
                let arrangement = self.nodes.arrangement_mut(node);
                let mut warmed = 0;
                for (number, op) in ops.iter().enumerate() {
                    if number == warmed {
                        warmed = ops.len().min(number + BATCH);
                        if is_worth_it(warmed - number) {
                            arrangement.warm_rows(ops[number..warmed].iter().filter_map(comes));
                        }
                    }
                    apply(arrangement, op);
                }
                clear(ops);
            }
            Operator::Join(join) => {
                let pending = &mut self.pending[node.0];
                if !pending.is_empty() {
                    self.nodes.write(node, |nodes, output| materialise(join, nodes, pending, output));
                }
                pending.clear();
            }
            Operator::Reduce(reduce) => {
                let input = reduce.spec.input;
                if fed != Fed::NONE && self.nodes.arrangement(input).is_touched() {
                    let changed = &mut self.changed;
                    self.nodes.write(node, |nodes, output| {
                        let input = nodes.arrangement(input);
                        changed.extend(input.delta().filter(|(id, _)| fed.includes(0, *id)));
                        if fed == Fed::ALL {
                            reduce.run(changed, input, output);
                        } else {
                            reduce.feed(changed, input, output);
                        }
                    });
                    clear(changed);
                }
            }
            Operator::Union(inputs) => self.nodes.write(node, |nodes, output| {
                for (number, input) in inputs.iter().map(|&input| nodes.arrangement(input)).enumerate() {
                    let changed = input.delta().filter(|(id, _)| fed.includes(number, *id));
                    changed.for_each(|(id, weight)| output.update(input.arena.row(id), weight));
                }
            }),
        }
        self.operators[node.0] = Some(operator);
        if self.nodes.arrangement(node).is_touched() {
            self.propagate(node);
        }
    }

    fn propagate(&mut self, node: NodeId) {
        for &(consumer, input) in &self.consumers[node.0] {
            let fed = self.fed[consumer.0];
            if let Some(Operator::Join(join)) = &self.operators[consumer.0]
                && fed != Fed::NONE
            {
                run_term(join, &join.terms[input], &self.nodes, fed, &mut self.pending[consumer.0]);
            }
        }
    }

    /// The rows of a node as readers see them between two ticks.
    pub fn snapshot(&self, node: NodeId) -> Snapshot {
        self.nodes.arrangement(node).snapshot()
    }

    /// The error that readers of this node get instead of rows: one of its own or of a node it is made from.
    pub fn error(&self, node: NodeId) -> Option<&SqlError> {
        if !self.fails {
            return None;
        }
        self.below(node).into_iter().find_map(|node| self.nodes.arrangement(node).error())
    }

    /// A node and all that it is made from, each once: what is used twice is not looked at twice.
    pub(crate) fn below(&self, node: NodeId) -> Vec<NodeId> {
        let mut seen = vec![false; self.operators.len()];
        let (mut found, mut open) = (Vec::new(), vec![node]);
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node.0], true) {
                found.push(node);
                open.extend(self.operators[node.0].iter().flat_map(Operator::inputs).rev());
            }
        }
        found
    }

    /// Makes sure that the node has an index by these columns, so that [`Circuit::lookup`] finds rows through it.
    pub fn add_index(&mut self, node: NodeId, columns: &[usize]) -> IndexId {
        IndexId { node, index: self.nodes.arrangement_mut(node).index(columns, &[]) }
    }

    /// Whether an index holds all rows already.
    pub fn is_filled(&self, index: IndexId) -> bool {
        self.nodes.arrangement(index.node).is_filled(index.index)
    }

    /// The rows whose indexed columns equal the columns of `key`, in order; NULL finds NULL.
    pub fn lookup<'a>(&'a self, index: IndexId, key: RowRef<'_>) -> Vec<(RowRef<'a>, Weight)> {
        let arrangement = self.nodes.arrangement(index.node);
        arrangement.lookup(index.index, key).filter_map(|id| arrangement.shown(id)).collect()
    }

    /// Whether nothing was written into a node since an earlier moment of it.
    pub fn is_of(&self, node: NodeId, moment: &Snapshot) -> bool {
        self.nodes.arrangement(node).is_of(moment)
    }

    /// How often a row is in a node.
    pub fn weight(&self, node: NodeId, row: RowRef<'_>) -> Weight {
        let arrangement = self.nodes.arrangement(node);
        let id = arrangement.current(row).filter(|id| arrangement.arena.row(*id) == row);
        id.map_or(0, |id| arrangement.arena.weight(id))
    }

    /// Distinct rows of a node, none if it was removed, approximately.
    pub fn rows(&self, node: NodeId) -> usize {
        self.nodes.0[node.0].as_ref().map_or(0, Arrangement::rows)
    }

    /// Distinct rows of a node, and the bytes that they and their indexes take, approximately.
    pub fn size(&self, node: NodeId) -> (usize, usize) {
        let arrangement = self.nodes.arrangement(node);
        (arrangement.rows_shown(), arrangement.bytes())
    }

    /// How a node's rows are made, one line a node, inputs indented below; with rows and bytes of each.
    pub fn explain(&self, node: NodeId) -> String {
        let mut text = String::new();
        self.explain_into(node, 0, &mut text);
        text
    }

    fn explain_into(&self, node: NodeId, depth: usize, text: &mut String) {
        let Some(operator) = self.operators[node.0].as_ref() else { return };
        let inputs = operator.inputs();
        let what = match operator {
            Operator::Join(join) => explain_join(join),
            Operator::Reduce(reduce) => {
                let how = if reduce.accumulates() { "by totals" } else { "reading rows of the group through an index" };
                format!("Reduce by {} columns, {how}", reduce.spec.key.len())
            }
            Operator::Union(_) => format!("Union of {}", inputs.len()),
            Operator::Input => "Table".to_owned(),
            Operator::Values => "Values".to_owned(),
        };
        let (rows, bytes) = self.size(node);
        text.push_str(&format!(
            "{:indent$}{what} [node {}: {rows} rows, {bytes} bytes]\n",
            "",
            node.0,
            indent = depth * 2
        ));
        inputs.into_iter().for_each(|input| self.explain_into(input, depth + 1, text));
    }

    /// Whether nothing is left in any node.
    pub fn is_empty(&self) -> bool {
        self.nodes.0.iter().flatten().all(Arrangement::is_empty)
    }

    /// Types of a node's columns.
    pub fn types(&self, node: NodeId) -> &Arc<[ColumnType]> {
        &self.nodes.arrangement(node).shape.types
    }

    /// Columns that identify a node's rows, where known: no two rows have the same packed bytes there, and no row occurs twice.
    pub fn key(&self, node: NodeId) -> Option<Vec<usize>> {
        if let Some(Operator::Reduce(reduce)) = &self.operators[node.0]
            && reduce.spec.times.is_some()
        {
            return None;
        }
        let key = self.nodes.arrangement(node).key.as_ref()?;
        Some(key.iter().map(|part| part.column).collect())
    }
}

fn explain_join(join: &Join) -> String {
    let inputs = &join.spec.inputs;
    if let [_] = inputs[..] {
        return "Map and filter".to_owned();
    }
    let optional = inputs.iter().filter(|input| matches!(input.role, Role::Outer | Role::Single)).count();
    let tests = inputs.iter().filter(|input| matches!(input.role, Role::Semi | Role::Anti | Role::Mark)).count();
    let mut text = format!("Delta join of {} inputs, {optional} of them optional", inputs.len());
    if tests > 0 {
        text.push_str(&format!(", {tests} only tested"));
    }
    if join.has_pairs {
        text.push_str(", by pairs where no equality connects them");
    }
    text
}

/// Names an index of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexId {
    pub(crate) node: NodeId,
    pub(crate) index: usize,
}

/// The whole row of an operation.
fn comes(op: &Op) -> Option<RowRef<'_>> {
    match op {
        Op::Upsert(row) | Op::Insert(row) | Op::Remove(row) => Some(row.as_ref()),
        Op::Delete(_) | Op::Truncate => None,
    }
}

/// Applies one operation to a base table.
fn apply(table: &mut Arrangement, op: &Op) {
    match (op, table.key.is_some()) {
        (Op::Upsert(row), true) => table.replace(row.as_ref(), 1),
        (Op::Delete(row), true) => {
            if let Some(id) = table.by_key(row.as_ref()) {
                table.add_weight(id, -1);
            }
        }
        (Op::Upsert(row) | Op::Insert(row), _) => table.update(row.as_ref(), 1),
        (Op::Delete(row) | Op::Remove(row), _) => {
            // A row that is not there (its insertion came before the snapshot began) is not taken out.
            if let Some(id) = table.current(row.as_ref()) {
                table.add_weight(id, -1);
            }
        }
        (Op::Truncate, _) => {
            let ids: Vec<_> = table.snapshot().ids().map(|(id, _, weight)| (id, weight)).collect();
            ids.into_iter().for_each(|(id, weight)| table.add_weight(id, -weight));
        }
    }
}
