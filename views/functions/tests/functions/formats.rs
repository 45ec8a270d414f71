//! Formats as people write them, over values: more than the edges of texts say.

use tidewater_types::Type;

use crate::cases::{Case, check, text};
use crate::regex::Random;

const DATE_FORMATS: &[&str] = &[
    "YYYY-MM-DD",
    "YYYY-MM-DD HH24:MI:SS",
    "DD Mon YYYY",
    "FMDay, FMDD FMMonth YYYY",
    "Day",
    "DAY dy DY Dy",
    "day|month|mon",
    "HH12:MI:SS AM",
    "hh:mi p.m.",
    "FMHH:FMMI",
    "DDD DDth FMDDth D ID",
    "IYYY-IW-ID",
    "IYYY IYY IY I IDDD",
    "YYYY YYY YY Y",
    "Y,YYY",
    "CC",
    "FMCC",
    "Q",
    "WW W",
    "J",
    "MS US",
    "FF1 FF2 FF3 FF4 FF5 FF6",
    "SSSS SSSSS",
    "RM",
    "FMRM rm",
    "A.D. BC a.d.",
    "TZ tz OF TZH:TZM",
    "\"quoted YYYY\" YYYY",
    "\\\"YYYY\\\"",
    "YYYY\"T\"HH24",
    "TMMonth TMDay",
    "MONTH FMMONTH Month",
    "yyyy-mm-dd",
    "FXYYYY",
    "HH24TH MIth SSTH",
    "foo bar",
    "DDTH YYYYth",
    "SP DDSP",
    "HH24:MI:SS.US",
    "Mon",
    "FMMM/FMDD/YY",
    "yyyyMMddHH24MISS",
    "DDMMYYYY",
];

const NUMBER_FORMATS: &[&str] = &[
    "999",
    "9999.99",
    "0000.00",
    "FM999.99",
    "FM9999.99",
    "FM000.00",
    "999,999,999.99",
    "9G999D99",
    "S999",
    "999S",
    "S0999.9",
    "FMS999",
    "MI999",
    "999MI",
    "FM999MI",
    "PL999",
    "999PL",
    "SG999",
    "999SG",
    "999PR",
    "FM999PR",
    "L999",
    "999th",
    "FM999th",
    "999TH",
    "RN",
    "FMRN",
    "rn",
    "9.99EEEE",
    "999V99",
    "99V9",
    "0",
    "9",
    "FM9",
    "FM0.9",
    "9.9",
    "0.9",
    "FM9.9",
    ".99",
    "FM.99",
    "99.",
    "FM99.",
    "B999",
    "999 \"units\"",
    "9 9 9",
    "00009",
    "S9.9",
    "FM999,999",
    "999,999",
    "0,000",
    "9,9,9",
    "C999",
    "9990.000",
    "FM990.099",
    "SG9.9",
    "9.9MI",
    "9.9PL",
    "9999999999.99999",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "12",
    "485",
    "-485",
    "0.1",
    "-0.1",
    "0.5",
    "1.5",
    "2.5",
    "-12.345",
    "1234.5678",
    "999.995",
    "-999.995",
    "1234567.891",
    "3999",
    "4000",
    "1e10",
    "0.00012",
    "12.0",
    "100",
    "-0.004",
];

