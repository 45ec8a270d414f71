//! The parts of a json text, as they are written: json keeps blanks, key order and duplicate keys.
//!
//! The text was checked when the value came in, so a scan may take its syntax for granted.

/// A json text is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parts<'a> {
    /// Keys, still quoted, and values.
    Object(Vec<(&'a str, &'a str)>),
    Array(Vec<&'a str>),
    /// A string, still quoted.
    String(&'a str),
    Number(&'a str),
    Bool(&'a str),
    Null,
}

fn blank(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Takes a text apart, one level deep.
pub(super) fn parts(text: &str) -> Parts<'_> {
    let text = blank(text);
    match text.as_bytes().first() {
        Some(b'{') => {
            let members = items(&text[1..text.len().max(2) - 1]);
            Parts::Object(members.into_iter().map(member).collect())
        }
        Some(b'[') => Parts::Array(items(&text[1..text.len().max(2) - 1])),
        Some(b'"') => Parts::String(text),
        Some(b't' | b'f') => Parts::Bool(text),
        Some(b'n') | None => Parts::Null,
        _ => Parts::Number(text),
    }
}

/// The byte after a string that begins at `at`.
fn end_of_string(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut i = at + 1;
    while i < bytes.len() && bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

/// What stands between the commas of this level.
fn items(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut items, mut start, mut depth, mut i) = (Vec::new(), 0, 0, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'"' => {
                i = end_of_string(text, i);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => {
                items.push(blank(&text[start..i]));
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    let last = blank(&text[start..]);
    if !last.is_empty() {
        items.push(last);
    }
    items
}

/// A member's key and value.
fn member(text: &str) -> (&str, &str) {
    let end = end_of_string(text, 0);
    let value = text[end..].trim_start_matches([' ', '\t', '\n', '\r', ':']);
    (&text[..end], value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_written() {
        let text = r#" {"a" : [1, {"b":"x,}\""}] , "a":  1.0 } "#;
        let expected = vec![("\"a\"", r#"[1, {"b":"x,}\""}]"#), ("\"a\"", "1.0")];
        assert_eq!(parts(text), Parts::Object(expected));
        assert_eq!(parts("[]"), Parts::Array(Vec::new()));
        assert_eq!(parts(" [ 1 ,[2,3]]"), Parts::Array(vec!["1", "[2,3]"]));
    }
}
