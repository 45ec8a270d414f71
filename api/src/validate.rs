//! Checks of request values: every fault of a request is reported at once, each with a JSON pointer to the value.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// One value that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer to the value in the body, or `?name` for a query parameter.
    #[schema(example = "/items/0/quantity")]
    pub pointer: String,
    /// What is wrong and what is accepted.
    #[schema(example = "must be 1 to 1000000")]
    pub detail: String,
}

/// One line for logs and command lines.
pub(crate) fn describe(errors: &[FieldError]) -> String {
    let parts: Vec<_> = errors.iter().map(|e| format!("{} {}", e.pointer, e.detail).trim_start().to_owned()).collect();
    parts.join("; ")
}

/// Collects faults.
#[derive(Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    pub(crate) fn require(&mut self, ok: bool, pointer: &str, detail: impl Into<String>) {
        if !ok {
            self.0.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    /// Text that is not blank and fits its column (`max` counts characters, as MySQL's VARCHAR does).
    pub(crate) fn text(&mut self, value: &str, pointer: &str, max: usize) {
        let length = value.chars().count();
        self.require(!value.trim().is_empty() && length <= max, pointer, format!("must have 1 to {max} characters"));
    }

    pub(crate) fn email(&mut self, value: &str, pointer: &str) {
        let shaped = value.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.contains('@')
        });
        let clean = !value.chars().any(|c| c.is_whitespace() || c.is_control());
        self.require(
            shaped && clean && value.len() <= 255,
            pointer,
            "must be an email address such as ann@example.com",
        );
    }

    pub(crate) fn id(&mut self, value: i64, pointer: &str) {
        self.require(value > 0, pointer, "must be a positive id");
    }

    pub(crate) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_reported_with_their_place() {
        let mut faults = Faults::default();
        faults.text("  ", "/name", 10);
        faults.text("ok", "/city", 10);
        faults.email("no-at.example.com", "/email");
        faults.id(0, "/user_id");
        let Err(Error::Invalid(errors)) = faults.finish() else { panic!("faults must be refused") };
        let pointers: Vec<_> = errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/email", "/user_id"]);
    }

    #[test]
    fn emails() {
        for (text, ok) in [("a@b.co", true), ("a b@b.co", false), ("@b.co", false), ("a@b", false), ("a@b@c.d", false)]
        {
            let mut faults = Faults::default();
            faults.email(text, "/email");
            assert_eq!(faults.finish().is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn text_is_counted_in_characters() {
        let mut faults = Faults::default();
        faults.text("åäö", "/city", 3);
        assert!(faults.finish().is_ok());
    }
}
