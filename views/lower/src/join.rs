//! Joins: what is equal becomes an equality that rows are found by, the rest of the condition a filter.

use std::collections::BTreeSet;

use tidewater_engine::{ColumnAt, Equality, Role};
use tidewater_query::plan::{Id, Join, JoinKind, Scalar, Test};
use tidewater_types::Result;

use crate::columns::{Collected, Stored};
use crate::equality::{self, Form};
use crate::relation::{Predicate, Relation, place};
use crate::{Lowering, reading};

/// An equality between the sides of a join.
struct Key {
    /// Over the left side's slots.
    left: Scalar,
    /// Over the right side's.
    right: Scalar,
    form: Form,
    nulls_equal: bool,
}

/// A join's condition: what rows are found by, and the rest.
type Condition<'j> = (Vec<Key>, Vec<&'j Scalar>);

/// The columns of either side that are never NULL.
pub(crate) type Sure<'s> = (&'s BTreeSet<Id>, &'s BTreeSet<Id>);

impl Lowering<'_> {
    pub(crate) fn inner_join(&mut self, join: &Join, wanted: &BTreeSet<Id>) -> Result<Relation> {
        let needs = reading(wanted, &join.on);
        let left = self.relation(&join.left, &needs)?;
        let right = self.relation(&join.right, &needs)?;
        let none = BTreeSet::new();
        let (keys, rest) = condition(&join.on, &left, &right, Role::Inner, (&none, &none))?;
        let inner = |role: Role| role == Role::Inner;
        let (mut left, left_places) = self.side(left, keys.iter().map(|key| (&key.left, key.form)), &needs, inner)?;
        let (right, right_places) = self.side(right, keys.iter().map(|key| (&key.right, key.form)), &needs, inner)?;
        let by = left.sources.len();
        left.append(right);
        left.equalities.extend(equalities(&keys, &left_places, &right_places, by));
        rest.into_iter().try_for_each(|predicate| left.filter(predicate))?;
        Ok(left)
    }

    pub(crate) fn optional_join(&mut self, join: &Join, wanted: &BTreeSet<Id>) -> Result<Relation> {
        let needs = reading(wanted, &join.on);
        let left = self.relation(&join.left, &needs)?;
        let right = self.relation(&join.right, &needs)?;
        let role = match join.kind {
            JoinKind::Semi => Role::Semi,
            JoinKind::Anti => Role::Anti,
            JoinKind::Mark(_) => Role::Mark,
            JoinKind::Single => Role::Single,
            _ => Role::Outer,
        };
        let sure = match role {
            Role::Mark | Role::Anti => (join.left.not_null(), join.right.not_null()),
            _ => (BTreeSet::new(), BTreeSet::new()),
        };
        let sure = (&sure.0, &sure.1);
        if let Some(at) = nullable(&join.on, &left, &right, role, sure)? {
            return self.null_aware(join, at, (left, right), wanted, sure);
        }
        let mut joined = self.optional(left, right, role, &join.on, wanted, sure)?;
        if let JoinKind::Mark(id) = join.kind {
            joined.columns.insert(id, Relation::mark(joined.sources.len() - 1));
        }
        Ok(joined)
    }

    /// The left side with every row of the right one that matches, or the right side's rows without any: a union of both.
    pub(crate) fn full_join(&mut self, join: &Join, wanted: &BTreeSet<Id>) -> Result<Relation> {
        let needs = reading(wanted, &join.on);
        let left = self.relation(&join.left, &needs)?;
        let right = self.relation(&join.right, &needs)?;
        let none = BTreeSet::new();
        let matched = self.optional(left.clone(), right.clone(), Role::Outer, &join.on, wanted, (&none, &none))?;
        let alone = self.optional(right, left, Role::Anti, &join.on, wanted, (&none, &none))?;
        let made = [join.left.columns(), join.right.columns()].concat();
        let ids: Vec<Id> = made.into_iter().filter(|id| wanted.contains(id)).collect();
        let matched = self.stored(&matched, &ids).and_then(|stored| self.store(matched, stored))?;
        let missing = |id: &Id| {
            let ty = self.columns.ty(*id).clone();
            let null = Scalar::null(ty.clone());
            Stored::value(alone.columns.get(id).unwrap_or(&null), ty)
        };
        let stored = ids.iter().map(missing).collect();
        let alone = self.store(alone, stored)?;
        let node = self.union_node(vec![matched, alone]);
        Ok(Relation::of_node(node, ids.into_iter().zip(0..), self.circuit.types(node)))
    }

    /// The left side's rows, each with what the right side is to it.
    pub(crate) fn optional(
        &mut self,
        left: Relation,
        right: Relation,
        role: Role,
        on: &[Scalar],
        wanted: &BTreeSet<Id>,
        sure: Sure<'_>,
    ) -> Result<Relation> {
        let needs = reading(wanted, on);
        let left = self.with_source(left)?;
        // A row of NULLs must stand for a missing one, so what is read of it is what is stored.
        let shows = matches!(role, Role::Outer | Role::Single);
        let is_stored = |relation: &Relation| {
            let mut read = relation.columns.iter().filter(|(id, _)| shows && wanted.contains(id));
            relation.is_one_node() && read.all(|(_, scalar)| place(scalar).is_some())
        };
        let right = if is_stored(&right) { right } else { self.needed(right, &needs)? };
        let (keys, rest) = condition(on, &left, &right, role, sure)?;
        // What is looked up for a tuple may be found through a row that was looked up before.
        let readable = |role: Role| matches!(role, Role::Inner | Role::Outer | Role::Single);
        let (mut left, left_places) =
            self.side(left, keys.iter().map(|key| (&key.left, key.form)), &needs, readable)?;
        let inner = |role: Role| role == Role::Inner;
        let (right, right_places) = self.side(right, keys.iter().map(|key| (&key.right, key.form)), &needs, inner)?;
        let by = left.sources.len();
        let mut both = left.clone();
        both.append(right.clone());
        let filters = rest
            .into_iter()
            .map(|predicate| both.over_slots(predicate).map(|scalar| Predicate { scalar, on: Some(by) }));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        left.append_optional(right, role);
        left.equalities.extend(equalities(&keys, &left_places, &right_places, by));
        left.filters.extend(filters);
        Ok(left)
    }

    /// The relation with at least one source.
    fn with_source(&mut self, relation: Relation) -> Result<Relation> {
        if !relation.sources.is_empty() {
            return Ok(relation);
        }
        let ids: Vec<Id> = relation.columns.keys().copied().collect();
        self.as_node(relation, &ids)
    }

    /// The relation, its columns among `needs` stored.
    pub(crate) fn needed(&mut self, relation: Relation, needs: &BTreeSet<Id>) -> Result<Relation> {
        let ids: Vec<Id> = relation.columns.keys().copied().filter(|id| needs.contains(id)).collect();
        self.as_node(relation, &ids)
    }

    /// One side of a join and where its keys are. It is stored where rows cannot be found by them: a key that is computed, of
    /// another form, or of a source in a role that does not do.
    fn side<'k>(
        &mut self,
        relation: Relation,
        keys: impl Iterator<Item = (&'k Scalar, Form)> + Clone,
        needs: &BTreeSet<Id>,
        fits: impl Fn(Role) -> bool,
    ) -> Result<(Relation, Vec<ColumnAt>)> {
        let found = |(scalar, form): (&Scalar, Form)| {
            let at = place(scalar).filter(|at| fits(relation.role(*at)))?;
            if form == Form::Key { relation.keys.get(&at).copied() } else { Some(at) }
        };
        if let Some(places) = keys.clone().map(found).collect() {
            return Ok((relation, places));
        }
        let ids: Vec<Id> = relation.columns.keys().copied().filter(|id| needs.contains(id)).collect();
        let mut stored = Collected(self.stored(&relation, &ids)?);
        let mut places = Vec::new();
        let mut forms = Vec::new();
        for (scalar, form) in keys {
            let value = relation.columns.iter().find(|(id, column)| ids.contains(id) && *column == scalar);
            let number = stored.number(if form == Form::Key { Stored::key(scalar) } else { Stored::own(scalar) });
            places.push(ColumnAt { input: 0, column: number });
            if let (Form::Key, Some((id, _))) = (form, value) {
                forms.push((*id, number));
            }
        }
        let node = self.store(relation, stored.0)?;
        let mut side = Relation::of_node(node, ids.iter().copied().zip(0..), self.circuit.types(node));
        for (id, column) in forms {
            if let Some(at) = side.columns.get(&id).and_then(place) {
                side.keys.insert(at, ColumnAt { input: 0, column });
            }
        }
        Ok((side, places))
    }
}

