//! From a parsed query to its answer: binding with PostgreSQL's rules, the algebra, rewrites, and execution in batch.

pub mod bind;
pub mod catalog;
mod constant;
mod dialect;
mod parse;
pub mod plan;
pub mod rewrite;
pub mod run;
mod sizes;
mod stack;

pub use bind::{
    BoundChange, ChangeContext, Changed, MADE, bind, bind_delete, bind_insert, bind_scalar, bind_update, column_type,
};
pub use catalog::{Catalog, Relation, Source, View};
pub use parse::{parse, parser, refusal, tokens};
pub use plan::Plan;
pub use rewrite::rewrite;
pub use run::run;
pub use stack::walking;
