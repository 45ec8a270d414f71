//! to_char of numbers: digits that are rounded already are put into a format's places.

use tidewater_types::{Result, SqlError};

use super::number::{NumberFormat, Pattern, Piece, SignPlace};
use super::ordinal;

impl NumberFormat {
    /// The text of a number whose digits are `digits`, with as many after the point as the format has.
    pub(crate) fn write(&self, digits: &str, negative: bool) -> Result<String> {
        let whole = digits.find('.').unwrap_or(digits.len());
        let (digits, blanks) =
            if whole > self.before { (self.overflow(), 0) } else { (digits.to_owned(), self.before - whole) };
        Writer::new(self, &digits, negative, blanks).run()
    }

    /// What stands for a number that has more digits than the format.
    pub(crate) fn overflow(&self) -> String {
        format!("{}.{}", "#".repeat(self.before), "#".repeat(self.after))
    }

    /// A Roman number, of 1 to 3999.
    pub(crate) fn write_roman(&self, value: Option<i64>) -> Result<String> {
        let text = match value {
            Some(value) if (1..=3999).contains(&value) => roman(value),
            _ => "#".repeat(15),
        };
        Writer::new(self, &text, false, 0).run()
    }

    /// What is shown of a number with an exponent that is none: NaN or an infinity.
    pub(crate) fn no_number(&self) -> String {
        format!(" {}.{}", "#".repeat(self.before), "#".repeat(self.after + 4))
    }
}

fn roman(mut value: i64) -> String {
    let steps = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut out = String::new();
    for (step, letters) in steps {
        while value >= step {
            out.push_str(letters);
            value -= step;
        }
    }
    out
}

struct Writer<'f> {
    format: &'f NumberFormat,
    number: Vec<char>,
    /// The next character of the number.
    at: usize,
    /// The next digit's place in the format, from 0.
    place: usize,
    places: i64,
    negative: bool,
    /// Places that the number does not reach.
    blanks: usize,
    /// The last digit that counts, where FM drops zeros at the end.
    last: Option<usize>,
    sign: SignPlace,
    brackets: bool,
    sign_written: bool,
    /// Whether a digit was written: before it commas are blanks.
    inside: bool,
    /// Where the text ends, if not where it is written to.
    end: Option<usize>,
    out: String,
}

impl<'f> Writer<'f> {
    fn new(format: &'f NumberFormat, number: &str, negative: bool, blanks: usize) -> Self {
        let number: Vec<char> = number.chars().collect();
        let (mut sign, mut brackets) = (format.sign, format.brackets);
        let sign_written = if format.plus || format.minus {
            // The sign has a place of its own; with PL alone a minus has none.
            !format.plus || format.minus
        } else {
            if !negative && format.fill {
                brackets = false;
            }
            if sign == SignPlace::Before && format.before == format.before_sign {
                sign = SignPlace::After;
            }
            !negative && format.fill && !format.has_sign
        };
        let mut last = None;
        if format.fill && format.point {
            last = relevant(&number);
            if let Some(end) = last.filter(|_| format.zero_end > blanks) {
                // Zeros that the format asks for stay.
                last = Some(end.max((number.len() - 1).min(format.zero_end - blanks)));
            }
        }
        // One less than the digits, and so less than none where there are none.
        let mut places = (format.before + format.after) as i64 - 1;
        if !sign_written && blanks == 0 {
            places += 1;
        }
        Writer {
            format,
            number,
            at: 0,
            place: 0,
            places,
            negative,
            blanks,
            last,
            sign,
            brackets,
            sign_written,
            inside: false,
            end: None,
            out: String::new(),
        }
    }

    fn run(mut self) -> Result<String> {
        for piece in &self.format.pieces {
            match piece {
                Piece::Char(char) => self.out.push(*char),
                Piece::Pattern(pattern) => self.pattern(*pattern)?,
            }
        }
        if let Some(end) = self.end {
            self.out.truncate(end);
        }
        Ok(self.out)
    }

