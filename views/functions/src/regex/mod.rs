//! Regular expressions with PostgreSQL's meaning
//! (<https://www.postgresql.org/docs/15/functions-matching.html#FUNCTIONS-POSIX-REGEXP>): its advanced syntax, and its rule of
//! which match is *the* match: the leftmost, of those the longest or the shortest as the expression prefers, and likewise for the
//! parts in parentheses. Libraries of Perl's rule give another answer for `a|ab`.
//!
//! The text is parsed to a tree; automata of `regex-automata` find where a match begins and ends; what the parentheses matched is
//! their answer where both rules agree, and otherwise found by walking the tree. Back references and looking around are refused.
//! Letters have case and are words in ASCII only, as in PostgreSQL's collation C.

mod bracket;
mod dissect;
mod escape;
mod parse;
mod pattern;
mod tree;

pub(crate) use pattern::{Captures, Regex};
pub(crate) use tree::Options;
