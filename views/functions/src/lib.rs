//! Functions, operators, aggregates and casts with PostgreSQL's meaning: one table of them all, and what they compute.
//!
//! The table is data (name, types of arguments, result, volatility, one line of documentation, implementation): the binder resolves
//! calls against it, docs/functions.md and `pg_proc` are made from it, and a test compares it with PostgreSQL's own catalogs.
