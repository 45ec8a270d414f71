//! Random regular expressions over a small alphabet: PostgreSQL finds the same matches and captures.

use std::sync::Arc;

use tidewater_functions::{Argument, Session, functions};
use tidewater_judge::server;
use tidewater_types::{ColumnType, Datum, Expr, Scratch, Type};

/// Numbers that look random and are the same each time.
pub(crate) struct Random(u64);

impl Random {
    /// A seed's numbers; `TIDEWATER_FUZZ=n` gives others than those of every run, and is printed by whoever fails.
    pub(crate) fn new(seed: u64) -> Random {
        let more = std::env::var("TIDEWATER_FUZZ").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Random(seed ^ more.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn pattern(random: &mut Random, depth: u32) -> String {
    let atom = match random.below(if depth == 0 { 6 } else { 11 }) {
        0 | 1 => "a".to_owned(),
        2 => "b".to_owned(),
        3 => ".".to_owned(),
        4 => "[ab]".to_owned(),
        5 => ["", "c", r"\y", "^", "$", "[^a]"][random.below(6) as usize].to_owned(),
        6 => format!("(?:{})", pattern(random, depth - 1)),
        7 => return format!("{}|{}", pattern(random, depth - 1), pattern(random, depth - 1)),
        8 => return format!("{}{}", pattern(random, depth - 1), pattern(random, depth - 1)),
        _ => format!("({})", pattern(random, depth - 1)),
    };
    let quantifiers = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{1,2}?", "{0,1}"];
    let quantified = !atom.is_empty() && !["^", "$", r"\y"].contains(&atom.as_str()) && random.below(5) < 2;
    if quantified { atom + quantifiers[random.below(quantifiers.len() as u64) as usize] } else { atom }
}

fn ours(pattern: &str, text: &str) -> Result<Option<Vec<Option<String>>>, String> {
    let text_type: ColumnType = Type::Text.into();
    let constant = |text: &str| {
        let text = text.to_owned();
        Argument::new(Expr::new(move |_, scratch| Ok(Datum::from(&*scratch.alloc_str(&text)))), Type::Text)
    };
    let function = functions("regexp_match").iter().find(|function| function.params.len() == 2).expect("it is there");
    let result = ColumnType { ty: Type::Text.array(), ..text_type };
    let expr = function
        .compile(vec![constant(text), constant(pattern)], &result, &Arc::new(Session::default()))
        .map_err(|e| e.message)?;
    let scratch = Scratch::new();
    match expr.eval(&[], &scratch).map_err(|error| String::from_utf8_lossy(&error.sqlstate).into_owned())? {
        Datum::Array(array) => Ok(Some(array.iter().map(|value| value.as_str().map(str::to_owned)).collect())),
        _ => Ok(None),
    }
}

#[test]
fn matches_and_captures_are_postgres_own() {
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut cases = Vec::new();
    for _ in 0..3000 {
        let pattern = pattern(&mut random, 4);
        let text: String = (0..random.below(7)).map(|_| ['a', 'b', 'c'][random.below(3) as usize]).collect();
        cases.push((pattern, text));
    }
    let mut judge = server().connect();
    let statements: Vec<String> =
        cases.iter().map(|(pattern, text)| format!("SELECT unnest(regexp_match('{text}', '{pattern}'))")).collect();
    let mut wrong = Vec::new();
    for ((pattern, text), answer) in cases.iter().zip(judge.ask_all(&statements)) {
        let theirs = match answer {
            Ok(answer) if answer.rows.is_empty() => Ok(None),
            Ok(answer) => Ok(Some(answer.rows.into_iter().map(|row| row[0].clone()).collect())),
            Err(refusal) => Err(refusal.sqlstate),
        };
        let ours = ours(pattern, text);
        if ours != theirs {
            wrong.push(format!("{pattern:20} {text:8} ours {ours:?} theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn long_texts_and_expressions_need_no_stack() {
    let many = "a".repeat(20_000);
    assert_eq!(ours("(a|aa)*", &many), Ok(Some(vec![Some("aa".to_owned())])));
    let literal = "b".repeat(2_000);
    assert_eq!(ours(&format!("(a|ab){literal}"), &format!("a{literal}")), Ok(Some(vec![Some("a".to_owned())])));
    // An expression whose automaton would be too large is refused.
    assert_eq!(ours("((a{255}){255}){255}", "a"), Err("2201B".to_owned()));
}
