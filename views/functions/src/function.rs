//! An entry of the table: what a function is called, takes and gives, and how it is computed.

use tidewater_types::{Datum, RangeOf, Result, Type};

use crate::accumulator::Accumulator;
use crate::call::{Call, Env};
use crate::compile::Argument;
use crate::rows::RowSource;
use crate::signature::Param;

/// Whether the same arguments always give the same result
/// (<https://www.postgresql.org/docs/15/xfunc-volatility.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volatility {
    /// Always.
    Immutable,
    /// Within one statement of one session.
    Stable,
    /// Not even there.
    Volatile,
}

/// Where a function may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wherever a value may: one row's arguments give one value.
    Scalar,
    /// A group's rows give one value. With OVER a window function, too.
    Aggregate,
    /// Only with OVER; the executor computes it.
    Window,
    /// One row's arguments give any number of rows.
    Set,
}

/// A function, operator, aggregate, window function or set-returning function.
pub struct Function {
    /// Its name, in lower case; an operator's symbol.
    pub name: &'static str,
    /// Where it may stand.
    pub kind: Kind,
    /// The types of its parameters, direct ones of an ordered-set aggregate first.
    pub params: Vec<Param>,
    /// The parameters' names, "" for one without: what `f(name => value)` refers to.
    pub names: Vec<&'static str>,
    /// The last parameters' values where a call leaves them out: literals, as text of the parameter's type.
    pub defaults: Vec<&'static str>,
    /// Whether the last parameter may be repeated. It is then an array, which a call without the word VARIADIC has packed by
    /// [`Function::compile`], or `Any`.
    pub variadic: bool,
    /// Of an ordered-set aggregate, how many parameters are direct; the others come from WITHIN GROUP.
    pub direct: Option<usize>,
    /// The result; of a set-returning function whose rows have several columns, a record.
    pub result: Param,
    /// The columns of a set-returning function's rows: names ("" means the function's own) and types.
    pub columns: Vec<(&'static str, Param)>,
    /// Whether the same arguments give the same result.
    pub volatility: Volatility,
    /// Whether a NULL among the arguments makes the result NULL (no rows, a row that an aggregate passes over) without a call.
    pub strict: bool,
    /// What it does, in one line; "" where an overload of the same name says it.
    pub doc: &'static str,
    /// The family it stands in, a heading of docs/functions.md.
    pub family: &'static str,
    pub(crate) body: Body,
}

/// A plain implementation.
pub(crate) type Eval = for<'a, 'c> fn(&Call<'a, 'c>) -> Result<Datum<'a>>;

/// How a function is computed.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// By a function of the arguments' values.
    Eval(Eval),
    /// By an expression made for these arguments; it handles NULLs itself.
    Make(fn(Vec<Argument>, Env) -> Result<tidewater_types::Expr>),
    /// By feeding rows to an accumulator.
    Aggregate(fn(&Env) -> Result<Box<dyn Accumulator>>),
    /// By the executor.
    Window,
    /// By a source of rows.
    Rows(for<'a, 'c> fn(&Call<'a, 'c>) -> Result<RowSource<'a>>),
}

impl Function {
    /// Whether a value may be given for each of its parameters by a call that has `count` arguments.
    pub fn takes(&self, count: usize) -> bool {
        let most = self.params.len();
        let least = most - self.defaults.len();
        // A variadic function needs at least one value for its last parameter, as in PostgreSQL.
        if self.variadic { count >= least } else { (least..=most).contains(&count) }
    }

    /// The parameter that argument `i` of a call with `count` arguments is for; `packed` says whether the last is written VARIADIC.
    pub fn param(&self, i: usize, packed: bool) -> Param {
        let last = self.params.len().saturating_sub(1);
        if !self.variadic || i < last || packed {
            return self.params.get(i.min(last)).cloned().unwrap_or(Param::Any);
        }
        self.params[last].element()
    }

    /// Whether a call with arguments of these types reads the session: the moment, the time zone, the names of the catalog. That is
    /// finer than [`Function::volatility`], where everything is stable that prints a value of any type, as in PostgreSQL.
    pub fn reads_session(&self, args: &[Type], result: &Type) -> bool {
        match self.volatility {
            // age calls itself immutable, and counts days in the session's zone.
            Volatility::Immutable => self.name == "age" && args.contains(&Type::TimestampTz),
            Volatility::Volatile => true,
            Volatility::Stable => {
                // age of one argument is that up to today.
                let of_session = self.family == crate::families::CATALOG
                    || OF_SESSION.contains(&self.name)
                    || self.name == "age" && args.len() == 1;
                of_session || args.iter().any(reads_session) || reads_session(result)
            }
        }
    }

    /// The signature, as it stands in the documentation: `substr(text, int4, int4) → text`.
    pub fn signature(&self) -> String {
        let mut params = String::new();
        for (i, param) in self.params.iter().enumerate() {
            if i > 0 {
                params += if self.direct == Some(i) { " ORDER BY " } else { ", " };
            }
            if self.variadic && i + 1 == self.params.len() {
                params += "VARIADIC ";
            }
            params += &param.to_string();
        }
        let set = if self.kind == Kind::Set { "setof " } else { "" };
        format!("{}({params}) → {set}{}", self.name, self.result)
    }

    /// Whether its parameters are exactly of these types.
    pub fn is_for(&self, types: &[Type]) -> bool {
        self.params.len() == types.len()
            && self.params.iter().zip(types).all(|(param, ty)| matches!(param, Param::Of(of) if of == ty))
    }
}

/// Stable functions that say something of the session whatever their arguments are.
const OF_SESSION: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "version",
    "current_database",
    "current_user",
    "session_user",
    "getpgusername",
    "current_schema",
    "current_schemas",
    "current_setting",
    "pg_backend_pid",
];

/// Whether the text form or a computation of a type's values depends on the session.
pub(crate) fn reads_session(ty: &Type) -> bool {
    match ty {
        Type::TimestampTz
        | Type::TimeTz
        | Type::Range(RangeOf::TimestampTz)
        | Type::Multirange(RangeOf::TimestampTz) => true,
        Type::Record(record) => record.fields.iter().any(|(_, field)| reads_session(&field.ty)),
        Type::Oid | Type::Xid => false,
        ty => ty.is_oid() || ty.element().is_some_and(reads_session),
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.signature())
    }
}
