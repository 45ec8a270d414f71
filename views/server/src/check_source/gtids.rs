//! Sets of MySQL's GTIDs, exact: which transactions a server has, not only the newest.
//!
//! The text is MySQL's own: `uuid:1-5:7`, since 8.3 with tags, `uuid:1-5:tag:3`; in `@@gtid_owned` each number has its owner behind a `#`.

use std::collections::BTreeMap;
use std::fmt;

use tidewater_delta::Reached;

/// See the module. Intervals of each `uuid` or `uuid:tag`, in their order, with gaps between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GtidSet(BTreeMap<String, Vec<(u64, u64)>>);

impl GtidSet {
    /// `None` for text that is no set.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut set = GtidSet::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut words = part.split(':').map(str::trim);
            let uuid = words.next().filter(|uuid| uuid.len() == 36)?.to_ascii_lowercase();
            let mut source = uuid.clone();
            for word in words {
                if word.starts_with(|letter: char| letter.is_ascii_digit()) {
                    let numbers = word.split('#').next()?;
                    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
                    set.add(&source, first.parse().ok()?, last.parse().ok()?);
                } else {
                    source = format!("{uuid}:{}", word.to_ascii_lowercase());
                }
            }
        }
        Some(set)
    }

    pub(super) fn add(&mut self, source: &str, first: u64, last: u64) {
        if first > last {
            return;
        }
        let intervals = self.0.entry(source.to_owned()).or_default();
        intervals.push((first, last));
        intervals.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
        for &(first, last) in intervals.iter() {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        *intervals = joined;
    }

    pub(super) fn union(mut self, other: &GtidSet) -> Self {
        for (source, intervals) in &other.0 {
            intervals.iter().for_each(|&(first, last)| self.add(source, first, last));
        }
        self
    }

    fn has(&self, source: &str, number: u64) -> bool {
        let intervals = self.0.get(source).map_or(&[][..], Vec::as_slice);
        intervals.iter().any(|&(first, last)| first <= number && number <= last)
    }

    /// Whether the newest transactions of what was reached are all in the set.
    pub(super) fn holds(&self, reached: &Reached) -> bool {
        reached.gtids().all(|(source, top)| self.has(source, top))
    }

    /// Whether what was reached is known to hold all of the set. A server of which nothing was ever heard leaves that open: its
    /// transactions may be old or under way.
    pub(super) fn is_reached(&self, reached: &Reached) -> bool {
        self.0.iter().all(|(source, intervals)| {
            let top = intervals.last().map_or(0, |(_, last)| *last);
            reached.gtids().any(|(known, reached)| known == source && reached >= top)
        })
    }

    /// The set with what was reached beyond it.
    pub(super) fn up_to(&self, reached: &Reached) -> Self {
        let mut set = self.clone();
        for (source, top) in reached.gtids() {
            let own = self.0.get(source).and_then(|intervals| intervals.last()).map_or(0, |(_, last)| *last);
            set.add(source, own + 1, top);
        }
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (source, intervals)) in self.0.iter().enumerate() {
            write!(f, "{}{source}", if number == 0 { "" } else { "," })?;
            for (first, last) in intervals {
                match first == last {
                    true => write!(f, ":{first}")?,
                    false => write!(f, ":{first}-{last}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidewater_delta::Position;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "aaaaaaaa-71ca-11e1-9e33-c80aa9429562";

    fn reached(gtids: &[String]) -> Reached {
        let mut reached = Reached::default();
        gtids.iter().for_each(|gtid| reached.advance(&Position::Gtid(gtid.clone())));
        reached
    }

    #[test]
    fn text_and_back() {
        let text = format!("{A}:1-5:7,\n{B}:3:tag:1-2");
        let set = GtidSet::parse(&text).expect("a set");
        assert_eq!(set.to_string(), format!("{A}:1-5:7,{B}:3,{B}:tag:1-2"));
        assert_eq!(GtidSet::parse(&format!("{A}:9#17:11#4")).map(|set| set.to_string()), Some(format!("{A}:9:11")));
        assert!(GtidSet::parse("").is_some_and(|set| set.is_empty()));
        assert!(GtidSet::parse("0-1-42").is_none() && GtidSet::parse(&format!("{A}:x-1:1-y")).is_none());
    }

    #[test]
    fn a_set_says_what_it_holds() {
        let before = GtidSet::parse(&format!("{A}:1-5:7")).expect("a set");
        let whole = before.clone().union(&GtidSet::parse(&format!("{A}:6#3:8#4,{B}:1")).expect("a set"));
        assert_eq!(whole.to_string(), format!("{A}:1-8,{B}:1"));
        let at = |number: u64| reached(&[format!("{A}:{number}")]);
        assert!(before.holds(&at(5)) && before.holds(&at(7)) && !before.holds(&at(6)) && !before.holds(&at(8)));
        assert!(before.is_reached(&at(7)) && !before.is_reached(&at(6)));
        assert!(!whole.is_reached(&at(9)), "nothing of the other server has come");
        assert!(whole.is_reached(&reached(&[format!("{A}:8"), format!("{B}:1")])));
        assert!(before.holds(&Reached::default()) && !before.is_reached(&Reached::default()));
        assert_eq!(before.up_to(&at(9)).to_string(), format!("{A}:1-5:7-9"));
    }
}
