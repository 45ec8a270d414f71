//! to_number: a text is read by a format; what comes out are the digits of a number.

use tidewater_types::{Result, SqlError};

use super::number::{NumberFormat, Pattern, Piece, SignPlace};

impl NumberFormat {
    /// The number that a text shows by this format, as digits that numeric's input reads: a sign or a blank first.
    ///
    /// # Errors
    /// 0A000 for patterns that only to_char knows.
    pub(crate) fn read(&self, text: &str) -> Result<String> {
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
                // A character of the format stands for any one, unless that may be part of the number.
                Piece::Char(_) => {
                    if !reader.is_number() {
                        reader.at += 1;
                    }
                }
                Piece::Pattern(pattern) => reader.pattern(*pattern),
            }
        }
        // A point that nothing follows is none.
        if reader.number.ends_with('.') {
            reader.number.pop();
        }
        Ok(reader.number)
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

    /// Whether the next character is one of a number.
    fn is_number(&self) -> bool {
        self.next().is_some_and(|char| char.is_ascii_digit() || matches!(char, '.' | ',' | '+' | '-'))
    }

    fn is_signed(&self) -> bool {
        !self.number.starts_with(' ')
    }

    fn sign(&mut self, sign: char) {
        self.number.replace_range(..1, sign.encode_utf8(&mut [0; 4]));
    }

    fn pattern(&mut self, pattern: Pattern) {
        match pattern {
            Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalPoint => self.digit(pattern),
            Pattern::Comma => {
                if self.number.len() > 1 || !self.format.fill {
                    self.eat(',');
                }
            }
            Pattern::Group => {
                if self.number.len() > 1 || !self.format.fill {
                    self.eat(',');
                }
            }
            Pattern::Currency => {
                if !self.is_number() {
                    self.at += 1;
                }
            }
            Pattern::Minus => {
                if self.eat('-') {
                    self.sign('-');
                } else if !self.is_number() {
                    self.at += 1;
                }
            }
            Pattern::Plus => {
                if self.eat('+') {
                    self.sign('+');
                } else if !self.is_number() {
                    self.at += 1;
                }
            }
            Pattern::SignHere => match self.next() {
                Some(sign @ ('-' | '+')) => {
                    self.sign(sign);
                    self.at += 1;
                }
                _ => {
                    if !self.is_number() {
                        self.at += 1;
                    }
                }
            },
            Pattern::Ordinal(_) => self.at += 2,
            _ => {}
        }
    }

    fn eat(&mut self, char: char) -> bool {
        let found = self.next() == Some(char);
        self.at += usize::from(found);
        found
    }

    /// Reads a digit or the point, with a sign before or after it.
    fn digit(&mut self, pattern: Pattern) {
        if self.next() == Some(' ') {
            self.at += 1;
        }
        let Some(next) = self.next() else { return };
        if !self.is_signed() && self.before + self.after == 0 {
            self.leading_sign(next);
        }
        let Some(next) = self.next() else { return };
        let mut is_digit = false;
        if next.is_ascii_digit() {
            if self.point && self.after == self.format.after {
                return;
            }
            self.number.push(next);
            self.at += 1;
            is_digit = true;
            if self.point {
                self.after += 1;
            } else {
                self.before += 1;
            }
        } else if next == '.' && self.format.point && !self.point {
            self.number.push('.');
            self.point = true;
            self.at += 1;
            // Where the format has no digit here, the point was this place's.
            is_digit = false;
            let _ = pattern;
        }
        let _ = is_digit;
        self.trailing_sign();
    }

    fn leading_sign(&mut self, next: char) {
        if self.format.has_sign && self.format.sign == SignPlace::Before || !self.format.has_sign {
            match next {
                '-' => {
                    self.sign('-');
                    self.at += 1;
                }
                '+' => {
                    self.sign('+');
                    self.at += 1;
                }
                '<' if self.format.brackets => {
                    self.sign('-');
                    self.at += 1;
                }
                _ => {}
            }
        }
    }

    /// A sign after the digits, where the format's S says so or stands at its end.
    fn trailing_sign(&mut self) {
        if self.is_signed() || !self.format.has_sign || self.before + self.after == 0 {
            return;
        }
        let digits_follow = self.text.get(self.at + 1).is_some_and(char::is_ascii_digit);
        if let Some(sign @ ('-' | '+')) = self.next()
            && !digits_follow
        {
            self.sign(sign);
            self.at += 1;
        }
    }
}
