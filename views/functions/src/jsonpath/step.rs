//! Steps of a path: members, elements, levels, filters.

use tidewater_types::json::path::{PathItem, Step};
use tidewater_types::{Json, JsonbRef, Numeric, SqlError};

use super::{At, Fail, Found, Walk};

fn quiet(code: &[u8; 5], message: impl Into<String>) -> Fail {
    Fail::Quiet(SqlError::new(code, message))
}

impl<'a> Walk<'_, 'a> {
    /// Appends what `steps` lead to from `value`. With `unwrap` a step that is not for arrays looks at an array's elements.
    pub(super) fn steps(
        &self,
        steps: &[Step],
        value: JsonbRef<'a>,
        at: At<'a>,
        unwrap: bool,
        out: &mut Vec<JsonbRef<'a>>,
    ) -> Found<()> {
        let Some((step, rest)) = steps.split_first() else {
            out.push(value);
            return Ok(());
        };
        let is_array = matches!(value.get(), Json::Array(_));
        let looks_inside = match step {
            Step::Key(_) | Step::AnyKey | Step::Filter(_) => true,
            Step::Method(method) => super::method::looks_inside(*method),
            _ => false,
        };
        if unwrap && is_array && looks_inside {
            return value.elements().try_for_each(|element| self.steps(steps, element, at, false, out));
        }
        let mut next = |value, at| self.steps(rest, value, at, self.lax(), out);
        match step {
            Step::Key(key) => match (value.field(key.as_bytes()), value.get()) {
                (Some(member), _) => next(member, at),
                (None, _) if !at.structural => Ok(()),
                (None, Json::Object(_)) => Err(quiet(b"2203A", format!("JSON object does not contain key \"{key}\""))),
                (None, _) => Err(quiet(b"2203A", "jsonpath member accessor can only be applied to an object")),
            },
            Step::AnyKey => match value.get() {
                Json::Object(_) => value.entries().try_for_each(|(_, member)| next(member, at)),
                _ if !at.structural => Ok(()),
                _ => Err(quiet(b"2203C", "jsonpath wildcard member accessor can only be applied to an object")),
            },
            Step::AnyElement => match value.get() {
                Json::Array(_) => value.elements().try_for_each(|element| next(element, at)),
                _ if self.lax() => next(value, at),
                _ if !at.structural => Ok(()),
                _ => Err(quiet(b"22039", "jsonpath wildcard array accessor can only be applied to an array")),
            },
            Step::Subscripts(all) => self.subscripts(all, rest, value, at, out),
            Step::AnyLevel(from, to) => {
                if *from == Some(0) {
                    next(value, At { structural: false, ..at })?;
                }
                self.levels((*from, *to), 1, rest, value, At { structural: false, ..at }, out)
            }
            Step::Filter(predicate) => {
                if self.test(predicate, At { current: value, ..at })? == Some(true) {
                    next(value, at)
                } else {
                    Ok(())
                }
            }
            Step::Method(method) => {
                let mut made = Vec::new();
                self.method(*method, value, at.structural, &mut made)?;
                made.into_iter().try_for_each(|value| next(value, at))
            }
        }
    }

    fn subscripts(
        &self,
        all: &[(PathItem, Option<PathItem>)],
        rest: &[Step],
        value: JsonbRef<'a>,
        at: At<'a>,
        out: &mut Vec<JsonbRef<'a>>,
    ) -> Found<()> {
        let elements: Vec<JsonbRef<'a>> = match value.get() {
            Json::Array(_) => value.elements().collect(),
            _ if self.lax() => vec![value],
            _ if !at.structural => return Ok(()),
            _ => return Err(quiet(b"22039", "jsonpath array accessor can only be applied to an array")),
        };
        let inside = At { last: elements.len() as i64 - 1, ..at };
        for (from, to) in all {
            let from = self.subscript(from, inside)?;
            let to = to.as_ref().map_or(Ok(from), |to| self.subscript(to, inside))?;
            if at.structural && (from < 0 || from > to || to > inside.last) {
                return Err(quiet(b"22033", "jsonpath array subscript is out of bounds"));
            }
            for i in from.max(0)..=to.min(inside.last) {
                self.steps(rest, elements[i as usize], at, self.lax(), out)?;
            }
        }
        Ok(())
    }

    fn subscript(&self, item: &PathItem, at: At<'a>) -> Found<i64> {
        let mut found = Vec::new();
        self.items(item, at, &mut found)?;
        let [value] = found[..] else {
            return Err(quiet(b"22033", "jsonpath array subscript is not a single numeric value"));
        };
        let Json::Number(number) = value.get() else {
            return Err(quiet(b"22033", "jsonpath array subscript is not a single numeric value"));
        };
        let whole = number.trunc(0)?;
        let mut bytes = Vec::new();
        let whole: Numeric<'_> = whole.borrow(&mut bytes);
        let place = whole.to_integer::<i32>("integer");
        place.map(i64::from).map_err(|_| quiet(b"22033", "jsonpath array subscript is out of integer range"))
    }

    /// `.**{from to to}`, from this level on.
    fn levels(
        &self,
        (from, to): (Option<u32>, Option<u32>),
        level: u32,
        rest: &[Step],
        value: JsonbRef<'a>,
        at: At<'a>,
        out: &mut Vec<JsonbRef<'a>>,
    ) -> Found<()> {
        if to.is_some_and(|to| level > to) {
            return Ok(());
        }
        let inner: Vec<JsonbRef<'a>> = match value.get() {
            Json::Array(_) => value.elements().collect(),
            Json::Object(_) => value.entries().map(|(_, member)| member).collect(),
            _ => return Ok(()),
        };
        for value in inner {
            let is_leaf = !matches!(value.get(), Json::Array(_) | Json::Object(_));
            // `last` alone means the leaves.
            let wanted = match (from, to) {
                (None, None) => is_leaf,
                (None, Some(_)) => false,
                (Some(from), _) => level >= from,
            };
            if wanted {
                self.steps(rest, value, at, self.lax(), out)?;
            }
            self.levels((from, to), level + 1, rest, value, at, out)?;
        }
        Ok(())
    }
}
