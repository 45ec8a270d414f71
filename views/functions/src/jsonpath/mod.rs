//! jsonpath, computed: the items that a path leads to
//! (<https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-SQLJSON-PATH>).
//!
//! In lax mode steps look into arrays, a scalar counts as an array of itself, and what is not there is no item. Strict mode makes
//! errors of all that.

mod method;
mod predicate;
mod step;

use tidewater_types::json::path::{JsonPath, PathItem};
use tidewater_types::{Json, JsonbRef, Numeric, Scratch, SqlError};

/// Why a path has no answer.
pub(crate) enum Fail {
    /// What `silent` keeps quiet, and what makes a predicate unknown.
    Quiet(SqlError),
    /// What it does not.
    Loud(SqlError),
}

impl From<SqlError> for Fail {
    fn from(error: SqlError) -> Fail {
        // Limits and what is not supported are no matter of the data.
        if error.sqlstate.starts_with(b"22") { Fail::Quiet(error) } else { Fail::Loud(error) }
    }
}

pub(crate) type Found<T> = Result<T, Fail>;

/// A path with the values that it is computed over.
pub(crate) struct Walk<'p, 'a> {
    pub(crate) path: &'p JsonPath,
    pub(crate) root: JsonbRef<'a>,
    pub(crate) variables: JsonbRef<'a>,
    pub(crate) scratch: &'a Scratch,
}

/// Where a part of the path stands.
#[derive(Clone, Copy)]
struct At<'a> {
    /// `@`.
    current: JsonbRef<'a>,
    /// `last`.
    last: i64,
    /// Whether what is not there is an error: in strict mode, but for what `.**` meets.
    structural: bool,
}

impl<'a> Walk<'_, 'a> {
    /// Appends the items. Those before an error are there, too.
    pub(crate) fn run(&self, out: &mut Vec<JsonbRef<'a>>) -> Found<()> {
        let at = At { current: self.root, last: -1, structural: self.path.strict };
        self.items(&self.path.root, at, out)
    }

    fn lax(&self) -> bool {
        !self.path.strict
    }

    fn items(&self, item: &PathItem, at: At<'a>, out: &mut Vec<JsonbRef<'a>>) -> Found<()> {
        match item {
            PathItem::Root => out.push(self.root),
            PathItem::Current => out.push(at.current),
            PathItem::Last => out.push(self.number(Numeric::integer(at.last))),
            PathItem::Null => out.push(JsonbRef::NULL),
            PathItem::Bool(value) => out.push(JsonbRef::bool(*value)),
            PathItem::Number(value) => out.push(self.number(value.into_scratch(self.scratch))),
            PathItem::String(text) => out.push(JsonbRef::string(self.scratch, text.as_bytes())?),
            PathItem::Variable(name) => out.push(self.variable(name)?),
            PathItem::Steps(base, steps) => {
                let mut from = Vec::new();
                self.items(base, at, &mut from)?;
                for value in from {
                    self.steps(steps, value, at, self.lax(), out)?;
                }
            }
            PathItem::Sign(sign, inner) => {
                for value in self.unwrapped(inner, at)? {
                    let Json::Number(number) = value.get() else {
                        let message = format!("operand of unary jsonpath operator {sign} is not a numeric value");
                        return Err(Fail::Quiet(SqlError::new(b"2203B", message)));
                    };
                    out.push(match sign {
                        '-' => self.number(number.neg().into_scratch(self.scratch)),
                        _ => value,
                    });
                }
            }
            PathItem::Arithmetic(sign, left, right) => {
                let left = self.operand(left, at, "left", *sign)?;
                let right = self.operand(right, at, "right", *sign)?;
                let value = match sign {
                    '+' => left.add(right),
                    '-' => left.sub(right),
                    '*' => left.mul(right),
                    '/' => left.div(right),
                    _ => left.rem(right),
                }?;
                out.push(self.number(value.into_scratch(self.scratch)));
            }
            predicate => out.push(match self.test(predicate, at)? {
                Some(value) => JsonbRef::bool(value),
                None => JsonbRef::NULL,
            }),
        }
        Ok(())
    }

    fn number(&self, value: Numeric<'_>) -> JsonbRef<'a> {
        JsonbRef::number(self.scratch, value)
    }

    fn variable(&self, name: &str) -> Found<JsonbRef<'a>> {
        let missing = || Fail::Loud(SqlError::new(b"42704", format!("could not find jsonpath variable \"{name}\"")));
        self.variables.field(name.as_bytes()).ok_or_else(missing)
    }

    /// The items; in lax mode the elements of those that are arrays.
    fn unwrapped(&self, item: &PathItem, at: At<'a>) -> Found<Vec<JsonbRef<'a>>> {
        let mut found = Vec::new();
        self.items(item, at, &mut found)?;
        if !self.lax() {
            return Ok(found);
        }
        let mut out = Vec::with_capacity(found.len());
        for value in found {
            match value.get() {
                Json::Array(_) => out.extend(value.elements()),
                _ => out.push(value),
            }
        }
        Ok(out)
    }

    /// The one number on a side of an operator.
    fn operand(&self, item: &PathItem, at: At<'a>, side: &str, sign: char) -> Found<Numeric<'a>> {
        if let [value] = self.unwrapped(item, at)?[..]
            && let Json::Number(number) = value.get()
        {
            return Ok(number);
        }
        let message = format!("{side} operand of jsonpath operator {sign} is not a single numeric value");
        Err(Fail::Quiet(SqlError::new(b"22038", message)))
    }
}
