//! PostgreSQL's own constructs in words that DataFusion plans, where the crate's rewriting has none.
//!
//! Runs before the crate's rewriting. What it makes calls functions of `names` and `arrays`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinOperator, ObjectName, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, UnaryOperator, Value, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// System relations that hold no rows here: what is gathered from them is empty.
const EMPTY: [&str; 13] = [
    "pg_attrdef",
    "pg_collation",
    "pg_auth_members",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_enum",
];

/// Rewrites a query in place.
pub(super) fn rewrite(query: &mut Query) {
    if let Some(known) = types_of_asyncpg(query) {
        *query = known;
        return;
    }
    // What is visited is only read and replaced: nothing breaks off.
    let _: ControlFlow<()> = query.visit(&mut Rewriting);
}

/// What asyncpg asks of types that it does not know, arrays among them: a recursive query that DataFusion does not run.
/// There are no composite types, domains and ranges here, so two steps answer it: the types, and their elements.
const ASYNCPG_TYPES: &str = "
    SELECT t.oid, 'pg_catalog' AS ns, t.typname AS name, 'b' AS kind, CAST(NULL AS text) AS basetype,
        nullif(t.typelem, 0) AS elemtype, ',' AS elemdelim, CAST(NULL AS text) AS range_subtype,
        CAST(NULL AS text) AS attrtypoids, CAST(NULL AS text) AS attrnames, 0 AS depth,
        CAST(NULL AS text) AS basetype_name, e.typname AS elemtype_name, CAST(NULL AS text) AS range_subtype_name
    FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
    WHERE t.oid = ANY(CAST($1 AS bigint[]))
    UNION ALL
    SELECT e.oid, 'pg_catalog', e.typname, 'b', CAST(NULL AS text), nullif(e.typelem, 0), ',', CAST(NULL AS text),
        CAST(NULL AS text), CAST(NULL AS text), 1, CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON e.oid = t.typelem
    WHERE t.oid = ANY(CAST($1 AS bigint[]))
    ORDER BY depth DESC";

fn types_of_asyncpg(query: &Query) -> Option<Query> {
    let first = query.with.as_ref()?.cte_tables.first()?;
    if first.alias.name.value != "typeinfo_tree" {
        return None;
    }
    match crate::parse::parse(ASYNCPG_TYPES).ok()?.pop()?.statement {
        crate::Statement::Query(known) => Some(*known),
        _ => None,
    }
}

struct Rewriting;

impl VisitorMut for Rewriting {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        each_select(&mut query.body, &mut |select| {
            if reads_nothing(select) {
                let _: ControlFlow<()> = select.projection.visit(&mut NoSubqueries);
            }
            let _: ControlFlow<()> = select.projection.visit(&mut Existence);
            select.projection.iter_mut().for_each(show_name);
            let _: ControlFlow<()> = select.projection.visit(&mut ScalarSubqueries);
            for predicate in [&mut select.selection, &mut select.having].into_iter().flatten() {
                let _: ControlFlow<()> = predicate.visit(&mut ScalarSubqueries);
            }
        });
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(rewritten) = rewritten(expr) {
            *expr = rewritten;
        }
        ControlFlow::Continue(())
    }
}

fn each_select(body: &mut SetExpr, act: &mut impl FnMut(&mut Select)) {
    match body {
        SetExpr::Select(select) => act(select),
        SetExpr::SetOperation { left, right, .. } => {
            each_select(left, act);
            each_select(right, act);
        }
        _ => {}
    }
}

/// A number that the client sees as a name: `c.oid::regclass` as a column of the answer.
fn show_name(item: &mut SelectItem) {
    // Whatever is no plain column has been named before.
    let SelectItem::ExprWithAlias { expr, .. } = item else { return };
    let Expr::Cast { expr: number, data_type, .. } = &*expr else { return };
    let Some(kind) = reg_type(data_type) else { return };
    *expr = name_of(kind, number);
}

fn column_name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
        _ => None,
    }
}

