//! The table of functions, judged by PostgreSQL.
#![allow(clippy::print_stdout, reason = "how much was compared is the tests' result")]

mod aggregates;
mod cases;
mod casts;
mod collections;
mod coverage;
mod documents;
mod evaluate;
mod exceptions;
mod formats;
mod own;
mod patterns;
mod records;
mod regex;
mod units;
mod values;
mod variadic;
