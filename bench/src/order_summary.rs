//! Runs the engines one after another, each in a process of its own so that its memory is its own, and
//! prints one table. Each process compares its engine's view with a recomputation; a wrong engine fails the whole run.

use crate::guest::Guests;
use std::process::{Command, Stdio};
use tidewater_bench::engines::{self, GUESTS};
use tidewater_order_summary::error::Error;
use tidewater_order_summary::measure::Phase;
use tidewater_order_summary::run::{self, Config, Report};
use tidewater_order_summary::workload::Sizes;

/// Times engines that keep the view order_summary over the same stream of changes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Part of the full size (8.2 million bulk events); at most 4.
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// An engine's name, or all.
    #[arg(long, default_value = "all")]
    engine: String,
    /// Events in a live tick; several run one after another on the same engine.
    #[arg(long, value_delimiter = ',', default_value = "10000,100,1", value_parser = tick)]
    tick: Vec<usize>,
    /// Events in a tick of the bulk phase.
    #[arg(long, default_value = "10000", value_parser = tick)]
    bulk_tick: usize,
    /// The whole bulk phase in one tick; its events are then in memory at once and count in what is resident.
    #[arg(long, conflicts_with = "bulk_tick")]
    bulk_in_one: bool,
    /// Of the generator.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    guests: Guests,
    /// Runs the engine in this process, with this configuration, and prints its report, both as JSON.
    #[arg(long, hide = true)]
    child: Option<String>,
}

fn tick(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a tick is a whole number of events, at least 1".to_owned()),
        Ok(events) => Ok(events),
    }
}

/// Runs all engines asked for, or, as a child of that run, one of them.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let text = match &options.child {
        Some(config) => run::child(engines::engine(&options.engine)?, config)?,
        None => parent(options)?,
    };
    println!("{text}");
    Ok(())
}

fn parent(options: &Options) -> Result<String, Error> {
    let sizes = Sizes::new(options.scale).ok_or(Error::Scale(options.scale))?;
    let bulk_tick = if options.bulk_in_one { usize::MAX } else { options.bulk_tick };
    let config = Config { sizes, seed: options.seed, bulk_tick, live_ticks: options.tick.clone() };
    let names: Vec<&str> = engines::names().filter(|name| options.engine == "all" || options.engine == *name).collect();
    if names.is_empty() {
        return Err(engines::unknown(&options.engine));
    }
    let mut reports = Vec::new();
    for name in names {
        match start(name, options, &config) {
            // Whoever asks for all has those that there are.
            Err(Error::Guest { what, .. }) if options.engine == "all" => println!("without {name}: {what}"),
            report => reports.push(report?),
        }
    }
    Ok(table(&reports))
}

/// Runs the program of one engine: a guest's, or this one again.
fn start(engine: &str, options: &Options, config: &Config) -> Result<Report, Error> {
    let name = || engine.to_owned();
    let config = serde_json::to_string(config).map_err(Error::Config)?;
    let mut command = if GUESTS.contains(&engine) {
        let program = options.guests.program(engine).map_err(|what| Error::Guest { engine: name(), what })?;
        Command::new(program)
    } else {
        let program = std::env::current_exe().map_err(|source| Error::Start { engine: name(), source })?;
        let mut command = Command::new(program);
        command.args(["order-summary", "--engine", engine, "--child"]);
        command
    };
    let output = command
        .arg(config)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { engine: name(), source })?;
    if !output.status.success() {
        return Err(Error::Child { engine: name(), status: output.status });
    }
    serde_json::from_slice(&output.stdout).map_err(|source| Error::Report { engine: name(), source })
}

/// A line for each engine and phase; the ratio is to the first engine's CPU time an event.
fn table(reports: &[Report]) -> String {
    let mut lines = vec![
        "| engine | phase | events | events/CPU s | of the first | events/wall s | p50 µs | p99 µs |".to_owned(),
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    let first = &reports[0];
    let line = |engine: &str, name: &str, phase: &Phase, base: &Phase| {
        format!(
            "| {engine} | {name} | {} | {:.0} | {:.2} | {:.0} | {:.1} | {:.1} |",
            phase.events,
            phase.per_cpu_second(),
            phase.per_cpu_second() / base.per_cpu_second(),
            phase.per_wall_second(),
            phase.p50_micros,
            phase.p99_micros
        )
    };
    for report in reports {
        lines.push(line(&report.engine, "bulk", &report.bulk, &first.bulk));
        for ((tick, phase), (_, base)) in report.live.iter().zip(&first.live) {
            lines.push(line(&report.engine, &format!("live, ticks of {tick}"), phase, base));
        }
    }
    lines.push(String::new());
    lines
        .push("| engine | MB after bulk | MB at the end | peak MB | rows, all equal to the recomputation |".to_owned());
    lines.push("| --- | ---: | ---: | ---: | ---: |".to_owned());
    for report in reports {
        let (bulk, end) = (report.memory_bulk.resident_mb, report.memory_end);
        let (now, peak) = (end.resident_mb, end.peak_mb);
        lines.push(format!("| {} | {bulk:.0} | {now:.0} | {peak:.0} | {} |", report.engine, report.rows));
    }
    lines.join("\n")
}
