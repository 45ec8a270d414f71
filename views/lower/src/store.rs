//! From relations to nodes.

use tidewater_delta::{Row, RowBuilder};
use tidewater_engine::{ColumnAt, Filter, JoinSpec, NodeId, Output, Role};
use tidewater_query::plan::{Id, Scalar};
use tidewater_query::run::evaluate;
use tidewater_types::{ColumnType, Packing, Result};

use crate::Lowering;
use crate::columns::Stored;
use crate::relation::{Relation, place, read_at};
use crate::shared::Signature;

impl Lowering<'_> {
    /// Stores a relation's rows as a node of these columns; an equal one that exists is used again.
    pub(crate) fn store(&mut self, mut relation: Relation, stored: Vec<Stored>) -> Result<NodeId> {
        if relation.sources.is_empty() {
            let unit = self.values_node(Vec::new(), vec![RowBuilder::new(Vec::new()).take()]);
            relation.append(Relation::of_node(unit, [], &[]));
        }
        if let Some(node) = self.is_node(&relation, &stored) {
            return Ok(node);
        }
        let signature = Signature::Join {
            inputs: relation.sources.clone(),
            equalities: relation.equalities.clone(),
            filters: relation.filters.clone(),
            output: stored.clone(),
            zone: self.zone(),
        };
        if let Some(node) = self.shared.0.get(&signature) {
            return Ok(*node);
        }
        let spec = self.join_spec(&relation, &stored)?;
        let node = self.circuit.add_join(spec);
        self.shared.0.insert(signature, node);
        Ok(node)
    }

    /// What expressions see of the session: part of what a node computes.
    pub(crate) fn zone(&self) -> String {
        let settings = &self.session.settings;
        format!("{} {:?}", settings.time_zone.name(), settings.date_order)
    }

    /// The node whose rows are the relation's as they are, if there is one.
    fn is_node(&self, relation: &Relation, stored: &[Stored]) -> Option<NodeId> {
        let [source] = relation.sources[..] else { return None };
        let types = self.circuit.types(source.node);
        let as_it_is = |(column, stored): (usize, &Stored)| {
            !stored.key
                && place(&stored.scalar) == Some(ColumnAt { input: 0, column })
                && Packing::of(&stored.ty) == Packing::of(&types[column])
        };
        let all = stored.len() == types.len() && stored.iter().enumerate().all(as_it_is);
        (all && relation.filters.is_empty()).then_some(source.node)
    }

    fn join_spec(&self, relation: &Relation, stored: &[Stored]) -> Result<JoinSpec> {
        let mut filters = Vec::new();
        for predicate in &relation.filters {
            let expr = self.compile_predicate(relation, predicate)?;
            filters.push(Filter { expr, reads: reads(&predicate.scalar), on: predicate.on });
        }
        let output = stored.iter().map(|stored| self.output(relation, stored)).collect::<Result<_>>()?;
        Ok(JoinSpec {
            inputs: relation.sources.clone(),
            equalities: relation.equalities.clone(),
            filters,
            output,
            types: stored.iter().map(|stored| stored.ty.clone()).collect(),
            key: self.key_of(relation, stored),
        })
    }

    fn output(&self, relation: &Relation, stored: &Stored) -> Result<Output> {
        if let Some(at) = place(&stored.scalar).filter(|_| !stored.key) {
            let there = &self.circuit.types(relation.sources[at.input].node)[at.column];
            if Packing::of(there) == Packing::of(&stored.ty) {
                return Ok(Output::Column(at));
            }
        }
        Ok(Output::Expr(self.compile_stored(relation, stored)?, reads(&stored.scalar)))
    }

    /// Columns of a relation that identify its rows: those of one input's key, where each other input has at most one row for
    /// a row of the inputs before it.
    fn key_of(&self, relation: &Relation, stored: &[Stored]) -> Option<Vec<usize>> {
        let keys: Vec<_> = relation.sources.iter().map(|source| self.circuit.key(source.node)).collect();
        let starts = (0..keys.len()).filter(|&input| relation.sources[input].role == Role::Inner);
        starts.filter(|&input| determines(relation, input, &keys)).find_map(|input| {
            let place_of = |&column: &usize| column_at(relation, stored, ColumnAt { input, column });
            keys[input].as_ref()?.iter().map(place_of).collect()
        })
    }

    /// Rows that never change; equal ones are one node.
    pub(crate) fn values_node(&mut self, types: Vec<ColumnType>, rows: Vec<Row>) -> NodeId {
        let signature =
            Signature::Values { types: types.clone(), rows: rows.iter().map(|row| row.bytes().to_vec()).collect() };
        if let Some(node) = self.shared.0.get(&signature) {
            return *node;
        }
        let node = self.circuit.add_values(types.into(), &rows);
        self.shared.0.insert(signature, node);
        node
    }

    /// VALUES, evaluated now: they read no row.
    pub(crate) fn values(&mut self, columns: &[Id], rows: &[Vec<Scalar>]) -> Result<Relation> {
        if columns.is_empty() && rows.len() == 1 {
            return Ok(Relation::default());
        }
        let types: Vec<ColumnType> = columns.iter().map(|id| self.columns.ty(*id).clone()).collect();
        let packings: Vec<Packing> = types.iter().map(Packing::of).collect();
        let mut builder = RowBuilder::new(packings.iter().map(|packing| packing.width()).collect::<Vec<_>>());
        let mut packed = Vec::with_capacity(rows.len());
        for row in rows {
            builder.reset();
            for (column, scalar) in row.iter().enumerate() {
                let value = evaluate(scalar, self.session, &[])?;
                if value.value.is_some() {
                    packings[column].set(&mut builder, column, &value.datum());
                }
            }
            packed.push(builder.take());
        }
        let node = self.values_node(types, packed);
        Ok(Relation::of_node(node, columns.iter().copied().zip(0..), self.circuit.types(node)))
    }
}

