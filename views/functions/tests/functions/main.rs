//! The table of functions, judged by PostgreSQL.

mod casts;
mod evaluate;
mod exceptions;
mod regex;
mod values;
