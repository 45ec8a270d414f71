//! Values in packed rows: read, written, compared, and as keys. What a type looks like there is the type's; this file only names it
//! for the executor.

use std::sync::Arc;

use delta::{Kind, RowBuilder, RowRef};
use tidewater_types::{ColumnType, Datum, Type, decode, encode};

/// How a column of a type lies in a row.
pub(crate) fn kind(ty: &Type) -> Kind {
    match ty {
        Type::Bool => Kind::Bool,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::UInt2 | Type::UInt4 => Kind::Int,
        Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz => Kind::Int,
        ty if ty.is_oid() => Kind::Int,
        Type::UInt8 => Kind::UInt,
        Type::Float4 | Type::Float8 => Kind::Float,
        Type::Text | Type::Varchar | Type::Bpchar | Type::Name | Type::Char | Type::Json => Kind::Text,
        _ => Kind::Bytes,
    }
}

/// A builder of rows of these columns.
pub(crate) fn builder(types: &[ColumnType]) -> RowBuilder {
    RowBuilder::new(types.iter().map(|ty| kind(&ty.ty)).collect::<Vec<_>>())
}

/// Sets column `i`.
pub(crate) fn set(builder: &mut RowBuilder, i: usize, datum: &Datum<'_>) {
    match datum {
        Datum::Null => builder.set(i, delta::Datum::Null),
        Datum::Bool(value) => builder.set_slot(i, u64::from(*value)),
        Datum::Int(value) => builder.set_slot(i, *value as u64),
        Datum::UInt(value) => builder.set_slot(i, *value),
        Datum::Float(value) => builder.set_slot(i, value.to_bits()),
        Datum::Text(value) => builder.set_tail(i, value),
        other => {
            let start = builder.begin_tail();
            encode(other, builder.tail_buffer());
            builder.end_tail(i, start);
        }
    }
}

/// Column `i`.
pub(crate) fn get<'a>(row: RowRef<'a>, i: usize, kind: &Kind) -> Datum<'a> {
    if row.is_null(i) {
        return Datum::Null;
    }
    match kind {
        Kind::Int => Datum::Int(row.slot(i) as i64),
        Kind::Bool => Datum::Bool(row.slot(i) != 0),
        Kind::UInt => Datum::UInt(row.slot(i)),
        Kind::Float => Datum::Float(f64::from_bits(row.slot(i))),
        Kind::Text => Datum::Text(row.tail(i)),
        _ => decode(row.tail(i)),
    }
}

/// A row whose columns are all NULL.
pub(crate) fn null_row(types: &[ColumnType]) -> delta::Row {
    builder(types).take()
}

/// Appends the key form, which sorts as the values do, NULL last.
pub(crate) fn key(datum: &Datum<'_>, ty: &Type, out: &mut Vec<u8>) {
    tidewater_types::key(ty, datum, out);
}

/// Whether equal values of the type are identical.
pub(crate) fn is_identity(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Int2 | Type::Int4 | Type::Int8 | Type::UInt2 | Type::UInt4 | Type::UInt8 => true,
        Type::Text | Type::Varchar | Type::Name | Type::Char | Type::Bytea | Type::Uuid => true,
        Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz => true,
        ty => ty.is_oid(),
    }
}

/// Packs rows of some columns, one after another.
pub(crate) struct Packer {
    builder: RowBuilder,
}

impl Packer {
    pub(crate) fn new(types: &[ColumnType]) -> Packer {
        Packer { builder: builder(types) }
    }

    /// A row in `arena`.
    pub(crate) fn pack<'a>(&mut self, values: &[Datum<'_>], arena: &'a bumpalo::Bump) -> RowRef<'a> {
        self.builder.reset();
        for (i, value) in values.iter().enumerate() {
            set(&mut self.builder, i, value);
        }
        RowRef::new(arena.alloc_slice_copy(self.builder.finish().bytes()))
    }
}

/// The types of columns, shared by all rows of an input.
pub(crate) type Types = Arc<[ColumnType]>;

/// A builder of rows of these columns, for [`pack_row`].
pub fn row_builder(types: &[ColumnType]) -> RowBuilder {
    builder(types)
}

/// A packed row of these values.
pub fn pack_row(builder: &mut RowBuilder, values: &[Datum<'_>]) -> delta::Row {
    builder.reset();
    for (i, value) in values.iter().enumerate() {
        set(builder, i, value);
    }
    builder.take()
}

/// Column `i` of a packed row.
pub fn unpack<'a>(row: RowRef<'a>, i: usize, ty: &Type) -> Datum<'a> {
    get(row, i, &kind(ty))
}
