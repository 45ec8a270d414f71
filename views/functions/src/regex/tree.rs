//! The tree of a regular expression.

use tidewater_types::{Result, SqlError};

/// How an expression is read and matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// Letters of either case are the same.
    pub(crate) fold: bool,
    /// `.` and `[^…]` do not match a line's end.
    pub(crate) dot_stops: bool,
    /// `^` and `$` match at lines' ends, too.
    pub(crate) lines: bool,
    /// Blanks and comments are no part of the expression.
    pub(crate) expanded: bool,
    /// The text is no expression: every character stands for itself.
    pub(crate) literal: bool,
    /// All matches (`g`); means something to the caller only.
    pub(crate) global: bool,
}

impl Options {
    /// What the letters of a flags argument say.
    pub(crate) fn parse(flags: &str) -> Result<Options> {
        let mut options = Options::default();
        for flag in flags.chars() {
            if flag == 'g' {
                options.global = true;
            } else if !options.letter(flag)? {
                return Err(SqlError::new(b"22023", format!("invalid regular expression option: \"{flag}\"")));
            }
        }
        Ok(options)
    }

    /// Takes an option's letter; false where there is none such.
    pub(super) fn letter(&mut self, letter: char) -> Result<bool> {
        match letter {
            'c' => self.fold = false,
            'i' => self.fold = true,
            'm' | 'n' => (self.dot_stops, self.lines) = (true, true),
            'p' => (self.dot_stops, self.lines) = (true, false),
            's' => (self.dot_stops, self.lines) = (false, false),
            'w' => (self.dot_stops, self.lines) = (false, true),
            'q' => self.literal = true,
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'b' | 'e' => {
                let message = format!("regular expression option \"{letter}\" is not supported");
                return Err(SqlError::new(b"0A000", message));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What holds at a place without a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    Start,
    End,
    LineStart,
    LineEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
}

/// A part of an expression, by its number in [`Tree::nodes`].
pub(super) type Id = usize;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    /// A character of one of these ranges.
    Class(Vec<(char, char)>),
    Assertion(Assertion),
    Concat(Vec<Id>),
    Alternation(Vec<Id>),
    Repeat {
        of: Id,
        least: u32,
        most: Option<u32>,
        prefer: Prefer,
    },
    /// Parentheses that capture, by number from 1.
    Capture(Id, usize),
}

/// Which of several matches a part prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    Longest,
    Shortest,
    /// It says nothing.
    Any,
}

#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
    /// Number of capturing parentheses.
    pub(super) captures: usize,
}

impl Tree {
    /// What a part prefers: its first piece that has a preference says it; alternatives prefer the longest.
    pub(super) fn prefers(&self, id: Id) -> Prefer {
        match &self.nodes[id] {
            Node::Empty | Node::Class(_) | Node::Assertion(_) => Prefer::Any,
            Node::Alternation(_) => Prefer::Longest,
            Node::Capture(of, _) => self.prefers(*of),
            Node::Repeat { of, prefer: Prefer::Any, .. } => self.prefers(*of),
            Node::Repeat { prefer, .. } => *prefer,
            Node::Concat(parts) => parts
                .iter()
                .map(|part| self.prefers(*part))
                .find(|prefer| *prefer != Prefer::Any)
                .unwrap_or(Prefer::Any),
        }
    }

    /// Whether Perl's rule gives the same match and captures: there are no alternatives, repeated is only what has one length, and
    /// all of it prefers the same.
    pub(super) fn is_plain(&self) -> bool {
        let mut preference = Prefer::Any;
        self.nodes.iter().all(|node| match node {
            Node::Alternation(_) => false,
            Node::Repeat { of, prefer, least, most } => {
                if Some(*least) != *most {
                    let same = preference == Prefer::Any || preference == *prefer;
                    preference = *prefer;
                    return same && matches!(self.nodes[*of], Node::Class(_));
                }
                matches!(self.nodes[*of], Node::Class(_))
            }
            _ => true,
        })
    }
}
