//! Small clauses that the parser does not know, one after another where they stand: BETWEEN SYMMETRIC, ORDER BY … USING, LIKE ANY,
//! GROUP BY DISTINCT, `(row).*`, EXCLUDE, and others.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::words::{begins_subquery, closing, following, is_word, name};
use crate::bind::{
    ALL_FIELDS, DISTINCT_SETS, EXCLUDES, LIMITS, MERGED_ALIAS, MUTUALLY_RECURSIVE, OVERRIDING, REFUSED_WITH,
};
use crate::dialect::PostgreSql;

/// Writes what stands at `at` another way, if the parser needs it, and says where to go on.
pub(super) fn respell(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    match &tokens[at].token {
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => continued_string(tokens, at, out),
        Token::CustomBinaryOperator(operator) => shorter_operator(operator, tokens, at, out),
        Token::Period => all_fields(tokens, at, out),
        Token::Word(word) if word.quote_style.is_none() => {
            let clause = match word.value.to_ascii_lowercase().as_str() {
                "using" => using,
                "group" => group_by,
                "like" | "ilike" => like_any,
                "not" => not_like_any,
                "from" | "join" => from_only,
                "leading" | "trailing" | "both" => trim_from,
                "trim" => trim_open,
                "exclude" => exclude,
                "interval" => interval,
                "array" => array_type,
                "with" => mutually_recursive,
                "search" => search,
                "cycle" => cycle,
                "overriding" => overriding,
                "identity" => identity_options,
                _ => return None,
            };
            clause(tokens, at, out)
        }
        _ => None,
    }
}

/// `OVERRIDING SYSTEM VALUE` of an INSERT, as what the parser knows to stand there.
fn overriding(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let whose = following(tokens, at)?;
    let value = following(tokens, whose).filter(|value| is_word(&tokens[*value], "value"))?;
    let which = ["system", "user"].iter().position(|word| is_word(&tokens[whose], word))?;
    let mut before = out.iter().rev().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let behind_columns = before.next().is_some_and(|last| last.token == Token::RParen);
    let behind_alias = before.next().is_some_and(|token| is_word(token, "as"));
    if behind_columns || behind_alias {
        push(out, Token::make_keyword("PARTITION"), &tokens[at]);
        push(out, Token::LParen, &tokens[at]);
        push(out, name(OVERRIDING[which]), &tokens[whose]);
        push(out, Token::RParen, &tokens[value]);
    } else {
        // There the parser takes a name for an alias, whatever it is.
        push(out, Token::make_keyword("AS"), &tokens[at]);
        push(out, Token::Whitespace(Whitespace::Space), &tokens[at]);
        push(out, name(OVERRIDING[which]), &tokens[whose]);
    }
    push(out, Token::Whitespace(Whitespace::Space), &tokens[value]);
    Some(value + 1)
}

/// The options of a sequence in the order in which the parser reads them.
const SEQUENCE_OPTIONS: [&str; 6] = ["increment", "minvalue", "maxvalue", "start", "cache", "cycle"];

/// `IDENTITY (START 5 INCREMENT 2)`: options stand in any order.
fn identity_options(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let open = following(tokens, at).filter(|open| tokens[*open].token == Token::LParen)?;
    let close = closing(tokens, open);
    let mut options: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut negated = None;
    for token in tokens.get(open + 1..close)?.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))) {
        if is_word(token, "no") {
            negated = Some(token.clone());
        } else if let Some(rank) = SEQUENCE_OPTIONS.iter().position(|word| is_word(token, word)) {
            options.push((rank, negated.take().into_iter().chain([token.clone()]).collect()));
        } else {
            options.last_mut()?.1.push(token.clone());
        }
    }
    options.sort_by_key(|(rank, _)| *rank);
    out.extend([tokens[at].clone(), tokens[open].clone()]);
    for token in options.into_iter().flat_map(|(_, option)| option) {
        let space = TokenWithSpan { token: Token::Whitespace(Whitespace::Space), span: token.span };
        out.extend([token, space]);
    }
    Some(close)
}

/// `'a'` and on another line `'b'` are one string.
fn continued_string(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let (mut text, is_escaped) = match &tokens[at].token {
        Token::SingleQuotedString(text) => (text.clone(), false),
        Token::EscapedStringLiteral(text) => (text.clone(), true),
        _ => return None,
    };
    let mut end = at;
    while let Some(next) = following(tokens, end) {
        let Token::SingleQuotedString(more) = &tokens[next].token else { break };
        let is_break = |token: &TokenWithSpan| {
            matches!(token.token, Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }))
        };
        if !tokens[end + 1..next].iter().any(is_break) {
            break;
        }
        text += more;
        end = next;
    }
    if end == at {
        return None;
    }
    let token = if is_escaped { Token::EscapedStringLiteral(text) } else { Token::SingleQuotedString(text) };
    push(out, token, &tokens[at]);
    Some(end + 1)
}

