//! Which transactions were already released, so that a redelivered one is dropped.
//!
//! Debezium names a transaction by its GTID (`server-uuid:42`, MariaDB `0-1-42`) or, without GTIDs, by its place in the
//! binlog (`file=binlog.000003,pos=157`). Each is a prefix and a number, so the set is ranges of numbers by prefix, as in
//! MySQL's own GTID sets.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Ranges kept a prefix. Binlog positions leave gaps; past this many the two oldest ranges become one, which only takes
/// numbers as seen that are older than a thousand gaps.
const RANGES: usize = 1024;

/// First and last number of each range.
type Ranges = BTreeMap<u64, u64>;

/// A set of transaction ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// By prefix: first and last number of each range.
    ranges: FxHashMap<Box<str>, Ranges>,
    /// Ids that do not end in a number.
    others: std::collections::HashSet<Box<str>>,
    /// By prefix: the latest time that an id of it came with.
    newest_ms: FxHashMap<Box<str>, i64>,
    /// By prefix: what there was until this time, at which the server's numbers began anew.
    earlier: FxHashMap<Box<str>, Vec<(i64, Ranges)>>,
}

/// How often numbers may begin anew before the first beginnings are forgotten.
const BEGINNINGS: usize = 8;

/// What a set says of an id that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It was never inserted.
    New,
    /// It was inserted, and what comes now is no younger than what was: the same again.
    Again,
    /// It was inserted, but what comes now is younger than all of its server: the server's numbers began anew.
    Reused,
    /// Nothing tells whether it is the same again or another.
    Unclear,
}

fn split(id: &str) -> Option<(&str, u64)> {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, number) = id.split_at(id.len() - digits);
    Some((prefix, number.parse().ok()?))
}

/// The files of a binlog that a prefix names, and which of them: `file=binlog.` and 3 of `file=binlog.000003,pos=`.
fn file(prefix: &str) -> Option<(&str, u64)> {
    split(prefix.strip_suffix(",pos=")?).filter(|(files, _)| files.starts_with("file="))
}

/// The file of a binlog and the place in it that an id names, without GTIDs.
pub(crate) fn place(id: &str) -> Option<(&str, u64)> {
    let (prefix, pos) = split(id)?;
    Some((prefix.strip_prefix("file=")?.strip_suffix(",pos=")?, pos))
}

/// Whether both ids are of one server and the first has the smaller number, or lies in an older file.
pub(crate) fn is_less(first: &str, second: &str) -> bool {
    let (Some((a, m)), Some((b, n))) = (split(first), split(second)) else { return false };
    match a == b {
        true => m < n,
        false => matches!((file(a), file(b)), (Some((a, m)), Some((b, n))) if a == b && m < n),
    }
}

/// Whether both ids are of one server.
pub(crate) fn are_of_one_server(first: &str, second: &str) -> bool {
    split(first).map(|(prefix, _)| prefix) == split(second).map(|(prefix, _)| prefix)
}

/// Whether numbers of one server lie between two ids.
pub(crate) fn is_gap(before: &str, after: &str) -> bool {
    match (split(before), split(after)) {
        (Some((a, m)), Some((b, n))) => a == b && !a.starts_with("file=") && n > m + 1,
        _ => false,
    }
}

fn holds(ranges: &Ranges, number: u64) -> bool {
    ranges.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
}

impl Seen {
    /// Whether `id`, which now comes with the time `ms`, came before.
    pub(crate) fn before(&self, id: &str, ms: i64) -> Before {
        let Some((prefix, number)) = split(id) else { return self.is_other(id, ms) };
        if let Some(ranges) = self.earlier_at(prefix, ms) {
            return if holds(ranges, number) { Before::Again } else { Before::New };
        }
        match self.ranges.get(prefix) {
            Some(ranges) if holds(ranges, number) => self.again(prefix, ms),
            _ => Before::New,
        }
    }

    fn is_other(&self, id: &str, ms: i64) -> Before {
        if self.others.contains(id) { self.again("", ms) } else { Before::New }
    }

    /// What comes with the time `ms` and was inserted.
    fn again(&self, prefix: &str, ms: i64) -> Before {
        match self.newest_ms.get(prefix) {
            Some(&newest) if ms > newest => Before::Reused,
            _ => Before::Again,
        }
    }

    /// Adds `id`, which came with the time `ms`.
    pub(crate) fn insert_at(&mut self, id: &str, ms: i64) {
        self.insert(id);
        let prefix = split(id).map_or("", |(prefix, _)| prefix);
        match self.newest_ms.get_mut(prefix) {
            Some(newest) => *newest = (*newest).max(ms),
            None => drop(self.newest_ms.insert(prefix.into(), ms)),
        }
    }

    /// The latest time that an id of the prefix of `id` came with.
    pub(crate) fn newest_ms(&self, id: &str) -> Option<i64> {
        self.newest_ms.get(split(id).map_or("", |(prefix, _)| prefix)).copied()
    }

