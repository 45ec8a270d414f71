//! Set-returning functions: each tuple with the rows that they give for it, in lockstep.

use bumpalo::Bump;
use tidewater_functions::Rows;
use tidewater_types::{ColumnType, Datum, Result, Scratch};

use super::cell::{Packer, Types};
use super::compile::Builder;
use super::layout::{Layout, types};
use super::node::{BATCH_ROWS, Batch, Cx, Flow, Node, Out};
use crate::plan::{Call, Id, Rel};

/// Compiled calls.
pub(crate) struct FlatMap {
    input: Node,
    /// Each with the number of its columns.
    calls: Vec<(Rows, usize)>,
    ordinality: bool,
    types: Types,
}

pub(crate) fn compile(
    builder: Builder<'_>,
    input: &Rel,
    calls: &[(Vec<Id>, Call)],
    ordinality: Option<Id>,
) -> Result<(Node, Layout)> {
    let (input, layout) = builder.node(input)?;
    let mut compiled = Vec::with_capacity(calls.len());
    let mut ids = Vec::new();
    for (made, call) in calls {
        let arguments = builder.compiler.arguments(call, &layout)?;
        let result: ColumnType = call.ty.clone();
        compiled.push((call.function.0.rows(arguments, &result, builder.compiler.session)?, made.len()));
        ids.extend(made);
    }
    ids.extend(ordinality);
    let node =
        FlatMap { input, calls: compiled, ordinality: ordinality.is_some(), types: types(&ids, builder.columns) };
    Ok((Node::FlatMap(Box::new(node)), layout.and(&ids, builder.columns)))
}

impl FlatMap {
    pub(crate) fn run(&self, cx: &Cx<'_>, out: &mut Out<'_>) -> Result<Flow> {
        let mut packer = Packer::new(&self.types);
        self.input.run(cx, &mut |batch| {
            let arity = batch.arity + 1;
            for tuple in batch.tuples() {
                let scratch = Scratch::new();
                let mut sources = Vec::with_capacity(self.calls.len());
                for (rows, width) in &self.calls {
                    sources.push((rows.eval(tuple, &scratch)?, *width, false));
                }
                let mut number = 0;
                // A call may give any number of rows: they go on as batches of their own.
                let mut done = false;
                while !done {
                    cx.limits.check()?;
                    let arena = Bump::new();
                    let mut made = Vec::new();
                    while made.len() < BATCH_ROWS * arity {
                        let mut values: Vec<Datum<'_>> = Vec::with_capacity(self.types.len());
                        let mut some = false;
                        for (source, width, ended) in &mut sources {
                            let before = values.len();
                            if !*ended && source.next(&mut values)? {
                                some = true;
                            } else {
                                *ended = true;
                                values.truncate(before);
                            }
                            values.resize(before + *width, Datum::Null);
                        }
                        if !some {
                            done = true;
                            break;
                        }
                        number += 1;
                        if self.ordinality {
                            values.push(Datum::Int(number));
                        }
                        made.extend_from_slice(tuple);
                        made.push(packer.pack(&values, &arena));
                    }
                    if !made.is_empty() && out(&Batch { rows: &made, arity })?.is_break() {
                        return Ok(Flow::Break(()));
                    }
                }
            }
            Ok(Flow::Continue(()))
        })
    }
}
