//! Random arrays, ranges and multiranges.

use tidewater_types::{RangeOf, Type};

use crate::cases::{Case, check};
use crate::regex::Random;

fn element(random: &mut Random) -> &'static str {
    ["1", "2", "3", "4", "NULL"][random.below(5) as usize]
}

fn array(random: &mut Random) -> String {
    let row = |random: &mut Random, length: u64| {
        let elements: Vec<&str> = (0..length).map(|_| element(random)).collect();
        format!("{{{}}}", elements.join(","))
    };
    match random.below(4) {
        0 => {
            let (rows, length) = (1 + random.below(2), 1 + random.below(2));
            let rows: Vec<String> = (0..rows).map(|_| row(random, length)).collect();
            format!("{{{}}}", rows.join(","))
        }
        1 => {
            let length = 1 + random.below(3);
            format!("[{}:{}]={}", -1, length as i64 - 2, row(random, length))
        }
        _ => {
            let length = random.below(5);
            row(random, length)
        }
    }
}

fn range(random: &mut Random) -> String {
    let (low, length) = (random.below(8) as i64 - 2, random.below(5) as i64);
    let bound = |value: i64, open: bool| if open { String::new() } else { value.to_string() };
    if random.below(8) == 0 {
        return "empty".to_owned();
    }
    let (left, right) = (["[", "("][random.below(2) as usize], ["]", ")"][random.below(2) as usize]);
    let (lower, upper) = (bound(low, random.below(7) == 0), bound(low + length, random.below(7) == 0));
    format!("{left}{lower},{upper}{right}")
}

fn multirange(random: &mut Random) -> String {
    let ranges: Vec<String> = (0..random.below(4)).map(|_| range(random)).collect();
    format!("{{{}}}", ranges.join(","))
}

#[test]
fn arrays_are_put_together_and_searched_as_there() {
    let mut random = Random::new(0x6a09_e667_f3bc_c909);
    let mut cases = Vec::new();
    for _ in 0..500 {
        let ty = || Type::Int4.array();
        let a = (ty(), array(&mut random));
        let b = (ty(), array(&mut random));
        let value = (Type::Int4, (1 + random.below(4)).to_string());
        let other = (Type::Int4, (1 + random.below(4)).to_string());
        let mut case = |name, args: Vec<(Type, String)>, result| cases.push(Case { name, args, result });
        for name in ["@>", "<@", "&&", "=", "<", ">="] {
            case(name, vec![a.clone(), b.clone()], Type::Bool);
        }
        case("||", vec![a.clone(), b.clone()], ty());
        case("array_append", vec![a.clone(), value.clone()], ty());
        case("array_prepend", vec![value.clone(), a.clone()], ty());
        case("array_remove", vec![a.clone(), value.clone()], ty());
        case("array_replace", vec![a.clone(), value.clone(), other.clone()], ty());
        case("array_position", vec![a.clone(), value.clone()], Type::Int4);
        case("array_position", vec![a.clone(), value.clone(), other.clone()], Type::Int4);
        case("array_positions", vec![a.clone(), value.clone()], ty());
        case("trim_array", vec![a.clone(), value.clone()], ty());
        case("array_dims", vec![a.clone()], Type::Text);
        case("array_upper", vec![a.clone(), value.clone()], Type::Int4);
        case("array_to_json", vec![a.clone()], Type::Json);
        case(
            "array_to_string",
            vec![a.clone(), (Type::Text, "-".to_owned()), (Type::Text, "?".to_owned())],
            Type::Text,
        );
        case("width_bucket", vec![value, a], Type::Int4);
    }
    check(&cases);
}

#[test]
fn ranges_are_compared_and_combined_as_there() {
    let mut random = Random::new(0xbb67_ae85_84ca_a73b);
    let mut cases = Vec::new();
    for _ in 0..200 {
        for of in [RangeOf::Int4, RangeOf::Numeric] {
            let (one, many) = (Type::Range(of), Type::Multirange(of));
            let ranges = [(one.clone(), range(&mut random)), (one.clone(), range(&mut random))];
            let multiranges = [(many.clone(), multirange(&mut random)), (many.clone(), multirange(&mut random))];
            let value = (of.bound(), (random.below(8) as i64 - 2).to_string());
            let mut case = |name, args: Vec<(Type, String)>, result| cases.push(Case { name, args, result });
            for name in ["@>", "<@", "&&", "<<", ">>", "&<", "&>", "-|-"] {
                for a in ranges.iter().chain(&multiranges).take(3) {
                    for b in ranges.iter().chain(&multiranges).skip(1) {
                        case(name, vec![a.clone(), b.clone()], Type::Bool);
                    }
                }
            }
            for name in ["=", "<", ">="] {
                case(name, ranges.to_vec(), Type::Bool);
                case(name, multiranges.to_vec(), Type::Bool);
            }
            for name in ["+", "*", "-"] {
                case(name, ranges.to_vec(), one.clone());
                case(name, multiranges.to_vec(), many.clone());
            }
            for held in [&ranges[0], &multiranges[0]] {
                case("@>", vec![held.clone(), value.clone()], Type::Bool);
                for name in ["isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf"] {
                    case(name, vec![held.clone()], Type::Bool);
                }
                case("lower", vec![held.clone()], of.bound());
                case("upper", vec![held.clone()], of.bound());
            }
            case("range_merge", ranges.to_vec(), one.clone());
            case("range_merge", vec![multiranges[0].clone()], one.clone());
            case("multirange", vec![ranges[0].clone()], many.clone());
        }
    }
    check(&cases);
}
