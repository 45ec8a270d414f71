//! NOT IN, and IN as a value, where NULLs count: `x = y` is unknown if either is NULL, and unknown is another answer than false.
//!
//! An index finds no NULL. So one question becomes three, each of which an index answers: is there a row with `y = x`; is there a
//! row whose `y` is NULL; is there any row, if `x` is NULL.

use std::collections::BTreeSet;

use tidewater_engine::Role;
use tidewater_query::plan::{Case, Constant, Id, Join, JoinKind, Scalar, Test};
use tidewater_types::{Result, Type};

use crate::equality;
use crate::join::{Sure, never_null};
use crate::refuse::broken;
use crate::relation::Relation;
use crate::{Lowering, OWN, reading};

/// The columns of lowering's own that say whether the left value is NULL, and that a right row is there.
const IS_NULL: Id = Id(OWN);
const IS_THERE: Id = Id(OWN + 1);
/// Those that hold the answers: any row, if the left value is NULL; an equal row; a row that is NULL.
const MARK_NULL: Id = Id(OWN + 2);
const MARK_EQUAL: Id = Id(OWN + 3);
const MARK_OTHER: Id = Id(OWN + 4);

impl Lowering<'_> {
    /// A join whose condition has, at place `at`, an equality that may be unknown.
    pub(crate) fn null_aware(
        &mut self,
        join: &Join,
        at: usize,
        (mut left, right): (Relation, Relation),
        wanted: &BTreeSet<Id>,
        sure: Sure<'_>,
    ) -> Result<Relation> {
        let role = if join.kind == JoinKind::Anti { Role::Anti } else { Role::Mark };
        let mut others = join.on.clone();
        let written = others.remove(at);
        let asked = if let Scalar::Is(Test::NotFalse, inner) = written { *inner } else { written };
        let found = equality::of(&asked).ok_or_else(|| broken("no equality where there was one"))?;
        let from_left = found.left.free().iter().all(|id| left.columns.contains_key(id));
        let (x, y) = if from_left { (found.left, found.right) } else { (found.right, found.left) };
        let exists = Scalar::Is(Test::True, Box::new(asked.clone()));
        let with = |more: Scalar| [others.clone(), vec![more]].concat();
        // The tests that follow read what this side is joined by, and at last all marks are read.
        let mut needs = reading(wanted, join.on.iter());
        needs.extend([MARK_NULL, MARK_EQUAL, MARK_OTHER]);
        let mut made = Vec::new();
        if !never_null(x, sure) {
            let mut there = right.clone();
            there.columns.insert(IS_THERE, Scalar::Literal(Constant::bool(true)));
            left.columns.insert(IS_NULL, left.over_slots(&is_null(x))?);
            let own = |id| Box::new(Scalar::Column(id, Type::Bool.into()));
            let both = Scalar::Not(Box::new(Scalar::Distinct(own(IS_NULL), own(IS_THERE))));
            left = self.tested(left, there, (role, MARK_NULL), &with(both), &needs, sure)?;
            left.columns.remove(&IS_NULL);
            made.push(MARK_NULL);
        }
        left = self.tested(left, right.clone(), (role, MARK_EQUAL), &with(exists), &needs, sure)?;
        if !never_null(y, sure) {
            let mut nulls = right;
            nulls.filter(&Scalar::Is(Test::Null, Box::new(y.clone())))?;
            let nulls = self.needed(nulls, &needs)?;
            left = self.tested(left, nulls, (role, MARK_OTHER), &others, &needs, sure)?;
            made.push(MARK_OTHER);
        }
        if let JoinKind::Mark(id) = join.kind {
            let is = |truth: bool| Scalar::Literal(Constant::bool(truth));
            let mut branches = vec![(left.column(MARK_EQUAL)?.clone(), is(true))];
            for mark in made {
                branches.push((left.column(mark)?.clone(), Scalar::null(Type::Bool)));
            }
            left.columns.insert(id, case(branches, is(false)));
            [MARK_NULL, MARK_EQUAL, MARK_OTHER].iter().for_each(|mark| drop(left.columns.remove(mark)));
        }
        Ok(left)
    }

    /// One of the questions, its answer a column if it is not a condition.
    fn tested(
        &mut self,
        left: Relation,
        right: Relation,
        (role, mark): (Role, Id),
        on: &[Scalar],
        needs: &BTreeSet<Id>,
        sure: Sure<'_>,
    ) -> Result<Relation> {
        let mut joined = self.optional(left, right, role, on, needs, sure)?;
        if role == Role::Mark {
            joined.columns.insert(mark, Relation::mark(joined.sources.len() - 1));
        }
        Ok(joined)
    }
}

/// True where a scalar is NULL, else NULL, which equals nothing.
fn is_null(scalar: &Scalar) -> Scalar {
    let null = Scalar::Is(Test::Null, Box::new(scalar.clone()));
    case(vec![(null, Scalar::Literal(Constant::bool(true)))], Scalar::null(Type::Bool))
}

fn case(branches: Vec<(Scalar, Scalar)>, otherwise: Scalar) -> Scalar {
    Scalar::Case(Box::new(Case { branches, otherwise, ty: Type::Bool.into() }))
}
