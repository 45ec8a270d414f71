//! Random queries of all shapes, typed so that most of them mean something; a seed is printed with what it found.

mod data;
mod expr;
mod query;

use crate::ask::difference;
use crate::world::world;
use query::Maker;

/// Queries of one run: few seconds. `QUERY_SEEDS=from..to` asks others.
const SEEDS: std::ops::Range<u64> = 0..500;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("QUERY_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn random_queries() {
    world();
    let mut judge = tidewater_judge::server().connect();
    // Compiling these queries takes longer than running them.
    judge.ask("set jit = off").expect("a setting");
    let mut wrong = Vec::new();
    let mut answered = 0;
    for seed in seeds() {
        let sql = Maker::new(seed).query();
        if std::env::var_os("QUERY_TRACE").is_some() {
            println!("seed {seed}: {sql}");
        }
        match difference(&mut judge, &sql, true) {
            Some(difference) => wrong.push(format!("seed {seed}: {difference}")),
            None => answered += usize::from(crate::ask::ours(&sql).is_ok_and(|answer| !answer.rows.is_empty())),
        }
    }
    let asked = (seeds().end - seeds().start) as usize;
    assert!(wrong.is_empty(), "{} of {asked} queries differ:\n{}", wrong.len(), wrong.join("\n"));
    // A generator of queries that fail or have no rows would prove nothing.
    assert!(answered * 3 > asked, "only {answered} of {asked} queries gave rows");
}
