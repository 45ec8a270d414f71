//! A join without state: nodes, equalities, filters, output expressions.
//!
//! Expressions read *slots*: a column of a source is a column whose number holds the source's and the column's. So two relations
//! are equal exactly if they are the same values.

use std::collections::{BTreeMap, HashMap};

use tidewater_engine::{ColumnAt, Equality, JoinInput, NodeId, Role};
use tidewater_query::plan::{Id, Scalar};
use tidewater_types::{ColumnType, Result, Type};

use crate::columns::Stored;
use crate::equality;
use crate::refuse::broken;

/// Bits of a slot's number that hold the column.
const COLUMN_BITS: u32 = 16;
/// The column that a mark is read as; it has no row of its node.
const MARK: usize = (1 << COLUMN_BITS) - 1;

/// The scalar that reads a column of a source.
pub(crate) fn slot(at: ColumnAt, ty: ColumnType) -> Scalar {
    Scalar::Column(Id((at.input as u32) << COLUMN_BITS | at.column as u32), ty)
}

/// Where a slot is.
pub(crate) fn place_of(id: Id) -> ColumnAt {
    ColumnAt { input: (id.0 >> COLUMN_BITS) as usize, column: id.0 as usize & MARK }
}

/// Where a slot is in the tuples that expressions see.
pub(crate) fn read_at(id: Id) -> (usize, usize) {
    let at = place_of(id);
    (at.input, if at.column == MARK { 0 } else { at.column })
}

/// The slot that a scalar is, if it is one as it stands.
pub(crate) fn place(scalar: &Scalar) -> Option<ColumnAt> {
    match scalar {
        Scalar::Column(id, _) => Some(place_of(*id)).filter(|at| at.column != MARK),
        _ => None,
    }
}

/// Moves a scalar's slots by a number of sources.
fn shifted(mut scalar: Scalar, by: usize) -> Scalar {
    scalar.for_each_id_mut(&mut |id| id.0 += (by as u32) << COLUMN_BITS);
    scalar
}

/// A filter; `on` is the source, not an inner one, in whose ON clause it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) scalar: Scalar,
    pub(crate) on: Option<usize>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relation {
    /// The first is inner; none for one row without columns.
    pub(crate) sources: Vec<JoinInput>,
    pub(crate) equalities: Vec<Equality>,
    pub(crate) filters: Vec<Predicate>,
    /// What each column of the plan is, over slots.
    pub(crate) columns: BTreeMap<Id, Scalar>,
    /// Where the key form of a slot's values is stored beside it.
    pub(crate) keys: HashMap<ColumnAt, ColumnAt>,
}

impl Relation {
    /// The rows of a node: numbers of the plan, each with the node's column.
    pub(crate) fn of_node(node: NodeId, ids: impl IntoIterator<Item = (Id, usize)>, types: &[ColumnType]) -> Relation {
        let column = |(id, column): (Id, usize)| (id, slot(ColumnAt { input: 0, column }, types[column].clone()));
        Relation {
            sources: vec![JoinInput { node, role: Role::Inner }],
            columns: ids.into_iter().map(column).collect(),
            ..Relation::default()
        }
    }

    /// What a column of the plan is.
    pub(crate) fn column(&self, id: Id) -> Result<&Scalar> {
        self.columns.get(&id).ok_or_else(|| broken(format_args!("column #{} that nothing makes", id.0)))
    }

    /// The same rows, whose columns `from` are called `to`.
    pub(crate) fn renamed(&self, from: &[Id], to: &[Id]) -> Relation {
        let columns = from.iter().zip(to).filter_map(|(from, to)| Some((*to, self.columns.get(from)?.clone())));
        Relation { columns: columns.collect(), ..self.clone() }
    }

    /// A scalar of the plan, over slots.
    pub(crate) fn over_slots(&self, scalar: &Scalar) -> Result<Scalar> {
        for id in scalar.free() {
            self.column(id)?;
        }
        Ok(self.put(scalar.clone()))
    }

    /// Slots in the place of the plan's columns. Not by [`Scalar::substitute`], which would meet slots among what it has put in.
    fn put(&self, mut scalar: Scalar) -> Scalar {
        if let Scalar::Column(id, _) = &scalar {
            return self.columns.get(id).cloned().unwrap_or(scalar);
        }
        scalar.for_each_child_mut(&mut |child| *child = self.put(std::mem::replace(child, Scalar::And(Vec::new()))));
        scalar
    }

