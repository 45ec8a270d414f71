//! TPC-H (<https://www.tpc.org/tpch/>), for tests and benchmarks: its tables, each definition on a line, and its 22 queries.
//!
//! The parameters are those of the specification's validation runs at a tenth of scale 1. Where a LIMIT leaves open which rows
//! are meant, and where an order does, the key was added to ORDER BY, so that there is one right answer.

/// The tables with their keys.
pub const TABLES: &str = include_str!("tpch/tables.sql");

/// The queries, by number.
pub const QUERIES: [(&str, &str); 22] = [
    ("q01", include_str!("tpch/q01.sql")),
    ("q02", include_str!("tpch/q02.sql")),
    ("q03", include_str!("tpch/q03.sql")),
    ("q04", include_str!("tpch/q04.sql")),
    ("q05", include_str!("tpch/q05.sql")),
    ("q06", include_str!("tpch/q06.sql")),
    ("q07", include_str!("tpch/q07.sql")),
    ("q08", include_str!("tpch/q08.sql")),
    ("q09", include_str!("tpch/q09.sql")),
    ("q10", include_str!("tpch/q10.sql")),
    ("q11", include_str!("tpch/q11.sql")),
    ("q12", include_str!("tpch/q12.sql")),
    ("q13", include_str!("tpch/q13.sql")),
    ("q14", include_str!("tpch/q14.sql")),
    ("q15", include_str!("tpch/q15.sql")),
    ("q16", include_str!("tpch/q16.sql")),
    ("q17", include_str!("tpch/q17.sql")),
    ("q18", include_str!("tpch/q18.sql")),
    ("q19", include_str!("tpch/q19.sql")),
    ("q20", include_str!("tpch/q20.sql")),
    ("q21", include_str!("tpch/q21.sql")),
    ("q22", include_str!("tpch/q22.sql")),
];
