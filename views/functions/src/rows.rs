//! Set-returning functions: any number of rows for one row's arguments, made one at a time.

use tidewater_types::{Datum, Expr, Result, Scratch, Tuple};

use crate::call::{Call, Env};
use crate::compile::Argument;

/// Rows that come one at a time: each call appends the values of one row's columns, or says `false` at the end.
pub struct RowSource<'a>(Box<Next<'a>>);

type Next<'a> = dyn FnMut(&mut Vec<Datum<'a>>) -> Result<bool> + 'a;

impl<'a> RowSource<'a> {
    /// Rows that `next` makes.
    pub fn new(next: impl FnMut(&mut Vec<Datum<'a>>) -> Result<bool> + 'a) -> Self {
        RowSource(Box::new(next))
    }

    /// No rows.
    pub fn empty() -> Self {
        RowSource::new(|_| Ok(false))
    }

    /// Rows of one column, of values that are there already.
    pub fn of(values: impl IntoIterator<Item = Datum<'a>> + 'a) -> Self {
        let mut values = values.into_iter();
        RowSource::new(move |row| {
            let value = values.next();
            let found = value.is_some();
            row.extend(value);
            Ok(found)
        })
    }

    /// Appends the next row's columns to `row`; false where there is none.
    ///
    /// # Errors
    /// What SQL calls an error of this row.
    pub fn next(&mut self, row: &mut Vec<Datum<'a>>) -> Result<bool> {
        (self.0)(row)
    }
}

type Make = for<'a, 'c> fn(&Call<'a, 'c>) -> Result<RowSource<'a>>;

/// A compiled call of a set-returning function.
pub struct Rows {
    args: Vec<Expr>,
    env: Env,
    make: Make,
    strict: bool,
}

impl Rows {
    pub(crate) fn new(args: Vec<Argument>, env: Env, make: Make, strict: bool) -> Self {
        Rows { args: args.into_iter().map(|arg| arg.expr).collect(), env, make, strict }
    }

    /// The rows for `tuple`.
    ///
    /// # Errors
    /// What the arguments' expressions or the function find wrong.
    pub fn eval<'a>(&self, tuple: Tuple<'a>, scratch: &'a Scratch) -> Result<RowSource<'a>> {
        let args = self.args.iter().map(|arg| arg.eval(tuple, scratch)).collect::<Result<Vec<_>>>()?;
        if self.strict && args.iter().any(Datum::is_null) {
            return Ok(RowSource::empty());
        }
        (self.make)(&Call { args: &args, scratch, env: &self.env })
    }
}
