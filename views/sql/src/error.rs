//! What a user is told when a statement cannot be done.

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as PostgreSQL's clients show it: SQLSTATE, message, hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Five characters of PostgreSQL's error code table.
    pub sqlstate: String,
    /// Lower case, no full stop, names the object.
    pub message: String,
    /// How to mend it, where we know.
    pub hint: Option<String>,
    /// Number of the character of the statement where it is wrong, from 1, where we know.
    pub position: Option<usize>,
}

impl Error {
    /// An error without a hint.
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        Error { sqlstate: sqlstate.into(), message: message.into(), hint: None, position: None }
    }

    /// 0A000: the statement is understood, but this construct is not kept incrementally yet.
    pub fn unsupported(construct: impl std::fmt::Display) -> Self {
        Error::new("0A000", format!("{construct} is not supported in a materialized view"))
    }

    /// Adds the place in the statement.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<engine::EvalError> for Error {
    fn from(error: engine::EvalError) -> Self {
        Error::new(&String::from_utf8_lossy(&error.sqlstate), error.message)
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use arrow::error::ArrowError as A;
        use datafusion::common::SchemaError;
        use datafusion::error::DataFusionError as D;
        let sqlstate = match error.find_root() {
            D::SQL(..) => "42601",
            D::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { .. } => "42703",
                SchemaError::AmbiguousReference { .. } => "42702",
                _ => "42701",
            },
            D::NotImplemented(_) => "0A000",
            D::Plan(message) if message.contains("not found") || message.ends_with("does not exist") => "42P01",
            D::Plan(_) => "42000",
            D::ArrowError(arrow, _) => match arrow.as_ref() {
                A::ArithmeticOverflow(_) => return Error::new("22003", "integer out of range"),
                A::DivideByZero => return Error::new("22012", "division by zero"),
                A::InvalidArgumentError(message) if message.contains("too large to store in a Decimal") => "22003",
                A::CastError(message) if message.contains("out of range") => "22003",
                A::CastError(_) | A::ParseError(_) => "22P02",
                _ => "22000",
            },
            _ => "XX000",
        };
        if let D::SchemaError(schema, _) = error.find_root()
            && let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref()
        {
            let names: Vec<_> = valid_fields.iter().map(|column| column.flat_name()).take(SHOWN_COLUMNS).collect();
            let error = Error::new(sqlstate, format!("column \"{}\" does not exist", field.flat_name()));
            return if names.is_empty() { error } else { error.hint(format!("there are {}", names.join(", "))) };
        }
        said(sqlstate, &error.strip_backtrace())
    }
}

/// A hint names no more columns than these: catalog queries have hundreds.
const SHOWN_COLUMNS: usize = 20;

/// What DataFusion puts before what happened.
const PREFIXES: [&str; 12] = [
    "This feature is not implemented: ",
    "Internal error: ",
    "Error during planning: ",
    "Execution error: ",
    "Schema error: ",
    "SQL error: ",
    "Arrow error: ",
    "External error: ",
    "Cast error: ",
    "Parser error: ",
    "Compute error: ",
    "Invalid argument error: ",
];

/// Arrow's types as its messages about text name them, and PostgreSQL's.
const TYPES: [(&str, &str); 8] = [
    ("Int16", "smallint"),
    ("Int32", "integer"),
    ("Int64", "bigint"),
    ("Float32", "real"),
    ("Float64", "double precision"),
    ("Boolean", "boolean"),
    ("Date32", "date"),
    ("Decimal", "numeric"),
];

/// What stands between `before` and the next quote, and what follows.
fn between<'a>(text: &'a str, before: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(before)?.1.split_once('\'')
}

/// The innermost cause in one line; what follows the line is advice.
fn said(sqlstate: &str, text: &str) -> Error {
    let mut text = text.rsplit("\ncaused by\n").next().unwrap_or(text).trim();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let (line, advice) = text.split_once('\n').unwrap_or((text, ""));
    if let Some((call, _)) = between(text, "argument types '") {
        let candidates = text.split_once("Candidate functions:").map(|(_, list)| list.split_whitespace());
        let candidates = candidates.map(|list| list.collect::<Vec<_>>().join(" ")).unwrap_or_default();
        return Error::new("42883", format!("no function matches {call}")).hint(format!("there are {candidates}"));
    }
    if let Some((value, rest)) = between(line, "Cannot cast string '")
        && let Some((_, name)) = TYPES.iter().find(|(arrow, _)| rest.contains(arrow))
    {
        return Error::new("22P02", format!("invalid input syntax for type {name}: \"{value}\""));
    }
    let table = line.strip_prefix("table 'materialize.public.").and_then(|rest| rest.strip_suffix("' not found"));
    let message = table.map_or_else(|| line.to_owned(), |table| format!("unknown catalog item \"{table}\""));
    let error = Error::new(sqlstate, message);
    if advice.is_empty() { error } else { error.hint(advice.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_for_users() {
        let cases = [
            (
                "type_coercion\ncaused by\nError during planning: table 'materialize.public.t' not found",
                "unknown catalog item \"t\"",
            ),
            (
                "Arrow error: Cast error: Cannot cast string 'a' to value of Int32 type",
                "invalid input syntax for type integer: \"a\"",
            ),
            (
                "Internal error: bug. No function matches the given name and argument types 'sum(Utf8)'. You\n\tCandidate functions:\n\tsum(Int64)",
                "no function matches sum(Utf8)",
            ),
            ("Schema error: x", "x"),
        ];
        for (text, expected) in cases {
            assert_eq!(said("42000", text).message, expected);
        }
        assert_eq!(said("42000", "a\nDid you mean 'b'?").hint.as_deref(), Some("Did you mean 'b'?"));
    }
}
