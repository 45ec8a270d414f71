//! Patterns as people write them, over texts; and random ones of LIKE.

use tidewater_types::Type;

use crate::cases::{Case, check, text};
use crate::regex::Random;

const REGEXES: &[&str] = &[
    "a|ab",
    "(a|ab)(c|bcd)(d*)",
    "^h.*o$",
    "[[:alpha:]]+",
    r"\d+",
    r"(\w+)\s+(\w+)",
    "a*?",
    "(?i)HELLO",
    "(?n)^b",
    r"\mw",
    r"o\M",
    "x{0}",
    "(a)?(b)?",
    "[^a-c]+",
    "l+",
    "(l)(l)",
    "é",
    ".",
    "",
    r"\\",
    "[",
    "a{2,1}",
    "*a",
    "(",
    "(?:ab)+",
    r"\y",
    "[]]",
    "[a-]",
    "***=a.c",
    r"\u00e9",
    "[[:digit:][:space:]]",
    "(.)(.)",
    "$",
    "^",
    "b|$",
];

const SUBJECTS: &[&str] = &[
    "",
    "abcd",
    "Hello World",
    "foobarbequebaz",
    "a1b22c333",
    "aéb\ncd",
    "xabcabx",
    "ll lll",
    "a.c abc",
    "a\\b",
    "  two  words ",
];

#[test]
fn patterns_match_as_there() {
    let mut cases = Vec::new();
    let array = || Type::Text.array();
    let number = |n: i32| (Type::Int4, n.to_string());
    for regex in REGEXES {
        for subject in SUBJECTS {
            let mut case = |name, args: Vec<(Type, String)>, result| cases.push(Case { name, args, result });
            case("regexp_match", vec![text(subject), text(regex)], array());
            case("regexp_split_to_array", vec![text(subject), text(regex)], array());
            case("regexp_replace", vec![text(subject), text(regex), text(r"<\1\&>"), text("g")], Type::Text);
            case(
                "regexp_replace",
                vec![text(subject), text(regex), text("-"), number(2), number(2), text("i")],
                Type::Text,
            );
            case("regexp_count", vec![text(subject), text(regex)], Type::Int4);
            case(
                "regexp_instr",
                vec![text(subject), text(regex), number(1), number(2), number(1), text("i"), number(1)],
                Type::Int4,
            );
            case(
                "regexp_substr",
                vec![text(subject), text(regex), number(2), number(1), text(""), number(1)],
                Type::Text,
            );
            case("regexp_like", vec![text(subject), text(regex), text("in")], Type::Bool);
            case("substring", vec![text(subject), text(regex)], Type::Text);
            case("similar_to_escape", vec![text(regex)], Type::Text);
        }
    }
    for pattern in [r#"%#"o%b#"%"#, r#"#"%#""#, "a_c%", "(a|b)%", "[a-c]%", r"\d%", r#"%#"a#"b#"c%"#] {
        for subject in SUBJECTS {
            cases.push(Case {
                name: "substring",
                args: vec![text(subject), text(pattern), text("#")],
                result: Type::Text,
            });
        }
    }
    check(&cases);
}

#[test]
fn like_matches_as_there() {
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let mut pick = |chars: &[char], most: u64| -> String {
        (0..random.below(most)).map(|_| chars[random.below(chars.len() as u64) as usize]).collect()
    };
    let mut cases = Vec::new();
    for _ in 0..2000 {
        let subject = pick(&['a', 'b', 'A', 'é', '%', '\\'], 6);
        let pattern = pick(&['a', 'b', 'é', '%', '%', '_', '\\'], 6);
        for name in ["~~", "~~*", "!~~"] {
            cases.push(Case { name, args: vec![text(&subject), text(&pattern)], result: Type::Bool });
        }
        cases.push(Case { name: "like_escape", args: vec![text(&pattern), text("a")], result: Type::Text });
    }
    check(&cases);
}
