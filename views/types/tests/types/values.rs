//! Comparison, keys, packing, binary forms and casts of the samples.

use std::collections::HashMap;

use tidewater_types::{
    ColumnType, Datum, Packing, Record, Scratch, Type, cast, compare, decode, encode, equal, input_binary, key,
    output_binary,
};

use crate::common::{Said, agree, error, judge, literal, quote, settings, shown, ty};
use crate::samples::SAMPLES;

/// The samples of a type, and NULL where wanted.
fn values<'a>(texts: &[&str], ty: &ColumnType, scratch: &'a Scratch) -> Vec<Datum<'a>> {
    texts.iter().map(|text| literal(text, ty, &settings(), scratch).expect("a sample")).collect()
}

fn key_of(ty: &Type, datum: &Datum<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    key(ty, datum, &mut out);
    out
}

#[test]
fn order_is_the_judges() {
    let mut connection = judge(&settings());
    let mut cases = Vec::new();
    for (name, texts) in SAMPLES {
        if *name == "json" {
            continue;
        }
        let (scratch, ty) = (Scratch::new(), ty(name));
        let values = values(texts, &ty, &scratch);
        let rows: Vec<String> =
            texts.iter().enumerate().map(|(i, text)| format!("({i}, {}::{name})", quote(text))).collect();
        let statement = format!(
            "with t(i, v) as (values {}) select string_agg(case when a.v < b.v then '<' when a.v = b.v then '=' else '>' end, '' \
             order by a.i, b.i) from t a, t b",
            rows.join(",")
        );
        let ours: String = values
            .iter()
            .flat_map(|a| values.iter().map(move |b| (a, b)))
            .map(|(a, b)| match compare(&ty.ty, a, b) {
                std::cmp::Ordering::Less => '<',
                std::cmp::Ordering::Equal => '=',
                std::cmp::Ordering::Greater => '>',
            })
            .collect();
        cases.push((statement, Ok(Some(ours))));
    }
    agree(&mut connection, cases);
}

#[test]
fn keys_order_as_values_do() {
    for (name, texts) in SAMPLES {
        let (scratch, ty) = (Scratch::new(), ty(name));
        let mut values = values(texts, &ty, &scratch);
        values.push(Datum::Null);
        for a in &values {
            for b in &values {
                let (by_key, by_value) = (key_of(&ty.ty, a).cmp(&key_of(&ty.ty, b)), compare(&ty.ty, a, b));
                assert_eq!(by_key, by_value, "{name}: {a:?} and {b:?}");
                assert_eq!(by_value, compare(&ty.ty, b, a).reverse(), "{name}: {a:?} and {b:?}");
                let (x, y) = (key_of(&ty.ty, a), key_of(&ty.ty, b));
                assert!(x == y || !x.starts_with(&y), "a key begins another: {name}: {a:?} and {b:?}");
            }
        }
    }
}

#[test]
fn packed_values_come_back_and_are_identities() {
    for (name, texts) in SAMPLES {
        let (scratch, ty) = (Scratch::new(), ty(name));
        let mut values = values(texts, &ty, &scratch);
        values.push(Datum::Null);
        let packing = Packing::of(&ty);
        let mut builder = tidewater_delta::RowBuilder::new(vec![packing.width(), packing.width()]);
        let mut rows = Vec::new();
        for datum in &values {
            packing.set(&mut builder, 1, &Datum::Null);
            packing.set(&mut builder, 1, datum);
            let row = builder.take();
            let back = packing.get(row.as_ref(), 1);
            assert_eq!(shown(&back, &ty, &settings()), shown(datum, &ty, &settings()), "{name}");
            assert_eq!(packing.is_tail(), packing.width().is_tail(), "{name}");
            let mut element = Vec::new();
            encode(datum, &mut element);
            assert_eq!(shown(&decode(&element), &ty, &settings()), shown(datum, &ty, &settings()), "{name}");
            rows.push((row, element));
        }
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                let same_text = shown(a, &ty, &settings()) == shown(b, &ty, &settings());
                assert_eq!(rows[i].0 == rows[j].0, same_text, "{name}: {a:?} and {b:?}");
                assert_eq!(rows[i].1 == rows[j].1, same_text, "{name}: {a:?} and {b:?}");
                if ty.key_is_packed() {
                    assert_eq!(rows[i].0 == rows[j].0, equal(&ty.ty, a, b), "{name}: {a:?} and {b:?}");
                }
            }
        }
    }
}

