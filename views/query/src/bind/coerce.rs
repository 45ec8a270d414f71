//! Conversions: of a scalar to the type that its place wants, and the common type of alternatives
//! (<https://www.postgresql.org/docs/15/typeconv-union-case.html>).

use tidewater_functions::{CastContext, cast};
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::Binder;
use crate::constant;
use crate::plan::{Cast, Scalar};

impl Binder<'_> {
    /// `scalar` as a value of `ty`, if the conversion is allowed in `context`.
    pub(super) fn coerce(&mut self, scalar: Scalar, ty: &ColumnType, context: CastContext) -> Result<Scalar> {
        let explicit = context == CastContext::Explicit;
        match scalar {
            Scalar::Unknown(text, position) => {
                let literal = constant::from_text(&text, ty, explicit, self.session);
                literal.map(Scalar::Literal).map_err(|error| if position > 0 { error.at(position) } else { error })
            }
            Scalar::Literal(literal) if literal.value.is_none() && literal.ty.ty == Type::Unknown => {
                Ok(Scalar::null(ty.clone()))
            }
            Scalar::Parameter(number, known) if known.ty == Type::Unknown => {
                let slot = &mut self.parameters[number as usize - 1];
                if slot.ty == Type::Unknown {
                    *slot = ty.ty.clone().into();
                } else if slot.ty != ty.ty {
                    let detail = format!("{} versus {}", slot.ty, ty.ty);
                    let message = format!("inconsistent types deduced for parameter ${number}");
                    return Err(SqlError::new(b"42P08", message).detail(detail));
                }
                let typed = Scalar::Parameter(number, slot.clone());
                self.coerce(typed, ty, context)
            }
            Scalar::Row(fields, own) => self.coerce_row(fields, own, ty, context),
            Scalar::Array(elements, own, nested) if explicit && is_array(&ty.ty) => {
                self.coerce_array(elements, own, nested, ty)
            }
            scalar => self.convert(scalar, ty, context),
        }
    }

    fn convert(&mut self, scalar: Scalar, ty: &ColumnType, context: CastContext) -> Result<Scalar> {
        let from = scalar.ty();
        if from == *ty || from.ty == ty.ty && ty.modifier < 0 {
            return Ok(scalar);
        }
        let allowed = cast(&from.ty, &ty.ty).filter(|cast| cast.context <= context);
        if allowed.is_none() {
            let message = format!("cannot cast type {} to {}", from.ty, ty.ty);
            return Err(SqlError::new(b"42846", message));
        }
        Ok(Scalar::Cast(Box::new(Cast { input: scalar, ty: ty.clone(), explicit: context == CastContext::Explicit })))
    }

    fn coerce_row(
        &mut self,
        fields: Vec<Scalar>,
        own: ColumnType,
        ty: &ColumnType,
        context: CastContext,
    ) -> Result<Scalar> {
        let Type::Record(record) = &ty.ty else {
            return self.convert(Scalar::Row(fields, own), ty, context);
        };
        if record.fields.len() != fields.len() {
            return Err(SqlError::new(b"42846", format!("cannot cast type record to {}", ty.ty)));
        }
        let fields = fields.into_iter().zip(&record.fields).map(|(field, (_, ty))| self.coerce(field, ty, context));
        Ok(Scalar::Row(fields.collect::<Result<_>>()?, ty.clone()))
    }

    /// A written cast of ARRAY[…] is one of its elements.
    fn coerce_array(
        &mut self,
        elements: Vec<Scalar>,
        own: ColumnType,
        nested: bool,
        ty: &ColumnType,
    ) -> Result<Scalar> {
        let Some(element) = ty.element() else {
            return self.convert(Scalar::Array(elements, own, nested), ty, CastContext::Explicit);
        };
        let target = if nested { ty.clone() } else { element };
        let cast = |binder: &mut Self, scalar| binder.coerce(scalar, &target, CastContext::Explicit);
        let elements = elements.into_iter().map(|scalar| cast(self, scalar)).collect::<Result<_>>()?;
        Ok(Scalar::Array(elements, ty.clone(), nested))
    }

    /// As a value of a type that is known: a literal whose place does not say one is text.
    pub(super) fn known(&mut self, scalar: Scalar) -> Result<Scalar> {
        match scalar.ty().ty {
            Type::Unknown => self.coerce(scalar, &Type::Text.into(), CastContext::Implicit),
            _ => Ok(scalar),
        }
    }

    /// As a truth value, for `what` (WHERE, AND, …).
    pub(super) fn boolean(&mut self, scalar: Scalar, what: &str) -> Result<Scalar> {
        let ty = scalar.ty().ty;
        if !can_coerce(&ty, &Type::Bool, CastContext::Implicit) {
            let message = format!("argument of {what} must be type boolean, not type {ty}");
            return Err(SqlError::new(b"42804", message));
        }
        self.coerce(scalar, &Type::Bool.into(), CastContext::Implicit)
    }

    /// As a value of the column `name` of type `ty`, into which it is stored.
    pub(super) fn assign(&mut self, scalar: Scalar, ty: &ColumnType, name: &str) -> Result<Scalar> {
        let from = scalar.ty().ty;
        self.coerce(scalar, ty, CastContext::Assignment).map_err(|error| match &error.sqlstate {
            b"42846" => {
                let message = format!("column \"{name}\" is of type {} but expression is of type {from}", ty.ty);
                SqlError::new(b"42804", message).hint("You will need to rewrite or cast the expression.")
            }
            _ => error,
        })
    }

    /// All of `scalars` as values of their common type; `what` names the place for errors (UNION, CASE, …).
    pub(super) fn unify(&mut self, scalars: Vec<Scalar>, what: &str) -> Result<(Vec<Scalar>, ColumnType)> {
        let types: Vec<ColumnType> = scalars.iter().map(Scalar::ty).collect();
        let common = common_column_type(&types, what)?;
        let bare: ColumnType = common.ty.clone().into();
        let mut unified = Vec::with_capacity(scalars.len());
        for scalar in scalars {
            let from = scalar.ty().ty;
            unified.push(self.coerce(scalar, &bare, CastContext::Implicit).map_err(|error| match &error.sqlstate {
                b"42846" => SqlError::new(b"42846", format!("{what} could not convert type {from} to {}", bare.ty)),
                _ => error,
            })?);
        }
        Ok((unified, common))
    }
}

