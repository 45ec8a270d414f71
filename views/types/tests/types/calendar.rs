//! What dates, times and intervals compute.

use crate::extremes::FIELDS;
use tidewater_types::time::{self, Extracted, Zone};
use tidewater_types::{Datum, Interval, Result, Scratch, Settings, input};

use crate::common::{Random, Said, agree, error, judge, quote, settings, shown, soak, ty};

const MOMENTS: &[&str] = &[
    "2024-02-29 12:34:56.789",
    "2024-01-31 00:00:00",
    "1999-12-31 23:59:59.999999",
    "2000-01-01 00:00:00",
    "1970-01-01 00:00:00",
    "2024-03-31 02:30:00",
    "2024-10-27 02:30:00",
    "0001-01-01 00:00:00",
    "0044-03-15 12:00:00 BC",
    "4714-11-24 00:00:00 BC",
    "9999-12-31 23:59:59",
    "294246-12-31 00:00:00",
    "infinity",
    "-infinity",
    "2023-03-26 01:59:59",
    "1900-03-01 06:00:00",
    "2001-01-01 00:00:00",
    "0100-12-31 10:00:00",
    "0099-01-01 00:00:00 BC",
    "2021-01-03 00:00:00",
    "2020-12-31 00:00:00",
    "1001-01-01 00:00:00",
    "2023-07-15 23:10:05.000001",
];

const SPANS: &[&str] = &[
    "0",
    "1 month",
    "-1 month",
    "1 year",
    "-1 year 1 day",
    "30 days",
    "1 day",
    "-1 day",
    "24 hours",
    "1:00",
    "-0:00:00.000001",
    "1 mon 1 day 1:02:03.456",
    "13 months -45 days 100:00",
    "1000 years",
    "-5000 years",
    "1.5 days",
    "178000000 years",
    "2147483647 days",
    "-25 hours",
    "1 day -25 hours",
    "-1 mon 29 days 23:59:59",
    "1 mon -1 day",
    "59 days 24:00",
    "-30 days 1:00",
    "35 days -1:00",
    "300000 years",
];

/// Other names of fields, and what is none.
const OTHER_FIELDS: &[&str] = &["mins", "foo", "YEARS", "secs", "msec", "now", "d"];

fn span(text: &str) -> Interval {
    time::parse_interval(text, &ty("interval")).expect("an interval")
}

fn moment(text: &str) -> i64 {
    time::parse_timestamp(text, &settings()).expect("a timestamp")
}

fn timestamp(result: Result<i64>) -> Said {
    result.map(|v| shown(&Datum::Int(v), &ty("timestamp"), &settings())).map_err(|e| error(&e))
}

fn interval(result: Result<Interval>) -> Said {
    result.map(|v| shown(&Datum::Interval(v), &ty("interval"), &settings())).map_err(|e| error(&e))
}

fn extracted(result: Result<Extracted>) -> Said {
    match result {
        Ok(Extracted::Number(number)) => Ok(Some(number.to_string())),
        Ok(Extracted::Null) => Ok(None),
        Err(e) => Err(error(&e)),
    }
}

#[test]
fn moments_and_spans() {
    let mut cases = Vec::new();
    for a in MOMENTS {
        for s in SPANS {
            let statement = format!("select '{a}'::timestamp + '{s}'::interval");
            cases.push((statement, timestamp(time::add_to_timestamp(moment(a), span(s)))));
        }
        for b in MOMENTS {
            let (x, y) = (moment(a), moment(b));
            cases.push((
                format!("select '{a}'::timestamp - '{b}'::timestamp"),
                interval(time::timestamp_difference(x, y)),
            ));
            // PostgreSQL 15 takes an infinity for a number here.
            if a.contains("infinity") || b.contains("infinity") {
                assert!(time::age(x, y).is_err());
                continue;
            }
            cases.push((format!("select age('{a}'::timestamp, '{b}'::timestamp)"), interval(time::age(x, y))));
        }
    }
    // Beyond where our timestamps end, PostgreSQL's go on for 29 years.
    cases.retain(|(statement, ours)| !(statement.contains("294246") && ours.is_err()));
    agree(&mut judge(&settings()), cases);
}