#[test]
fn binary_forms() {
    let mut connection = judge(&settings());
    for (name, texts) in SAMPLES {
        let (scratch, ty) = (Scratch::new(), ty(name));
        for (text, datum) in texts.iter().zip(values(texts, &ty, &scratch)) {
            let statement = format!("select {}::{name}", quote(text));
            let theirs = connection.ask_binary(&statement).unwrap()[0][0].clone().unwrap();
            let mut ours = Vec::new();
            output_binary(&datum, &ty, &settings(), &mut ours).unwrap();
            // NaNs differ in bits that nobody sees.
            if !text.contains("NaN") {
                assert_eq!(ours, theirs, "{statement}");
            }
            let back = input_binary(&theirs, &ty, &settings(), &scratch).unwrap();
            assert_eq!(shown(&back, &ty, &settings()), shown(&datum, &ty, &settings()), "{statement}");
        }
    }
}

#[test]
fn bad_binary_is_refused() {
    let scratch = Scratch::new();
    for (name, _) in SAMPLES {
        let ty = ty(name);
        for bytes in [
            &b"\x00"[..],
            b"\xff\xff\xff\xff\xff",
            b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x7f\xff\xff\xff\x00\x00\x00\x01",
        ] {
            // Whatever comes of it: no panic, no great allocation.
            let _ = input_binary(bytes, &ty, &settings(), &scratch);
        }
    }
    let refused =
        |name: &str, bytes: &[u8]| input_binary(bytes, &ty(name), &settings(), &Scratch::new()).unwrap_err().sqlstate;
    assert_eq!(refused("int4", b"\0\0"), *b"08P01");
    assert_eq!(refused("int4", b"\0\0\0\0\0"), *b"22P03");
    assert_eq!(refused("text", b"\xff"), *b"22021");
    assert_eq!(refused("varchar(1)", b"ab"), *b"22001");
    assert_eq!(refused("timestamp", &i64::MAX.wrapping_sub(1).to_be_bytes()), *b"22008");
}

/// Types that stand for all in casts.
const TARGETS: &[&str] = &[
    "bool",
    "int2",
    "int4",
    "int8",
    "oid",
    "float4",
    "float8",
    "numeric",
    "numeric(5,2)",
    "text",
    "varchar",
    "varchar(2)",
    "bpchar",
    "char(3)",
    "name",
    "\"char\"",
    "bytea",
    "date",
    "time",
    "time(1)",
    "timetz",
    "timestamp",
    "timestamp(1)",
    "timestamptz",
    "interval",
    "interval day",
    "uuid",
    "json",
    "jsonb",
    "int4[]",
    "int8[]",
    "int2[]",
    "text[]",
    "numeric[]",
    "numeric(3,1)[]",
    "varchar(2)[]",
    "bool[]",
    "int2vector",
    "oidvector",
    "oid[]",
    "int4range",
    "numrange",
    "int4multirange",
    "nummultirange",
    "datemultirange",
    "tsrange",
];

#[test]
fn casts() {
    let settings = settings();
    let mut connection = judge(&settings);
    let mut cases: Vec<(String, Said)> = Vec::new();
    for (from, texts) in SAMPLES {
        let from_ty = ty(from);
        // Pairs that PostgreSQL does not cast are not asked for.
        let pairs: Vec<String> = TARGETS.iter().map(|to| format!("select null::{from}::{to}")).collect();
        let known = connection.ask_all(&pairs);
        for (to, _) in TARGETS.iter().zip(known).filter(|(_, answer)| answer.is_ok()) {
            let to_ty = ty(to);
            for text in *texts {
                // PostgreSQL's own char(n) has a byte 0 here.
                if *from == "\"char\"" && text.is_empty() && to.starts_with("char") {
                    continue;
                }
                let scratch = Scratch::new();
                let value = literal(text, &from_ty, &settings, &scratch).unwrap();
                let ours = cast(value, &from_ty.ty, &to_ty, true, &settings, &scratch);
                let ours = ours.map(|datum| shown(&datum, &to_ty, &settings)).map_err(|e| error(&e));
                cases.push((format!("select {}::{from}::{to}", quote(text)), ours));
            }
        }
    }
    assert!(cases.len() > 3000, "{} casts", cases.len());
    agree(&mut connection, cases);
}

