//! Names of output columns without an alias, as PostgreSQL gives them (`FigureColname` in its parse_target.c): the function's
//! name, the column's, the type's of a cast, else `?column?`.
//!
//! DataFusion wants names that differ. Where PostgreSQL would repeat one, a number behind a mark that no name holds makes
//! them differ until the answer is shown.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    DataType, Distinct, Expr, FunctionArguments, Ident, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem,
    SetExpr, Value, VisitMut, VisitorMut,
};

/// Stands before the number of a repeated name.
const MARK: char = '\u{1}';

/// The query with a name for each output column of each SELECT in it.
pub(crate) fn named(mut query: Query) -> Query {
    // Nothing breaks off.
    let _: ControlFlow<()> = query.visit(&mut Naming);
    query
}

/// The columns as clients see them.
pub(crate) fn shown(schema: SchemaRef) -> SchemaRef {
    if schema.fields().iter().all(|field| !field.name().contains(MARK)) {
        return schema;
    }
    let bare = |name: &str| name.split(MARK).next().unwrap_or_default().to_owned();
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_name(bare(field.name())));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A name that two columns have.
pub(crate) fn repeated(schema: &Schema) -> Option<String> {
    let mut names = HashSet::new();
    let bare = |name: &str| name.split(MARK).next().unwrap_or_default().to_owned();
    schema.fields().iter().map(|field| bare(field.name())).find(|name| !names.insert(name.clone()))
}

struct Naming;

impl VisitorMut for Naming {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        name_body(&mut query.body);
        order_by_name(query);
        ControlFlow::Continue(())
    }
}

/// SELECT DISTINCT is ordered by its columns only, which DataFusion knows by their names.
fn order_by_name(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &mut query.order_by else { return };
    if !matches!(select.distinct, Some(Distinct::Distinct)) {
        return;
    }
    for part in order {
        let item = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == part.expr => Some(alias.clone()),
            _ => None,
        });
        if let Some(alias) = item {
            part.expr = Expr::Identifier(alias);
        }
    }
}

fn name_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_items(select),
        SetExpr::SetOperation { left, right, .. } => {
            name_body(left);
            name_body(right);
        }
        _ => {}
    }
}

fn name_items(select: &mut Select) {
    let mut taken: HashSet<String> = HashSet::new();
    for item in &mut select.projection {
        let (name, expr, stands) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                (figure(expr).0, expr, is_column)
            }
            SelectItem::ExprWithAlias { expr, alias } => (folded(alias), expr, true),
            _ => continue,
        };
        let is_free = taken.insert(name.clone());
        if stands && is_free {
            continue;
        }
        let alias = if is_free { name } else { format!("{name}{MARK}{}", taken.len()) };
        taken.insert(alias.clone());
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', alias) };
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// How well a name fits: that of a cast's type or a CASE gives way to one from within.
#[derive(PartialEq, Eq)]
enum Fit {
    None,
    Weak,
    Strong,
}

