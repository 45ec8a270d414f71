//! Units, zones and encodings: texts that only a list of them meets.

use tidewater_types::Type;

use crate::cases::{Case, check, text};

const UNITS: &[&str] = &[
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "decade",
    "century",
    "millennium",
    "dow",
    "doy",
    "isodow",
    "isoyear",
    "julian",
    "epoch",
    "timezone",
    "timezone_hour",
    "timezone_minute",
    "HOUR",
    "hours",
    "us",
    "ms",
    "s",
    "m",
    "h",
    "d",
    "w",
    "mon",
    "y",
    "c",
    "mil",
    "dec",
    "qtr",
    "nothing",
    "",
];

const MOMENTS: &[&str] = &[
    "2024-02-29 12:34:56.789012",
    "1999-12-31 23:59:59.999999",
    "2000-01-01 00:00:00",
    "2001-01-01 00:00:00",
    "0001-01-01 00:00:00",
    "0044-03-15 10:00:00 BC",
    "2020-12-31 01:00:00",
    "1969-12-31 23:59:59.5",
    "infinity",
    "-infinity",
];

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "EST",
    "CEST",
    "+02",
    "-03:30",
    "+05:30",
    "UTC+3",
    "EST5EDT",
    "europe/berlin",
    "Z",
    "Etc/GMT-5",
    "Nowhere/City",
    "",
];

#[test]
fn units_are_as_there() {
    let mut cases = Vec::new();
    for unit in UNITS {
        for moment in MOMENTS {
            for (ty, result) in [(Type::Timestamp, Type::Timestamp), (Type::TimestampTz, Type::TimestampTz)] {
                let args = vec![text(unit), (ty, (*moment).to_owned())];
                cases.push(Case { name: "date_trunc", args: args.clone(), result });
                cases.push(Case { name: "extract", args: args.clone(), result: Type::Numeric });
                cases.push(Case { name: "date_part", args, result: Type::Float8 });
            }
            let date = vec![text(unit), (Type::Date, moment[..].split(' ').next().unwrap_or(moment).to_owned())];
            cases.push(Case { name: "extract", args: date.clone(), result: Type::Numeric });
            cases.push(Case { name: "date_part", args: date, result: Type::Float8 });
        }
        for time in ["12:34:56.789012", "00:00:00", "24:00:00"] {
            for (ty, value) in [(Type::Time, time.to_owned()), (Type::TimeTz, format!("{time}+05:30"))] {
                let args = vec![text(unit), (ty, value)];
                cases.push(Case { name: "extract", args: args.clone(), result: Type::Numeric });
                cases.push(Case { name: "date_part", args, result: Type::Float8 });
            }
        }
        for interval in ["1 year 2 mons 3 days 04:05:06.789012", "-1 mons 40 days", "-25:00:00.5", "1000 years", "0"] {
            let args = vec![text(unit), (Type::Interval, interval.to_owned())];
            cases.push(Case { name: "date_trunc", args: args.clone(), result: Type::Interval });
            cases.push(Case { name: "extract", args: args.clone(), result: Type::Numeric });
            cases.push(Case { name: "date_part", args, result: Type::Float8 });
        }
    }
    check(&cases);
}

#[test]
fn zones_are_as_there() {
    let mut cases = Vec::new();
    // Among them the hours that clocks skip and show twice.
    let moments = [
        "2024-03-31 02:30:00",
        "2024-10-27 02:30:00",
        "2024-07-01 12:00:00",
        "1970-01-01 00:00:00",
        "2040-07-01 00:00:00",
        "1900-01-01 00:00:00",
        "2024-03-10 02:30:00",
    ];
    for zone in ZONES {
        for moment in moments {
            let moment = moment.to_owned();
            cases.push(Case {
                name: "timezone",
                args: vec![text(zone), (Type::Timestamp, moment.clone())],
                result: Type::TimestampTz,
            });
            cases.push(Case {
                name: "timezone",
                args: vec![text(zone), (Type::TimestampTz, moment.clone())],
                result: Type::Timestamp,
            });
            cases.push(Case {
                name: "date_trunc",
                args: vec![text("day"), (Type::TimestampTz, moment), text(zone)],
                result: Type::TimestampTz,
            });
        }
    }
    check(&cases);
}

#[test]
fn encodings_are_as_there() {
    let mut cases = Vec::new();
    for length in [0, 1, 2, 3, 56, 57, 58, 114, 200] {
        let hex: String = (0..length).map(|byte| format!("{:02x}", byte * 7 % 256)).collect();
        for format in ["hex", "base64", "escape", "HEX", "none"] {
            cases.push(Case {
                name: "encode",
                args: vec![(Type::Bytea, format!("\\x{hex}")), text(format)],
                result: Type::Text,
            });
        }
    }
    for (value, format) in [
        ("YWJj", "base64"),
        ("YWI=", "base64"),
        ("YQ==", "base64"),
        ("YQ=", "base64"),
        ("Y Q\n==", "base64"),
        ("YQ==YQ==", "base64"),
        ("Y*==", "base64"),
        ("=", "base64"),
        ("YWJjZA", "base64"),
        ("61 62", "hex"),
        ("6 1", "hex"),
        ("6", "hex"),
        ("zz", "hex"),
        ("a\\\\b\\001", "escape"),
        ("\\8", "escape"),
        ("\\777", "escape"),
        ("é", "escape"),
        ("é", "hex"),
    ] {
        cases.push(Case { name: "decode", args: vec![text(value), text(format)], result: Type::Bytea });
    }
    for escaped in [
        "\\0041",
        "\\u0041\\+01F600",
        "\\U0001F600",
        "\\D83D\\DE00",
        "\\D83D",
        "\\DE00",
        "\\D83Dx",
        "\\\\0041",
        "\\004",
        "\\0000",
        "a\\00e9b",
    ] {
        cases.push(Case { name: "unistr", args: vec![text(escaped)], result: Type::Text });
    }
    for name in ["a.b", "\"A\".b", " a . \"b.c\" ", "a.", ".a", "a b", "1a", "\"\"", "\"a", "é.$x", "a$1", "Ab.Cd"] {
        for strict in ["t", "f"] {
            cases.push(Case {
                name: "parse_ident",
                args: vec![text(name), (Type::Bool, strict.to_owned())],
                result: Type::Text.array(),
            });
        }
    }
    check(&cases);
}
