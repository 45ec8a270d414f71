//! LIKE with a pattern that is known and has no other wildcard than `%`: its parts are found one after another.

/// Such a pattern.
pub(super) struct Like {
    /// What the text begins with; all of it, if there is no `%`.
    prefix: Box<[u8]>,
    /// What comes between, in this order.
    parts: Vec<Box<[u8]>>,
    /// What it ends with; none if there is no `%`.
    suffix: Option<Box<[u8]>>,
}

impl Like {
    /// The pattern, if it is such a one.
    pub(super) fn new(pattern: &[u8]) -> Option<Like> {
        if pattern.iter().any(|byte| matches!(byte, b'_' | b'\\')) {
            return None;
        }
        let mut parts: Vec<Box<[u8]>> = pattern.split(|byte| *byte == b'%').map(Box::from).collect();
        let prefix = parts.remove(0);
        let suffix = parts.pop();
        parts.retain(|part| !part.is_empty());
        Some(Like { prefix, parts, suffix })
    }

    /// Whether all of `text` matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let Some(suffix) = &self.suffix else { return *text == *self.prefix };
        let Some(mut rest) = text.strip_prefix(&*self.prefix) else { return false };
        for part in &self.parts {
            match find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(suffix)
    }
}

/// Where `part`, which is not empty, first occurs.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = part[0];
    let last = text.len().checked_sub(part.len())?;
    let mut from = 0;
    while from <= last {
        let at = from + text[from..=last].iter().position(|byte| *byte == first)?;
        if text[at..].starts_with(part) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_order() {
        let cases: [(&str, &str, bool); 12] = [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("%", "", true),
            ("", "a", false),
            ("a%a", "a", false),
            ("%ab%ab", "xabab", true),
            ("%ab%ab", "xab", false),
            ("%special%requests%", "the special pinto requests", true),
            ("%special%requests%", "the requests are special", false),
        ];
        for (pattern, text, matches) in cases {
            let like = Like::new(pattern.as_bytes()).expect("no wildcard but %");
            assert_eq!(like.matches(text.as_bytes()), matches, "{text} LIKE {pattern}");
        }
        assert!(Like::new(b"a_").is_none() && Like::new(br"a\%").is_none());
    }
}
