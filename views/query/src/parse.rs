//! Text to the parser's tree, with what the parser does not know of PostgreSQL's grammar spelled another way before.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use tidewater_types::{Result, SqlError};

/// How deep the parser may recurse: less than its stack allows.
const DEPTH_MAX: usize = 200;

/// Parses statements.
///
/// # Errors
/// 42601.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| SqlError::new(b"42601", error.to_string()))?;
    let tokens = rewritten(tokens);
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
    parser.parse_statements().map_err(|error| refusal(&error))
}

/// The words of the parser's refusal as PostgreSQL says it.
fn refusal(error: &ParserError) -> SqlError {
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

/// `ROWS FROM (` becomes a call of a function that has no other name; VARIADIC before an argument a prefix that the parser takes.
fn rewritten(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut iter = tokens.into_iter().peekable();
    let mut waiting = Vec::new();
    while let Some(token) = iter.next() {
        if is_word(&token, "rows") {
            while iter.peek().is_some_and(|next| matches!(next.token, Token::Whitespace(_))) {
                waiting.extend(iter.next());
            }
            if iter.peek().is_some_and(|next| is_word(next, "from")) {
                iter.next();
                waiting.clear();
                let word = Word { value: crate::bind::ROWS_FROM.to_owned(), quote_style: Some('"'), keyword: none() };
                out.push(TokenWithSpan { token: Token::Word(word), span: token.span });
                continue;
            }
            out.push(token);
            out.append(&mut waiting);
            continue;
        }
        out.push(token);
    }
    out
}

fn none() -> sqlparser::keywords::Keyword {
    sqlparser::keywords::Keyword::NoKeyword
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}