#[test]
fn casts_in_zones() {
    let types = ["date", "time", "timestamp", "timestamptz", "text", "interval", "tstzrange", "jsonb", "timestamptz[]"];
    let more: &[(&str, &[&str])] = &[
        ("timestamptz[]", &["{2024-03-31 01:30+00,infinity}"]),
        ("timestamp[]", &["{2024-03-31 02:30,2024-10-27 02:30}"]),
        ("date[]", &["{2024-03-31}"]),
    ];
    for zone in ["Asia/Kolkata", "Europe/Berlin", "America/New_York"] {
        let settings =
            tidewater_types::Settings { time_zone: tidewater_types::time::Zone::named(zone).unwrap(), ..settings() };
        let mut connection = judge(&settings);
        let mut cases: Vec<(String, Said)> = Vec::new();
        for (from, texts) in SAMPLES.iter().chain(more).filter(|(from, _)| types.contains(from) || from.ends_with("[]"))
        {
            let from_ty = ty(from);
            let pairs: Vec<String> = types.iter().map(|to| format!("select null::{from}::{to}")).collect();
            let known = connection.ask_all(&pairs);
            for (to, _) in types.iter().zip(known).filter(|(_, answer)| answer.is_ok()) {
                let to_ty = ty(to);
                for text in *texts {
                    let scratch = Scratch::new();
                    let value = literal(text, &from_ty, &settings, &scratch).unwrap();
                    let ours = cast(value, &from_ty.ty, &to_ty, true, &settings, &scratch);
                    let ours = ours.map(|datum| shown(&datum, &to_ty, &settings)).map_err(|e| error(&e));
                    cases.push((format!("select {}::{from}::{to}", quote(text)), ours));
                }
            }
        }
        assert!(cases.len() > 300, "{} casts", cases.len());
        agree(&mut connection, cases);
    }
}

/// Rows of a type that the judge is told of.
#[test]
fn rows() {
    let fields = [("a", "int4"), ("b", "text"), ("c", "numeric(4,1)"), ("d", "int4[]"), ("e", "timestamp")];
    let record = Record { fields: fields.iter().map(|(name, of)| ((*name).to_owned(), ty(of))).collect() };
    let row_ty = ColumnType::from(Type::Record(record.into()));
    let mut connection = judge(&settings());
    let list = fields.map(|(name, of)| format!("{name} {of}")).join(", ");
    connection.ask(&format!("create type pg_temp.judged_row as ({list})")).unwrap();
    let texts = [
        "(1,abc,1.25,\"{1,2}\",2024-02-29)",
        "(,,,,)",
        "(1,\"a \"\"b\"\" \\\\ c\",2,{},infinity)",
        "(1,\"\",2,{3},)",
        "( 7 , x y ,3,,\"2024-02-29 10:00\")",
        "(1,abc,1.25,{1},2024-02-29",
        "1,abc",
        "()",
        "(1)",
        "(1,2,3,{4},2024-01-01,6)",
        "(x,,,,)",
        "(1,a\\,b,,,)",
        "(1,\"a\nb\",,,)x",
        "(,\"(a,b)\",,,)",
        "(2147483648,,,,)",
        "(,,1000,,)",
        " (1,z,,,) ",
        "(1,\"unclosed,,,)",
        "(2,abc,1.25,\"{1,2}\",2024-02-29)",
        "(1,abd,,,)",
    ];
    let mut cases: Vec<(String, Said)> = Vec::new();
    let scratch = Scratch::new();
    let mut good = Vec::new();
    for text in texts {
        let value = tidewater_types::input(text, &row_ty, &settings(), &scratch);
        if let Ok(datum) = value {
            good.push((text, datum));
        }
        let ours = value.map(|datum| shown(&datum, &row_ty, &settings())).map_err(|e| error(&e));
        cases.push((format!("select {}::pg_temp.judged_row", quote(text)), ours));
    }
    assert!(good.len() > 8);
    for (x, a) in &good {
        for (y, b) in &good {
            let order = match compare(&row_ty.ty, a, b) {
                std::cmp::Ordering::Less => "-1",
                std::cmp::Ordering::Equal => "0",
                std::cmp::Ordering::Greater => "1",
            };
            let statement =
                format!("select btrecordcmp({}::pg_temp.judged_row, {}::pg_temp.judged_row)", quote(x), quote(y));
            cases.push((statement, Ok(Some(order.to_owned()))));
            assert_eq!(key_of(&row_ty.ty, a).cmp(&key_of(&row_ty.ty, b)), compare(&row_ty.ty, a, b), "{x} and {y}");
        }
        let theirs =
            connection.ask_binary(&format!("select {}::pg_temp.judged_row", quote(x))).unwrap()[0][0].clone().unwrap();
        let mut ours = Vec::new();
        output_binary(a, &row_ty, &settings(), &mut ours).unwrap();
        assert_eq!(ours, theirs, "{x}");
        let back = input_binary(&theirs, &row_ty, &settings(), &scratch).unwrap();
        assert_eq!(shown(&back, &row_ty, &settings()), shown(a, &row_ty, &settings()));
    }
    agree(&mut connection, cases);
}

