//! How makers of rows write them: by the names of the columns that they know something about; the others are NULL, or 0, false and
//! empty where a column is never NULL.

use std::ops::ControlFlow;

use tidewater_delta::{Row, RowBuilder, RowRef};
use tidewater_query::Relation;
use tidewater_query::catalog::Rows;
use tidewater_types::{ArrayRef, Datum, Dimension, Packing, Result, Scratch, SqlError, Type};

/// Rows a batch.
const BATCH: usize = 256;

/// Why no more rows are made.
pub(crate) enum Stop {
    /// Nobody wants more.
    Enough,
    /// Something is wrong.
    Error(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Stop::Error(error)
    }
}

/// What a maker of rows says at its end.
pub(crate) type Done = Result<(), Stop>;

/// Takes the rows of one relation.
pub(crate) struct Out<'s, 'r> {
    relation: &'s Relation,
    builder: RowBuilder,
    packings: Vec<Packing>,
    /// What a column holds that is never NULL and that its maker says nothing of.
    empty: Vec<Datum<'s>>,
    batch: Vec<Row>,
    sink: &'s mut Rows<'r>,
}

impl<'s, 'r> Out<'s, 'r> {
    pub(crate) fn new(relation: &'s Relation, scratch: &'s Scratch, sink: &'s mut Rows<'r>) -> Result<Out<'s, 'r>> {
        let packings: Vec<Packing> = relation.columns.iter().map(|column| Packing::of(&column.ty)).collect();
        let empty = relation.columns.iter().map(|column| match column.not_null {
            true => empty(&column.ty.ty, scratch),
            false => Ok(Datum::Null),
        });
        Ok(Out {
            relation,
            builder: RowBuilder::new(packings.iter().map(|packing| packing.width()).collect::<Vec<_>>()),
            empty: empty.collect::<Result<_>>()?,
            packings,
            batch: Vec::new(),
            sink,
        })
    }

    /// Where the columns of these names are.
    pub(crate) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N]> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place =
                self.relation.columns.iter().position(|column| column.name == name).ok_or_else(|| {
                    SqlError::new(b"XX000", format!("{} has no column \"{name}\"", self.relation.name))
                })?;
        }
        Ok(places)
    }

    /// One row: values of the columns at `places`.
    pub(crate) fn row<const N: usize>(&mut self, places: &[usize; N], values: [Datum<'_>; N]) -> Done {
        self.builder.reset();
        for (i, empty) in self.empty.iter().enumerate() {
            if !empty.is_null() && !places.contains(&i) {
                self.packings[i].set(&mut self.builder, i, empty);
            }
        }
        for (&place, value) in places.iter().zip(&values) {
            debug_assert!(
                !value.is_null() || !self.relation.columns[place].not_null,
                "{} of {} is never NULL",
                self.relation.columns[place].name,
                self.relation.name
            );
            if !value.is_null() {
                self.packings[place].set(&mut self.builder, place, value);
            }
        }
        self.batch.push(self.builder.take());
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    /// Hands on what there is.
    pub(crate) fn flush(&mut self) -> Done {
        if self.batch.is_empty() {
            return Ok(());
        }
        let refs: Vec<RowRef<'_>> = self.batch.iter().map(Row::as_ref).collect();
        let wanted = (self.sink)(&refs)?;
        self.batch.clear();
        match wanted {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Enough),
        }
    }
}

fn empty<'a>(ty: &Type, scratch: &'a Scratch) -> Result<Datum<'a>> {
    Ok(match ty {
        Type::Bool => Datum::Bool(false),
        Type::Float4 | Type::Float8 => Datum::Float(0.0),
        ty if ty.is_text() => Datum::Text(b""),
        ty if ty.element().is_some() => Datum::Array(ArrayRef::vector(scratch, &[])?),
        _ => Datum::Int(0),
    })
}

pub(crate) fn oid(oid: u32) -> Datum<'static> {
    Datum::Int(oid.into())
}

pub(crate) fn int(value: impl TryInto<i64>) -> Datum<'static> {
    value.try_into().map_or(Datum::Null, Datum::Int)
}

pub(crate) fn text(value: &str) -> Datum<'_> {
    Datum::Text(value.as_bytes())
}

pub(crate) fn maybe(value: Option<&str>) -> Datum<'_> {
    value.map_or(Datum::Null, text)
}

pub(crate) fn yes(value: bool) -> Datum<'static> {
    Datum::Bool(value)
}

/// information_schema's truth values.
pub(crate) fn yes_or_no(value: bool) -> Datum<'static> {
    text(if value { "YES" } else { "NO" })
}

/// An int2vector or oidvector.
pub(crate) fn vector<'a>(scratch: &'a Scratch, values: impl IntoIterator<Item = i64>) -> Result<Datum<'a>> {
    let values: Vec<Datum<'_>> = values.into_iter().map(Datum::Int).collect();
    let dimension = Dimension { length: values.len() as i32, lower: 0 };
    ArrayRef::build(scratch, &[dimension], &values).map(Datum::Array)
}

/// An array.
pub(crate) fn array<'a>(scratch: &'a Scratch, values: &[Datum<'_>]) -> Result<Datum<'a>> {
    ArrayRef::vector(scratch, values).map(Datum::Array)
}
