//! What text forms depend on beside the type: the session's time zone, the transaction's start, the names in the catalog.

use std::sync::Arc;

use crate::time::Zone;
use crate::{Result, SqlError, Type};

/// The order of day, month and year in dates like 01/02/2003 (`DateStyle`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// Month, day, year.
    #[default]
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// Names of objects, for the types that show an oid by name (regclass and its like).
pub trait Names: Send + Sync {
    /// The name that `oid` is shown by as a `ty`; `None` shows the number.
    fn name(&self, ty: &Type, oid: u32) -> Option<String>;

    /// The oid of what is called `name`.
    ///
    /// # Errors
    /// PostgreSQL's refusal: 42P01, 42704, 42883 …
    fn oid(&self, ty: &Type, name: &str) -> Result<u32>;
}

/// What text forms depend on.
#[derive(Clone, Default)]
pub struct Settings {
    /// The session's time zone.
    pub time_zone: Zone,
    /// The transaction's start, in microseconds since 1970 (UTC): what `now` and `today` mean.
    pub now: i64,
    /// The order of fields in dates.
    pub date_order: DateOrder,
    /// The catalog; without one, oids are numbers.
    pub names: Option<Arc<dyn Names>>,
}

impl Settings {
    /// As [`Settings::now`]: there is no moment, for what is computed is kept. What asks for one is refused.
    pub const NO_MOMENT: i64 = i64::MIN;

    /// The transaction's start.
    ///
    /// # Errors
    /// 0A000 where there is none.
    pub fn moment(&self) -> Result<i64> {
        match self.now {
            Settings::NO_MOMENT => {
                let message =
                    "what depends on the moment at which it is computed is not supported in a materialized view";
                Err(SqlError::new(b"0A000", message))
            }
            now => Ok(now),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({}, {}, {:?})", self.time_zone.name(), self.now, self.date_order)
    }
}
