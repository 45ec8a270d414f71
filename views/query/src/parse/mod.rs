//! Text to the parser's tree, with what the parser does not know of PostgreSQL's grammar spelled another way before.

mod clauses;
mod respell;
mod words;

use sqlparser::ast::Statement;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{TokenWithSpan, Tokenizer, TokenizerError};
use tidewater_types::{Result, SqlError};

use crate::dialect::PostgreSql;

/// How deep the parser may recurse: less than its stack allows.
const DEPTH_MAX: usize = 200;

/// Parses statements.
///
/// # Errors
/// 42601.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    let tokens = tokens(text).map_err(|error| SqlError::new(b"42601", error.to_string()))?;
    parser(tokens).parse_statements().map_err(|error| refusal(&error))
}

/// The tokens of a text, spelled as [`parser`] takes them.
///
/// # Errors
/// What is no token, and where.
pub fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Ok(respell::respelled(Tokenizer::new(&PostgreSql, text).tokenize_with_location()?))
}

/// A parser of tokens.
pub fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&PostgreSql).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens)
}

/// The words of the parser's refusal as PostgreSQL says it.
pub fn refusal(error: &ParserError) -> SqlError {
    match error {
        ParserError::RecursionLimitExceeded => {
            let hint = "an expression or query is nested too deeply";
            SqlError::new(b"54001", "stack depth limit exceeded").hint(hint)
        }
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => {
            let found = message.split("found: ").nth(1).map(|rest| rest.split(" at Line").next().unwrap_or(rest));
            match found {
                Some("EOF") => SqlError::new(b"42601", "syntax error at end of input"),
                Some(token) => SqlError::new(b"42601", format!("syntax error at or near \"{token}\"")),
                None => SqlError::new(b"42601", format!("syntax error: {message}")),
            }
        }
    }
}
