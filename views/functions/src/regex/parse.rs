//! The syntax of advanced regular expressions, as a tree.

use tidewater_types::{Result, SqlError};

use super::bracket::{self, complement, folded};
use super::escape::{self, Escape, invalid};
use super::tree::{Assertion, Id, Node, Options, Prefer, Tree};

/// The greatest number in a bound `{m,n}`.
const MAX_REPEAT: u32 = 255;
/// How deep parentheses nest: the parser recurses.
const MAX_DEPTH: usize = 500;

/// Parses an expression; options that it says of itself come into the tree.
pub(super) fn parse(text: &str, options: Options) -> Result<Tree> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser { rest: &chars, options, nodes: Vec::new(), captures: 0, closed: 0, depth: 0 };
    parser.prefixes()?;
    let root = if parser.options.literal { parser.literally() } else { parser.alternatives()? };
    if !parser.rest.is_empty() {
        return Err(unbalanced());
    }
    Ok(Tree { nodes: parser.nodes, root, captures: parser.captures })
}

struct Parser<'t> {
    rest: &'t [char],
    options: Options,
    nodes: Vec<Node>,
    captures: usize,
    /// Parentheses that are closed already: what a back reference may refer to.
    closed: usize,
    depth: usize,
}

fn unbalanced() -> SqlError {
    invalid("parentheses () not balanced")
}

fn refused(what: &str) -> SqlError {
    SqlError::new(b"0A000", format!("{what} in regular expressions is not supported"))
}