/// `->>-1`: an operator ends in + or - only if it has a sign that standard SQL's operators have not
/// (<https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-SYNTAX-OPERATORS>).
fn shorter_operator(
    operator: &str,
    tokens: &[TokenWithSpan],
    at: usize,
    out: &mut Vec<TokenWithSpan>,
) -> Option<usize> {
    if operator.contains(|sign| "~!@#%^&|`?".contains(sign)) {
        return None;
    }
    let kept = operator.trim_end_matches(['+', '-']);
    if kept.is_empty() || kept.len() == operator.len() {
        return None;
    }
    let pieces = Tokenizer::new(&PostgreSql, kept).tokenize().ok()?;
    let signs = operator[kept.len()..].chars().map(|sign| if sign == '-' { Token::Minus } else { Token::Plus });
    for token in pieces.into_iter().chain(signs) {
        push(out, token, &tokens[at]);
    }
    Some(at + 1)
}

/// `(row).*`, `f(x).*`: a field that has no other name.
fn all_fields(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let before = out.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))?;
    let star = following(tokens, at).filter(|star| tokens[*star].token == Token::Mul)?;
    if !matches!(before.token, Token::RParen | Token::RBracket) {
        return None;
    }
    push(out, Token::Period, &tokens[at]);
    push(out, name(ALL_FIELDS), &tokens[star]);
    Some(star + 1)
}

/// `ORDER BY x USING <`, and `JOIN … USING (…) AS alias`, whose alias becomes a column that has no other name.
fn using(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let next = following(tokens, at)?;
    let direction = match tokens[next].token {
        Token::Lt => "ASC",
        Token::Gt => "DESC",
        Token::LParen => return merged_alias(tokens, at, next, out),
        _ => return None,
    };
    push(out, Token::make_keyword(direction), &tokens[next]);
    Some(next + 1)
}

fn merged_alias(tokens: &[TokenWithSpan], at: usize, open: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    if begins_subquery(&tokens[following(tokens, open)?]) {
        return None;
    }
    let close = closing(tokens, open);
    let word = following(tokens, close).filter(|word| is_word(&tokens[*word], "as"))?;
    let alias = following(tokens, word)?;
    let Token::Word(found) = &tokens[alias].token else { return None };
    let folded = if found.quote_style.is_some() { found.value.clone() } else { found.value.to_lowercase() };
    out.extend_from_slice(&tokens[at..close]);
    push(out, Token::Comma, &tokens[alias]);
    push(out, name(&format!("{MERGED_ALIAS}{folded}")), &tokens[alias]);
    push(out, Token::RParen, &tokens[alias]);
    Some(alias + 1)
}

/// `GROUP BY ALL x` is `GROUP BY x`; `GROUP BY DISTINCT x` has an item more, which has no other name.
fn group_by(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let by = following(tokens, at).filter(|by| is_word(&tokens[*by], "by"))?;
    let word = following(tokens, by)?;
    let distinct = is_word(&tokens[word], "distinct");
    if !distinct && !is_word(&tokens[word], "all") {
        return None;
    }
    push(out, Token::make_keyword("GROUP"), &tokens[at]);
    push(out, Token::make_keyword("BY"), &tokens[by]);
    if distinct {
        push(out, name(DISTINCT_SETS), &tokens[word]);
        push(out, Token::Comma, &tokens[word]);
    }
    Some(word + 1)
}

/// `x LIKE ANY (…)` is `x ~~ ANY (…)`.
fn like_any(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let end = quantifier(tokens, at)?;
    let folds = is_word(&tokens[at], "ilike");
    push(out, if folds { Token::DoubleTildeAsterisk } else { Token::DoubleTilde }, &tokens[at]);
    Some(end)
}

fn not_like_any(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let like = following(tokens, at)?;
    let folds = is_word(&tokens[like], "ilike");
    if !folds && !is_word(&tokens[like], "like") {
        return None;
    }
    let end = quantifier(tokens, like)?;
    let operator = if folds { Token::ExclamationMarkDoubleTildeAsterisk } else { Token::ExclamationMarkDoubleTilde };
    push(out, operator, &tokens[at]);
    Some(end)
}

/// The place of ANY, ALL or SOME with a parenthesis, right after `at`.
fn quantifier(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let word = following(tokens, at)?;
    let is_quantifier = ["any", "all", "some"].iter().any(|quantifier| is_word(&tokens[word], quantifier));
    let opens = following(tokens, word).is_some_and(|open| tokens[open].token == Token::LParen);
    (is_quantifier && opens).then_some(word)
}

