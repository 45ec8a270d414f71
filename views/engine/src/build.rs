//! Nodes and indexes that are added while their inputs hold rows are computed in slices between ticks, so that neither readers
//! nor the freshness of other views wait for them.
//!
//! A slice feeds some of an input's rows to the node, fewer where they make many. Which rows are fed is decided by their place alone, so ticks may
//! go on meanwhile: a change of a row whose place is fed is a change as ever, any other is passed over, because the row is
//! fed later as it is then. Nodes are built one after another, after all indexes; those that wait take no changes at all.

use std::cmp::Ordering;

use crate::arena::RowId;
use crate::circuit::{Circuit, Operator};
use crate::materialise::materialise;
use crate::nodes::{Fed, NodeId};
use crate::pending::Pending;
use crate::walk::run_rows;

/// Groups of a reduce whose rows one slice writes, if they come from totals, and if the rows of each are read.
const GROUPS: usize = 512;
const GROUPS_READ: usize = 8;
/// Rows that a slice makes at most, about; and that it takes in.
const MADE: usize = 2_048;
const TAKEN: usize = 1_024;

impl Circuit {
    /// Does one slice of what is left to compute of nodes and indexes; false once nothing is left.
    pub fn build(&mut self) -> bool {
        if self.nodes.fill_index() {
            return true;
        }
        let Some(&node) = self.building.front() else { return false };
        let more = self.build_node(node);
        if !more {
            self.building.pop_front();
            self.slice = 0;
        }
        self.look_for_errors();
        true
    }

    /// Does a slice of a node; false once it holds all its rows.
    fn build_node(&mut self, node: NodeId) -> bool {
        let Some(mut operator) = self.operators[node.0].take() else { return false };
        let fed = self.fed[node.0];
        let inputs = operator.inputs();
        let fed = match inputs.get(fed.input) {
            _ if self.nodes.arrangement(node).has_failed() => Fed::ALL,
            // Joins walk from their first input, reduces have one.
            Some(&input) if fed.upto.chunk() < self.nodes.arrangement(input).arena.chunks() => {
                Fed { upto: self.feed(node, &mut operator, fed, input), ..fed }
            }
            Some(_) if matches!(operator, Operator::Union(_)) => Fed { input: fed.input + 1, ..Fed::NONE },
            _ => Fed::ALL,
        };
        self.fed[node.0] = fed;
        let more = match &mut operator {
            Operator::Reduce(reduce) if fed == Fed::ALL => self.nodes.write(node, |nodes, output| {
                let groups = if reduce.accumulates() { GROUPS } else { GROUPS_READ };
                let more = reduce.emit(groups, nodes.arrangement(reduce.spec.input), output);
                output.end_tick();
                more
            }),
            _ => fed != Fed::ALL,
        };
        self.operators[node.0] = Some(operator);
        more
    }

    /// Takes in some rows of an input; gives the place to go on from.
    fn feed(&mut self, node: NodeId, operator: &mut Operator, fed: Fed, input: NodeId) -> RowId {
        let slice = self.slice.clamp(1, TAKEN);
        let (upto, made) = self.nodes.write(node, |nodes, output| {
            let before = output.rows();
            let (rows, upto) = nodes.arrangement(input).arena.some_ids(fed.upto, slice);
            let mut made = rows.len();
            match operator {
                Operator::Input | Operator::Values => {}
                Operator::Join(join) => {
                    let mut pending = Pending::default();
                    run_rows(join, nodes, &rows, &mut pending);
                    made = pending.len();
                    materialise(join, nodes, &mut pending, output);
                }
                Operator::Reduce(reduce) => reduce.feed(&rows, nodes.arrangement(input), output),
                Operator::Union(_) => {
                    let arena = &nodes.arrangement(input).arena;
                    rows.iter().for_each(|&(id, weight)| output.update(arena.row(id), weight));
                }
            }
            output.end_tick();
            (upto, made.max(output.rows().saturating_sub(before)))
        });
        // The next rows probably make as many each.
        self.slice = if made > MADE { slice / 2 } else { slice * 2 };
        upto
    }

    /// Whether a node, and so every node that it is made from, holds all of its rows.
    pub fn is_built(&self, node: NodeId) -> bool {
        !self.building.contains(&node)
    }

    /// Whether all nodes hold all of their rows.
    pub fn is_all_built(&self) -> bool {
        self.building.is_empty()
    }

    /// Rows that a node and those it is made from, as far as they are being built, have taken in, and rows that there are for
    /// them, approximately.
    pub fn progress(&self, node: NodeId) -> (usize, usize) {
        let (mut done, mut all) = (0, 0);
        for node in self.below(node).into_iter().filter(|node| !self.is_built(*node)) {
            let Some(operator) = &self.operators[node.0] else { continue };
            let (inputs, fed) = (operator.inputs(), self.fed[node.0]);
            let fed_from = if matches!(operator, Operator::Join(_)) { &inputs[..1] } else { &inputs[..] };
            for (number, &input) in fed_from.iter().enumerate() {
                let arrangement = self.nodes.arrangement(input);
                let (rows, chunks) = (arrangement.rows(), arrangement.arena.chunks());
                all += rows;
                done += match number.cmp(&fed.input) {
                    Ordering::Less => rows,
                    Ordering::Equal => rows * fed.upto.chunk() / chunks.max(1),
                    Ordering::Greater => 0,
                };
            }
        }
        (done, all)
    }
}
