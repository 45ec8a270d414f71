//! What frames say: records, one behind another.
//!
//! ```text
//! u8 kind, then   1 header: u32 version, u64 number of the file          2 definition: u64 id, u32 length, bytes
//!                 3 gone: u64 id       4 rows: u64 id, u64 length of all, then each: i64 weight, u32 length, bytes
//!                 5 note: u32 length, key, u32 length, bytes (none: it goes)   6 end of a checkpoint
//! ```

use crate::error::{Error, Result};

/// The version of this form.
pub(crate) const VERSION: u32 = 1;

const HEADER: u8 = 1;
const DEFINITION: u8 = 2;
const GONE: u8 = 3;
const ROWS: u8 = 4;
const NOTE: u8 = 5;
const END: u8 = 6;

/// A record as it lies in its frame.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Header { version: u32, number: u64 },
    Definition { id: u64, bytes: &'a [u8] },
    Gone { id: u64 },
    Rows { id: u64, rows: RowList<'a> },
    Note { key: &'a str, bytes: &'a [u8] },
    End,
}

/// Rows with their weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowList<'a>(&'a [u8]);

/// Records that become durable together.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where the length of the rows that are being added stands.
    open: Option<usize>,
}

impl Batch {
    /// What fits a batch.
    pub const BYTES_MAX: usize = crate::frame::PAYLOAD_MAX;

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The definition of this id is now this one.
    pub fn define(&mut self, id: u64, bytes: &[u8]) {
        self.begin(DEFINITION);
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.blob(bytes);
    }

    /// The definition of this id, and its rows, go.
    pub fn gone(&mut self, id: u64) {
        self.begin(GONE);
        self.bytes.extend_from_slice(&id.to_le_bytes());
    }

    /// Rows of the table of this id follow.
    pub fn rows(&mut self, id: u64) {
        self.begin(ROWS);
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.open = Some(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 8]);
    }

    /// A row comes so often, or goes. It belongs to the table that [`Batch::rows`] named last.
    pub fn row(&mut self, weight: i64, row: &[u8]) {
        self.bytes.extend_from_slice(&weight.to_le_bytes());
        self.blob(row);
    }

    /// What is kept under this key from now on; nothing if it is empty.
    pub fn note(&mut self, key: &str, bytes: &[u8]) {
        self.begin(NOTE);
        self.blob(key.as_bytes());
        self.blob(bytes);
    }

    /// Adds what another one says, behind this.
    pub fn extend(&mut self, other: Batch) {
        self.close();
        self.bytes.extend(other.finish());
    }

    pub(crate) fn header(number: u64) -> Self {
        let mut batch = Batch::default();
        batch.begin(HEADER);
        batch.bytes.extend_from_slice(&VERSION.to_le_bytes());
        batch.bytes.extend_from_slice(&number.to_le_bytes());
        batch
    }

    pub(crate) fn end() -> Self {
        let mut batch = Batch::default();
        batch.begin(END);
        batch
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.close();
        self.bytes
    }

    fn begin(&mut self, kind: u8) {
        self.close();
        self.bytes.push(kind);
    }

    fn close(&mut self) {
        if let Some(at) = self.open.take() {
            let length = (self.bytes.len() - at - 8) as u64;
            self.bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
    }

    /// A blob has less than 4 GiB: its frame has.
    fn blob(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

/// Reads records of a payload.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn blob(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        Some(match self.take(1)?[0] {
            HEADER => Record::Header { version: self.u32()?, number: self.u64()? },
            DEFINITION => Record::Definition { id: self.u64()?, bytes: self.blob()? },
            GONE => Record::Gone { id: self.u64()? },
            ROWS => {
                let (id, length) = (self.u64()?, self.u64()?);
                Record::Rows { id, rows: RowList(self.take(usize::try_from(length).ok()?)?) }
            }
            NOTE => Record::Note { key: std::str::from_utf8(self.blob()?).ok()?, bytes: self.blob()? },
            END => Record::End,
            _ => return None,
        })
    }
}

/// Gives each record of the frame at `offset`, whose checksum is right.
pub(crate) fn each<'a>(
    file: &str,
    offset: u64,
    payload: &'a [u8],
    mut take: impl FnMut(Record<'a>) -> Result<()>,
) -> Result<()> {
    let mut cursor = Cursor(payload);
    while !cursor.0.is_empty() {
        let Some(record) = cursor.record() else {
            return Err(Error::damaged(file, offset, "it holds what this version does not know"));
        };
        take(record)?;
    }
    Ok(())
}

impl<'a> Iterator for RowList<'a> {
    type Item = (i64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.0);
        let weight = cursor.u64()? as i64;
        let row = cursor.blob()?;
        self.0 = cursor.0;
        Some((weight, row))
    }
}
