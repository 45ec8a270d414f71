//! Values judged by PostgreSQL 15: texts in and out, comparisons, arithmetic, casts. One program, so that one server is started.

mod calendar;
mod common;
mod datetimes;
mod fuzz;
mod literals;
mod numbers;
mod ranges;
mod samples;
mod values;
