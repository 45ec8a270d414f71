//! CREATE TABLE: columns and constraints from their declarations.

use std::sync::Arc;

use sqlparser::ast::{self, ColumnDef, ColumnOption, CreateTable, TableConstraint};
use tidewater_catalog::Identity;
use tidewater_functions::Session;
use tidewater_query::{Relation, bind_scalar, column_type};
use tidewater_types::{Column, ColumnType, TableSchema, Type};

use crate::alter::quoted;
use crate::constraint::{Check, Constraints, Default, Unique};
use crate::database::Database;
use crate::names::{self, fold};
use crate::parse::ast::{CreateTableAs, Statement};
use crate::query::Rows;
use crate::relations::Names;
use crate::sequence::Numbered;
use crate::{Error, Result};

/// The columns that declarations name.
///
/// # Errors
/// 42704 for an unknown type.
pub fn declared_columns(columns: &[ColumnDef]) -> Result<Vec<Column>> {
    let mut declared = Vec::with_capacity(columns.len());
    for column in columns {
        let not_null = |option: &ColumnOption| matches!(option, ColumnOption::NotNull | ColumnOption::PrimaryKey(_));
        let not_null = column.options.iter().any(|option| not_null(&option.option));
        let ty = column_type(&column.data_type)?;
        declared.push(Column { not_null, ..Column::new(fold(&column.name), ty) });
    }
    Ok(declared)
}

/// Columns can be told apart.
///
/// # Errors
/// 42701.
pub(crate) fn distinct_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(b"42701", format!("column \"{name}\" specified more than once"))
            .hint("give one of them another name with AS")),
    }
}

/// A unique constraint as it is declared.
struct Declared {
    name: Option<String>,
    columns: Vec<usize>,
    primary: bool,
}

/// What a table's declaration says beside its columns.
struct Declarations<'a> {
    table: &'a str,
    columns: &'a mut Vec<Column>,
    uniques: Vec<Declared>,
    checks: Vec<(Option<String>, &'a ast::Expr)>,
    defaults: Vec<Option<&'a ast::Expr>>,
}

impl<'a> Declarations<'a> {
    fn read(table: &'a str, statement: &'a CreateTable, columns: &'a mut Vec<Column>) -> Result<Self> {
        let defaults = vec![None; columns.len()];
        let mut found = Declarations { table, columns, uniques: Vec::new(), checks: Vec::new(), defaults };
        for (at, column) in statement.columns.iter().enumerate() {
            for option in &column.options {
                found.column_option(at, option.name.as_ref().map(fold), &option.option)?;
            }
        }
        for constraint in &statement.constraints {
            found.constraint(constraint)?;
        }
        if found.uniques.iter().filter(|unique| unique.primary).count() > 1 {
            let message = format!("multiple primary keys for table \"{table}\" are not allowed");
            return Err(Error::new(b"42P16", message));
        }
        Ok(found)
    }

    fn column_option(&mut self, at: usize, name: Option<String>, option: &'a ColumnOption) -> Result<()> {
        use ColumnOption as O;
        match option {
            O::Null | O::NotNull | O::Comment(_) => {}
            O::Default(expr) => self.defaults[at] = Some(expr),
            O::Check(check) => self.checks.push((name.or(check.name.as_ref().map(fold)), &check.expr)),
            O::PrimaryKey(_) => self.uniques.push(Declared { name, columns: vec![at], primary: true }),
            O::Unique(_) => self.uniques.push(Declared { name, columns: vec![at], primary: false }),
            O::ForeignKey(_) => return Err(self.refused("REFERENCES is")),
            O::Generated { .. } | O::Identity(_) => return Err(self.refused("a generated column is")),
            O::Collation(collation) => {
                let name = collation.to_string().replace('"', "");
                if !["C", "POSIX", "default", "pg_catalog.default"].contains(&name.as_str()) {
                    return Err(self.refused(&format!("collation {collation} is")));
                }
            }
            other => return Err(self.refused(&format!("{other} is"))),
        }
        Ok(())
    }