fn rewritten(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Cast { expr: inner, data_type, kind: CastKind::Cast | CastKind::DoubleColon, .. } => {
            match (reg_type(data_type), inner.as_ref()) {
                // A name's number.
                (Some(kind), inner) if is_name(inner) => Some(call(&format!("{kind}_oid"), [inner.clone()])),
                // A number's name.
                (None, Expr::Cast { expr: number, data_type: reg, .. }) if is_text(data_type) => {
                    Some(name_of(reg_type(reg)?, number))
                }
                _ => None,
            }
        }
        // The array may be kept as text in the crate's relations.
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if column_name(right).is_some() => {
            Some(call("is_element", [right.as_ref().clone(), left.as_ref().clone()]))
        }
        Expr::Function(function) if last_name(&function.name) == "array" => match &function.args {
            FunctionArguments::Subquery(query) => Some(gathered(query)),
            _ => None,
        },
        // Vectors of numbers are kept as text.
        Expr::Function(function) if ["unnest", "generate_subscripts"].contains(&last_name(&function.name).as_str()) => {
            let vector = first_argument(function)?;
            let name = column_name(vector)?.value.to_lowercase();
            let known = ["indkey", "indclass", "indoption", "conkey", "confkey"].contains(&name.as_str());
            let list = if last_name(&function.name) == "unnest" { "numbers" } else { "subscripts" };
            known.then(|| call("unnest", [call(list, [vector.clone()])]))
        }
        // What SQLAlchemy gathers of collations and identities, of which there are none.
        Expr::Function(function) if last_name(&function.name) == "json_build_object" => {
            let text = function.args.to_string();
            (text.contains("collname") || text.contains("seqstart")).then(null_text)
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: Some(escape) } if matches!(&escape.value, Value::SingleQuotedString(text) if text == "/") =>
        {
            let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
            let pattern = Box::new(call("replace", [pattern.as_ref().clone(), text("/"), text("\\")]));
            Some(Expr::Like { negated: *negated, any: false, expr: expr.clone(), pattern, escape_char: None })
        }
        // Rights that the crate's relations keep as text: there are none.
        Expr::Function(function) if last_name(&function.name) == "array_to_string" => {
            let name = column_name(first_argument(function)?)?.value.to_lowercase();
            ["typacl", "proacl", "lanacl", "spcacl", "fdwacl", "srvacl"].contains(&name.as_str()).then(null_text)
        }
        _ => None,
    }
}

fn first_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(first)) => Some(first),
        _ => None,
    }
}

fn null_text() -> Expr {
    let (kind, expr) = (CastKind::Cast, Box::new(Expr::Value(Value::Null.into())));
    Expr::Cast { kind, expr, data_type: DataType::Text, array: false, format: None }
}

/// `regclass`, `regtype`, `regnamespace` or `regrole`.
fn reg_type(data_type: &DataType) -> Option<&'static str> {
    let name = data_type.to_string().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    ["regclass", "regtype", "regnamespace", "regrole"].into_iter().find(|kind| *kind == name)
}

fn is_text(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    ["text", "varchar", "character varying", "name"].contains(&name)
}

/// Whether this is a name rather than a number.
fn is_name(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else { return false };
    matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_))
}

/// The name of a number, or of what a name stands for.
fn name_of(kind: &str, number: &Expr) -> Expr {
    let number = match is_name(number) {
        true => call(&format!("{kind}_oid"), [number.clone()]),
        false => number.clone(),
    };
    match kind {
        "regtype" => call("format_type", [number, Expr::Value(Value::Null.into())]),
        _ => call(&format!("{kind}_name"), [number]),
    }
}

fn last_name(name: &ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

fn call(name: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    call_ordered(name, args, Vec::new())
}

fn call_ordered(name: &str, args: impl IntoIterator<Item = Expr>, order: Vec<OrderByExpr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    let clauses = if order.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(order)] };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `ARRAY(SELECT …)`: the rows as an array, empty where there are none.
fn gathered(query: &Query) -> Expr {
    let (whole, mut query) = (query, query.clone());
    let order = ordering(&query);
    let Some(select) = simple_select(&mut query) else { return of_rows(whole) };
    if reads_nothing(select) {
        return call("no_elements", []);
    }
    let Some(element) = single_expr(select) else { return of_rows(whole) };
    let order = order.into_iter().map(|mut by| {
        if matches!(&by.expr, Expr::Value(value) if value.value.to_string() == "1") {
            by.expr = element.clone();
        }
        by
    });
    let all = call_ordered("array_agg", [element.clone()], order.collect());
    select.projection = vec![SelectItem::UnnamedExpr(all)];
    query.order_by = None;
    call("elements", [Expr::Subquery(Box::new(query))])
}

