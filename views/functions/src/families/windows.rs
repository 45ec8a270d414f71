//! Window functions (<https://www.postgresql.org/docs/15/functions-window.html>). The executor computes them; that the catalog calls
//! them strict means nothing there, as in PostgreSQL: NULLs are values of the frame.

use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Window functions");
    t.window(
        "
        row_number() -> int8 -- Number of the row within its partition, from 1.
        rank() -> int8 -- Number of the first peer, with gaps.
        dense_rank() -> int8 -- Number of the group of peers, without gaps.
        percent_rank() -> float8 -- (rank - 1) / (rows of the partition - 1).
        cume_dist() -> float8 -- Share of the partition's rows up to the last peer.
        ntile(int4) -> int4 -- Number of the bucket, of as many as the argument says.
        lag(anyelement) -> anyelement -- The argument's value one row before; two arguments: so many rows before; three: or else the third.
        lag(anyelement, int4) -> anyelement
        lag(anycompatible, int4, anycompatible) -> anycompatible
        lead(anyelement) -> anyelement -- The argument's value one row later; two arguments: so many rows later; three: or else the third.
        lead(anyelement, int4) -> anyelement
        lead(anycompatible, int4, anycompatible) -> anycompatible
        first_value(anyelement) -> anyelement -- The argument's value in the frame's first row.
        last_value(anyelement) -> anyelement -- The argument's value in the frame's last row.
        nth_value(anyelement, int4) -> anyelement -- The argument's value in the frame's n-th row.
        ",
    );
}
