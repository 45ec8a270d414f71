//! Bytes of a value inside another value: one tag, then its content up to the end of its slice.
//!
//! All numbers are little endian. The bytes are canonical: two values have the same bytes exactly if they print the same.

use super::{ArrayRef, Datum, Interval, JsonbRef, ListRef, MapRef, MultirangeRef, RangeRef, RecordRef, TimeTz};
use crate::{MAX_VALUE, Numeric, Result, Scratch, SqlError};

/// What packed bytes are appended to.
pub trait Bytes {
    /// Appends.
    fn put(&mut self, bytes: &[u8]);
    /// Bytes so far.
    fn size(&self) -> usize;
    /// Overwrites what lies at `at`.
    fn patch(&mut self, at: usize, bytes: &[u8]);
}

impl Bytes for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Bytes for bumpalo::collections::Vec<'_, u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice_copy(bytes);
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const UINT: u8 = 4;
const FLOAT: u8 = 5;
const NUMERIC: u8 = 6;
const INTERVAL: u8 = 7;
const TIMETZ: u8 = 8;
const UUID: u8 = 9;
const TEXT: u8 = 10;
const BYTES: u8 = 11;
const JSONB: u8 = 12;
const ARRAY: u8 = 13;
const LIST: u8 = 14;
const MAP: u8 = 15;
const RECORD: u8 = 16;
const RANGE: u8 = 17;
const MULTIRANGE: u8 = 18;

/// Appends the packed form of `datum`.
pub fn encode(datum: &Datum<'_>, out: &mut impl Bytes) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        out.put(&[tag]);
        out.put(bytes);
    };
    match datum {
        Datum::Null => tagged(NULL, &[]),
        Datum::Bool(value) => tagged(if *value { TRUE } else { FALSE }, &[]),
        Datum::Int(value) => tagged(INT, short(&value.to_le_bytes(), (*value >> 63) as u8)),
        Datum::UInt(value) => tagged(UINT, &value.to_le_bytes()),
        Datum::Float(value) => tagged(FLOAT, &value.to_bits().to_le_bytes()),
        Datum::Numeric(value) => {
            out.put(&[NUMERIC]);
            value.pack(out);
        }
        Datum::Interval(value) => tagged(INTERVAL, &interval_bytes(*value)),
        Datum::TimeTz(value) => tagged(TIMETZ, &timetz_bytes(*value)),
        Datum::Uuid(value) => tagged(UUID, value),
        Datum::Text(value) => tagged(TEXT, value),
        Datum::Bytes(value) => tagged(BYTES, value),
        Datum::Jsonb(value) => tagged(JSONB, value.bytes()),
        Datum::Array(value) => tagged(ARRAY, value.bytes()),
        Datum::List(value) => tagged(LIST, value.bytes()),
        Datum::Map(value) => tagged(MAP, value.bytes()),
        Datum::Record(value) => tagged(RECORD, value.bytes()),
        Datum::Range(value) => tagged(RANGE, value.bytes()),
        Datum::Multirange(value) => tagged(MULTIRANGE, value.bytes()),
    }
}

/// The value that [`encode`] packed.
pub fn decode(bytes: &[u8]) -> Datum<'_> {
    let Some((tag, rest)) = bytes.split_first() else { return Datum::Null };
    match *tag {
        FALSE => Datum::Bool(false),
        TRUE => Datum::Bool(true),
        INT => {
            let sign = rest.last().map_or(0, |&last| if last & 0x80 != 0 { 0xff } else { 0 });
            let mut word = [sign; 8];
            word[..rest.len()].copy_from_slice(rest);
            Datum::Int(i64::from_le_bytes(word))
        }
        UINT => Datum::UInt(word(rest, 0)),
        FLOAT => Datum::Float(f64::from_bits(word(rest, 0))),
        NUMERIC => Datum::Numeric(Numeric::unpack(rest)),
        INTERVAL => Datum::Interval(interval(rest)),
        TIMETZ => Datum::TimeTz(timetz(rest)),
        UUID => {
            let mut uuid = [0; 16];
            uuid.copy_from_slice(rest);
            Datum::Uuid(uuid)
        }
        TEXT => Datum::Text(rest),
        BYTES => Datum::Bytes(rest),
        JSONB => Datum::Jsonb(JsonbRef::new(rest)),
        ARRAY => Datum::Array(ArrayRef::new(rest)),
        LIST => Datum::List(ListRef::new(rest)),
        MAP => Datum::Map(MapRef::new(rest)),
        RECORD => Datum::Record(RecordRef::new(rest)),
        RANGE => Datum::Range(RangeRef::new(rest)),
        MULTIRANGE => Datum::Multirange(MultirangeRef::new(rest)),
        _ => Datum::Null,
    }
}

