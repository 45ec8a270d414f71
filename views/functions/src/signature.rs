//! Signatures as text: `stable date_trunc(text, timestamptz) -> timestamptz -- Cuts to a unit.`
//!
//! ```text
//! [stable | volatile] [null] name(param, …) -> [setof] result [-- documentation]
//! param: [variadic] [name] type [= default]      `;` instead of `,` ends the direct arguments of an ordered-set aggregate
//! result: type | (name type, …)
//! ```
//! `null` means that it is called with NULLs, too. A signature that does not parse is a bug that the first test meets, so this panics.

use std::sync::Arc;

use tidewater_types::{RangeOf, Record, Type};

use crate::function::{Body, Function, Kind, Volatility};

/// The type of a parameter or result: one type, or a family that the arguments choose from
/// (<https://www.postgresql.org/docs/15/extend-type-system.html#EXTEND-TYPES-POLYMORPHIC>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Param {
    /// This type.
    Of(Type),
    /// Any one type, the same for all of this family.
    AnyElement,
    /// An array of it.
    AnyArray,
    /// It, which must not be an array.
    AnyNonArray,
    /// A range of it.
    AnyRange,
    /// A multirange of it.
    AnyMultirange,
    /// The common type of all arguments of this family.
    AnyCompatible,
    /// An array of it.
    AnyCompatibleArray,
    /// It, which must not be an array.
    AnyCompatibleNonArray,
    /// A range of it.
    AnyCompatibleRange,
    /// A multirange of it.
    AnyCompatibleMultirange,
    /// Materialize's list of `AnyElement`.
    AnyList,
    /// Materialize's map to `AnyElement`.
    AnyMap,
    /// A row of any columns.
    AnyRecord,
    /// Any type, of its own.
    Any,
}

impl Param {
    /// What repeats where this is the type of a variadic parameter.
    pub(crate) fn element(&self) -> Param {
        match self {
            Param::Of(Type::Array(element)) => Param::Of((**element).clone()),
            Param::AnyArray => Param::AnyElement,
            Param::AnyCompatibleArray => Param::AnyCompatible,
            other => other.clone(),
        }
    }
}

/// Types that have a name of one word.
const NAMES: &[(&str, Type)] = &[
    ("bool", Type::Bool),
    ("int2", Type::Int2),
    ("int4", Type::Int4),
    ("int8", Type::Int8),
    ("uint2", Type::UInt2),
    ("uint4", Type::UInt4),
    ("uint8", Type::UInt8),
    ("float4", Type::Float4),
    ("float8", Type::Float8),
    ("numeric", Type::Numeric),
    ("text", Type::Text),
    ("varchar", Type::Varchar),
    ("bpchar", Type::Bpchar),
    ("name", Type::Name),
    ("char", Type::Char),
    ("bytea", Type::Bytea),
    ("date", Type::Date),
    ("time", Type::Time),
    ("timetz", Type::TimeTz),
    ("timestamp", Type::Timestamp),
    ("timestamptz", Type::TimestampTz),
    ("interval", Type::Interval),
    ("uuid", Type::Uuid),
    ("json", Type::Json),
    ("jsonpath", Type::JsonPath),
    ("jsonb", Type::Jsonb),
    ("oid", Type::Oid),
    ("regclass", Type::RegClass),
    ("regtype", Type::RegType),
    ("regproc", Type::RegProc),
    ("regprocedure", Type::RegProcedure),
    ("regoper", Type::RegOper),
    ("regoperator", Type::RegOperator),
    ("regcollation", Type::RegCollation),
    ("regnamespace", Type::RegNamespace),
    ("regrole", Type::RegRole),
    ("int2vector", Type::Int2Vector),
    ("oidvector", Type::OidVector),
    ("int4range", Type::Range(RangeOf::Int4)),
    ("int8range", Type::Range(RangeOf::Int8)),
    ("numrange", Type::Range(RangeOf::Numeric)),
    ("daterange", Type::Range(RangeOf::Date)),
    ("tsrange", Type::Range(RangeOf::Timestamp)),
    ("tstzrange", Type::Range(RangeOf::TimestampTz)),
    ("int4multirange", Type::Multirange(RangeOf::Int4)),
    ("int8multirange", Type::Multirange(RangeOf::Int8)),
    ("nummultirange", Type::Multirange(RangeOf::Numeric)),
    ("datemultirange", Type::Multirange(RangeOf::Date)),
    ("tsmultirange", Type::Multirange(RangeOf::Timestamp)),
    ("tstzmultirange", Type::Multirange(RangeOf::TimestampTz)),
    ("unknown", Type::Unknown),
    ("void", Type::Void),
];

/// Families that have a name.
const FAMILIES: &[(&str, Param)] = &[
    ("anyelement", Param::AnyElement),
    ("anyarray", Param::AnyArray),
    ("anynonarray", Param::AnyNonArray),
    ("anyrange", Param::AnyRange),
    ("anymultirange", Param::AnyMultirange),
    ("anycompatible", Param::AnyCompatible),
    ("anycompatiblearray", Param::AnyCompatibleArray),
    ("anycompatiblenonarray", Param::AnyCompatibleNonArray),
    ("anycompatiblerange", Param::AnyCompatibleRange),
    ("anycompatiblemultirange", Param::AnyCompatibleMultirange),
    ("anylist", Param::AnyList),
    ("anymap", Param::AnyMap),
    ("record", Param::AnyRecord),
    ("any", Param::Any),
];