/// No table has children, so `FROM ONLY t` is `FROM t`.
fn from_only(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let only = following(tokens, at).filter(|only| is_word(&tokens[*only], "only"))?;
    let next = following(tokens, only)?;
    if !matches!(tokens[next].token, Token::Word(_) | Token::LParen) {
        return None;
    }
    out.push(tokens[at].clone());
    out.extend(tokens[only + 1..next].iter().cloned());
    // A table in parentheses is a join of one table to the parser.
    let Token::LParen = tokens[next].token else { return Some(next) };
    let close = closing(tokens, next);
    out.extend(tokens.get(next + 1..close)?.iter().cloned());
    Some(close + 1)
}

/// `trim(leading from x)` is `trim(leading x)`.
fn trim_from(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let from = following(tokens, at).filter(|from| is_word(&tokens[*from], "from"))?;
    out.push(tokens[at].clone());
    Some(from + 1)
}

/// `trim(from x)` is `trim(x)`; `trim(leading x, y)` is `ltrim(x, y)`.
fn trim_open(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let open = following(tokens, at).filter(|open| tokens[*open].token == Token::LParen)?;
    let first = following(tokens, open)?;
    if is_word(&tokens[first], "from") {
        out.push(tokens[at].clone());
        out.push(tokens[open].clone());
        return Some(first + 1);
    }
    let function = ["leading", "trailing", "both"].iter().position(|word| is_word(&tokens[first], word))?;
    let close = closing(tokens, open);
    let mut depth = 0_usize;
    let mut commas = false;
    for token in tokens.get(first + 1..close)? {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => commas = true,
            // `trim(both x from y)` is the parser's own.
            Token::Word(_) if depth == 0 && is_word(token, "from") => return None,
            _ => {}
        }
    }
    if !commas {
        return None;
    }
    push(out, name(["ltrim", "rtrim", "btrim"][function]), &tokens[at]);
    out.push(tokens[open].clone());
    Some(first + 1)
}

/// `int ARRAY[3]` and `int ARRAY` are `int[]`.
fn array_type(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let before = out.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))?;
    let Token::Word(word) = &before.token else { return None };
    tidewater_types::Type::from_name(&word.value.to_lowercase())?;
    let mut end = at;
    if let Some(open) = following(tokens, at).filter(|open| tokens[*open].token == Token::LBracket) {
        let size = following(tokens, open).filter(|size| matches!(tokens[*size].token, Token::Number(..)))?;
        end = following(tokens, size).filter(|close| tokens[*close].token == Token::RBracket)?;
    }
    push(out, Token::LBracket, &tokens[at]);
    push(out, Token::RBracket, &tokens[at]);
    Some(end + 1)
}

/// `interval(1) 'x'` is `interval 'x' second(1)`.
fn interval(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let open = following(tokens, at).filter(|open| tokens[*open].token == Token::LParen)?;
    let digits = following(tokens, open).filter(|digits| matches!(tokens[*digits].token, Token::Number(..)))?;
    let close = following(tokens, digits).filter(|close| tokens[*close].token == Token::RParen)?;
    let text = following(tokens, close)?;
    if !matches!(tokens[text].token, Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)) {
        return None;
    }
    out.push(tokens[at].clone());
    out.push(tokens[text].clone());
    push(out, Token::make_keyword("SECOND"), &tokens[open]);
    out.extend([open, digits, close].map(|at| tokens[at].clone()));
    Some(text + 1)
}

/// WITH MUTUALLY RECURSIVE is WITH RECURSIVE and a query first of a name that no other has, which says the options.
fn mutually_recursive(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let mutually = following(tokens, at).filter(|word| is_word(&tokens[*word], "mutually"))?;
    let recursive = following(tokens, mutually).filter(|word| is_word(&tokens[*word], "recursive"))?;
    let limit = recursion_limit(tokens, recursive);
    out.push(tokens[at].clone());
    out.push(tokens[recursive].clone());
    let said = limit.as_ref().map(|(option, number, _)| (*option, number.clone()));
    query_of_name(out, MUTUALLY_RECURSIVE, said, &tokens[at]);
    push(out, Token::Comma, &tokens[recursive]);
    Some(limit.map_or(recursive, |(_, _, end)| end) + 1)
}

