//! From records to rows: recorded ones, ones written by hand, and those that do not fit. The simulation is a program of its own, because
//! `cargo xtask soak` starts it, and so is `large`, which measures its own memory.

mod drift;
mod envelope;
mod positions;
mod samples;
mod values;