/// Two's complement without the bytes that the sign repeats, at least one.
fn short(bytes: &[u8; 8], sign: u8) -> &[u8] {
    let mut length = 8;
    while length > 1 && bytes[length - 1] == sign && (bytes[length - 2] ^ sign) & 0x80 == 0 {
        length -= 1;
    }
    &bytes[..length]
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

pub(crate) fn half(bytes: &[u8], at: usize) -> u32 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(half)
}

pub(crate) fn interval_bytes(value: Interval) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&value.months.to_le_bytes());
    bytes[4..8].copy_from_slice(&value.days.to_le_bytes());
    bytes[8..].copy_from_slice(&value.micros.to_le_bytes());
    bytes
}

pub(crate) fn interval(bytes: &[u8]) -> Interval {
    Interval { months: half(bytes, 0) as i32, days: half(bytes, 4) as i32, micros: word(bytes, 8) as i64 }
}

pub(crate) fn timetz_bytes(value: TimeTz) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&value.micros.to_le_bytes());
    bytes[8..].copy_from_slice(&value.offset.to_le_bytes());
    bytes
}

pub(crate) fn timetz(bytes: &[u8]) -> TimeTz {
    TimeTz { micros: word(bytes, 0) as i64, offset: half(bytes, 8) as i32 }
}

/// Slices, found by number: `u32 count | u32 end of each, from the first's start | the slices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seq<'a>(&'a [u8]);

impl<'a> Seq<'a> {
    /// The sequence that `bytes` hold.
    pub fn new(bytes: &'a [u8]) -> Self {
        Seq(bytes)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        half(self.0, 0) as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The slice number `i`, which must exist.
    pub fn get(self, i: usize) -> &'a [u8] {
        let data = &self.0[4 + self.len() * 4..];
        let start = if i == 0 { 0 } else { half(self.0, i * 4) as usize };
        &data[start..half(self.0, 4 + i * 4) as usize]
    }

    /// All slices.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone {
        (0..self.len()).map(move |i| self.get(i))
    }
}

/// Appends a [`Seq`] of `count` slices, each written by `write(i, out)`.
///
/// # Errors
/// 54000 if it grows beyond the greatest size of a value.
pub(crate) fn put_seq<B: Bytes>(out: &mut B, count: usize, mut write: impl FnMut(usize, &mut B)) -> Result<()> {
    if count > MAX_VALUE / 5 {
        return Err(too_large());
    }
    out.put(&(count as u32).to_le_bytes());
    let ends = out.size();
    for _ in 0..count {
        out.put(&[0; 4]);
    }
    let start = out.size();
    for i in 0..count {
        write(i, out);
        let end = out.size() - start;
        if end > MAX_VALUE {
            return Err(too_large());
        }
        out.patch(ends + i * 4, &(end as u32).to_le_bytes());
    }
    Ok(())
}

/// [`put_seq`] of values, into scratch memory, after `head`.
pub(crate) fn values_in<'a>(scratch: &'a Scratch, head: &[u8], values: &[Datum<'_>]) -> Result<&'a [u8]> {
    let mut out = bumpalo::collections::Vec::with_capacity_in(head.len() + 4 + values.len() * 16, scratch);
    out.put(head);
    put_seq(&mut out, values.len(), |i, out| encode(&values[i], out))?;
    Ok(out.into_bump_slice())
}

pub(crate) fn too_large() -> SqlError {
    SqlError::new(b"54000", "value is too large")
}
