//! Rows found by an index: which conditions one answers, and the keys that they ask it for.

use std::sync::Arc;

use bumpalo::Bump;
use hashbrown::HashSet;
use tidewater_delta::RowRef;
use tidewater_types::{ColumnType, Datum, Expr, Result, Scratch, Type};

use super::cell::{self, Packer, Types};
use super::compile::Builder;
use super::layout::Layout;
use super::node::{Cx, Flow};
use super::quick::stays;
use crate::catalog::{Relation, Rows};
use crate::plan::{Get, Id, Quantified, Scalar, equality};

/// Keys of one lookup; for more, all rows are read.
const KEYS_MAX: usize = 10_000;

/// An index and what its columns are to be equal to.
pub(crate) struct Lookup {
    relation: Arc<Relation>,
    columns: Vec<usize>,
    types: Types,
    wanted: Vec<Wanted>,
}

/// The values that a column may have, of the tuple that asks.
enum Wanted {
    Each(Vec<Expr>),
    Elements(Expr),
}

/// The same, not compiled.
#[derive(Clone)]
enum Asked<'p> {
    Each(Vec<&'p Scalar>),
    Elements(&'p Scalar),
}

/// The index that finds all rows of `get` for which the predicates may be true: they compare its columns with values of `layout`, or
/// with values that read no row.
pub(crate) fn of(builder: Builder<'_>, get: &Get, predicates: &[Scalar], layout: &Layout) -> Result<Option<Lookup>> {
    let mut found: Vec<(usize, Asked<'_>)> = Vec::new();
    for (at, asked) in predicates.iter().filter_map(|predicate| compared(get, predicate, layout)) {
        match found.iter_mut().find(|(known, _)| *known == at) {
            None => found.push((at, asked)),
            // One value asks for less than several.
            Some((_, known)) => {
                if !matches!(known, Asked::Each(values) if values.len() == 1) {
                    *known = asked;
                }
            }
        }
    }
    let columns: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let Some(columns) = builder.source.index(&get.relation, &columns) else { return Ok(None) };
    let mut wanted = Vec::with_capacity(columns.len());
    for at in &columns {
        let Some((_, asked)) = found.iter().find(|(known, _)| known == at) else { return Ok(None) };
        wanted.push(match asked {
            Asked::Each(values) => Wanted::Each(builder.compiler.all(values.iter().copied(), layout)?),
            Asked::Elements(array) => Wanted::Elements(builder.compiler.scalar(array, layout)?),
        });
    }
    let types = columns.iter().map(|at| get.relation.columns[*at].ty.clone()).collect();
    Ok(Some(Lookup { relation: get.relation.clone(), columns, types, wanted }))
}

/// The column of `get` that a predicate compares, and what with.
fn compared<'p>(get: &Get, predicate: &'p Scalar, layout: &Layout) -> Option<(usize, Asked<'p>)> {
    match predicate {
        Scalar::Or(parts) => {
            let mut all = parts.iter().map(|part| one(get, part, layout));
            let (at, first) = all.next()??;
            let mut values = vec![first];
            for other in all {
                let (other, value) = other?;
                if other != at {
                    return None;
                }
                values.push(value);
            }
            Some((at, Asked::Each(values)))
        }
        Scalar::Quantified(any) => elements(get, any, layout),
        other => one(get, other, layout).map(|(at, value)| (at, Asked::Each(vec![value]))),
    }
}

/// `column = value`.
fn one<'p>(get: &Get, predicate: &'p Scalar, layout: &Layout) -> Option<(usize, &'p Scalar)> {
    let (a, b) = equality(predicate)?;
    let side = |column: &Scalar, value: &'p Scalar| {
        let at = column_of(get, column)?;
        (is_known(value, layout) && alike(&value.ty().ty, &get.relation.columns[at].ty)).then_some((at, value))
    };
    side(a, b).or_else(|| side(b, a))
}

