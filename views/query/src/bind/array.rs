//! Arrays: ARRAY[…] and subscripts.

use sqlparser::ast::{Expr, Subscript as AstSubscript};
use tidewater_functions::CastContext;
use tidewater_types::{ColumnType, Result, SqlError, Type};

use super::{Binder, unsupported};
use crate::plan::{Scalar, Subscript, SubscriptPart};

impl Binder<'_> {
    /// ARRAY[…].
    pub(super) fn array(&mut self, elements: &[Expr]) -> Result<Scalar> {
        if elements.is_empty() {
            let hint = "Explicitly cast to the desired type, for example ARRAY[]::integer[].";
            return Err(SqlError::new(b"42P18", "cannot determine type of empty array").hint(hint));
        }
        self.array_of(elements, None)
    }

    /// ARRAY[…] with elements of `element`, where a cast around it says so.
    pub(super) fn array_of(&mut self, elements: &[Expr], element: Option<&ColumnType>) -> Result<Scalar> {
        let mut scalars = Vec::with_capacity(elements.len());
        for expr in elements {
            let scalar = match expr {
                Expr::Array(inner) => self.array_of(&inner.elem, element)?,
                other => self.expr(other)?,
            };
            scalars.push(scalar);
        }
        let is_array = |scalar: &Scalar| matches!(scalar.ty().ty, Type::Array(_));
        let nested = scalars.iter().any(is_array);
        if let Some(element) = element {
            let ty = ColumnType { ty: element.ty.clone().array(), modifier: element.modifier };
            let target = if nested { ty.clone() } else { element.clone() };
            let cast = |scalar| self.coerce(scalar, &target, CastContext::Explicit);
            let scalars = scalars.into_iter().map(cast).collect::<Result<_>>()?;
            return Ok(Scalar::Array(scalars, ty, nested));
        }
        let (scalars, common) = self.unify(scalars, "ARRAY")?;
        let ty = if nested { common } else { ColumnType { ty: common.ty.array(), modifier: common.modifier } };
        Ok(Scalar::Array(scalars, ty, nested))
    }

    pub(super) fn subscript(&mut self, base: Scalar, subscripts: &[&AstSubscript]) -> Result<Scalar> {
        let ty = base.ty();
        if ty.ty == Type::Jsonb {
            return self.subscript_jsonb(base, subscripts);
        }
        let Some(element) = ty.element() else {
            let message = format!("cannot subscript type {} because it does not support subscripting", ty.ty);
            return Err(SqlError::new(b"42804", message));
        };
        if matches!(ty.ty, Type::Map(_)) {
            return Err(unsupported("a subscript of a map"));
        }
        let sliced = subscripts.iter().any(|subscript| matches!(subscript, AstSubscript::Slice { .. }));
        let mut parts = Vec::with_capacity(subscripts.len());
        for subscript in subscripts {
            parts.push(match subscript {
                // With a slice in another dimension an index means one from 1.
                AstSubscript::Index { index } if sliced => {
                    let from = super::literal::integer(1, Type::Int4);
                    SubscriptPart::Slice(Some(from), Some(self.index(index)?))
                }
                AstSubscript::Index { index } => SubscriptPart::Index(self.index(index)?),
                AstSubscript::Slice { lower_bound, upper_bound, stride: None } => {
                    let lower = lower_bound.as_ref().map(|expr| self.index(expr)).transpose()?;
                    let upper = upper_bound.as_ref().map(|expr| self.index(expr)).transpose()?;
                    SubscriptPart::Slice(lower, upper)
                }
                AstSubscript::Slice { .. } => return Err(unsupported("a slice with a stride")),
            });
        }
        let ty = if sliced { ty } else { element };
        Ok(Scalar::Subscript(Box::new(Subscript { base, parts, ty })))
    }

    fn index(&mut self, expr: &Expr) -> Result<Scalar> {
        let scalar = self.expr(expr)?;
        let ty = scalar.ty().ty;
        self.coerce(scalar, &Type::Int4.into(), CastContext::Assignment).map_err(|error| match &error.sqlstate {
            b"42846" => SqlError::new(b"42804", format!("array subscript must have type integer, not {ty}")),
            _ => error,
        })
    }

    /// `jsonb['key'][0]` is `->` again and again.
    fn subscript_jsonb(&mut self, mut base: Scalar, subscripts: &[&AstSubscript]) -> Result<Scalar> {
        for subscript in subscripts {
            let AstSubscript::Index { index } = subscript else {
                return Err(SqlError::new(b"42804", "jsonb subscript does not support slices"));
            };
            let index = self.expr(index)?;
            base = self.operator("->", vec![base, index])?;
        }
        Ok(base)
    }
}
