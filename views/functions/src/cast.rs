//! Casts: between which types, and where without being asked (<https://www.postgresql.org/docs/15/catalog-pg-cast.html>).
//!
//! The table below says what `pg_cast` says. Beside it stand the casts that need no row there: through text (any type to a string
//! type where a value is stored, a string to any type where it is written out), of arrays element by element, of rows field by
//! field, and from a literal that has no type yet.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use tidewater_types::{ColumnType, Datum, Expr, Numeric, RangeOf, Result, Type};

use crate::compile::Argument;
use crate::function::{Volatility, reads_session};
use crate::session::Session;

use crate::signature::type_named;

/// Where a cast is applied without being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CastContext {
    /// Anywhere.
    Implicit,
    /// Where a value goes into a column.
    Assignment,
    /// Nowhere: it must be written.
    Explicit,
}

/// How a cast is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CastMethod {
    /// The value stays as it is.
    Binary,
    /// By a computation of its own.
    Function,
    /// Through the text form.
    Text,
    /// Element by element, by the cast of the elements.
    Elements(Box<Cast>),
    /// Field by field.
    Fields(Vec<Cast>),
}

/// A cast from one type to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// From which type.
    pub from: Type,
    /// To which.
    pub to: Type,
    /// The widest context in which it is applied.
    pub context: CastContext,
    /// How.
    pub method: CastMethod,
}

impl Cast {
    /// The expression that casts `arg`, and applies the modifier of `to`; `explicit` says whether the cast is written, where
    /// too long strings are cut instead of refused.
    ///
    /// # Errors
    /// None that a cast of the table can meet.
    pub fn compile(&self, arg: Argument, to: &ColumnType, explicit: bool, session: &Arc<Session>) -> Result<Expr> {
        if self.method == CastMethod::Binary && to.modifier < 0 && self.from.is_oid() == self.to.is_oid() {
            return Ok(arg.expr);
        }
        if to.modifier < 0
            && let Some(expr) = usual(&self.from, &to.ty, &arg.expr)
        {
            return Ok(expr);
        }
        let (from, to, session) = (self.from.clone(), to.clone(), session.clone());
        Ok(Expr::new(move |tuple, scratch| match arg.expr.eval(tuple, scratch)? {
            Datum::Null => Ok(Datum::Null),
            value => tidewater_types::cast(value, &from, &to, explicit, &session.settings, scratch),
        }))
    }

    /// Whether the result depends on the session: its time zone, its names, the moment, which a text like `today` means. Finer than
    /// [`Cast::volatility`].
    pub fn reads_session(&self) -> bool {
        let zoned = reads_session(&self.from) || reads_session(&self.to);
        let dated = |ty: &Type| {
            matches!(
                ty,
                Type::Date
                    | Type::Time
                    | Type::Timestamp
                    | Type::Range(RangeOf::Date | RangeOf::Timestamp)
                    | Type::Multirange(RangeOf::Date | RangeOf::Timestamp)
            )
        };
        let made_of_dates = |ty: &Type| match ty {
            Type::Record(record) => record.fields.iter().any(|(_, field)| dated(&field.ty)),
            ty => dated(ty) || ty.element().is_some_and(dated),
        };
        match &self.method {
            CastMethod::Binary => false,
            CastMethod::Function | CastMethod::Text => zoned || self.from.is_text() && made_of_dates(&self.to),
            CastMethod::Elements(element) => element.reads_session(),
            CastMethod::Fields(fields) => fields.iter().any(Cast::reads_session),
        }
    }

    /// Whether PostgreSQL calls the cast stable.
    pub fn volatility(&self) -> Volatility {
        let zoned = |ty: &Type| matches!(ty, Type::TimestampTz | Type::TimeTz);
        let dated = |ty: &Type| {
            matches!(ty, Type::Date | Type::Time | Type::Timestamp) || zoned(ty) || (ty.is_oid() && *ty != Type::Oid)
        };
        let stable = match &self.method {
            CastMethod::Binary => false,
            CastMethod::Function => {
                zoned(&self.from) != zoned(&self.to) && self.from != Type::TimeTz
                    || self.to == Type::RegClass && self.from.is_text()
            }
            CastMethod::Text => {
                let nested = |ty: &Type| {
                    dated(ty)
                        || ty.element().is_some_and(dated)
                        || matches!(ty, Type::Record(_) | Type::Range(_) | Type::Multirange(_))
                };
                nested(&self.from) || nested(&self.to)
            }
            CastMethod::Elements(element) => return element.volatility(),
            CastMethod::Fields(fields) => {
                return fields.iter().map(Cast::volatility).max().unwrap_or(Volatility::Immutable);
            }
        };
        if stable { Volatility::Stable } else { Volatility::Immutable }
    }
}

