//! Whatever the values, computations answer or refuse: no panic, no wrapping, no endless work.

use proptest::prelude::*;
use tidewater_types::time::{self, Zone};
use tidewater_types::{Interval, NumericBuf, TimeTz};

/// Whole numbers, the extremes often.
fn whole() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -1000_i64..1000,
        Just(i64::MAX),
        Just(i64::MIN),
        any::<i32>().prop_map(i64::from),
        Just(i32::MIN.into())
    ]
}

fn part() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -50..50, Just(i32::MAX), Just(i32::MIN)]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -100.0..100.0,
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(1e300)
    ]
}

fn interval() -> impl Strategy<Value = Interval> {
    (part(), part(), whole()).prop_map(|(months, days, micros)| Interval { months, days, micros })
}

/// Every moment that there is, the infinities among them.
fn moment() -> impl Strategy<Value = i64> {
    let any = (time::FIRST_TIMESTAMP..=time::LAST_TIMESTAMP).boxed();
    let ends = [time::FIRST_TIMESTAMP, time::LAST_TIMESTAMP, time::INFINITY, time::NEGATIVE_INFINITY, 0];
    prop_oneof![any, proptest::sample::select(ends.to_vec())]
}

fn day() -> impl Strategy<Value = i64> {
    let ends = [time::FIRST_DAY, time::LAST_DAY, time::INFINITY, time::NEGATIVE_INFINITY];
    prop_oneof![time::FIRST_DAY..=time::LAST_DAY, proptest::sample::select(ends.to_vec())]
}

/// The fields of a time, as `extract` names them.
pub(crate) const FIELDS: [&str; 22] = [
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "month",
    "quarter",
    "week",
    "year",
    "isoyear",
    "decade",
    "century",
    "millennium",
    "julian",
    "dow",
    "isodow",
    "doy",
    "epoch",
    "timezone",
    "timezone_hour",
    "timezone_minute",
];

fn is_valid(result: tidewater_types::Result<i64>) {
    if let Ok(value) = result {
        let range = time::FIRST_TIMESTAMP..=time::LAST_TIMESTAMP;
        assert!(time::is_infinite(value) || range.contains(&value), "{value}");
    }
}

proptest! {
    #[test]
    fn moments(a in moment(), b in moment(), i in interval(), zone in proptest::sample::select(vec!["UTC", "Pacific/Kiritimati", "America/Adak", "MSK"])) {
        let zone = Zone::parse(zone).unwrap();
        is_valid(time::add_to_timestamp(a, i));
        is_valid(time::add_to_timestamptz(a, i, &zone));
        is_valid(time::timestamptz_at_zone(a, &zone));
        is_valid(time::timestamp_at_zone(a, &zone));
        is_valid(time::bin(i, a, b));
        let _ = (time::timestamp_difference(a, b), time::age(a, b));
        for field in FIELDS {
            is_valid(time::truncate_timestamp(field, a));
            is_valid(time::truncate_timestamptz(field, a, &zone));
            let _ = time::extract_timestamp(field, a);
            let _ = time::extract_timestamptz(field, a, &zone);
        }
        let mut out = String::new();
        time::write_timestamp(a, &mut out);
        time::write_timestamptz(a, &zone, &mut out);
    }

    #[test]
    fn intervals(a in interval(), b in interval(), f in float()) {
        let _ = (a.add(b), a.sub(b), a.neg(), a.mul(f), a.div(f));
        let _ = (a.justify_hours(), a.justify_days(), a.justify());
        for field in FIELDS {
            let _ = (time::extract_interval(field, a), time::truncate_interval(field, a));
        }
        let mut out = String::new();
        time::write_interval(a, &mut out);
        prop_assert_eq!(a.compare(b), b.compare(a).reverse());
        let clock = time::add_to_time(0, a);
        prop_assert!((0..time::DAY).contains(&clock));
        time::add_to_timetz(TimeTz { micros: time::DAY, offset: -57_599 }, a);
    }

    #[test]
    fn days(a in day(), b in day(), n in whole()) {
        if let Ok(later) = time::add_to_date(a, n) {
            prop_assert!(time::is_infinite(later) || (time::FIRST_DAY..=time::LAST_DAY).contains(&later));
        }
        let _ = time::date_difference(a, b);
        for field in FIELDS {
            let _ = time::extract_date(field, a);
        }
        let mut out = String::new();
        time::write_date(a, &mut out);
    }

    #[test]
    fn made(y in part(), m in part(), d in part(), h in part(), min in part(), s in float()) {
        let _ = (time::make_date(y, m, d), time::make_time(h, min, s), time::to_timestamp(s));
        is_valid(time::make_timestamp((y, m, d), h, min, s));
        is_valid(time::make_timestamptz((y, m, d), h, min, s, &Zone::fixed(57_599)));
        let _ = time::make_interval([y, m, d, h, min, y], s);
        let _ = Zone::of_interval(Interval { months: 0, days: 0, micros: i64::from(h) * i64::from(min) });
    }

    #[test]
    fn numerics(a in any::<i128>(), b in any::<i128>(), s in 0_u16..200, t in 0_u16..200, n in part(), f in float()) {
        let (x, y) = (NumericBuf::from_f64(f), NumericBuf::parse(&format!("{a}e-{s}")).unwrap());
        let z = NumericBuf::parse(&format!("{b}e-{t}")).unwrap();
        let (mut p, mut q, mut r) = (Vec::new(), Vec::new(), Vec::new());
        let values = [x.borrow(&mut p), y.borrow(&mut q), z.borrow(&mut r)];
        for a in values {
            for b in values {
                let _ = (a.add(b), a.sub(b), a.mul(b), a.div(b), a.rem(b), a.div_whole(b), a.gcd(b), a.lcm(b));
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            }
            let _ = (a.round(n), a.trunc(n), a.ceil(), a.floor(), a.neg(), a.abs(), a.trim_scale(), a.sqrt(), a.ln());
            let _ = (a.to_f64(), a.to_integer::<i64>("bigint"), a.to_string());
        }
    }
}