/// The columns that a scalar reads.
pub(crate) fn reads(scalar: &Scalar) -> Vec<ColumnAt> {
    let at = |id| {
        let (input, column) = read_at(id);
        ColumnAt { input, column }
    };
    scalar.free().into_iter().map(at).collect()
}

/// Whether a row of `start` has at most one row of every other input: each is found by its whole key, or only tested.
fn determines(relation: &Relation, start: usize, keys: &[Option<Vec<usize>>]) -> bool {
    let single = |role: Role| !matches!(role, Role::Inner | Role::Outer);
    let mut known: Vec<bool> = relation.sources.iter().map(|source| single(source.role)).collect();
    known[start] = true;
    loop {
        let found = |input: usize, column: usize, known: &[bool]| {
            let here = ColumnAt { input, column };
            // What is only tested has no row that a tuple could be known by.
            let known =
                |at: ColumnAt| known[at.input] && !matches!(relation.role(at), Role::Semi | Role::Anti | Role::Mark);
            let with = |equality: &tidewater_engine::Equality| {
                equality.left == here && known(equality.right) || equality.right == here && known(equality.left)
            };
            relation.equalities.iter().any(with)
        };
        let next = (0..known.len()).find(|&input| {
            let key = keys[input].as_ref().filter(|_| !known[input]);
            key.is_some_and(|key| key.iter().all(|&column| found(input, column, &known)))
        });
        match next {
            Some(input) => known[input] = true,
            None => return known.into_iter().all(|known| known),
        }
    }
}

/// The output column that is this column of an input, or an equal one of an inner input.
fn column_at(relation: &Relation, stored: &[Stored], at: ColumnAt) -> Option<usize> {
    let equal = relation.equalities.iter().filter_map(|equality| match (equality.left == at, equality.right == at) {
        (true, _) => Some(equality.right),
        (_, true) => Some(equality.left),
        _ => None,
    });
    let mut places = std::iter::once(at).chain(equal.filter(|at| relation.role(*at) == Role::Inner));
    let same = |column: &Stored, at: ColumnAt| {
        let as_it_is = !column.key && Packing::of(&column.ty) == Packing::of(&column.scalar.ty());
        as_it_is && place(&column.scalar) == Some(at)
    };
    places.find_map(|at| stored.iter().position(|column| same(column, at)))
}
