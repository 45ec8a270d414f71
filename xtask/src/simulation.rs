//! The seeded simulation with fresh seeds, block after block, until the time is over.
//!
//! A block is one run of the test `simulation`, which prints how many seeds it tried and shrinks what fails.

use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seeds of each class in a block: some seconds of work, so that a failure is told soon.
const BLOCK: u64 = 500;

/// Runs until `time` is over. Returns whether no seed failed.
///
/// # Errors
/// If the test cannot be run, or tries no seed.
pub(crate) fn soak(time: Duration, from: Option<u64>) -> Result<bool, String> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut from = from.unwrap_or(since_1970 * BLOCK);
    let start = Instant::now();
    let (mut tried, mut failed) = (0, 0);
    while start.elapsed() < time {
        let block = run(from)?;
        tried += block.tried;
        if !block.passed {
            failed += 1;
            println!("{}", block.output);
        }
        println!("{tried} seeds tried, {failed} blocks failed; next: --from {}", from + BLOCK);
        from += BLOCK;
    }
    Ok(failed == 0)
}

struct Block {
    tried: u64,
    passed: bool,
    output: String,
}

fn run(from: u64) -> Result<Block, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--quiet", "--package", "tidewater-ingest", "--test", "simulation"]);
    command.args(["every_answer_is_a_state_of_the_database", "--", "--nocapture"]);
    command.env("SIM_FROM", from.to_string()).env("SIM_SEEDS", BLOCK.to_string());
    let done = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "cargo is missing: install Rust with rustup".to_owned(),
        _ => format!("cargo test: {error}"),
    })?;
    let output = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let tried = output.lines().find_map(|line| line.strip_suffix(" seeds tried")?.trim_start_matches('.').parse().ok());
    let tried = tried.ok_or_else(|| format!("the simulation tried no seed:\n{output}"))?;
    Ok(Block { tried, passed: done.status.success(), output })
}
