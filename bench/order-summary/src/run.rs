//! One engine's run: the bulk phase, then a live phase for each tick length on the same engine, then the comparison of the
//! whole view, row by row, with a recomputation of the same stream. A wrong engine has no report.

use crate::engine::Entry;
use crate::error::Error;
use crate::event::{Event, SummaryRow};
use crate::measure::{Memory, Phase, Stopwatch, memory};
use crate::recompute::Tables;
use crate::workload::{Sizes, Workload};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Live events in ticks of one, as a share of those in longer ticks: such ticks are slow and soon say all they have to say.
const SINGLES_SHARE: u64 = 20;

/// What to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Rows and events.
    pub sizes: Sizes,
    /// Of the generator.
    pub seed: u64,
    /// Events in a tick of the bulk phase.
    pub bulk_tick: usize,
    /// Events in a tick, a live phase for each.
    pub live_ticks: Vec<usize>,
}

/// What a run says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The engine's name.
    pub engine: String,
    /// The bulk phase.
    pub bulk: Phase,
    /// Each live phase with its tick.
    pub live: Vec<(usize, Phase)>,
    /// After the bulk phase.
    pub memory_bulk: Memory,
    /// After the last live phase, before the view is compared.
    pub memory_end: Memory,
    /// Rows of the view at the end, all of them right.
    pub rows: usize,
}

/// Runs one engine in a process made for it: the configuration comes as JSON, and so goes the report.
pub fn child(entry: &Entry, config: &str) -> Result<String, Error> {
    let report = |source| Error::Report { engine: entry.name.to_owned(), source };
    let config: Config = serde_json::from_str(config).map_err(Error::Config)?;
    serde_json::to_string(&run(entry, &config)?).map_err(report)
}

/// Runs one engine in this process.
pub fn run(entry: &Entry, config: &Config) -> Result<Report, Error> {
    let mut engine = (entry.new)();
    let mut workload = Workload::new(config.sizes, config.seed);
    let mut bulk = Stopwatch::default();
    loop {
        let events = workload.bulk(config.bulk_tick);
        if events.is_empty() {
            break;
        }
        bulk.tick(&mut *engine, &events);
    }
    let memory_bulk = memory()?;
    let mut live = Vec::new();
    for &tick in &config.live_ticks {
        let mut phase = Stopwatch::default();
        for length in live_lengths(&config.sizes, tick) {
            phase.tick(&mut *engine, &workload.live(length));
        }
        live.push((tick, phase.phase()));
    }
    let memory_end = memory()?;
    let rows = compare(entry.name, &engine.state(), &recompute(config))?;
    Ok(Report { engine: entry.name.to_owned(), bulk: bulk.phase(), live, memory_bulk, memory_end, rows })
}

/// The lengths of a live phase's ticks; the last may be shorter.
fn live_lengths(sizes: &Sizes, tick: usize) -> impl Iterator<Item = usize> {
    let events = if tick == 1 { (sizes.live() / SINGLES_SHARE).max(1) } else { sizes.live() } as usize;
    (0..events.div_ceil(tick)).map(move |n| tick.min(events - n * tick))
}

/// The view after the same stream.
fn recompute(config: &Config) -> BTreeMap<i64, SummaryRow> {
    let mut tables = Tables::default();
    let mut apply = |events: Vec<Event>| events.iter().for_each(|event| tables.apply(event));
    let mut workload = Workload::new(config.sizes, config.seed);
    // Any tick makes the same stream; this one keeps memory small.
    let bulk_tick = config.bulk_tick.min(10_000);
    for _ in 0..config.sizes.bulk().div_ceil(bulk_tick as u64) {
        apply(workload.bulk(bulk_tick));
    }
    for &tick in &config.live_ticks {
        live_lengths(&config.sizes, tick).for_each(|length| apply(workload.live(length)));
    }
    tables.order_summary()
}

/// The number of rows, or the first order whose row is wrong.
fn compare(engine: &str, view: &BTreeMap<i64, SummaryRow>, right: &BTreeMap<i64, SummaryRow>) -> Result<usize, Error> {
    let wrong = |what| Err(Error::Wrong { engine: engine.to_owned(), what });
    for (id, expected) in right {
        match view.get(id) {
            Some(row) if row == expected => {}
            row => return wrong(format!("order {id} is {row:?}, not {expected:?}")),
        }
    }
    match view.iter().find(|(id, _)| !right.contains_key(id)) {
        Some((id, row)) => wrong(format!("order {id} has no row, but the view has {row:?}")),
        None => Ok(view.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    /// The recomputation itself as an engine.
    impl Engine for Tables {
        fn tick(&mut self, events: &[Event]) {
            events.iter().for_each(|event| self.apply(event));
        }

        fn state(&mut self) -> BTreeMap<i64, SummaryRow> {
            self.order_summary()
        }
    }

    const TABLES: Entry = Entry { name: "tables", new: || Box::new(Tables::default()) };

    fn config() -> Config {
        Config { sizes: Sizes::new(0.0002).unwrap(), seed: 3, bulk_tick: 500, live_ticks: vec![90, 1] }
    }

    #[test]
    fn a_run_counts_every_event_and_compares_every_row() {
        let text = child(&TABLES, &serde_json::to_string(&config()).unwrap()).unwrap();
        let report: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(report.bulk.events, config().sizes.bulk());
        assert_eq!(
            report.live.iter().map(|(tick, phase)| (*tick, phase.events)).collect::<Vec<_>>(),
            [(90, 200), (1, 10)]
        );
        assert_eq!(report.rows, recompute(&config()).len());
        assert!(report.rows > 100, "{report:?}");
    }

    #[test]
    fn a_wrong_missing_or_extra_row_is_found() {
        let right = recompute(&config());
        let (&first, _) = right.first_key_value().unwrap();
        let mut changed = right.clone();
        changed.get_mut(&first).unwrap().total += 1;
        let mut missing = right.clone();
        missing.remove(&first);
        let mut extra = right.clone();
        extra.insert(i64::MAX, right[&first].clone());
        for view in [changed, missing, extra] {
            assert!(matches!(compare("x", &view, &right), Err(Error::Wrong { .. })));
        }
        assert_eq!(compare("x", &right, &right).unwrap(), right.len());
    }
}
