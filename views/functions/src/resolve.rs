//! What the families among a function's parameters stand for, once the arguments' types are known
//! (<https://www.postgresql.org/docs/15/extend-type-system.html#EXTEND-TYPES-POLYMORPHIC>).
//!
//! `AnyElement` and its kin must agree exactly; for `AnyCompatible` the caller has chosen the common type of the arguments before.

use std::sync::Arc;

use tidewater_types::{RangeOf, Result, SqlError, Type};

use crate::function::Function;
use crate::signature::Param;

/// A function's types for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Of each argument: what to cast it to.
    pub args: Vec<Type>,
    /// Of the result.
    pub result: Type,
    /// Of the columns of a set-returning function.
    pub columns: Vec<Type>,
}

/// The types of a call of `function` with arguments of `types`; `packed` says whether the last is written VARIADIC. `common` chooses
/// the common type of the arguments of the `AnyCompatible` family (select_common_type), the elements of arrays and ranges among them.
///
/// # Errors
/// 42804 where the arguments do not agree, or nothing says what a family stands for.
pub fn resolve(
    function: &Function,
    types: &[Type],
    packed: bool,
    common: &mut dyn FnMut(&[Type]) -> Result<Type>,
) -> Result<Resolved> {
    let params: Vec<Param> = (0..types.len()).map(|i| function.param(i, packed)).collect();
    let mut element: Option<Type> = None;
    let mut compatible = Vec::new();
    for (param, ty) in params.iter().zip(types) {
        let Some(part) = element_of(param, ty)? else { continue };
        if is_compatible(param) {
            compatible.push(part);
        } else if part != Type::Unknown {
            match &element {
                Some(other) if *other != part => return Err(disagree(function)),
                _ => element = Some(part),
            }
        }
    }
    let compatible = if compatible.is_empty() { None } else { Some(common(&compatible)?) };
    let has_element = params.iter().any(|param| !is_compatible(param) && is_family(param));
    if has_element && element.is_none() {
        return Err(SqlError::new(b"42804", "could not determine polymorphic type because input has type unknown"));
    }
    let choose = |param: &Param, own: Option<&Type>| choose(param, own, element.as_ref(), compatible.as_ref());
    let mut args = Vec::with_capacity(types.len());
    for (param, ty) in params.iter().zip(types) {
        args.push(choose(param, Some(ty))?);
    }
    let result = choose(&function.result, None)?;
    let columns = function.columns.iter().map(|(_, param)| choose(param, None)).collect::<Result<_>>()?;
    Ok(Resolved { args, result, columns })
}

fn is_compatible(param: &Param) -> bool {
    matches!(
        param,
        Param::AnyCompatible
            | Param::AnyCompatibleArray
            | Param::AnyCompatibleNonArray
            | Param::AnyCompatibleRange
            | Param::AnyCompatibleMultirange
    )
}

fn is_family(param: &Param) -> bool {
    !matches!(param, Param::Of(_) | Param::Any | Param::AnyRecord)
}

/// What an argument of `ty` says about the element that its family is of; nothing for one that is in no family.
fn element_of(param: &Param, ty: &Type) -> Result<Option<Type>> {
    let wrong = || {
        let name = crate::signature::type_name(ty);
        SqlError::new(b"42804", format!("argument declared {param} is not {} but type {name}", article(param)))
    };
    // A literal is never a list or a map without being told.
    if *ty == Type::Unknown && is_family(param) && !matches!(param, Param::AnyList | Param::AnyMap) {
        return Ok(Some(Type::Unknown));
    }
    Ok(match param {
        Param::AnyElement | Param::AnyCompatible => Some(ty.clone()),
        Param::AnyNonArray | Param::AnyCompatibleNonArray if matches!(ty, Type::Array(_)) => return Err(wrong()),
        Param::AnyNonArray | Param::AnyCompatibleNonArray => Some(ty.clone()),
        Param::AnyArray | Param::AnyCompatibleArray => match ty {
            Type::Array(element) => Some((**element).clone()),
            Type::Int2Vector => Some(Type::Int2),
            Type::OidVector => Some(Type::Oid),
            _ => return Err(wrong()),
        },
        Param::AnyRange | Param::AnyCompatibleRange => match ty {
            Type::Range(of) => Some(bound(*of)),
            _ => return Err(wrong()),
        },
        Param::AnyMultirange | Param::AnyCompatibleMultirange => match ty {
            Type::Multirange(of) => Some(bound(*of)),
            _ => return Err(wrong()),
        },
        Param::AnyList => match ty {
            Type::List(element) => Some((**element).clone()),
            _ => return Err(wrong()),
        },
        Param::AnyMap => match ty {
            Type::Map(element) => Some((**element).clone()),
            _ => return Err(wrong()),
        },
        Param::Of(_) | Param::Any | Param::AnyRecord => None,
    })
}

