//! Text put together.

use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use delta::Datum;

use super::{Compiler, is_text};
use crate::error::Result;

impl Compiler<'_> {
    /// `a || b || …`, all parts at once; NULL where a part is.
    pub(super) fn concatenation(&self, expr: &Expr) -> Result<Option<engine::Expr>> {
        let mut parts = Vec::new();
        collect(expr, &mut parts);
        for part in &parts {
            if !is_text(&self.type_of(part)?) {
                return Ok(None);
            }
        }
        let parts = parts.into_iter().map(|part| self.closure(part)).collect::<Result<Vec<_>>>()?;
        Ok(Some(engine::Expr::new(move |tuple, scratch| {
            let texts: &mut [&[u8]] = scratch.alloc_slice_fill_copy(parts.len(), &[][..]);
            for (text, part) in texts.iter_mut().zip(&parts) {
                match part.eval(tuple, scratch)? {
                    Datum::Text(value) => *text = value,
                    _ => return Ok(Datum::Null),
                }
            }
            let joined = scratch.alloc_slice_fill_default(texts.iter().map(|text| text.len()).sum());
            let mut rest: &mut [u8] = joined;
            for text in texts {
                let (here, after) = rest.split_at_mut(text.len());
                here.copy_from_slice(text);
                rest = after;
            }
            Ok(Datum::Text(joined))
        })))
    }
}

fn collect<'a>(expr: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            collect(left, parts);
            collect(right, parts);
        }
        other => parts.push(other),
    }
}
