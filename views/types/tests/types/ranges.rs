//! What ranges, multiranges and jsonb compute, over random values.

use tidewater_types::{Datum, MultirangeRef, RangeOf, RangeRef, Scratch, Type, compare, json, range};

use crate::common::{Random, Said, agree, error, judge, literal, quote, settings, shown, soak, ty};

fn bound(random: &mut Random) -> String {
    match random.below(8) {
        0 => String::new(),
        _ => random.below(7).to_string(),
    }
}

fn random_range(random: &mut Random) -> String {
    if random.below(12) == 0 {
        return "empty".to_owned();
    }
    let (mut low, mut high) = (bound(random), bound(random));
    if !low.is_empty() && !high.is_empty() && low > high {
        std::mem::swap(&mut low, &mut high);
    }
    let open = if random.below(2) == 0 { '[' } else { '(' };
    let close = if random.below(2) == 0 { ']' } else { ')' };
    format!("{open}{low},{high}{close}")
}

fn random_multirange(random: &mut Random) -> String {
    let count = random.below(4);
    let ranges: Vec<String> = (0..count).map(|_| random_range(random)).collect();
    format!("{{{}}}", ranges.join(","))
}

#[test]
fn two_ranges() {
    let mut cases: Vec<(String, Said)> = Vec::new();
    let mut random = Random(soak().0);
    for (name, of) in [("int4range", RangeOf::Int4), ("numrange", RangeOf::Numeric)] {
        let ty = ty(name);
        for _ in 0..600 {
            let scratch = Scratch::new();
            let (x, y) = (random_range(&mut random), random_range(&mut random));
            let read = |text: &str| literal(text, &ty, &settings(), &scratch);
            let (Ok(Datum::Range(a)), Ok(Datum::Range(b))) = (read(&x), read(&y)) else { panic!("{x} and {y}") };
            type Test = fn(RangeOf, RangeRef<'_>, RangeRef<'_>) -> bool;
            let tests: [(&str, Test); 7] = [
                ("@>", range::contains),
                ("&&", range::overlaps),
                ("<<", range::before),
                ("&<", range::not_beyond),
                ("&>", range::not_before),
                ("-|-", range::adjacent),
                ("<", |of, a, b| range::compare_ranges(of, a, b).is_lt()),
            ];
            for (sign, test) in tests {
                let ours = if test(of, a, b) { "t" } else { "f" };
                cases.push((format!("select '{x}'::{name} {sign} '{y}'::{name}"), Ok(Some(ours.to_owned()))));
            }
            let computed = [
                ("'{x}'::{name} + '{y}'::{name}", range::union(of, a, b, &scratch)),
                ("'{x}'::{name} * '{y}'::{name}", range::intersect(of, a, b, &scratch)),
                ("'{x}'::{name} - '{y}'::{name}", range::minus(of, a, b, &scratch)),
                ("range_merge('{x}'::{name}, '{y}'::{name})", range::merge(of, a, b, &scratch)),
            ];
            for (text, result) in computed {
                let text = text.replace("{x}", &x).replace("{y}", &y).replace("{name}", name);
                let ours = result.map(|r| shown(&Datum::Range(r), &ty, &settings())).map_err(|e| error(&e));
                cases.push((format!("select {text}"), ours));
            }
            let element = random.below(8) as i64;
            let value = if of == RangeOf::Int4 {
                Datum::Int(element)
            } else {
                Datum::Numeric(tidewater_types::Numeric::integer(element))
            };
            let ours = if range::contains_element(of, a, &value) { "t" } else { "f" };
            cases.push((format!("select '{x}'::{name} @> {element}::{}", of.bound()), Ok(Some(ours.to_owned()))));
        }
    }
    agree(&mut judge(&settings()), cases);
}

