//! Sequences: numbers that nobody gets twice.
//!
//! Numbers are kept in blocks: what is written says where to go on after the last number of a block, before the first of it is given away. So a
//! number costs no write, and after a crash the rest of a block is missing, as in PostgreSQL.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlparser::ast::{DataType, Expr, Ident, ObjectName, SequenceOptions, UnaryOperator, Value};
use tidewater_catalog::Identity;
use tidewater_delta::Row;
use tidewater_functions::Session;
use tidewater_query::column_type;
use tidewater_query::run::pack_row;
use tidewater_types::{Column, ColumnType, Datum, Type};

use crate::alter::quoted;
use crate::catalog::{Body, Object};
use crate::database::{Database, Shown};
use crate::names::{self, fold, key_of};
use crate::parse::ast::CreateSequence;
use crate::query::Prepared;
use crate::{Error, Result};

/// What numbers a column: a sequence of this type, with these options.
pub(crate) struct Numbered {
    pub(crate) ty: &'static str,
    pub(crate) options: Vec<SequenceOptions>,
    /// Of an identity column: which kind of it.
    pub(crate) identity: Option<Identity>,
}

/// The numbers of the first block, and of the largest: each is twice the one before.
const BLOCK: u32 = 32;
const BLOCK_MAX: u32 = 1 << 14;

/// See the module.
#[derive(Debug)]
pub struct Sequence {
    pub(crate) name: String,
    pub(crate) ty: ColumnType,
    pub(crate) start: i64,
    pub(crate) increment: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) cycle: bool,
    pub(crate) cache: i64,
    state: Mutex<State>,
}

/// Where a sequence goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The number given away last, or the one to begin with.
    pub value: i64,
    /// Whether it was given away.
    pub called: bool,
}

#[derive(Debug)]
struct State {
    at: Mark,
    /// What is written.
    kept: Mark,
    /// Numbers up to that.
    left: u32,
    block: u32,
}

/// The table and column that a sequence belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) table: String,
    pub(crate) column: String,
    /// Whether the column is an identity column, and of which kind.
    pub(crate) identity: Option<Identity>,
}

/// The columns that a sequence has where it is read: PostgreSQL 15's, and behind them those that clients of older servers ask for.
fn columns() -> Vec<Column> {
    let number = |name: &str| Column::new(name, Type::Int8).not_null();
    let truth = |name: &str| Column::new(name, Type::Bool).not_null();
    vec![
        number("last_value"),
        number("log_cnt"),
        truth("is_called"),
        Column::new("sequence_name", Type::Name).not_null(),
        number("start_value"),
        number("increment_by"),
        number("max_value"),
        number("min_value"),
        number("cache_value"),
        truth("is_cycled"),
    ]
}

