//! JSON texts, read once: to check them, or to pack them.

use crate::{JsonbRef, NumericBuf, Result, Scratch, SqlError};

/// The deepest nesting. PostgreSQL's own limit depends on its stack.
const MAX_DEPTH: usize = 500;

/// Whether `text` is JSON.
///
/// # Errors
/// 22P02 if not, 54001 if it is nested too deeply.
pub fn check(text: &str) -> Result<()> {
    let mut reader = Reader { text: text.as_bytes(), at: 0, depth: 0 };
    reader.check_value()?;
    reader.end()
}

/// The jsonb that `text` shows.
///
/// # Errors
/// As [`check`]; 22P05 for `\u0000`, 22003 for a number beyond numeric, 54000 if it is too large.
pub fn parse<'a>(text: &str, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
    let mut reader = Reader { text: text.as_bytes(), at: 0, depth: 0 };
    let value = reader.value(scratch)?;
    reader.end()?;
    Ok(value)
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

fn invalid(detail: impl Into<String>) -> SqlError {
    SqlError::new(b"22P02", "invalid input syntax for type json").detail(detail)
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.get(self.at).copied()
    }

    /// What stands where something else should.
    fn unexpected(&mut self, wanted: &str) -> SqlError {
        self.space();
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return invalid("The input string ended unexpectedly.");
        }
        let word = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80).count().max(1);
        let token = String::from_utf8_lossy(&rest[..word]).into_owned();
        if rest[0].is_ascii_alphabetic() || rest[0] >= 0x80 || !b"{}[]:,\"-0123456789".contains(&rest[0]) {
            return invalid(format!("Token \"{token}\" is invalid."));
        }
        invalid(format!("Expected {wanted}, but found \"{token}\"."))
    }

    fn end(&mut self) -> Result<()> {
        if self.peek().is_some() { Err(self.unexpected("end of input")) } else { Ok(()) }
    }

    fn enter(&mut self) -> Result<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SqlError::new(b"54001", "stack depth limit exceeded"));
        }
        Ok(())
    }

    /// After an element: whether another follows.
    fn more(&mut self, close: u8, wanted: &str) -> Result<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// After an opening bracket: whether it is closed at once.
    fn closed(&mut self, close: u8) -> bool {
        let closed = self.peek() == Some(close);
        if closed {
            self.at += 1;
            self.depth -= 1;
        }
        closed
    }

    fn colon(&mut self) -> Result<()> {
        if self.peek() != Some(b':') {
            return Err(self.unexpected("\":\""));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<()> {
        let end = self.at + word.len();
        let follows = self.text.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
        if follows || self.text.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.unexpected("JSON value"));
        }
        self.at = end;
        Ok(())
    }

    fn check_value(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.check_object(),
            Some(b'[') => self.check_array(),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected("JSON value")),
        }
    }

    fn check_object(&mut self) -> Result<()> {
        self.enter()?;
        if self.closed(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("string"));
            }
            self.string()?;
            self.colon()?;
            self.check_value()?;
            if !self.more(b'}', "\",\" or \"}\"")? {
                return Ok(());
            }
        }
    }

    fn check_array(&mut self) -> Result<()> {
        self.enter()?;
        if self.closed(b']') {
            return Ok(());
        }
        loop {
            self.check_value()?;
            if !self.more(b']', "\",\" or \"]\"")? {
                return Ok(());
            }
        }
    }

    fn value<'a>(&mut self, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
        match self.peek() {
            Some(b'{') => self.object(scratch),
            Some(b'[') => self.array(scratch),
            Some(b'"') => {
                let raw = self.string()?;
                JsonbRef::string(scratch, unescape(raw, scratch)?)
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = std::str::from_utf8(self.number()?).unwrap_or_default();
                let number = NumericBuf::parse(text)?;
                Ok(JsonbRef::number(scratch, number.into_scratch(scratch)))
            }
            Some(b't') => self.word("true").map(|()| JsonbRef::bool(true)),
            Some(b'f') => self.word("false").map(|()| JsonbRef::bool(false)),
            Some(b'n') => self.word("null").map(|()| JsonbRef::NULL),
            _ => Err(self.unexpected("JSON value")),
        }
    }

    fn object<'a>(&mut self, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
        let mut entries: Vec<(&[u8], JsonbRef<'_>)> = Vec::new();
        self.enter()?;
        if self.closed(b'}') {
            return JsonbRef::object(scratch, &entries);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("string"));
            }
            let key = unescape(self.string()?, scratch)?;
            self.colon()?;
            entries.push((key, self.value(scratch)?));
            if !self.more(b'}', "\",\" or \"}\"")? {
                return JsonbRef::object(scratch, &entries);
            }
        }
    }

    fn array<'a>(&mut self, scratch: &'a Scratch) -> Result<JsonbRef<'a>> {
        let mut elements = Vec::new();
        self.enter()?;
        if self.closed(b']') {
            return JsonbRef::array(scratch, &elements);
        }
        loop {
            elements.push(self.value(scratch)?);
            if !self.more(b']', "\",\" or \"]\"")? {
                return JsonbRef::array(scratch, &elements);
            }
        }
    }

    /// What stands between the quotes; escapes are checked for their form.
    fn string(&mut self) -> Result<&'t [u8]> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.text.get(self.at) {
                None => return Err(invalid("The input string ended unexpectedly.")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => match self.text.get(self.at + 1) {
                    Some(b'u') => {
                        let digits = self.text.get(self.at + 2..self.at + 6);
                        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                            return Err(invalid("\"\\u\" must be followed by four hexadecimal digits."));
                        }
                        self.at += 6;
                    }
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    None => return Err(invalid("The input string ended unexpectedly.")),
                    Some(other) => {
                        return Err(invalid(format!("Escape sequence \"\\{}\" is invalid.", char::from(*other))));
                    }
                },
                Some(byte) if *byte < 0x20 => {
                    return Err(invalid(format!("Character with value 0x{byte:02x} must be escaped.")));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<&'t [u8]> {
        let start = self.at;
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.text.get(self.at) == Some(&b'0');
        let whole = self.at;
        let mut valid = self.digits() && !(leading_zero && self.at > whole + 1);
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            valid &= self.digits();
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            valid &= self.digits();
        }
        let end = self.at;
        while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80) {
            self.at += 1;
        }
        let token = &self.text[start..self.at];
        if !valid || self.at > end {
            return Err(invalid(format!("Token \"{}\" is invalid.", String::from_utf8_lossy(token))));
        }
        Ok(token)
    }
}