    /// The numbers of the server of `id` began anew: what was inserted is of before.
    pub(crate) fn begin_anew(&mut self, id: &str) {
        let prefix = split(id).map_or("", |(prefix, _)| prefix);
        let files = file(prefix).map(|(files, _)| files);
        let begins = |other: &str| *other == *prefix || files.is_some() && file(other).map(|(files, _)| files) == files;
        for (prefix, ranges) in self.ranges.extract_if(|prefix, _| begins(prefix)) {
            let Some(newest) = self.newest_ms.remove(&prefix) else { continue };
            let earlier = self.earlier.entry(prefix).or_default();
            if earlier.len() == BEGINNINGS {
                earlier.remove(0);
            }
            earlier.push((newest, ranges));
        }
    }

    /// The numbers that were there at a time before they began anew.
    fn earlier_at(&self, prefix: &str, ms: i64) -> Option<&Ranges> {
        let earlier = self.earlier.get(prefix)?;
        earlier.iter().find(|(until, _)| ms <= *until).map(|(_, ranges)| ranges)
    }

    /// Whether the numbers of the server of `id` did not begin anew between the two times.
    pub(crate) fn is_one_beginning(&self, id: &str, first_ms: i64, second_ms: i64) -> bool {
        let prefix = split(id).map_or("", |(prefix, _)| prefix);
        let Some(earlier) = self.earlier.get(prefix) else { return true };
        let beginning = |ms: i64| earlier.iter().position(|(until, _)| ms <= *until);
        beginning(first_ms) == beginning(second_ms)
    }

    /// Whether `id`, which comes with the time `ms`, has a smaller number than every id of its prefix, of which there are some.
    pub(crate) fn is_older_than_all(&self, id: &str, ms: i64) -> bool {
        let Some((prefix, number)) = split(id) else { return false };
        let now = || self.ranges.get(prefix).filter(|_| self.newest_ms.get(prefix).is_none_or(|newest| ms <= *newest));
        let first = self.earlier_at(prefix, ms).or_else(now).and_then(|ranges| ranges.first_key_value());
        first.is_some_and(|(&first, _)| number < first)
    }

    /// Whether `id` was inserted.
    pub(crate) fn contains(&self, id: &str) -> bool {
        let Some((prefix, number)) = split(id) else { return self.others.contains(id) };
        self.ranges.get(prefix).is_some_and(|ranges| holds(ranges, number))
    }

    /// Adds `id`.
    pub(crate) fn insert(&mut self, id: &str) {
        let Some((prefix, number)) = split(id) else {
            if !self.others.contains(id) {
                self.others.insert(id.into());
            }
            return;
        };
        if !self.ranges.contains_key(prefix) {
            self.ranges.insert(prefix.into(), BTreeMap::new());
        }
        let Some(ranges) = self.ranges.get_mut(prefix) else { return };
        let before = ranges.range(..=number).next_back().map(|(&first, &last)| (first, last));
        let first = match before {
            Some((_, last)) if number <= last => return,
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let last = number.checked_add(1).and_then(|next| ranges.remove(&next)).unwrap_or(number);
        ranges.insert(first, last);
        if ranges.len() > RANGES {
            let oldest = ranges.pop_first();
            if let (Some((first, _)), Some((_, last))) = (oldest, ranges.pop_first()) {
                ranges.insert(first, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_kind_are_remembered_and_neighbours_are_not() {
        let mut seen = Seen::default();
        for id in ["a:1", "a:3", "a:2", "b:2", "0-1-7", "file=binlog.000003,pos=157", "odd"] {
            assert!(!seen.contains(id), "{id}");
            seen.insert(id);
            assert!(seen.contains(id), "{id}");
        }
        for id in ["a:4", "a:0", "b:1", "0-1-8", "file=binlog.000003,pos=158", "file=binlog.000004,pos=157", "even"] {
            assert!(!seen.contains(id), "{id}");
        }
        assert_eq!(seen.ranges["a:"].len(), 1, "neighbours become one range");
    }

    #[test]
    fn where_a_binlog_begins_anew_all_its_files_do() {
        assert!(is_less("file=b.000001,pos=900", "file=b.000002,pos=4"));
        assert!(!is_less("file=b.000002,pos=4", "file=b.000001,pos=900"));
        assert!(!is_less("file=a.000001,pos=4", "file=b.000002,pos=4"), "of another server");
        assert!(!is_less("a:1", "b:2"));
        let mut seen = Seen::default();
        for (id, ms) in [("file=b.000001,pos=900", 1), ("file=b.000002,pos=4", 2), ("file=a.000001,pos=900", 2)] {
            seen.insert_at(id, ms);
        }
        seen.begin_anew("file=b.000001,pos=4");
        seen.insert_at("file=b.000001,pos=4", 3);
        assert_eq!(seen.before("file=b.000001,pos=900", 3), Before::New);
        assert_eq!(seen.before("file=b.000002,pos=4", 3), Before::New);
        assert_eq!(seen.before("file=b.000002,pos=4", 2), Before::Again);
        assert_eq!(seen.before("file=a.000001,pos=900", 2), Before::Again);
    }

    #[test]
    fn gaps_do_not_grow_it_for_ever() {
        let mut seen = Seen::default();
        (0..10_000_u64).for_each(|n| seen.insert(&format!("file=b.1,pos={}", n * 100)));
        assert!(seen.ranges["file=b.1,pos="].len() <= RANGES);
        assert!(seen.contains("file=b.1,pos=999900") && seen.contains("file=b.1,pos=0"));
        assert!(!seen.contains("file=b.1,pos=999901"));
    }
}
