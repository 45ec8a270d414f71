//! The table of functions, judged by PostgreSQL.

mod evaluate;
mod exceptions;
mod regex;
mod values;
