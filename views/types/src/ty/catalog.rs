//! What `pg_type` says of each type: oids, names, categories, lengths. Materialize's own types have the oids that it gives them.

use super::{RangeOf, Type};

/// One type as `pg_type` lists it.
struct Entry {
    ty: Type,
    oid: u32,
    array_oid: u32,
    length: i16,
    category: u8,
    preferred: bool,
    /// `typname`.
    internal: &'static str,
    /// What `format_type` prints.
    sql: &'static str,
}

const fn entry(
    ty: Type,
    oid: u32,
    array_oid: u32,
    length: i16,
    kind: (u8, bool),
    internal: &'static str,
    sql: &'static str,
) -> Entry {
    Entry { ty, oid, array_oid, length, category: kind.0, preferred: kind.1, internal, sql }
}

const NUMBER: (u8, bool) = (b'N', false);
const TEXT: (u8, bool) = (b'S', false);
const USER: (u8, bool) = (b'U', false);
const TIME: (u8, bool) = (b'D', false);
const RANGE: (u8, bool) = (b'R', false);

#[rustfmt::skip]
static TYPES: &[Entry] = &[
    entry(Type::Bool, 16, 1000, 1, (b'B', true), "bool", "boolean"),
    entry(Type::Bytea, 17, 1001, -1, USER, "bytea", "bytea"),
    entry(Type::Char, 18, 1002, 1, (b'Z', false), "char", "\"char\""),
    entry(Type::Name, 19, 1003, 64, TEXT, "name", "name"),
    entry(Type::Int8, 20, 1016, 8, NUMBER, "int8", "bigint"),
    entry(Type::Int2, 21, 1005, 2, NUMBER, "int2", "smallint"),
    entry(Type::Int2Vector, 22, 1006, -1, (b'A', false), "int2vector", "int2vector"),
    entry(Type::Int4, 23, 1007, 4, NUMBER, "int4", "integer"),
    entry(Type::RegProc, 24, 1008, 4, NUMBER, "regproc", "regproc"),
    entry(Type::Text, 25, 1009, -1, (b'S', true), "text", "text"),
    entry(Type::Oid, 26, 1028, 4, (b'N', true), "oid", "oid"),
    entry(Type::Xid, 28, 1011, 4, USER, "xid", "xid"),
    entry(Type::OidVector, 30, 1013, -1, (b'A', false), "oidvector", "oidvector"),
    entry(Type::Json, 114, 199, -1, USER, "json", "json"),
    entry(Type::Float4, 700, 1021, 4, NUMBER, "float4", "real"),
    entry(Type::Float8, 701, 1022, 8, (b'N', true), "float8", "double precision"),
    entry(Type::Unknown, 705, 0, -2, (b'X', false), "unknown", "unknown"),
    entry(Type::Bpchar, 1042, 1014, -1, TEXT, "bpchar", "bpchar"),
    entry(Type::Varchar, 1043, 1015, -1, TEXT, "varchar", "character varying"),
    entry(Type::Date, 1082, 1182, 4, TIME, "date", "date"),
    entry(Type::Time, 1083, 1183, 8, TIME, "time", "time without time zone"),
    entry(Type::Timestamp, 1114, 1115, 8, TIME, "timestamp", "timestamp without time zone"),
    entry(Type::TimestampTz, 1184, 1185, 8, (b'D', true), "timestamptz", "timestamp with time zone"),
    entry(Type::Interval, 1186, 1187, 16, (b'T', true), "interval", "interval"),
    entry(Type::TimeTz, 1266, 1270, 12, TIME, "timetz", "time with time zone"),
    entry(Type::Numeric, 1700, 1231, -1, NUMBER, "numeric", "numeric"),
    entry(Type::RegProcedure, 2202, 2207, 4, NUMBER, "regprocedure", "regprocedure"),
    entry(Type::RegOper, 2203, 2208, 4, NUMBER, "regoper", "regoper"),
    entry(Type::RegOperator, 2204, 2209, 4, NUMBER, "regoperator", "regoperator"),
    entry(Type::RegClass, 2205, 2210, 4, NUMBER, "regclass", "regclass"),
    entry(Type::RegType, 2206, 2211, 4, NUMBER, "regtype", "regtype"),
    entry(Type::Void, 2278, 0, 4, (b'P', false), "void", "void"),
    entry(Type::Uuid, 2950, 2951, 16, USER, "uuid", "uuid"),
    entry(Type::Jsonb, 3802, 3807, -1, USER, "jsonb", "jsonb"),
    entry(Type::Range(RangeOf::Int4), 3904, 3905, -1, RANGE, "int4range", "int4range"),
    entry(Type::Range(RangeOf::Numeric), 3906, 3907, -1, RANGE, "numrange", "numrange"),
    entry(Type::Range(RangeOf::Timestamp), 3908, 3909, -1, RANGE, "tsrange", "tsrange"),
    entry(Type::Range(RangeOf::TimestampTz), 3910, 3911, -1, RANGE, "tstzrange", "tstzrange"),
    entry(Type::Range(RangeOf::Date), 3912, 3913, -1, RANGE, "daterange", "daterange"),
    entry(Type::Range(RangeOf::Int8), 3926, 3927, -1, RANGE, "int8range", "int8range"),
    entry(Type::JsonPath, 4072, 4073, -1, USER, "jsonpath", "jsonpath"),
    entry(Type::RegNamespace, 4089, 4090, 4, NUMBER, "regnamespace", "regnamespace"),
    entry(Type::RegRole, 4096, 4097, 4, NUMBER, "regrole", "regrole"),
    entry(Type::RegCollation, 4191, 4192, 4, NUMBER, "regcollation", "regcollation"),
    entry(Type::Multirange(RangeOf::Int4), 4451, 6150, -1, RANGE, "int4multirange", "int4multirange"),
    entry(Type::Multirange(RangeOf::Numeric), 4532, 6151, -1, RANGE, "nummultirange", "nummultirange"),
    entry(Type::Multirange(RangeOf::Timestamp), 4533, 6152, -1, RANGE, "tsmultirange", "tsmultirange"),
    entry(Type::Multirange(RangeOf::TimestampTz), 4534, 6153, -1, RANGE, "tstzmultirange", "tstzmultirange"),
    entry(Type::Multirange(RangeOf::Date), 4535, 6155, -1, RANGE, "datemultirange", "datemultirange"),
    entry(Type::Multirange(RangeOf::Int8), 4536, 6157, -1, RANGE, "int8multirange", "int8multirange"),
    entry(Type::UInt2, 16460, 16461, 2, NUMBER, "uint2", "uint2"),
    entry(Type::UInt4, 16462, 16463, 4, NUMBER, "uint4", "uint4"),
    entry(Type::UInt8, 16464, 16465, 8, NUMBER, "uint8", "uint8"),
];

