//! What pg_type says of each type, PostgreSQL's values for its own types.

use std::collections::HashMap;
use std::sync::LazyLock;

use tidewater_types::Type;

/// pg_type's columns but those that are the same for all, tab between them, in the order of [`TypeRow`].
const TYPES: &str = include_str!("shapes/types.tsv");
/// Functions that read and write types: number, name, arguments, result, volatility.
const IO_FUNCTIONS: &str = include_str!("shapes/io_functions.tsv");

/// A type.
#[derive(Debug, Clone)]
pub(crate) struct TypeRow {
    pub(crate) oid: u32,
    pub(crate) name: String,
    pub(crate) length: i16,
    pub(crate) by_value: bool,
    /// `b`, `p`, `r`, `m`.
    pub(crate) kind: String,
    pub(crate) category: String,
    pub(crate) preferred: bool,
    pub(crate) delimiter: String,
    pub(crate) element: u32,
    pub(crate) array: u32,
    /// Names of input, output, receive, send, modifiers' input and output.
    pub(crate) io: [String; 6],
    pub(crate) align: String,
    pub(crate) storage: String,
    pub(crate) collation: u32,
    pub(crate) subscript: String,
}

/// A function that reads or writes a type.
pub(crate) struct IoFunction {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<u32>,
    pub(crate) result: u32,
    pub(crate) volatility: &'static str,
}

/// All types, PostgreSQL's first.
pub(crate) fn types() -> &'static [TypeRow] {
    static ROWS: LazyLock<Vec<TypeRow>> = LazyLock::new(|| {
        let mut rows: Vec<TypeRow> = TYPES.lines().filter_map(read).collect();
        for ty in [Type::UInt2, Type::UInt4, Type::UInt8] {
            rows.push(own(&ty));
            rows.push(own(&ty.array()));
        }
        rows.push(own(&Type::List(Type::Text.into())));
        rows.push(own(&Type::Map(Type::Text.into())));
        rows
    });
    &ROWS
}

/// The type of this number.
pub(crate) fn type_row(oid: u32) -> Option<&'static TypeRow> {
    static BY_OID: LazyLock<HashMap<u32, usize>> =
        LazyLock::new(|| types().iter().enumerate().map(|(at, row)| (row.oid, at)).collect());
    BY_OID.get(&oid).map(|at| &types()[*at])
}

/// The functions that read and write types.
pub(crate) fn io_functions() -> &'static [IoFunction] {
    static ROWS: LazyLock<Vec<IoFunction>> = LazyLock::new(|| {
        let read = |line: &'static str| {
            let [oid, name, arguments, result, volatility] = line.split('\t').collect::<Vec<_>>()[..] else {
                return None;
            };
            let arguments = arguments.split(' ').filter_map(|oid| oid.parse().ok()).collect();
            Some(IoFunction { oid: oid.parse().ok()?, name, arguments, result: result.parse().ok()?, volatility })
        };
        IO_FUNCTIONS.lines().filter_map(read).collect()
    });
    &ROWS
}

fn read(line: &str) -> Option<TypeRow> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [oid, name, length, by_value, kind, category, preferred, delimiter, element, array, rest @ ..] = &fields[..]
    else {
        return None;
    };
    let [input, output, receive, send, modifier_in, modifier_out, align, storage, collation, subscript] = rest else {
        return None;
    };
    Some(TypeRow {
        oid: oid.parse().ok()?,
        name: (*name).to_owned(),
        length: length.parse().ok()?,
        by_value: *by_value == "t",
        kind: (*kind).to_owned(),
        category: (*category).to_owned(),
        preferred: *preferred == "t",
        delimiter: (*delimiter).to_owned(),
        element: element.parse().ok()?,
        array: array.parse().ok()?,
        io: [input, output, receive, send, modifier_in, modifier_out].map(|name| (*name).to_owned()),
        align: (*align).to_owned(),
        storage: (*storage).to_owned(),
        collation: collation.parse().ok()?,
        subscript: (*subscript).to_owned(),
    })
}

/// A type of Materialize's.
fn own(ty: &Type) -> TypeRow {
    let is_array = matches!(ty, Type::Array(_));
    let none = || "-".to_owned();
    let io = match is_array {
        true => ["array_in", "array_out", "array_recv", "array_send"].map(str::to_owned),
        false => [none(), none(), none(), none()],
    };
    let [input, output, receive, send] = io;
    TypeRow {
        oid: ty.oid(),
        name: ty.internal_name(),
        length: ty.length(),
        by_value: !is_array && ty.length() > 0,
        kind: if matches!(ty, Type::List(_) | Type::Map(_)) { "p" } else { "b" }.to_owned(),
        category: ty.category().to_string(),
        preferred: false,
        delimiter: ",".to_owned(),
        element: if is_array { ty.element().map_or(0, Type::oid) } else { 0 },
        array: ty.array_oid(),
        io: [input, output, receive, send, none(), none()],
        align: "i".to_owned(),
        storage: if ty.length() > 0 { "p" } else { "x" }.to_owned(),
        collation: 0,
        subscript: if is_array { "array_subscript_handler".to_owned() } else { none() },
    }
}
