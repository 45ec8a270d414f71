//! JSON text read in place, value by value: no tree is built, what nobody needs is passed over byte by byte.
//!
//! serde_json's deserializer parses the values that it ignores and cannot go on behind a value that does not fit; this reader
//! does both. Values that are read are checked; of those passed over only strings and brackets are followed. Depth costs no
//! stack. Source: RFC 8259.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// What is left of a record.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

#[cold]
fn wrong(what: &str, at: usize) -> Error {
    Error::decode(format!("not JSON: {what} at byte {at}"))
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[cold]
    pub(crate) fn expected(&self, what: &str) -> Error {
        match self.at < self.text.len() {
            true => wrong(&format!("expected {what}"), self.at),
            false => wrong("it ends too early", self.at),
        }
    }

    /// The next byte that is not white space; it is not taken. 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return *byte,
                None => return 0,
            }
        }
    }

    /// Takes exactly these bytes, if they come next.
    #[inline]
    pub(crate) fn eat(&mut self, bytes: &[u8]) -> bool {
        let found = self.rest().starts_with(bytes);
        if found {
            self.at += bytes.len();
        }
        found
    }

    /// Takes one byte, white space before it aside.
    #[inline]
    pub(crate) fn open(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.peek() != byte {
            return Err(self.expected(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether an object or array has another item; takes the comma before it, or the bracket `end`.
    #[inline]
    pub(crate) fn more(&mut self, first: bool, end: u8) -> Result<bool> {
        match self.peek() {
            byte if byte == end => {
                self.at += 1;
                Ok(false)
            }
            b',' if !first => {
                self.at += 1;
                self.peek();
                Ok(true)
            }
            _ if first => Ok(true),
            _ => Err(self.expected("a comma")),
        }
    }

    /// A member's name and the colon behind it, and both as they are written.
    pub(crate) fn name(&mut self) -> Result<(Cow<'a, str>, &'a str)> {
        self.peek();
        let start = self.at;
        let name = self.string()?;
        self.open(b':', "a colon")?;
        Ok((name, &self.text[start..self.at]))
    }

    /// Where the string ends that begins here: the place of its closing quote, and whether it has escapes.
    #[inline]
    fn string_end(&self) -> Result<(usize, bool)> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (self.at + 1, false);
        loop {
            at += plain(&bytes[at.min(bytes.len())..]);
            match bytes.get(at) {
                Some(b'"') => return Ok((at, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => return Err(wrong("a control character in a string", at)),
                None => return Err(wrong("a string does not end", bytes.len())),
            }
        }
    }

    /// A string, borrowed where it has no escapes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != b'"' {
            return Err(self.expected("a string"));
        }
        let (end, escaped) = self.string_end()?;
        let start = std::mem::replace(&mut self.at, end + 1);
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start + 1..end]));
        }
        let text = serde_json::from_str(&self.text[start..=end]);
        Ok(Cow::Owned(text.map_err(|_| wrong("a wrong escape in a string", start))?))
    }

    /// A number as it is written.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        let Some(size) = number(self.rest()) else { return Err(self.expected("a number")) };
        let text = &self.text[self.at..self.at + size];
        self.at += size;
        Ok(text)
    }

    /// `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Result<()> {
        if self.eat(word.as_bytes()) { Ok(()) } else { Err(self.expected("a value")) }
    }

    /// Passes over a value.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.peek() {
            b'"' => {
                self.at = self.string_end()?.0 + 1;
                Ok(())
            }
            b'{' | b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(self.expected("a value")),
        }
    }

    fn skip_nested(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0_usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at;
                    at = self.string_end()?.0;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at = at + 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Err(wrong("it ends too early", bytes.len()))
    }

    /// A value as it is written.
    pub(crate) fn value(&mut self) -> Result<&'a str> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Whether all was read.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek() == 0 && self.at == self.text.len() { Ok(()) } else { Err(wrong("something behind it", self.at)) }
    }
}

/// How many of the first bytes are plain text: no quote, no backslash, no control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A byte's high bit, if that byte is zero or lies behind one.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// How many of the first bytes are a number of JSON's: no leading zero or plus, digits around the point.
#[inline]
fn number(text: &[u8]) -> Option<usize> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    let digits = |mut at: usize| {
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        at
    };
    let first = usize::from(byte(0) == b'-');
    let mut at = digits(first);
    if at == first || at > first + 1 && text[first] == b'0' {
        return None;
    }
    if byte(at) == b'.' {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return None;
        }
    }
    if matches!(byte(at), b'e' | b'E') {
        let exponent = at + 1 + usize::from(matches!(byte(at + 1), b'-' | b'+'));
        at = digits(exponent);
        if at == exponent {
            return None;
        }
    }
    (!matches!(byte(at), b'-' | b'+' | b'.' | b'e' | b'E')).then_some(at)
}

