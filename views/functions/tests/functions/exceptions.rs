//! Where we differ from PostgreSQL, each with its reason. Everything else must be equal.

/// Functions whose last digit may differ: their float comes from a mathematical library, not from IEEE 754's rules.
pub(crate) const TRANSCENDENTAL: &[&str] = &[
    "acos", "acosd", "acosh", "asin", "asind", "asinh", "atan", "atan2", "atan2d", "atand", "atanh", "cbrt", "cos",
    "cosd", "cosh", "cot", "cotd", "exp", "dexp", "ln", "dlog1", "log", "log10", "dlog10", "pow", "power", "^", "||/",
    "sin", "sind", "sinh", "tan", "tand", "tanh",
];

/// What is not asked: the answer depends on the moment, the session or chance.
pub(crate) const NOT_ASKED: &[&str] =
    &["now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "random", "gen_random_uuid"];

/// Entries and arguments whose answers differ: (part of the statement, reason).
pub(crate) const DIFFERENT: &[(&str, &str)] = &[
    ("'abc'::name)", "an encoding's alias: only UTF-8, LATIN1 and ASCII are converted, others are refused by name"),
    ("\"convert\"(", "the order of its two checks"),
];
