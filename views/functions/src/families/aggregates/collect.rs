//! string_agg, array_agg, json_agg and its kin.

use std::sync::Arc;

use tidewater_types::{
    ArrayRef, ColumnType, Datum, Dimension, MAX_DIMENSIONS, MapRef, Result, Scratch, SqlError, Type,
};

use super::{Kept, unexpected};
use crate::accumulator::Accumulator;
use crate::call::{Env, check_size};
use crate::families::to_json;
use crate::session::Session;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.aggregate("string_agg(text, text) -> text -- Joined, with the second before each but the first.", |_| {
        Ok(Box::new(Joined::new(true)))
    });
    t.aggregate("string_agg(bytea, bytea) -> bytea", |_| Ok(Box::new(Joined::new(false))));
    t.aggregate("array_agg(anynonarray) -> anyarray -- As an array, NULLs among them.", |_| {
        Ok(Box::new(Elements(Vec::new())))
    });
    t.aggregate("array_agg(anyarray) -> anyarray -- Arrays as an array of one more dimension.", |_| {
        Ok(Box::new(Arrays::default()))
    });
    t.aggregate("list_agg(anyelement) -> anylist -- As a list, NULLs among them.", |_| Ok(Box::new(List(Vec::new()))));
    t.aggregate("stable json_agg(anyelement) -> json -- As a JSON array.", |env| {
        Ok(Box::new(JsonArray::new(env, false)))
    });
    t.aggregate("stable jsonb_agg(anyelement) -> jsonb", |env| Ok(Box::new(JsonArray::new(env, true))));
    t.aggregate("stable json_object_agg(any, any) -> json -- Keys and values as a JSON object.", |env| {
        Ok(Box::new(JsonObject { session: env.session.clone(), types: env.types.clone(), text: String::new() }))
    });
    t.aggregate("jsonb_object_agg(any, any) -> jsonb", |env| {
        Ok(Box::new(JsonbObject {
            session: env.session.clone(),
            types: env.types.clone(),
            entries: Vec::new(),
            seen: false,
        }))
    });
    t.aggregate("map_agg(text, anyelement) -> anymap -- Keys and values as a map.", |_| Ok(Box::new(Map(Vec::new()))));
}

struct Joined {
    value: Option<Vec<u8>>,
    text: bool,
}

impl Joined {
    fn new(text: bool) -> Joined {
        Joined { value: None, text }
    }
}

impl Accumulator for Joined {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let (Datum::Text(part) | Datum::Bytes(part)) = args[0] else {
            return if args[0].is_null() { Ok(()) } else { Err(unexpected()) };
        };
        match &mut self.value {
            None => self.value = Some(part.to_vec()),
            Some(value) => {
                let delimiter = match args[1] {
                    Datum::Text(delimiter) | Datum::Bytes(delimiter) => delimiter,
                    _ => &[],
                };
                check_size(value.len() + delimiter.len() + part.len())?;
                value.extend_from_slice(delimiter);
                value.extend_from_slice(part);
            }
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        Ok(match &self.value {
            None => Datum::Null,
            Some(value) if self.text => Datum::Text(scratch.alloc_slice_copy(value)),
            Some(value) => Datum::Bytes(scratch.alloc_slice_copy(value)),
        })
    }

    fn memory(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::capacity)
    }
}

fn total(values: &[Kept]) -> usize {
    values.iter().map(|value| value.memory() + size_of::<Kept>()).sum()
}

struct Elements(Vec<Kept>);

impl Accumulator for Elements {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        self.0.push(Kept::of(&args[0]));
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.0.is_empty() {
            return Ok(Datum::Null);
        }
        let values: Vec<Datum<'_>> = self.0.iter().map(Kept::get).collect();
        Ok(Datum::Array(ArrayRef::vector(scratch, &values)?))
    }

    fn memory(&self) -> usize {
        total(&self.0)
    }
}

struct List(Vec<Kept>);

impl Accumulator for List {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        self.0.push(Kept::of(&args[0]));
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let values: Vec<Datum<'_>> = self.0.iter().map(Kept::get).collect();
        if values.is_empty() {
            return Ok(Datum::Null);
        }
        Ok(Datum::List(tidewater_types::ListRef::build(scratch, &values)?))
    }

    fn memory(&self) -> usize {
        total(&self.0)
    }
}

#[derive(Default)]
struct Arrays {
    dimensions: Vec<Dimension>,
    elements: Vec<Kept>,
    count: i32,
}

