//! to_number: a text is read by a format; what comes out are the digits of a number.

use tidewater_types::{Result, SqlError};

use super::number::{NumberFormat, Pattern, Piece};

impl NumberFormat {
    /// The number that a text shows by this format: digits that numeric's input reads, with a sign or a blank first, and how many
    /// of them are after the point.
    ///
    /// # Errors
    /// 0A000 for patterns that only to_char knows.
    pub(crate) fn read(&self, text: &str) -> Result<(String, usize)> {
        let unsupported = |name: &str| Err(SqlError::new(b"0A000", format!("\"{name}\" not supported for input")));
        if self.roman {
            return unsupported("RN");
        }
        if self.exponent {
            return unsupported("EEEE");
        }
        let text: Vec<char> = text.chars().collect();
        let mut reader =
            Reader { format: self, text: &text, at: 0, number: String::from(" "), before: 0, after: 0, point: false };
        for piece in &self.pieces {
            if reader.at >= text.len() {
                break;
            }
            match piece {
                // A character of the format stands for any one.
                Piece::Char(_) => reader.at += 1,
                Piece::Pattern(pattern) => reader.pattern(*pattern),
            }
        }
        // A point that nothing follows is none.
        if reader.number.ends_with('.') {
            reader.number.pop();
        }
        Ok((reader.number, reader.after))
    }
}

struct Reader<'f> {
    format: &'f NumberFormat,
    text: &'f [char],
    at: usize,
    /// What was read; the first character is the sign, or a blank as long as there is none.
    number: String,
    /// Digits read before the point, and after it.
    before: usize,
    after: usize,
    point: bool,
}

impl Reader<'_> {
    fn next(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    /// Passes over so many characters, as long as they cannot be part of a number.
    fn skip_others(&mut self, count: usize) {
        for _ in 0..count {
            if self.next().is_some_and(|char| !char.is_ascii_digit() && !matches!(char, '.' | ',' | '+' | '-')) {
                self.at += 1;
            }
        }
    }

    fn is_signed(&self) -> bool {
        !self.number.starts_with(' ')
    }

    fn sign(&mut self, sign: char) {
        self.number.replace_range(..1, sign.encode_utf8(&mut [0; 4]));
    }

    fn pattern(&mut self, pattern: Pattern) {
        match (pattern, self.next()) {
            (Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalPoint, _) => {
                self.digit(matches!(pattern, Pattern::Nine | Pattern::Zero));
                // Whatever was there, it was this place's.
                self.at += 1;
            }
            (Pattern::Comma | Pattern::Group, Some(',')) if !self.format.fill => self.at += 1,
            (Pattern::Currency, _) => self.skip_others(1),
            (Pattern::Ordinal(_), _) => self.skip_others(2),
            (Pattern::Minus | Pattern::SignHere, Some('-')) => {
                self.sign('-');
                self.at += 1;
            }
            (Pattern::Plus | Pattern::SignHere, Some('+')) => {
                self.sign('+');
                self.at += 1;
            }
            (Pattern::Minus | Pattern::Plus | Pattern::SignHere, _) => self.skip_others(1),
            _ => {}
        }
    }

    /// Reads a digit or the point, with a sign before or after it.
    fn digit(&mut self, is_digit: bool) {
        if self.next() == Some(' ') {
            self.at += 1;
        }
        if !self.is_signed() && is_digit && self.before + self.after == 0 {
            self.leading_sign();
        }
        let Some(next) = self.next() else { return };
        let mut read = false;
        if next.is_ascii_digit() {
            if self.point && self.after == self.format.after {
                return;
            }
            self.number.push(next);
            if self.point {
                self.after += 1;
            } else {
                self.before += 1;
            }
            read = true;
        } else if next == '.' && self.format.point && !self.point {
            self.number.push('.');
            self.point = true;
            read = true;
        }
        if !self.is_signed() && self.before + self.after > 0 {
            self.trailing_sign(read, next);
        }
    }

    fn leading_sign(&mut self) {
        match self.next() {
            Some('-') => self.sign('-'),
            Some('+') => self.sign('+'),
            Some('<') if self.format.brackets && !self.format.has_sign => self.sign('-'),
            _ => return,
        }
        self.at += 1;
    }

    /// A sign after the digits, where the format's S says so or its own pattern was not reached.
    fn trailing_sign(&mut self, read: bool, here: char) {
        if self.format.has_sign {
            let after = self.text.get(self.at + 1).copied();
            if let Some(sign @ ('-' | '+')) = after.filter(|_| read) {
                self.sign(sign);
                self.at += 1;
            }
        } else if !read && (self.format.plus || self.format.minus) && matches!(here, '-' | '+') {
            self.sign(here);
        }
    }
}
