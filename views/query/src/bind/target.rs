//! The select list: expressions with their names, `*` and `table.*`.

use sqlparser::ast::{self, AccessExpr, Expr, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions};
use tidewater_types::{Result, SqlError, Type};

use super::scope::Hidden;
use super::{Binder, names, row, unsupported};
use crate::plan::Scalar;

/// What the parser's text makes of the star in `(row).*`: a field that has no other name.
pub(crate) const ALL_FIELDS: &str = "all fields";

/// An item of a select list.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) scalar: Scalar,
}

impl Binder<'_> {
    pub(super) fn targets(&mut self, items: &[SelectItem]) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => match record_of_all_fields(expr) {
                    Some(record) => self.expand(&record, &mut targets)?,
                    None => targets.push(Target { scalar: self.expr(expr)?, name: names::output_name(expr) }),
                },
                SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\'') => {
                    let error = SqlError::new(b"42601", format!("syntax error at or near \"'{}'\"", alias.value));
                    return Err(self.at(error, alias.span.start));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    targets.push(Target { scalar: self.expr(expr)?, name: names::fold(alias) });
                }
                SelectItem::Wildcard(options) => {
                    refuse(options)?;
                    let scope = &self.level().scope;
                    if scope.tables.iter().all(|table| table.hidden != Hidden::No) {
                        return Err(SqlError::new(b"42601", "SELECT * with no tables specified is not valid"));
                    }
                    let columns = scope.columns.clone();
                    targets.extend(
                        columns.into_iter().map(|column| Target { scalar: self.column(column.id), name: column.name }),
                    );
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    refuse(options)?;
                    self.qualified_wildcard(kind, &mut targets)?;
                }
                other => return Err(unsupported(format!("the select item {other}"))),
            }
        }
        if targets.len() > COLUMNS_MAX {
            let message = format!("target lists can have at most {COLUMNS_MAX} entries");
            return Err(SqlError::new(b"54011", message));
        }
        Ok(targets)
    }

    fn qualified_wildcard(&mut self, kind: &SelectItemQualifiedWildcardKind, targets: &mut Vec<Target>) -> Result<()> {
        match kind {
            SelectItemQualifiedWildcardKind::ObjectName(name) => {
                let table = self.table_named(name)?;
                targets.extend(
                    table
                        .columns
                        .into_iter()
                        .map(|column| Target { scalar: self.column(column.id), name: column.name }),
                );
            }
            SelectItemQualifiedWildcardKind::Expr(expr) => self.expand(expr, targets)?,
        }
        Ok(())
    }

    /// The fields of a record, a column each.
    fn expand(&mut self, record: &Expr, targets: &mut Vec<Target>) -> Result<()> {
        let (names, scalars) = self.all_fields(record)?;
        targets.extend(names.into_iter().zip(scalars).map(|(name, scalar)| Target { name, scalar }));
        Ok(())
    }

    /// The fields of a record with their names.
    pub(super) fn all_fields(&mut self, record: &Expr) -> Result<(Vec<String>, Vec<Scalar>)> {
        let record = self.expr(record)?;
        let ty = record.ty().ty;
        let Type::Record(fields) = &ty else {
            return Err(SqlError::new(b"42809", format!("type {ty} is not composite")));
        };
        if fields.fields.is_empty() {
            return Err(SqlError::new(b"42809", "record type has not been registered"));
        }
        let names = fields.fields.iter().map(|(name, _)| name.clone()).collect();
        let scalars = match record {
            Scalar::Row(scalars, _) => scalars,
            record => row::fields(record),
        };
        Ok((names, scalars))
    }
}

/// The record of `(record).*`.
pub(super) fn record_of_all_fields(expr: &Expr) -> Option<Expr> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
    let (last, before) = access_chain.split_last()?;
    let AccessExpr::Dot(Expr::Identifier(field)) = last else { return None };
    if field.value != ALL_FIELDS {
        return None;
    }
    Some(match before {
        [] => (**root).clone(),
        before => Expr::CompoundFieldAccess { root: root.clone(), access_chain: before.to_vec() },
    })
}

/// As many columns as a query of PostgreSQL gives.
const COLUMNS_MAX: usize = 1664;

fn refuse(options: &WildcardAdditionalOptions) -> Result<()> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    if plain { Ok(()) } else { Err(unsupported("an option of *")) }
}

/// The position that an ORDER BY, GROUP BY or DISTINCT ON item is, if it is a whole number.
pub(super) fn position(expr: &Expr) -> Option<Result<i64, ()>> {
    match expr {
        Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => Some(text.parse::<i64>().map_err(|_| ())),
            ast::Value::Placeholder(_) => None,
            _ => Some(Err(())),
        },
        Expr::Nested(inner) => position(inner),
        _ => None,
    }
}
