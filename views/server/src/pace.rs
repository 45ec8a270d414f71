//! How many changes the loop does at once.
//!
//! Whoever reads waits for what the loop does at that moment. What a change costs depends on the views and on the machine, so it is
//! measured as it goes.

use std::time::Duration;

/// What the loop does at once should take this long.
const SLICE: Duration = Duration::from_millis(4);
/// Up to so many slices are done as one: readers of the moment before would cost more than they wait.
const WHOLE: usize = 3;
const FEWEST: usize = 16;
const MOST: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    changes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { changes: 256 }
    }
}

impl Pace {
    /// Changes that take a slice of time.
    pub(crate) fn slice(&self) -> usize {
        self.changes
    }

    /// Changes that are not worth being done in parts.
    pub(crate) fn whole(&self) -> usize {
        self.changes * WHOLE
    }

    /// Learns how long changes took. Few that took no time say nothing.
    pub(crate) fn learn(&mut self, changes: usize, took: Duration) {
        if changes == 0 || changes < self.changes / 2 && took < SLICE {
            return;
        }
        let nanos = took.as_nanos().max(1);
        let fit = (changes as u128).saturating_mul(SLICE.as_nanos()) / nanos;
        let fit = usize::try_from(fit).unwrap_or(MOST).clamp(FEWEST, MOST);
        // At most twice as many as before: caches were warm, or nothing read the table.
        self.changes = (self.changes + fit.min(self.changes * 3)).div_ceil(2).clamp(FEWEST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_what_changes_cost() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| pace.learn(pace.slice(), Duration::from_micros(pace.slice() as u64)));
        assert_eq!(pace.slice(), 4_000, "a microsecond each");
        (0..20).for_each(|_| pace.learn(pace.slice(), Duration::from_millis(pace.slice() as u64)));
        assert!(pace.slice() <= FEWEST + 1, "a millisecond each");
        let before = pace.slice();
        pace.learn(1, Duration::from_micros(1));
        assert_eq!(pace.slice(), before, "one alone says nothing");
        (0..20).for_each(|_| pace.learn(pace.slice(), Duration::ZERO));
        assert_eq!(pace.slice(), MOST);
    }
}
