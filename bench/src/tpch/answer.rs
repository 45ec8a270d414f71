//! What an engine says of a query, and whether two say the same.

use cpu_time::ProcessTime;
use std::error::Error;
use std::time::{Duration, Instant};

/// Rows of texts, `None` for NULL.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// How far an approximate engine's numbers may be off, as a part of the greater of 1 and the number.
const TOLERANCE: f64 = 1e-4;

/// What an engine says of a query, and what it costs: the least of some runs, since what is more is the machine's.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The rows in their order.
    pub(crate) rows: Rows,
    /// CPU time of all the engine's threads.
    pub(crate) cpu_ms: f64,
    /// Wall time.
    pub(crate) wall_ms: f64,
}

impl Answer {
    /// Asks `runs` times, with the clock of CPU time that `cpu` is.
    pub(crate) fn of(
        runs: usize,
        mut cpu: impl FnMut() -> Duration,
        mut ask: impl FnMut() -> Result<Rows, Box<dyn Error>>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut best = Answer { rows: Rows::new(), cpu_ms: f64::INFINITY, wall_ms: f64::INFINITY };
        for _ in 0..runs {
            let (began, before) = (Instant::now(), cpu());
            best.rows = ask()?;
            best.wall_ms = best.wall_ms.min(began.elapsed().as_secs_f64() * 1e3);
            best.cpu_ms = best.cpu_ms.min((cpu() - before).as_secs_f64() * 1e3);
        }
        Ok(best)
    }
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> Duration {
    ProcessTime::now().as_duration()
}

/// The first difference of two answers; with `exact`, values are equal as texts.
pub(crate) fn difference(ours: &Rows, theirs: &Rows, exact: bool) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows, not {}", ours.len(), theirs.len()));
    }
    let equal = |(ours, theirs): (&Option<String>, &Option<String>)| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours == theirs || !exact && near(ours, theirs),
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    let wrong = ours
        .iter()
        .zip(theirs)
        .find(|(ours, theirs)| ours.len() != theirs.len() || !ours.iter().zip(theirs.iter()).all(equal));
    wrong.map(|(ours, theirs)| format!("row {ours:?}, not {theirs:?}"))
}

fn near(ours: &str, theirs: &str) -> bool {
    let (Ok(ours), Ok(theirs)) = (ours.parse::<f64>(), theirs.parse::<f64>()) else { return false };
    (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[&str]) -> Rows {
        values.iter().map(|value| vec![Some((*value).to_owned())]).collect()
    }

    #[test]
    fn differences_are_found() {
        let right = rows(&["1.5", "x"]);
        assert_eq!(difference(&right, &right, true), None);
        assert_eq!(difference(&rows(&["1.50", "x"]), &right, false), None);
        for wrong in [rows(&["1.5"]), rows(&["x", "1.5"]), rows(&["1.6", "x"]), vec![vec![None]; 2], vec![vec![]; 2]] {
            assert!(difference(&wrong, &right, false).is_some(), "{wrong:?}");
        }
        assert!(difference(&rows(&["1.50", "x"]), &right, true).is_some(), "as texts they differ");
    }
}
