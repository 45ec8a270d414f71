//! jsonb: a tag, then the content. Objects have their keys in jsonb's order (shorter first, then by bytes), each once.

use super::packed::{put_seq, too_large};
use super::{Bytes, Seq};
use crate::{MAX_VALUE, Numeric, Result, Scratch};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const STRING: u8 = 4;
const ARRAY: u8 = 5;
const OBJECT: u8 = 6;

/// A borrowed jsonb value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonbRef<'a>(&'a [u8]);

/// A jsonb value, read one level deep.
#[derive(Debug, Clone, Copy)]
pub enum Json<'a> {
    /// JSON's null.
    Null,
    /// true or false.
    Bool(bool),
    /// A number, with the scale that it was written with.
    Number(Numeric<'a>),
    /// A string, without escapes.
    String(&'a [u8]),
    /// An array of packed values.
    Array(Seq<'a>),
    /// Keys and packed values in turns.
    Object(Seq<'a>),
}

impl<'a> JsonbRef<'a> {
    /// The value that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        JsonbRef(bytes)
    }

    /// The packed bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// JSON's null.
    pub const NULL: JsonbRef<'static> = JsonbRef(&[NULL]);

    /// What it is.
    pub fn get(self) -> Json<'a> {
        let Some((tag, rest)) = self.0.split_first() else { return Json::Null };
        match *tag {
            FALSE => Json::Bool(false),
            TRUE => Json::Bool(true),
            NUMBER => Json::Number(Numeric::unpack(rest)),
            STRING => Json::String(rest),
            ARRAY => Json::Array(Seq::new(rest)),
            OBJECT => Json::Object(Seq::new(rest)),
            _ => Json::Null,
        }
    }

    /// The value of `key`, if this is an object that has it.
    pub fn field(self, key: &[u8]) -> Option<JsonbRef<'a>> {
        let Json::Object(seq) = self.get() else { return None };
        let (mut low, mut high) = (0, seq.len() / 2);
        while low < high {
            let middle = (low + high) / 2;
            match key_order(seq.get(middle * 2), key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(JsonbRef(seq.get(middle * 2 + 1))),
            }
        }
        None
    }

    /// Element number `i` of an array; counted from the end if negative.
    pub fn element(self, i: i64) -> Option<JsonbRef<'a>> {
        let Json::Array(seq) = self.get() else { return None };
        let i = if i < 0 { i.checked_add(seq.len() as i64)? } else { i };
        usize::try_from(i).ok().filter(|i| *i < seq.len()).map(|i| JsonbRef(seq.get(i)))
    }

    /// The elements of an array; none if it is none.
    pub fn elements(self) -> impl DoubleEndedIterator<Item = JsonbRef<'a>> + ExactSizeIterator + Clone {
        let seq = if let Json::Array(seq) = self.get() { seq } else { Seq::new(&[0; 4]) };
        seq.iter().map(JsonbRef)
    }

    /// Keys and values of an object, in jsonb's order; none if it is none.
    pub fn entries(self) -> impl DoubleEndedIterator<Item = (&'a [u8], JsonbRef<'a>)> + ExactSizeIterator + Clone {
        let seq = if let Json::Object(seq) = self.get() { seq } else { Seq::new(&[0; 4]) };
        (0..seq.len() / 2).map(move |i| (seq.get(i * 2), JsonbRef(seq.get(i * 2 + 1))))
    }

    /// A scalar.
    pub fn bool(value: bool) -> JsonbRef<'static> {
        if value { JsonbRef(&[TRUE]) } else { JsonbRef(&[FALSE]) }
    }

    /// A number; it must be finite.
    pub fn number(scratch: &'a Scratch, value: Numeric<'_>) -> JsonbRef<'a> {
        let mut out = bumpalo::collections::Vec::new_in(scratch);
        out.put(&[NUMBER]);
        value.pack(&mut out);
        JsonbRef(out.into_bump_slice())
    }

    /// A string.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn string(scratch: &'a Scratch, value: &[u8]) -> Result<JsonbRef<'a>> {
        if value.len() >= MAX_VALUE {
            return Err(too_large());
        }
        let mut out = bumpalo::collections::Vec::with_capacity_in(value.len() + 1, scratch);
        out.put(&[STRING]);
        out.put(value);
        Ok(JsonbRef(out.into_bump_slice()))
    }

    /// An array.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn array(scratch: &'a Scratch, elements: &[JsonbRef<'_>]) -> Result<JsonbRef<'a>> {
        let mut out = bumpalo::collections::Vec::new_in(scratch);
        out.put(&[ARRAY]);
        put_seq(&mut out, elements.len(), |i, out| out.put(elements[i].0))?;
        Ok(JsonbRef(out.into_bump_slice()))
    }

    /// An object: sorted, and of equal keys the last stays.
    ///
    /// # Errors
    /// 54000 if it is too large.
    pub fn object(scratch: &'a Scratch, entries: &[(&[u8], JsonbRef<'_>)]) -> Result<JsonbRef<'a>> {
        let mut sorted = entries.to_vec();
        // Stable: among equal keys the order of entries remains.
        sorted.sort_by(|a, b| key_order(a.0, b.0));
        let last = |i: usize| sorted.get(i + 1).is_none_or(|next| next.0 != sorted[i].0);
        let kept: Vec<_> = (0..sorted.len()).filter(|&i| last(i)).map(|i| sorted[i]).collect();
        let mut out = bumpalo::collections::Vec::new_in(scratch);
        out.put(&[OBJECT]);
        put_seq(&mut out, kept.len() * 2, |i, out| {
            let (key, value) = kept[i / 2];
            out.put(if i % 2 == 0 { key } else { value.0 });
        })?;
        Ok(JsonbRef(out.into_bump_slice()))
    }
}

/// The order of keys inside an object.
fn key_order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
