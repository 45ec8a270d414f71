//! Names: folding, qualified ones, and the names that PostgreSQL gives to columns that have none.

use sqlparser::ast::{self, DataType, Expr, Ident, ObjectName, ObjectNamePart};
use tidewater_types::{ColumnType, Result};

use super::unsupported;

/// A name as PostgreSQL folds it: lower case unless quoted, cut to 63 bytes.
pub(super) fn fold(ident: &Ident) -> String {
    let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
    cut(name)
}

/// PostgreSQL's longest name.
const NAME_MAX: usize = 63;

fn cut(mut name: String) -> String {
    if name.len() > NAME_MAX {
        let end = (0..=NAME_MAX).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// The parts of a qualified name.
pub(super) fn parts(name: &ObjectName) -> Result<Vec<String>> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
        other => Err(unsupported(format!("the name {other}"))),
    };
    name.0.iter().map(part).collect()
}

/// How sure a column's name is: a cast's type gives way to the name of what is cast.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Strength {
    None,
    Weak,
    Strong,
}

/// The name of a select list's item that has no alias.
pub(super) fn output_name(expr: &Expr) -> String {
    match figure(expr) {
        (Strength::None, _) => "?column?".to_owned(),
        (_, name) => name,
    }
}

fn figure(expr: &Expr) -> (Strength, String) {
    let strong = |name: &str| (Strength::Strong, name.to_owned());
    match expr {
        Expr::Identifier(ident) => (Strength::Strong, fold(ident)),
        Expr::CompoundIdentifier(idents) => {
            idents.last().map_or((Strength::None, String::new()), |last| (Strength::Strong, fold(last)))
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(Expr::Identifier(ident)) => Some(fold(ident)),
                _ => None,
            });
            field.map_or_else(|| figure(root), |name| (Strength::Strong, name))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => strong(&function_name(function)),
        Expr::Cast { expr, data_type, .. } => cast_name(expr, data_type),
        Expr::TypedString(typed) => (Strength::Weak, type_name(&typed.data_type)),
        Expr::Interval(_) => (Strength::Weak, "interval".to_owned()),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(figure) {
            Some((Strength::Strong, name)) => (Strength::Strong, name),
            _ => (Strength::Weak, "case".to_owned()),
        },
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => subquery_name(query),
        Expr::Tuple(_) => strong("row"),
        Expr::Array(_) => strong("array"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand: true, .. } => strong("substr"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::IsNormalized { .. } => strong("is_normalized"),
        Expr::BinaryOp { op: ast::BinaryOperator::Overlaps, .. } => strong("overlaps"),
        _ => (Strength::None, String::new()),
    }
}

fn function_name(function: &ast::Function) -> String {
    let last = function.name.0.last().map_or_else(String::new, |part| match part {
        ObjectNamePart::Identifier(ident) => fold(ident),
        other => other.to_string(),
    });
    match last.as_str() {
        super::BETWEEN_SYMMETRIC => "?column?".to_owned(),
        super::SUBSTRING_SIMILAR => "substring".to_owned(),
        _ => last,
    }
}

fn cast_name(expr: &Expr, data_type: &DataType) -> (Strength, String) {
    match figure(expr) {
        (Strength::Strong, name) => (Strength::Strong, name),
        _ => (Strength::Weak, type_name(data_type)),
    }
}

/// The name of a type as `pg_type` has it; of an array's elements.
fn type_name(data_type: &DataType) -> String {
    let Ok(ty) = ColumnType::parse(&data_type.to_string()) else { return data_type.to_string().to_lowercase() };
    match ty.ty.element() {
        Some(element) if matches!(ty.ty, tidewater_types::Type::Array(_)) => element.internal_name(),
        _ => ty.ty.internal_name(),
    }
}

fn subquery_name(query: &ast::Query) -> (Strength, String) {
    let mut body = &*query.body;
    loop {
        match body {
            ast::SetExpr::Query(query) => body = &query.body,
            ast::SetExpr::SetOperation { left, .. } => body = left,
            ast::SetExpr::Select(select) => {
                return match select.projection.first() {
                    Some(ast::SelectItem::ExprWithAlias { alias, .. }) => (Strength::Strong, fold(alias)),
                    Some(ast::SelectItem::UnnamedExpr(expr)) => figure(expr),
                    _ => (Strength::None, String::new()),
                };
            }
            ast::SetExpr::Values(_) => return (Strength::Strong, "column1".to_owned()),
            _ => return (Strength::None, String::new()),
        }
    }
}