/// The casts that expressions are full of, without the way through all others. They compute what [`tidewater_types::cast`] does.
fn usual(from: &Type, to: &Type, arg: &Expr) -> Option<Expr> {
    let arg = arg.clone();
    Some(match (from, to) {
        (Type::Int2, Type::Int4 | Type::Int8) | (Type::Int4, Type::Int8) => arg,
        (Type::Int2 | Type::Int4 | Type::Int8, Type::Numeric) => Expr::new(move |tuple, scratch| {
            Ok(match arg.eval(tuple, scratch)? {
                Datum::Int(value) => Datum::Numeric(Numeric::integer(value)),
                other => other,
            })
        }),
        (Type::Int2 | Type::Int4 | Type::Int8, Type::Float8) => Expr::new(move |tuple, scratch| {
            Ok(match arg.eval(tuple, scratch)? {
                Datum::Int(value) => Datum::Float(value as f64),
                other => other,
            })
        }),
        (Type::Int2 | Type::Int4 | Type::Int8, Type::Text) => Expr::new(move |tuple, scratch| {
            Ok(match arg.eval(tuple, scratch)? {
                Datum::Int(value) => Datum::Text(scratch.alloc_str(itoa::Buffer::new().format(value)).as_bytes()),
                other => other,
            })
        }),
        _ => return None,
    })
}

/// `source: targets`, each with the context (i, a, e) and a `b` where the value stays as it is.
const CASTS: &str = "
bool: int4 e, text a, bpchar a, varchar a
char: int4 e, text i, bpchar a, varchar a
name: text i, bpchar a, varchar a
int2: int8 i, int4 i, oid i, float4 i, float8 i, numeric i, regproc i, regprocedure i, regoper i, regoperator i, regcollation i, regclass i, regtype i, regnamespace i, regrole i
int4: bool e, char e, int8 i, int2 a, oid ib, float4 i, float8 i, numeric i, regproc ib, regprocedure ib, regoper ib, regoperator ib, regcollation ib, regclass ib, regtype ib, regnamespace ib, regrole ib
int8: int2 a, int4 a, oid i, float4 i, float8 i, numeric i, regproc i, regprocedure i, regoper i, regoperator i, regcollation i, regclass i, regtype i, regnamespace i, regrole i
float4: int8 a, int2 a, int4 a, float8 i, numeric a
float8: int8 a, int2 a, int4 a, float4 a, numeric a
numeric: int8 a, int2 a, int4 a, float4 i, float8 i
text: char a, name i, bpchar ib, varchar ib, regclass i
varchar: char a, name i, text ib, bpchar ib, regclass i
bpchar: char a, name i, text i, varchar i
date: timestamp i, timestamptz i
time: interval i, timetz i
timestamp: date a, time a, timestamptz i
timestamptz: date a, time a, timestamp a, timetz a
interval: time a
timetz: time a
json: jsonb a
jsonb: json a, bool e, int2 e, int4 e, int8 e, float4 e, float8 e, numeric e
oid: int8 a, int4 ab, regproc ib, regprocedure ib, regoper ib, regoperator ib, regcollation ib, regclass ib, regtype ib, regnamespace ib, regrole ib
regproc: int8 a, int4 ab, oid ib, regprocedure ib
regprocedure: int8 a, int4 ab, oid ib, regproc ib
regoper: int8 a, int4 ab, oid ib, regoperator ib
regoperator: int8 a, int4 ab, oid ib, regoper ib
regcollation: int8 a, int4 ab, oid ib
regclass: int8 a, int4 ab, oid ib
regtype: int8 a, int4 ab, oid ib
regnamespace: int8 a, int4 ab, oid ib
regrole: int8 a, int4 ab, oid ib
";

/// Casts of Materialize's unsigned integers, in the same form.
const UNSIGNED: &str = "
uint2: uint4 i, uint8 i, int4 i, int8 i, numeric i, float4 i, float8 i, int2 a
uint4: uint8 i, int8 i, numeric i, float8 i, float4 a, uint2 a, int2 a, int4 a
uint8: numeric i, float8 a, float4 a, uint2 a, uint4 a, int2 a, int4 a, int8 a
int2: uint2 a, uint4 a, uint8 a
int4: uint2 a, uint4 a, uint8 a
int8: uint2 a, uint4 a, uint8 a
numeric: uint2 a, uint4 a, uint8 a
float4: uint2 a, uint4 a, uint8 a
float8: uint2 a, uint4 a, uint8 a
";