impl Sequence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next number; `None` if it must be written first that it is given away: [`Sequence::begin_block`].
    ///
    /// # Errors
    /// 2200H at the end.
    pub fn next(&self) -> Result<Option<i64>> {
        let mut state = self.state();
        if state.left == 0 {
            return self.after(state.at).map(|_| None);
        }
        state.at = self.after(state.at)?;
        state.left -= 1;
        Ok(Some(state.at.value))
    }

    fn after(&self, at: Mark) -> Result<Mark> {
        if !at.called {
            return Ok(Mark { called: true, ..at });
        }
        let next = at.value.checked_add(self.increment).filter(|next| (self.min..=self.max).contains(next));
        let value = match next {
            Some(next) => next,
            None if self.cycle => {
                if self.increment > 0 {
                    self.min
                } else {
                    self.max
                }
            }
            None => {
                let (end, limit) = if self.increment > 0 { ("maximum", self.max) } else { ("minimum", self.min) };
                let name = &self.name;
                let message = format!("nextval: reached {end} value of sequence \"{name}\" ({limit})");
                return Err(Error::new(b"2200H", message));
            }
        };
        Ok(Mark { value, called: true })
    }

    /// Begins a block: its end is what is kept from now on. Gives how many numbers it has, for [`Sequence::end_block`] once that is written.
    pub fn begin_block(&self) -> u32 {
        let mut state = self.state();
        let mut count = 0;
        while count < state.block {
            let Ok(next) = self.after(state.kept) else { break };
            state.kept = next;
            count += 1;
        }
        count
    }

    /// The numbers of a block may be given away. If it could not be written they are never called: those behind it are, later.
    pub fn end_block(&self, count: u32) {
        let mut state = self.state();
        state.left += count;
        state.block = (state.block * 2).min(BLOCK_MAX);
    }

    /// Begins to go on elsewhere, which is to be written; no number is given away until [`Sequence::set`].
    pub fn begin_set(&self, mark: Mark) {
        let mut state = self.state();
        state.kept = mark;
        state.left = 0;
    }

    /// Goes on elsewhere.
    pub fn set(&self, mark: Mark) {
        *self.state() = State { at: mark, kept: mark, left: 0, block: BLOCK };
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails for a number that is none of the sequence's.
    ///
    /// # Errors
    /// 22003.
    pub fn contains(&self, value: i64) -> Result<()> {
        if (self.min..=self.max).contains(&value) {
            return Ok(());
        }
        let (name, min, max) = (&self.name, self.min, self.max);
        let message = format!("setval: value {value} is out of bounds for sequence \"{name}\" ({min}..{max})");
        Err(Error::new(b"22003", message))
    }

    /// Fails where RESTART may not go on.
    ///
    /// # Errors
    /// 22023.
    pub fn can_restart(&self, value: i64) -> Result<()> {
        let (min, max) = (self.min, self.max);
        if value < min {
            return Err(invalid(format!("RESTART value ({value}) cannot be less than MINVALUE ({min})")));
        }
        if value > max {
            return Err(invalid(format!("RESTART value ({value}) cannot be greater than MAXVALUE ({max})")));
        }
        Ok(())
    }

    /// Where it begins.
    pub fn beginning(&self) -> Mark {
        Mark { value: self.start, called: false }
    }

    /// The row that it is where it is read.
    pub(crate) fn row(&self) -> Row {
        let at = self.state().at;
        let types: Vec<ColumnType> = columns().into_iter().map(|column| column.ty).collect();
        let values = [
            Datum::Int(at.value),
            Datum::Int(0),
            Datum::Bool(at.called),
            Datum::from(self.name.as_str()),
            Datum::Int(self.start),
            Datum::Int(self.increment),
            Datum::Int(self.max),
            Datum::Int(self.min),
            Datum::Int(self.cache),
            Datum::Bool(self.cycle),
        ];
        pack_row(&types, &values)
    }

    /// The number given away last.
    pub fn last(&self) -> Option<i64> {
        let at = self.state().at;
        at.called.then_some(at.value)
    }

    /// What is to be written of it.
    pub fn kept(&self) -> Mark {
        self.state().kept
    }

    /// A sequence with these options.
    fn with(name: &str, ty: Option<&DataType>, options: &[SequenceOptions]) -> Result<Self> {
        let ty = ty.map_or_else(|| Ok(Type::Int8.into()), column_type)?;
        let (low, high) = match ty.ty {
            Type::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Type::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Type::Int8 => (i64::MIN, i64::MAX),
            _ => return Err(invalid("sequence type must be smallint, integer, or bigint")),
        };
        let (mut increment, mut min, mut max, mut start, mut cycle, mut cache) = (1, None, None, None, false, 1);
        for option in options {
            match option {
                SequenceOptions::IncrementBy(value, _) => increment = number(value)?,
                SequenceOptions::MinValue(value) => min = value.as_ref().map(number).transpose()?,
                SequenceOptions::MaxValue(value) => max = value.as_ref().map(number).transpose()?,
                SequenceOptions::StartWith(value, _) => start = Some(number(value)?),
                SequenceOptions::Cache(value) if number(value)? < 1 => {
                    return Err(invalid(format!("CACHE ({value}) must be greater than zero")));
                }
                SequenceOptions::Cache(value) => cache = number(value)?,
                SequenceOptions::Cycle(no) => cycle = !no,
            }
        }
        if increment == 0 {
            return Err(invalid("INCREMENT must not be zero"));
        }
        let up = increment > 0;
        let min = min.unwrap_or(if up { 1 } else { low });
        let max = max.unwrap_or(if up { high } else { -1 });
        if min < low || max > high {
            let (word, value) = if max > high { ("MAXVALUE", max) } else { ("MINVALUE", min) };
            return Err(invalid(format!("{word} ({value}) is out of range for sequence data type {}", ty.name())));
        }
        if min >= max {
            return Err(invalid(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})")));
        }
        let start = start.unwrap_or(if up { min } else { max });
        if start < min {
            return Err(invalid(format!("START value ({start}) cannot be less than MINVALUE ({min})")));
        }
        if start > max {
            return Err(invalid(format!("START value ({start}) cannot be greater than MAXVALUE ({max})")));
        }
        let at = Mark { value: start, called: false };
        let state = Mutex::new(State { at, kept: at, left: 0, block: BLOCK });
        Ok(Sequence { name: name.to_owned(), ty, start, increment, min, max, cycle, cache, state })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(b"22023", message)
}

fn number(expr: &Expr) -> Result<i64> {
    let not_one = || Error::new(b"42601", format!("{expr} is no number of a sequence"));
    let (sign, expr) = match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (-1, expr.as_ref()),
        expr => (1, expr),
    };
    let text = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.to_string(),
            _ => return Err(not_one()),
        },
        _ => return Err(not_one()),
    };
    let value: i128 = text.parse().map_err(|_| not_one())?;
    i64::try_from(sign * value)
        .map_err(|_| Error::new(b"22003", format!("value \"{text}\" is out of range for type bigint")))
}

