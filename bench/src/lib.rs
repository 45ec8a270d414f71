//! The engines of the order_summary benchmark that live here; differential-dataflow's is a guest with a workspace of its own.

pub mod engines;
pub mod tidewater;
pub mod typed;
