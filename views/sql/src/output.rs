//! Names of a query's columns as PostgreSQL gives them: `count` for `count(*)`, `?column?` for `1 + 1`.
//!
//! Source: PostgreSQL's documentation, "Column Labels", and its behaviour. The planner has other names, which must differ
//! from each other; clients see these.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Value,
};

use crate::parse::ast::CreateView;
use crate::parse::fold;
use crate::pg_catalog::type_label;

/// The query with an alias for each expression that stands in the list twice, which the planner refuses.
pub(crate) fn distinct(query: &Query) -> Option<Query> {
    let select = leftmost(query)?;
    let mut seen = HashSet::new();
    let twice = |item: &SelectItem, seen: &mut HashSet<String>| match item {
        SelectItem::UnnamedExpr(expr) => !seen.insert(planned_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => !seen.insert(fold(alias)),
        _ => false,
    };
    if select.distinct.is_some() || !select.projection.iter().any(|item| twice(item, &mut seen)) {
        return None;
    }
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let mut seen = HashSet::new();
    for (number, item) in select.projection.iter_mut().enumerate() {
        if !twice(item, &mut seen) {
            continue;
        }
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let alias = Ident::with_quote('"', format!("column {}", number + 1));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
    Some(query)
}

/// What the planner calls an expression, near enough: casts do not show in it.
fn planned_name(expr: &Expr) -> String {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => planned_name(expr),
        Expr::Identifier(ident) => fold(ident),
        Expr::Function(function) if function.over.is_none() => {
            // Names of one function, as current_user and session_user are.
            let name = function.name.to_string().to_lowercase();
            let user = ["current_user", "session_user", "user", "current_role"].contains(&name.as_str());
            if user { "user".into() } else { expr.to_string() }
        }
        other => other.to_string(),
    }
}

/// The schema with the names that clients see.
pub(crate) fn labelled(query: &Query, schema: SchemaRef) -> SchemaRef {
    let Some(select) = leftmost(query) else { return schema };
    let wildcard = |item: &&SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let (items, total) = (select.projection.len(), schema.fields().len());
    let wildcards = select.projection.iter().filter(wildcard).count();
    if wildcards > 1 || (wildcards == 0 && items != total) || items > total + wildcards {
        return schema;
    }
    let mut fields = schema.fields().iter();
    let mut named = Vec::with_capacity(total);
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => named.extend(fields.next().map(|field| {
                let label = label(expr).map_or_else(
                    || "?column?".into(),
                    |(label, _)| match label.as_str() {
                        CAST => type_label(field.data_type()),
                        _ => label,
                    },
                );
                Arc::new(field.as_ref().clone().with_name(label))
            })),
            SelectItem::ExprWithAlias { alias, .. } => {
                named.extend(fields.next().map(|field| Arc::new(field.as_ref().clone().with_name(fold(alias)))));
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => return schema,
            _ => named.extend(fields.by_ref().take(total + 1 - items).cloned()),
        }
    }
    Arc::new(Schema::new_with_metadata(named, schema.metadata().clone()))
}

/// Calls the columns of `schema` as `labels` does.
pub(crate) fn relabel(schema: &mut SchemaRef, labels: &SchemaRef) {
    let same = schema.fields().iter().zip(labels.fields()).all(|(field, label)| field.name() == label.name());
    if same || schema.fields().len() != labels.fields().len() {
        return;
    }
    let fields = schema.fields().iter().zip(labels.fields());
    let fields: Vec<_> = fields.map(|(field, label)| field.as_ref().clone().with_name(label.name())).collect();
    *schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
}

/// Names of a view's columns: as it says, else as a query's; none where the planner's are right, or where two would be equal.
pub(crate) fn view_columns(view: &CreateView, planned: &SchemaRef) -> Vec<String> {
    if !view.columns.is_empty() {
        return view.columns.clone();
    }
    let labelled = labelled(&view.query, planned.clone());
    let names: Vec<String> = labelled.fields().iter().map(|field| field.name().clone()).collect();
    let same = labelled.fields().iter().zip(planned.fields()).all(|(label, field)| label.name() == field.name());
    let unique = names.iter().collect::<HashSet<_>>().len() == names.len();
    if same || !unique { Vec::new() } else { names }
}

fn leftmost(query: &Query) -> Option<&Select> {
    let mut body = query.body.as_ref();
    loop {
        body = match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => left,
            _ => return None,
        };
    }
}

/// Stands for the name of the type that a value is cast to.
const CAST: &str = "\u{0}cast";

fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(fold)
}

/// The name that an expression gives its column, and whether a cast keeps it.
fn label(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) => Some((fold(ident), true)),
        Expr::CompoundIdentifier(parts) => Some((fold(parts.last()?), true)),
        Expr::Function(function) => match (&function.args, last(&function.name)?.as_str()) {
            (FunctionArguments::Subquery(_), "array") => strong("array"),
            (_, name) => strong(name),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } | Expr::Prefixed { value: inner, .. } => label(inner),
        Expr::CompoundFieldAccess { root, .. } => label(root),
        Expr::Cast { expr, .. } => label(expr).filter(|(_, strong)| *strong).or(Some((CAST.into(), false))),
        Expr::TypedString(_) => Some((CAST.into(), false)),
        Expr::Interval(_) => Some(("interval".into(), false)),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => Some(("bool".into(), false)),
        Expr::Case { else_result, .. } => {
            let result = else_result.as_ref().and_then(|result| label(result)).filter(|(_, strong)| *strong);
            result.or(Some(("case".into(), false)))
        }
        Expr::Subquery(query) => match leftmost(query)?.projection.first()? {
            SelectItem::ExprWithAlias { alias, .. } => Some((fold(alias), true)),
            SelectItem::UnnamedExpr(expr) => label(expr),
            _ => None,
        },
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Trim { .. } => strong("btrim"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        _ => None,
    }
}