impl Database {
    /// CREATE SEQUENCE.
    pub(crate) fn create_sequence(
        &mut self,
        create: &CreateSequence,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<String> {
        let tag = || Ok("CREATE SEQUENCE".to_owned());
        let key = self.new_relation_key(&key_of(&create.name)?, create.temporary, session)?;
        if create.if_not_exists && self.exists(&key) {
            return tag();
        }
        if self.exists(&key) {
            return Err(Error::new(b"42P07", format!("relation \"{}\" already exists", names::split(&key).1)));
        }
        let owner = create.owned_by.as_ref().map(|owner| self.owner(owner, session)).transpose()?.flatten();
        let owner = owner.map(|owner| Owner { identity: create.identity, ..owner });
        let sequence = Sequence::with(names::split(&key).1, create.data_type.as_ref(), &create.options)?;
        let shown = Shown { columns: columns(), key: None, has_primary_key: false };
        self.define(&key, text, Body::Sequence { sequence: Arc::new(sequence), owner }, Some(shown));
        tag()
    }

    /// `table.column` of OWNED BY; NONE is nobody. The table may be one that is made next.
    fn owner(&self, owner: &ObjectName, session: &Session) -> Result<Option<Owner>> {
        let mut parts = owner.0.clone();
        let column = parts.pop().and_then(|part| part.as_ident().map(fold)).unwrap_or_default();
        if parts.is_empty() {
            return match column.as_str() {
                "none" => Ok(None),
                _ => Err(Error::new(b"42601", "invalid OWNED BY option")
                    .hint("Specify OWNED BY table.column or OWNED BY NONE.")),
            };
        }
        let table = self.resolved(&key_of(&ObjectName(parts))?, session)?;
        Ok(Some(Owner { table, column, identity: None }))
    }

    /// The sequence of this number.
    ///
    /// # Errors
    /// 42P01 if there is none, 42809 if it is something else.
    pub fn sequence(&self, oid: u32) -> Result<&Arc<Sequence>> {
        let found = self.objects.iter().find(|(_, object)| object.oid == oid);
        match found.map(|(name, object)| (name, &object.body)) {
            Some((_, Body::Sequence { sequence, .. })) => Ok(sequence),
            Some((name, _)) => Err(Error::new(b"42809", format!("\"{}\" is not a sequence", names::split(name).1))),
            None => Err(Error::new(b"42P01", format!("could not open relation with OID {oid}"))),
        }
    }

    /// The sequences that go with the table that a statement changes.
    pub fn sequences_of(&self, table: &Prepared) -> Vec<u32> {
        let Some(table) = table.changed_table() else { return Vec::new() };
        let owned = |object: &&Object| matches!(&object.body, Body::Sequence { owner: Some(owner), .. } if owner.table == table);
        self.objects.values().filter(owned).map(|object| object.oid).collect()
    }

    /// The identity columns of a table.
    pub(crate) fn identities(&self, table: &str) -> Vec<(&str, Identity)> {
        let mut found = Vec::new();
        for object in self.objects.values() {
            if let Body::Sequence { owner: Some(Owner { table: of, column, identity: Some(identity) }), .. } =
                &object.body
                && of == table
            {
                found.push((column.as_str(), *identity));
            }
        }
        found
    }

    /// The sequence of this name.
    ///
    /// # Errors
    /// As [`Database::sequence`].
    pub fn sequence_named(&self, name: &str, session: &Session) -> Result<u32> {
        let key = self.resolved(name, session)?;
        match self.objects.get(&key) {
            Some(object) => self.sequence(object.oid).map(|_| object.oid),
            None => Err(Error::new(b"42P01", format!("relation \"{name}\" does not exist"))),
        }
    }

    /// Makes the sequence of a serial column; gives the expression of its DEFAULT.
    pub(crate) fn serial(&mut self, table: &str, column: &Ident, numbered: &Numbered) -> Result<(String, String)> {
        let Numbered { ty, options, identity } = numbered;
        let (schema, name) = names::split(table);
        let base = format!("{name}_{}_seq", fold(column));
        let free = |name: &String| !self.exists(&names::key(schema, name));
        let names = std::iter::once(base.clone()).chain((1..).map(|number| format!("{base}{number}")));
        let own = names.into_iter().find(free).unwrap_or(base.clone());
        let (schema, own_quoted) = (quoted(schema), quoted(&own));
        let options: String = options.iter().map(ToString::to_string).collect();
        let owner = format!("{schema}.{}.{}", quoted(name), quoted(&fold(column)));
        let identity = match identity {
            Some(Identity::Always) => " GENERATED ALWAYS",
            Some(Identity::ByDefault) => " GENERATED BY DEFAULT",
            None => "",
        };
        let text = format!("CREATE SEQUENCE {schema}.{own_quoted} AS {ty}{identity}{options} OWNED BY {owner}");
        let create = match crate::parse::parse(&text)?.pop().map(|parsed| parsed.statement) {
            Some(crate::parse::ast::Statement::CreateSequence(create)) => create,
            _ => return Err(Error::new(b"XX000", "CREATE SEQUENCE is no statement")),
        };
        let mut session = Session::default();
        if names::is_temp(table) {
            session.temp_schema = names::split(table).0.to_owned();
        }
        self.create_sequence(&create, &text, &Arc::new(session))?;
        let key = names::key(names::split(table).0, &own);
        // The name alone where that is how it is written.
        let plain = |name: &str| {
            let mut letters = name.chars();
            let first = letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
            first && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        };
        let part = |name: &str| if plain(name) { name.to_owned() } else { quoted(name) };
        let shown = format!("{}.{}", part(names::split(table).0), part(&own)).replace('\'', "''");
        Ok((key, format!("nextval('{shown}'::regclass)")))
    }
}
