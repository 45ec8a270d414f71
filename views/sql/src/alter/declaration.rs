//! A table's declaration as ALTER TABLE changes it, and what the columns of its rows are made from.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, CheckConstraint, ColumnDef, ColumnOption, ColumnOptionDef, CreateTable,
    Expr, Ident, IndexColumn, TableConstraint, visit_expressions, visit_expressions_mut,
};
use tidewater_types::Column;

use super::quoted;
use crate::constraint::Constraints;
use crate::names::fold;
use crate::{Error, Result};

/// See the module.
pub(super) struct Altered {
    table: CreateTable,
    name: String,
    /// Of each column the expression over the old table that it is, and the old column it is; none where it is its default.
    values: Vec<Option<(String, usize)>>,
    /// Whether a value changes.
    computes: bool,
}

fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// Gives constraints without a name the one that they have.
pub(super) fn name_constraints(table: &mut CreateTable, constraints: &Constraints) {
    let mut uniques = constraints.uniques.iter().map(|unique| ident(&unique.name));
    let mut checks = constraints.checks.iter().map(|check| ident(&check.name));
    for option in table.columns.iter_mut().flat_map(|column| &mut column.options) {
        match &mut option.option {
            ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_) => option.name = uniques.next(),
            ColumnOption::Check(check) => {
                check.name = None;
                option.name = checks.next();
            }
            _ => {}
        }
    }
    for constraint in &mut table.constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => key.name = uniques.next(),
            TableConstraint::Unique(key) => key.name = uniques.next(),
            TableConstraint::Check(check) => check.name = checks.next(),
            _ => {}
        }
    }
}

/// What is wrong with rows that are there already, in the words of PostgreSQL.
pub(super) fn of_rows(error: Error, table: &str) -> Error {
    let part = |number| error.message.split('"').nth(number).unwrap_or_default().to_owned();
    let message = match &error.sqlstate {
        b"23502" => format!("column \"{}\" of relation \"{table}\" contains null values", part(1)),
        b"23514" => format!("check constraint \"{}\" of relation \"{table}\" is violated by some row", part(3)),
        b"23505" => format!("could not create unique index \"{}\"", part(1)),
        _ => return error,
    };
    let detail = error.detail.as_ref().filter(|_| error.sqlstate == *b"23505");
    let detail = detail.map(|detail| detail.replace("already exists", "is duplicated"));
    Error { message, detail, ..error }
}

fn names_column(expr: &Expr, column: &str) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Identifier(ident) if fold(ident) == column => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn rename_in(expr: &mut Expr, from: &str, to: &Ident) {
    let _ = visit_expressions_mut(expr, |expr| {
        if let Expr::Identifier(ident) = expr
            && fold(ident) == from
        {
            *ident = to.clone();
        }
        ControlFlow::<()>::Continue(())
    });
}

fn keys(constraint: &mut TableConstraint) -> &mut [IndexColumn] {
    match constraint {
        TableConstraint::PrimaryKey(key) => &mut key.columns,
        TableConstraint::Unique(key) => &mut key.columns,
        _ => &mut [],
    }
}

impl Altered {
    pub(super) fn new(table: CreateTable, name: &str, columns: &[Column]) -> Self {
        let values = columns.iter().enumerate().map(|(at, column)| Some((quoted(&column.name), at))).collect();
        Altered { table, name: name.to_owned(), values, computes: false }
    }

    /// The statement that makes the table under this name.
    pub(super) fn text(&self, name: &str) -> String {
        let mut table = self.table.clone();
        table.if_not_exists = false;
        let rest = table.to_string();
        // Its own name stands before the first parenthesis; quotes may hold others.
        let columns = rest.find(&table.name.to_string()).map_or(0, |at| at + table.name.to_string().len());
        let temporary = if table.temporary { "TEMPORARY " } else { "" };
        format!("CREATE {temporary}TABLE {name}{}", &rest[columns..])
    }