/// The rows of a query with groups, limits or set operations.
fn of_rows(query: &Query) -> Expr {
    let gathering =
        Parser::parse_sql(&PostgreSqlDialect {}, "SELECT array_agg(element) FROM (SELECT 1) AS rows (element)");
    let mut outer = match gathering.expect("a constant text parses").pop() {
        Some(Statement::Query(outer)) => outer,
        _ => unreachable!("the text is a query"),
    };
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        **subquery = query.clone();
    }
    call("elements", [Expr::Subquery(outer)])
}

fn ordering(query: &Query) -> Vec<OrderByExpr> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(exprs)) => exprs.clone(),
        _ => Vec::new(),
    }
}

/// The SELECT of a query that is nothing more, with neither groups nor limits.
fn simple_select(query: &mut Query) -> Option<&mut Select> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    (!grouped && select.having.is_none() && select.distinct.is_none()).then_some(select)
}

fn single_expr(select: &Select) -> Option<Expr> {
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr.clone()),
        _ => None,
    }
}

/// Whether an expression has a value of no rows: it may count them.
fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let name = last_name(&function.name);
    !name.starts_with("pg_get_") && name != "json_build_object"
}

/// Whether a SELECT reads a relation without rows, or the options of relations, which have none.
fn reads_nothing(select: &Select) -> bool {
    let outer = |join: &Join| {
        matches!(join.join_operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_))
    };
    select.from.iter().any(|from| match &from.relation {
        _ if from.joins.iter().any(outer) => false,
        TableFactor::Table { name, args: None, .. } => EMPTY.contains(&last_name(name).as_str()),
        other => other.to_string().to_lowercase().contains("unnest(") && other.to_string().contains("reloptions"),
    })
}

/// Subqueries of each row where there are no rows. DataFusion would have to plan them all the same.
struct NoSubqueries;

impl VisitorMut for NoSubqueries {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if matches!(function.args, FunctionArguments::Subquery(_)) => {
                *expr = call("no_elements", []);
            }
            // The crate's relations keep arrays as text, which cannot be joined.
            Expr::Function(function) if last_name(&function.name) == "array_to_string" => {
                *expr = Expr::Value(Value::Null.into());
            }
            Expr::Subquery(_) => *expr = Expr::Value(Value::Null.into()),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `EXISTS (…)` as a value, which DataFusion plans in conditions only.
struct Existence;

impl VisitorMut for Existence {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Exists { subquery, negated } = expr else { return ControlFlow::Continue(()) };
        let mut query = subquery.as_ref().clone();
        let Some(select) = simple_select(&mut query) else { return ControlFlow::Continue(()) };
        let boolean = |value| Expr::Value(Value::Boolean(value).into());
        select.projection = vec![SelectItem::UnnamedExpr(call("bool_or", [boolean(true)]))];
        let exists = call("coalesce", [Expr::Subquery(Box::new(query)), boolean(false)]);
        *expr = match negated {
            true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(exists) },
            false => exists,
        };
        ControlFlow::Continue(())
    }
}

/// `(SELECT x FROM … WHERE outer = inner)` in a condition: DataFusion asks that it be seen to have one row.
struct ScalarSubqueries;

impl VisitorMut for ScalarSubqueries {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Subquery(query) = expr else { return ControlFlow::Continue(()) };
        let Some(select) = simple_select(query) else { return ControlFlow::Continue(()) };
        if reads_nothing(select) && single_expr(select).is_some_and(|value| !is_aggregate(&value)) {
            *expr = null_text();
            return ControlFlow::Continue(());
        }
        if select.selection.is_some()
            && let Some(value) = single_expr(select)
            && !is_aggregate(&value)
        {
            select.projection = vec![SelectItem::UnnamedExpr(call("first_value", [value]))];
        }
        ControlFlow::Continue(())
    }
}