    fn constraint(&mut self, constraint: &'a TableConstraint) -> Result<()> {
        use TableConstraint as T;
        match constraint {
            T::PrimaryKey(key) => {
                let columns = self.key_columns(&key.columns)?;
                columns.iter().for_each(|&at| self.columns[at].not_null = true);
                self.uniques.push(Declared { name: key.name.as_ref().map(fold), columns, primary: true });
            }
            T::Unique(key) => {
                if matches!(key.nulls_distinct, ast::NullsDistinctOption::NotDistinct) {
                    return Err(self.refused("NULLS NOT DISTINCT is"));
                }
                let columns = self.key_columns(&key.columns)?;
                self.uniques.push(Declared { name: key.name.as_ref().map(fold), columns, primary: false });
            }
            T::Check(check) => self.checks.push((check.name.as_ref().map(fold), &check.expr)),
            T::ForeignKey(_) => return Err(self.refused("FOREIGN KEY is")),
            other => return Err(self.refused(&format!("the constraint {other} is"))),
        }
        Ok(())
    }

    fn key_columns(&self, columns: &[ast::IndexColumn]) -> Result<Vec<usize>> {
        let at = |column: &ast::IndexColumn| match &column.column.expr {
            ast::Expr::Identifier(ident) => {
                let name = fold(ident);
                let at = self.columns.iter().position(|column| column.name == name);
                at.ok_or_else(|| Error::new(b"42703", format!("column \"{name}\" named in key does not exist")))
            }
            other => Err(self.refused(&format!("a key of the expression {other} is"))),
        };
        columns.iter().map(at).collect()
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(b"0A000", format!("table \"{}\": {what} not supported", self.table))
    }

    /// A name that no constraint of the table has, as PostgreSQL makes it.
    fn name(&self, columns: &[usize], suffix: &str, taken: &[String]) -> String {
        let mut base = self.table.to_owned();
        for &at in columns {
            base.push('_');
            base.push_str(&self.columns[at].name);
        }
        base.push('_');
        base.push_str(suffix);
        let names = std::iter::once(base.clone()).chain((1..).map(|number| format!("{base}{number}")));
        names.into_iter().find(|name| !taken.contains(name)).unwrap_or(base)
    }
}

impl Database {
    pub(crate) fn create_table_statement(
        &mut self,
        table: &CreateTable,
        text: &str,
        whole: &str,
        session: &Arc<Session>,
    ) -> Result<String> {
        let key = self.new_relation_key(&names::key_of(&table.name)?, table.temporary, session)?;
        if table.if_not_exists && self.exists(&key) {
            return Ok("CREATE TABLE".into());
        }
        self.free(&key)?;
        if let Some((text, made)) = self.with_sequences(table, &key)? {
            let done = crate::alter::create_table(&text)
                .and_then(|table| self.create_table_statement(&table, &text, &text, session));
            if done.is_err() {
                self.forget(&made);
            }
            return done;
        }
        let (schema, constraints) = self.declared_table(table, &key, whole, session)?;
        if table.on_commit.is_some() && !names::is_temp(&key) {
            return Err(Error::new(b"42P16", "ON COMMIT can only be used on temporary tables"));
        }
        self.create_table(&key, &schema, text, constraints);
        if let Some(object) = self.objects.get_mut(&key) {
            object.on_commit = table.on_commit;
        }
        Ok("CREATE TABLE".into())
    }

    /// The statement with `serial` and identity columns as what they stand for, and the sequences that it takes, which are made; `None` where it
    /// has none.
    fn with_sequences(&mut self, table: &CreateTable, key: &str) -> Result<Option<(String, Vec<String>)>> {
        let (mut table, mut made) = (table.clone(), Vec::new());
        for column in &mut table.columns {
            let Some(numbers) = numbered(column)? else { continue };
            let found = self.serial(key, &column.name, &numbers);
            let (sequence, default) = found.inspect_err(|_| drop(self.forget(&made)))?;
            made.push(sequence);
            number(column, &numbers, &default)?;
        }
        Ok((!made.is_empty()).then(|| (table.to_string(), made)))
    }

