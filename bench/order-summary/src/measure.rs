//! What a run costs: CPU and wall time of the ticks alone, memory from the kernel's own count.
//!
//! The generator runs between ticks and is not timed; its memory is in the process, but it remembers changed values only.

use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The ticks of one phase, each timed.
#[derive(Default)]
pub struct Stopwatch {
    events: u64,
    cpu: Duration,
    ticks: Vec<Duration>,
}

/// A phase in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Events taken.
    pub events: u64,
    /// Seconds of CPU of all threads of the process.
    pub cpu_seconds: f64,
    /// Seconds of wall time.
    pub wall_seconds: f64,
    /// The median tick's wall time.
    pub p50_micros: f64,
    /// That of the 99th percentile.
    pub p99_micros: f64,
}

impl Phase {
    /// Events per second of CPU.
    pub fn per_cpu_second(&self) -> f64 {
        self.events as f64 / self.cpu_seconds
    }

    /// Events per second of wall time.
    pub fn per_wall_second(&self) -> f64 {
        self.events as f64 / self.wall_seconds
    }
}

impl Stopwatch {
    /// Has the engine take one tick. CPU time of every thread counts: work that an engine leaves to another thread until
    /// after the tick falls into the next tick, or is not counted after the last.
    pub fn tick(&mut self, engine: &mut dyn Engine, events: &[Event]) {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        engine.tick(events);
        self.cpu += cpu.elapsed();
        self.ticks.push(wall.elapsed());
        self.events += events.len() as u64;
    }

    /// The phase so far.
    pub fn phase(mut self) -> Phase {
        self.ticks.sort_unstable();
        let wall: Duration = self.ticks.iter().sum();
        Phase {
            events: self.events,
            cpu_seconds: self.cpu.as_secs_f64(),
            wall_seconds: wall.as_secs_f64(),
            p50_micros: percentile(&self.ticks, 50),
            p99_micros: percentile(&self.ticks, 99),
        }
    }
}

/// The smallest value that at least `percent` of the sorted values do not exceed, in microseconds; 0 of none.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |tick| tick.as_secs_f64() * 1e6)
}

/// Memory of this process in MB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now.
    pub resident_mb: f64,
    /// The most that was ever resident.
    pub peak_mb: f64,
}

/// Reads `/proc/self/status`.
pub fn memory() -> Result<Memory, Error> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(Error::Memory)?;
    let mb = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6).ok_or(Error::MemoryField(name))
    };
    Ok(Memory { resident_mb: mb("VmRSS:")?, peak_mb: mb("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ticks: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&ticks, 50).round(), 100.0);
        assert_eq!(percentile(&ticks, 99).round(), 198.0);
        assert_eq!(percentile(&ticks[..1], 99).round(), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn memory_is_what_was_touched() {
        let before = memory().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = memory().unwrap();
        assert!(after.resident_mb > before.resident_mb + 50.0, "{before:?} {after:?}");
        assert!(after.peak_mb >= after.resident_mb && touched[0] == 1);
    }
}
