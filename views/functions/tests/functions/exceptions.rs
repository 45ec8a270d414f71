//! Where we differ from PostgreSQL, each with its reason. Everything else must be equal.

/// Functions whose last digit may differ: their float comes from a mathematical library, not from IEEE 754's rules.
pub(crate) const TRANSCENDENTAL: &[&str] = &[
    "acos", "acosd", "acosh", "asin", "asind", "asinh", "atan", "atan2", "atan2d", "atand", "atanh", "cbrt", "cos",
    "cosd", "cosh", "cot", "cotd", "exp", "dexp", "ln", "dlog1", "log", "log10", "dlog10", "pow", "power", "^", "||/",
    "sin", "sind", "sinh", "tan", "tand", "tanh",
];

/// What is not asked: the answer depends on the moment, the session or chance.
pub(crate) const NOT_ASKED: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "random",
    "gen_random_uuid",
    "age(timestamp)",
    "age(timestamptz)",
    "version",
    "current_database",
    "current_user",
    "session_user",
    "getpgusername",
    "current_setting",
    "set_config",
    "pg_backend_pid",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_postmaster_start_time",
    "pg_conf_load_time",
    "txid_current",
    "txid_current_if_assigned",
    "current_schema",
    "current_schemas",
    // Names come from the catalog, which there is none of here.
    "pg_typeof",
    "to_regclass",
    "to_regtype",
    "to_regproc",
    "to_regprocedure",
    "to_regoper",
    "to_regoperator",
    "to_regnamespace",
    "to_regrole",
    "to_regcollation",
    "obj_description",
    "col_description",
    "shobj_description",
    // Only the three encodings that are supported have a name.
    "pg_encoding_to_char",
    // Their rows are of columns that a statement defines: records.rs asks them.
    "json_to_record",
    "jsonb_to_record",
    "json_to_recordset",
    "jsonb_to_recordset",
    "json_populate_record",
    "jsonb_populate_record",
    "json_populate_recordset",
    "jsonb_populate_recordset",
];

/// Entries and arguments whose answers differ: (parts of the statement, reason).
pub(crate) const DIFFERENT: &[(&str, &str)] = &[
    (
        "\"lastval\"()",
        "sequences are a session's of a server, which there is none of in this test: tests/slt/pg_session_sequences.slt",
    ),
    ("\"pg_get_serial_sequence\"(", "the same"),
    ("::json[]", "arrays of json have no equality: refused before values are seen, there where two are compared"),
    ("'abc'::name)", "an encoding's alias: only UTF-8, LATIN1 and ASCII are converted, others are refused by name"),
    ("\"convert\"(", "the order of its two checks"),
    ("timestamp with time zone, 'infinity'::timestamp with time zone)", "the same"),
    ("timestamp with time zone, '-infinity'::timestamp with time zone)", "the same"),
    ("'1'::text, '", "a zone of POSIX that is a number without a name is not supported"),
    ("'-12.5'::text, '", "the same"),
    ("zone, '1'::text)", "the same"),
    (
        "\"make_interval\"('2147483647'",
        "years and months that do not fit wrap around in PostgreSQL 15; refused, as by PostgreSQL 17",
    ),
    ("\"make_interval\"('-2147483648'", "the same"),
    ("\"make_interval\"( … '1e308'", "the same"),
    ("\"width_bucket\"( … '1e308'", "a bucket beyond the last by rounding is the least integer there"),
    ("\"make_interval\"( … '2147483647'", "the same"),
    ("\"make_interval\"( … '-2147483648'", "the same"),
    ("\"date_trunc\"( … '-12.5'::text)", "a zone of POSIX that is a number without a name is not supported"),
    ("\"age\"('infinity'", "PostgreSQL 15 computes with the infinity's number; refused, as by PostgreSQL 17"),
    ("\"age\"('-infinity'", "the same"),
    ("'infinity'::timestamp without time zone)", "the same, of its second argument"),
];

/// Casts whose answers differ: (part of the statement, reason).
pub(crate) const CASTS_DIFFERENT: &[(&str, &str)] = &[
    ("''::\"char\"::character(5)", "an empty \"char\" is a zero byte there, and no character here: it is padded"),
    ("'-1'::integer::\"char\"", "a \"char\" beyond ASCII is no text in UTF-8; refused"),
];

/// Aggregates whose answers differ: (part of the statement, reason).
pub(crate) const AGGREGATES_DIFFERENT: &[(&str, &str)] = &[
    (
        "(VALUES … ::json[]",
        "arrays of json have no order: refused before values are seen, there where two are compared",
    ),
    ("\"mode\" … ::numeric", "of equal values that print differently either may be the one"),
    ("\"mode\" … ::interval", "the same"),
    ("\"mode\" … ::double precision", "the same"),
    ("\"percentile_disc\" … , '0'::numeric", "the same"),
    ("\"percentile_disc\" … ::numeric)", "the same"),
    ("\"percentile_disc\" … ::interval", "the same"),
    ("\"percentile_disc\" … ::double precision)", "the same"),
    ("\"percentile_disc\" … ::jsonb", "the same"),
    (
        "percentile_cont\"('{0,0.25,1}'",
        "of equal values that print differently (0 and -0, a month and 30 days) either may be the one",
    ),
    ("percentile_cont\"('0.5' … '24:00:00'::interval", "the same"),
];

/// Entries whose declaration differs from the catalog's: (entry, reason).
pub(crate) const CATALOG_DIFFERENT: &[(&str, &str)] = &[
    ("json_to_record(json)", "a set of one row: it may stand in FROM only, there too"),
    ("jsonb_to_record(jsonb)", "the same"),
];

/// What users should know of the differences: (where, why).
pub(crate) const DOCUMENTED: &[(&str, &str)] = &[
    (
        "regular expressions",
        "back references, looking around and the syntaxes of `(?b)` and `(?e)` are refused (0A000)",
    ),
    (
        "`convert`, `convert_from`, `convert_to`",
        "UTF-8, LATIN1 and SQL_ASCII only; other encodings are refused (0A000)",
    ),
    ("`\"char\"`", "ASCII only"),
    (
        "`age`, `make_interval`, `to_char(integer, '…V…')`",
        "refuse where PostgreSQL 15 computes with an infinity's number or wraps around; later versions refuse, too",
    ),
    ("`AT TIME ZONE '1'`", "zones of POSIX that are a number without a name are refused"),
    (
        "`min`, `max`",
        "of equal values that print differently (1.0, 1.00) the same one whatever the order of the rows; PostgreSQL gives the last",
    ),
    ("`percentile_cont`, `mode`", "of equal values that print differently either may be the one"),
    ("`pg_encoding_to_char`", "names the three encodings that are supported"),
    ("sine, logarithm and other transcendental functions", "may differ from PostgreSQL in the last digit"),
];

/// Formats whose answers differ: (parts of the statement, reason).
pub(crate) const FORMATS_DIFFERENT: &[(&str, &str)] = &[(
    "'2147483647'::integer … 9V9",
    "a product that does not fit an integer wraps around in PostgreSQL 15; refused, as by later versions",
)];