fn figure(expr: &Expr) -> (String, Fit) {
    let strong = |name: &str| (name.to_owned(), Fit::Strong);
    let within = |inner: &Expr, otherwise: &str| match figure(inner) {
        (name, Fit::Strong) => (name, Fit::Strong),
        _ => (otherwise.to_owned(), Fit::Weak),
    };
    match expr {
        Expr::Identifier(ident) => (folded(ident), Fit::Strong),
        Expr::CompoundIdentifier(parts) => (parts.last().map(folded).unwrap_or_default(), Fit::Strong),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(call) => match &call.args {
            FunctionArguments::Subquery(_) => strong("array"),
            _ => (last(&call.name), Fit::Strong),
        },
        Expr::Cast { expr, data_type, .. } => within(expr, &type_name(data_type)),
        Expr::TypedString(typed) => (type_name(&typed.data_type), Fit::Weak),
        Expr::Interval(_) => ("interval".to_owned(), Fit::Weak),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => ("bool".to_owned(), Fit::Weak),
        Expr::Case { else_result, .. } => match else_result {
            Some(expr) => within(expr, "case"),
            None => ("case".to_owned(), Fit::Weak),
        },
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { .. } => strong("btrim"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Subquery(query) => first_of(&query.body),
        _ => ("?column?".to_owned(), Fit::None),
    }
}

/// A scalar subquery is named like its column.
fn first_of(body: &SetExpr) -> (String, Fit) {
    let none = || ("?column?".to_owned(), Fit::None);
    match body {
        SetExpr::Select(select) => match select.projection.first() {
            Some(SelectItem::ExprWithAlias { alias, .. }) => (folded(alias), Fit::Strong),
            Some(SelectItem::UnnamedExpr(expr)) => figure(expr),
            _ => none(),
        },
        SetExpr::SetOperation { left, .. } => first_of(left),
        SetExpr::Query(query) => first_of(&query.body),
        _ => none(),
    }
}

fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
}

/// PostgreSQL's own name of a type.
fn type_name(data_type: &DataType) -> String {
    use DataType as T;
    let name = match data_type {
        T::SmallInt(_) | T::Int2(_) => "int2",
        T::Int(_) | T::Integer(_) | T::Int4(_) => "int4",
        T::BigInt(_) | T::Int8(_) => "int8",
        T::Real | T::Float4 => "float4",
        T::Double(_) | T::DoublePrecision | T::Float8 | T::Float(_) => "float8",
        T::Boolean | T::Bool => "bool",
        T::Numeric(_) | T::Decimal(_) | T::Dec(_) => "numeric",
        T::Varchar(_) | T::CharacterVarying(_) | T::CharVarying(_) => "varchar",
        T::Char(_) | T::Character(_) => "bpchar",
        T::Array(_) => return "array".to_owned(),
        T::Custom(name, _) => return last(name),
        T::Timestamp(_, zone) if zone.to_string().contains("WITH TIME ZONE") && !zone.to_string().contains("OUT") => {
            "timestamptz"
        }
        other => {
            let text = other.to_string().to_lowercase();
            return text.split(['(', ' ']).next().unwrap_or_default().to_owned();
        }
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::ast::Statement;

    fn names(text: &str) -> Vec<String> {
        let Ok(Statement::Query(query)) = crate::parse::parse(text).map(|mut all| all.remove(0).statement) else {
            panic!("{text} is a query")
        };
        let SetExpr::Select(select) = *named(*query).body else { panic!("{text} is a SELECT") };
        let name = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            other => other.to_string(),
        };
        select.projection.iter().map(name).collect()
    }

    /// Compared with what psql shows on PostgreSQL 16.
    #[test]
    fn as_postgresql_names_them() {
        for (items, expected) in [
            ("count(*), sum(a), a, t.b", "count sum a t.b"),
            ("a::text, CAST(1 AS bigint), 1::int, '1'::numeric(3,1), DATE '2024-01-01'", "a int8 int4 numeric date"),
            ("1 + 1, -a, a || 'x', NOT a, a IS NULL", "?column? ?column?|1 ?column?|2 ?column?|3 ?column?|4"),
            ("CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END", "case b"),
            ("coalesce(a, 1), nullif(a, b), \"Upper\"(a), LOWER(a)", "coalesce nullif Upper lower"),
            ("EXISTS (SELECT 1), (SELECT max(x) FROM u), ARRAY[1], (a)", "exists max array a"),
            ("a, a AS b, b, a, x.*", "a b b|2 a|3 x.*"),
            ("extract(year FROM a), now()::timestamptz, a::timestamp with time zone", "extract now a"),
        ] {
            let shown: Vec<_> = names(&format!("SELECT {items} FROM t")).iter().map(|n| n.replace(MARK, "|")).collect();
            assert_eq!(shown.join(" "), expected, "{items}");
        }
    }
}
