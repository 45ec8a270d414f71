//! Queries, judged by PostgreSQL 15.

mod ask;
mod features;
mod random;
mod trees;
mod world;