    fn pattern(&mut self, pattern: Pattern) -> Result<()> {
        let (fill, negative) = (self.format.fill, self.negative);
        match pattern {
            Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalPoint => {
                self.digit(pattern == Pattern::Zero)
            }
            Pattern::Comma | Pattern::Group if self.inside => self.out.push(','),
            Pattern::Comma | Pattern::Group if fill => {}
            Pattern::Comma | Pattern::Group | Pattern::Currency => self.out.push(' '),
            Pattern::Roman(upper) => {
                let text: String = self.number.iter().collect();
                let text = if upper { text } else { text.to_ascii_lowercase() };
                self.out.push_str(&if fill { text } else { format!("{text:>15}") });
            }
            Pattern::Ordinal(upper) => {
                if !self.format.roman && self.number.first() != Some(&'#') && !negative && !self.format.point {
                    let text: String = self.number.iter().collect();
                    if !text.ends_with(|last: char| last.is_ascii_digit()) {
                        return Err(SqlError::new(b"22P02", format!("\"{text}\" is not a number")));
                    }
                    self.out.push_str(ordinal(&text, upper));
                }
            }
            Pattern::Minus if negative => self.out.push('-'),
            Pattern::Plus if !negative => self.out.push('+'),
            Pattern::Minus | Pattern::Plus if fill => {}
            Pattern::Minus | Pattern::Plus => self.out.push(' '),
            Pattern::SignHere => self.out.push(if negative { '-' } else { '+' }),
            Pattern::Sign
            | Pattern::Brackets
            | Pattern::Shift
            | Pattern::Exponent
            | Pattern::Blank
            | Pattern::Fill
            | Pattern::Nothing => {}
        }
        Ok(())
    }

    /// Whether the next character is a zero before the point that need not be shown: `9.9` shows ` .1`.
    fn is_idle_zero(&self) -> bool {
        self.format.zero.is_none() && self.at == 0 && self.number.first() == Some(&'0') && self.format.after != 0
    }

    fn only_point(&self) -> bool {
        self.last.is_some_and(|last| self.number.get(last) == Some(&'.'))
    }

    /// The place of the first zero of the format, from 0.
    fn zero_from(&self) -> Option<usize> {
        self.format.zero.map(|zero| zero - 1)
    }

    fn digit(&mut self, is_zero: bool) {
        if self.format.roman {
            return;
        }
        self.inside = false;
        self.leading_sign();
        let zero_from = self.zero_from();
        if self.place < self.blanks && zero_from.is_none_or(|zero| zero > self.place) {
            if !self.format.fill {
                self.out.push(' ');
            }
        } else if self.place < self.blanks {
            self.out.push('0');
            self.inside = true;
        } else {
            self.character(is_zero);
            if self.at < self.number.len() {
                self.at += 1;
            }
        }
        let mut end = self.places + i64::from(self.blanks > 0) + i64::from(self.format.point);
        if self.last == Some(self.at) && self.last.is_some() {
            end = self.place as i64;
        }
        if self.place as i64 + 1 == end {
            if self.sign_written && self.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.format.has_sign && self.sign == SignPlace::After {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn leading_sign(&mut self) {
        let begins = self.place >= self.blanks || self.zero_from() == Some(self.place);
        if self.sign_written || !begins || (self.is_idle_zero() && !self.only_point()) {
            return;
        }
        if self.format.has_sign {
            if self.sign == SignPlace::Before {
                self.out.push(if self.negative { '-' } else { '+' });
                self.sign_written = true;
            }
        } else if self.brackets {
            self.out.push(if self.negative { '<' } else { ' ' });
            self.sign_written = true;
        } else if self.negative {
            self.out.push('-');
            self.sign_written = true;
        } else {
            if !self.format.fill {
                self.out.push(' ');
            }
            self.sign_written = true;
        }
    }

    /// Writes the number's next character.
    fn character(&mut self, is_zero: bool) {
        let next = self.number.get(self.at).copied();
        if next == Some('.') {
            if !self.only_point() || self.format.fill {
                self.out.push('.');
            }
        } else if self.last.is_some_and(|last| self.at > last) && !is_zero {
            // Zeros at the end that FM drops.
        } else if self.is_idle_zero() {
            if !self.format.fill {
                self.out.push(' ');
            } else if self.only_point() {
                self.out.push('0');
            }
        } else if let Some(char) = next {
            self.out.push(char);
            self.inside = true;
        } else {
            // Beyond the number's digits PostgreSQL's text ends.
            self.end.get_or_insert(self.out.len());
        }
    }
}

/// The last digit after the point that is no zero, or the point.
fn relevant(number: &[char]) -> Option<usize> {
    let point = number.iter().position(|char| *char == '.')?;
    let last = number.iter().rposition(|char| !matches!(char, '0' | '.'));
    Some(last.filter(|last| *last > point).unwrap_or(point))
}
