//! Queries, judged by PostgreSQL 15.

mod ask;
mod assign;
mod depth;
mod features;
mod limits;
mod mutual;
mod parameters;
mod random;
mod tpch;
mod trees;
mod world;
