//! Days and clocks, apart and together.

use super::{DAY, HOUR, MINUTE, SECOND};

/// A day of the calendar. Year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// 0 to 24.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// Microseconds of the second.
    pub micros: i64,
}

/// Days of 400 years.
const ERA: i64 = 146_097;
/// 1970-01-01 counted from 0000-03-01.
const EPOCH: i64 = 719_468;

impl Civil {
    /// The day that is `days` after 1970-01-01.
    pub fn of(days: i64) -> Civil {
        let shifted = days + EPOCH;
        let era = shifted.div_euclid(ERA);
        let day_of_era = shifted.rem_euclid(ERA);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Years begin in March, so that leap days come last.
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let shifted_month = i64::from((self.month + 9) % 12);
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH
    }

    /// Whether the month has this day.
    pub fn is_valid(self) -> bool {
        (1..=12).contains(&self.month) && self.day >= 1 && self.day <= days_in(self.year, self.month)
    }

    /// `months` later, or on the month's last day if it is shorter.
    pub fn add_months(self, months: i64) -> Civil {
        let number = self.year * 12 + i64::from(self.month) - 1 + months;
        let (year, month) = (number.div_euclid(12), number.rem_euclid(12) as u32 + 1);
        Civil { year, month, day: self.day.min(days_in(year, month)) }
    }

    /// 1 to 366.
    pub fn day_of_year(self) -> i64 {
        self.days() - Civil { year: self.year, month: 1, day: 1 }.days() + 1
    }

    /// The year and number of the ISO week.
    pub fn iso_week(self) -> (i64, i64) {
        let days = self.days();
        let monday = days - i64::from(weekday(days) + 6) % 7;
        // The week's Thursday is in the week's year.
        let thursday = Civil::of(monday + 3);
        (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
    }
}

/// 0 for Sunday to 6.
pub(crate) fn weekday(days: i64) -> i32 {
    (days + 4).rem_euclid(7) as i32
}

/// Days of a month.
pub(crate) fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Clock {
    /// The time that is `micros` after midnight.
    pub fn of(micros: i64) -> Clock {
        Clock {
            hour: micros / HOUR,
            minute: micros % HOUR / MINUTE,
            second: micros % MINUTE / SECOND,
            micros: micros % SECOND,
        }
    }

    /// Microseconds since midnight.
    pub fn since_midnight(self) -> i64 {
        self.hour * HOUR + self.minute * MINUTE + self.second * SECOND + self.micros
    }
}

/// A local date and time as one number of microseconds.
pub(crate) fn local(days: i64, micros: i64) -> i128 {
    i128::from(days) * i128::from(DAY) + i128::from(micros)
}