const READ: &[(&str, &str)] = &[
    ("2024-02-29", "YYYY-MM-DD"),
    ("2024-02-30", "YYYY-MM-DD"),
    ("29 Feb 2024", "DD Mon YYYY"),
    ("29 february 2024", "DD Month YYYY"),
    ("20240229", "YYYYMMDD"),
    ("2024 060", "YYYY DDD"),
    ("12:30 PM", "HH12:MI AM"),
    ("13:30 PM", "HH12:MI AM"),
    ("2024-05-06 07:08:09.123456", "YYYY-MM-DD HH24:MI:SS.US"),
    ("05/06/24", "MM/DD/YY"),
    ("99", "YY"),
    ("70", "YY"),
    ("69", "YY"),
    ("999", "YYY"),
    ("44 BC", "YYYY BC"),
    ("2024-W09-4", "IYYY-\"W\"IW-ID"),
    ("2024 10", "YYYY WW"),
    ("2460370", "J"),
    ("21", "CC"),
    ("21 24", "CC YY"),
    ("2024-02-29T12", "YYYY-MM-DD\"T\"HH24"),
    ("  2024   02", "YYYY MM"),
    ("2024/02", "YYYY-MM"),
    ("2024--02", "YYYY-MM"),
    ("12 3", "HH24 MS"),
    ("12 123", "HH24 MS"),
    ("86399", "SSSSS"),
    ("2024-02-29 12:00+05", "YYYY-MM-DD HH24:MITZH"),
    ("2024-02-29 12:00-05:30", "YYYY-MM-DD HH24:MITZH:TZM"),
    ("2,024", "Y,YYY"),
    ("IV 2024", "RM YYYY"),
    ("viii 2024", "rm YYYY"),
    ("29th Feb 2024", "DDth Mon YYYY"),
    ("2024-2-9", "YYYY-MM-DD"),
    ("2024229", "YYYYMMDD"),
    ("abc", "YYYY"),
    ("", "YYYY"),
    ("2024", ""),
    ("2024-13-01", "YYYY-MM-DD"),
    ("2024-01-01 25:00", "YYYY-MM-DD HH24:MI"),
    ("2024-01-01 23:60", "YYYY-MM-DD HH24:MI"),
    ("Monday 2024", "Day YYYY"),
    ("Mon 5 Feb 2024", "Dy FMDD Mon YYYY"),
    ("1 2 3", "FXDD MM YYYY"),
    ("01 02 2003", "FXDD MM YYYY"),
    ("01  02 2003", "FXDD MM YYYY"),
    ("2003 01 01 2004", "YYYY MM DD YYYY"),
    ("24-Feb-03", "DD-Mon-YY"),
    ("Q2 2024", "\"Q\"Q YYYY"),
    ("2024 3", "YYYY Q"),
    ("20 Jan 2024 extra", "DD Mon YYYY"),
    ("12.5", "SS.FF1"),
    ("12.123456", "SS.FF6"),
    ("2024-02 UTC", "YYYY-MM TZ"),
    ("00000101", "YYYYMMDD"),
    ("-44-03-15", "YYYY-MM-DD"),
    ("10000-01-01", "YYYY-MM-DD"),
    ("123456789-01-01", "YYYY-MM-DD"),
    ("2024 366", "YYYY DDD"),
    ("2023 366", "YYYY DDD"),
    ("2024 12 5", "YYYY MM W"),
];

const READ_NUMBERS: &[(&str, &str)] = &[
    ("12,454.8-", "99G999D9S"),
    ("-12.5", "99.9"),
    ("-12.5", "S99.9"),
    ("12.5-", "99.9S"),
    ("1,234", "9,999"),
    ("1234", "9,999"),
    ("<485>", "999PR"),
    ("485 ", "999"),
    (" 485", "999"),
    ("$485", "L999"),
    ("485-", "999MI"),
    ("-485", "MI999"),
    ("+485", "PL999"),
    ("+485", "SG999"),
    ("12.345", "99.99"),
    ("12.3", "99.99"),
    (".5", "9.9"),
    ("0.5", ".9"),
    ("abc", "999"),
    ("", "999"),
    ("1 2 3", "9 9 9"),
    ("123", "99"),
    ("12x34", "99x99"),
    ("485th", "999th"),
    ("12.34", "99V99"),
    ("1234", "99V99"),
    ("XIV", "RN"),
    ("1e5", "9EEEE"),
    ("1,234.56", "9,999.99"),
    ("1,234,567", "9,999,999"),
    ("-0.01", "9.99"),
    ("--5", "99"),
    ("+-5", "S99"),
    ("5.", "9.9"),
    ("12 34", "99 99"),
    ("12-34", "99-99"),
];

#[test]
fn dates_are_formatted_as_there() {
    let mut cases = Vec::new();
    let timestamps = [
        "2024-02-29 14:05:06.123456",
        "1999-01-03 00:00:00",
        "0044-03-15 23:59:59.9 BC",
        "10001-12-31 12:00:00",
        "2020-12-31 01:02:03",
        "2021-01-01 12:30:00.5",
        "1900-07-04 13:00",
    ];
    let intervals = [
        "1 year 2 mons 3 days 04:05:06.789",
        "-1 mons",
        "25:00:00",
        "-3 days -04:05:06",
        "100 years",
        "0",
        "00:00:00.5",
        "400 days",
    ];
    for format in DATE_FORMATS {
        for value in timestamps {
            cases.push(Case {
                name: "to_char",
                args: vec![(Type::Timestamp, value.to_owned()), text(format)],
                result: Type::Text,
            });
            cases.push(Case {
                name: "to_char",
                args: vec![(Type::TimestampTz, value.to_owned()), text(format)],
                result: Type::Text,
            });
        }
        for value in intervals {
            cases.push(Case {
                name: "to_char",
                args: vec![(Type::Interval, value.to_owned()), text(format)],
                result: Type::Text,
            });
        }
    }
    check(&cases);
}

