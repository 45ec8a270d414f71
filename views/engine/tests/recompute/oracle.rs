//! What a join is, computed by nested loops: inner inputs first, then the others in their order.

use tidewater_engine::{ColumnAt, Role};
use tidewater_types::SqlError;

use crate::model::{Bag, Cells};
use crate::plans::{Plan, Predicate};

/// Of each input the row, or the mark, that a tuple has.
type Tuple = Vec<Option<Cells>>;

/// What ON says of a row.
#[derive(Clone, Copy)]
enum Truth {
    True,
    Unknown,
    False,
    Failed,
}

/// The join's rows and number of failed tuples.
pub(crate) fn recompute(plan: &Plan, tables: &[Bag]) -> (Bag, i64) {
    let inner = (0..plan.inputs.len()).filter(|&i| plan.inputs[i].1 == Role::Inner);
    let others = (0..plan.inputs.len()).filter(|&i| plan.inputs[i].1 != Role::Inner);
    let mut oracle = Oracle { plan, tables, order: inner.chain(others).collect(), rows: Bag::new(), errors: 0 };
    oracle.nest(0, &mut vec![None; plan.inputs.len()], 1, false);
    (oracle.rows, oracle.errors)
}

struct Oracle<'a> {
    plan: &'a Plan,
    tables: &'a [Bag],
    order: Vec<usize>,
    rows: Bag,
    errors: i64,
}

fn cell(tuple: &Tuple, at: ColumnAt) -> Option<i64> {
    tuple[at.input].as_ref().and_then(|row| row[at.column])
}

impl Oracle<'_> {
    /// Whether WHERE, as far as the inputs before place `depth` decide it, drops the tuple; and whether it failed.
    fn filtered(&self, depth: usize, tuple: &Tuple) -> Option<bool> {
        let known = |p: &&Predicate| p.on.is_none() && self.order[..depth].contains(&p.at.input);
        let outcomes: Vec<_> = self.plan.predicates.iter().filter(known).map(|p| p.eval(cell(tuple, p.at))).collect();
        let passes = |outcome: &Result<Option<bool>, SqlError>| matches!(outcome, Ok(Some(true)) | Err(_));
        outcomes.iter().all(passes).then(|| outcomes.iter().any(Result::is_err))
    }

    fn on(&self, depth: usize, tuple: &Tuple) -> Truth {
        let input = self.order[depth];
        let here = |at: ColumnAt| at.input == input;
        let bound = |at: ColumnAt| self.order[..depth].contains(&at.input);
        for equality in &self.plan.equalities {
            let (a, b) = (equality.left, equality.right);
            if here(a) && bound(b) || here(b) && bound(a) {
                let (x, y) = (cell(tuple, a), cell(tuple, b));
                if x != y || x.is_none() && !equality.nulls_equal {
                    return Truth::False;
                }
            }
        }
        let on = self.plan.predicates.iter().filter(|p| p.on == Some(input));
        let outcomes: Vec<_> = on.map(|p| p.eval(cell(tuple, p.at))).collect();
        match () {
            () if outcomes.contains(&Ok(Some(false))) => Truth::False,
            // An inner or outer input takes unknown for false, whatever fails beside it.
            () if self.plan.inputs[input].1 == Role::Outer && outcomes.contains(&Ok(None)) => Truth::False,
            () if outcomes.iter().any(Result::is_err) => Truth::Failed,
            () if outcomes.contains(&Ok(None)) => Truth::Unknown,
            () => Truth::True,
        }
    }

    fn nest(&mut self, depth: usize, tuple: &mut Tuple, weight: i64, failed: bool) {
        let Some(where_failed) = self.filtered(depth, tuple) else { return };
        if depth == self.order.len() {
            if failed || where_failed {
                self.errors += weight;
            } else {
                let cells = self.plan.output.iter().map(|at| cell(tuple, *at)).collect();
                *self.rows.entry(cells).or_default() += weight;
            }
            return;
        }
        let input = self.order[depth];
        let (table, role) = self.plan.inputs[input];
        let (mut matched, mut unknown, mut only) = (0, false, None);
        for (row, times) in &self.tables[table] {
            tuple[input] = Some(row.clone());
            let truth = self.on(depth, tuple);
            match (role, truth) {
                (_, Truth::False) => {}
                (Role::Inner, Truth::True) => self.nest(depth + 1, tuple, weight * times, failed),
                (Role::Outer, Truth::True | Truth::Failed) => {
                    matched += times;
                    self.nest(depth + 1, tuple, weight * times, failed || matches!(truth, Truth::Failed));
                }
                (_, Truth::Failed) => self.errors += weight * times,
                (_, Truth::Unknown) => unknown = true,
                (_, Truth::True) => {
                    matched += times;
                    only = Some(row.clone());
                }
            }
        }
        let mark = if matched > 0 { Some(1) } else { (!unknown).then_some(0) };
        tuple[input] = match role {
            Role::Single => only,
            Role::Mark => Some(vec![mark]),
            _ => None,
        };
        match role {
            Role::Inner => {}
            Role::Outer | Role::Anti if matched > 0 => {}
            Role::Semi if matched == 0 => {}
            Role::Single if matched > 1 => self.errors += weight,
            _ => self.nest(depth + 1, tuple, weight, failed),
        }
        tuple[input] = None;
    }
}
