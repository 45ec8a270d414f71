//! Tasks of the project that are neither its product nor its tests: `cargo xtask soak` looks for faults for as long as it is let.

#![allow(clippy::print_stdout, reason = "a command line's output")]

mod servers;
mod simulation;

use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: cargo xtask soak simulation [--minutes N] [--from SEED]
       cargo xtask soak servers [--faults N] [--from SEED]
  simulation   the way in against the model of MySQL, Debezium and Kafka (ingest/tests/simulation), with fresh seeds
  servers      real servers, killed in random order under the shop's traffic (tests/system)
  --minutes N  how long (60)
  --faults N   how many servers are killed (300)
  --from SEED  the first seed (from the clock)";

/// What `soak` was asked for.
struct Soak {
    kind: String,
    time: Duration,
    faults: u64,
    from: Option<u64>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Soak, String> {
    if arguments.next().as_deref() != Some("soak") {
        return Err(USAGE.into());
    }
    let kind = arguments.next().ok_or(USAGE)?;
    let mut soak = Soak { kind, time: Duration::from_secs(60 * 60), faults: 300, from: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number\n{USAGE}"))?;
        let number = value.parse::<u64>().map_err(|_| format!("{name} {value}: not a whole number\n{USAGE}"))?;
        match name.as_str() {
            "--minutes" => soak.time = Duration::from_secs(60 * number),
            "--faults" => soak.faults = number,
            "--from" => soak.from = Some(number),
            _ => return Err(format!("unknown option {name}\n{USAGE}")),
        }
    }
    Ok(soak)
}

fn run() -> Result<bool, String> {
    let soak = parse(std::env::args().skip(1))?;
    match soak.kind.as_str() {
        "simulation" => simulation::soak(soak.time, soak.from),
        "servers" => servers::soak(soak.faults, soak.from),
        other => Err(format!("unknown kind of soak \"{other}\"\n{USAGE}")),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}