fn article(param: &Param) -> &'static str {
    match param {
        Param::AnyArray | Param::AnyCompatibleArray => "an array",
        Param::AnyRange | Param::AnyCompatibleRange => "a range",
        Param::AnyMultirange | Param::AnyCompatibleMultirange => "a multirange",
        Param::AnyList => "a list",
        Param::AnyMap => "a map",
        _ => "a scalar",
    }
}

fn disagree(function: &Function) -> SqlError {
    SqlError::new(b"42804", format!("arguments of {} that are declared alike are not alike", function.name))
}

/// The type of a range's bounds.
pub(crate) fn bound(of: RangeOf) -> Type {
    match of {
        RangeOf::Int4 => Type::Int4,
        RangeOf::Int8 => Type::Int8,
        RangeOf::Numeric => Type::Numeric,
        RangeOf::Date => Type::Date,
        RangeOf::Timestamp => Type::Timestamp,
        RangeOf::TimestampTz => Type::TimestampTz,
    }
}

/// The range whose bounds are of `ty`.
pub(crate) fn range_of(ty: &Type) -> Option<RangeOf> {
    Some(match ty {
        Type::Int4 => RangeOf::Int4,
        Type::Int8 => RangeOf::Int8,
        Type::Numeric => RangeOf::Numeric,
        Type::Date => RangeOf::Date,
        Type::Timestamp => RangeOf::Timestamp,
        Type::TimestampTz => RangeOf::TimestampTz,
        _ => return None,
    })
}

fn choose(param: &Param, own: Option<&Type>, element: Option<&Type>, compatible: Option<&Type>) -> Result<Type> {
    let undetermined = || SqlError::new(b"42804", format!("could not determine what {param} stands for"));
    let of = if is_compatible(param) { compatible } else { element };
    if let Param::Of(ty) = param {
        return Ok(ty.clone());
    }
    if matches!(param, Param::Any | Param::AnyRecord) {
        return Ok(own.cloned().unwrap_or(Type::Record(Arc::default())));
    }
    let of = of.ok_or_else(undetermined)?;
    let range = || {
        range_of(of).ok_or_else(|| {
            SqlError::new(
                b"42704",
                format!("could not find range type for data type {}", crate::signature::type_name(of)),
            )
        })
    };
    Ok(match param {
        Param::AnyElement | Param::AnyCompatible | Param::AnyNonArray | Param::AnyCompatibleNonArray => of.clone(),
        // An array of arrays is the array type itself.
        Param::AnyArray | Param::AnyCompatibleArray => match (own, of) {
            (Some(Type::Int2Vector | Type::OidVector), _) => own.cloned().unwrap_or(Type::Unknown),
            (_, Type::Array(_)) => of.clone(),
            _ => Type::Array(Arc::new(of.clone())),
        },
        Param::AnyRange | Param::AnyCompatibleRange => Type::Range(range()?),
        Param::AnyMultirange | Param::AnyCompatibleMultirange => Type::Multirange(range()?),
        Param::AnyList => Type::List(Arc::new(of.clone())),
        Param::AnyMap => Type::Map(Arc::new(of.clone())),
        Param::Of(_) | Param::Any | Param::AnyRecord => return Err(undetermined()),
    })
}
