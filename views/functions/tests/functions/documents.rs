//! Random JSON documents, taken apart and changed.

use tidewater_types::Type;

use crate::cases::{Case, check};
use crate::regex::Random;

fn document(random: &mut Random, depth: u64) -> String {
    match random.below(if depth == 0 { 7 } else { 11 }) {
        0 => "1".to_owned(),
        1 => "1.0".to_owned(),
        2 => "\"a\"".to_owned(),
        3 => "\"b\\u00e9\\n\"".to_owned(),
        4 => "null".to_owned(),
        5 => "true".to_owned(),
        6 => ["{}", "[]", "-2e3", "\"\""][random.below(4) as usize].to_owned(),
        7 | 8 => {
            let elements: Vec<String> = (0..random.below(4)).map(|_| document(random, depth - 1)).collect();
            format!("[{}]", elements.join(", "))
        }
        _ => {
            let members = (0..random.below(4)).map(|_| {
                let key = ["a", "b", "c", "1", ""][random.below(5) as usize];
                format!("\"{key}\" : {}", document(random, depth - 1))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

fn path(random: &mut Random) -> String {
    let parts = (0..random.below(4))
        .map(|_| ["a", "b", "c", "0", "1", "-1", "x", "\"\"", "NULL", "7"][random.below(10) as usize]);
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}

#[test]
fn documents_are_taken_apart_and_changed_as_there() {
    let mut random = Random::new(0x3c6e_f372_fe94_f82b);
    let mut cases = Vec::new();
    for _ in 0..700 {
        let (a, b, path) = (document(&mut random, 3), document(&mut random, 2), path(&mut random));
        let key = ["a", "b", "1", "", "bé\n"][random.below(5) as usize].to_owned();
        let number = (random.below(5) as i64 - 2).to_string();
        let flag = ["t", "f"][random.below(2) as usize].to_owned();
        let json = |text: &str| (Type::Jsonb, text.to_owned());
        let steps = || (Type::Text.array(), path.clone());
        let mut case = |name, args: Vec<(Type, String)>, result| cases.push(Case { name, args, result });
        for (name, result) in
            [("@>", Type::Bool), ("<@", Type::Bool), ("||", Type::Jsonb), ("=", Type::Bool), ("<", Type::Bool)]
        {
            case(name, vec![json(&a), json(&b)], result);
        }
        case("-", vec![json(&a), (Type::Text, key.clone())], Type::Jsonb);
        case("-", vec![json(&a), (Type::Int4, number.clone())], Type::Jsonb);
        case("-", vec![json(&a), steps()], Type::Jsonb);
        case("#-", vec![json(&a), steps()], Type::Jsonb);
        case("?", vec![json(&a), (Type::Text, key.clone())], Type::Bool);
        case("?|", vec![json(&a), steps()], Type::Bool);
        case("?&", vec![json(&a), steps()], Type::Bool);
        case("jsonb_set", vec![json(&a), steps(), json(&b), (Type::Bool, flag.clone())], Type::Jsonb);
        case("jsonb_insert", vec![json(&a), steps(), json(&b), (Type::Bool, flag)], Type::Jsonb);
        case("jsonb_strip_nulls", vec![json(&a)], Type::Jsonb);
        case("jsonb_pretty", vec![json(&a)], Type::Text);
        case("json_strip_nulls", vec![(Type::Json, a.clone())], Type::Json);
        for ty in [Type::Json, Type::Jsonb] {
            let value = || (ty.clone(), a.clone());
            case("->", vec![value(), (Type::Text, key.clone())], ty.clone());
            case("->", vec![value(), (Type::Int4, number.clone())], ty.clone());
            case("->>", vec![value(), (Type::Text, key.clone())], Type::Text);
            case("->>", vec![value(), (Type::Int4, number.clone())], Type::Text);
            case("#>", vec![value(), steps()], ty.clone());
            case("#>>", vec![value(), steps()], Type::Text);
        }
    }
    check(&cases);
}
