//! What PostgreSQL cannot judge: Materialize's types, the clock that settings bring, limits of our own.

use tidewater_types::time::Zone;
use tidewater_types::{
    ColumnType, Datum, JsonbRef, Packing, Result, Scratch, Settings, Type, apply_modifier, cast, compare, input, json,
    key, output, time,
};

fn settings() -> Settings {
    // 2024-02-29 23:30 UTC: in Berlin it is March already.
    Settings {
        now: 1_709_249_400_000_000,
        time_zone: Zone::named("Europe/Berlin").expect("a zone"),
        ..Settings::default()
    }
}

fn ty(name: &str) -> ColumnType {
    ColumnType::parse(name).expect("a type")
}

fn text(datum: &Datum<'_>, ty: &ColumnType) -> String {
    let mut out = String::new();
    output(datum, ty, &settings(), &mut out);
    out
}

/// A text as a type reads and prints it, or the SQLSTATE and message of its refusal.
fn read(name: &str, literal: &str) -> Result<String, String> {
    let (scratch, ty) = (Scratch::new(), ty(name));
    let read = input(literal, &ty, &settings(), &scratch);
    read.map(|datum| text(&datum, &ty)).map_err(|e| format!("{} {}", String::from_utf8_lossy(&e.sqlstate), e.message))
}

fn casted(from: &str, literal: &str, to: &str) -> Result<String, String> {
    let scratch = Scratch::new();
    let (from, to) = (ty(from), ty(to));
    let value = input(literal, &from, &settings(), &scratch).expect("a value");
    let done = cast(value, &from.ty, &to, true, &settings(), &scratch);
    done.map(|datum| text(&datum, &to)).map_err(|e| format!("{} {}", String::from_utf8_lossy(&e.sqlstate), e.message))
}

#[test]
fn the_clock() {
    assert_eq!(read("timestamptz", "now").unwrap(), "2024-03-01 00:30:00+01");
    assert_eq!(read("timestamp", "now").unwrap(), "2024-03-01 00:30:00");
    assert_eq!(read("date", "today").unwrap(), "2024-03-01");
    assert_eq!(read("date", "yesterday").unwrap(), "2024-02-29");
    assert_eq!(read("timestamp", "tomorrow 12:00").unwrap(), "2024-03-02 12:00:00");
    assert_eq!(read("time", "now").unwrap(), "00:30:00");
    assert_eq!(read("timetz", "12:00").unwrap(), "12:00:00+01");
    assert_eq!(read("timestamptz", "epoch").unwrap(), "1970-01-01 01:00:00+01");
}

#[test]
fn unsigned_integers() {
    assert_eq!(read("uint2", "65535").unwrap(), "65535");
    assert_eq!(read("uint2", "65536").unwrap_err(), "22003 value \"65536\" is out of range for type uint2");
    assert_eq!(read("uint4", "-1").unwrap_err(), "22003 value \"-1\" is out of range for type uint4");
    assert_eq!(read("uint8", "18446744073709551615").unwrap(), "18446744073709551615");
    assert_eq!(
        read("uint8", "18446744073709551616").unwrap_err(),
        "22003 value \"18446744073709551616\" is out of range for type uint8"
    );
    assert_eq!(casted("uint8", "18446744073709551615", "numeric").unwrap(), "18446744073709551615");
    assert_eq!(casted("uint8", "18446744073709551615", "int8").unwrap_err(), "22003 bigint out of range");
    assert_eq!(casted("int4", "-1", "uint8").unwrap_err(), "22003 uint8 out of range");
    assert_eq!(casted("numeric", "18446744073709551614.5", "uint8").unwrap(), "18446744073709551615");
    assert_eq!(casted("float8", "65535.4", "uint2").unwrap(), "65535");
    assert_eq!(casted("uint4", "4294967295", "text").unwrap(), "4294967295");
    let (small, large) = (Datum::UInt(1), Datum::UInt(u64::MAX));
    assert!(compare(&Type::UInt8, &small, &large).is_lt());
}

