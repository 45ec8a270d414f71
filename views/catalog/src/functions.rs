//! Numbers of functions and operators. The table has none; here they are numbered in the order of their signatures, so that a number
//! stays the same as long as the server is the same.

use std::collections::HashMap;
use std::sync::LazyLock;

use tidewater_functions::{Function, Param, all_functions, all_operators};
use tidewater_types::Type;

use crate::types::{io_functions, types};

/// Beyond PostgreSQL's own numbers, of which those of types' functions are used.
const FIRST_FUNCTION: u32 = 100_000;
const FIRST_OPERATOR: u32 = 200_000;

/// A function or operator and its number.
pub(crate) struct Numbered {
    pub(crate) oid: u32,
    pub(crate) function: &'static Function,
}

/// All functions, aggregates among them, by name.
pub(crate) fn functions() -> &'static [Numbered] {
    static ALL: LazyLock<Vec<Numbered>> = LazyLock::new(|| numbered(all_functions(), FIRST_FUNCTION));
    &ALL
}

/// All operators, by name.
pub(crate) fn operators() -> &'static [Numbered] {
    static ALL: LazyLock<Vec<Numbered>> = LazyLock::new(|| numbered(all_operators(), FIRST_OPERATOR));
    &ALL
}

fn numbered(all: impl Iterator<Item = &'static Function>, first: u32) -> Vec<Numbered> {
    let mut all: Vec<(String, &'static Function)> = all.map(|function| (function.signature(), function)).collect();
    all.sort_by(|a, b| (a.1.name, &a.0).cmp(&(b.1.name, &b.0)));
    let numbered = all.into_iter().zip(first..);
    numbered.map(|((_, function), oid)| Numbered { oid, function }).collect()
}

/// The function of this number.
pub(crate) fn function(oid: u32) -> Option<&'static Function> {
    Some(functions().get(oid.checked_sub(FIRST_FUNCTION)? as usize)?.function)
}

/// The operator of this number.
pub(crate) fn operator(oid: u32) -> Option<&'static Function> {
    Some(operators().get(oid.checked_sub(FIRST_OPERATOR)? as usize)?.function)
}

/// The name of the function of this number.
pub(crate) fn function_name(oid: u32) -> Option<&'static str> {
    let io = || io_functions().iter().find(|io| io.oid == oid).map(|io| io.name);
    function(oid).map(|function| function.name).or_else(io)
}

/// The numbers of the functions of this name.
pub(crate) fn functions_named(name: &str) -> impl Iterator<Item = u32> {
    let start = functions().partition_point(|numbered| numbered.function.name < name);
    let own = functions()[start..].iter().take_while(move |numbered| numbered.function.name == name);
    let io = io_functions().iter().filter(move |io| io.name == name);
    own.map(|numbered| numbered.oid).chain(io.map(|io| io.oid))
}

/// The numbers of the operators of this name.
pub(crate) fn operators_named(name: &str) -> impl Iterator<Item = u32> {
    operators().iter().filter(move |numbered| numbered.function.name == name).map(|numbered| numbered.oid)
}

/// The number of a type's function, by its name in PostgreSQL's catalog.
pub(crate) fn io_oid(name: &str) -> u32 {
    static BY_NAME: LazyLock<HashMap<&'static str, u32>> =
        LazyLock::new(|| io_functions().iter().map(|io| (io.name, io.oid)).collect());
    BY_NAME.get(name).copied().unwrap_or(0)
}

/// The number of the type that a parameter has in pg_proc.
pub(crate) fn param_oid(param: &Param) -> u32 {
    match param {
        Param::Of(ty) => ty.oid(),
        Param::Any => 2276,
        Param::AnyRecord => 2249,
        Param::AnyList => Type::List(Type::Text.into()).oid(),
        Param::AnyMap => Type::Map(Type::Text.into()).oid(),
        family => {
            let name = family.to_string();
            types().iter().find(|row| row.name == name).map_or(0, |row| row.oid)
        }
    }
}
