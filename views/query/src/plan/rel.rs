//! Relations: the algebra that every query is bound to. Few nodes; everything else is sugar that the binder removes.

use std::sync::Arc;

use super::{Aggregate, Call, Id, Scalar, WindowCall};
use crate::catalog::Relation;

/// A relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rel {
    /// A table, view or index of the catalog.
    Get(Get),
    /// Rows written out; they see no input. No column and one row is the input of a SELECT without FROM.
    Values {
        /// The columns.
        columns: Vec<Id>,
        /// One scalar a column.
        rows: Vec<Vec<Scalar>>,
    },
    /// The input with more columns.
    Map {
        /// Where rows come from.
        input: Box<Rel>,
        /// The new columns; none sees another.
        scalars: Vec<(Id, Scalar)>,
    },
    /// The rows for which all predicates are true.
    Filter {
        /// Where rows come from.
        input: Box<Rel>,
        /// Three-valued; ANDed.
        predicates: Vec<Scalar>,
    },
    /// Some columns of the input, in an order of its own.
    Project {
        /// Where rows come from.
        input: Box<Rel>,
        /// The columns.
        columns: Vec<Id>,
    },
    /// Pairs of rows.
    Join(Box<Join>),
    /// One row a group; without keys exactly one row. Without aggregates: DISTINCT.
    Reduce {
        /// Where rows come from.
        input: Box<Rel>,
        /// Equal keys are a group; shown is the least packed form in the group.
        keys: Vec<Id>,
        /// The aggregates.
        aggregates: Vec<(Id, Aggregate)>,
    },
    /// Rows sorted, and of each partition the first ones.
    TopK(Box<TopK>),
    /// The input with columns that see other rows of the partition.
    Window {
        /// Where rows come from.
        input: Box<Rel>,
        /// PARTITION BY.
        partition: Vec<Id>,
        /// ORDER BY.
        order: Vec<Order>,
        /// The new columns. Their own `partition` and `order` are empty: they stand here.
        calls: Vec<(Id, WindowCall)>,
    },
    /// All rows of all inputs.
    Union {
        /// The columns.
        columns: Vec<Id>,
        /// The inputs, each with its columns in this order.
        inputs: Vec<(Rel, Vec<Id>)>,
    },
    /// INTERSECT or EXCEPT: arithmetic on how often each row occurs.
    Count(Box<Count>),
    /// Each row with the rows that set-returning functions give for it, in lockstep: the shorter are filled with NULLs.
    FlatMap {
        /// Where rows come from.
        input: Box<Rel>,
        /// The functions, each with the columns it makes.
        calls: Vec<(Vec<Id>, Call)>,
        /// WITH ORDINALITY.
        ordinality: Option<Id>,
    },
    /// A relation that is used several times.
    Let(Box<Let>),
    /// A relation that is defined by itself.
    LetRec(Box<LetRec>),
    /// A use of a [`Let`] or [`LetRec`].
    Ref {
        /// Which.
        id: LetId,
        /// Its columns, in the definition's order, under numbers of their own.
        columns: Vec<Id>,
    },
}

/// The number of a [`Let`], unique in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetId(pub u32);

/// A relation of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Get {
    /// Which.
    pub relation: Arc<Relation>,
    /// The columns that are read: position in the relation, number in the plan.
    pub columns: Vec<(usize, Id)>,
}

/// What a join gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// All pairs.
    Inner,
    /// And every left row without a partner, with NULLs.
    Left,
    /// And every row of either side without a partner.
    Full,
    /// Each left row that has a partner, once.
    Semi,
    /// Each left row that has none.
    Anti,
    /// Each left row with a truth value: the three-valued OR of the condition over all right rows.
    Mark(Id),
    /// As Left, but a second partner is an error (21000): a scalar subquery.
    Single,
}

/// Pairs of rows. The right side may use columns of the left until unnesting is done (a dependent join).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Join {
    /// What it gives.
    pub kind: JoinKind,
    /// The left side.
    pub left: Rel,
    /// The right side.
    pub right: Rel,
    /// Three-valued; ANDed.
    pub on: Vec<Scalar>,
}

/// A part of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// What to sort by.
    pub id: Id,
    /// Greatest first.
    pub descending: bool,
    /// Where NULLs go.
    pub nulls_first: bool,
}

/// Rows sorted, and of each partition the first ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopK {
    /// Where rows come from.
    pub input: Rel,
    /// Limit and offset are the partition's.
    pub partition: Vec<Id>,
    /// The order; empty for any.
    pub order: Vec<Order>,
    /// How many rows; NULL or none for all.
    pub limit: Option<Scalar>,
    /// How many rows to leave out first.
    pub offset: Option<Scalar>,
    /// Rows that are equal to the last one belong, too (WITH TIES).
    pub ties: bool,
}

/// Which counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountKind {
    /// The lesser of both.
    Intersect,
    /// Left less right.
    Except,
}