fn is_array(ty: &Type) -> bool {
    matches!(ty, Type::Array(_))
}

/// Whether a value of `from` may stand where one of `to` is wanted.
pub(super) fn can_coerce(from: &Type, to: &Type, context: CastContext) -> bool {
    *from == Type::Unknown || cast(from, to).is_some_and(|cast| cast.context <= context)
}

/// The common type, with the modifier that all have.
pub(super) fn common_column_type(types: &[ColumnType], what: &str) -> Result<ColumnType> {
    let bare: Vec<Type> = types.iter().map(|ty| ty.ty.clone()).collect();
    let ty = common_type(&bare, what)?;
    let modifier = match types.split_first() {
        Some((first, rest)) if rest.iter().all(|ty| ty == first) && first.ty == ty => first.modifier,
        _ => -1,
    };
    Ok(ColumnType { ty, modifier })
}

/// PostgreSQL's select_common_type.
pub(super) fn common_type(types: &[Type], what: &str) -> Result<Type> {
    let mut known = types.iter().filter(|ty| **ty != Type::Unknown);
    let Some(first) = known.next() else { return Ok(Type::Text) };
    let mut chosen = first;
    for ty in known {
        if ty == chosen {
            continue;
        }
        if ty.category() != chosen.category() {
            let message = format!("{what} types {chosen} and {ty} cannot be matched");
            return Err(SqlError::new(b"42804", message));
        }
        let there = can_coerce(chosen, ty, CastContext::Implicit);
        let back = can_coerce(ty, chosen, CastContext::Implicit);
        if !chosen.is_preferred() && there && !back {
            chosen = ty;
        }
    }
    Ok(chosen.clone())
}
