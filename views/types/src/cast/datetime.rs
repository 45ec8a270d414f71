//! Casts among dates, times and timestamps.

use super::Context;
use crate::time::{self, DAY, INFINITY, NEGATIVE_INFINITY, is_infinite, split_day};
use crate::{Datum, Interval, Result, SqlError, TimeTz, Type};

/// The cast, if it is of this family.
pub(super) fn convert<'a>(
    datum: &Datum<'a>,
    from: &Type,
    to: &Type,
    context: &Context<'_, 'a>,
) -> Option<Result<Datum<'a>>> {
    let zone = &context.settings.time_zone;
    Some(match (from, to, datum) {
        (Type::Date, Type::Timestamp, Datum::Int(days)) => midnight(*days).map(Datum::Int),
        (Type::Date, Type::TimestampTz, Datum::Int(days)) => {
            midnight(*days).and_then(|local| zone.to_moment(local).map_err(|_| too_far())).map(Datum::Int)
        }
        (Type::Timestamp, Type::Date, Datum::Int(micros)) => Ok(Datum::Int(day_of(*micros))),
        (Type::TimestampTz, Type::Date, Datum::Int(micros)) => {
            zone.to_local(*micros).map(|local| Datum::Int(day_of(local)))
        }
        (Type::Timestamp, Type::Time, Datum::Int(micros)) => Ok(time_of(*micros)),
        (Type::TimestampTz, Type::Time, Datum::Int(micros)) => zone.to_local(*micros).map(time_of),
        (Type::TimestampTz, Type::TimeTz, Datum::Int(micros)) => {
            zone.to_local(*micros).map(|local| match time_of(local) {
                Datum::Int(micros_of_day) => {
                    Datum::TimeTz(TimeTz { micros: micros_of_day, offset: zone.offset_at(*micros) })
                }
                null => null,
            })
        }
        (Type::Timestamp, Type::TimestampTz, Datum::Int(local)) => zone.to_moment(*local).map(Datum::Int),
        (Type::TimestampTz, Type::Timestamp, Datum::Int(micros)) => zone.to_local(*micros).map(Datum::Int),
        (Type::Time, Type::Interval, Datum::Int(micros)) => {
            Ok(Datum::Interval(Interval { months: 0, days: 0, micros: *micros }))
        }
        (Type::Interval, Type::Time, Datum::Interval(value)) => Ok(Datum::Int(value.micros.rem_euclid(DAY))),
        (Type::Time, Type::TimeTz, Datum::Int(micros)) => {
            // As of today: the offset is that of this time of today's date.
            let now = match zone.is_fixed() {
                true => 0,
                false => match context.settings.moment() {
                    Ok(now) => now,
                    Err(error) => return Some(Err(error)),
                },
            };
            let today = (i128::from(now) + i128::from(zone.offset_at(now)) * 1_000_000).div_euclid(i128::from(DAY));
            let offset = zone.offset_of_local(today * i128::from(DAY) + i128::from(*micros));
            Ok(Datum::TimeTz(TimeTz { micros: *micros, offset }))
        }
        (Type::TimeTz, Type::Time, Datum::TimeTz(value)) => Ok(Datum::Int(value.micros)),
        _ => return None,
    })
}

fn too_far() -> SqlError {
    SqlError::new(b"22008", "date out of range for timestamp")
}

fn midnight(days: i64) -> Result<i64> {
    match days {
        INFINITY | NEGATIVE_INFINITY => Ok(days),
        _ => time::timestamp(i128::from(days) * i128::from(DAY)).map_err(|_| too_far()),
    }
}

fn day_of(local: i64) -> i64 {
    if is_infinite(local) { local } else { split_day(local).0 }
}

/// An infinite timestamp has no time of day: NULL.
fn time_of<'a>(local: i64) -> Datum<'a> {
    if is_infinite(local) { Datum::Null } else { Datum::Int(split_day(local).1) }
}
