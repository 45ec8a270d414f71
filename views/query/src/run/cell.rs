//! Values in packed rows: read, written, and as keys. What a type looks like there is the type's; this file only names it for the
//! executor.

use std::sync::Arc;

use tidewater_delta::{RowBuilder, RowRef};
use tidewater_types::{ColumnType, Datum, Packing, Type};

/// A builder of rows of these columns.
pub(crate) fn builder(types: &[ColumnType]) -> RowBuilder {
    RowBuilder::new(types.iter().map(|ty| Packing::of(ty).width()).collect::<Vec<_>>())
}

/// A row whose columns are all NULL.
pub(crate) fn null_row(types: &[ColumnType]) -> tidewater_delta::Row {
    builder(types).take()
}

/// Appends the key form, which sorts as the values do, NULL last.
pub(crate) fn key(datum: &Datum<'_>, ty: &Type, out: &mut Vec<u8>) {
    tidewater_types::key(ty, datum, out);
}

/// Whether equal values of the type are identical.
pub(crate) fn is_identity(ty: &ColumnType) -> bool {
    ty.key_is_packed()
}

/// Packs rows of some columns, one after another.
pub(crate) struct Packer {
    builder: RowBuilder,
    packing: Vec<Packing>,
}

impl Packer {
    pub(crate) fn new(types: &[ColumnType]) -> Packer {
        Packer { builder: builder(types), packing: types.iter().map(Packing::of).collect() }
    }

    fn set(&mut self, values: &[Datum<'_>]) {
        self.builder.reset();
        for (i, (value, packing)) in values.iter().zip(&self.packing).enumerate() {
            if !value.is_null() {
                packing.set(&mut self.builder, i, value);
            }
        }
    }

    /// A row in `arena`.
    pub(crate) fn pack<'a>(&mut self, values: &[Datum<'_>], arena: &'a bumpalo::Bump) -> RowRef<'a> {
        self.set(values);
        RowRef::new(arena.alloc_slice_copy(self.builder.finish().bytes()))
    }

    /// A row of its own.
    pub(crate) fn row(&mut self, values: &[Datum<'_>]) -> tidewater_delta::Row {
        self.set(values);
        self.builder.take()
    }
}

/// The types of columns, shared by all rows of an input.
pub(crate) type Types = Arc<[ColumnType]>;

/// A packed row of these values.
pub fn pack_row(types: &[ColumnType], values: &[Datum<'_>]) -> tidewater_delta::Row {
    Packer::new(types).row(values)
}

/// Column `i` of a packed row.
pub fn unpack<'a>(row: RowRef<'a>, i: usize, ty: &ColumnType) -> Datum<'a> {
    if row.is_null(i) { Datum::Null } else { Packing::of(ty).get(row, i) }
}