/// The characters of a string whose escapes have the right form.
fn unescape<'a>(raw: &[u8], scratch: &'a Scratch) -> Result<&'a [u8]> {
    let mut out = bumpalo::collections::Vec::with_capacity_in(raw.len(), scratch);
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        at += 2;
        let simple = match raw[at - 1] {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = unicode(raw, &mut at)?;
                out.extend_from_slice_copy(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => other,
        };
        out.push(simple);
    }
    Ok(out.into_bump_slice())
}

/// The character of the escape whose digits begin at `at`; a pair of surrogates is one.
fn unicode(raw: &[u8], at: &mut usize) -> Result<char> {
    let read = |at: usize| {
        let digits = raw.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let first = read(*at).ok_or_else(|| invalid("\"\\u\" must be followed by four hexadecimal digits."))?;
    *at += 4;
    let orphan = || invalid("Unicode low surrogate must follow a high surrogate.");
    match first {
        0 => Err(SqlError::new(b"22P05", "unsupported Unicode escape sequence")
            .detail("\\u0000 cannot be converted to text.")),
        0xdc00..=0xdfff => Err(orphan()),
        0xd800..=0xdbff => {
            let second = if raw.get(*at..*at + 2) == Some(b"\\u") { read(*at + 2) } else { None };
            let second = second.filter(|low| (0xdc00..=0xdfff).contains(low));
            if let Some(0xd800..=0xdbff) = if raw.get(*at..*at + 2) == Some(b"\\u") { read(*at + 2) } else { None } {
                return Err(invalid("Unicode high surrogate must not follow a high surrogate."));
            }
            let low = second.ok_or_else(orphan)?;
            *at += 6;
            char::from_u32(0x1_0000 + ((first & 0x3ff) << 10) + (low & 0x3ff)).ok_or_else(orphan)
        }
        _ => char::from_u32(first).ok_or_else(orphan),
    }
}
