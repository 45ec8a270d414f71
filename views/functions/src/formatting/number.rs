//! Formats of numbers: `999,990.00PR`.

use tidewater_types::{Result, SqlError};

/// A pattern of a number's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Nine,
    Zero,
    Comma,
    Point,
    /// `G`.
    Group,
    /// `L`.
    Currency,
    Minus,
    Plus,
    /// `SG`.
    SignHere,
    /// `S`.
    Sign,
    Brackets,
    Roman(bool),
    Ordinal(bool),
    Shift,
    Exponent,
    /// `D`: a point, too.
    LocalPoint,
    Blank,
    Fill,
    /// `C` and `SP`: read, and of no meaning.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Pattern(Pattern),
    Char(char),
}

/// Where `S` puts the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignPlace {
    None,
    Before,
    After,
}

/// A parsed format.
#[derive(Debug, Clone)]
pub(crate) struct NumberFormat {
    pub(super) pieces: Vec<Piece>,
    /// Digits before the point.
    pub(crate) before: usize,
    /// Digits after it.
    pub(crate) after: usize,
    /// Digits after `V`.
    pub(crate) shift: usize,
    /// The first `0`, counted in digits from 1, if there is one.
    pub(super) zero: Option<usize>,
    /// The digits up to the last `0`.
    pub(super) zero_end: usize,
    pub(super) sign: SignPlace,
    /// Digits before `S`, where it stands before the point.
    pub(super) before_sign: usize,
    pub(super) point: bool,
    pub(super) fill: bool,
    pub(super) has_sign: bool,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) brackets: bool,
    pub(crate) roman: bool,
    pub(crate) exponent: bool,
    pub(crate) has_shift: bool,
    blank: bool,
}

const PATTERNS: &[(&str, Pattern)] = &[
    (",", Pattern::Comma),
    (".", Pattern::Point),
    ("0", Pattern::Zero),
    ("9", Pattern::Nine),
    ("B", Pattern::Blank),
    ("C", Pattern::Nothing),
    ("D", Pattern::LocalPoint),
    ("EEEE", Pattern::Exponent),
    ("FM", Pattern::Fill),
    ("G", Pattern::Group),
    ("L", Pattern::Currency),
    ("MI", Pattern::Minus),
    ("PL", Pattern::Plus),
    ("PR", Pattern::Brackets),
    ("RN", Pattern::Roman(true)),
    ("SG", Pattern::SignHere),
    ("SP", Pattern::Nothing),
    ("S", Pattern::Sign),
    ("TH", Pattern::Ordinal(true)),
    ("V", Pattern::Shift),
    ("b", Pattern::Blank),
    ("c", Pattern::Nothing),
    ("d", Pattern::LocalPoint),
    ("eeee", Pattern::Exponent),
    ("fm", Pattern::Fill),
    ("g", Pattern::Group),
    ("l", Pattern::Currency),
    ("mi", Pattern::Minus),
    ("pl", Pattern::Plus),
    ("pr", Pattern::Brackets),
    ("rn", Pattern::Roman(false)),
    ("sg", Pattern::SignHere),
    ("sp", Pattern::Nothing),
    ("s", Pattern::Sign),
    ("th", Pattern::Ordinal(false)),
    ("v", Pattern::Shift),
];

fn refuse(message: &str) -> SqlError {
    SqlError::new(b"42601", message)
}

impl NumberFormat {
    /// Parses a format.
    ///
    /// # Errors
    /// 42601 for patterns that do not go together.
    pub(crate) fn parse(text: &str) -> Result<NumberFormat> {
        let mut format = NumberFormat {
            pieces: Vec::new(),
            before: 0,
            after: 0,
            shift: 0,
            zero: None,
            zero_end: 0,
            sign: SignPlace::None,
            before_sign: 0,
            point: false,
            fill: false,
            has_sign: false,
            minus: false,
            plus: false,
            brackets: false,
            roman: false,
            exponent: false,
            has_shift: false,
            blank: false,
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = PATTERNS.iter().find(|(name, _)| rest.starts_with(name));
            if let Some((name, pattern)) = found {
                rest = &rest[name.len()..];
                format.add(*pattern)?;
                format.pieces.push(Piece::Pattern(*pattern));
                continue;
            }
            rest = &rest[first.len_utf8()..];
            if first == '"' {
                let (quoted, after) = quoted(rest);
                format.pieces.extend(quoted.into_iter().map(Piece::Char));
                rest = after;
                continue;
            }
            let char = if first == '\\' && rest.starts_with('"') {
                rest = &rest[1..];
                '"'
            } else {
                first
            };
            format.pieces.push(Piece::Char(char));
        }
        Ok(format)
    }

