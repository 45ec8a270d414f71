//! From a parsed query to its answer: binding with PostgreSQL's rules, the algebra, rewrites, and execution in batch.