#[test]
fn lists_and_maps() {
    for literal in ["{}", "{1,NULL,3}", "{10}"] {
        assert_eq!(read("int4 list", literal).unwrap(), literal);
    }
    assert_eq!(read("int4 list list", "{ {1, 2}, {} ,NULL}").unwrap(), "{{1,2},{},NULL}");
    assert_eq!(read("text list", "{a b,\"c,d\",\"NULL\"}").unwrap(), "{\"a b\",\"c,d\",\"NULL\"}");
    assert_eq!(read("map[text=>int4]", "{b=>2, a=>1, b=>3}").unwrap(), "{a=>1,b=>3}");
    assert_eq!(read("map[text=>map[text=>int4]]", "{x=>{y=>1}}").unwrap(), "{x=>{y=>1}}");
    for bad in ["", "{", "{1", "{1,}", "1", "{\"1}", "{1}}"] {
        assert!(read("int4 list", bad).unwrap_err().starts_with("22P02"), "{bad}");
    }
    assert!(read("map[text=>int4]", "{a}").unwrap_err().starts_with("22P02"));
    assert_eq!(casted("int4[]", "{1,2}", "int8 list").unwrap(), "{1,2}");
    assert_eq!(casted("int4 list", "{1,2}", "text").unwrap(), "{1,2}");
    assert_eq!(casted("map[text=>int4]", "{a=>1}", "map[text=>text]").unwrap(), "{a=>1}");
}

#[test]
fn there_is_no_such_cast() {
    for (from, literal, to) in
        [("int4", "1", "date"), ("bool", "t", "float8"), ("date", "2024-01-01", "int4"), ("json", "1", "int4")]
    {
        let message = format!("42846 cannot cast type {} to {}", ty(from), ty(to));
        assert_eq!(casted(from, literal, to).unwrap_err(), message);
    }
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    let scratch = Scratch::new();
    for literal in ["294246-12-31 23:59:59.999999", "4714-11-24 00:00:00 BC"] {
        let here = Settings { time_zone: Zone::utc(), ..settings() };
        let Ok(Datum::Int(moment)) = input(literal, &ty("timestamptz"), &here, &scratch) else { panic!("{literal}") };
        for name in ["Pacific/Kiritimati", "America/Adak", "Europe/Berlin"] {
            let zone = Zone::named(name).expect("a zone");
            let mut out = String::new();
            time::write_timestamptz(moment, &zone, &mut out);
            for field in ["year", "epoch", "hour", "julian", "week"] {
                time::extract_timestamptz(field, moment, &zone).unwrap();
            }
            // Refused where it leaves the range, never wrong.
            let _ = time::truncate_timestamptz("millennium", moment, &zone);
            let _ = time::timestamptz_at_zone(moment, &zone);
            let _ = time::timestamp_at_zone(moment, &zone);
        }
    }
    assert_eq!(read("timestamp", "294247-01-01").unwrap_err(), "22008 timestamp out of range: \"294247-01-01\"");
    assert_eq!(casted("date", "294247-01-01", "timestamp").unwrap_err(), "22008 date out of range for timestamp");
}

#[test]
fn deep_json_is_read_or_refused() {
    let scratch = Scratch::new();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = json::parse(&nested(500), &scratch).unwrap();
    let mut out = String::new();
    json::write(deep, &mut out);
    assert_eq!(out, nested(500));
    assert!(json::compare(deep, deep).is_eq());
    let mut bytes = Vec::new();
    key(&Type::Jsonb, &Datum::Jsonb(deep), &mut bytes);
    for text in [nested(501), "[".repeat(1_000_000)] {
        assert_eq!(json::parse(&text, &scratch).map(JsonbRef::bytes).unwrap_err().sqlstate, *b"54001");
        assert_eq!(json::check(&text).unwrap_err().sqlstate, *b"54001");
    }
}

#[test]
fn what_is_huge_costs_nothing() {
    // A declared length, a scale, an exponent: refused or small, before memory is taken.
    assert!(read("int4[]", "[1:2000000000]={1}").is_err());
    assert!(read("numeric", "1e1000000000").is_err());
    assert!(read("numeric", "1e-1000000000").is_err());
    assert!(ColumnType::parse("varchar(99999999999)").is_err());
    let scratch = Scratch::new();
    let padded = apply_modifier(Datum::from("x"), &ty("char(10485760)"), true, &scratch).unwrap();
    assert_eq!(padded.as_str().map(str::len), Some(10_485_760));
}

#[test]
fn numerics_of_few_digits_lie_in_the_slot() {
    for (name, packing) in [
        ("numeric(18,4)", Packing::Decimal(4)),
        ("numeric(19,4)", Packing::Numeric),
        ("numeric", Packing::Numeric),
        ("numeric(16,-2)", Packing::Decimal(0)),
        ("numeric(17,-2)", Packing::Numeric),
        ("numeric(3,5)", Packing::Decimal(5)),
    ] {
        assert_eq!(Packing::of(&ty(name)), packing, "{name}");
    }
}

#[test]
fn a_value_is_small() {
    // Expressions copy values all the time.
    assert_eq!(size_of::<Datum<'_>>(), 32);
}
