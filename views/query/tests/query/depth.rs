//! Deep and long queries: answered or refused, on the stack of a server's thread.

use std::fmt::Write;

use crate::ask::ours;
use crate::world::world;

/// What tokio gives its threads.
const STACK: usize = 2 << 20;

/// The only value of the answer, or the SQLSTATE.
fn answer(sql: String) -> String {
    world();
    let query = std::thread::Builder::new().stack_size(STACK).spawn(move || match ours(&sql) {
        Ok(answer) => answer.value().unwrap_or("?").to_owned(),
        Err(error) => String::from_utf8_lossy(&error.sqlstate).into_owned(),
    });
    query.expect("a thread").join().expect("no panic")
}

fn repeated(head: &str, part: &str, times: usize, tail: &str) -> String {
    format!("{head}{}{tail}", part.repeat(times))
}

#[test]
fn long_ones_are_answered() {
    assert_eq!(answer(repeated("select true", " and true", 5000, "")), "t");
    assert_eq!(answer(repeated("select count(*) from t where id = 1", " or id = 2", 5000, "")), "2");
    assert_eq!(answer(repeated("select count(*) from (select 1", " union all select 1", 1000, ") z")), "1001");
    assert_eq!(answer(repeated("select count(*) from t where id in (1", ", 2", 5000, ")")), "2");
    let mut values = "select count(*) from (values (0)".to_owned();
    (1..5000).for_each(|i| write!(values, ", ({i})").expect("a string takes all"));
    assert_eq!(answer(values + ") v"), "5000");
    assert_eq!(answer(repeated("select 'a'", " || 'a'", 60, "")), "a".repeat(61));
}

#[test]
fn deep_ones_do_not_end_the_process() {
    for times in [10, 100, 1000, 10_000] {
        let refused = |answer: String, expected: &str| {
            // Where the parser gives up it may take a keyword for a name, or find an error of syntax.
            let is_refused = ["54001", "42601", "42703"].contains(&answer.as_str());
            assert!(answer == expected || times > 10 && is_refused, "{times} times: {answer}");
        };
        refused(answer(repeated("select 1", " + 1", times, "")), &(times + 1).to_string());
        refused(answer(format!("select {}1{}", "(".repeat(times), ")".repeat(times))), "1");
        refused(answer(format!("select {}1", "- ".repeat(times))), "1");
        refused(answer(format!("select {}1{}", "abs(".repeat(times), ")".repeat(times))), "1");
        refused(answer(format!("{}select 1{}", "select (".repeat(times), ")".repeat(times))), "1");
        refused(answer(format!("{}select 1{}", "select * from (".repeat(times), ") z".repeat(times))), "1");
        refused(answer(format!("select {}1{}", "case when true then ".repeat(times), " end".repeat(times))), "1");
        refused(answer(format!("select {}true", "not ".repeat(times))), "t");
        refused(answer(format!("select (1){}", "::int".repeat(times))), "1");
        refused(answer(format!("{}select 1{}", "select 1 where exists (".repeat(times), ")".repeat(times))), "1");
    }
}
