//! The table of functions, judged by PostgreSQL.

mod regex;