fn equalities<'k>(
    keys: &'k [Key],
    left: &'k [ColumnAt],
    right: &'k [ColumnAt],
    by: usize,
) -> impl Iterator<Item = Equality> + use<'k> {
    keys.iter().zip(left.iter().zip(right)).map(move |(key, (left, right))| Equality {
        left: *left,
        right: ColumnAt { input: right.input + by, column: right.column },
        nulls_equal: key.nulls_equal,
    })
}

/// What of a condition rows can be found by.
fn condition<'j>(
    on: &'j [Scalar],
    left: &Relation,
    right: &Relation,
    role: Role,
    sure: Sure<'_>,
) -> Result<Condition<'j>> {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for predicate in on {
        match key(predicate, left, right, role, sure)? {
            Some(key) => keys.push(key),
            None => rest.push(predicate),
        }
    }
    Ok((keys, rest))
}

fn key(predicate: &Scalar, left: &Relation, right: &Relation, role: Role, sure: Sure<'_>) -> Result<Option<Key>> {
    // Where unknown is another answer than false, an index would not do: it finds no NULL.
    let (asked, certain) = match predicate {
        Scalar::Is(Test::NotFalse, inner) => (&**inner, false),
        Scalar::Is(Test::True, inner) => (&**inner, true),
        plain => (plain, role != Role::Mark),
    };
    let Some(found) = equality::of(asked) else { return Ok(None) };
    let from = |scalar: &Scalar, relation: &Relation| {
        let free = scalar.free();
        !free.is_empty() && free.iter().all(|id| relation.columns.contains_key(id))
    };
    let (a, b) = match () {
        () if from(found.left, left) && from(found.right, right) => (found.left, found.right),
        () if from(found.right, left) && from(found.left, right) => (found.right, found.left),
        () => return Ok(None),
    };
    if !(certain || found.nulls_equal || never_null(a, sure) && never_null(b, sure)) {
        return Ok(None);
    }
    let (a, b) = (left.over_slots(a)?, right.over_slots(b)?);
    let (a, b) = (equality::bare(&a).clone(), equality::bare(&b).clone());
    let form = equality::form(&a.ty(), &b.ty());
    Ok(form.map(|form| Key { left: a, right: b, form, nulls_equal: found.nulls_equal }))
}

