//! The table of all functions and the table of all operators, by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use tidewater_types::{Expr, Result};

use crate::accumulator::Accumulator;
use crate::call::{Call, Env};
use crate::compile::Argument;
use crate::families;
use crate::function::{Body, Eval, Function};
use crate::rows::RowSource;
use crate::signature;

/// The functions called `name` (in lower case, without a schema).
pub fn functions(name: &str) -> &'static [Function] {
    TABLE.functions.get(name).map_or(&[], Vec::as_slice)
}

/// The operators called `name`: one parameter before which it stands, or two between which it does.
pub fn operators(name: &str) -> &'static [Function] {
    TABLE.operators.get(name).map_or(&[], Vec::as_slice)
}

/// All functions, in no order.
pub fn all_functions() -> impl Iterator<Item = &'static Function> {
    TABLE.functions.values().flatten()
}

/// All operators, in no order.
pub fn all_operators() -> impl Iterator<Item = &'static Function> {
    TABLE.operators.values().flatten()
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    families::register(&mut table);
    table
});

/// Several signatures of one name, a line each; the first has the documentation, the others may have a word before them (`stable`).
macro_rules! signatures {
    ($name:literal, $doc:literal, $first:literal $(, $($word:ident)? $rest:literal)*) => {
        concat!($name, $first, " -- ", $doc $(, "\n", $(stringify!($word), " ",)? $name, $rest)*)
    };
}
pub(crate) use signatures;

/// What families register their entries in.
#[derive(Default)]
pub(crate) struct Table {
    functions: HashMap<&'static str, Vec<Function>>,
    operators: HashMap<&'static str, Vec<Function>>,
    family: &'static str,
}

impl Table {
    /// Entries from here on stand under this heading of the documentation.
    pub(crate) fn family(&mut self, name: &'static str) {
        self.family = name;
    }

    /// Functions that one implementation computes: a signature a line.
    pub(crate) fn add(&mut self, signatures: &'static str, eval: Eval) {
        self.put(signatures, Body::Eval(eval));
    }

    /// Functions for whose arguments an expression is made.
    pub(crate) fn make(&mut self, signatures: &'static str, make: fn(Vec<Argument>, Env) -> Result<Expr>) {
        self.put(signatures, Body::Make(make));
    }

    /// Operators; the symbol stands where a function's name does.
    pub(crate) fn operator(&mut self, signatures: &'static str, eval: Eval) {
        self.put_operator(signatures, Body::Eval(eval));
    }

    /// Operators for whose arguments an expression is made.
    pub(crate) fn make_operator(&mut self, signatures: &'static str, make: fn(Vec<Argument>, Env) -> Result<Expr>) {
        self.put_operator(signatures, Body::Make(make));
    }

    /// Aggregates.
    pub(crate) fn aggregate(&mut self, signatures: &'static str, make: fn(&Env) -> Result<Box<dyn Accumulator>>) {
        self.put(signatures, Body::Aggregate(make));
    }

    /// Window functions.
    pub(crate) fn window(&mut self, signatures: &'static str) {
        self.put(signatures, Body::Window);
    }

    /// Set-returning functions.
    pub(crate) fn rows(
        &mut self,
        signatures: &'static str,
        rows: for<'a, 'c> fn(&Call<'a, 'c>) -> Result<RowSource<'a>>,
    ) {
        self.put(signatures, Body::Rows(rows));
    }

    fn put(&mut self, signatures: &'static str, body: Body) {
        for line in lines(signatures) {
            let function = signature::parse(line, self.family, body);
            self.functions.entry(function.name).or_default().push(function);
        }
    }

    fn put_operator(&mut self, signatures: &'static str, body: Body) {
        for line in lines(signatures) {
            let function = signature::parse(line, self.family, body);
            self.operators.entry(function.name).or_default().push(function);
        }
    }
}

fn lines(signatures: &'static str) -> impl Iterator<Item = &'static str> {
    signatures.lines().map(str::trim).filter(|line| !line.is_empty())
}
