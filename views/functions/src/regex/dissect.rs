//! What the parentheses matched, by PostgreSQL's rule: parts that begin earlier choose first, each its longest or shortest
//! possible match as it prefers; of alternatives the first that matches; of repetitions the last one counts.
//!
//! Each part's possible ends from a place are computed once. That is quadratic in the length of the match, so it has a limit.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use tidewater_types::Result;

use super::pattern::{Captures, too_complex};
use super::tree::{Assertion, Id, Node, Prefer, Tree};

/// Ends that may be computed for one match.
const MAX_ENDS: usize = 20_000_000;

/// The captures of a match that is known to be at `whole`.
pub(super) fn captures(tree: &Tree, text: &str, whole: (usize, usize)) -> Result<Captures> {
    let mut walk =
        Walk { tree, text, end: whole.1, ends: HashMap::new(), work: 0, found: vec![None; tree.captures + 1] };
    if !walk.dissect(tree.root, whole.0, whole.1)? {
        return Err(too_complex());
    }
    walk.found[0] = Some(whole);
    Ok(walk.found)
}

struct Walk<'t> {
    tree: &'t Tree,
    text: &'t str,
    end: usize,
    ends: HashMap<(Id, usize), Rc<Vec<usize>>>,
    work: usize,
    found: Captures,
}

