//! Runs the engines one after another, each in a process of its own so that its memory is its own, and
//! prints one table. Each process compares its engine's view with a recomputation; a wrong engine fails the whole run.

use std::process::{Command, Stdio};
use tidewater_bench::engine::ENGINES;
use tidewater_bench::error::Error;
use tidewater_bench::measure::Phase;
use tidewater_bench::run::{self, Config, Report};
use tidewater_bench::workload::Sizes;

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
    /// Runs the engine in this process and prints its report as JSON.
    #[arg(long, hide = true)]
    child: bool,
}

fn tick(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a tick is a whole number of events, at least 1".to_owned()),
        Ok(events) => Ok(events),
    }
}

/// Runs all engines asked for, or, as a child of that run, one of them.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    println!("{}", if options.child { child(options)? } else { parent(options)? });
    Ok(())
}

fn child(options: &Options) -> Result<String, Error> {
    let sizes = Sizes::new(options.scale).ok_or(Error::Scale(options.scale))?;
    let bulk_tick = if options.bulk_in_one { usize::MAX } else { options.bulk_tick };
    let config = Config { sizes, seed: options.seed, bulk_tick, live_ticks: options.tick.clone() };
    let report = run::run(&options.engine, &config)?;
    serde_json::to_string(&report).map_err(|source| Error::Report { engine: options.engine.clone(), source })
}

fn parent(options: &Options) -> Result<String, Error> {
    Sizes::new(options.scale).ok_or(Error::Scale(options.scale))?;
    let names = match options.engine.as_str() {
        "all" => ENGINES.iter().map(|entry| entry.name).collect(),
        name => vec![run::engine(name)?.name],
    };
    let reports = names.into_iter().map(|name| start(name, options)).collect::<Result<Vec<_>, _>>()?;
    Ok(table(&reports))
}

/// Runs this program again for one engine.
fn start(engine: &str, options: &Options) -> Result<Report, Error> {
    let name = || engine.to_owned();
    let program = std::env::current_exe().map_err(|source| Error::Start { engine: name(), source })?;
    let ticks: Vec<String> = options.tick.iter().map(usize::to_string).collect();
    let mut command = Command::new(program);
    command.args(["order-summary", "--child", "--engine", engine, "--tick", &ticks.join(",")]);
    command.args(["--scale", &options.scale.to_string(), "--seed", &options.seed.to_string()]);
    match options.bulk_in_one {
        true => command.arg("--bulk-in-one"),
        false => command.args(["--bulk-tick", &options.bulk_tick.to_string()]),
    };
    let output = command.stderr(Stdio::inherit()).output().map_err(|source| Error::Start { engine: name(), source })?;
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
