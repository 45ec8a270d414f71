//! The system relations: their shapes are PostgreSQL's, and what clients ask of them is answered as PostgreSQL answers it.

mod ask;
mod drivers;
mod names;
mod psql;
mod sample;
mod secrets;
mod shapes;
