//! Point lookups: `SELECT columns FROM object WHERE key = value` through an index, without a plan to run.

use std::sync::Arc;

use tidewater_delta::{Row, RowBuilder, Width};
use tidewater_engine::{IndexId, NodeId, Trail};
use tidewater_query::plan::{Constant, Get, Id, Rel, Scalar, equality};
use tidewater_query::{Plan, Relation};
use tidewater_types::{ColumnType, Packing, Type};

use crate::Result;
use crate::catalog::Body;
use crate::database::Database;
use crate::names;
use crate::within::TransactionMoment;

/// Where a part of the key comes from.
#[derive(Debug, Clone)]
enum Part {
    Literal(Constant),
    /// Number of a parameter, from 0.
    Parameter(usize),
}

/// A lookup that an index answers.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// The object.
    pub(crate) name: String,
    relation: Arc<Relation>,
    node: NodeId,
    index: IndexId,
    /// Of each of the index's columns its type and value.
    key: Vec<(ColumnType, Part)>,
    key_widths: Arc<[Width]>,
    /// Columns of the answer.
    output: Vec<usize>,
    output_widths: Arc<[Width]>,
}

fn width(ty: &ColumnType) -> Width {
    Packing::of(ty).width()
}

impl Database {
    /// The lookup that a plan is, if it is one and an index of exactly its columns exists.
    pub(crate) fn lookup_of(&self, plan: &Plan) -> Option<Lookup> {
        let mut rel = &plan.rel;
        if let Rel::Project { input, .. } = rel {
            rel = input;
        }
        let Rel::Filter { input, predicates } = rel else { return None };
        let Rel::Get(get) = input.as_ref() else { return None };
        let name = names::key(&get.relation.schema, &get.relation.name);
        let node = self.object_of(&get.relation)?.node()?;
        let column = |id: Id| get.columns.iter().find(|(_, of)| *of == id).map(|(at, _)| *at);
        let output = plan.output.iter().map(|(_, id)| column(*id)).collect::<Option<Vec<_>>>()?;
        let mut key = Vec::new();
        for predicate in predicates {
            let (a, b) = equality(predicate)?;
            let (at, value) = compared(get, a, b).or_else(|| compared(get, b, a))?;
            if key.iter().any(|(known, _)| *known == at) {
                return None;
            }
            key.push((at, value));
        }
        let (columns, index) = self.index_by(&name, node, &key.iter().map(|(at, _)| *at).collect::<Vec<_>>())?;
        key.sort_by_key(|(at, _)| columns.iter().position(|column| column == at));
        let ty = |at: usize| get.relation.columns[at].ty.clone();
        let key: Vec<(ColumnType, Part)> = key.into_iter().map(|(at, part)| (ty(at), part)).collect();
        let key_widths = key.iter().map(|(ty, _)| width(ty)).collect();
        let output_widths = output.iter().map(|at| width(&ty(*at))).collect();
        Some(Lookup { name, relation: get.relation.clone(), node, index, key, key_widths, output, output_widths })
    }

    /// An index of the object by exactly these columns, in any order.
    fn index_by(&self, name: &str, node: NodeId, wanted: &[usize]) -> Option<(Vec<usize>, IndexId)> {
        let same = |columns: &[usize]| columns.len() == wanted.len() && columns.iter().all(|at| wanted.contains(at));
        if let Some(found) = self.key_indexes.get(&node).into_iter().flatten().find(|(columns, _)| same(columns)) {
            return Some(found.clone());
        }
        self.objects.values().find_map(|object| match &object.body {
            Body::Index { on, index, columns } if on == name && same(columns) => Some((columns.clone(), *index)),
            _ => None,
        })
    }

    /// The rows of a lookup; `None` where a value may equal values of its column that are packed another way, which a scan
    /// sorts out, the index is still being filled, or too much has left the table since the moment.
    ///
    /// # Errors
    /// The error that a row of the view has instead of a value.
    pub(crate) fn look_up(
        &self,
        lookup: &Lookup,
        parameters: &[Constant],
        moment: Option<&TransactionMoment>,
    ) -> Result<Option<Vec<Row>>> {
        if !self.circuit.is_filled(lookup.index) {
            return Ok(None);
        }
        if moment.is_none()
            && let Some(error) = self.circuit.error(lookup.node)
        {
            return Err(error.clone());
        }
        let mut key = RowBuilder::new(lookup.key_widths.clone());
        for (place, (ty, part)) in lookup.key.iter().enumerate() {
            let value = match part {
                Part::Literal(value) => Some(value),
                Part::Parameter(number) => parameters.get(*number),
            };
            let Some(value) = value else { return Ok(None) };
            if value.value.is_none() {
                // NULL equals nothing.
                return Ok(Some(Vec::new()));
            }
            if !is_packed_alike(&value.ty, ty) {
                return Ok(None);
            }
            Packing::of(ty).set(&mut key, place, &value.datum());
        }
        let found = match moment {
            None => self.circuit.lookup(lookup.index, key.finish()),
            Some(moment) => {
                let rows = moment.rows(&lookup.relation, lookup.node)?;
                let keys = [key.finish()];
                let trail = self.circuit.trail(rows, lookup.index, &keys).filter(Trail::is_known);
                let Some(trail) = trail else { return Ok(None) };
                rows.found(&trail, &keys)
            }
        };
        let mut builder = RowBuilder::new(lookup.output_widths.clone());
        let mut rows = Vec::new();
        for (row, weight) in found {
            for (to, from) in lookup.output.iter().enumerate() {
                builder.copy(to, row, *from);
            }
            let row = builder.take();
            rows.extend(std::iter::repeat_n(row, usize::try_from(weight).unwrap_or(0)));
        }
        Ok(Some(rows))
    }
}

/// The column of `get` that a side of an equality is, and the value on the other side.
fn compared(get: &Get, column: &Scalar, value: &Scalar) -> Option<(usize, Part)> {
    let column = match column {
        // varchar is compared as text, which it is packed as.
        Scalar::Cast(cast) if is_text(&cast.ty.ty) && is_text(&cast.input.ty().ty) => &cast.input,
        other => other,
    };
    let Scalar::Column(id, _) = column else { return None };
    let at = get.columns.iter().find(|(_, of)| of == id)?.0;
    let part = match value {
        Scalar::Literal(constant) => Part::Literal(constant.clone()),
        Scalar::Parameter(number, _) => Part::Parameter(*number as usize - 1),
        _ => return None,
    };
    Some((at, part))
}

/// Types of text of which equal values are the same bytes.
fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::Text | Type::Varchar)
}

/// Whether a value of type `from` equals values of a column of type `to` exactly if it is packed as they are.
fn is_packed_alike(from: &ColumnType, to: &ColumnType) -> bool {
    let whole = |ty: &Type| matches!(ty, Type::Int2 | Type::Int4 | Type::Int8);
    (whole(&from.ty) && whole(&to.ty))
        || (is_text(&from.ty) && is_text(&to.ty))
        || (from.ty == to.ty && from.ty != Type::Numeric && to.key_is_packed())
}