/// The type that `name` means in a signature.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    if let Some(element) = name.strip_suffix("[]") {
        return type_named(element).map(|ty| Type::Array(Arc::new(ty)));
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, ty)| ty.clone())
}

/// The name of a type in a signature. A record has no name of its own.
pub(crate) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Array(element) => format!("{}[]", type_name(element)),
        Type::List(element) => format!("{} list", type_name(element)),
        Type::Map(element) => format!("map[text=>{}]", type_name(element)),
        Type::Record(_) => "record".to_owned(),
        ty => NAMES.iter().find(|(_, known)| known == ty).map_or_else(String::new, |(name, _)| (*name).to_owned()),
    }
}

impl std::fmt::Display for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Param::Of(ty) => f.write_str(&type_name(ty)),
            family => {
                let name = FAMILIES.iter().find(|(_, known)| known == family).map_or("any", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

fn param(text: &str) -> Param {
    let found = FAMILIES.iter().find(|(name, _)| *name == text).map(|(_, family)| family.clone());
    found.or_else(|| type_named(text).map(Param::Of)).unwrap_or_else(|| panic!("no type {text} for a signature"))
}

/// A word of the front taken off, if it is there.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)?.strip_prefix(' ').map(str::trim_start)
}

/// Reads one signature of a family's table.
///
/// # Panics
/// Where the text is not one.
pub(crate) fn parse(text: &'static str, family: &'static str, body: Body) -> Function {
    let (text, doc) = text.split_once(" -- ").unwrap_or((text, ""));
    let mut text = text.trim();
    let mut volatility = Volatility::Immutable;
    let mut strict = true;
    if let Some(rest) = strip_word(text, "stable") {
        (volatility, text) = (Volatility::Stable, rest);
    } else if let Some(rest) = strip_word(text, "volatile") {
        (volatility, text) = (Volatility::Volatile, rest);
    }
    if let Some(rest) = strip_word(text, "null") {
        (strict, text) = (false, rest);
    }
    let (call, result) = text.split_once(" -> ").unwrap_or_else(|| panic!("no result in {text}"));
    let (name, params) = call
        .trim()
        .strip_suffix(')')
        .and_then(|call| call.split_once('('))
        .unwrap_or_else(|| panic!("no parameters in {text}"));
    let mut function = Function {
        name: name.trim(),
        kind: match body {
            Body::Eval(_) | Body::Make(_) => Kind::Scalar,
            Body::Aggregate(_) => Kind::Aggregate,
            Body::Window => Kind::Window,
            Body::Rows(_) => Kind::Set,
        },
        params: Vec::new(),
        names: Vec::new(),
        defaults: Vec::new(),
        variadic: false,
        direct: None,
        result: Param::Of(Type::Void),
        columns: Vec::new(),
        volatility,
        strict,
        doc: doc.trim(),
        family,
        body,
    };
    add_params(&mut function, params);
    add_result(&mut function, result.trim());
    function
}

fn add_params(function: &mut Function, params: &'static str) {
    let mut rest = params;
    while !rest.trim().is_empty() {
        let end = rest.find([',', ';']).unwrap_or(rest.len());
        let mut one = rest[..end].trim();
        if let Some((before, default)) = one.split_once('=') {
            one = before.trim();
            function.defaults.push(default.trim());
        }
        if let Some(after) = strip_word(one, "variadic") {
            function.variadic = true;
            one = after;
        }
        if !one.is_empty() {
            let (name, ty) = one.split_once(' ').unwrap_or(("", one));
            function.params.push(param(ty.trim()));
            function.names.push(name);
        }
        if rest[end..].starts_with(';') {
            function.direct = Some(function.params.len());
        }
        rest = rest.get(end + 1..).unwrap_or("");
    }
}

fn add_result(function: &mut Function, result: &'static str) {
    let result = strip_word(result, "setof").unwrap_or(result);
    let Some(columns) = result.strip_prefix('(') else {
        function.result = param(result);
        function.columns = vec![("", param(result))];
        return;
    };
    for column in columns.trim_end_matches(')').split(',') {
        let (name, ty) = column.trim().split_once(' ').unwrap_or_else(|| panic!("no name of a column in {result}"));
        function.columns.push((name, param(ty)));
    }
    function.result = Param::AnyRecord;
    // A record whose columns are all of known types has a type of its own.
    let fields: Option<Vec<_>> = function
        .columns
        .iter()
        .map(|(name, param)| match param {
            Param::Of(ty) => Some(((*name).to_owned(), ty.clone().into())),
            _ => None,
        })
        .collect();
    if let Some(fields) = fields {
        function.result = Param::Of(Type::Record(Arc::new(Record { fields })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_says_everything() {
        let text = "stable null f(a text, variadic b int4[] = {}) -> setof (key text, value json) -- Does it.";
        let function = parse(text, "test", Body::Window);
        assert_eq!((function.name, function.doc, function.strict, function.variadic), ("f", "Does it.", false, true));
        assert_eq!(
            (function.volatility, &function.names[..], &function.defaults[..]),
            (Volatility::Stable, &["a", "b"][..], &["{}"][..])
        );
        assert_eq!(function.columns[1], ("value", Param::Of(Type::Json)));
        let ordered = parse("percentile_cont(float8; float8) -> float8", "test", Body::Window);
        assert_eq!((ordered.direct, ordered.params.len()), (Some(1), 2));
        assert_eq!(ordered.signature(), "percentile_cont(float8 ORDER BY float8) → float8");
    }
}