impl Walk<'_> {
    /// All places, ascending, where a match of the part that begins at `from` may end.
    fn ends(&mut self, id: Id, from: usize) -> Result<Rc<Vec<usize>>> {
        if let Some(known) = self.ends.get(&(id, from)) {
            return Ok(known.clone());
        }
        let tree = self.tree;
        let mut ends = match &tree.nodes[id] {
            Node::Empty => vec![from],
            Node::Class(ranges) => self.text[from..self.end]
                .chars()
                .next()
                .filter(|char| ranges.iter().any(|(low, high)| (low..=high).contains(&char)))
                .map(|char| from + char.len_utf8())
                .into_iter()
                .collect(),
            Node::Assertion(assertion) => {
                if holds(*assertion, self.text, from) {
                    vec![from]
                } else {
                    Vec::new()
                }
            }
            Node::Capture(of, _) => self.ends(*of, from)?.to_vec(),
            Node::Alternation(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend_from_slice(&self.ends(*part, from)?);
                }
                all
            }
            Node::Concat(parts) => {
                let mut at = vec![from];
                for part in parts {
                    at = self.step(*part, &at)?;
                }
                at
            }
            Node::Repeat { of, least, most, .. } => self.repeated(*of, *least, *most, from)?,
        };
        ends.sort_unstable();
        ends.dedup();
        self.work += ends.len() + 1;
        if self.work > MAX_ENDS {
            return Err(too_complex());
        }
        let ends = Rc::new(ends);
        self.ends.insert((id, from), ends.clone());
        Ok(ends)
    }

    /// The ends of a part from any of these places.
    fn step(&mut self, part: Id, at: &[usize]) -> Result<Vec<usize>> {
        let mut next = Vec::new();
        for from in at {
            next.extend_from_slice(&self.ends(part, *from)?);
        }
        self.work += next.len();
        next.sort_unstable();
        next.dedup();
        if self.work > MAX_ENDS { Err(too_complex()) } else { Ok(next) }
    }

    fn repeated(&mut self, of: Id, least: u32, most: Option<u32>, from: usize) -> Result<Vec<usize>> {
        let mut at = vec![from];
        for _ in 0..least {
            at = self.step(of, &at)?;
        }
        let mut all: BTreeSet<usize> = at.iter().copied().collect();
        let mut count = least;
        while !at.is_empty() && most.is_none_or(|most| count < most) {
            at = self.step(of, &at)?;
            // Only places that are new lead anywhere new.
            at.retain(|end| all.insert(*end));
            count += 1;
        }
        Ok(all.into_iter().collect())
    }

    fn matches(&mut self, id: Id, from: usize, to: usize) -> Result<bool> {
        Ok(self.ends(id, from)?.binary_search(&to).is_ok())
    }

    /// Whether the parts one after another match from `from` to `to`.
    fn all_match(&mut self, parts: &[Id], from: usize, to: usize) -> Result<bool> {
        let mut at = vec![from];
        for part in parts {
            at = self.step(*part, &at)?;
        }
        Ok(at.binary_search(&to).is_ok())
    }

    /// Sets the captures within a part that matches from `from` to `to`; false if it does not.
    fn dissect(&mut self, id: Id, from: usize, to: usize) -> Result<bool> {
        let tree = self.tree;
        if !self.matches(id, from, to)? {
            return Ok(false);
        }
        match &tree.nodes[id] {
            Node::Capture(of, number) => {
                self.found[*number] = Some((from, to));
                self.dissect(*of, from, to)
            }
            Node::Alternation(parts) => {
                for part in parts {
                    if self.matches(*part, from, to)? {
                        return self.dissect(*part, from, to);
                    }
                }
                Ok(false)
            }
            Node::Concat(parts) => self.concatenation(parts, from, to),
            Node::Repeat { of, .. } if !self.captures_within(*of) => Ok(true),
            Node::Repeat { of, least: 0, most, .. } => self.repetition(*of, *most, from, to),
            Node::Repeat { of, least, most, prefer } => {
                let prefer = if *prefer == Prefer::Any { tree.prefers(*of) } else { *prefer };
                self.last_of(*of, *least, *most, prefer, (from, to))
            }
            _ => Ok(true),
        }
    }

    /// The places where a part may end, in the order of its preference.
    fn preferred(&mut self, id: Id, from: usize, to: usize) -> Result<Vec<usize>> {
        let mut ends: Vec<usize> = self.ends(id, from)?.iter().copied().filter(|end| *end <= to).collect();
        if self.tree.prefers(id) != Prefer::Shortest {
            ends.reverse();
        }
        Ok(ends)
    }

    fn concatenation(&mut self, parts: &[Id], from: usize, to: usize) -> Result<bool> {
        let mut at = from;
        for (i, part) in parts.iter().enumerate() {
            let rest = &parts[i + 1..];
            if rest.is_empty() {
                return self.dissect(*part, at, to);
            }
            let mut found = None;
            for middle in self.preferred(*part, at, to)? {
                if self.all_match(rest, middle, to)? {
                    found = Some(middle);
                    break;
                }
            }
            let Some(middle) = found else {
                return Ok(false);
            };
            if !self.dissect(*part, at, middle)? {
                return Ok(false);
            }
            at = middle;
        }
        Ok(at == to)
    }

    fn captures_within(&self, id: Id) -> bool {
        match &self.tree.nodes[id] {
            Node::Capture(..) => true,
            Node::Concat(parts) | Node::Alternation(parts) => parts.iter().any(|part| self.captures_within(*part)),
            Node::Repeat { of, .. } => self.captures_within(*of),
            _ => false,
        }
    }

    /// A repetition of at least one: all but the last are one part that chooses first, then the last one captures.
    fn last_of(&mut self, of: Id, least: u32, most: Option<u32>, prefer: Prefer, span: (usize, usize)) -> Result<bool> {
        let mut middles = self.repeated(of, least - 1, most.map(|most| most - 1), span.0)?;
        middles.sort_unstable();
        if prefer != Prefer::Shortest {
            middles.reverse();
        }
        for middle in middles {
            if middle <= span.1 && self.matches(of, middle, span.1)? {
                return self.dissect(of, middle, span.1);
            }
        }
        Ok(false)
    }

    /// A repetition that may be none: each one chooses in its turn.
    fn repetition(&mut self, of: Id, most: Option<u32>, from: usize, to: usize) -> Result<bool> {
        if most == Some(0) {
            return Ok(true);
        }
        // Nothing to match: none, if one prefers little or does not match that.
        if from == to {
            let one = self.tree.prefers(of) != Prefer::Shortest && self.matches(of, from, to)?;
            return if one { self.dissect(of, from, to) } else { Ok(true) };
        }
        let needed = self.needed(of, from, to)?;
        let mut left = most.unwrap_or(u32::MAX);
        let mut at = from;
        let mut last = (from, to);
        while at < to {
            let mut next = None;
            for end in self.preferred(of, at, to)? {
                let leads = needed[end - from].is_some_and(|needed| needed < left);
                if end > at && leads {
                    next = Some(end);
                    break;
                }
            }
            let Some(end) = next else {
                return Ok(false);
            };
            last = (at, end);
            at = end;
            left -= 1;
        }
        self.dissect(of, last.0, last.1)
    }

    /// From each place on, how many of a part, none of them empty, lead to `to` at least.
    fn needed(&mut self, of: Id, from: usize, to: usize) -> Result<Vec<Option<u32>>> {
        let mut needed = vec![None; to - from + 1];
        needed[to - from] = Some(0);
        for at in (from..to).rev().filter(|at| self.text.is_char_boundary(*at)).collect::<Vec<_>>() {
            let ends = self.ends(of, at)?;
            let least = ends.iter().filter(|end| **end > at && **end <= to).filter_map(|end| needed[*end - from]).min();
            needed[at - from] = least.map(|least| least + 1);
        }
        Ok(needed)
    }
}

/// Whether an assertion holds at a place.
fn holds(assertion: Assertion, text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let before = at > 0 && is_word(bytes[at - 1]);
    let after = at < bytes.len() && is_word(bytes[at]);
    match assertion {
        Assertion::Start => at == 0,
        Assertion::End => at == bytes.len(),
        Assertion::LineStart => at == 0 || bytes[at - 1] == b'\n',
        Assertion::LineEnd => at == bytes.len() || bytes[at] == b'\n',
        Assertion::WordStart => !before && after,
        Assertion::WordEnd => before && !after,
        Assertion::WordEdge => before != after,
        Assertion::NoWordEdge => before == after,
    }
}
