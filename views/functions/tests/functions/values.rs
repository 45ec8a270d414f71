//! Values at the edges of each type, as literals' text.

use tidewater_types::{RangeOf, Type};

/// Literals of a type; the usual ones first, because long lists of parameters take only those.
pub(crate) fn edges(ty: &Type) -> Vec<&'static str> {
    match ty {
        Type::Bool => vec!["t", "f"],
        Type::Int2 => vec!["0", "1", "-1", "2", "7", "32767", "-32768"],
        Type::Int4 => vec!["0", "1", "-1", "2", "3", "7", "100", "2147483647", "-2147483648"],
        Type::Int8 => vec!["0", "1", "-1", "2", "7", "33", "9223372036854775807", "-9223372036854775808"],
        Type::Oid => vec!["0", "1", "23", "4294967295"],
        Type::Float4 => vec!["0", "1", "-1.5", "0.1", "3.4e38", "1e-45", "NaN", "Infinity", "-Infinity", "-0"],
        Type::Float8 => vec![
            "0",
            "1",
            "-1",
            "0.5",
            "-2.5",
            "30",
            "60",
            "-45",
            "90",
            "180",
            "1e308",
            "5e-324",
            "NaN",
            "Infinity",
            "-Infinity",
            "-0",
            "123456.789",
        ],
        Type::Numeric => vec![
            "0",
            "1",
            "-1",
            "0.5",
            "2.50",
            "-1.23",
            "1.00",
            "100",
            "3",
            "99999999999999999999.999",
            "-0.000001",
            "1e40",
            "NaN",
            "Infinity",
            "-Infinity",
        ],
        Type::Text | Type::Varchar => vec![
            "",
            "a",
            "abc",
            "Hello World",
            "  pad ",
            "aéü😀",
            "%b_",
            "a\\b",
            "it's",
            "1",
            "abcabc",
            "(a)(b)?",
            "YYYY-MM-DD",
            "a.c",
            "hex",
            "DEADBEEF",
            "a\nb",
            "year",
            "month",
            "-12.5",
        ],
        Type::Bpchar => vec!["", "a", "abc  ", "a b"],
        Type::Name => vec!["", "a", "abc", "utf8", "latin1"],
        Type::Char => vec!["", "a", "Z"],
        Type::Bytea => vec!["\\x", "\\x00", "\\x616263", "\\xdeadbeef", "\\xff00ff", "\\x41"],
        Type::Date => vec![
            "1970-01-01",
            "2024-02-29",
            "2023-12-31",
            "1999-01-03",
            "0044-03-15 BC",
            "infinity",
            "-infinity",
            "5874897-12-31",
        ],
        Type::Time => vec!["00:00:00", "12:34:56.789", "23:59:59.999999", "24:00:00", "01:00"],
        Type::TimeTz => vec!["00:00:00+00", "12:34:56.789-08", "23:59:59.999999+05:30", "24:00:00+00"],
        Type::Timestamp => vec![
            "1970-01-01 00:00:00",
            "2024-02-29 12:34:56.789",
            "2023-12-31 23:59:59.999999",
            "1999-01-03 00:00:01",
            "0044-03-15 10:00:00 BC",
            "infinity",
            "-infinity",
        ],
        Type::TimestampTz => vec![
            "1970-01-01 00:00:00+00",
            "2024-02-29 12:34:56.789+00",
            "2024-03-31 01:30:00+00",
            "2023-12-31 23:59:59.999999-08",
            "0044-03-15 10:00:00+00 BC",
            "infinity",
            "-infinity",
        ],
        Type::Interval => vec![
            "0",
            "1 day",
            "1 month",
            "-1 year 2 mons 3 days -04:05:06.789",
            "30 days",
            "24:00:00",
            "00:00:00.000001",
            "178000000 years",
            "-5 days 100:00:00",
        ],
        Type::Uuid => vec![
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
        Type::Json | Type::Jsonb => vec![
            "null",
            "true",
            "1",
            "-1.50",
            "\"a\"",
            "{}",
            "[]",
            "{\"a\": 1, \"b\": [1, 2.0, null], \"c\": {\"d\": \"e\"}}",
            "[1, \"a\", null, {\"a\": null}]",
            "\"\\u00e9\\n\"",
            "[[1, 2], [3, 4]]",
            "{\"a\": null}",
            "12345678901234567890",
        ],
        Type::Array(element) => arrays(element),
        Type::Range(of) => ranges(*of),
        Type::Multirange(of) => multiranges(*of),
        _ => vec![],
    }
}

fn arrays(element: &Type) -> Vec<&'static str> {
    match element {
        Type::Bool => vec!["{}", "{t,f,NULL}"],
        Type::Int2 | Type::Int4 | Type::Int8 => {
            vec!["{1,2,3}", "{}", "{NULL,2}", "{{1,2},{3,4}}", "[0:1]={5,6}", "{3,1,2,1}", "{1}", "{0}"]
        }
        Type::Float8 | Type::Numeric => vec!["{0.5,0.1,1}", "{}", "{NULL,1.5}", "{0,1}"],
        Type::Text | Type::Varchar => vec![
            "{a,b,c}",
            "{}",
            "{NULL,\"x y\",\"\"}",
            "{{a,b},{c,d}}",
            "{a}",
            "{a,1,b,2}",
            "{0}",
            "{c,d}",
            "{{a,1},{b,2}}",
        ],
        Type::Date => vec!["{2024-01-01,NULL}", "{}"],
        Type::Bytea => vec!["{\"\\\\x01\"}"],
        Type::Jsonb => vec!["{\"1\",\"{\\\"a\\\": 1}\"}"],
        Type::Range(_) => vec!["{}"],
        _ => vec!["{}"],
    }
}

fn ranges(of: RangeOf) -> Vec<&'static str> {
    match of {
        RangeOf::Int4 | RangeOf::Int8 => vec!["[1,5)", "empty", "(,)", "[3,7]", "(5,)", "(,3]", "[5,8)"],
        RangeOf::Numeric => vec!["[1.0,5.5)", "empty", "(,)", "(1,2)", "[5.5,7]", "(,1.0)"],
        RangeOf::Date => vec!["[2024-01-01,2024-02-01)", "empty", "(,)", "[2024-01-15,)"],
        RangeOf::Timestamp => vec!["[2024-01-01 00:00,2024-01-02 00:00)", "empty", "(,2024-01-01 12:00)"],
        RangeOf::TimestampTz => vec!["[2024-01-01 00:00+00,2024-01-02 00:00+00)", "empty", "(,2024-01-01 12:00+00)"],
    }
}

fn multiranges(of: RangeOf) -> Vec<&'static str> {
    match of {
        RangeOf::Int4 | RangeOf::Int8 => vec!["{}", "{[1,3),[5,8)}", "{(,)}", "{[3,5)}", "{(,2),(9,)}"],
        RangeOf::Numeric => vec!["{}", "{[1.0,2.5),(3,4]}", "{(,)}"],
        RangeOf::Date => vec!["{}", "{[2024-01-01,2024-02-01)}"],
        RangeOf::Timestamp => vec!["{}", "{[2024-01-01 00:00,2024-01-02 00:00)}"],
        RangeOf::TimestampTz => vec!["{}", "{[2024-01-01 00:00+00,2024-01-02 00:00+00)}"],
    }
}