    /// The INSERT that makes its rows.
    pub(super) fn insert(&self, into: &str, from: &str) -> String {
        let made = || {
            self.table.columns.iter().zip(&self.values).filter_map(|(column, value)| Some((column, value.as_ref()?)))
        };
        let columns: Vec<String> = made().map(|(column, _)| quoted(&fold(&column.name))).collect();
        let values: Vec<&str> = made().map(|(_, (value, _))| value.as_str()).collect();
        format!(
            "INSERT INTO {into} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {from}",
            columns.join(", "),
            values.join(", ")
        )
    }

    /// Whether the rows are as they were.
    pub(super) fn keeps_rows(&self) -> bool {
        let stays = |(at, value): (usize, &Option<(String, usize)>)| value.as_ref().is_some_and(|(_, old)| *old == at);
        !self.computes && self.values.iter().enumerate().all(stays)
    }

    /// Where columns of the old table are now; `None` if one is gone.
    pub(super) fn columns_now(&self, columns: &[usize]) -> Option<Vec<usize>> {
        let now = |old: &usize| self.values.iter().position(|value| value.as_ref().is_some_and(|(_, at)| at == old));
        columns.iter().map(now).collect()
    }

    /// Changes it as an operation says.
    pub(super) fn apply(&mut self, operation: &AlterTableOperation) -> Result<()> {
        use AlterTableOperation as O;
        match operation {
            O::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add_column(column_def, *if_not_exists)
            }
            O::DropColumn { column_names, if_exists, .. } => {
                column_names.iter().try_for_each(|column| self.drop_column(column, *if_exists))
            }
            O::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(old_column_name, new_column_name)
            }
            O::AddConstraint { constraint, not_valid: false } => {
                self.free_constraint(constraint)?;
                self.table.constraints.push(constraint.clone());
                Ok(())
            }
            O::DropConstraint { if_exists, name, .. } => self.drop_constraint(&fold(name), *if_exists),
            O::RenameConstraint { old_name, new_name } => self.rename_constraint(&fold(old_name), new_name),
            O::AlterColumn { column_name, op } => self.alter_column(column_name, op),
            other => Err(Error::new(b"0A000", format!("ALTER TABLE … {other} is not supported"))),
        }
    }

    /// Whether there is a column of this name.
    pub(super) fn has_column(&self, column: &Ident) -> bool {
        self.find(column).is_some()
    }

    /// Adds a column of which each row that there is has this value.
    pub(super) fn add_filled(&mut self, column: ColumnDef, value: String) -> Result<()> {
        self.free_column(&column.name)?;
        self.table.columns.push(column);
        // No column of the old table.
        self.values.push(Some((value, usize::MAX)));
        Ok(())
    }

    /// What each column of the old table is called now; `None` for one that is gone.
    pub(super) fn names_now(&self, columns: &[Column]) -> Vec<(String, Option<String>)> {
        let now = |at: usize| {
            let place = self.columns_now(&[at])?.first().copied()?;
            self.table.columns.get(place).map(|column| fold(&column.name))
        };
        columns.iter().enumerate().map(|(at, column)| (column.name.clone(), now(at))).collect()
    }

    fn find(&self, column: &Ident) -> Option<usize> {
        let name = fold(column);
        self.table.columns.iter().position(|column| fold(&column.name) == name)
    }

    fn at(&self, column: &Ident) -> Result<usize> {
        let (name, table) = (fold(column), &self.name);
        let missing = || Error::new(b"42703", format!("column \"{name}\" of relation \"{table}\" does not exist"));
        self.find(column).ok_or_else(missing)
    }

    fn free_column(&self, column: &Ident) -> Result<()> {
        let (name, table) = (fold(column), &self.name);
        match self.find(column) {
            None => Ok(()),
            Some(_) => Err(Error::new(b"42701", format!("column \"{name}\" of relation \"{table}\" already exists"))),
        }
    }

    fn add_column(&mut self, column: &ColumnDef, if_not_exists: bool) -> Result<()> {
        if if_not_exists && self.find(&column.name).is_some() {
            return Ok(());
        }
        self.free_column(&column.name)?;
        self.table.columns.push(column.clone());
        self.values.push(None);
        Ok(())
    }

    fn drop_column(&mut self, column: &Ident, if_exists: bool) -> Result<()> {
        if if_exists && self.find(column).is_none() {
            return Ok(());
        }
        let (at, name) = (self.at(column)?, fold(column));
        if self.table.columns.len() == 1 {
            return Err(Error::new(b"0A000", "a table without columns is not supported"));
        }
        self.table.columns.remove(at);
        self.values.remove(at);
        for column in &mut self.table.columns {
            let stays = |option: &ColumnOptionDef| !matches!(&option.option, ColumnOption::Check(check) if names_column(&check.expr, &name));
            column.options.retain(stays);
        }
        self.table.constraints.retain_mut(|constraint| match constraint {
            TableConstraint::Check(check) => !names_column(&check.expr, &name),
            constraint => !keys(constraint).iter().any(|key| names_column(&key.column.expr, &name)),
        });
        Ok(())
    }

    fn rename_column(&mut self, from: &Ident, to: &Ident) -> Result<()> {
        let at = self.at(from)?;
        self.free_column(to)?;
        let (from, to) = (fold(from), ident(&fold(to)));
        self.table.columns[at].name = to.clone();
        for option in self.table.columns.iter_mut().flat_map(|column| &mut column.options) {
            if let ColumnOption::Check(CheckConstraint { expr, .. }) = &mut option.option {
                rename_in(expr, &from, &to);
            }
        }
        for constraint in &mut self.table.constraints {
            if let TableConstraint::Check(check) = constraint {
                rename_in(&mut check.expr, &from, &to);
            }
            keys(constraint).iter_mut().for_each(|key| rename_in(&mut key.column.expr, &from, &to));
        }
        Ok(())
    }

    /// The names of all constraints.
    fn constraint_names(&mut self) -> impl Iterator<Item = &mut Option<Ident>> {
        let options = self.table.columns.iter_mut().flat_map(|column| &mut column.options);
        let options = options.filter(|option| is_constraint(&option.option)).map(|option| &mut option.name);
        let constraints = self.table.constraints.iter_mut().filter_map(|constraint| match constraint {
            TableConstraint::PrimaryKey(key) => Some(&mut key.name),
            TableConstraint::Unique(key) => Some(&mut key.name),
            TableConstraint::Check(check) => Some(&mut check.name),
            _ => None,
        });
        options.chain(constraints)
    }

    fn has_constraint(&mut self, name: &str) -> bool {
        self.constraint_names().any(|found| found.as_ref().is_some_and(|found| fold(found) == name))
    }

    fn missing_constraint(&self, name: &str) -> Error {
        let table = &self.name;
        Error::new(b"42704", format!("constraint \"{name}\" of relation \"{table}\" does not exist"))
    }

    fn free_constraint(&mut self, constraint: &TableConstraint) -> Result<()> {
        let name = match constraint {
            TableConstraint::PrimaryKey(key) => &key.name,
            TableConstraint::Unique(key) => &key.name,
            TableConstraint::Check(check) => &check.name,
            _ => &None,
        };
        let Some(name) = name.as_ref().map(fold) else { return Ok(()) };
        if !self.has_constraint(&name) {
            return Ok(());
        }
        // A unique constraint has an index of its name.
        Err(match constraint {
            TableConstraint::Check(_) => {
                let table = &self.name;
                Error::new(b"42710", format!("constraint \"{name}\" for relation \"{table}\" already exists"))
            }
            _ => Error::new(b"42P07", format!("relation \"{name}\" already exists")),
        })
    }

    fn drop_constraint(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if !self.has_constraint(name) {
            return if if_exists { Ok(()) } else { Err(self.missing_constraint(name)) };
        }
        let is = |found: &Option<Ident>| found.as_ref().is_some_and(|found| fold(found) == name);
        let mut not_null: Vec<String> = Vec::new();
        for column in &mut self.table.columns {
            let primary = |option: &ColumnOptionDef| matches!(option.option, ColumnOption::PrimaryKey(_));
            if column.options.iter().any(|option| primary(option) && is(&option.name)) {
                not_null.push(fold(&column.name));
            }
            column.options.retain(|option| !(is_constraint(&option.option) && is(&option.name)));
        }
        self.table.constraints.retain_mut(|constraint| match constraint {
            TableConstraint::PrimaryKey(key) if is(&key.name) => {
                let column = |key: &IndexColumn| match &key.column.expr {
                    Expr::Identifier(ident) => Some(fold(ident)),
                    _ => None,
                };
                not_null.extend(key.columns.iter().filter_map(column));
                false
            }
            TableConstraint::Unique(key) => !is(&key.name),
            TableConstraint::Check(check) => !is(&check.name),
            _ => true,
        });
        // What was a key stays without NULL.
        for column in self.table.columns.iter_mut().filter(|column| not_null.contains(&fold(&column.name))) {
            column.options.push(ColumnOptionDef { name: None, option: ColumnOption::NotNull });
        }
        Ok(())
    }

    fn rename_constraint(&mut self, from: &str, to: &Ident) -> Result<()> {
        if self.has_constraint(&fold(to)) {
            let table = &self.name;
            let message = format!("constraint \"{}\" for relation \"{table}\" already exists", fold(to));
            return Err(Error::new(b"42710", message));
        }
        let error = self.missing_constraint(from);
        let mut names = self.constraint_names();
        let found = names.find(|found| found.as_ref().is_some_and(|found| fold(found) == from)).ok_or(error)?;
        *found = Some(ident(&fold(to)));
        Ok(())
    }

    fn is_key(&mut self, column: &Ident) -> bool {
        let name = fold(column);
        let primary = |option: &ColumnOptionDef| matches!(option.option, ColumnOption::PrimaryKey(_));
        let own = self.find(column).is_some_and(|at| self.table.columns[at].options.iter().any(primary));
        own || self.table.constraints.iter_mut().any(|constraint| {
            matches!(constraint, TableConstraint::PrimaryKey(_))
                && keys(constraint).iter().any(|key| names_column(&key.column.expr, &name))
        })
    }

    fn alter_column(&mut self, column: &Ident, operation: &AlterColumnOperation) -> Result<()> {
        use AlterColumnOperation as O;
        let (at, name) = (self.at(column)?, fold(column));
        let without = |options: &mut Vec<ColumnOptionDef>, is: fn(&ColumnOption) -> bool| {
            options.retain(|option| !is(&option.option));
        };
        let add = |option| ColumnOptionDef { name: None, option };
        let is_key = self.is_key(column);
        let options = &mut self.table.columns[at].options;
        match operation {
            O::SetNotNull => {
                without(options, |option| matches!(option, ColumnOption::NotNull | ColumnOption::Null));
                options.push(add(ColumnOption::NotNull));
            }
            O::DropNotNull if is_key => {
                return Err(Error::new(b"42P16", format!("column \"{name}\" is in a primary key")));
            }
            O::DropNotNull => without(options, |option| matches!(option, ColumnOption::NotNull)),
            O::SetDefault { value } => {
                without(options, |option| matches!(option, ColumnOption::Default(_)));
                options.push(add(ColumnOption::Default(value.clone())));
            }
            O::DropDefault => without(options, |option| matches!(option, ColumnOption::Default(_))),
            O::SetDataType { data_type, using, .. } => {
                self.table.columns[at].data_type = data_type.clone();
                self.computes = true;
                if let (Some(using), Some((value, _))) = (using, &mut self.values[at]) {
                    *value = using.to_string();
                }
            }
            other => return Err(Error::new(b"0A000", format!("ALTER COLUMN … {other} is not supported"))),
        }
        Ok(())
    }
}

fn is_constraint(option: &ColumnOption) -> bool {
    matches!(option, ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_) | ColumnOption::Check(_))
}