/// What each member of an object means, as the last object of its kind had them: a writer sends the same members in the same
/// order again and again, so the names that come next are known but for few records.
#[derive(Debug)]
pub(crate) struct Layout<T> {
    members: Vec<(Box<[u8]>, T)>,
    /// Whether the object that is being read has other members than the last.
    pub(crate) changed: bool,
}

impl<T> Default for Layout<T> {
    fn default() -> Self {
        Layout { members: Vec::new(), changed: true }
    }
}

impl<T: Copy> Layout<T> {
    /// The meaning of the object's member number `at`, or `None` at its end; `of` tells what a name means.
    #[inline]
    pub(crate) fn next(&mut self, reader: &mut Reader<'_>, at: usize, of: impl FnOnce(&str) -> T) -> Result<Option<T>> {
        if !reader.more(at == 0, b'}')? {
            if at < self.members.len() {
                self.members.truncate(at);
                self.changed = true;
            }
            return Ok(None);
        }
        match self.members.get(at) {
            Some((literal, meaning)) if reader.eat(literal) => Ok(Some(*meaning)),
            _ => self.learn(reader, at, of).map(Some),
        }
    }

    #[cold]
    fn learn(&mut self, reader: &mut Reader<'_>, at: usize, of: impl FnOnce(&str) -> T) -> Result<T> {
        let (name, literal) = reader.name()?;
        let meaning = of(&name);
        self.members.truncate(at);
        self.members.push((literal.as_bytes().into(), meaning));
        self.changed = true;
        Ok(meaning)
    }

    /// Names of the members, as they are written.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.members.iter().map(|(literal, _)| {
            let text = String::from_utf8_lossy(literal);
            let text = text.trim_end_matches(':').trim_end();
            serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
        })
    }

    /// Meanings of the members.
    pub(crate) fn meanings(&self) -> impl Iterator<Item = T> {
        self.members.iter().map(|(_, meaning)| *meaning)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_are_jsons() {
        for text in ["0", "-0", "10", "1.5", "-0.25e-3", "1E+9"] {
            assert_eq!(number(text.as_bytes()), Some(text.len()), "{text}");
        }
        for text in ["", "-", "01", "+1", "1.", ".5", "1e", "1e+", "1-2", "--1", "1.5.5"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn strings_end_where_they_end() {
        for text in [r#""""#, r#""a\"b""#, r#""\\""#, r#""0123456\"89\\""#, "\"é😀 over eight\""] {
            let whole = format!("{text}, 1");
            let mut reader = Reader::new(&whole);
            let expected: String = serde_json::from_str(text).expect("a string");
            assert_eq!(reader.string().expect("a string"), expected);
            assert_eq!(reader.peek(), b',');
        }
        for text in ["\"", "\"a", "\"\\", "\"\\\"", "\"a\nb\"", "\"12345678\u{1}\"", "\"\\x\""] {
            Reader::new(text).string().expect_err(text);
        }
    }

    #[test]
    fn a_layout_learns_what_comes() {
        let mut layout = Layout::default();
        let mut names = |text: &str| {
            let mut reader = Reader::new(text);
            reader.open(b'{', "an object").expect("an object");
            layout.changed = false;
            let mut at = 0;
            while layout.next(&mut reader, at, str::len).expect("a member").is_some() {
                reader.skip().expect("a value");
                at += 1;
            }
            (layout.meanings().collect::<Vec<_>>(), layout.changed)
        };
        assert_eq!(names(r#"{"a":1,"bb":2}"#), (vec![1, 2], true));
        assert_eq!(names(r#"{"a":[{}],"bb":"}"}"#), (vec![1, 2], false));
        assert_eq!(names(r#"{ "a" : 1 , "bb" : 2 }"#), (vec![1, 2], true));
        assert_eq!(names(r#"{"bb":1}"#), (vec![2], true));
        assert_eq!(names("{}"), (vec![], true));
    }

    proptest! {
        /// What is JSON to serde_json is passed over whole, and no text makes the reader panic.
        #[test]
        fn it_ends_where_serde_json_ends(text in "[\\[\\]{}\",:0-9a-eE.+\\-\\\\ untrfls]{0,40}", strings in any::<Vec<String>>()) {
            let mut reader = Reader::new(&text);
            let found = reader.skip().and_then(|()| reader.end());
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(found, Ok(()));
            }
            let written = serde_json::to_string(&strings).expect("JSON");
            let mut reader = Reader::new(&written);
            reader.open(b'[', "an array")?;
            let mut read = Vec::new();
            while reader.more(read.is_empty(), b']')? {
                read.push(reader.string()?.into_owned());
            }
            prop_assert_eq!(read, strings);
        }
    }
}
