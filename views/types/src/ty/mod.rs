//! The types (<https://www.postgresql.org/docs/15/datatype.html>).

mod catalog;
mod modifier;
mod name;

use std::sync::Arc;

pub use modifier::NumericModifier;

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
    /// jsonpath, in its canonical spelling.
    JsonPath,
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
    /// oid, shown as the name and arguments of an operator.
    RegOperator,
    /// oid, shown as the name of a schema.
    RegNamespace,
    /// oid, shown as the name of a role.
    RegRole,
    /// oid, shown as the name of a collation.
    RegCollation,
    /// A transaction's number, in catalogs only.
    Xid,
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

impl ColumnType {
    /// The type of an array's, list's or map's elements, with the modifier that the container carries for them.
    pub fn element(&self) -> Option<ColumnType> {
        Some(ColumnType { ty: self.ty.element()?.clone(), modifier: self.modifier })
    }
}

impl Type {
    /// The type of an array of these.
    pub fn array(self) -> Type {
        Type::Array(Arc::new(self))
    }

    /// The type of the elements: of an array, list, map, int2vector or oidvector.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::Array(element) | Type::List(element) | Type::Map(element) => Some(element),
            Type::Int2Vector => Some(&Type::Int2),
            Type::OidVector => Some(&Type::Oid),
            _ => None,
        }
    }

    /// A row type without names: f1, f2, …
    pub fn record(types: impl IntoIterator<Item = ColumnType>) -> Type {
        let fields = types.into_iter().enumerate().map(|(i, ty)| (format!("f{}", i + 1), ty)).collect();
        Type::Record(Arc::new(Record { fields }))
    }

    /// Whether this is a kind of oid: 32 bits, unsigned.
    pub fn is_oid(&self) -> bool {
        use Type as T;
        matches!(
            self,
            T::Oid
                | T::RegClass
                | T::RegType
                | T::RegProc
                | T::RegProcedure
                | T::RegOper
                | T::RegOperator
                | T::RegNamespace
                | T::RegRole
                | T::RegCollation
                | T::Xid
        )
    }

    /// Whether values are text in bytes: text, varchar, bpchar, name, "char", json, jsonpath, unknown.
    pub fn is_text(&self) -> bool {
        use Type as T;
        matches!(self, T::Text | T::Varchar | T::Bpchar | T::Name | T::Char | T::Json | T::JsonPath | T::Unknown)
    }
}

impl RangeOf {
    /// All of them.
    pub const ALL: [RangeOf; 6] =
        [RangeOf::Int4, RangeOf::Int8, RangeOf::Numeric, RangeOf::Date, RangeOf::Timestamp, RangeOf::TimestampTz];

    /// The type of the bounds.
    pub fn bound(self) -> Type {
        match self {
            RangeOf::Int4 => Type::Int4,
            RangeOf::Int8 => Type::Int8,
            RangeOf::Numeric => Type::Numeric,
            RangeOf::Date => Type::Date,
            RangeOf::Timestamp => Type::Timestamp,
            RangeOf::TimestampTz => Type::TimestampTz,
        }
    }

    /// The ranges of `bound`, if there are any.
    pub fn of(bound: &Type) -> Option<RangeOf> {
        RangeOf::ALL.into_iter().find(|range| range.bound() == *bound)
    }

    /// Whether there is a next bound, so that every range has one canonical form `[a,b)`.
    pub fn is_discrete(self) -> bool {
        matches!(self, RangeOf::Int4 | RangeOf::Int8 | RangeOf::Date)
    }
}
