//! The table of the engines that can be asked for.

use crate::tidewater::Tidewater;
use crate::typed::Typed;
use tidewater_order_summary::engine::Entry;
use tidewater_order_summary::error::Error;

/// In the order of the report; ratios are to the first.
pub const ENGINES: &[Entry] = &[
    Entry { name: "typed", new: || Box::new(Typed::default()) },
    Entry { name: "tidewater", new: || Box::new(Tidewater::default()) },
];

/// Engines with a program of their own, which has their name; they come after the others.
pub const GUESTS: &[&str] = &["differential"];

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENGINES.iter().map(|entry| entry.name).chain(GUESTS.iter().copied())
}

/// An engine of this program by its name.
///
/// # Errors
/// If there is none.
pub fn engine(name: &str) -> Result<&'static Entry, Error> {
    ENGINES.iter().find(|entry| entry.name == name).ok_or_else(|| unknown(name))
}

/// Says which engines there are.
pub fn unknown(name: &str) -> Error {
    Error::Engine { name: name.to_owned(), known: names().collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_engine_is_named_with_those_that_exist() {
        let error = engine("fast").unwrap_err().to_string();
        assert!(error.contains("\"fast\"") && error.contains("typed") && error.contains("differential"), "{error}");
    }
}
