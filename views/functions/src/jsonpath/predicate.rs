//! Predicates of a path: yes, no, or unknown.

use std::cmp::Ordering;

use tidewater_types::json::path::{Comparison, PathItem};
use tidewater_types::{Datum, Json, JsonbRef, Type, compare};

use super::{At, Fail, Found, Walk};
use crate::regex::{Options, Regex};

impl<'a> Walk<'_, 'a> {
    /// What a predicate says; `None` is unknown.
    pub(super) fn test(&self, predicate: &PathItem, at: At<'a>) -> Found<Option<bool>> {
        match predicate {
            PathItem::And(left, right) => {
                let left = self.test(left, at)?;
                if left == Some(false) {
                    return Ok(left);
                }
                let right = self.test(right, at)?;
                Ok(if right == Some(true) { left } else { right })
            }
            PathItem::Or(left, right) => {
                let left = self.test(left, at)?;
                if left == Some(true) {
                    return Ok(left);
                }
                let right = self.test(right, at)?;
                Ok(if right == Some(false) { left } else { right })
            }
            PathItem::Not(inner) => Ok(self.test(inner, at)?.map(|value| !value)),
            PathItem::IsUnknown(inner) => Ok(Some(self.test(inner, at)?.is_none())),
            PathItem::Exists(inner) => {
                let mut found = Vec::new();
                match self.items(inner, at, &mut found) {
                    // In lax mode the first item is enough.
                    Err(Fail::Quiet(_)) if self.lax() && !found.is_empty() => Ok(Some(true)),
                    Err(Fail::Quiet(_)) => Ok(None),
                    Err(loud) => Err(loud),
                    Ok(()) => Ok(Some(!found.is_empty())),
                }
            }
            PathItem::Compare(comparison, left, right) => {
                let Some(right) = self.quietly(self.unwrapped(right, at))? else { return Ok(None) };
                self.any_pair(left, &right, at, |left, right| compared(*comparison, left, right))
            }
            PathItem::StartsWith(left, prefix) => {
                let mut found = Vec::new();
                self.items(prefix, at, &mut found)?;
                self.any_pair(left, &found, at, |left, right| match (left.get(), right.get()) {
                    (Json::String(text), Json::String(prefix)) => Some(text.starts_with(prefix)),
                    _ => None,
                })
            }
            PathItem::LikeRegex(left, pattern, flags) => {
                let regex = regex(pattern, flags)?;
                self.any_pair(left, &[JsonbRef::NULL], at, |left, _| match left.get() {
                    Json::String(text) => std::str::from_utf8(text).ok().map(|text| regex.is_match(text)),
                    _ => None,
                })
            }
            other => {
                let mut found = Vec::new();
                self.items(other, at, &mut found)?;
                Ok(match found[..] {
                    [value] => match value.get() {
                        Json::Bool(value) => Some(value),
                        _ => None,
                    },
                    _ => None,
                })
            }
        }
    }

    fn quietly<T>(&self, found: Found<T>) -> Found<Option<T>> {
        match found {
            Ok(value) => Ok(Some(value)),
            Err(Fail::Quiet(_)) => Ok(None),
            Err(loud) => Err(loud),
        }
    }

    /// Whether a test holds for some pair. In lax mode the first answer counts that is yes or unknown; in strict mode every pair is
    /// looked at, and one unknown makes the whole unknown.
    fn any_pair(
        &self,
        left: &PathItem,
        right: &[JsonbRef<'a>],
        at: At<'a>,
        test: impl Fn(JsonbRef<'a>, JsonbRef<'a>) -> Option<bool>,
    ) -> Found<Option<bool>> {
        let Some(left) = self.quietly(self.unwrapped(left, at))? else { return Ok(None) };
        let (mut found, mut unknown) = (false, false);
        for left in &left {
            for right in right {
                match test(*left, *right) {
                    None if !self.lax() => return Ok(None),
                    None => unknown = true,
                    Some(true) if self.lax() => return Ok(Some(true)),
                    Some(true) => found = true,
                    Some(false) => {}
                }
            }
        }
        Ok(match (found, unknown) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        })
    }
}

/// Two items; values of different types cannot be compared, but that null is no other value.
fn compared(comparison: Comparison, left: JsonbRef<'_>, right: JsonbRef<'_>) -> Option<bool> {
    let order = match (left.get(), right.get()) {
        (Json::Null, Json::Null) => Ordering::Equal,
        (Json::Null, _) | (_, Json::Null) => return Some(comparison == Comparison::NotEqual),
        (Json::Bool(left), Json::Bool(right)) => left.cmp(&right),
        (Json::Number(left), Json::Number(right)) => {
            compare(&Type::Numeric, &Datum::Numeric(left), &Datum::Numeric(right))
        }
        (Json::String(left), Json::String(right)) => left.cmp(right),
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

/// An XQuery pattern as one of PostgreSQL's: a dot is no line break unless flag s says so, and ^ and $ are the text's ends unless m.
fn regex(pattern: &str, flags: &str) -> Found<Regex> {
    let has = |flag| flags.contains(flag);
    let (fold, dot_stops, lines, literal) = (has('i'), !has('s'), has('m'), has('q'));
    let options = Options { fold, dot_stops, lines, literal, ..Options::default() };
    Regex::new(pattern, options).map_err(Fail::Loud)
}
