//! Times as numbers, of a unit that the writer's schema names or that their size tells.

use tidewater_delta::RowBuilder;
use tidewater_types::{Datum, Interval, Packing, time};

use super::target::Target;
use super::{Cell, MICROS, SECONDS_MAX};
use crate::error::{Error, Result};

impl Cell {
    /// A time in microseconds, which are as many as the column can hold. Beyond PostgreSQL's first and last timestamp there is
    /// none.
    #[inline]
    pub(super) fn set_micros(&self, row: &mut RowBuilder, micros: i64) -> Result<()> {
        let range = match self.target {
            Target::Timestamp { .. } => time::FIRST_TIMESTAMP..=time::LAST_TIMESTAMP,
            Target::Clock { .. } => 0..=time::DAY - 1,
            _ => {
                let interval = Interval { months: 0, days: 0, micros };
                Packing::Interval.set(row, self.index, &Datum::Interval(interval));
                return Ok(());
            }
        };
        if !range.contains(&micros) {
            return Err(self.wrong(format_args!("the time {micros}, in microseconds, does not fit its type")));
        }
        self.put(row, micros);
        Ok(())
    }

    /// A time of `from` ticks a second.
    pub(super) fn set_time(&self, row: &mut RowBuilder, value: i128, from: i64) -> Result<()> {
        let unfit = || self.wrong(format_args!("the time {value}, in ticks of 1/{from} s, does not fit its type"));
        let (Target::Timestamp { step, .. } | Target::Clock { step } | Target::Interval { step }) = self.target else {
            return Err(self.wrong("a time where another type belongs"));
        };
        let scaled = value.checked_mul(i128::from(MICROS)).ok_or_else(unfit)?;
        let whole = i128::from(from) * i128::from(step);
        if self.exact && scaled % whole != 0 {
            return Err(unfit());
        }
        let micros = scaled.div_euclid(whole) * i128::from(step);
        self.set_micros(row, i64::try_from(micros).map_err(|_| unfit())?)
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