static TABLE: LazyLock<HashMap<(Type, Type), (CastContext, bool)>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    for line in CASTS.lines().chain(UNSIGNED.lines()).filter(|line| !line.is_empty()) {
        let (from, targets) = line.split_once(':').expect("a line of the table has a colon");
        for target in targets.split(',') {
            let (to, how) = target.trim().split_once(' ').expect("a target has a context");
            let context = match how.as_bytes()[0] {
                b'i' => CastContext::Implicit,
                b'a' => CastContext::Assignment,
                _ => CastContext::Explicit,
            };
            let ty = |name: &str| type_named(name).expect("the table names known types");
            table.insert((ty(from), ty(to)), (context, how.ends_with('b')));
        }
    }
    table
});

/// The pairs of `pg_cast` that are in the table, Materialize's among them.
pub fn all_casts() -> impl Iterator<Item = Cast> {
    TABLE.keys().filter_map(|(from, to)| cast(from, to))
}

/// Whether values of the type are strings (`typcategory` S).
fn is_string(ty: &Type) -> bool {
    matches!(ty, Type::Text | Type::Varchar | Type::Bpchar | Type::Name)
}

/// The cast from `from` to `to`, if there is one. A modifier of the target is applied by [`Cast::compile`].
pub fn cast(from: &Type, to: &Type) -> Option<Cast> {
    let (context, method) = find(from, to)?;
    Some(Cast { from: from.clone(), to: to.clone(), context, method })
}

fn find(from: &Type, to: &Type) -> Option<(CastContext, CastMethod)> {
    use CastContext::{Assignment, Explicit, Implicit};
    if from == to {
        return Some((Implicit, CastMethod::Binary));
    }
    if *from == Type::Unknown {
        return Some((Implicit, CastMethod::Text));
    }
    if let Some((context, binary)) = TABLE.get(&(from.clone(), to.clone())) {
        return Some((*context, if *binary { CastMethod::Binary } else { CastMethod::Function }));
    }
    if let Some(found) = nested(from, to) {
        return Some(found);
    }
    if is_string(to) && *from != Type::Void {
        return Some((Assignment, CastMethod::Text));
    }
    if is_string(from) && !matches!(to, Type::Unknown | Type::Void) {
        return Some((Explicit, CastMethod::Text));
    }
    None
}

/// Casts of types that are made of others.
fn nested(from: &Type, to: &Type) -> Option<(CastContext, CastMethod)> {
    let elements = |from: &Type, to: &Type, least: CastContext| {
        let cast = cast(from, to)?;
        Some((cast.context.max(least), CastMethod::Elements(Box::new(cast))))
    };
    match (from, to) {
        (Type::Int2Vector, Type::Array(to)) => elements(&Type::Int2, to, CastContext::Implicit),
        (Type::OidVector, Type::Array(to)) => elements(&Type::Oid, to, CastContext::Implicit),
        (Type::Array(from), Type::Array(to))
        | (Type::List(from), Type::List(to))
        | (Type::Map(from), Type::Map(to)) => elements(from, to, CastContext::Implicit),
        (Type::Array(from), Type::List(to)) | (Type::List(from), Type::Array(to)) => {
            elements(from, to, CastContext::Explicit)
        }
        (Type::Range(from), Type::Multirange(to)) if from == to => Some((CastContext::Explicit, CastMethod::Function)),
        (Type::Record(from), Type::Record(to)) if from.fields.len() == to.fields.len() => {
            let casts = from.fields.iter().zip(&to.fields).map(|((_, from), (_, to))| cast(&from.ty, &to.ty));
            let casts = casts.collect::<Option<Vec<_>>>()?;
            let context = casts.iter().map(|cast| cast.context).max().unwrap_or(CastContext::Implicit);
            Some((context, CastMethod::Fields(casts)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_those_of_pg_cast() {
        let context = |from: &str, to: &str| Some(cast(&type_named(from)?, &type_named(to)?)?.context);
        assert_eq!(context("int4", "int8"), Some(CastContext::Implicit));
        assert_eq!(context("int8", "int4"), Some(CastContext::Assignment));
        assert_eq!(context("int4", "text"), Some(CastContext::Assignment));
        assert_eq!(context("text", "int4"), Some(CastContext::Explicit));
        assert_eq!(context("int8[]", "int4[]"), Some(CastContext::Assignment));
        assert_eq!(context("int4", "uuid"), None);
        assert_eq!(context("unknown", "uuid"), Some(CastContext::Implicit));
        let vector = cast(&Type::Int2Vector, &Type::Array(Arc::new(Type::Int2)));
        assert!(vector.is_some_and(|cast| cast.context == CastContext::Implicit));
    }
}
