//! Views against batch execution, which PostgreSQL judges: what a view holds after every tick is what its query answers then.

mod aggregates;
mod equal;
mod random;
mod refused;
mod shared;
mod trees;
mod world;
