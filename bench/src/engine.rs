//! What the benchmark asks of an engine, and the table of the engines that can be asked for.

use crate::differential::Differential;
use crate::event::{Event, SummaryRow};
use crate::tidewater::Tidewater;
use crate::typed::Typed;
use std::collections::BTreeMap;

/// An engine that keeps the view `order_summary`.
pub trait Engine {
    /// Takes the events as one change: when it returns, the view's indexed state is new and its output delta was produced.
    fn tick(&mut self, events: &[Event]);

    /// The view by order_id. Not timed.
    fn state(&mut self) -> BTreeMap<i64, SummaryRow>;
}

/// An engine by the name that the command line takes.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// An empty one.
    pub new: fn() -> Box<dyn Engine>,
}

/// In the order of the report; ratios are to the first.
pub const ENGINES: &[Entry] = &[
    Entry { name: "typed", new: || Box::new(Typed::default()) },
    Entry { name: "tidewater", new: || Box::new(Tidewater::default()) },
    Entry { name: "differential", new: || Box::new(Differential::default()) },
];