#[test]
fn lengths_in_assignments() {
    let mut connection = judge(&settings());
    let mut cases = Vec::new();
    let types = ["varchar(3)", "char(3)", "numeric(4,2)", "time(1)", "timestamp(0)", "interval(1)"];
    let texts = [
        "",
        "ab",
        "abc",
        "abcd",
        "ab   ",
        "abc    ",
        "é😀üx",
        "12.345",
        "123.4",
        "12:34:56.78",
        "2024-02-29 12:34:56.5",
        "1.25",
    ];
    for (i, name) in types.iter().enumerate() {
        connection.ask(&format!("create temp table t{i} (v {name})")).unwrap();
        for text in texts {
            let (scratch, ty) = (Scratch::new(), ty(name));
            let ours =
                tidewater_types::input(text, &ty, &settings(), &scratch).map(|datum| shown(&datum, &ty, &settings()));
            let statement = format!("insert into t{i} values ({}) returning v", quote(text));
            cases.push((statement, ours.map_err(|e| error(&e))));
        }
    }
    agree(&mut connection, cases);
}

#[test]
fn types_are_those_of_the_catalog() {
    let mut connection = judge(&settings());
    let answer = connection
        .ask("select typname, oid, typarray, typlen, typcategory, typispreferred, format_type(oid, -1) from pg_type")
        .unwrap();
    let known: HashMap<String, Vec<String>> = answer
        .rows
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), row.into_iter().skip(1).map(Option::unwrap).collect()))
        .collect();
    let mut judged = 0;
    for ty in Type::all().filter(|ty| !matches!(ty, Type::UInt2 | Type::UInt4 | Type::UInt8)) {
        let ours = [
            ty.oid().to_string(),
            ty.array_oid().to_string(),
            ty.length().to_string(),
            ty.category().to_string(),
            if ty.is_preferred() { "t" } else { "f" }.to_owned(),
            ty.to_string(),
        ];
        assert_eq!(known[&ty.internal_name()], ours, "{ty}");
        judged += 1;
    }
    assert!(judged > 40);
    let mut cases = Vec::new();
    for name in [
        "numeric(10,2)",
        "numeric(3,-2)",
        "numeric(5)",
        "varchar(7)",
        "char(7)",
        "char",
        "time(3)",
        "timetz(0)",
        "timestamp(6)",
        "timestamptz(2)",
        "interval(3)",
        "interval year",
        "interval day to second(2)",
        "int4[]",
        "numeric(10,2)[]",
        "float(24)",
        "float(25)",
        "dec(4,1)",
        "timestamp(3) with time zone",
        "bpchar",
        "bpchar(3)",
        "character varying",
        "double precision",
        "national character(4)",
        "int8multirange",
        "numeric(0)",
        "numeric(1001)",
        "numeric(5,1001)",
        "varchar(0)",
        "char(10485761)",
        "float(54)",
        "float(0)",
    ] {
        let statement = "select format_type(a.atttypid, a.atttypmod) from pg_attribute a where attrelid = 'judged'::regclass and attnum = 1";
        let made = connection.ask(&format!("drop table if exists judged; create temp table judged (v {name})"));
        let theirs = match made {
            Ok(_) => Ok(connection.ask(statement).unwrap().value().map(str::to_owned)),
            Err(refusal) => Err((refusal.sqlstate, refusal.message)),
        };
        let ours = ColumnType::parse(name).map(|ty| Some(ty.name())).map_err(|e| error(&e));
        cases.push((name, ours, theirs));
    }
    for (name, ours, theirs) in cases {
        assert_eq!(ours, theirs, "{name}");
    }
}
