//! What the benchmark asks of an engine.

use crate::event::{Event, SummaryRow};
use std::collections::BTreeMap;

/// An engine that keeps the view `order_summary`.
pub trait Engine {
    /// Takes the events as one change: when it returns, the view's indexed state is new and its output delta was produced.
    fn tick(&mut self, events: &[Event]);

    /// The view by order_id. Not timed.
    fn state(&mut self) -> BTreeMap<i64, SummaryRow>;
}

/// An engine by the name that the command line takes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// An empty one.
    pub new: fn() -> Box<dyn Engine>,
}
