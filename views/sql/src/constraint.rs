//! What the rows of a table must be like: NOT NULL, CHECK, PRIMARY KEY, UNIQUE; and what a column is where nothing is said of it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;
use sqlparser::ast::{self, visit_expressions};
use tidewater_delta::{Row, RowRef};
use tidewater_functions::Session;
use tidewater_query::plan::{Rel, Scalar};
use tidewater_query::run::{compile_over, unpack};
use tidewater_types::{Column, Datum, Expr, Scratch, Settings, key, output};

use crate::names;
use crate::{Error, Result};

/// The constraints of one table.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    /// Of each column, what it is where an INSERT says nothing.
    pub(crate) defaults: Vec<Option<Default>>,
    pub(crate) checks: Vec<Check>,
    pub(crate) uniques: Vec<Unique>,
    /// When they became so: changes that were evaluated for others are not done.
    pub(crate) made: u64,
}

impl Constraints {
    /// Whether a DEFAULT takes numbers of a sequence.
    pub(crate) fn takes_numbers_of(&self, sequence: &str) -> bool {
        let (schema, name) = names::split(sequence);
        let names_it = |text: &str| {
            let plain = text.replace('"', "");
            plain == name || plain.split_once('.') == Some((schema, name))
        };
        let is_one = |default: &Default| {
            let found = visit_expressions(&default.expr, |expr| match expr {
                ast::Expr::Value(value) => match &value.value {
                    ast::Value::SingleQuotedString(text) if names_it(text) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            });
            found.is_break() && default.expr.to_string().to_lowercase().contains("nextval")
        };
        self.defaults.iter().flatten().any(is_one)
    }

    /// The same, without what they know of the rows.
    pub(crate) fn declared(&self) -> Constraints {
        let empty = |unique: &Unique| Unique::new(unique.name.clone(), unique.columns.clone(), unique.primary);
        Constraints {
            defaults: self.defaults.clone(),
            checks: self.checks.clone(),
            uniques: self.uniques.iter().map(empty).collect(),
            made: self.made,
        }
    }
}

/// DEFAULT.
#[derive(Debug, Clone)]
pub(crate) struct Default {
    pub(crate) expr: ast::Expr,
    /// Its value, of the column's type.
    pub(crate) scalar: Scalar,
}

/// CHECK.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) scalar: Scalar,
    /// The table, under the numbers that the scalar reads.
    pub(crate) rel: Rel,
}

impl Check {
    /// The positions of the table's columns that it reads.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let Rel::Get(get) = &self.rel else { return Vec::new() };
        let free = self.scalar.free();
        get.columns.iter().filter(|(_, id)| free.contains(id)).map(|(at, _)| *at).collect()
    }
}

/// PRIMARY KEY or UNIQUE.
#[derive(Debug)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) primary: bool,
    /// The key forms of the rows that there are. Only who changes the table reads them, while others read the database.
    held: Mutex<FxHashSet<Box<[u8]>>>,
}

impl Unique {
    pub(crate) fn new(name: String, columns: Vec<usize>, primary: bool) -> Self {
        Unique { name, columns, primary, held: Mutex::default() }
    }

    /// The key form of a row's columns; `None` if one is NULL, which equals nothing.
    pub(crate) fn key(&self, row: RowRef<'_>, columns: &[Column]) -> Option<Box<[u8]>> {
        let mut form = Vec::new();
        for &at in &self.columns {
            if row.is_null(at) {
                return None;
            }
            let ty = &columns[at].ty;
            key(&ty.ty, &unpack(row, at, ty), &mut form);
        }
        Some(form.into())
    }

    pub(crate) fn remove(&self, row: RowRef<'_>, columns: &[Column]) {
        if let Some(key) = self.key(row, columns) {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }

    /// Whether there is a row of this key form.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Takes note of a row.
    ///
    /// # Errors
    /// 23505 if there is one of its key.
    pub(crate) fn add(&self, row: RowRef<'_>, columns: &[Column]) -> Result<()> {
        let Some(key) = self.key(row, columns) else { return Ok(()) };
        let is_new = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        if is_new { Ok(()) } else { Err(self.violated(row, columns)) }
    }

    pub(crate) fn violated(&self, row: RowRef<'_>, columns: &[Column]) -> Error {
        let names: Vec<&str> = self.columns.iter().map(|&at| columns[at].name.as_str()).collect();
        let values: Vec<String> = self.columns.iter().map(|&at| shown(row, at, columns)).collect();
        let detail = format!("Key ({})=({}) already exists.", names.join(", "), values.join(", "));
        let message = format!("duplicate key value violates unique constraint \"{}\"", self.name);
        Error::new(b"23505", message).detail(detail).constraint(&self.name)
    }
}

/// The text form of a column, as errors show it.
fn shown(row: RowRef<'_>, at: usize, columns: &[Column]) -> String {
    let datum = unpack(row, at, &columns[at].ty);
    if datum.is_null() {
        return "null".to_owned();
    }
    let mut text = String::new();
    output(&datum, &columns[at].ty, &Settings::default(), &mut text);
    text
}

/// A row, as errors show it.
fn failing(row: RowRef<'_>, columns: &[Column]) -> String {
    let values: Vec<String> = (0..columns.len()).map(|at| shown(row, at, columns)).collect();
    format!("Failing row contains ({}).", values.join(", "))
}

/// What is asked of each row by itself.
pub(crate) struct RowChecks {
    table: String,
    columns: Arc<[Column]>,
    checks: Vec<(String, Expr)>,
}

impl RowChecks {
    /// # Errors
    /// What compiling a CHECK finds wrong.
    pub(crate) fn new(
        table: &str,
        columns: &Arc<[Column]>,
        constraints: &Constraints,
        session: &Arc<Session>,
    ) -> Result<Self> {
        let compiled = |check: &Check| Ok((check.name.clone(), compile_over(&check.scalar, &check.rel, session, &[])?));
        let checks = constraints.checks.iter().map(compiled).collect::<Result<_>>()?;
        Ok(RowChecks { table: table.to_owned(), columns: columns.clone(), checks })
    }

    /// Fails if the row may not be in the table.
    ///
    /// # Errors
    /// 23502, 23514, and what evaluating a CHECK gives.
    pub(crate) fn check(&self, row: &Row) -> Result<()> {
        let row = row.as_ref();
        if let Some((_, column)) =
            self.columns.iter().enumerate().find(|(at, column)| column.not_null && row.is_null(*at))
        {
            let (name, table) = (&column.name, &self.table);
            let message =
                format!("null value in column \"{name}\" of relation \"{table}\" violates not-null constraint");
            return Err(Error::new(b"23502", message).detail(failing(row, &self.columns)).column(name));
        }
        let scratch = Scratch::new();
        for (name, check) in &self.checks {
            // NULL is no refusal.
            if let Datum::Bool(false) = check.eval(&[row], &scratch)? {
                let message = format!("new row for relation \"{}\" violates check constraint \"{name}\"", self.table);
                return Err(Error::new(b"23514", message).detail(failing(row, &self.columns)).constraint(name));
            }
        }
        Ok(())
    }
}