impl Parser<'_> {
    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, char)| self.rest.get(i) == Some(&char))
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.rest = &self.rest[text.chars().count()..];
        }
        found
    }

    /// `***:`, `***=` and `(?options)`.
    fn prefixes(&mut self) -> Result<()> {
        if self.options.literal {
            return Ok(());
        }
        if self.eat("***=") {
            self.options.literal = true;
            return Ok(());
        }
        if !self.eat("***:") && self.starts_with("***") {
            return Err(invalid("quantifier operand invalid"));
        }
        if !self.starts_with("(?") || !self.rest.get(2).is_some_and(char::is_ascii_alphabetic) {
            return Ok(());
        }
        self.rest = &self.rest[2..];
        while let Some((letter, after)) = self.rest.split_first() {
            self.rest = after;
            if *letter == ')' {
                return Ok(());
            }
            if !self.options.letter(*letter)? {
                return Err(invalid("invalid embedded option"));
            }
        }
        Err(invalid("invalid embedded option"))
    }

    fn literally(&mut self) -> Id {
        let parts: Vec<Id> = std::mem::take(&mut self.rest).iter().map(|char| self.character(*char)).collect();
        self.add(Node::Concat(parts))
    }

    fn character(&mut self, char: char) -> Id {
        let ranges = vec![(char, char)];
        self.add(Node::Class(if self.options.fold { folded(ranges) } else { ranges }))
    }

    /// Over blanks and comments, where they are none of the expression's.
    fn skip(&mut self) {
        loop {
            if self.eat("(?#") {
                let end = self.rest.iter().position(|char| *char == ')').map_or(self.rest.len(), |at| at + 1);
                self.rest = &self.rest[end..];
                continue;
            }
            match self.rest.first() {
                Some(char) if self.options.expanded && matches!(char, ' ' | '\t'..='\r') => self.rest = &self.rest[1..],
                Some('#') if self.options.expanded => {
                    let end = self.rest.iter().position(|char| *char == '\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                _ => return,
            }
        }
    }

    fn alternatives(&mut self) -> Result<Id> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid("regular expression is too complex"));
        }
        let mut branches = vec![self.branch()?];
        while self.eat("|") {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(if branches.len() == 1 { branches[0] } else { self.add(Node::Alternation(branches)) })
    }

    fn branch(&mut self) -> Result<Id> {
        let mut parts = Vec::new();
        loop {
            self.skip();
            if matches!(self.rest.first(), None | Some('|' | ')')) {
                break;
            }
            let piece = self.piece()?;
            parts.push(piece);
        }
        Ok(match parts.len() {
            0 => self.add(Node::Empty),
            1 => parts[0],
            _ => self.add(Node::Concat(parts)),
        })
    }

    fn piece(&mut self) -> Result<Id> {
        if self.is_quantifier() {
            return Err(invalid("quantifier operand invalid"));
        }
        let grouped = self.starts_with("(");
        let atom = self.atom()?;
        self.skip();
        let is_assertion = !grouped && matches!(self.nodes[atom], Node::Assertion(_));
        if !self.is_quantifier() {
            return Ok(atom);
        }
        if is_assertion {
            return Err(invalid("quantifier operand invalid"));
        }
        let (least, most, exact) = self.bound()?;
        let short = self.eat("?");
        let prefer = match (exact, short) {
            (true, _) => Prefer::Any,
            (false, false) => Prefer::Longest,
            (false, true) => Prefer::Shortest,
        };
        self.skip();
        if self.is_quantifier() {
            return Err(invalid("quantifier operand invalid"));
        }
        Ok(self.add(Node::Repeat { of: atom, least, most, prefer }))
    }

    fn is_quantifier(&self) -> bool {
        match self.rest.first() {
            Some('*' | '+' | '?') => true,
            Some('{') => self.rest.get(1).is_some_and(char::is_ascii_digit),
            _ => false,
        }
    }

    /// A quantifier's least and most, and whether it is `{m}`.
    fn bound(&mut self) -> Result<(u32, Option<u32>, bool)> {
        let first = self.rest[0];
        self.rest = &self.rest[1..];
        match first {
            '*' => return Ok((0, None, false)),
            '+' => return Ok((1, None, false)),
            '?' => return Ok((0, Some(1), false)),
            _ => {}
        }
        let least = self.number()?;
        let (most, exact) = if self.eat(",") {
            (if self.starts_with("}") { None } else { Some(self.number()?) }, false)
        } else {
            (Some(least), true)
        };
        if !self.eat("}") {
            return Err(if self.rest.is_empty() { invalid("braces {} not balanced") } else { bad_count() });
        }
        if most.is_some_and(|most| most < least) {
            return Err(bad_count());
        }
        Ok((least, most, exact))
    }

    fn number(&mut self) -> Result<u32> {
        let count = self.rest.iter().take_while(|char| char.is_ascii_digit()).count();
        let digits: String = self.rest[..count].iter().collect();
        self.rest = &self.rest[count..];
        digits.parse().ok().filter(|value| *value <= MAX_REPEAT).ok_or_else(bad_count)
    }

    fn atom(&mut self) -> Result<Id> {
        let first = self.rest[0];
        if first == '(' {
            return self.parentheses();
        }
        self.rest = &self.rest[1..];
        let (start, end) = if self.options.lines {
            (Assertion::LineStart, Assertion::LineEnd)
        } else {
            (Assertion::Start, Assertion::End)
        };
        Ok(match first {
            '^' => self.add(Node::Assertion(start)),
            '$' => self.add(Node::Assertion(end)),
            '.' => {
                let stop = if self.options.dot_stops { vec![('\n', '\n')] } else { Vec::new() };
                self.add(Node::Class(complement(stop)))
            }
            '[' if self.eat("[:<:]]") => self.add(Node::Assertion(Assertion::WordStart)),
            '[' if self.eat("[:>:]]") => self.add(Node::Assertion(Assertion::WordEnd)),
            '[' => {
                let ranges = bracket::take(&mut self.rest, self.options)?;
                self.add(Node::Class(ranges))
            }
            '\\' => return self.escape(),
            char => self.character(char),
        })
    }

    fn parentheses(&mut self) -> Result<Id> {
        for look in ["(?=", "(?!", "(?<=", "(?<!"] {
            if self.starts_with(look) {
                return Err(refused("looking around"));
            }
        }
        if self.eat("(?:") {
            let inner = self.alternatives()?;
            return if self.eat(")") { Ok(inner) } else { Err(unbalanced()) };
        }
        if self.starts_with("(?") {
            return Err(invalid("quantifier operand invalid"));
        }
        self.rest = &self.rest[1..];
        self.captures += 1;
        let number = self.captures;
        let inner = self.alternatives()?;
        if !self.eat(")") {
            return Err(unbalanced());
        }
        self.closed += 1;
        Ok(self.add(Node::Capture(inner, number)))
    }

    fn escape(&mut self) -> Result<Id> {
        Ok(match escape::take(&mut self.rest)? {
            Escape::Char(char) => self.character(char),
            Escape::Class(class, false) => self.add(Node::Class(class.to_vec())),
            Escape::Class(class, true) => {
                let mut class = class.to_vec();
                if self.options.dot_stops {
                    class.push(('\n', '\n'));
                }
                self.add(Node::Class(complement(class)))
            }
            Escape::Assertion(assertion) => self.add(Node::Assertion(assertion)),
            Escape::Number(digits) => {
                // One digit, or a number of parentheses that there are, refers back; other numbers are octal.
                let number: usize = digits.parse().unwrap_or(usize::MAX);
                if !digits.starts_with('0') && (digits.len() == 1 || number <= self.closed) {
                    let exists = number <= self.closed;
                    return Err(if exists {
                        refused("back reference")
                    } else {
                        invalid("invalid backreference number")
                    });
                }
                let (char, taken) = escape::octal(&digits)?;
                // The digits that are left stand for themselves.
                let mut parts = vec![self.character(char)];
                parts.extend(digits[taken..].chars().map(|digit| self.character(digit)).collect::<Vec<_>>());
                if parts.len() == 1 { parts[0] } else { self.add(Node::Concat(parts)) }
            }
        })
    }
}

fn bad_count() -> SqlError {
    invalid("invalid repetition count(s)")
}
