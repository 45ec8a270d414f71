//! From a jsonpath's text to its parts.

use super::lex::{Token, syntax_error, tokens};
use super::{COMPARISONS, JsonPath, METHODS, PathItem, Step};
use crate::{NumericBuf, Result, SqlError};

/// How deep a path may be nested.
const DEPTH_MAX: usize = 200;

/// Reads a path.
///
/// # Errors
/// 42601.
pub fn parse(text: &str) -> Result<JsonPath> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, in_filter: 0, in_subscript: 0 };
    if tokens.is_empty() {
        return Err(SqlError::new(b"22P02", format!("invalid input syntax for type jsonpath: \"{text}\"")));
    }
    let strict = reader.word("strict");
    if !strict {
        reader.word("lax");
    }
    let root = reader.disjunction()?;
    match reader.peek() {
        None => Ok(JsonPath { strict, root }),
        wrong => Err(syntax_error(wrong)),
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    in_filter: usize,
    in_subscript: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn wrong<T>(&self) -> Result<T> {
        Err(syntax_error(self.peek()))
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.sign(sign) { Ok(()) } else { self.wrong() }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn disjunction(&mut self) -> Result<PathItem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new(b"54001", "stack depth limit exceeded"));
        }
        let mut left = self.conjunction()?;
        while left.is_predicate() && self.sign("||") {
            let right = self.conjunction()?;
            left = PathItem::Or(Box::new(left), Box::new(self.predicate(right)?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<PathItem> {
        let mut left = self.negation()?;
        while left.is_predicate() && self.sign("&&") {
            let right = self.negation()?;
            left = PathItem::And(Box::new(left), Box::new(self.predicate(right)?));
        }
        Ok(left)
    }

    fn predicate(&self, item: PathItem) -> Result<PathItem> {
        if item.is_predicate() { Ok(item) } else { self.wrong() }
    }

    fn negation(&mut self) -> Result<PathItem> {
        if self.sign("!") {
            let inner = match self.peek() {
                Some(Token::Sign("(")) => self.parenthesised()?,
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("exists") => self.primary()?,
                wrong => return Err(syntax_error(wrong)),
            };
            return Ok(PathItem::Not(Box::new(self.predicate(inner)?)));
        }
        self.comparison()
    }

    fn parenthesised(&mut self) -> Result<PathItem> {
        self.expect("(")?;
        let inner = self.disjunction()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<PathItem> {
        let left = self.sum()?;
        if left.is_predicate() {
            return Ok(left);
        }
        let left = Box::new(left);
        if let Some(Token::Sign(sign)) = self.peek()
            && let Some((_, comparison)) = COMPARISONS.iter().find(|(known, _)| known == sign)
        {
            self.at += 1;
            let right = self.sum()?;
            if right.is_predicate() {
                return self.wrong();
            }
            return Ok(PathItem::Compare(*comparison, left, Box::new(right)));
        }
        if self.is_word(0, "starts") && self.is_word(1, "with") {
            self.at += 2;
            let prefix = match self.peek() {
                Some(Token::String(text)) => PathItem::String(text.clone()),
                Some(Token::Variable(name)) => PathItem::Variable(name.clone()),
                wrong => return Err(syntax_error(wrong)),
            };
            self.at += 1;
            return Ok(PathItem::StartsWith(left, Box::new(prefix)));
        }
        if self.word("like_regex") {
            let pattern = self.string()?;
            let flags = if self.word("flag") { self.string()? } else { String::new() };
            check_flags(&flags)?;
            return Ok(PathItem::LikeRegex(left, pattern, flags));
        }
        Ok(*left)
    }

    fn string(&mut self) -> Result<String> {
        let Some(Token::String(text)) = self.peek() else { return self.wrong() };
        self.at += 1;
        Ok(text.clone())
    }

    fn sum(&mut self) -> Result<PathItem> {
        let mut left = self.product()?;
        while !left.is_predicate() {
            let operator = match self.peek() {
                Some(Token::Sign("+")) => '+',
                Some(Token::Sign("-")) => '-',
                _ => break,
            };
            self.at += 1;
            left = self.arithmetic(operator, left, Self::product)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<PathItem> {
        let mut left = self.signed()?;
        while !left.is_predicate() {
            let operator = match self.peek() {
                Some(Token::Sign("*")) => '*',
                Some(Token::Sign("/")) => '/',
                Some(Token::Sign("%")) => '%',
                _ => break,
            };
            self.at += 1;
            left = self.arithmetic(operator, left, Self::signed)?;
        }
        Ok(left)
    }

    fn arithmetic(
        &mut self,
        operator: char,
        left: PathItem,
        right: fn(&mut Self) -> Result<PathItem>,
    ) -> Result<PathItem> {
        let right = right(self)?;
        if right.is_predicate() {
            return self.wrong();
        }
        Ok(PathItem::Arithmetic(operator, Box::new(left), Box::new(right)))
    }

    fn signed(&mut self) -> Result<PathItem> {
        let sign = match self.peek() {
            Some(Token::Sign("+")) => '+',
            Some(Token::Sign("-")) => '-',
            _ => return self.path(),
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new(b"54001", "stack depth limit exceeded"));
        }
        let inner = self.signed()?;
        self.depth -= 1;
        if inner.is_predicate() {
            return self.wrong();
        }
        Ok(match (sign, inner) {
            // A signed number is a number.
            ('-', PathItem::Number(number)) => PathItem::Number(number.borrow(&mut Vec::new()).neg()),
            ('+', PathItem::Number(number)) => PathItem::Number(number),
            (sign, inner) => PathItem::Sign(sign, Box::new(inner)),
        })
    }

    fn path(&mut self) -> Result<PathItem> {
        let grouped = matches!(self.peek(), Some(Token::Sign("(")));
        let base = self.primary()?;
        if grouped && base.is_predicate() && self.is_word(0, "is") && self.is_word(1, "unknown") {
            self.at += 2;
            return Ok(PathItem::IsUnknown(Box::new(base)));
        }
        if base.is_predicate() && !grouped {
            return Ok(base);
        }
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(base);
        }
        Ok(PathItem::Steps(Box::new(base), steps))
    }

    fn primary(&mut self) -> Result<PathItem> {
        let token = self.peek();
        let item = match token {
            Some(Token::Sign("(")) => return self.parenthesised(),
            Some(Token::Sign("$")) => PathItem::Root,
            Some(Token::Sign("@")) => {
                if self.in_filter == 0 {
                    return Err(SqlError::new(b"42601", "@ is not allowed in root expressions"));
                }
                PathItem::Current
            }
            Some(Token::Variable(name)) => PathItem::Variable(name.clone()),
            Some(Token::String(text)) => PathItem::String(text.clone()),
            Some(Token::Number(text)) => PathItem::Number(NumericBuf::parse(text)?),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => PathItem::Null,
                "true" => PathItem::Bool(true),
                "false" => PathItem::Bool(false),
                word if word.eq_ignore_ascii_case("last") => {
                    if self.in_subscript == 0 {
                        return Err(SqlError::new(b"42601", "LAST is allowed only in array subscripts"));
                    }
                    PathItem::Last
                }
                word if word.eq_ignore_ascii_case("exists") => {
                    self.at += 1;
                    let inner = self.parenthesised()?;
                    if inner.is_predicate() {
                        return self.wrong();
                    }
                    return Ok(PathItem::Exists(Box::new(inner)));
                }
                _ => return self.wrong(),
            },
            wrong => return Err(syntax_error(wrong)),
        };
        self.at += 1;
        Ok(item)
    }

    fn step(&mut self) -> Result<Option<Step>> {
        if self.sign("?") {
            self.in_filter += 1;
            let inner = self.parenthesised()?;
            self.in_filter -= 1;
            return Ok(Some(Step::Filter(self.predicate(inner)?)));
        }
        if self.sign("[") {
            return self.subscripts().map(Some);
        }
        if !self.sign(".") {
            return Ok(None);
        }
        if self.sign("**") {
            return self.levels().map(Some);
        }
        if self.sign("*") {
            return Ok(Some(Step::AnyKey));
        }
        let token = self.peek();
        self.at += 1;
        match token {
            Some(Token::String(key)) => Ok(Some(Step::Key(key.clone()))),
            Some(Token::Word(word)) => {
                let method = METHODS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
                match method {
                    Some((_, method)) if self.sign("(") => {
                        if *method == super::Method::DateTime && !matches!(self.peek(), Some(Token::Sign(")"))) {
                            self.string()?;
                        }
                        self.expect(")")?;
                        Ok(Some(Step::Method(*method)))
                    }
                    _ => Ok(Some(Step::Key(word.clone()))),
                }
            }
            _ => {
                self.at -= 1;
                self.wrong()
            }
        }
    }

    fn subscripts(&mut self) -> Result<Step> {
        if self.sign("*") {
            self.expect("]")?;
            return Ok(Step::AnyElement);
        }
        self.in_subscript += 1;
        let mut all = Vec::new();
        loop {
            let from = self.sum()?;
            let to = if self.word("to") { Some(self.sum()?) } else { None };
            all.push((from, to));
            if !self.sign(",") {
                break;
            }
        }
        self.in_subscript -= 1;
        self.expect("]")?;
        Ok(Step::Subscripts(all))
    }

    fn levels(&mut self) -> Result<Step> {
        if !self.sign("{") {
            return Ok(Step::AnyLevel(Some(0), None));
        }
        let from = self.level()?;
        let to = if self.word("to") { self.level()? } else { from };
        self.expect("}")?;
        Ok(Step::AnyLevel(from, to))
    }

    fn level(&mut self) -> Result<Option<u32>> {
        if self.word("last") {
            return Ok(None);
        }
        let Some(Token::Number(text)) = self.peek() else { return self.wrong() };
        let Ok(level) = text.parse() else { return self.wrong() };
        self.at += 1;
        Ok(Some(level))
    }
}

fn check_flags(flags: &str) -> Result<()> {
    match flags.chars().find(|flag| !"ismxq".contains(*flag)) {
        None if flags.contains('x') && !flags.contains('q') => {
            let message = "XQuery \"x\" flag (expanded regular expressions) is not implemented";
            Err(SqlError::new(b"0A000", message))
        }
        None => Ok(()),
        Some(flag) => {
            let detail = format!("Unrecognized flag character \"{flag}\" in LIKE_REGEX predicate.");
            Err(SqlError::new(b"42601", "invalid input syntax for type jsonpath").detail(detail))
        }
    }
}
