//! Random joins.

use proptest::prelude::*;
use tidewater_engine::{Circuit, ColumnAt, Equality, Filter, JoinInput, JoinSpec, NodeId, Output, Role};
use tidewater_types::{Datum, Expr, SqlError};

use crate::model::{COLUMNS, TABLES, cell, types};

/// A predicate `column < limit`, or, failing on zero, `1 / column < limit`.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) at: ColumnAt,
    limit: i64,
    pub(crate) divides: bool,
    pub(crate) on: Option<usize>,
}

impl Predicate {
    /// `Ok(None)` is SQL's unknown.
    pub(crate) fn eval(&self, cell: Option<i64>) -> Result<Option<bool>, SqlError> {
        match cell {
            Some(0) if self.divides => Err(SqlError::new(b"22012", "division by zero")),
            Some(value) if self.divides => Ok(Some(1 / value < self.limit)),
            other => Ok(other.map(|value| value < self.limit)),
        }
    }

    fn compile(&self) -> Filter {
        let this = self.clone();
        let expr = Expr::new(move |tuple, _| {
            let cell = cell(tuple[this.at.input], this.at.column);
            Ok(this.eval(cell)?.map_or(Datum::Null, Datum::Bool))
        });
        Filter { expr, reads: vec![self.at], on: self.on }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Table and what it is for.
    pub(crate) inputs: Vec<(usize, Role)>,
    pub(crate) equalities: Vec<Equality>,
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) output: Vec<ColumnAt>,
    /// Whether the first column of the output identifies its rows.
    pub(crate) keyed: bool,
}

pub(crate) fn equal(left: (usize, usize), right: (usize, usize)) -> Equality {
    let at = |(input, column)| ColumnAt { input, column };
    Equality { left: at(left), right: at(right), nulls_equal: false }
}

pub(crate) fn add(circuit: &mut Circuit, tables: &[NodeId], plan: &Plan) -> NodeId {
    let inputs = plan.inputs.iter().map(|&(table, role)| JoinInput { node: tables[table], role }).collect();
    let output = plan.output.iter().map(|&at| match plan.inputs[at.input].1 {
        Role::Mark => Output::Expr(
            Expr::new(move |tuple, _| Ok(cell(tuple[at.input], 0).map_or(Datum::Null, Datum::Int))),
            vec![at],
        ),
        _ => Output::Column(at),
    });
    let spec = JoinSpec {
        inputs,
        equalities: plan.equalities.clone(),
        filters: plan.predicates.iter().map(Predicate::compile).collect(),
        output: output.collect(),
        types: types(plan.output.len()),
        key: plan.keyed.then(|| vec![0]),
    };
    circuit.add_join(spec)
}

/// Whether the columns of an input can be read.
fn shows(role: Role) -> bool {
    matches!(role, Role::Inner | Role::Outer | Role::Single)
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![
        4 => Just(Role::Inner), 3 => Just(Role::Outer),
        1 => Just(Role::Semi), 1 => Just(Role::Anti), 1 => Just(Role::Mark), 1 => Just(Role::Single),
    ]
}

/// An equality of an input with another: the columns of the other and its own, the other, and whether NULL equals NULL.
type Link = (usize, usize, prop::sample::Index, bool);

/// How an input is connected: not at all, or by an equality or two.
fn any_links() -> impl Strategy<Value = Vec<Link>> {
    let link = (0..COLUMNS, 0..COLUMNS, any::<prop::sample::Index>(), prop::bool::weighted(0.15));
    prop_oneof![
        1 => prop::collection::vec(link.clone(), 0),
        5 => prop::collection::vec(link.clone(), 1),
        2 => prop::collection::vec(link, 2),
    ]
}

pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    let part = (0..TABLES, any_role(), any_links());
    let inputs = prop::collection::vec(part, 1..5);
    let predicates =
        prop::collection::vec((any::<prop::sample::Index>(), 0..COLUMNS, 0..6_i64, any::<bool>(), any::<bool>()), 0..3);
    (inputs, predicates).prop_map(|(parts, predicates)| {
        let role = |i: usize| if i == 0 { Role::Inner } else { parts[i].1 };
        let inputs: Vec<_> = parts.iter().enumerate().map(|(i, part)| (part.0, role(i))).collect();
        let mut equalities = Vec::new();
        for (input, part) in parts.iter().enumerate().skip(1) {
            // An inner input is equated with inner ones only, another with any before it that has columns.
            let fits = |i: &usize| if role(input) == Role::Inner { role(*i) == Role::Inner } else { shows(role(*i)) };
            let candidates: Vec<_> = (0..input).filter(fits).collect();
            for (theirs, own, other, nulls_equal) in &part.2 {
                let other = *other.get(&candidates);
                equalities.push(Equality { nulls_equal: *nulls_equal, ..equal((other, *theirs), (input, *own)) });
            }
        }
        let predicates = predicates.into_iter().map(|(input, column, limit, divides, on)| {
            let input = input.index(inputs.len());
            let on = ((on || !shows(role(input))) && role(input) != Role::Inner).then_some(input);
            Predicate { at: ColumnAt { input, column }, limit, divides, on }
        });
        let output = (0..inputs.len()).map(|input| match role(input) {
            Role::Mark => ColumnAt { input, column: 0 },
            role if shows(role) => ColumnAt { input, column: (input + 1) % COLUMNS },
            _ => ColumnAt { input: 0, column: 1 },
        });
        Plan { predicates: predicates.collect(), output: output.collect(), inputs, equalities, keyed: false }
    })
}

/// A join of keyed tables, each input after the first found by its key, so that the first one's key is the output's.
pub(crate) fn any_keyed_plan() -> impl Strategy<Value = Plan> {
    (any_plan(), prop::collection::vec(0..2_usize, 5)).prop_map(|(mut plan, tables)| {
        for (input, table) in plan.inputs.iter_mut().zip(tables) {
            input.0 = table;
        }
        plan.equalities.iter_mut().for_each(|equality| equality.right.column = 0);
        for input in 1..plan.inputs.len() {
            if plan.equalities.iter().all(|equality| equality.right.input != input) {
                plan.equalities.push(equal((0, 1), (input, 0)));
            }
        }
        plan.output[0] = ColumnAt { input: 0, column: 0 };
        Plan { keyed: true, ..plan }
    })
}
