//! A compiled expression: where it matches, and what its parentheses matched.

use std::sync::{Mutex, PoisonError};

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};
use tidewater_types::{Result, SqlError};

use super::dissect;
use super::escape::invalid;
use super::parse;
use super::tree::{Assertion, Id, Node, Options, Prefer, Tree};

/// Byte ranges of a match: the whole first, then each capture.
pub(crate) type Captures = Vec<Option<(usize, usize)>>;

/// Bytes that one automaton may take.
const MAX_SIZE: usize = 16 << 20;

/// A compiled expression.
pub(crate) struct Regex {
    tree: Tree,
    /// Finds where a match begins; ends and captures by Perl's rule.
    perl: meta::Regex,
    /// Finds where the longest, or shortest, match ends that begins at a place. Absent where Perl's rule gives it.
    ends: Option<(DFA, Mutex<Cache>)>,
}

impl Regex {
    /// Compiles an expression.
    pub(crate) fn new(text: &str, options: Options) -> Result<Regex> {
        let tree = parse::parse(text, options)?;
        let hir = hir(&tree, tree.root);
        let config = meta::Config::new().nfa_size_limit(Some(MAX_SIZE)).utf8_empty(true);
        let perl = meta::Builder::new().configure(config).build_from_hir(&hir).map_err(|_| too_complex())?;
        let ends = if tree.is_plain() { None } else { Some(ends(&hir)?) };
        Ok(Regex { tree, perl, ends })
    }

    /// Number of capturing parentheses.
    pub(crate) fn captures(&self) -> usize {
        self.tree.captures
    }

    /// Whether the expression matches anywhere in `text`.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.perl.is_match(text)
    }

    /// The first match that begins at byte `from` or later.
    pub(crate) fn find(&self, text: &str, from: usize) -> Result<Option<(usize, usize)>> {
        if from > text.len() {
            return Ok(None);
        }
        let input = Input::new(text).span(from..text.len());
        let Some(found) = self.perl.search(&input) else {
            return Ok(None);
        };
        let Some((dfa, cache)) = &self.ends else {
            return Ok(Some((found.start(), found.end())));
        };
        let shortest = self.tree.prefers(self.tree.root) == Prefer::Shortest;
        let input = Input::new(text).span(found.start()..text.len()).anchored(Anchored::Yes).earliest(shortest);
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        match dfa.try_search_fwd(&mut cache, &input) {
            Ok(Some(end)) => Ok(Some((found.start(), end.offset()))),
            _ => Err(too_complex()),
        }
    }

    /// [`Regex::find`], with what the parentheses matched.
    pub(crate) fn find_captures(&self, text: &str, from: usize) -> Result<Option<Captures>> {
        if self.tree.captures == 0 {
            return Ok(self.find(text, from)?.map(|whole| vec![Some(whole)]));
        }
        if self.ends.is_some() {
            let Some(whole) = self.find(text, from)? else {
                return Ok(None);
            };
            return dissect::captures(&self.tree, text, whole).map(Some);
        }
        if from > text.len() {
            return Ok(None);
        }
        let mut slots = self.perl.create_captures();
        self.perl.search_captures(&Input::new(text).span(from..text.len()), &mut slots);
        if !slots.is_match() {
            return Ok(None);
        }
        let group = |i: usize| slots.get_group(i).map(|span| (span.start, span.end));
        Ok(Some((0..=self.tree.captures).map(group).collect()))
    }
}

pub(super) fn too_complex() -> SqlError {
    invalid("regular expression is too complex")
}

fn ends(hir: &Hir) -> Result<(DFA, Mutex<Cache>)> {
    let config = thompson::Config::new().nfa_size_limit(Some(MAX_SIZE)).which_captures(WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).map_err(|_| too_complex())?;
    let config = DFA::config().match_kind(MatchKind::All).skip_cache_capacity_check(true);
    let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| too_complex())?;
    let cache = Mutex::new(dfa.create_cache());
    Ok((dfa, cache))
}

/// The tree as the automata take it.
fn hir(tree: &Tree, id: Id) -> Hir {
    match &tree.nodes[id] {
        Node::Empty => Hir::empty(),
        Node::Class(ranges) => {
            let ranges = ranges.iter().map(|(start, end)| ClassUnicodeRange::new(*start, *end));
            Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
        }
        Node::Assertion(assertion) => Hir::look(match assertion {
            Assertion::Start => Look::Start,
            Assertion::End => Look::End,
            Assertion::LineStart => Look::StartLF,
            Assertion::LineEnd => Look::EndLF,
            Assertion::WordStart => Look::WordStartAscii,
            Assertion::WordEnd => Look::WordEndAscii,
            Assertion::WordEdge => Look::WordAscii,
            Assertion::NoWordEdge => Look::WordAsciiNegate,
        }),
        Node::Concat(parts) => Hir::concat(parts.iter().map(|part| hir(tree, *part)).collect()),
        Node::Alternation(parts) => Hir::alternation(parts.iter().map(|part| hir(tree, *part)).collect()),
        Node::Repeat { of, least, most, prefer } => Hir::repetition(Repetition {
            min: *least,
            max: *most,
            greedy: *prefer != Prefer::Shortest,
            sub: Box::new(hir(tree, *of)),
        }),
        Node::Capture(of, number) => {
            Hir::capture(Capture { index: *number as u32, name: None, sub: Box::new(hir(tree, *of)) })
        }
    }
}