/// The only part of a condition that an index would do for but for NULLs; the other parts are never unknown.
fn nullable(on: &[Scalar], left: &Relation, right: &Relation, role: Role, sure: Sure<'_>) -> Result<Option<usize>> {
    if !matches!(role, Role::Anti | Role::Mark) {
        return Ok(None);
    }
    let mut found = None;
    for (at, predicate) in on.iter().enumerate() {
        if key(predicate, left, right, role, sure)?.is_some() {
            continue;
        }
        let asked = if let Scalar::Is(Test::NotFalse, inner) = predicate { inner } else { predicate };
        let exists = Scalar::Is(Test::True, Box::new(asked.clone()));
        let wraps = role == Role::Mark || matches!(predicate, Scalar::Is(Test::NotFalse, _));
        if wraps && found.is_none() && key(&exists, left, right, role, sure)?.is_some() {
            found = Some(at);
        } else if role == Role::Mark && !matches!(predicate, Scalar::Is(..)) {
            return Ok(None);
        }
    }
    Ok(found)
}

pub(crate) fn never_null(scalar: &Scalar, sure: Sure<'_>) -> bool {
    match equality::bare(scalar) {
        Scalar::Column(id, _) => sure.0.contains(id) || sure.1.contains(id),
        Scalar::Literal(constant) => constant.value.is_some(),
        _ => false,
    }
}
