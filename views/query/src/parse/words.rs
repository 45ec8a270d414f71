//! Looking at tokens: the next one, the closing parenthesis, words.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

pub(super) fn name(text: &str) -> Token {
    Token::Word(Word { value: text.to_owned(), quote_style: Some('"'), keyword: none() })
}

/// The next token after `at` that is no blank.
pub(super) fn following(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at + 1..tokens.len()).find(|next| !matches!(tokens[*next].token, Token::Whitespace(_)))
}

/// The parenthesis that closes the one at `open`; the end if none does.
pub(super) fn closing(tokens: &[TokenWithSpan], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return at,
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

pub(super) fn begins_subquery(token: &TokenWithSpan) -> bool {
    ["select", "with", "values"].iter().any(|word| is_word(token, word))
}

pub(super) fn none() -> sqlparser::keywords::Keyword {
    sqlparser::keywords::Keyword::NoKeyword
}

pub(super) fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}
