//! jsonpath: the language of paths through jsonb (<https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-SQLJSON-PATH>).
//!
//! A value of the type is its text in one canonical spelling; what computes with it reads that text again.

mod lex;
mod read;
mod write;

pub use read::parse;

use crate::NumericBuf;

/// A path, and how it takes what is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    /// `strict`: what is not there is an error, and arrays are not unwrapped.
    pub strict: bool,
    /// What it computes.
    pub root: PathItem,
}

/// A part of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum PathItem {
    /// `$`.
    Root,
    /// `@`, the item that a filter looks at.
    Current,
    /// `last`, the last subscript of the array.
    Last,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(NumericBuf),
    /// A string.
    String(String),
    /// `$name`, a value of the call.
    Variable(String),
    /// What steps lead to from an item.
    Steps(Box<PathItem>, Vec<Step>),
    /// `-x`, `+x`.
    Sign(char, Box<PathItem>),
    /// `x + y` and the like: `+ - * / %`.
    Arithmetic(char, Box<PathItem>, Box<PathItem>),
    /// `x == y` and the like.
    Compare(Comparison, Box<PathItem>, Box<PathItem>),
    /// `a && b`.
    And(Box<PathItem>, Box<PathItem>),
    /// `a || b`.
    Or(Box<PathItem>, Box<PathItem>),
    /// `!a`.
    Not(Box<PathItem>),
    /// `(a) is unknown`.
    IsUnknown(Box<PathItem>),
    /// `exists (x)`.
    Exists(Box<PathItem>),
    /// `x starts with y`.
    StartsWith(Box<PathItem>, Box<PathItem>),
    /// `x like_regex "pattern" flag "flags"`.
    LikeRegex(Box<PathItem>, String, String),
}

/// How two items are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `<>` or `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `.key`.
    Key(String),
    /// `.*`.
    AnyKey,
    /// `[*]`.
    AnyElement,
    /// `[1, 3 to last]`.
    Subscripts(Vec<(PathItem, Option<PathItem>)>),
    /// `.**{1 to last}`: levels, `None` for the last.
    AnyLevel(Option<u32>, Option<u32>),
    /// `? (predicate)`.
    Filter(PathItem),
    /// `.size()` and the like.
    Method(Method),
}

/// A method of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `.type()`.
    Type,
    /// `.size()`.
    Size,
    /// `.abs()`.
    Abs,
    /// `.floor()`.
    Floor,
    /// `.ceiling()`.
    Ceiling,
    /// `.double()`.
    Double,
    /// `.keyvalue()`.
    KeyValue,
    /// `.datetime()`.
    DateTime,
}

/// Methods by their names.
const METHODS: [(&str, Method); 8] = [
    ("type", Method::Type),
    ("size", Method::Size),
    ("abs", Method::Abs),
    ("floor", Method::Floor),
    ("ceiling", Method::Ceiling),
    ("double", Method::Double),
    ("keyvalue", Method::KeyValue),
    ("datetime", Method::DateTime),
];

/// Comparisons by their signs.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];

impl Method {
    /// Its name, without parentheses.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

impl PathItem {
    /// Whether it says yes, no or unknown.
    pub fn is_predicate(&self) -> bool {
        use PathItem as P;
        matches!(
            self,
            P::Compare(..)
                | P::And(..)
                | P::Or(..)
                | P::Not(_)
                | P::IsUnknown(_)
                | P::Exists(_)
                | P::StartsWith(..)
                | P::LikeRegex(..)
        )
    }
}
