//! Which of several functions or operators of one name a call means
//! (<https://www.postgresql.org/docs/15/typeconv-func.html>, <https://www.postgresql.org/docs/15/typeconv-oper.html>).

use tidewater_functions::{CastContext, Function, Param};
use tidewater_types::Type;

use super::coerce::can_coerce;

/// What the rules say.
pub(super) enum Choice {
    /// This one.
    One(&'static Function),
    /// None takes these arguments.
    Nothing,
    /// Several do, and none is better.
    Several,
}

/// Chooses among `candidates` for arguments of `types`; `packed` says whether the last is written VARIADIC.
pub(super) fn choose(candidates: &[&'static Function], types: &[Type], packed: bool) -> Choice {
    let takes = |function: &&&'static Function| {
        function.takes(types.len()) && (!packed || function.variadic && types.len() == function.params.len())
    };
    let fitting: Vec<&'static Function> = candidates.iter().filter(takes).copied().collect();
    if let Some(exact) = fitting.iter().find(|function| exact(function, types, packed)) {
        return Choice::One(exact);
    }
    let accepts = |function: &&'static Function| {
        (0..types.len()).all(|i| accepts(&function.param(i, packed), &types[i])) && agree(function, types, packed)
    };
    let fitting: Vec<&'static Function> = fitting.into_iter().filter(accepts).collect();
    match fitting.len() {
        0 => Choice::Nothing,
        1 => Choice::One(fitting[0]),
        _ => best(fitting, types, packed),
    }
}

