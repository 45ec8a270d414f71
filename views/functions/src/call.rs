//! One call of a function: its arguments' values, and memory for its result.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use tidewater_types::{
    ArrayRef, ColumnType, Datum, Interval, JsonbRef, MAX_VALUE, Numeric, Result, Scratch, SqlError, Type,
};

use crate::session::Session;

/// What a compiled call knows, whatever the row.
pub(crate) struct Env {
    /// The function's name, for errors.
    pub(crate) name: &'static str,
    /// Types of the arguments.
    pub(crate) types: Vec<ColumnType>,
    /// Type of the result.
    pub(crate) result: ColumnType,
    /// The session it was compiled in.
    pub(crate) session: Arc<Session>,
    /// Whether the last argument is an array that stands for the arguments in it.
    pub(crate) packed: bool,
    cache: Cache,
}

/// What the last call made of its constant arguments (a regular expression, a format), and of which.
type Cache = Mutex<Option<(Vec<Box<[u8]>>, Arc<dyn Any + Send + Sync>)>>;

impl Env {
    pub(crate) fn new(
        name: &'static str,
        types: Vec<ColumnType>,
        result: ColumnType,
        session: &Arc<Session>,
        packed: bool,
    ) -> Self {
        Env { name, types, result, session: session.clone(), packed, cache: Mutex::new(None) }
    }
}

/// A call.
pub(crate) struct Call<'a, 'c> {
    pub(crate) args: &'c [Datum<'a>],
    pub(crate) scratch: &'a Scratch,
    pub(crate) env: &'c Env,
}

impl<'a> Call<'a, '_> {
    /// How many arguments there are.
    pub(crate) fn count(&self) -> usize {
        self.args.len()
    }

    /// The type of argument `i`.
    pub(crate) fn ty(&self, i: usize) -> &Type {
        &self.env.types[i].ty
    }

    pub(crate) fn null(&self, i: usize) -> bool {
        self.args[i].is_null()
    }

    pub(crate) fn bool(&self, i: usize) -> Result<bool> {
        match self.args[i] {
            Datum::Bool(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn int(&self, i: usize) -> Result<i64> {
        match self.args[i] {
            Datum::Int(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn float(&self, i: usize) -> Result<f64> {
        match self.args[i] {
            Datum::Float(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn interval(&self, i: usize) -> Result<Interval> {
        match self.args[i] {
            Datum::Interval(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn text(&self, i: usize) -> Result<&'a str> {
        match self.args[i] {
            Datum::Text(value) => std::str::from_utf8(value).map_err(|_| self.mismatch(i)),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn bytes(&self, i: usize) -> Result<&'a [u8]> {
        match self.args[i] {
            Datum::Bytes(value) | Datum::Text(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn array(&self, i: usize) -> Result<ArrayRef<'a>> {
        match self.args[i] {
            Datum::Array(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn jsonb(&self, i: usize) -> Result<JsonbRef<'a>> {
        match self.args[i] {
            Datum::Jsonb(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    pub(crate) fn numeric(&self, i: usize) -> Result<Numeric<'a>> {
        match self.args[i] {
            Datum::Numeric(value) => Ok(value),
            _ => Err(self.mismatch(i)),
        }
    }

    /// Argument `i` as a cast to text gives it: as its type's text form, but for truth values and padded texts.
    pub(crate) fn cast_text(&self, i: usize) -> Result<String> {
        let (to, settings) = (Type::Text.into(), &self.env.session.settings);
        let text = tidewater_types::cast(self.args[i], self.ty(i), &to, true, settings, self.scratch)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// A value as its type's text form.
    pub(crate) fn show_of(&self, value: &Datum<'_>, ty: &ColumnType) -> Result<String> {
        let mut out = String::new();
        self.show_into(value, ty, &mut out)?;
        Ok(out)
    }

    /// Appends a value's text form.
    pub(crate) fn show_into(&self, value: &Datum<'_>, ty: &ColumnType, out: &mut String) -> Result<()> {
        tidewater_types::output(value, ty, &self.env.session.settings, out);
        Ok(())
    }

    /// A text as a result.
    pub(crate) fn new_text(&self, value: &str) -> Result<Datum<'a>> {
        check_size(value.len())?;
        Ok(Datum::Text(self.scratch.alloc_slice_copy(value.as_bytes())))
    }

    /// A bytea as a result.
    pub(crate) fn new_bytes(&self, value: &[u8]) -> Result<Datum<'a>> {
        check_size(value.len())?;
        Ok(Datum::Bytes(self.scratch.alloc_slice_copy(value)))
    }

    /// What `make` makes of the parts of a key: made once as long as calls bring the same ones, which constants do.
    pub(crate) fn cached<T: Send + Sync + 'static>(
        &self,
        key: &[&[u8]],
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut cache = self.env.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, value)) = &*cache
            && of.iter().map(AsRef::as_ref).eq(key.iter().copied())
            && let Ok(value) = value.clone().downcast::<T>()
        {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        *cache = Some((key.iter().map(|part| Box::from(*part)).collect(), value.clone()));
        Ok(value)
    }

    fn mismatch(&self, i: usize) -> SqlError {
        SqlError::new(b"XX000", format!("argument {} of {} has a value that is not of its type", i + 1, self.env.name))
    }
}

/// Refuses a value of more bytes than one may have, before it is made.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_VALUE {
        return Ok(());
    }
    Err(SqlError::new(b"54000", "requested length too large"))
}

/// A value that a function does not take.
pub(crate) fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(b"22023", message)
}
