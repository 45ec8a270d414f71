//! Nodes and indexes that are added while their inputs hold rows are computed in slices between ticks, so that neither readers
//! nor the freshness of other views wait for them.
//!
//! A slice feeds one chunk of an input's rows to the node. Which rows are fed is decided by their place alone, so ticks may
//! go on meanwhile: a change of a row whose place is fed is a change as ever, any other is passed over, because the row is
//! fed later as it is then. Nodes are built one after another, after all indexes; those that wait take no changes at all.

use std::cmp::Ordering;

use tidewater_delta::Weight;

use crate::arena::RowId;
use crate::circuit::{Circuit, Operator};
use crate::materialise::materialise;
use crate::nodes::{Fed, NodeId};
use crate::pending::Pending;
use crate::walk::run_chunk;

/// Groups of a reduce whose rows one slice writes.
const GROUPS: usize = 512;

impl Circuit {
    /// Does one slice of what is left to compute of nodes and indexes; false once nothing is left.
    pub fn build(&mut self) -> bool {
        if self.nodes.fill_index() {
            return true;
        }
        let Some(&node) = self.building.front() else { return false };
        let Some(mut operator) = self.operators[node.0].take() else {
            self.building.pop_front();
            return true;
        };
        let fed = self.fed[node.0];
        let inputs = operator.inputs();
        let fed = match inputs.get(fed.input) {
            // Joins walk from their first input, reduces have one.
            Some(&input) if fed.chunk < self.nodes.arrangement(input).arena.chunks() => {
                self.feed(node, &mut operator, fed, input);
                Fed { chunk: fed.chunk + 1, ..fed }
            }
            Some(_) if matches!(operator, Operator::Union(_)) => Fed { input: fed.input + 1, chunk: 0 },
            _ => Fed::ALL,
        };
        self.fed[node.0] = fed;
        let more = match &mut operator {
            Operator::Reduce(reduce) if fed == Fed::ALL => self.nodes.write(node, |nodes, output| {
                let more = reduce.emit(GROUPS, nodes.arrangement(reduce.spec.input), output);
                output.end_tick();
                more
            }),
            _ => fed != Fed::ALL,
        };
        if !more {
            self.building.pop_front();
        }
        self.operators[node.0] = Some(operator);
        true
    }

    fn feed(&mut self, node: NodeId, operator: &mut Operator, fed: Fed, input: NodeId) {
        self.nodes.write(node, |nodes, output| {
            let rows: Vec<(RowId, Weight)> = nodes.arrangement(input).arena.chunk_ids(fed.chunk).collect();
            match operator {
                Operator::Input | Operator::Values => {}
                Operator::Join(join) => {
                    let mut pending = Pending::default();
                    run_chunk(join, nodes, fed.chunk, &mut pending);
                    materialise(join, nodes, pending, output);
                }
                Operator::Reduce(reduce) => reduce.feed(&rows, nodes.arrangement(input), output),
                Operator::Union(_) => {
                    let arena = &nodes.arrangement(input).arena;
                    rows.iter().for_each(|&(id, weight)| output.update(arena.row(id), weight));
                }
            }
            output.end_tick();
        });
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
                    Ordering::Equal => rows * fed.chunk / chunks.max(1),
                    Ordering::Greater => 0,
                };
            }
        }
        (done, all)
    }
}