/// `column = ANY (array)`.
fn elements<'p>(get: &Get, any: &'p Quantified, layout: &Layout) -> Option<(usize, Asked<'p>)> {
    let at = column_of(get, &any.left)?;
    let fits = !any.all
        && any.function.0.name == "="
        && is_known(&any.array, layout)
        && any.array.ty().element().is_some_and(|element| element.ty == any.element.ty)
        && alike(&any.element.ty, &get.relation.columns[at].ty);
    fits.then_some((at, Asked::Elements(&any.array)))
}

/// The column that a scalar is, seen through casts that leave it packed as it is.
fn column_of(get: &Get, scalar: &Scalar) -> Option<usize> {
    match scalar {
        Scalar::Column(id, _) => get.columns.iter().find(|(_, read): &&(usize, Id)| read == id).map(|(at, _)| *at),
        Scalar::Cast(cast) if cast.ty.modifier < 0 && stays(&cast.input.ty().ty, &cast.ty.ty) => {
            column_of(get, &cast.input)
        }
        _ => None,
    }
}

/// Whether a value is known before any row of the index's relation is.
fn is_known(value: &Scalar, layout: &Layout) -> bool {
    let volatile = |scalar: &Scalar| match scalar {
        Scalar::Subquery(_) => true,
        Scalar::Call(call) => call.function.0.volatility == tidewater_functions::Volatility::Volatile,
        _ => false,
    };
    value.free().iter().all(|id| layout.places.contains_key(id)) && !value.any(&mut |scalar| volatile(scalar))
}

/// Whether a value of type `from` equals values of a column of type `to` exactly if it is packed as they are.
fn alike(from: &Type, to: &ColumnType) -> bool {
    let whole = |ty: &Type| matches!(ty, Type::Int2 | Type::Int4 | Type::Int8);
    let text = |ty: &Type| matches!(ty, Type::Text | Type::Varchar);
    // A numeric is cut to the column's scale when it is packed.
    let same = *from == to.ty && *from != Type::Numeric && cell::is_identity(to);
    whole(from) && whole(&to.ty) || text(from) && text(&to.ty) || same
}

impl Lookup {
    /// Hands rows to `out` until it wants no more: all that have a key which one of the tuples asks for, perhaps others beside.
    pub(crate) fn run<'t>(
        &self,
        tuples: impl Iterator<Item = &'t [RowRef<'t>]>,
        cx: &Cx<'_>,
        out: &mut Rows<'_>,
    ) -> Result<Flow> {
        let arena = Bump::new();
        let mut packer = Packer::new(&self.types);
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut keys = Vec::new();
        let mut scratch = Scratch::new();
        for tuple in tuples {
            scratch.reset();
            let Some(product) = self.keys(tuple, &scratch)? else {
                return cx.source.scan(&self.relation, out);
            };
            for values in product {
                let key = packer.pack(&values, &arena);
                if seen.insert(key.bytes()) {
                    keys.push(key);
                }
            }
        }
        if keys.is_empty() {
            return Ok(Flow::Continue(()));
        }
        cx.limits.check()?;
        cx.source.lookup(&self.relation, &self.columns, &keys, out)
    }

    /// The keys that a tuple asks for, none of them NULL; `None` for too many.
    fn keys<'a>(&'a self, tuple: &'a [RowRef<'a>], scratch: &'a Scratch) -> Result<Option<Vec<Vec<Datum<'a>>>>> {
        let mut product: Vec<Vec<Datum<'a>>> = vec![Vec::new()];
        for wanted in &self.wanted {
            let mut values = match wanted {
                Wanted::Each(exprs) => {
                    exprs.iter().map(|expr| expr.eval(tuple, scratch)).collect::<Result<Vec<_>>>()?
                }
                Wanted::Elements(array) => match array.eval(tuple, scratch)? {
                    Datum::Array(array) => array.iter().collect(),
                    _ => Vec::new(),
                },
            };
            values.retain(|value| !value.is_null());
            if product.len().saturating_mul(values.len()) > KEYS_MAX {
                return Ok(None);
            }
            let longer = |key: &Vec<Datum<'a>>| {
                let key = key.clone();
                values.clone().into_iter().map(move |value| key.iter().copied().chain([value]).collect())
            };
            product = product.iter().flat_map(longer).collect();
        }
        Ok(Some(product))
    }
}
