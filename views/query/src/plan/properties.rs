//! What is certain of every node's rows: columns that are never NULL, sets of columns that are unique.

use std::collections::{BTreeSet, HashMap};

use super::{CountKind, Id, Join, JoinKind, Rel, Scalar, TopK};

/// Sets of more keys than this are not kept: rewrites ask for the short ones.
const KEYS_MAX: usize = 8;

impl Rel {
    /// The columns that are never NULL.
    pub fn not_null(&self) -> BTreeSet<Id> {
        match self {
            Rel::Get(get) => {
                let sure = get.columns.iter().filter(|(at, _)| get.relation.columns[*at].not_null);
                sure.map(|(_, id)| *id).collect()
            }
            Rel::Values { columns, rows } => {
                let sure = columns.iter().enumerate().filter(|(i, _)| rows.iter().all(|row| is_value(&row[*i])));
                sure.map(|(_, id)| *id).collect()
            }
            Rel::Map { input, scalars } => {
                let mut sure = input.not_null();
                let more: Vec<Id> =
                    scalars.iter().filter(|(_, scalar)| never_null(scalar, &sure)).map(|(id, _)| *id).collect();
                sure.extend(more);
                sure
            }
            Rel::Filter { input, predicates } => {
                let mut sure = input.not_null();
                predicates.iter().for_each(|predicate| sure.extend(rejects_null(predicate)));
                sure
            }
            Rel::Project { input, columns } => {
                let sure = input.not_null();
                columns.iter().copied().filter(|id| sure.contains(id)).collect()
            }
            Rel::Join(join) => join_not_null(join),
            Rel::Reduce { input, keys, aggregates } => {
                let sure = input.not_null();
                let counts = aggregates.iter().filter(|(_, a)| a.call.function.0.name == "count").map(|(id, _)| *id);
                keys.iter().copied().filter(|id| sure.contains(id)).chain(counts).collect()
            }
            Rel::TopK(top) => top.input.not_null(),
            Rel::Window { input, .. } => input.not_null(),
            Rel::FlatMap { input, ordinality, .. } => input.not_null().into_iter().chain(*ordinality).collect(),
            Rel::Union { columns, inputs } => {
                let sure: Vec<_> = inputs.iter().map(|(rel, ids)| (rel.not_null(), ids)).collect();
                let certain = |i: usize| sure.iter().all(|(sure, ids)| sure.contains(&ids[i]));
                columns.iter().enumerate().filter(|(i, _)| certain(*i)).map(|(_, id)| *id).collect()
            }
            Rel::Count(count) => {
                let (left, right) = (count.left.0.not_null(), count.right.0.not_null());
                let certain = |i: usize| {
                    left.contains(&count.left.1[i])
                        || count.kind == CountKind::Intersect && right.contains(&count.right.1[i])
                };
                count.columns.iter().enumerate().filter(|(i, _)| certain(*i)).map(|(_, id)| *id).collect()
            }
            Rel::Let(binding) => binding.body.not_null(),
            Rel::LetRec(binding) => binding.body.not_null(),
            Rel::Ref { .. } => BTreeSet::new(),
        }
    }

    /// Sets of columns in which no two rows are equal, NULLs being equal. An empty set: at most one row.
    pub fn keys(&self) -> Vec<BTreeSet<Id>> {
        let mut keys = match self {
            Rel::Get(get) => {
                let place: HashMap<usize, Id> = get.columns.iter().copied().collect();
                let key = |key: &Vec<usize>| key.iter().map(|at| place.get(at).copied()).collect::<Option<_>>();
                get.relation.keys.iter().filter_map(key).collect()
            }
            Rel::Values { rows, .. } if rows.len() <= 1 => vec![BTreeSet::new()],
            Rel::Values { .. } | Rel::Ref { .. } | Rel::Union { .. } => Vec::new(),
            Rel::Map { input, .. } | Rel::Window { input, .. } => input.keys(),
            Rel::Filter { input, predicates } => filter_keys(input.keys(), predicates),
            Rel::Project { input, columns } => {
                let kept: BTreeSet<Id> = columns.iter().copied().collect();
                input.keys().into_iter().filter(|key| key.is_subset(&kept)).collect()
            }
            Rel::Join(join) => join_keys(join),
            Rel::Reduce { input, keys, .. } => {
                let own: BTreeSet<Id> = keys.iter().copied().collect();
                let mut all: Vec<_> = input.keys().into_iter().filter(|key| key.is_subset(&own)).collect();
                all.push(own);
                all
            }
            Rel::TopK(top) => top_keys(top),
            Rel::FlatMap { input, ordinality, .. } => match ordinality {
                Some(ordinality) => {
                    let with = |mut key: BTreeSet<Id>| {
                        key.insert(*ordinality);
                        key
                    };
                    input.keys().into_iter().map(with).collect()
                }
                None => Vec::new(),
            },
            Rel::Count(count) if !count.all => vec![count.columns.iter().copied().collect()],
            Rel::Count(_) => Vec::new(),
            Rel::Let(binding) => binding.body.keys(),
            Rel::LetRec(binding) => binding.body.keys(),
        };
        keys.sort_by_key(BTreeSet::len);
        keys.dedup();
        keys.truncate(KEYS_MAX);
        keys
    }

    /// Whether there is at most one row.
    pub fn is_single(&self) -> bool {
        self.keys().first().is_some_and(BTreeSet::is_empty)
    }
}

