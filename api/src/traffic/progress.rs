//! Progress lines on stderr: at most one a second, so that logs stay short.

use std::time::{Duration, Instant};

/// Often enough to see that it moves.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reports how far a long step is.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    start: Instant,
    last: Instant,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let start = Instant::now();
        Self { what, total, start, last: start }
    }

    /// Prints when a second has passed since the last line.
    pub(crate) fn at(&mut self, done: u64) {
        if self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            self.print(done);
        }
    }

    /// Prints a line now.
    pub(crate) fn print(&self, done: u64) {
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = done as f64 / seconds.max(0.001);
        eprintln!("{}: {done} of {} after {seconds:.1} s ({rate:.0}/s)", self.what, self.total);
    }
}