    /// How many parts a scalar of the plan has over slots.
    pub(crate) fn size_of(&self, scalar: &Scalar) -> usize {
        match scalar {
            Scalar::Column(id, _) => self.columns.get(id).map_or(1, parts),
            other => {
                let mut size = 1;
                other.for_each_child(&mut |child| size += self.size_of(child));
                size
            }
        }
    }

    /// The role of the source that a slot reads.
    pub(crate) fn role(&self, at: ColumnAt) -> Role {
        self.sources[at.input].role
    }

    /// Keeps the rows for which a predicate of the plan is true.
    pub(crate) fn filter(&mut self, predicate: &Scalar) -> Result<()> {
        let scalar = self.over_slots(predicate)?;
        if let Some(equality) = self.joining(&scalar) {
            self.equalities.push(equality);
            return Ok(());
        }
        self.filters.push(Predicate { scalar, on: None });
        Ok(())
    }

    /// An equality of two stored columns of different inner sources, found by packed bytes.
    fn joining(&self, scalar: &Scalar) -> Option<Equality> {
        let found = equality::of(scalar)?;
        let (a, b) = (place(equality::bare(found.left))?, place(equality::bare(found.right))?);
        let inner = |at: ColumnAt| self.role(at) == Role::Inner;
        let form = equality::form(&equality::bare(found.left).ty(), &equality::bare(found.right).ty())?;
        let joins = a.input != b.input && inner(a) && inner(b) && form == equality::Form::Packed;
        joins.then_some(Equality { left: a, right: b, nulls_equal: found.nulls_equal })
    }

    /// Puts another relation beside this one: all pairs.
    pub(crate) fn append(&mut self, other: Relation) {
        let by = self.sources.len();
        let moved = |at: ColumnAt| ColumnAt { input: at.input + by, column: at.column };
        self.sources.extend(other.sources);
        self.equalities.extend(other.equalities.into_iter().map(|equality| Equality {
            left: moved(equality.left),
            right: moved(equality.right),
            ..equality
        }));
        self.filters.extend(
            other
                .filters
                .into_iter()
                .map(|filter| Predicate { scalar: shifted(filter.scalar, by), on: filter.on.map(|input| input + by) }),
        );
        self.columns.extend(other.columns.into_iter().map(|(id, scalar)| (id, shifted(scalar, by))));
        self.keys.extend(other.keys.into_iter().map(|(at, key)| (moved(at), moved(key))));
    }

    /// Whether it is one node, its rows as they are or fewer of them, so that it can be looked up by those before it.
    pub(crate) fn is_one_node(&self) -> bool {
        self.sources.len() == 1
    }

    /// Whether it is the rows of one node, all of them.
    pub(crate) fn is_table(&self) -> bool {
        self.is_one_node() && self.filters.is_empty()
    }

    /// The column of the only node that holds what is to be stored, if one does.
    pub(crate) fn stored_at(&self, stored: &Stored) -> Option<usize> {
        let at = place(&stored.scalar)?;
        if stored.key { self.keys.get(&at).map(|key| key.column) } else { Some(at.column) }
    }

    /// Puts the rows of one node beside this relation, in a role other than inner. Its filters decide what matches, not what stays.
    pub(crate) fn append_optional(&mut self, mut other: Relation, role: Role) {
        let by = self.sources.len();
        other.sources[0].role = role;
        for filter in &mut other.filters {
            filter.on = Some(0);
            if role == Role::Mark {
                // A row that its own filter does not keep is none for which the mark is unknown.
                let scalar = std::mem::replace(&mut filter.scalar, Scalar::And(Vec::new()));
                filter.scalar = Scalar::Is(tidewater_query::plan::Test::True, Box::new(scalar));
            }
        }
        if !matches!(role, Role::Outer | Role::Single) {
            other.columns.clear();
            other.keys.clear();
        }
        self.append(other);
        debug_assert!(self.sources.len() == by + 1, "one node");
    }

    /// The scalar that reads the mark of a source.
    pub(crate) fn mark(input: usize) -> Scalar {
        slot(ColumnAt { input, column: MARK }, Type::Bool.into())
    }
}

fn parts(scalar: &Scalar) -> usize {
    let mut size = 1;
    scalar.for_each_child(&mut |child| size += parts(child));
    size
}