#[test]
fn random_ages() {
    let mut random = Random(soak().0);
    let mut cases = Vec::new();
    for _ in 0..3000 {
        let mut text = || {
            let (year, month, day) =
                (random.below(40) + 1990, random.below(12) + 1, random.below(28) + 1 + random.below(2) * 2);
            format!(
                "{year}-{month:02}-{:02} {}:{:02}",
                if month == 2 { day.min(28) } else { day.min(30) },
                random.below(24),
                random.below(60)
            )
        };
        let (a, b) = (text(), text());
        cases.push((
            format!("select age('{a}'::timestamp, '{b}'::timestamp)"),
            interval(time::age(moment(&a), moment(&b))),
        ));
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn moments_in_zones() {
    for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let zone = Zone::named(name).unwrap();
        let here = Settings { time_zone: zone.clone(), ..settings() };
        let show = |result: Result<i64>| -> Said {
            result.map(|v| shown(&Datum::Int(v), &ty("timestamptz"), &here)).map_err(|e| error(&e))
        };
        let mut cases = Vec::new();
        for a in MOMENTS.iter().filter(|a| !a.starts_with("4714") && !a.starts_with("294246")) {
            let x = time::parse_timestamptz(a, &here).unwrap();
            for s in SPANS {
                let statement = format!("select '{a}'::timestamptz + '{s}'::interval");
                cases.push((statement, show(time::add_to_timestamptz(x, span(s), &zone))));
            }
            for f in FIELDS.iter().chain(OTHER_FIELDS) {
                let statement = format!("select date_trunc('{f}', '{a}'::timestamptz)");
                cases.push((statement, show(time::truncate_timestamptz(f, x, &zone))));
                let statement = format!("select extract('{f}' from '{a}'::timestamptz)");
                cases.push((statement, extracted(time::extract_timestamptz(f, x, &zone))));
            }
            let zones: &[&str] = if a.contains("infinity") {
                &["EST"]
            } else {
                &["Asia/Tokyo", "EST", "MSK", "+05:30", "UTC", "America/St_Johns", "nowhere", "<+03>-3"]
            };
            for other in zones {
                let there = Zone::parse(other);
                let local = there.clone().and_then(|zone| time::timestamptz_at_zone(x, &zone));
                cases.push((format!("select '{a}'::timestamptz at time zone '{other}'"), timestamp(local)));
                let back = there.clone().and_then(|zone| time::timestamp_at_zone(moment(a), &zone));
                cases.push((format!("select '{a}'::timestamp at time zone '{other}'"), show(back)));
                if let Ok(there) = there {
                    let statement = format!("select date_trunc('month', '{a}'::timestamptz, '{other}')");
                    cases.push((statement, show(time::truncate_timestamptz_in("month", x, &there))));
                }
            }
        }
        cases.retain(|(statement, ours)| !(statement.contains("300000 years") && ours.is_err()));
        agree(&mut judge(&here), cases);
    }
}

#[test]
fn intervals_as_zones() {
    let mut cases = Vec::new();
    for text in ["1:30", "-8:00", "0", "1 day", "1 mon", "00:00:30"] {
        let zone = Zone::of_interval(span(text));
        let local = zone.clone().and_then(|zone| time::timestamptz_at_zone(moment("2024-02-29 10:00"), &zone));
        cases.push((
            format!("select '2024-02-29 10:00+00'::timestamptz at time zone interval '{text}'"),
            timestamp(local),
        ));
        let there = zone.map(|zone| {
            let value = time::parse_timetz("10:00+02", &settings()).unwrap();
            shown(&Datum::TimeTz(time::time_at_zone(value, &zone, settings().now)), &ty("timetz"), &settings())
        });
        cases.push((format!("select '10:00+02'::timetz at time zone interval '{text}'"), there.map_err(|e| error(&e))));
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn parts() {
    let mut cases = Vec::new();
    for f in FIELDS.iter().chain(OTHER_FIELDS) {
        for a in MOMENTS {
            let x = moment(a);
            cases.push((
                format!("select extract('{f}' from '{a}'::timestamp)"),
                extracted(time::extract_timestamp(f, x)),
            ));
            let cut = timestamp(time::truncate_timestamp(f, x));
            cases.push((format!("select date_trunc('{f}', '{a}'::timestamp)"), cut));
            let day = time::parse_date(a, &settings()).unwrap();
            cases.push((format!("select extract('{f}' from '{a}'::date)"), extracted(time::extract_date(f, day))));
        }
        for s in SPANS {
            let x = span(s);
            cases
                .push((format!("select extract('{f}' from '{s}'::interval)"), extracted(time::extract_interval(f, x))));
            cases.push((format!("select date_trunc('{f}', '{s}'::interval)"), interval(time::truncate_interval(f, x))));
        }
        for t in ["12:34:56.789", "00:00", "24:00"] {
            let x = time::parse_time(t, &settings()).unwrap();
            cases.push((format!("select extract('{f}' from '{t}'::time)"), extracted(time::extract_time(f, x))));
            let z = time::parse_timetz(&format!("{t}+05:30"), &settings()).unwrap();
            let statement = format!("select extract('{f}' from '{t}+05:30'::timetz)");
            cases.push((statement, extracted(time::extract_timetz(f, z))));
        }
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn interval_arithmetic() {
    let mut cases = Vec::new();
    for a in SPANS {
        let x = span(a);
        cases.push((format!("select justify_hours('{a}'::interval)"), interval(x.justify_hours())));
        cases.push((format!("select justify_days('{a}'::interval)"), interval(x.justify_days())));
        cases.push((format!("select justify_interval('{a}'::interval)"), interval(x.justify())));
        cases.push((format!("select -'{a}'::interval"), interval(x.neg())));
        for factor in [
            "0", "1", "-1", "2", "0.5", "1.5", "-0.3333", "10", "0.1", "1e10", "1e-10", "3", "7", "0.7", "NaN",
            "0.000001", "12.12",
        ] {
            let f: f64 = factor.parse().unwrap();
            cases.push((format!("select '{a}'::interval * '{factor}'::float8"), interval(x.mul(f))));
            cases.push((format!("select '{a}'::interval / '{factor}'::float8"), interval(x.div(f))));
        }
        for b in SPANS {
            cases.push((format!("select '{a}'::interval + '{b}'::interval"), interval(x.add(span(b)))));
            cases.push((format!("select '{a}'::interval - '{b}'::interval"), interval(x.sub(span(b)))));
        }
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn random_interval_products() {
    let mut random = Random(soak().0);
    let mut cases = Vec::new();
    for _ in 0..3000 {
        let part = |n: u64, by: i64| n as i64 - by;
        let text = format!(
            "{} mons {} days {} us",
            part(random.below(100), 50),
            part(random.below(200), 100),
            part(random.below(400_000_000_000), 200_000_000_000)
        );
        let factor = (random.below(2_000_000) as f64 - 1_000_000.0) / [7.0, 1000.0, 64.0][random.below(3) as usize];
        let x = span(&text);
        cases.push((format!("select '{text}'::interval * '{factor}'::float8"), interval(x.mul(factor))));
        cases.push((format!("select '{text}'::interval / '{factor}'::float8"), interval(x.div(factor))));
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn days_and_clocks() {
    let mut cases = Vec::new();
    let date = |result: Result<i64>| -> Said {
        result.map(|v| shown(&Datum::Int(v), &ty("date"), &settings())).map_err(|e| error(&e))
    };
    for a in ["2024-02-29", "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31"] {
        let x = time::parse_date(a, &settings()).unwrap();
        for n in [0, 1, -1, 365, 2_000_000_000, -2_000_000_000] {
            cases.push((format!("select '{a}'::date + ({n})"), date(time::add_to_date(x, n))));
        }
        for b in ["2024-02-29", "1999-01-01", "infinity", "5874897-12-31"] {
            let y = time::parse_date(b, &settings()).unwrap();
            let days = time::date_difference(x, y).map(|d| Some(d.to_string())).map_err(|e| error(&e));
            cases.push((format!("select '{a}'::date - '{b}'::date"), days));
        }
    }
    for s in SPANS {
        let scratch = Scratch::new();
        let Ok(Datum::Int(t)) = input("12:34:56", &ty("time"), &settings(), &scratch) else { panic!("a time") };
        let later = shown(&Datum::Int(time::add_to_time(t, span(s))), &ty("time"), &settings());
        cases.push((format!("select '12:34:56'::time + '{s}'::interval"), Ok(later)));
    }
    for stride in ["15 minutes", "1 day", "1 mon", "0", "-1 hour", "1.5 hours", "7 days"] {
        for a in MOMENTS.iter().filter(|a| !a.starts_with("4714")) {
            let origin = moment("2001-01-01");
            let statement = format!("select date_bin('{stride}', '{a}'::timestamp, '2001-01-01'::timestamp)");
            cases.push((statement, timestamp(time::bin(span(stride), moment(a), origin))));
        }
    }
    for (y, m, d) in [
        (2024, 2, 29),
        (2023, 2, 29),
        (-44, 3, 15),
        (0, 1, 1),
        (2024, 13, 1),
        (2024, 1, -1),
        (5_874_898, 1, 1),
        (-4714, 11, 23),
        (-4714, 11, 24),
    ] {
        cases.push((format!("select make_date({y}, {m}, {d})"), date(time::make_date(y, m, d))));
        let stamp = timestamp(time::make_timestamp((y, m, d), 1, 2, 3.5));
        cases.push((format!("select make_timestamp({y}, {m}, {d}, 1, 2, 3.5)"), stamp));
    }
    for (h, m, s) in [
        (8, 15, 23.5),
        (24, 0, 0.0),
        (24, 0, 0.1),
        (23, 59, 60.0),
        (25, 0, 0.0),
        (1, 60, 0.0),
        (1, 1, 60.5),
        (-1, 0, 0.0),
        (1, 1, -1.0),
        (10, 20, 30.123_456_7),
    ] {
        let t = time::make_time(h, m, s).map(|v| shown(&Datum::Int(v), &ty("time"), &settings()));
        cases.push((format!("select make_time({h}, {m}, {s})"), t.map_err(|e| error(&e))));
    }
    for (parts, s) in [([1, 2, 3, 4, 5, 6], 7.5), ([0; 6], -0.5), ([0, 0, 0, 0, i32::MAX, 0], 0.0)] {
        let list = parts.map(|p| p.to_string()).join(",");
        cases.push((format!("select make_interval({list},{s:e})"), interval(time::make_interval(parts, s))));
    }
    for s in
        ["0", "1284352323.5", "-1.5", "1e12", "1e20", "NaN", "Infinity", "-Infinity", "1700000000.123456", "0.0000005"]
    {
        let stamp =
            time::to_timestamp(s.parse().unwrap()).map(|v| shown(&Datum::Int(v), &ty("timestamptz"), &settings()));
        cases.push((format!("select to_timestamp({}::float8)", quote(s)), stamp.map_err(|e| error(&e))));
    }
    agree(&mut judge(&settings()), cases);
}
