//! The judge itself: it starts, answers, refuses, and answers thousands of statements at once.

use judge::server;
use tidewater_judge as judge;

#[test]
fn answers_and_refusals() {
    let mut connection = server().connect();
    let answer = connection.ask("select 1 as a, null::text, now()::text like '%+00', 1.50::numeric(5,2)").unwrap();
    assert_eq!(answer.columns[0].name, "a");
    assert_eq!(answer.columns.iter().map(|c| c.type_oid).collect::<Vec<_>>(), [23, 25, 16, 1700]);
    assert_eq!(answer.rows, [[Some("1".into()), None, Some("t".into()), Some("1.50".into())]]);
    let refusal = connection.ask("select 1/0").unwrap_err();
    assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), ("22012", "division by zero"));
    assert_eq!(connection.ask("selct").unwrap_err().position, Some(1));
    assert_eq!(connection.ask("select 2").unwrap().value(), Some("2"), "a refusal leaves the connection usable");
}

#[test]
fn many_at_once() {
    let mut connection = server().connect();
    let statements: Vec<String> = (0..3000).map(|i| format!("select repeat('x', 200), {i} / (2 - {i})")).collect();
    let answers = connection.ask_all(&statements);
    assert_eq!(answers.len(), 3000);
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(answers[4].as_ref().unwrap().rows[0][1].as_deref(), Some("-2"));
}

#[test]
fn binary_and_descriptions() {
    let mut connection = server().connect();
    assert_eq!(connection.ask_binary("select 258::int2, null").unwrap(), [[Some(vec![1, 2]), None]]);
    assert_eq!(connection.ask_binary("select 1/0").unwrap_err().sqlstate, "22012");
    let description = connection.describe("select $1::int8 as b").unwrap();
    assert_eq!((description.parameters, description.columns[0].type_oid), (vec![20], 20));
}