/// A binary operator: where one side is a literal without a type, one that takes the other side's type twice is meant.
pub(super) fn choose_operator(candidates: &[&'static Function], types: &[Type]) -> Choice {
    if let [left, right] = types {
        let assumed = match (left, right) {
            (Type::Unknown, Type::Unknown) => None,
            (Type::Unknown, other) | (other, Type::Unknown) => Some([other.clone(), other.clone()]),
            _ => None,
        };
        if let Some(assumed) = assumed
            && let Some(found) = candidates.iter().find(|function| exact(function, &assumed, false))
        {
            return Choice::One(found);
        }
    }
    choose(candidates, types, false)
}

fn exact(function: &Function, types: &[Type], packed: bool) -> bool {
    function.takes(types.len()) && (0..types.len()).all(|i| is_exactly(&function.param(i, packed), &types[i]))
}

fn is_exactly(param: &Param, ty: &Type) -> bool {
    match param {
        Param::Of(of) => of == ty && *ty != Type::Unknown,
        Param::AnyRecord => matches!(ty, Type::Record(_)),
        _ => false,
    }
}

/// Whether an argument of `ty` may be given for `param`.
fn accepts(param: &Param, ty: &Type) -> bool {
    if *ty == Type::Unknown {
        return true;
    }
    match param {
        Param::Of(of) => can_coerce(ty, of, CastContext::Implicit),
        Param::Any | Param::AnyElement | Param::AnyCompatible => *ty != Type::Void,
        Param::AnyNonArray | Param::AnyCompatibleNonArray => !matches!(ty, Type::Array(_)),
        Param::AnyArray | Param::AnyCompatibleArray => {
            matches!(ty, Type::Array(_) | Type::Int2Vector | Type::OidVector)
        }
        Param::AnyRange | Param::AnyCompatibleRange => matches!(ty, Type::Range(_)),
        Param::AnyMultirange | Param::AnyCompatibleMultirange => matches!(ty, Type::Multirange(_)),
        Param::AnyList => matches!(ty, Type::List(_)),
        Param::AnyMap => matches!(ty, Type::Map(_)),
        Param::AnyRecord => matches!(ty, Type::Record(_)),
    }
}

/// Whether the arguments for one family agree on what it stands for.
fn agree(function: &Function, types: &[Type], packed: bool) -> bool {
    let mut common = |types: &[Type]| super::coerce::common_type(types, function.name);
    let polymorphic = (0..types.len()).any(|i| !matches!(function.param(i, packed), Param::Of(_) | Param::Any));
    // A family of which only literals without a type are given is text, which the call says later.
    let all_unknown = types.iter().all(|ty| *ty == Type::Unknown);
    !polymorphic || all_unknown || tidewater_functions::resolve(function, types, packed, &mut common).is_ok()
}

fn best(mut left: Vec<&'static Function>, types: &[Type], packed: bool) -> Choice {
    let count = types.len();
    // Most exact matches.
    keep_best(&mut left, |function| (0..count).filter(|&i| is_exactly(&function.param(i, packed), &types[i])).count());
    if let [one] = left[..] {
        return Choice::One(one);
    }
    // Most arguments that are exact or become the preferred type of their category.
    keep_best(&mut left, |function| {
        let good = |i: usize| {
            let param = function.param(i, packed);
            is_exactly(&param, &types[i]) || is_preferred_for(&param, &types[i])
        };
        (0..count).filter(|&i| types[i] != Type::Unknown && good(i)).count()
    });
    if let [one] = left[..] {
        return Choice::One(one);
    }
    if types.iter().all(|ty| *ty != Type::Unknown) {
        return Choice::Several;
    }
    if let Some(kept) = by_category(&left, types, packed) {
        left = kept;
        if let [one] = left[..] {
            return Choice::One(one);
        }
    }
    same_as_known(&left, types, packed)
}

fn keep_best(functions: &mut Vec<&'static Function>, score: impl Fn(&Function) -> usize) {
    let most = functions.iter().map(|function| score(function)).max().unwrap_or(0);
    functions.retain(|function| score(function) == most);
}

fn is_preferred_for(param: &Param, ty: &Type) -> bool {
    match param {
        Param::Of(of) => of.is_preferred() && of.category() == ty.category(),
        _ => false,
    }
}

fn category(param: &Param) -> char {
    match param {
        Param::Of(of) => of.category(),
        Param::AnyArray | Param::AnyCompatibleArray => 'A',
        _ => 'P',
    }
}

/// For arguments without a type: the category string if a candidate takes one there, else the one that all take; then only
/// candidates that take the category, and its preferred type if one does.
fn by_category(left: &[&'static Function], types: &[Type], packed: bool) -> Option<Vec<&'static Function>> {
    let mut kept = left.to_vec();
    for i in (0..types.len()).filter(|&i| types[i] == Type::Unknown) {
        let categories: Vec<char> = left.iter().map(|function| category(&function.param(i, packed))).collect();
        let chosen = match categories.split_first() {
            _ if categories.contains(&'S') => 'S',
            Some((first, rest)) if rest.iter().all(|other| other == first) => *first,
            _ => return None,
        };
        let preferred = |function: &Function| matches!(function.param(i, packed), Param::Of(of) if of.is_preferred());
        let some_preferred =
            left.iter().any(|function| category(&function.param(i, packed)) == chosen && preferred(function));
        kept.retain(|function| {
            category(&function.param(i, packed)) == chosen && (!some_preferred || preferred(function))
        });
    }
    if kept.is_empty() { None } else { Some(kept) }
}

/// If all arguments that have a type have the same, the others are assumed to be of it.
fn same_as_known(left: &[&'static Function], types: &[Type], packed: bool) -> Choice {
    let mut known = types.iter().filter(|ty| **ty != Type::Unknown);
    let Some(first) = known.next() else { return Choice::Several };
    if known.any(|ty| ty != first) {
        return Choice::Several;
    }
    let same = vec![first.clone(); types.len()];
    let takes = |function: &&&'static Function| {
        let accepted =
            (0..types.len()).all(|i| types[i] != Type::Unknown || accepts(&function.param(i, packed), first));
        accepted && agree(function, &same, packed)
    };
    let mut fitting = left.iter().filter(takes);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Choice::One(one),
        _ => Choice::Several,
    }
}
