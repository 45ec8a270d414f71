//! The types (<https://www.postgresql.org/docs/15/datatype.html>).

use std::sync::Arc;

/// A type, without its modifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// boolean.
    Bool,
    /// smallint.
    Int2,
    /// integer.
    Int4,
    /// bigint.
    Int8,
    /// Materialize's unsigned 16-bit integer.
    UInt2,
    /// Materialize's unsigned 32-bit integer.
    UInt4,
    /// Materialize's unsigned 64-bit integer.
    UInt8,
    /// real.
    Float4,
    /// double precision.
    Float8,
    /// numeric.
    Numeric,
    /// text.
    Text,
    /// character varying.
    Varchar,
    /// character(n), padded with blanks.
    Bpchar,
    /// A name of the catalog: at most 63 bytes.
    Name,
    /// "char": one byte.
    Char,
    /// bytea.
    Bytea,
    /// date.
    Date,
    /// time without time zone.
    Time,
    /// time with time zone.
    TimeTz,
    /// timestamp without time zone.
    Timestamp,
    /// timestamp with time zone.
    TimestampTz,
    /// interval.
    Interval,
    /// uuid.
    Uuid,
    /// json: the text as it came.
    Json,
    /// jsonb.
    Jsonb,
    /// oid.
    Oid,
    /// oid, shown as the name of a relation.
    RegClass,
    /// oid, shown as the name of a type.
    RegType,
    /// oid, shown as the name of a function.
    RegProc,
    /// oid, shown as the name and arguments of a function.
    RegProcedure,
    /// oid, shown as the name of an operator.
    RegOper,
    /// oid, shown as the name of a schema.
    RegNamespace,
    /// oid, shown as the name of a role.
    RegRole,
    /// int2vector of the catalogs.
    Int2Vector,
    /// oidvector of the catalogs.
    OidVector,
    /// An array of any number of dimensions.
    Array(Arc<Type>),
    /// Materialize's list: one dimension, may nest.
    List(Arc<Type>),
    /// Materialize's map from text.
    Map(Arc<Type>),
    /// A row.
    Record(Arc<Record>),
    /// A range.
    Range(RangeOf),
    /// A multirange.
    Multirange(RangeOf),
    /// A literal or NULL that has no type yet; never the type of a stored column.
    Unknown,
    /// What a function without a result gives.
    Void,
}

/// What a range or multirange is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeOf {
    /// int4range.
    Int4,
    /// int8range.
    Int8,
    /// numrange.
    Numeric,
    /// daterange.
    Date,
    /// tsrange.
    Timestamp,
    /// tstzrange.
    TimestampTz,
}

/// The columns of a row type: (name, type).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// In the order of the row.
    pub fields: Vec<(String, ColumnType)>,
}

/// A type with its modifier: the length of varchar(n), precision and scale of numeric(p, s), digits of a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnType {
    /// The type.
    pub ty: Type,
    /// PostgreSQL's encoding of the modifier, -1 for none.
    pub modifier: i32,
}

impl From<Type> for ColumnType {
    fn from(ty: Type) -> Self {
        ColumnType { ty, modifier: -1 }
    }
}
