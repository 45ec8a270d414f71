//! What no view may do: ask what is another answer each time, or another answer for each session.

use tidewater_functions::Volatility;
use tidewater_query::plan::{Rel, Scalar};
use tidewater_types::{Result, SqlError, Type};

/// "… is not supported in a materialized view".
pub(crate) fn unsupported(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(b"0A000", format!("{what} is not supported in a materialized view"))
}

/// What lowering itself got wrong.
pub(crate) fn broken(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(b"XX000", format!("a view's plan has {what}"))
}

/// Refuses a relation whose rows are not the same whenever they are computed.
pub(crate) fn check(rel: &Rel) -> Result<()> {
    let mut found = None;
    rel.any(&mut |rel| {
        found = rel.scalars().into_iter().find_map(changing);
        if let Rel::Reduce { aggregates, .. } = rel {
            let volatile = aggregates.iter().find(|(_, a)| a.call.function.0.volatility == Volatility::Volatile);
            found = found.take().or(volatile.map(|(_, a)| function(a.call.function.0.name)));
        }
        found.is_some()
    });
    found.map_or(Ok(()), |what| Err(unsupported(what)))
}

fn function(name: &str) -> String {
    format!("function {name}()")
}

/// What in a scalar depends on more than the row and the time zone, if anything does.
fn changing(scalar: &Scalar) -> Option<String> {
    let mut found = None;
    scalar.any(&mut |scalar| {
        found = match scalar {
            Scalar::Call(call) => {
                let of = call.function.0;
                // Asked without its arguments: those depend on the time zone alone, and a view has one.
                let of_session = of.reads_session(&[], &Type::Bool) || of.name == "age" && call.args.len() == 1;
                of_session.then(|| function(of.name))
            }
            Scalar::Cast(cast) => {
                let of_catalog = |ty: &Type| ty.is_oid() && *ty != Type::Oid;
                let (from, to) = (cast.input.ty().ty, &cast.ty.ty);
                let named = of_catalog(to) && from.is_text() || of_catalog(&from) && to.is_text();
                named.then(|| format!("a cast from {from} to {to}"))
            }
            _ => None,
        };
        found.is_some()
    });
    found
}
