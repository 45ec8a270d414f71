//! `order_summary`: runs the engines one after another, each in a process of its own so that its memory is its own, and
//! prints one table. Each process compares its engine's view with a recomputation; a wrong engine fails the whole run.

use clap::Parser;
use std::io::Write;
use std::process::{Command, Stdio};
use tidewater_bench::engine::ENGINES;
use tidewater_bench::error::Error;
use tidewater_bench::measure::Phase;
use tidewater_bench::run::{self, Config, Report};
use tidewater_bench::workload::Sizes;

/// Times engines that keep the view order_summary over the same stream of changes.
#[derive(Parser)]
#[command(version)]
struct Args {
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

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    match if args.child { child(&args) } else { parent(&args) } {
        Ok(text) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(_) => std::process::ExitCode::FAILURE,
        },
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            eprintln!("error: {error}{}", source.unwrap_or_default());
            std::process::ExitCode::FAILURE
        }
    }
}

fn child(args: &Args) -> Result<String, Error> {
    let sizes = Sizes::new(args.scale).ok_or(Error::Scale(args.scale))?;
    let bulk_tick = if args.bulk_in_one { usize::MAX } else { args.bulk_tick };
    let config = Config { sizes, seed: args.seed, bulk_tick, live_ticks: args.tick.clone() };
    let report = run::run(&args.engine, &config)?;
    serde_json::to_string(&report).map_err(|source| Error::Report { engine: args.engine.clone(), source })
}

fn parent(args: &Args) -> Result<String, Error> {
    Sizes::new(args.scale).ok_or(Error::Scale(args.scale))?;
    let names = match args.engine.as_str() {
        "all" => ENGINES.iter().map(|entry| entry.name).collect(),
        name => vec![run::engine(name)?.name],
    };
    let reports = names.into_iter().map(|name| start(name, args)).collect::<Result<Vec<_>, _>>()?;
    Ok(table(&reports))
}

/// Runs this program again for one engine.
fn start(engine: &str, args: &Args) -> Result<Report, Error> {
    let name = || engine.to_owned();
    let program = std::env::current_exe().map_err(|source| Error::Start { engine: name(), source })?;
    let ticks: Vec<String> = args.tick.iter().map(usize::to_string).collect();
    let mut command = Command::new(program);
    command.args(["--child", "--engine", engine, "--tick", &ticks.join(",")]);
    command.args(["--scale", &args.scale.to_string(), "--seed", &args.seed.to_string()]);
    match args.bulk_in_one {
        true => command.arg("--bulk-in-one"),
        false => command.args(["--bulk-tick", &args.bulk_tick.to_string()]),
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
