//! A place in the tokens of a text that knows where it is in the text.

use std::cell::Cell;

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::syntax;
use crate::names::{fold, key_of};
use crate::{Error, Result};

/// See the module.
pub(super) struct Cursor<'a> {
    text: &'a str,
    parser: Parser<'static>,
    /// Byte offset of each line.
    lines: Vec<usize>,
    /// The place last looked up and its byte: the next one is mostly further on in the same line, which may be long.
    last: Cell<(Location, usize)>,
    /// Bytes of literals that nobody else may see.
    hidden: Vec<std::ops::Range<usize>>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut cursor = Cursor {
            text,
            parser: tidewater_query::parser(Vec::new()),
            lines,
            last: Cell::new((Location { line: 1, column: 1 }, 0)),
            hidden: Vec::new(),
        };
        let tokens = tidewater_query::tokens(text);
        let tokens = tokens.map_err(|error| syntax(error.message, cursor.character(error.location)))?;
        cursor.parser = tidewater_query::parser(tokens);
        Ok(cursor)
    }

    /// Byte offset of a place.
    fn byte(&self, location: Location) -> usize {
        let Some(&line) = (location.line as usize).checked_sub(1).and_then(|line| self.lines.get(line)) else {
            return self.text.len();
        };
        let (last, last_byte) = self.last.get();
        let ahead = last.line == location.line && last.column <= location.column;
        let (from, column) = if ahead { (last_byte, last.column) } else { (line, 1) };
        let step = location.column.saturating_sub(column) as usize;
        let byte = self.text[from..].char_indices().nth(step).map_or(self.text.len(), |(at, _)| from + at);
        self.last.set((Location { line: location.line, column: location.column.max(1) }, byte));
        byte
    }

    /// Number of the character at a place, from 1.
    fn character(&self, location: Location) -> usize {
        self.text[..self.byte(location)].chars().count() + 1
    }

    /// Steps over semicolons; whether anything follows.
    pub(super) fn skip_semicolons(&mut self) -> bool {
        while self.parser.consume_token(&Token::SemiColon) {}
        self.parser.peek_token_ref().token != Token::EOF
    }

    /// The place of the next token that is not white space.
    pub(super) fn index(&self) -> Location {
        self.parser.peek_token_ref().span.start
    }

    /// The text from `start` to the last token taken.
    pub(super) fn text_since(&self, start: Location) -> &'a str {
        let start = self.byte(start);
        let next = self.parser.peek_token_ref();
        let end = if next.token == Token::EOF { self.text.len() } else { self.byte(next.span.start) };
        self.text[start..end].trim().trim_end_matches(';').trim_end()
    }

    pub(super) fn expect_end(&mut self) -> Result<()> {
        match self.parser.peek_token_ref().token {
            Token::EOF | Token::SemiColon => Ok(()),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    /// An error at the next token.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let next = self.parser.peek_token_ref();
        let found = if next.token == Token::EOF { "the end".to_owned() } else { format!("\"{}\"", next.token) };
        let position =
            if next.token == Token::EOF { self.text.chars().count() + 1 } else { self.character(next.span.start) };
        syntax(format!("expected {expected}, found {found}"), position)
    }

    /// Runs a piece of sqlparser.
    pub(super) fn sqlparser<T>(
        &mut self,
        run: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
    ) -> Result<T> {
        run(&mut self.parser).map_err(|error| {
            let message = match &error {
                ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
                ParserError::RecursionLimitExceeded => return tidewater_query::refusal(&error),
            };
            // sqlparser tells the place in words.
            let (message, place) = message.split_once(" at Line: ").unwrap_or((&message, ""));
            let numbers: Vec<u64> = place.split(", Column: ").filter_map(|number| number.parse().ok()).collect();
            let position = match numbers[..] {
                [line, column] => self.character(Location { line, column }),
                _ => self.character(self.parser.peek_token_ref().span.start),
            };
            syntax(message, position)
        })
    }

    /// The next word, upper case, if it is an unquoted one.
    pub(super) fn peek_word(&self) -> Option<String> {
        word_of(self.parser.peek_token_ref())
    }

    /// Takes `word` if it is next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = matches!(&self.parser.peek_token_ref().token,
            Token::Word(next) if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word));
        if found {
            self.parser.next_token();
        }
        found
    }

    /// Takes `words` if all of them are next.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let is = |(n, word): (usize, &&str)| word_of(&self.parser.peek_nth_token(n)).as_deref() == Some(*word);
        let found = words.iter().enumerate().all(is);
        if found {
            words.iter().for_each(|_| drop(self.parser.next_token()));
        }
        found
    }

    /// Takes `word` if it is next and `token` follows it.
    pub(super) fn word_before(&mut self, word: &str, token: &Token) -> bool {
        self.parser.peek_nth_token(1).token == *token && self.word(word)
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    /// The next words, upper case, without taking them; fewer where fewer follow.
    pub(super) fn first_words(&self, count: usize) -> String {
        let words = (0..count).map_while(|n| word_of(&self.parser.peek_nth_token(n)));
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn comma(&mut self) -> bool {
        self.token(&Token::Comma)
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.unexpected(&format!("\"{token}\""))) }
    }

    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// The token behind the next one.
    pub(super) fn peek_after(&self) -> Token {
        self.parser.peek_nth_token(1).token
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn next(&mut self) -> Token {
        self.parser.next_token().token
    }

    /// An object's name, qualified or not.
    pub(super) fn name(&mut self) -> Result<String> {
        key_of(&self.sqlparser(|parser| parser.parse_object_name(false))?)
    }

    /// A schema's name; the database before it means nothing here.
    pub(super) fn schema_name(&mut self) -> Result<String> {
        let name = self.sqlparser(|parser| parser.parse_object_name(false))?;
        let last = name.0.last().and_then(|part| part.as_ident());
        last.map(fold).ok_or_else(|| Error::new(b"42602", format!("{name} is not a name")))
    }

    /// A column's name.
    pub(super) fn identifier(&mut self) -> Result<String> {
        Ok(fold(&self.sqlparser(|parser| parser.parse_identifier())?))
    }

    pub(super) fn string(&mut self) -> Result<String> {
        self.sqlparser(|parser| parser.parse_literal_string())
    }

    /// A string that is shown nowhere: it holds a password.
    pub(super) fn hidden_string(&mut self) -> Result<String> {
        let start = self.index();
        let string = self.string()?;
        let shown = self.text_since(start).len();
        let start = self.byte(start);
        self.hidden.push(start..start + shown);
        Ok(string)
    }

    /// The text with asterisks for what was hidden, if anything was: other places in it stay where they are.
    pub(super) fn without_hidden(&self) -> Option<String> {
        let is_hidden = |at: usize| self.hidden.iter().any(|range| range.contains(&at));
        let shown = |(at, letter): (usize, char)| match is_hidden(at) && letter != '\n' && letter != '\'' {
            true => '*',
            false => letter,
        };
        (!self.hidden.is_empty()).then(|| self.text.char_indices().map(shown).collect())
    }

    /// Takes everything up to the next semicolon.
    pub(super) fn skip_statement(&mut self) {
        while !matches!(self.peek(), Token::EOF | Token::SemiColon) {
            self.next();
        }
    }
}

fn word_of(token: &TokenWithSpan) -> Option<String> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}