    /// Takes a pattern into account, if it goes with those before.
    fn add(&mut self, pattern: Pattern) -> Result<()> {
        if self.exponent && pattern != Pattern::Exponent {
            return Err(refuse("\"EEEE\" must be the last pattern used"));
        }
        match pattern {
            Pattern::Nine if self.brackets => return Err(refuse("\"9\" must be ahead of \"PR\"")),
            Pattern::Nine if self.has_shift => self.shift += 1,
            Pattern::Nine if self.point => self.after += 1,
            Pattern::Nine => self.before += 1,
            Pattern::Zero if self.brackets => return Err(refuse("\"0\" must be ahead of \"PR\"")),
            Pattern::Zero => {
                if self.zero.is_none() && !self.point {
                    self.zero = Some(self.before + 1);
                }
                if self.point {
                    self.after += 1;
                } else {
                    self.before += 1;
                }
                self.zero_end = self.before + self.after;
            }
            Pattern::Blank => self.blank |= self.before == 0 && self.after == 0 && self.zero.is_none(),
            Pattern::Point | Pattern::LocalPoint => {
                if self.point {
                    return Err(refuse("multiple decimal points"));
                }
                if self.has_shift {
                    return Err(refuse("cannot use \"V\" and decimal point together"));
                }
                self.point = true;
            }
            Pattern::Fill => self.fill = true,
            Pattern::Sign | Pattern::Minus | Pattern::Plus | Pattern::SignHere | Pattern::Brackets => {
                self.add_sign(pattern)?
            }
            Pattern::Roman(_) => self.roman = true,
            Pattern::Shift => {
                if self.point {
                    return Err(refuse("cannot use \"V\" and decimal point together"));
                }
                self.has_shift = true;
            }
            Pattern::Exponent => {
                if self.exponent {
                    return Err(refuse("cannot use \"EEEE\" twice"));
                }
                let others = [
                    self.blank,
                    self.fill,
                    self.has_sign,
                    self.brackets,
                    self.minus,
                    self.plus,
                    self.roman,
                    self.has_shift,
                ];
                if others.contains(&true) {
                    return Err(refuse("\"EEEE\" is incompatible with other formats")
                        .detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
                }
                self.exponent = true;
            }
            Pattern::Comma | Pattern::Group | Pattern::Currency | Pattern::Ordinal(_) | Pattern::Nothing => {}
        }
        Ok(())
    }

    /// Takes a pattern of a sign into account.
    fn add_sign(&mut self, pattern: Pattern) -> Result<()> {
        match pattern {
            Pattern::Sign => {
                if self.has_sign {
                    return Err(refuse("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.brackets {
                    return Err(refuse("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
                }
                self.has_sign = true;
                if self.point {
                    self.sign = SignPlace::After;
                } else {
                    self.sign = SignPlace::Before;
                    self.before_sign = self.before;
                }
            }
            Pattern::Minus if self.has_sign => return Err(refuse("cannot use \"S\" and \"MI\" together")),
            Pattern::Minus => self.minus = true,
            Pattern::Plus if self.has_sign => return Err(refuse("cannot use \"S\" and \"PL\" together")),
            Pattern::Plus => self.plus = true,
            Pattern::SignHere if self.has_sign => return Err(refuse("cannot use \"S\" and \"SG\" together")),
            Pattern::SignHere => (self.minus, self.plus) = (true, true),
            Pattern::Brackets => {
                if self.has_sign || self.plus || self.minus {
                    return Err(refuse("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.brackets = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// A text in quotes, and what is after it.
fn quoted(text: &str) -> (Vec<char>, &str) {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => out.push(chars.next().unwrap_or('\\')),
            other => out.push(other),
        }
    }
    (out, chars.as_str())
}
