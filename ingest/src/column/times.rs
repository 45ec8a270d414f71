//! Times as numbers, of a unit that the writer's schema names or that their size tells.

use delta::{Datum, Interval, RowBuilder};

use super::{Column, DAY_SECONDS, MICROS, NANOS, SECONDS_MAX, Target};
use crate::error::{Error, Result};

impl Column {
    /// A time of `from` ticks a second.
    pub(super) fn set_time(&self, row: &mut RowBuilder, value: i128, from: i64) -> Result<()> {
        let unfit = || self.wrong(format_args!("the time {value}, in ticks of 1/{from} s, does not fit its type"));
        let scale = |ticks: i64| {
            let (scaled, from) = (value.checked_mul(i128::from(ticks))?, i128::from(from));
            if self.exact && scaled % from != 0 {
                return None;
            }
            i64::try_from(scaled.div_euclid(from)).ok()
        };
        match self.target {
            Target::Timestamp { ticks, .. } | Target::Duration { ticks } => {
                row.set_int(self.index, scale(ticks).ok_or_else(unfit)?);
            }
            Target::Clock { ticks } => {
                let day = 0..DAY_SECONDS * ticks;
                row.set_int(self.index, scale(ticks).filter(|time| day.contains(time)).ok_or_else(unfit)?);
            }
            Target::Interval => {
                let nanos = scale(NANOS).ok_or_else(unfit)?;
                row.set(self.index, Datum::Interval(Interval { months: 0, days: 0, nanos }));
            }
            _ => return Err(self.wrong("a time where another type belongs")),
        }
        Ok(())
    }

    #[cold]
    pub(super) fn untold(&self, value: i64) -> Error {
        self.wrong(format_args!(
            "nothing tells whether the time {value} is in milliseconds or microseconds: declare timestamp(3) for a DATETIME of up to \
             3 fraction digits and timestamp(6) for others, or have records carry their schema"
        ))
    }
}

/// Bounds of times of `ticks` a second in records that do not name their unit, by magnitude: whatever a coarser unit may mean,
/// up to the year 9999, is not believed to be of this one. Debezium writes nothing coarser than milliseconds.
pub(super) fn told(ticks: i64, debezium: bool) -> (i64, i64) {
    let coarser = match ticks {
        NANOS => MICROS,
        MICROS => 1_000,
        1_000 if !debezium => 1,
        _ => 0,
    };
    (SECONDS_MAX * coarser, SECONDS_MAX.saturating_mul(ticks))
}

pub(super) fn is_told(value: i64, (least, limit): (i64, i64)) -> bool {
    let size = value.unsigned_abs();
    // Near the beginning of 1970 all units say so.
    size < 1_000 || size >= least.unsigned_abs() && size < limit.unsigned_abs()
}
