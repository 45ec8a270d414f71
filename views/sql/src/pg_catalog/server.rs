//! Relations about the server as a whole: the database, the role, the settings.

use arrow::array::RecordBatch;
use datafusion::error::Result;

use super::Constant::{Bool, Int, Null, NullTexts, Text};
use super::{Columns, OWNER, OWNER_NAME};

/// Name of the one database.
const DATABASE: &str = "materialize";
/// Number of the one database, the first that PostgreSQL gives to a user's.
const DATABASE_OID: i32 = 16_384;
/// PostgreSQL's number of UTF8.
const UTF8: i32 = 6;
/// PostgreSQL's number of the table space pg_default.
const DEFAULT_TABLESPACE: i32 = 1663;

/// Settings as a session begins, and those that clients read of a PostgreSQL server.
const SETTINGS: [(&str, &str); 22] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "on"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", "9.5.0"),
    ("server_version_num", "90500"),
    ("session_authorization", OWNER_NAME),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "serializable"),
];

/// A setting's value.
pub(super) fn setting(name: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|setting| setting.0.eq_ignore_ascii_case(name)).map(|setting| setting.1)
}

pub(super) fn settings() -> Result<RecordBatch> {
    Columns::default()
        .texts("name", SETTINGS.iter().map(|setting| setting.0))
        .texts("setting", SETTINGS.iter().map(|setting| setting.1))
        .texts("reset_val", SETTINGS.iter().map(|setting| setting.1))
        .texts("boot_val", SETTINGS.iter().map(|setting| setting.1))
        .constant(
            SETTINGS.len(),
            &[
                ("unit", Null),
                ("category", Text("Preset Options")),
                ("short_desc", Text("")),
                ("extra_desc", Null),
                ("context", Text("user")),
                ("vartype", Text("string")),
                ("source", Text("default")),
                ("min_val", Null),
                ("max_val", Null),
                ("enumvals", NullTexts),
                ("sourcefile", Null),
                ("sourceline", Null),
                ("pending_restart", Bool(false)),
            ],
        )
        .build()
}

pub(super) fn databases() -> Result<RecordBatch> {
    Columns::default()
        .constant(
            1,
            &[
                ("oid", Int(DATABASE_OID)),
                ("datname", Text(DATABASE)),
                ("datdba", Int(OWNER)),
                ("encoding", Int(UTF8)),
                ("datlocprovider", Text("c")),
                ("datistemplate", Bool(false)),
                ("datallowconn", Bool(true)),
                ("datconnlimit", Int(-1)),
                ("datfrozenxid", Int(0)),
                ("datminmxid", Int(1)),
                ("dattablespace", Int(DEFAULT_TABLESPACE)),
                ("datcollate", Text("C")),
                ("datctype", Text("C")),
                ("daticulocale", Null),
                ("datlocale", Null),
                ("daticurules", Null),
                ("datcollversion", Null),
                ("datacl", NullTexts),
            ],
        )
        .build()
}

/// The one role, as pg_roles and pg_authid show it.
pub(super) fn roles() -> Result<RecordBatch> {
    Columns::default()
        .constant(
            1,
            &[
                ("oid", Int(OWNER)),
                ("rolname", Text(OWNER_NAME)),
                ("rolsuper", Bool(true)),
                ("rolinherit", Bool(true)),
                ("rolcreaterole", Bool(true)),
                ("rolcreatedb", Bool(true)),
                ("rolcanlogin", Bool(true)),
                ("rolreplication", Bool(true)),
                ("rolbypassrls", Bool(true)),
                ("rolconnlimit", Int(-1)),
                ("rolpassword", Null),
                ("rolvaliduntil", Null),
                ("rolconfig", NullTexts),
            ],
        )
        .build()
}

/// The one role, as pg_user shows it.
pub(super) fn users() -> Result<RecordBatch> {
    Columns::default()
        .constant(
            1,
            &[
                ("usename", Text(OWNER_NAME)),
                ("usesysid", Int(OWNER)),
                ("usecreatedb", Bool(true)),
                ("usesuper", Bool(true)),
                ("userepl", Bool(true)),
                ("usebypassrls", Bool(true)),
                ("passwd", Null),
                ("valuntil", Null),
                ("useconfig", NullTexts),
            ],
        )
        .build()
}