#[test]
fn two_multiranges() {
    let mut cases: Vec<(String, Said)> = Vec::new();
    let mut random = Random(soak().0);
    for (name, of) in [("int4multirange", RangeOf::Int4), ("nummultirange", RangeOf::Numeric)] {
        let ty = ty(name);
        for _ in 0..600 {
            let scratch = Scratch::new();
            let (x, y) = (random_multirange(&mut random), random_multirange(&mut random));
            let read = |text: &str| literal(text, &ty, &settings(), &scratch);
            let (Ok(Datum::Multirange(a)), Ok(Datum::Multirange(b))) = (read(&x), read(&y)) else {
                panic!("{x} and {y}")
            };
            let show = |value: tidewater_types::Result<MultirangeRef<'_>>| -> Said {
                value.map(|v| shown(&Datum::Multirange(v), &ty, &settings())).map_err(|e| error(&e))
            };
            cases.push((
                format!("select '{x}'::{name} + '{y}'::{name}"),
                show(range::multirange_union(of, a, b, &scratch)),
            ));
            cases.push((
                format!("select '{x}'::{name} - '{y}'::{name}"),
                show(range::multirange_minus(of, a, b, &scratch)),
            ));
            cases.push((
                format!("select '{x}'::{name} * '{y}'::{name}"),
                show(range::multirange_intersect(of, a, b, &scratch)),
            ));
            let order = range::compare_multiranges(of, a, b);
            let ours = if order.is_lt() { "t" } else { "f" };
            cases.push((format!("select '{x}'::{name} < '{y}'::{name}"), Ok(Some(ours.to_owned()))));
            for part in b.iter() {
                let mut text = String::new();
                tidewater_types::output(&Datum::Range(part), &Type::Range(of).into(), &settings(), &mut text);
                let ours = if range::multirange_contains(of, a, part) { "t" } else { "f" };
                let statement = format!("select '{x}'::{name} @> '{text}'::{}", Type::Range(of));
                cases.push((statement, Ok(Some(ours.to_owned()))));
            }
        }
    }
    agree(&mut judge(&settings()), cases);
}

fn random_json(random: &mut Random, depth: u64) -> String {
    let kinds = if depth == 0 { 5 } else { 7 };
    let count = random.below(4);
    match random.below(kinds) {
        0 => "null".to_owned(),
        1 => if random.below(2) == 0 { "true" } else { "false" }.to_owned(),
        2 => ["0", "1", "1.0", "-2.50", "1e3", "100"][random.below(6) as usize].to_owned(),
        3 | 4 => ["\"\"", "\"a\"", "\"ab\"", "\"b\"", "\"\\u00e9\"", "\"\\n\""][random.below(6) as usize].to_owned(),
        5 => {
            let elements: Vec<String> = (0..count).map(|_| random_json(random, depth - 1)).collect();
            format!("[{}]", elements.join(" ,"))
        }
        _ => {
            let entry = |random: &mut Random| {
                let key = ["a", "b", "aa", "", "c"][random.below(5) as usize];
                format!("\"{key}\" : {}", random_json(random, depth - 1))
            };
            let entries: Vec<String> = (0..count).map(|_| entry(random)).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

#[test]
fn two_jsons() {
    let mut random = Random(soak().0);
    let mut cases: Vec<(String, Said)> = Vec::new();
    for _ in 0..2500 {
        let scratch = Scratch::new();
        let (x, y) = (random_json(&mut random, 3), random_json(&mut random, 3));
        let (a, b) = (json::parse(&x, &scratch).unwrap(), json::parse(&y, &scratch).unwrap());
        let (p, q) = (Datum::Jsonb(a), Datum::Jsonb(b));
        cases.push((format!("select {}::jsonb", quote(&x)), Ok(shown(&p, &ty("jsonb"), &settings()))));
        let mut pretty = String::new();
        json::write_pretty(a, &mut pretty);
        cases.push((format!("select jsonb_pretty({}::jsonb)", quote(&x)), Ok(Some(pretty))));
        let order = match compare(&Type::Jsonb, &p, &q) {
            std::cmp::Ordering::Less => "-1",
            std::cmp::Ordering::Equal => "0",
            std::cmp::Ordering::Greater => "1",
        };
        cases.push((format!("select sign(jsonb_cmp({}, {}))", quote(&x), quote(&y)), Ok(Some(order.to_owned()))));
        let keys = [&p, &q].map(|datum| {
            let mut key = Vec::new();
            tidewater_types::key(&Type::Jsonb, datum, &mut key);
            key
        });
        assert_eq!(keys[0].cmp(&keys[1]), compare(&Type::Jsonb, &p, &q), "{x} and {y}");
        let field = a.field(b"a").and_then(|value| shown(&Datum::Jsonb(value), &ty("jsonb"), &settings()));
        cases.push((format!("select {}::jsonb -> 'a'", quote(&x)), Ok(field)));
    }
    agree(&mut judge(&settings()), cases);
}