/// `([RETURN AT | ERROR AT] RECURSION LIMIT [=] n)`: what it is called, the number, the parenthesis.
fn recursion_limit(tokens: &[TokenWithSpan], before: usize) -> Option<(&'static str, Token, usize)> {
    let open = following(tokens, before).filter(|open| tokens[*open].token == Token::LParen)?;
    let mut at = following(tokens, open)?;
    let mut option = LIMITS[1];
    for (word, said) in [("return", LIMITS[0]), ("error", LIMITS[1])] {
        if is_word(&tokens[at], word) {
            option = said;
            at = following(tokens, at).filter(|at| is_word(&tokens[*at], "at"))?;
            at = following(tokens, at)?;
        }
    }
    let limit =
        following(tokens, at).filter(|limit| is_word(&tokens[at], "recursion") && is_word(&tokens[*limit], "limit"))?;
    let mut number = following(tokens, limit)?;
    if tokens[number].token == Token::Eq {
        number = following(tokens, number)?;
    }
    let close = following(tokens, number).filter(|close| tokens[*close].token == Token::RParen)?;
    matches!(tokens[number].token, Token::Number(..)).then(|| (option, tokens[number].token.clone(), close))
}

/// `SEARCH DEPTH FIRST BY x SET y` behind a query of WITH is refused so, too.
fn search(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let order = following(tokens, at)?;
    if !["depth", "breadth"].iter().any(|word| is_word(&tokens[order], word)) {
        return None;
    }
    following(tokens, order).filter(|first| is_word(&tokens[*first], "first"))?;
    behind_query(tokens, at, "set", REFUSED_WITH[0], out)
}

/// `CYCLE x SET y USING z`.
fn cycle(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    behind_query(tokens, at, "using", REFUSED_WITH[1], out)
}

/// A clause that ends with a word and a name behind it.
fn behind_query(
    tokens: &[TokenWithSpan],
    at: usize,
    last_word: &str,
    refused: &str,
    out: &mut Vec<TokenWithSpan>,
) -> Option<usize> {
    let before = out.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))?;
    if before.token != Token::RParen {
        return None;
    }
    let word = (at..tokens.len()).find(|word| is_word(&tokens[*word], last_word))?;
    let name = following(tokens, word).filter(|name| matches!(tokens[*name].token, Token::Word(_)))?;
    push(out, Token::Comma, &tokens[at]);
    refused_query(out, refused, &tokens[at]);
    Some(name + 1)
}

fn refused_query(out: &mut Vec<TokenWithSpan>, refused: &str, place: &TokenWithSpan) {
    query_of_name(out, refused, None, place);
}

/// `"of" AS (SELECT number AS "option")`
fn query_of_name(out: &mut Vec<TokenWithSpan>, of: &str, said: Option<(&str, Token)>, place: &TokenWithSpan) {
    let word = Token::make_keyword;
    let (option, number) = said.map_or((None, None), |(option, number)| (Some(option), Some(number)));
    let number = number.unwrap_or_else(|| Token::Number("1".to_owned(), false));
    let head = [name(of), word("AS"), Token::LParen, word("SELECT"), number];
    let alias = option.into_iter().flat_map(|option| [word("AS"), name(option)]);
    for token in head.into_iter().chain(alias).chain([Token::RParen]) {
        push(out, token, place);
    }
}

/// EXCLUDE at the end of a frame: an ORDER BY item more, which has no other name, for the parser has no place for it.
fn exclude(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let first = following(tokens, at)?;
    let second = following(tokens, first)?;
    let is = |at: usize, word: &str| is_word(&tokens[at], word);
    let (end, kind) = if is(first, "current") && is(second, "row") {
        (second, Some(EXCLUDES[0]))
    } else if is(first, "no") && is(second, "others") {
        (second, None)
    } else if is(first, "group") {
        (first, Some(EXCLUDES[1]))
    } else if is(first, "ties") {
        (first, Some(EXCLUDES[2]))
    } else {
        return None;
    };
    following(tokens, end).filter(|close| tokens[*close].token == Token::RParen)?;
    if let Some(kind) = kind {
        let units = ["rows", "range", "groups"];
        let frame = out.iter().rposition(|token| units.iter().any(|word| is_word(token, word)))?;
        let is_ordered = is_ordered(out, frame)?;
        let span = tokens[at].span;
        let head =
            if is_ordered { vec![Token::Comma] } else { vec![Token::make_keyword("ORDER"), Token::make_keyword("BY")] };
        let item = head.into_iter().chain([name(kind)]).map(|token| TokenWithSpan { token, span });
        out.splice(frame..frame, item);
    }
    Some(end + 1)
}

/// Whether the window whose frame begins at `frame` has an ORDER BY.
fn is_ordered(tokens: &[TokenWithSpan], frame: usize) -> Option<bool> {
    let mut depth = 0_usize;
    for token in tokens[..frame].iter().rev() {
        match token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return Some(false),
            Token::LParen => depth -= 1,
            Token::Word(_) if depth == 0 && is_word(token, "order") => return Some(true),
            _ => {}
        }
    }
    None
}

fn push(out: &mut Vec<TokenWithSpan>, token: Token, place: &TokenWithSpan) {
    out.push(TokenWithSpan { token, span: place.span });
}
