//! Types and what goes between them: pg_type, pg_range, pg_cast.

use tidewater_functions::{CastContext, CastMethod, all_casts};
use tidewater_types::{RangeOf, Type};

use crate::catalog::{Catalog, OWNER, SYSTEM_SCHEMAS};
use crate::functions::io_oid;
use crate::out::{Done, Out, int, oid, text, yes};
use crate::types::types;

pub(super) fn pg_type(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "oid",
        "typname",
        "typnamespace",
        "typowner",
        "typlen",
        "typbyval",
        "typtype",
        "typcategory",
        "typispreferred",
        "typisdefined",
        "typdelim",
        "typelem",
        "typarray",
        "typinput",
        "typoutput",
        "typreceive",
        "typsend",
        "typmodin",
        "typmodout",
        "typalign",
        "typstorage",
        "typtypmod",
        "typcollation",
        "typsubscript",
    ])?;
    for row in types() {
        let [input, output, receive, send, modifier_in, modifier_out] = &row.io;
        let function = |name: &str| oid(io_oid(name));
        out.row(
            &at,
            [
                oid(row.oid),
                text(&row.name),
                oid(SYSTEM_SCHEMAS[0].0),
                oid(OWNER),
                int(row.length),
                yes(row.by_value),
                text(&row.kind),
                text(&row.category),
                yes(row.preferred),
                yes(true),
                text(&row.delimiter),
                oid(row.element),
                oid(row.array),
                function(input),
                function(output),
                function(receive),
                function(send),
                function(modifier_in),
                function(modifier_out),
                text(&row.align),
                text(&row.storage),
                int(-1),
                oid(row.collation),
                function(&row.subscript),
            ],
        )?;
    }
    Ok(())
}

pub(super) fn pg_range(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["rngtypid", "rngsubtype", "rngmultitypid"])?;
    for range in RangeOf::ALL {
        let oids = [Type::Range(range), range.bound(), Type::Multirange(range)].map(|ty| oid(ty.oid()));
        out.row(&at, oids)?;
    }
    Ok(())
}

pub(super) fn pg_cast(_: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "castsource", "casttarget", "castcontext", "castmethod"])?;
    for (cast, number) in all_casts().zip(300_000..) {
        let context = match cast.context {
            CastContext::Implicit => "i",
            CastContext::Assignment => "a",
            CastContext::Explicit => "e",
        };
        let method = match cast.method {
            CastMethod::Binary => "b",
            CastMethod::Text => "i",
            _ => "f",
        };
        out.row(&at, [oid(number), oid(cast.from.oid()), oid(cast.to.oid()), text(context), text(method)])?;
    }
    Ok(())
}