/// INTERSECT or EXCEPT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Count {
    /// Which.
    pub kind: CountKind,
    /// With ALL rows may occur several times.
    pub all: bool,
    /// The columns.
    pub columns: Vec<Id>,
    /// The left side, with its columns in this order.
    pub left: (Rel, Vec<Id>),
    /// The right side, with its columns in this order.
    pub right: (Rel, Vec<Id>),
}

/// A relation that is used several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Let {
    /// Its number.
    pub id: LetId,
    /// What it is.
    pub value: Rel,
    /// The columns that uses see, in their order.
    pub columns: Vec<Id>,
    /// Where it is used.
    pub body: Rel,
}

/// Which rows a recursion has in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recursion {
    /// UNION ALL: those of all turns. A turn sees the rows that the last one found.
    All,
    /// UNION: the same, but a row that was found before is not found again.
    Distinct,
    /// WITH MUTUALLY RECURSIVE: those of the last turn. A turn sees the rows of the one before, the first one none; the one that
    /// finds the same rows is the last.
    Fixpoint(Option<TurnLimit>),
}

/// RECURSION LIMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TurnLimit {
    /// How many turns there are at the most.
    pub turns: u64,
    /// Whether it is an error if more would be needed.
    pub is_error: bool,
}

/// A relation that is defined by itself: `base`, and again and again what `step` makes of the rows found last, until there are no
/// new ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LetRec {
    /// Its number.
    pub id: LetId,
    /// The columns that uses see.
    pub columns: Vec<Id>,
    /// Where it begins, with its columns in this order.
    pub base: (Rel, Vec<Id>),
    /// How it goes on, with its columns in this order.
    pub step: (Rel, Vec<Id>),
    /// Which rows it has in the end.
    pub kind: Recursion,
    /// Where it is used.
    pub body: Rel,
}

impl Rel {
    /// One row without columns.
    pub fn unit() -> Rel {
        Rel::Values { columns: Vec::new(), rows: vec![Vec::new()] }
    }

    /// No row.
    pub fn empty(columns: Vec<Id>) -> Rel {
        Rel::Values { columns, rows: Vec::new() }
    }

    /// A join.
    pub fn join(kind: JoinKind, left: Rel, right: Rel, on: Vec<Scalar>) -> Rel {
        Rel::Join(Box::new(Join { kind, left, right, on }))
    }

    /// The rows for which all `predicates` are true.
    pub fn filter(self, predicates: Vec<Scalar>) -> Rel {
        let predicates = super::conjuncts(predicates);
        match self {
            _ if predicates.is_empty() => self,
            Rel::Filter { input, predicates: mut inner } => {
                inner.extend(predicates);
                Rel::Filter { input, predicates: inner }
            }
            input => Rel::Filter { input: Box::new(input), predicates },
        }
    }

    /// The relation with more columns.
    pub fn map(self, scalars: Vec<(Id, Scalar)>) -> Rel {
        if scalars.is_empty() { self } else { Rel::Map { input: Box::new(self), scalars } }
    }

    /// Some columns.
    pub fn project(self, columns: Vec<Id>) -> Rel {
        match self {
            Rel::Project { input, .. } => Rel::Project { input, columns },
            input if input.columns() == columns => input,
            input => Rel::Project { input: Box::new(input), columns },
        }
    }

    /// Each row once.
    pub fn distinct(self) -> Rel {
        let keys = self.columns();
        Rel::Reduce { input: Box::new(self), keys, aggregates: Vec::new() }
    }

    /// The columns that it makes, in order.
    pub fn columns(&self) -> Vec<Id> {
        match self {
            Rel::Get(get) => get.columns.iter().map(|(_, id)| *id).collect(),
            Rel::Values { columns, .. } | Rel::Project { columns, .. } => columns.clone(),
            Rel::Union { columns, .. } | Rel::Ref { columns, .. } => columns.clone(),
            Rel::Map { input, scalars } => with(input.columns(), scalars.iter().map(|(id, _)| *id)),
            Rel::Filter { input, .. } => input.columns(),
            Rel::Join(join) => match join.kind {
                JoinKind::Semi | JoinKind::Anti => join.left.columns(),
                JoinKind::Mark(id) => with(join.left.columns(), [id]),
                _ => with(join.left.columns(), join.right.columns()),
            },
            Rel::Reduce { keys, aggregates, .. } => with(keys.clone(), aggregates.iter().map(|(id, _)| *id)),
            Rel::TopK(top) => top.input.columns(),
            Rel::Window { input, calls, .. } => with(input.columns(), calls.iter().map(|(id, _)| *id)),
            Rel::Count(count) => count.columns.clone(),
            Rel::FlatMap { input, calls, ordinality } => {
                let made = calls.iter().flat_map(|(ids, _)| ids.iter().copied());
                with(input.columns(), made.chain(*ordinality))
            }
            Rel::Let(binding) => binding.body.columns(),
            Rel::LetRec(binding) => binding.body.columns(),
        }
    }
}

fn with(mut columns: Vec<Id>, more: impl IntoIterator<Item = Id>) -> Vec<Id> {
    columns.extend(more);
    columns
}
