//! Values: those that PostgreSQL 15 judges (one program, so that one server is started), and what it cannot judge.

mod calendar;
mod common;
mod datetimes;
mod extremes;
mod fuzz;
mod literals;
mod numbers;
mod own;
mod random;
mod ranges;
mod samples;
mod values;
