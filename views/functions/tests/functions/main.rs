//! The table of functions, judged by PostgreSQL.
#![allow(clippy::print_stdout, reason = "how much was compared is the tests' result")]

mod aggregates;
mod casts;
mod coverage;
mod evaluate;
mod exceptions;
mod formats;
mod own;
mod records;
mod regex;
mod values;
