//! Methods of items: `.type()`, `.size()`, `.abs()`, …

use tidewater_types::json::path::Method;
use tidewater_types::{Json, JsonbRef, Numeric, NumericBuf, SqlError, float};

use super::{Fail, Found, Walk};

/// Whether a method of an array is in lax mode one of its elements.
pub(super) fn looks_inside(method: Method) -> bool {
    !matches!(method, Method::Type | Method::Size)
}

fn refused(code: &[u8; 5], method: Method, why: &str) -> Fail {
    Fail::Quiet(SqlError::new(code, format!("jsonpath item method .{}() can only be applied to {why}", method.name())))
}

impl<'a> Walk<'_, 'a> {
    pub(super) fn method(
        &self,
        method: Method,
        value: JsonbRef<'a>,
        structural: bool,
        out: &mut Vec<JsonbRef<'a>>,
    ) -> Found<()> {
        match method {
            Method::Type => out.push(JsonbRef::string(self.scratch, kind(value).as_bytes())?),
            Method::Size => match value.get() {
                Json::Array(_) => out.push(self.number(Numeric::integer(value.elements().len() as i64))),
                _ if self.lax() => out.push(self.number(Numeric::integer(1))),
                _ if !structural => {}
                _ => return Err(refused(b"22039", method, "an array")),
            },
            Method::Abs | Method::Floor | Method::Ceiling => {
                let Json::Number(number) = value.get() else {
                    return Err(refused(b"22036", method, "a numeric value"));
                };
                let made: NumericBuf = match method {
                    Method::Abs => number.abs(),
                    Method::Floor => number.floor()?,
                    _ => number.ceil()?,
                };
                out.push(self.number(made.into_scratch(self.scratch)));
            }
            Method::Double => out.push(self.double(value)?),
            Method::KeyValue => self.key_values(value, out)?,
            Method::DateTime => return Err(unsupported(".datetime()")),
        }
        Ok(())
    }

    fn double(&self, value: JsonbRef<'a>) -> Found<JsonbRef<'a>> {
        match value.get() {
            Json::Number(number) if number.to_f64().is_finite() => Ok(value),
            Json::Number(_) => {
                let message =
                    "numeric argument of jsonpath item method .double() is out of range for type double precision";
                Err(Fail::Quiet(SqlError::new(b"22036", message)))
            }
            Json::String(text) => {
                let parsed = std::str::from_utf8(text).ok().and_then(|text| float::parse_f64(text).ok());
                let Some(parsed) = parsed else {
                    let message = "string argument of jsonpath item method .double() is not a valid representation of a \
                                   double precision number";
                    return Err(Fail::Quiet(SqlError::new(b"22036", message)));
                };
                if !parsed.is_finite() {
                    let message = "NaN or Infinity is not allowed for jsonpath item method .double()";
                    return Err(Fail::Quiet(SqlError::new(b"22036", message)));
                }
                Ok(self.number(NumericBuf::from_f64(parsed).into_scratch(self.scratch)))
            }
            _ => Err(refused(b"22036", Method::Double, "a string or numeric value")),
        }
    }

    fn key_values(&self, value: JsonbRef<'a>, out: &mut Vec<JsonbRef<'a>>) -> Found<()> {
        let Json::Object(_) = value.get() else {
            return Err(refused(b"2203C", Method::KeyValue, "an object"));
        };
        // The number that PostgreSQL gives an object inside is where it lies in its own form of jsonb.
        if value.bytes().as_ptr() != self.root.bytes().as_ptr() {
            return Err(unsupported(".keyvalue() of an object inside another value"));
        }
        let id = self.number(Numeric::integer(0));
        for (key, member) in value.entries() {
            let key = JsonbRef::string(self.scratch, key)?;
            let fields: [(&[u8], JsonbRef<'_>); 3] = [(b"id", id), (b"key", key), (b"value", member)];
            out.push(JsonbRef::object(self.scratch, &fields)?);
        }
        Ok(())
    }
}

fn unsupported(what: &str) -> Fail {
    Fail::Loud(SqlError::new(b"0A000", format!("the jsonpath method {what} is not supported")))
}

fn kind(value: JsonbRef<'_>) -> &'static str {
    match value.get() {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
