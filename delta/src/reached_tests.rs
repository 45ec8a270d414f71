//! A timeline's positions against the list of all commits that came.

use super::*;
use proptest::prelude::*;

const UUIDS: [&str; 2] = ["3e11fa47-71ca-11e1-9e33-c80aa9429562", "aaaaaaaa-71ca-11e1-9e33-c80aa9429562"];

fn at(text: &str) -> Position {
    text.parse().expect("a position")
}

fn reached(texts: &[&str]) -> Reached {
    let mut reached = Reached::default();
    texts.iter().for_each(|text| reached.advance(&at(text)));
    reached
}

#[test]
fn of_a_set_each_part_must_be_in() {
    let [one, two] = UUIDS;
    let mut state = reached(&[&format!("{one}:5")]);
    let set = at(&format!("{one}:1-5,{two}:7"));
    assert!(state.includes(&at(&format!("{one}:1-5"))) && !state.includes(&set) && state.knows(&set));
    state.advance(&at(&format!("{two}:7")));
    assert!(state.includes(&set) && !state.has_passed(&set));
    state.advance(&at(&format!("{two}:8")));
    state.advance(&at(&format!("{one}:6")));
    assert!(state.has_passed(&set));
    assert_eq!(state.to_string(), format!("{one}:6,{two}:8"));
    assert!(!state.includes(&at(&format!("{one}:tag:1"))), "a tag has numbers of its own");
    assert!(!state.includes(&Position::Gtid("no gtid".into())));
}

#[test]
fn binlog_files_are_compared_by_number() {
    let state = reached(&["binlog.999999:400"]);
    assert!(state.includes(&at("binlog.999999:400")) && state.includes(&at("binlog.99999:900")));
    assert!(!state.includes(&at("binlog.999999:401")) && !state.includes(&at("binlog.1000000:4")));
    let state = reached(&["binlog.1000000:4", "binlog.999999:400"]);
    assert_eq!(state.to_string(), "binlog.1000000:4", "what lies behind changes nothing");
    assert!(!state.includes(&at("other.000001:4")), "files of another server");
    assert_eq!(reached(&["binlog.000007:4", "other.000001:4"]).to_string(), "other.000001:4");
}

#[test]
fn a_snapshots_place_in_the_binlog_is_not_shown_beside_gtids() {
    let state = reached(&["binlog.000003:157", "0-1-42", "0-2-43"]);
    assert_eq!(state.to_string(), "0-0-43");
    assert!(state.includes(&at("0-1-43")) && state.includes(&at("binlog.000003:157")) && state.has_gtids());
}

#[derive(Debug, Clone)]
enum Step {
    Gtid(usize, u64),
    Binlog(u64, u64),
    Offset(bool, i32, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2_usize, 1..6_u64).prop_map(|(server, more)| Step::Gtid(server, more)),
        (0..2_u64, 1..300_u64).prop_map(|(files, more)| Step::Binlog(files, more)),
        (any::<bool>(), 0..3_i32, 1..9_i64).prop_map(|(topic, partition, more)| Step::Offset(topic, partition, more)),
    ]
}

/// The positions of commits, each after those before it, from the distances between them.
fn history(steps: &[Step]) -> Vec<Position> {
    let (mut numbers, mut file, mut place, mut offsets) = ([0; 2], 9, 4, [[0; 3]; 2]);
    let of = |step: &Step| match *step {
        Step::Gtid(server, more) => {
            numbers[server] += more;
            Position::Gtid(format!("{}:{}", UUIDS[server], numbers[server]))
        }
        Step::Binlog(files, more) => {
            (file, place) = (file + files, if files > 0 { 4 } else { place + more });
            Position::Binlog { file: format!("binlog.{file:02}"), offset: place }
        }
        Step::Offset(topic, partition, more) => {
            let next = &mut offsets[usize::from(topic)][partition as usize];
            *next += more;
            Position::Offset { topic: format!("t{}", u8::from(topic)), partition, offset: *next }
        }
    };
    steps.iter().map(of).collect()
}

proptest! {
    #[test]
    fn what_came_is_in_and_what_comes_is_not(steps in proptest::collection::vec(step(), 1..40), cut in 0..40_usize) {
        let all = history(&steps);
        let (came, comes) = all.split_at(cut.min(all.len()));
        let mut state = Reached::default();
        came.iter().for_each(|position| state.advance(position));
        for position in came {
            prop_assert!(state.includes(position) && state.knows(position), "{position} in {state}");
        }
        for position in comes {
            prop_assert!(!state.includes(position) && !state.has_passed(position), "{position} in {state}");
        }
        // Told again, in the other order, it says the same.
        let before = state.clone();
        came.iter().rev().for_each(|position| state.advance(position));
        prop_assert_eq!(&state, &before);
        for position in before.positions() {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn no_text_is_trouble(text in ".{0,60}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }
    }
}