const RECORD: u32 = 2249;
const RECORD_ARRAY: u32 = 2287;
const LIST: u32 = 16384;
const MAP: u32 = 16385;

fn find(ty: &Type) -> Option<&'static Entry> {
    TYPES.iter().find(|entry| entry.ty == *ty)
}

impl Type {
    /// Every type but arrays, lists, maps and records.
    pub fn all() -> impl Iterator<Item = &'static Type> {
        TYPES.iter().map(|entry| &entry.ty)
    }

    /// The oid in `pg_type`; 0 for an array of what has no array type.
    pub fn oid(&self) -> u32 {
        match self {
            Type::Array(element) => element.array_oid(),
            Type::Record(_) => RECORD,
            Type::List(_) => LIST,
            Type::Map(_) => MAP,
            _ => find(self).map_or(0, |entry| entry.oid),
        }
    }

    /// The oid of the type of arrays of these; 0 where there is none.
    pub fn array_oid(&self) -> u32 {
        match self {
            Type::Record(_) => RECORD_ARRAY,
            _ => find(self).map_or(0, |entry| entry.array_oid),
        }
    }

    /// The type that has this oid. A record's fields are not known from it, a list's or map's element neither: `None`.
    pub fn from_oid(oid: u32) -> Option<Type> {
        TYPES.iter().find_map(|entry| match oid {
            0 => None,
            _ if entry.oid == oid => Some(entry.ty.clone()),
            _ if entry.array_oid == oid => Some(entry.ty.clone().array()),
            _ => None,
        })
    }

    /// `typlen`: bytes of a fixed-length type, -1 for the others.
    pub fn length(&self) -> i16 {
        find(self).map_or(-1, |entry| entry.length)
    }

    /// `typcategory`, which guides the choice among overloads.
    pub fn category(&self) -> char {
        match self {
            Type::Array(_) => 'A',
            Type::Record(_) => 'P',
            // Materialize's pseudo-types: of no category of PostgreSQL's.
            Type::List(_) | Type::Map(_) => 'U',
            _ => find(self).map_or('U', |entry| char::from(entry.category)),
        }
    }

    /// `typispreferred`: whether overloads of its category are preferred for it.
    pub fn is_preferred(&self) -> bool {
        find(self).is_some_and(|entry| entry.preferred)
    }

    /// `typname`: `int4`, `_int4`, `timestamptz`.
    pub fn internal_name(&self) -> String {
        match self {
            Type::Array(element) => format!("_{}", element.internal_name()),
            Type::Record(_) => "record".to_owned(),
            Type::List(_) => "list".to_owned(),
            Type::Map(_) => "map".to_owned(),
            _ => find(self).map_or("?", |entry| entry.internal).to_owned(),
        }
    }

    pub(super) fn sql_name(&self) -> &'static str {
        find(self).map_or("record", |entry| entry.sql)
    }

    pub(super) fn from_internal_name(name: &str) -> Option<Type> {
        if name == "_record" {
            return Some(Type::record([]).array());
        }
        if let Some(element) = name.strip_prefix('_') {
            return Type::from_internal_name(element).filter(|ty| ty.array_oid() != 0).map(Type::array);
        }
        if name == "record" {
            return Some(Type::record([]));
        }
        TYPES.iter().find(|entry| entry.internal == name).map(|entry| entry.ty.clone())
    }
}
