//! What the parser does not know of PostgreSQL's queries, in words that it knows; the binder knows the names that stand for it.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words::{begins_subquery, closing, following, is_word, name};

/// `ROWS FROM (` becomes a call of a function that has no other name, `TABLE name` a SELECT, a subquery at the head of a longer IN
/// list a call, VARIADIC an argument's name, and `ANY ((SELECT …) UNION …)` has a SELECT around it.
pub(super) fn respelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut closes: Vec<(usize, Vec<Token>)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let next = following(&tokens, at);
        if let Some(after) = super::clauses::respell(&tokens, at, &mut out) {
            at = after;
            continue;
        }
        if is_word(token, "rows") && next.is_some_and(|next| is_word(&tokens[next], "from")) {
            out.push(TokenWithSpan { token: name(crate::bind::ROWS_FROM), span: token.span });
            at = next.unwrap_or(at) + 1;
            continue;
        }
        if is_word(token, "variadic") && begins_argument(&out) {
            let named = [name(crate::bind::VARIADIC), Token::RArrow];
            out.extend(named.map(|token| TokenWithSpan { token, span: tokens[at].span }));
            at += 1;
            continue;
        }
        if is_word(token, "table") && begins_query(&out) {
            let word = |text: &str| Token::make_keyword(text);
            let select = [word("SELECT"), Token::Mul, word("FROM")];
            out.extend(select.map(|token| TokenWithSpan { token, span: tokens[at].span }));
            at += 1;
            continue;
        }
        out.push(token.clone());
        for (_, more) in closes.iter().filter(|(close, _)| *close == at) {
            out.extend(more.iter().map(|more| TokenWithSpan { token: more.clone(), span: token.span }));
        }
        if is_word(token, "in")
            && let Some(list) = next.filter(|next| tokens[*next].token == Token::LParen)
            && let Some(close) = value_in_list(&tokens, list)
        {
            let span = tokens[list].span;
            out.push(tokens[list].clone());
            out.push(TokenWithSpan { token: name(crate::bind::ONE_VALUE), span });
            out.push(tokens[list].clone());
            closes.push((close, vec![Token::RParen]));
            at = list + 1;
            continue;
        }
        if ["any", "all", "some"].iter().any(|word| is_word(token, word))
            && let Some(list) = next.filter(|next| tokens[*next].token == Token::LParen)
            && joins_subqueries(&tokens, list)
        {
            let keyword = |text: &str| Token::make_keyword(text);
            let head = [Token::LParen, keyword("SELECT"), Token::Mul, keyword("FROM")];
            out.extend(head.map(|token| TokenWithSpan { token, span: tokens[list].span }));
            closes.push((closing(&tokens, list), vec![name("rows"), Token::RParen]));
            at = list;
            continue;
        }
        at += 1;
    }
    out
}

/// Whether an argument may begin after these tokens.
fn begins_argument(before: &[TokenWithSpan]) -> bool {
    let last = before.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
    last.is_some_and(|last| matches!(last.token, Token::LParen | Token::Comma))
}

/// Where the subquery ends that an IN list begins with, if the list goes on after it.
fn value_in_list(tokens: &[TokenWithSpan], list: usize) -> Option<usize> {
    let first = following(tokens, list).filter(|first| tokens[*first].token == Token::LParen)?;
    following(tokens, first).filter(|inner| begins_subquery(&tokens[*inner]))?;
    let close = closing(tokens, first);
    let after = &tokens[following(tokens, close)?];
    let is_query = ["union", "except", "intersect", "order", "limit", "offset", "fetch"];
    let goes_on = after.token != Token::RParen && !is_query.iter().any(|word| is_word(after, word));
    goes_on.then_some(close)
}

/// Whether a query in parentheses is VALUES, or begins with one in parentheses that a set operation goes on with.
fn joins_subqueries(tokens: &[TokenWithSpan], open: usize) -> bool {
    if following(tokens, open).is_some_and(|first| is_word(&tokens[first], "values")) {
        return true;
    }
    let Some(first) = following(tokens, open).filter(|first| tokens[*first].token == Token::LParen) else {
        return false;
    };
    let inner = following(tokens, first).is_some_and(|inner| begins_subquery(&tokens[inner]));
    let after = following(tokens, closing(tokens, first));
    inner
        && after.is_some_and(|after| ["union", "except", "intersect"].iter().any(|word| is_word(&tokens[after], word)))
}

/// Whether a query may begin after these tokens.
fn begins_query(before: &[TokenWithSpan]) -> bool {
    match before.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_))) {
        None => true,
        Some(last) => {
            matches!(last.token, Token::SemiColon | Token::LParen)
                || ["union", "except", "intersect", "all"].iter().any(|word| is_word(last, word))
                || (!is_word(last, "into") && is_insert(before))
        }
    }
}

/// Whether the statement that these tokens begin is an INSERT.
fn is_insert(before: &[TokenWithSpan]) -> bool {
    let start = before.iter().rposition(|token| token.token == Token::SemiColon).map_or(0, |end| end + 1);
    let first = before[start..].iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    first.is_some_and(|first| is_word(first, "insert"))
}
