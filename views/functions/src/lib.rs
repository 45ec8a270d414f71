//! Functions, operators, aggregates and casts with PostgreSQL's meaning: one table of them all, and what they compute.
//!
//! The table is data (name, types of arguments, result, volatility, one line of documentation, implementation): the binder resolves
//! calls against it, docs/functions.md and `pg_proc` are made from it, and a test compares it with PostgreSQL's own catalogs.
//!
//! A family's entries stand in one file as signatures, `substr(text, int4, int4) -> text`, each with a plain function over
//! [`Datum`](tidewater_types::Datum)s; [`Function::compile`] makes an expression of it and of its arguments' expressions.

mod accumulator;
mod actions;
mod call;
mod cast;
mod catalog_info;
mod compile;
mod families;
mod formatting;
mod function;
mod jsonpath;
mod regex;
mod resolve;
mod rows;
mod session;
mod signature;
mod table;

pub use accumulator::Accumulator;
pub use actions::{Actions, Backend, Signal};
pub use cast::{Cast, CastContext, CastMethod, all_casts, cast};
pub use catalog_info::CatalogInfo;
pub use compile::Argument;
pub use families::strings_more::quote_ident;
pub use families::to_json::write as write_json;
pub use function::{Function, Kind, Volatility};
pub use resolve::{Resolved, resolve};
pub use rows::{RowSource, Rows};
pub use session::{Session, TEMP_SCHEMA, is_temp_schema};
pub use signature::Param;
pub use table::{all_functions, all_operators, functions, operators};
