//! Values against what PostgreSQL's documentation and `SELECT` show.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Int64Type, IntervalMonthDayNano};

use super::*;

fn shown(array: impl Array + 'static) -> Vec<Option<String>> {
    let array: ArrayRef = Arc::new(array);
    (0..array.len()).map(|row| text(&array, row)).collect()
}

fn all(array: impl Array + 'static) -> Vec<String> {
    shown(array).into_iter().map(|value| value.expect("not null")).collect()
}

fn hex(array: impl Array + 'static) -> String {
    let array: ArrayRef = Arc::new(array);
    let mut out = BytesMut::new();
    put_field(&mut out, &array, 0, true);
    out[4..].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn numbers() {
    let decimals = Decimal128Array::from(vec![2150, -5, 0, 100_000]).with_precision_and_scale(10, 2).expect("a type");
    assert_eq!(all(decimals), ["21.50", "-0.05", "0.00", "1000.00"]);
    let doubles = vec![1.0, 0.1, -0.0, 1e15, 1e-5, 123_456.789, f64::NAN, f64::NEG_INFINITY];
    assert_eq!(
        all(Float64Array::from(doubles)),
        ["1", "0.1", "-0", "1e+15", "1e-05", "123456.789", "NaN", "-Infinity"]
    );
    assert_eq!(all(Float32Array::from(vec![1.1, 1e6])), ["1.1", "1e+06"]);
    assert_eq!(all(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(
        shown(BooleanArray::from(vec![Some(true), Some(false), None])),
        [Some("t".into()), Some("f".into()), None]
    );
}

#[test]
fn times() {
    let micros = TimestampMicrosecondArray::from(vec![0, 1_725_297_662_000_000, 1_725_297_662_120_000, -1]);
    assert_eq!(
        all(micros.clone()),
        ["1970-01-01 00:00:00", "2024-09-02 17:21:02", "2024-09-02 17:21:02.12", "1969-12-31 23:59:59.999999"]
    );
    assert_eq!(all(micros.with_timezone("UTC"))[1], "2024-09-02 17:21:02+00");
    assert_eq!(all(Date32Array::from(vec![0, 11_016, -719_163])), ["1970-01-01", "2000-02-29", "0001-12-31 BC"]);
    assert_eq!(
        all(DurationMicrosecondArray::from(vec![-3_020_399_000_000, 5_500_000, 0])),
        ["-838:59:59", "00:00:05.5", "00:00:00"]
    );
    let intervals = vec![
        IntervalMonthDayNano::new(14, -3, 14_706_700_000_000),
        IntervalMonthDayNano::new(0, 1, 0),
        IntervalMonthDayNano::new(-1, 0, -1_000_000_000),
    ];
    assert_eq!(
        all(IntervalMonthDayNanoArray::from(intervals)),
        ["1 year 2 mons -3 days +04:05:06.7", "1 day", "-1 mons -00:00:01"]
    );
    assert_eq!(hex(TimestampMicrosecondArray::from(vec![946_684_800_000_001])), "0000000000000001");
    assert_eq!(hex(Date32Array::from(vec![10_956])), "ffffffff");
}

#[test]
fn numeric_in_binary() {
    let numeric = |digits: i128, scale: i8| {
        hex(Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale).expect("a type"))
    };
    // count, weight, sign, scale, groups
    assert_eq!(numeric(2150, 2), "0002000000000002".to_owned() + "0015" + "1388");
    assert_eq!(numeric(-5, 2), "0001ffff40000002".to_owned() + "01f4");
    assert_eq!(numeric(0, 2), "0000000000000002");
    assert_eq!(numeric(100_000_000, 0), "0001000200000000".to_owned() + "0001");
    assert_eq!(numeric(12_345_678, 4), "0002000000000004".to_owned() + "04d2" + "162e");
}

#[test]
fn texts_bytes_and_arrays() {
    assert_eq!(all(StringArray::from(vec!["é", ""])), ["é", ""]);
    assert_eq!(all(BinaryArray::from(vec![&[0, 255][..]])), ["\\x00ff"]);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None])]);
    assert_eq!(all(lists.clone()), ["{1,NULL}"]);
    assert_eq!(hex(lists), "00000001000000010000001400000002000000010000000800000000000000".to_owned() + "01ffffffff");
    let mut builder = ListBuilder::new(StringBuilder::new());
    for item in ["a b", "", "null", "q\"\\", "plain"] {
        builder.values().append_value(item);
    }
    builder.append(true);
    assert_eq!(all(builder.finish()), [r#"{"a b","","null","q\"\\",plain}"#]);
}