#[test]
fn numbers_are_formatted_as_there() {
    let mut cases = Vec::new();
    for format in NUMBER_FORMATS {
        for number in NUMBERS {
            for ty in [Type::Numeric, Type::Float8, Type::Float4] {
                cases.push(Case {
                    name: "to_char",
                    args: vec![(ty, (*number).to_owned()), text(format)],
                    result: Type::Text,
                });
            }
        }
        for number in ["NaN", "Infinity", "-Infinity"] {
            for ty in [Type::Numeric, Type::Float8] {
                cases.push(Case {
                    name: "to_char",
                    args: vec![(ty, number.to_owned()), text(format)],
                    result: Type::Text,
                });
            }
        }
        for number in ["0", "7", "-7", "485", "-485", "123456", "2147483647", "3999"] {
            for ty in [Type::Int4, Type::Int8] {
                cases.push(Case {
                    name: "to_char",
                    args: vec![(ty, number.to_owned()), text(format)],
                    result: Type::Text,
                });
            }
        }
    }
    check(&cases);
}

#[test]
fn texts_are_read_as_there() {
    let mut cases = Vec::new();
    for (value, format) in READ {
        cases.push(Case { name: "to_timestamp", args: vec![text(value), text(format)], result: Type::TimestampTz });
        cases.push(Case { name: "to_date", args: vec![text(value), text(format)], result: Type::Date });
    }
    for (value, format) in READ_NUMBERS {
        cases.push(Case { name: "to_number", args: vec![text(value), text(format)], result: Type::Numeric });
    }
    check(&cases);
}

fn pieces(random: &mut Random, of: &[&str], most: u64) -> String {
    (0..=random.below(most)).map(|_| of[random.below(of.len() as u64) as usize]).collect()
}

#[test]
fn random_formats_are_understood_as_there() {
    let mut random = Random::new(0x51ed_270b_9f3c_1d77);
    let number_pieces = [
        "9", "9", "9", "0", "0", ",", ".", "D", "G", "S", "MI", "PL", "SG", "PR", "FM", "th", "V", "L", " ", "x",
        "\"q\"",
    ];
    let date_pieces = [
        "YYYY", "YY", "Y", "MM", "DD", "HH24", "HH12", "MI", "SS", "MS", "US", "Mon", "Month", "Day", "DDD", "D", "Q",
        "WW", "IW", "IYYY", "ID", "J", "AM", "BC", "FM", "th", "-", "/", " ", "T", "\"q\"", "FF3", "CC", "RM", "W",
    ];
    let mut cases = Vec::new();
    for _ in 0..1500 {
        let format = pieces(&mut random, &number_pieces, 7);
        let number = NUMBERS[random.below(NUMBERS.len() as u64) as usize].to_owned();
        for ty in [Type::Numeric, Type::Float8] {
            cases.push(Case { name: "to_char", args: vec![(ty, number.clone()), text(&format)], result: Type::Text });
        }
        let format = pieces(&mut random, &date_pieces, 7);
        let year = 1 + random.below(3000);
        let moment = format!(
            "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            1 + random.below(12),
            1 + random.below(28),
            random.below(24),
            random.below(60),
            random.below(60)
        );
        cases.push(Case { name: "to_char", args: vec![(Type::Timestamp, moment), text(&format)], result: Type::Text });
    }
    check(&cases);
}

#[test]
fn random_texts_are_read_as_there() {
    let mut random = Random::new(0x0f1e_2d3c_4b5a_6978);
    let number_format = ["9", "9", "9", "0", ",", ".", "S", "MI", "PL", "FM", "PR", "L", " "];
    let number_text = ["1", "2", "0", "5", "9", ",", ".", "-", "+", " ", "$", "<", ">"];
    let date_format = ["YYYY", "MM", "DD", "HH24", "MI", "SS", "MS", "YY", "Mon", "-", " ", "/", ":", "FM", "DDD", "T"];
    let date_text = ["2024", "02", "2", "29", "12", "1", "24", "-", " ", "/", ":", "Feb", "T", "123", "7"];
    let mut cases = Vec::new();
    for _ in 0..1500 {
        let (value, format) = (pieces(&mut random, &number_text, 6), pieces(&mut random, &number_format, 6));
        cases.push(Case { name: "to_number", args: vec![text(&value), text(&format)], result: Type::Numeric });
        let (value, format) = (pieces(&mut random, &date_text, 5), pieces(&mut random, &date_format, 5));
        cases.push(Case { name: "to_timestamp", args: vec![text(&value), text(&format)], result: Type::TimestampTz });
    }
    check(&cases);
}