    /// Columns and constraints of a table of this name.
    pub(crate) fn declared_table(
        &self,
        table: &CreateTable,
        key: &str,
        whole: &str,
        session: &Arc<Session>,
    ) -> Result<(TableSchema, Constraints)> {
        let (schema, name) = names::split(key);
        refuse_clauses(table, name)?;
        let mut columns = declared_columns(&table.columns)?;
        distinct_names(columns.iter().map(|column| column.name.as_str()))?;
        let declarations = Declarations::read(name, table, &mut columns)?;
        let constraints = self.constraints(declarations, schema, whole, session)?;
        let primary = constraints.uniques.iter().find(|unique| unique.primary);
        // Only equal values that are the same bytes are a key of rows.
        let key_columns = primary.map(|unique| unique.columns.clone());
        let key_columns = key_columns.filter(|at| at.iter().all(|&at| columns[at].ty.key_is_packed()));
        Ok((TableSchema::new(columns, key_columns)?, constraints))
    }

    /// Makes a table with the columns and rows of a query.
    ///
    /// # Errors
    /// 42P07 if there is one, 42601 for too many names, 42P16 for a column that no table can have; nothing is made then.
    pub fn create_table_as(&mut self, create: &CreateTableAs, rows: &Rows, session: &Arc<Session>) -> Result<String> {
        let key = self.new_relation_key(&create.name, create.temporary, session)?;
        if create.if_not_exists && self.exists(&key) {
            return Ok("CREATE TABLE AS".into());
        }
        self.free(&key)?;
        if create.columns.len() > rows.columns.len() {
            return Err(Error::new(b"42601", "too many column names were specified"));
        }
        let (schema, name) = names::split(&key);
        let mut columns = Vec::with_capacity(rows.columns.len());
        for (at, column) in rows.columns.iter().enumerate() {
            let name = create.columns.get(at).unwrap_or(&column.name);
            if matches!(column.ty.ty, Type::Record(_) | Type::Unknown) {
                let message = format!("column \"{name}\" has pseudo-type {}", column.ty);
                return Err(Error::new(b"42P16", message));
            }
            columns.push(format!("{} {}", quoted(name), column.ty.name()));
        }
        let temporary = if names::is_temp(&key) { "TEMPORARY " } else { "" };
        let on_commit = match create.on_commit {
            Some(ast::OnCommit::Drop) => " ON COMMIT DROP",
            Some(ast::OnCommit::DeleteRows) => " ON COMMIT DELETE ROWS",
            Some(ast::OnCommit::PreserveRows) | None => "",
        };
        let name = format!("{}.{}", quoted(schema), quoted(name));
        let text = format!("CREATE {temporary}TABLE {name} ({}){on_commit}", columns.join(", "));
        let parsed = crate::parse::parse(&text)?.pop().map(|parsed| parsed.statement);
        let Some(Statement::CreateTable(table)) = parsed else {
            return Err(Error::new(b"XX000", "CREATE TABLE is no statement"));
        };
        self.create_table_statement(&table, &text, &text, session)?;
        let tag = format!("SELECT {}", rows.rows.len());
        let added = self.added(&key, rows.rows.clone(), &tag)?;
        self.apply_changes(vec![added])?;
        Ok(tag)
    }

