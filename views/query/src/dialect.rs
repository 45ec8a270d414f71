//! The dialect: the parser's PostgreSQL, but for what takes it exponential time.
//!
//! A name before `=>` is a name here. The parser's own dialect tries an expression there first, which takes twice as long for every
//! call inside a call. BETWEEN SYMMETRIC and `text SIMILAR pattern ESCAPE sign`, as SUBSTRING takes it, become calls that have no
//! other name. What IS DISTINCT FROM compares with ends before AND and OR.

use std::any::TypeId;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    UnaryOperator,
};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// PostgreSQL's dialect.
#[derive(Debug)]
pub(crate) struct PostgreSql;

impl Dialect for PostgreSql {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(_identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn supports_unicode_string_literal(&self) -> bool {
        POSTGRES.supports_unicode_string_literal()
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(kw)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        // Those of patterns bind as any operator that is not of arithmetic or comparison, not as `=` does.
        match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => Some(Ok(POSTGRES.prec_value(Precedence::PgOther))),
            Token::Word(word) if word.keyword == Keyword::OPERATOR => {
                Some(Ok(POSTGRES.prec_value(Precedence::PgOther)))
            }
            Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("isnull") => {
                Some(Ok(POSTGRES.prec_value(Precedence::Is)))
            }
            _ => POSTGRES.get_next_precedence(parser),
        }
    }

    /// Such an operator before its operand binds no closer than between two: `@ -5 + 1` is 4.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let op = match &parser.peek_token_ref().token {
            Token::AtSign => UnaryOperator::PGAbs,
            Token::PGSquareRoot => UnaryOperator::PGSquareRoot,
            Token::PGCubeRoot => UnaryOperator::PGCubeRoot,
            Token::Tilde => UnaryOperator::BitwiseNot,
            _ => return None,
        };
        parser.advance_token();
        let operand = parser.parse_subexpr(POSTGRES.prec_value(Precedence::PgOther));
        Some(operand.map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        POSTGRES.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        POSTGRES.supports_group_by_expr()
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let word = |parser: &Parser, nth: usize, word: &str| {
            matches!(&parser.peek_nth_token_ref(nth).token, Token::Word(found)
                if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
        };
        let negated = word(parser, 0, "not");
        let at = usize::from(negated);
        let both = |side: &str| word(parser, at, "between") && word(parser, at + 1, side);
        if both("symmetric") || both("asymmetric") {
            let symmetric = both("symmetric");
            return Some(between(parser, expr, at + 2, symmetric, negated));
        }
        // The parser takes all that follows for the right side, AND and OR too.
        let after_is = 1 + usize::from(word(parser, 1, "not"));
        if word(parser, 0, "is") && word(parser, after_is, "distinct") && word(parser, after_is + 1, "from") {
            return Some(distinct_from(parser, expr, after_is + 2));
        }
        // The parser takes it behind columns and casts only.
        if word(parser, 0, "collate") {
            parser.advance_token();
            let collation = parser.parse_object_name(false);
            return Some(collation.map(|collation| Expr::Collate { expr: Box::new(expr.clone()), collation }));
        }
        if word(parser, 0, "isnull") {
            parser.advance_token();
            return Some(Ok(Expr::IsNull(Box::new(expr.clone()))));
        }
        if word(parser, 0, "similar") && !word(parser, 1, "to") {
            return Some(similar(parser, expr));
        }
        None
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        POSTGRES.prec_value(prec)
    }

    fn allow_extract_custom(&self) -> bool {
        POSTGRES.allow_extract_custom()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        POSTGRES.allow_extract_single_quotes()
    }

    fn supports_create_index_with_clause(&self) -> bool {
        POSTGRES.supports_create_index_with_clause()
    }

    fn supports_explain_with_utility_options(&self) -> bool {
        POSTGRES.supports_explain_with_utility_options()
    }

    fn supports_listen_notify(&self) -> bool {
        POSTGRES.supports_listen_notify()
    }

    fn supports_factorial_operator(&self) -> bool {
        POSTGRES.supports_factorial_operator()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        POSTGRES.supports_bitwise_shift_operators()
    }

    fn supports_comment_on(&self) -> bool {
        POSTGRES.supports_comment_on()
    }

    fn supports_load_extension(&self) -> bool {
        POSTGRES.supports_load_extension()
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        POSTGRES.supports_named_fn_args_with_colon_operator()
    }

    fn supports_empty_projections(&self) -> bool {
        POSTGRES.supports_empty_projections()
    }

    fn supports_nested_comments(&self) -> bool {
        POSTGRES.supports_nested_comments()
    }

    fn supports_string_escape_constant(&self) -> bool {
        POSTGRES.supports_string_escape_constant()
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        POSTGRES.supports_numeric_literal_underscores()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        POSTGRES.supports_array_typedef_with_brackets()
    }

    fn supports_geometric_types(&self) -> bool {
        POSTGRES.supports_geometric_types()
    }

    fn supports_set_names(&self) -> bool {
        POSTGRES.supports_set_names()
    }

    fn supports_alter_column_type_using(&self) -> bool {
        POSTGRES.supports_alter_column_type_using()
    }

    fn supports_notnull_operator(&self) -> bool {
        POSTGRES.supports_notnull_operator()
    }

    fn supports_interval_options(&self) -> bool {
        POSTGRES.supports_interval_options()
    }

    fn supports_insert_table_alias(&self) -> bool {
        POSTGRES.supports_insert_table_alias()
    }

    fn supports_create_table_like_parenthesized(&self) -> bool {
        POSTGRES.supports_create_table_like_parenthesized()
    }

    fn supports_select_wildcard_with_alias(&self) -> bool {
        POSTGRES.supports_select_wildcard_with_alias()
    }

    fn supports_comma_separated_trim(&self) -> bool {
        POSTGRES.supports_comma_separated_trim()
    }

    fn supports_xml_expressions(&self) -> bool {
        POSTGRES.supports_xml_expressions()
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        POSTGRES.supports_comment_optimizer_hint()
    }
}

fn between(
    parser: &mut Parser,
    expr: &Expr,
    words: usize,
    symmetric: bool,
    negated: bool,
) -> Result<Expr, ParserError> {
    (0..words).for_each(|_| parser.advance_token());
    let precedence = POSTGRES.prec_value(Precedence::Between);
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    if !symmetric {
        let (expr, low, high) = (Box::new(expr.clone()), Box::new(low), Box::new(high));
        return Ok(Expr::Between { expr, negated, low, high });
    }
    let call = call(crate::bind::BETWEEN_SYMMETRIC, vec![expr.clone(), low, high]);
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(call) } } else { call })
}

fn distinct_from(parser: &mut Parser, expr: &Expr, words: usize) -> Result<Expr, ParserError> {
    (0..words).for_each(|_| parser.advance_token());
    let right = Box::new(parser.parse_subexpr(POSTGRES.prec_value(Precedence::Is))?);
    let left = Box::new(expr.clone());
    Ok(if words == 3 { Expr::IsDistinctFrom(left, right) } else { Expr::IsNotDistinctFrom(left, right) })
}

fn similar(parser: &mut Parser, expr: &Expr) -> Result<Expr, ParserError> {
    parser.advance_token();
    let pattern = parser.parse_expr()?;
    parser.expect_keyword_is(Keyword::ESCAPE)?;
    let escape = parser.parse_expr()?;
    Ok(call(crate::bind::SUBSTRING_SIMILAR, vec![expr.clone(), pattern, escape]))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