fn is_value(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::Literal(constant) if constant.value.is_some())
}

fn never_null(scalar: &Scalar, sure: &BTreeSet<Id>) -> bool {
    match scalar {
        Scalar::Column(id, _) => sure.contains(id),
        Scalar::Is(..) | Scalar::Distinct(..) | Scalar::Row(..) | Scalar::Array(..) => true,
        Scalar::Coalesce(parts) => parts.iter().any(|part| never_null(part, sure)),
        Scalar::And(parts) | Scalar::Or(parts) => parts.iter().all(|part| never_null(part, sure)),
        Scalar::Not(inner) => never_null(inner, sure),
        other => is_value(other),
    }
}

/// The columns whose NULL makes `predicate` NULL or false.
pub(crate) fn rejects_null(predicate: &Scalar) -> BTreeSet<Id> {
    match predicate {
        Scalar::And(parts) => parts.iter().flat_map(rejects_null).collect(),
        Scalar::Or(parts) => {
            let mut sets = parts.iter().map(rejects_null);
            let first = sets.next().unwrap_or_default();
            sets.fold(first, |all, set| all.intersection(&set).copied().collect())
        }
        Scalar::Not(inner) => match &**inner {
            // NOT (a AND b) is true if a is false and b NULL.
            Scalar::And(_) | Scalar::Or(_) => BTreeSet::new(),
            inner => null_if_null(inner),
        },
        Scalar::Is(super::Test::NotNull, inner) if !is_record(inner) => null_if_null(inner),
        Scalar::Is(super::Test::True | super::Test::False, inner) => null_if_null(inner),
        other => null_if_null(other),
    }
}

fn is_record(scalar: &Scalar) -> bool {
    matches!(scalar.ty().ty, tidewater_types::Type::Record(_))
}

/// The columns whose NULL makes `scalar` NULL.
fn null_if_null(scalar: &Scalar) -> BTreeSet<Id> {
    match scalar {
        Scalar::Column(id, _) => BTreeSet::from([*id]),
        Scalar::Call(call) if call.function.0.strict => call.args.iter().flat_map(null_if_null).collect(),
        Scalar::Cast(cast) => null_if_null(&cast.input),
        Scalar::Not(inner) => null_if_null(inner),
        _ => BTreeSet::new(),
    }
}

fn join_not_null(join: &Join) -> BTreeSet<Id> {
    let left = join.left.not_null();
    match join.kind {
        JoinKind::Inner => {
            let mut sure = left;
            sure.extend(join.right.not_null());
            join.on.iter().for_each(|predicate| sure.extend(rejects_null(predicate)));
            sure
        }
        JoinKind::Left | JoinKind::Single | JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_) => left,
        JoinKind::Full => BTreeSet::new(),
    }
}

/// Columns that are compared with values or columns from outside are fixed: a key needs no such column.
fn filter_keys(keys: Vec<BTreeSet<Id>>, predicates: &[Scalar]) -> Vec<BTreeSet<Id>> {
    let fixed: BTreeSet<Id> = predicates.iter().filter_map(fixed_column).collect();
    keys.into_iter().map(|key| key.difference(&fixed).copied().collect()).collect()
}

/// The column that `predicate` sets equal to a constant.
fn fixed_column(predicate: &Scalar) -> Option<Id> {
    let (a, b) = super::equality(predicate)?;
    let constant = |scalar: &Scalar| matches!(scalar, Scalar::Literal(_) | Scalar::Parameter(..));
    match (a, b) {
        (Scalar::Column(id, _), other) | (other, Scalar::Column(id, _)) if constant(other) => Some(*id),
        _ => None,
    }
}

fn join_keys(join: &Join) -> Vec<BTreeSet<Id>> {
    let left = join.left.keys();
    match join.kind {
        JoinKind::Semi | JoinKind::Anti | JoinKind::Mark(_) | JoinKind::Single => return left,
        _ => {}
    }
    let right = join.right.keys();
    let (left_columns, right_columns) = (join.left.columns(), join.right.columns());
    let (mut left_fixed, mut right_fixed) = (BTreeSet::new(), BTreeSet::new());
    for (a, b) in join.on.iter().filter_map(super::equality) {
        if let (Scalar::Column(a, _), Scalar::Column(b, _)) = (a, b) {
            for (a, b) in [(a, b), (b, a)] {
                if left_columns.contains(a) && right_columns.contains(b) {
                    left_fixed.insert(*a);
                    right_fixed.insert(*b);
                }
            }
        }
    }
    let mut keys = Vec::new();
    // A row of one side meets at most one of the other if the columns that are set equal hold a key there.
    if right.iter().any(|key| key.is_subset(&right_fixed)) && join.kind != JoinKind::Full {
        keys.extend(left.iter().cloned());
    }
    if left.iter().any(|key| key.is_subset(&left_fixed)) && join.kind == JoinKind::Inner {
        keys.extend(right.iter().cloned());
    }
    if join.kind != JoinKind::Full {
        let pairs = left.iter().flat_map(|a| right.iter().map(move |b| a.union(b).copied().collect()));
        keys.extend(pairs);
    }
    keys
}

fn top_keys(top: &TopK) -> Vec<BTreeSet<Id>> {
    let mut keys = top.input.keys();
    let one = super::is_int(top.limit.as_ref(), 1) || super::is_int(top.limit.as_ref(), 0);
    if one && !top.ties {
        keys.push(top.partition.iter().copied().collect());
    }
    keys
}