    fn constraints(
        &self,
        declarations: Declarations<'_>,
        schema: &str,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<Constraints> {
        let session = self.informed(session);
        let names = Names::new(self, &session);
        let relation = Arc::new(Relation {
            id: u64::MAX,
            schema: schema.to_owned(),
            name: declarations.table.to_owned(),
            columns: declarations.columns.clone(),
            keys: Vec::new(),
            has_primary_key: false,
        });
        let mut constraints = Constraints::default();
        for (column, default) in declarations.columns.iter().zip(&declarations.defaults) {
            let default = match default {
                None => None,
                Some(expr) => {
                    let (scalar, _, _) = bind_scalar(expr, text, &names, &session, None, Some(&column.ty))
                        .map_err(|error| in_default(error, expr))?;
                    Some(Default { expr: (*expr).clone(), scalar })
                }
            };
            constraints.defaults.push(default);
        }
        let mut taken = Vec::new();
        for (name, expr) in &declarations.checks {
            let bool = ColumnType::from(Type::Bool);
            let (scalar, rel, _) = bind_scalar(expr, text, &names, &session, Some(&relation), Some(&bool))?;
            let mut check = Check { name: String::new(), text: expr.to_string(), scalar, rel };
            check.name = name.clone().unwrap_or_else(|| {
                let read = check.columns();
                let one = if let [at] = read[..] { vec![at] } else { Vec::new() };
                declarations.name(&one, "check", &taken)
            });
            taken.push(check.name.clone());
            constraints.checks.push(check);
        }
        for declared in &declarations.uniques {
            let name = declared.name.clone().unwrap_or_else(|| match declared.primary {
                true => declarations.name(&[], "pkey", &taken),
                false => declarations.name(&declared.columns, "key", &taken),
            });
            taken.push(name.clone());
            constraints.uniques.push(Unique::new(name, declared.columns.clone(), declared.primary));
        }
        Ok(constraints)
    }
}

fn in_default(error: Error, expr: &ast::Expr) -> Error {
    match &error.sqlstate {
        b"42703" => Error::new(b"0A000", format!("cannot use column reference in DEFAULT expression {expr}")),
        _ => error,
    }
}

/// What numbers a `serial` or identity column.
pub(crate) fn numbered(column: &ColumnDef) -> Result<Option<Numbered>> {
    let ty = column.data_type.to_string().to_lowercase();
    let serial = match ty.as_str() {
        "smallserial" | "serial2" => Some("smallint"),
        "serial" | "serial4" => Some("integer"),
        "bigserial" | "serial8" => Some("bigint"),
        _ => None,
    };
    let identity = column.options.iter().find_map(|option| match &option.option {
        ColumnOption::Generated { generated_as, sequence_options, generation_expr: None, .. } => {
            Some((generated_as, sequence_options.clone().unwrap_or_default()))
        }
        _ => None,
    });
    let (generated_as, options) = match (serial, identity) {
        (Some(ty), None) => return Ok(Some(Numbered { ty, options: Vec::new(), identity: None })),
        (None, Some(identity)) => identity,
        _ => return Ok(None),
    };
    let identity = match generated_as {
        ast::GeneratedAs::Always => Identity::Always,
        ast::GeneratedAs::ByDefault => Identity::ByDefault,
        other => return Err(Error::new(b"0A000", format!("GENERATED {other:?} is not supported"))),
    };
    if column.options.iter().any(|option| matches!(option.option, ColumnOption::Default(_))) {
        let message = format!("both default and identity specified for column \"{}\"", fold(&column.name));
        return Err(Error::new(b"42601", message));
    }
    let ty = match column_type(&column.data_type)?.ty {
        Type::Int2 => "smallint",
        Type::Int4 => "integer",
        Type::Int8 => "bigint",
        _ => return Err(Error::new(b"22023", "identity column type must be smallint, integer, or bigint")),
    };
    Ok(Some(Numbered { ty, options, identity: Some(identity) }))
}

/// Makes of a `serial` or identity column one with a DEFAULT.
pub(crate) fn number(column: &mut ColumnDef, numbers: &Numbered, default: &str) -> Result<()> {
    column.data_type = match numbers.ty {
        "smallint" => ast::DataType::SmallInt(None),
        "integer" => ast::DataType::Integer(None),
        _ => ast::DataType::BigInt(None),
    };
    let says = |option: &ColumnOption| {
        matches!(option, ColumnOption::Identity(_) | ColumnOption::Generated { .. } | ColumnOption::NotNull)
    };
    column.options.retain(|option| !says(&option.option));
    let default = crate::parse::expression(default)?;
    for option in [ColumnOption::NotNull, ColumnOption::Default(default)] {
        column.options.push(ast::ColumnOptionDef { name: None, option });
    }
    Ok(())
}

/// What CREATE TABLE may say and this system does not do.
fn refuse_clauses(table: &CreateTable, name: &str) -> Result<()> {
    let refused = |what: &str| Err(Error::new(b"0A000", format!("table \"{name}\": {what} not supported")));
    if table.or_replace {
        return refused("OR REPLACE is");
    }
    if table.like.is_some() || table.inherits.is_some() || table.partition_by.is_some() {
        return refused("LIKE, INHERITS and PARTITION BY are");
    }
    Ok(())
}
