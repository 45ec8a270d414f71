//! Generated traffic: data to start with, updates of orders, and mixed live changes.
//!
//! Everything follows from a seed through [`fake::Random`], so that two runs over equal data do the same.

pub mod fake;
pub mod load;
pub mod plan;
mod progress;
pub mod push;
pub mod seed;
