//! Chaos on real servers (`tests/system`) with as many faults as asked for: in rounds, each on servers of its own, so that a
//! round's logs and binlogs stay small enough to read.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Faults of a round: about ten minutes.
const ROUND: u64 = 60;

/// Runs until `faults` servers were killed. Returns whether every round held.
///
/// # Errors
/// If the test cannot be run.
pub(crate) fn soak(faults: u64, from: Option<u64>) -> Result<bool, String> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut seed = from.unwrap_or(since_1970);
    let (mut done, mut failed) = (0, 0);
    while done < faults {
        let round = ROUND.min(faults - done);
        let held = run(round, seed)?;
        failed += u64::from(!held);
        done += round;
        println!("{done} faults, {failed} rounds failed; this round again: --faults {round} --from {seed}");
        seed += 1;
    }
    Ok(failed == 0)
}

/// What it says goes to the terminal: a round is long, and its log tells which fault it is at.
fn run(faults: u64, seed: u64) -> Result<bool, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Without `--package`, which would choose other features of the dependencies and compile them again.
    command.args(["test", "--quiet", "--test", "system", "--", "--only", "chaos"]);
    command.args(["--faults", &faults.to_string(), "--seed", &seed.to_string()]);
    command.env("TIDEWATER_TESTS", "all");
    Ok(command.status().map_err(|error| format!("cargo test: {error}"))?.success())
}
