//! One text for equal JSON, so that a JSON column is the same from a snapshot and from the stream, and whoever wrote it.
//!
//! No white space; members ordered by the length of their names, then by bytes, the last of a name kept (as MySQL stores
//! objects and PostgreSQL stores jsonb); strings with the fewest escapes; a number with point or exponent as the shortest text
//! of its double, if a double can have written it, else digit by digit. serde_json's `Value` is not used: it rounds long
//! numbers, its order of members depends on a feature that any crate may turn on, and it is a tree.

use std::borrow::Cow;
use std::io::Write;

use serde::de::IgnoredAny;

/// A double is told apart by this many digits; a longer number was written as a decimal.
const DOUBLE_DIGITS: usize = 17;

/// Appends the one text for what `text` says to `out`.
///
/// # Errors
/// If `text` is not JSON; `out` then holds a part.
pub(crate) fn canonical(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    // Checks the grammar and limits the depth, so that what follows only has to find where values end.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("not JSON: {error}"))?;
    let mut reader = Reader { text, at: 0 };
    reader.value(out)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> u8 {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        match self.peek() {
            b'{' => self.object(out),
            b'[' => self.array(out),
            b'"' => self.string(out),
            b'-' | b'0'..=b'9' => {
                number(self.word(), out);
                Ok(())
            }
            _ => {
                out.extend_from_slice(self.word().as_bytes());
                Ok(())
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(b'[');
        self.at += 1;
        while self.peek() != b']' {
            if self.peek() == b',' {
                self.at += 1;
                out.push(b',');
            }
            self.value(out)?;
        }
        self.at += 1;
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(b'{');
        self.at += 1;
        let start = out.len();
        // Where each member begins in `out`, and where its name ends.
        let mut members: Vec<(usize, usize)> = Vec::new();
        while self.peek() != b'}' {
            if self.peek() == b',' {
                self.at += 1;
                out.push(b',');
                self.peek();
            }
            let begin = out.len();
            self.string(out)?;
            members.push((begin, out.len()));
            self.peek();
            // The colon.
            self.at += 1;
            out.push(b':');
            self.value(out)?;
        }
        self.at += 1;
        let name = |&(begin, end): &(usize, usize)| (end - begin, &out[begin..end]);
        if !members.is_sorted_by(|a, b| name(a) < name(b)) {
            let ordered = order(&out[start..], start, &members);
            out.truncate(start);
            out.extend_from_slice(&ordered);
        }
        out.push(b'}');
        Ok(())
    }

    /// A string with its quotes.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let bytes = &self.text.as_bytes()[self.at..];
        let (mut end, mut escaped) = (1, false);
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
                None => return Err("not JSON: a string does not end".into()),
            }
        }
        let raw = &self.text[self.at..self.at + end + 1];
        self.at += end + 1;
        if !escaped {
            out.extend_from_slice(raw.as_bytes());
            return Ok(());
        }
        let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|error| format!("not JSON: {error}"))?;
        serde_json::to_writer(out, &text).map_err(|error| error.to_string())
    }
}

/// The members of an object in order, the last of each name. `bytes` begin at `start` of what `members` count from.
fn order(bytes: &[u8], start: usize, members: &[(usize, usize)]) -> Vec<u8> {
    let ends = members.iter().skip(1).map(|next| next.0 - 1).chain([start + bytes.len()]);
    let mut members: Vec<(&[u8], &[u8])> = members
        .iter()
        .zip(ends)
        .map(|(&(begin, name_end), end)| (&bytes[begin - start..name_end - start], &bytes[begin - start..end - start]))
        .collect();
    members.sort_by_key(|(name, _)| (name.len(), *name));
    let mut ordered = Vec::with_capacity(bytes.len());
    for (i, (name, member)) in members.iter().enumerate() {
        if members.get(i + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        if !ordered.is_empty() {
            ordered.push(b',');
        }
        ordered.extend_from_slice(member);
    }
    ordered
}

/// A number in its one form.
fn number(text: &str, out: &mut Vec<u8>) {
    let (mantissa, _) = text.split_once(['e', 'E']).unwrap_or((text, ""));
    if mantissa.len() == text.len() && !text.contains('.') {
        return out.extend_from_slice(text.as_bytes());
    }
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    let double = text.parse::<f64>().ok().filter(|double| double.is_finite() && digits <= DOUBLE_DIGITS);
    match double {
        // Writing to a Vec does not fail.
        Some(double) => drop(write!(out, "{double:?}")),
        None => out.extend_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn of(text: &str) -> String {
        let mut out = Vec::new();
        canonical(text, &mut out).unwrap_or_else(|error| panic!("{text}: {error}"));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn equal_json_is_one_text() {
        let same = [
            (r#"{"a": 1, "b": [true, null, 1.5]}"#, r#"{"a":1,"b":[true,null,1.5]}"#),
            (r#" { "bb" : 1 , "a" : { } , "bb" : [ ] } "#, r#"{"a":{},"bb":[]}"#),
            (r#"{"nested":1,"s":"\u0000","n":-0.0}"#, r#"{"n":-0.0,"s":"\u0000","nested":1}"#),
            (r#""\u00e9\/\"\ud83d\ude00""#, r#""é/\"😀""#),
            ("[1.0E20,1e20,100000000000000000000.0]", "[1e20,1e20,100000000000000000000.0]"),
            ("[0.10, 1e-7]", "[0.1,1e-7]"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("[ ]", "[]"),
            ("1e400", "1e400"),
        ];
        for (text, expected) in same {
            assert_eq!(of(text), expected);
            assert_eq!(of(expected), expected, "once more changes nothing");
        }
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for text in ["", "{", "[1,]", "nul", "\"\\ud800\"", "{\"a\"}", "1 2", &"[".repeat(200)] {
            assert!(canonical(text, &mut Vec::new()).is_err(), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            // Of few digits: serde_json, which judges here, reads long ones a little differently by how they are written.
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 64.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_says_the_same_however_it_is_written(value in json()) {
            let (compact, pretty) = (of(&value.to_string()), of(&serde_json::to_string_pretty(&value).expect("text")));
            prop_assert_eq!(&compact, &pretty);
            prop_assert_eq!(&of(&compact), &compact);
            let read: Value = serde_json::from_str(&compact).expect("JSON");
            let again: Value = serde_json::from_str(&value.to_string()).expect("JSON");
            prop_assert_eq!(read, again);
        }

        #[test]
        fn any_text_is_json_or_an_error(text in "[\\[\\]{}\",:0-9a-eE.+\\-\\\\ u]{0,40}") {
            let valid = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            let read = canonical(&text, &mut Vec::new());
            prop_assert!(valid || read.is_err());
        }
    }
}
