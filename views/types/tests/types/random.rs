//! Properties that need no judge: keys order as values do, packed values come back, texts come back.

use proptest::prelude::*;
use tidewater_types::{
    ColumnType, Datum, Interval, Numeric, NumericBuf, Packing, RangeOf, Scratch, Settings, Type, compare, decode,
    encode, input, input_binary, key, output, output_binary,
};

fn key_of(ty: &Type, datum: &Datum<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    key(ty, datum, &mut out);
    out
}

fn text_of(ty: &ColumnType, datum: &Datum<'_>) -> String {
    let mut out = String::new();
    output(datum, ty, &Settings::default(), &mut out);
    out
}

/// Everything that holds for two values of a type.
fn laws(ty: &ColumnType, a: Datum<'_>, b: Datum<'_>) {
    let order = compare(&ty.ty, &a, &b);
    assert_eq!(order, compare(&ty.ty, &b, &a).reverse());
    assert_eq!(order, key_of(&ty.ty, &a).cmp(&key_of(&ty.ty, &b)), "{a:?} and {b:?}");
    let packing = Packing::of(ty);
    let mut builder = tidewater_delta::RowBuilder::new(vec![packing.width()]);
    let rows = [a, b].map(|datum| {
        packing.set(&mut builder, 0, &datum);
        builder.take()
    });
    let texts = [a, b].map(|datum| text_of(ty, &datum));
    assert_eq!(rows[0] == rows[1], texts[0] == texts[1], "{a:?} and {b:?}");
    assert_eq!(text_of(ty, &packing.get(rows[0].as_ref(), 0)), texts[0]);
    let mut element = Vec::new();
    encode(&a, &mut element);
    assert_eq!(text_of(ty, &decode(&element)), texts[0]);
    let scratch = Scratch::new();
    let back = input(&texts[0], ty, &Settings::default(), &scratch).expect("its own text");
    assert_eq!(text_of(ty, &back), texts[0], "a text reads back as what it shows");
}

/// Numbers near each other and far apart.
fn numeric() -> impl Strategy<Value = NumericBuf> {
    let near = (-200_i128..200, 0_u16..4).prop_map(|(m, s)| NumericBuf::Small(m, s));
    let any = (any::<i128>(), 0_u16..60).prop_map(|(m, s)| NumericBuf::Small(m, s));
    let long = ("-?[1-9][0-9]{0,90}", 0_u16..120)
        .prop_map(|(digits, s)| NumericBuf::parse(&format!("{digits}e-{s}")).expect("a number"));
    let special = prop_oneof![Just(NumericBuf::NaN), Just(NumericBuf::Infinity), Just(NumericBuf::NegativeInfinity)];
    prop_oneof![4 => near, 2 => any, 2 => long, 1 => special]
}

fn interval() -> impl Strategy<Value = Interval> {
    let near =
        (-2..3, -60..60, -2_i64..3).prop_map(|(months, days, d)| Interval { months, days, micros: d * 86_400_000_000 });
    let any = (-1_000_000..1_000_000, any::<i32>(), any::<i64>()).prop_map(|(months, days, micros)| Interval {
        months,
        days,
        micros,
    });
    // The least of all prints as a number that reads as too large, in PostgreSQL as here.
    prop_oneof![near, any.prop_filter("readable", |i| i.micros > i64::MIN && i.days > i32::MIN)]
}