impl Accumulator for Arrays {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        let Datum::Array(array) = args[0] else {
            return Err(SqlError::new(b"22004", "cannot accumulate null arrays"));
        };
        let dimensions: Vec<Dimension> = array.dimensions().collect();
        if dimensions.is_empty() {
            return Err(SqlError::new(b"2202E", "cannot accumulate empty arrays"));
        }
        if dimensions.len() >= MAX_DIMENSIONS {
            let message = format!(
                "number of array dimensions ({}) exceeds the maximum allowed ({MAX_DIMENSIONS})",
                dimensions.len() + 1
            );
            return Err(SqlError::new(b"54000", message));
        }
        if self.count == 0 {
            self.dimensions = dimensions;
        } else if self.dimensions.len() != dimensions.len()
            || self.dimensions.iter().zip(&dimensions).any(|(a, b)| (a.length, a.lower) != (b.length, b.lower))
        {
            return Err(SqlError::new(b"2202E", "cannot accumulate arrays of different dimensionality"));
        }
        self.elements.extend(array.iter().map(|value| Kept::of(&value)));
        self.count += 1;
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let mut dimensions = vec![Dimension { length: self.count, lower: 1 }];
        dimensions.extend(self.dimensions.iter().copied());
        let values: Vec<Datum<'_>> = self.elements.iter().map(Kept::get).collect();
        Ok(Datum::Array(ArrayRef::build(scratch, &dimensions, &values)?))
    }

    fn memory(&self) -> usize {
        total(&self.elements)
    }
}

/// A JSON array, kept as its text.
struct JsonArray {
    session: Arc<Session>,
    ty: ColumnType,
    text: String,
    binary: bool,
}

impl JsonArray {
    fn new(env: &Env, binary: bool) -> JsonArray {
        JsonArray { session: env.session.clone(), ty: env.types[0].clone(), text: String::new(), binary }
    }
}

fn json_text<'a>(text: &str, binary: bool, scratch: &'a Scratch) -> Result<Datum<'a>> {
    check_size(text.len())?;
    if binary {
        return Ok(Datum::Jsonb(tidewater_types::json::parse(text, scratch)?));
    }
    Ok(Datum::from(&*scratch.alloc_str(text)))
}

impl Accumulator for JsonArray {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        self.text.push_str(if self.text.is_empty() { "[" } else { ", " });
        // json_agg begins a line with each row or array.
        let nested = matches!(self.ty.ty, Type::Array(_) | Type::Record(_)) && !args[0].is_null();
        if nested && self.text.len() > 1 {
            self.text.push_str("\n ");
        }
        to_json::write(&args[0], &self.ty, &self.session.settings, &mut self.text)?;
        check_size(self.text.len())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.text.is_empty() { Ok(Datum::Null) } else { json_text(&format!("{}]", self.text), self.binary, scratch) }
    }

    fn memory(&self) -> usize {
        self.text.capacity()
    }
}

struct JsonObject {
    session: Arc<Session>,
    types: Vec<ColumnType>,
    text: String,
}

impl Accumulator for JsonObject {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        self.text.push_str(if self.text.is_empty() { "{ " } else { ", " });
        if args[0].is_null() {
            return Err(SqlError::new(b"22023", "field name must not be null"));
        }
        to_json::write_key(&args[0], &self.types[0], &self.session.settings, &mut self.text)?;
        self.text.push_str(" : ");
        to_json::write(&args[1], &self.types[1], &self.session.settings, &mut self.text)?;
        check_size(self.text.len())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if self.text.is_empty() { Ok(Datum::Null) } else { json_text(&format!("{} }}", self.text), false, scratch) }
    }

    fn memory(&self) -> usize {
        self.text.capacity()
    }
}

struct JsonbObject {
    session: Arc<Session>,
    types: Vec<ColumnType>,
    entries: Vec<String>,
    seen: bool,
}

impl Accumulator for JsonbObject {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if args[0].is_null() {
            return Err(SqlError::new(b"22023", "field name must not be null"));
        }
        let mut entry = String::new();
        to_json::write_key(&args[0], &self.types[0], &self.session.settings, &mut entry)?;
        entry.push(':');
        to_json::write(&args[1], &self.types[1], &self.session.settings, &mut entry)?;
        self.entries.push(entry);
        self.seen = true;
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        if !self.seen {
            return Ok(Datum::Null);
        }
        json_text(&format!("{{{}}}", self.entries.join(",")), true, scratch)
    }

    fn memory(&self) -> usize {
        self.entries.iter().map(String::capacity).sum()
    }
}

struct Map(Vec<(String, Kept)>);

impl Accumulator for Map {
    fn add(&mut self, args: &[Datum<'_>]) -> Result<()> {
        if let Some(key) = args[0].as_str() {
            self.0.retain(|(other, _)| other != key);
            self.0.push((key.to_owned(), Kept::of(&args[1])));
        }
        Ok(())
    }

    fn finish<'a>(&self, scratch: &'a Scratch) -> Result<Datum<'a>> {
        let entries: Vec<(&str, Datum<'_>)> = self.0.iter().map(|(key, value)| (key.as_str(), value.get())).collect();
        Ok(Datum::Map(MapRef::build(scratch, &entries)?))
    }

    fn memory(&self) -> usize {
        self.0.iter().map(|(key, value)| key.capacity() + value.memory()).sum()
    }
}
