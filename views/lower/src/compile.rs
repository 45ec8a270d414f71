//! From scalars over slots to the engine's expressions.

use std::sync::Arc;

use tidewater_engine::{NodeId, Role};
use tidewater_query::plan::Scalar;
use tidewater_query::run::compile_at;
use tidewater_types::{ColumnType, Datum, Expr, Result, Type, key};

use crate::Lowering;
use crate::columns::Stored;
use crate::relation::{Predicate, Relation, read_at};

impl Lowering<'_> {
    /// What expressions see of each source; `on` is the one whose ON clause they stand in, which sees rows where others see a mark.
    fn inputs(&self, relation: &Relation, on: Option<usize>) -> Vec<Arc<[ColumnType]>> {
        let sources = relation.sources.iter().enumerate();
        sources
            .map(|(input, source)| match source.role {
                Role::Mark if on != Some(input) => [Type::Bool.into()].into(),
                _ => self.circuit.types(source.node).clone(),
            })
            .collect()
    }

    pub(crate) fn compile_predicate(&self, relation: &Relation, predicate: &Predicate) -> Result<Expr> {
        let inputs = self.inputs(relation, predicate.on);
        compile_at(&predicate.scalar, inputs, &read_at, self.session)
    }

    pub(crate) fn compile_stored(&self, relation: &Relation, stored: &Stored) -> Result<Expr> {
        let expr = compile_at(&stored.scalar, self.inputs(relation, None), &read_at, self.session)?;
        Ok(if stored.key { key_form(expr, stored.scalar.ty().ty) } else { expr })
    }

    /// An expression over the rows of one node.
    pub(crate) fn compile_over(&self, node: NodeId, scalar: &Scalar) -> Result<Expr> {
        compile_at(scalar, vec![self.circuit.types(node).clone()], &read_at, self.session)
    }
}

/// The key form of a value; NULL stays NULL, which the engine compares itself.
fn key_form(expr: Expr, ty: Type) -> Expr {
    Expr::new(move |tuple, scratch| {
        let value = expr.eval(tuple, scratch)?;
        if value.is_null() {
            return Ok(Datum::Null);
        }
        let mut bytes = Vec::new();
        key(&ty, &value, &mut bytes);
        Ok(Datum::Bytes(scratch.alloc_slice_copy(&bytes)))
    })
}
