//! Every operator against recomputation from scratch: random changes, random joins, random tick boundaries.
//!
//! The oracle keeps tables as plain vectors and evaluates a join by nested loops. After every tick each node must hold
//! exactly what the oracle computes, errors included; when all rows are taken out, nothing may be left anywhere.

mod aggregates;
mod groups;
mod held;
mod image;
mod joins;
mod limits;
mod model;
mod oracle;
mod plans;
mod watch;
