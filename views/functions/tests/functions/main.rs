//! The table of functions, judged by PostgreSQL.

mod aggregates;
mod casts;
mod coverage;
mod evaluate;
mod exceptions;
mod formats;
mod own;
mod regex;
mod values;