proptest! {
    #[test]
    fn numerics(a in numeric(), b in numeric()) {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let (p, q) = (a.borrow(&mut x), b.borrow(&mut y));
        laws(&Type::Numeric.into(), Datum::Numeric(p), Datum::Numeric(q));
        if p.scale().is_some() && q.scale().is_some() {
            let sum = p.add(q).unwrap();
            let back = sum.borrow(&mut Vec::new()).sub(q).unwrap();
            prop_assert!(back.borrow(&mut Vec::new()) == p);
        }
    }

    #[test]
    fn short_numerics(a in -99_999_i128..100_000, b in -99_999_i128..100_000) {
        let ty = ColumnType::parse("numeric(5,2)").unwrap();
        laws(&ty, Datum::Numeric(Numeric::Small(a, 2)), Datum::Numeric(Numeric::Small(b, 2)));
        prop_assert!(ty.key_is_packed());
    }

    #[test]
    fn floats(a in any::<f64>(), b in prop_oneof![any::<f64>(), Just(0.0), Just(-0.0)]) {
        laws(&Type::Float8.into(), Datum::Float(a), Datum::Float(b));
        laws(&Type::Float8.into(), Datum::Float(0.0), Datum::Float(b));
        laws(&Type::Float4.into(), Datum::Float((a as f32).into()), Datum::Float((b as f32).into()));
    }

    #[test]
    fn intervals(a in interval(), b in interval()) {
        laws(&Type::Interval.into(), Datum::Interval(a), Datum::Interval(b));
    }

    #[test]
    fn texts(a in "[ab\u{1}é ]{0,4}", b in "[ab\u{1}é ]{0,4}") {
        for ty in [Type::Text, Type::Bpchar, Type::Name] {
            laws(&ty.into(), Datum::from(a.as_str()), Datum::from(b.as_str()));
        }
        laws(&Type::Bytea.into(), Datum::Bytes(a.as_bytes()), Datum::Bytes(b.as_bytes()));
    }

    #[test]
    fn arrays(a in proptest::collection::vec(proptest::option::of(-3_i64..3), 0..5), b in proptest::collection::vec(proptest::option::of(-3_i64..3), 0..5)) {
        let scratch = Scratch::new();
        let datums = |values: &[Option<i64>]| values.iter().map(|v| v.map_or(Datum::Null, Datum::Int)).collect::<Vec<_>>();
        let (x, y) = (datums(&a), datums(&b));
        let array = |values: &[Datum<'_>]| Datum::Array(tidewater_types::ArrayRef::vector(&scratch, values).unwrap());
        laws(&Type::Int4.array().into(), array(&x), array(&y));
        let list = |values: &[Datum<'_>]| Datum::List(tidewater_types::ListRef::build(&scratch, values).unwrap());
        laws(&Type::List(Type::Int4.into()).into(), list(&x), list(&y));
    }

    #[test]
    fn maps(a in proptest::collection::btree_map("[ab \"=>,{]{0,3}", proptest::option::of("[ab \"\\\\}]{0,3}"), 0..4)) {
        let scratch = Scratch::new();
        let entries: Vec<(&str, Datum<'_>)> =
            a.iter().map(|(k, v)| (k.as_str(), v.as_deref().map_or(Datum::Null, Datum::from))).collect();
        let map = tidewater_types::MapRef::build(&scratch, &entries).unwrap();
        for (key, value) in &a {
            let found = map.get(key.as_bytes()).and_then(|datum| datum.as_str());
            prop_assert_eq!(found, value.as_deref());
        }
        let ty = ColumnType::from(Type::Map(Type::Text.into()));
        laws(&ty, Datum::Map(map), Datum::Map(map));
    }

    #[test]
    fn timestamps(a in any::<i64>(), b in -100_000_i64..100_000) {
        let a = a.clamp(tidewater_types::time::FIRST_TIMESTAMP, tidewater_types::time::LAST_TIMESTAMP - 86_400_000_000);
        laws(&Type::Timestamp.into(), Datum::Int(a), Datum::Int(b));
        laws(&Type::TimestampTz.into(), Datum::Int(a), Datum::Int(b));
        laws(&Type::Date.into(), Datum::Int(a / 86_400_000_000), Datum::Int(b));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+.:/ 0-9a-zA-Z{}\\[\\](),\"\\\\]{0,24}") {
        let scratch = Scratch::new();
        for ty in Type::all() {
            // Whatever comes of it, nothing panics, and what is read can be shown and read again.
            let ty = ColumnType::from(ty.clone());
            // (A zone's name may be an offset that no text of a time shows, in PostgreSQL, too.)
            if ty.ty == Type::TimeTz {
                continue;
            }
            if let Ok(datum) = input(&text, &ty, &Settings::default(), &scratch) {
                let shown = text_of(&ty, &datum);
                prop_assert!(input(&shown, &ty, &Settings::default(), &scratch).is_ok(), "{} as {}: {}", text, ty, shown);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff), Just(1), 0_u8..40, any::<u8>()], 0..48)) {
        let scratch = Scratch::new();
        let settings = Settings::default();
        let pair = Type::record([Type::Int4.into(), Type::Text.into()]);
        let more = [Type::Int4.array(), Type::Text.array(), Type::Numeric.array(), Type::Range(RangeOf::Int4).array(), pair];
        for ty in Type::all().cloned().chain(more) {
            // Whatever comes of it, nothing panics, little memory is taken, and what is read can be shown and sent.
            let ty = ColumnType::from(ty);
            let Ok(datum) = input_binary(&bytes, &ty, &settings, &scratch) else { continue };
            text_of(&ty, &datum);
            let mut sent = Vec::new();
            output_binary(&datum, &ty, &settings, &mut sent).unwrap();
            let again = input_binary(&sent, &ty, &settings, &scratch).expect("what was sent");
            prop_assert_eq!(text_of(&ty, &again), text_of(&ty, &datum), "{}", ty);
        }
        prop_assert!(scratch.allocated_bytes() < 1 << 20);
    }

    #[test]
    fn damaged_binary_is_read_or_refused(numbers in proptest::collection::vec(any::<i32>(), 0..6), at in 0_usize..80, byte in any::<u8>()) {
        let scratch = Scratch::new();
        let settings = Settings::default();
        let datums: Vec<Datum<'_>> = numbers.iter().map(|n| Datum::Int((*n).into())).collect();
        let array = tidewater_types::ArrayRef::vector(&scratch, &datums).unwrap();
        let ty = ColumnType::from(Type::Int4.array());
        let mut bytes = Vec::new();
        output_binary(&Datum::Array(array), &ty, &settings, &mut bytes).unwrap();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(datum) = input_binary(&bytes, &ty, &settings, &scratch) {
            text_of(&ty, &datum);
        }
        prop_assert!(scratch.allocated_bytes() < 1 << 20);
    }
}
