//! Avro's binary encoding, read with every length checked.

use crate::error::{Error, Result};
use crate::schema::{Node, Wire};

/// What is left of a record.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

#[cold]
fn wrong_branch(branch: i64, count: usize) -> Error {
    Error::decode(format!("branch {branch} of a union that has {count}"))
}

#[cold]
fn wrong_length(size: i64) -> Error {
    Error::decode(format!("a length of {size}"))
}

#[cold]
fn short() -> Error {
    Error::decode("the record ends in the middle of a value")
}

impl<'a> Bytes<'a> {
    #[inline]
    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A zigzag varint of up to ten bytes; most have one.
    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(i64::from(*byte >> 1) ^ -i64::from(byte & 1))
            }
            _ => self.long_of_many(),
        }
    }

    fn long_of_many(&mut self) -> Result<i64> {
        let mut value = 0_u64;
        for (i, &byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.0 = &self.0[i + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(if self.0.len() < 10 { short() } else { Error::decode("an integer of more than ten bytes") })
    }

    /// Passes over a varint.
    #[inline]
    fn skip_long(&mut self) -> Result<()> {
        match self.0.iter().take(10).position(|byte| *byte < 0x80) {
            Some(last) => {
                self.0 = &self.0[last + 1..];
                Ok(())
            }
            None => self.long().map(drop),
        }
    }

    /// A union's branch or an enum's symbol, below `count`.
    #[inline(always)]
    pub(crate) fn branch(&mut self, count: usize) -> Result<usize> {
        let branch = self.long()?;
        match usize::try_from(branch) {
            Ok(branch) if branch < count => Ok(branch),
            _ => Err(wrong_branch(branch, count)),
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let size = self.long()?;
        self.take(usize::try_from(size).map_err(|_| wrong_length(size))?)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::decode("text that is not UTF-8"))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.take(1)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::decode(format!("the byte {other} as a truth value"))),
        }
    }

    pub(crate) fn float(&mut self) -> Result<f32> {
        let bytes = self.take(4)?.try_into().map_err(|_| short())?;
        Ok(f32::from_le_bytes(bytes))
    }

    pub(crate) fn double(&mut self) -> Result<f64> {
        let bytes = self.take(8)?.try_into().map_err(|_| short())?;
        Ok(f64::from_le_bytes(bytes))
    }

    /// The items of an array or map, block by block.
    pub(crate) fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A negative count is followed by the block's size.
                self.long()?;
            }
            // Every item takes a byte: a larger count is a lie.
            if count.unsigned_abs() > self.0.len() as u64 {
                return Err(short());
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }

    pub(crate) fn floats(&mut self) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        self.blocks(|bytes| {
            values.push(f64::from(bytes.float()?));
            Ok(())
        })?;
        Ok(values)
    }

    pub(crate) fn skip(&mut self, node: &Node) -> Result<()> {
        match &node.wire {
            Wire::Null => Ok(()),
            Wire::Boolean => self.take(1).map(drop),
            Wire::Int | Wire::Long | Wire::Enum(_) => self.skip_long(),
            Wire::Float => self.take(4).map(drop),
            Wire::Double => self.take(8).map(drop),
            Wire::Bytes | Wire::String => self.bytes().map(drop),
            Wire::Fixed(size) => self.take(*size).map(drop),
            Wire::Array(item) => self.blocks(|bytes| bytes.skip(item)),
            Wire::Map(item) => self.blocks(|bytes| {
                bytes.bytes()?;
                bytes.skip(item)
            }),
            Wire::Union(branches) => {
                let branch = self.branch(branches.len())?;
                self.skip(&branches[branch])
            }
            Wire::Record(fields) => fields.iter().try_for_each(|(_, field)| self.skip(field)),
        }
    }

    /// Whether all was read.
    pub(crate) fn end(&self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Error::decode(format!("{left} bytes behind the record's end"))),
        }
    }
}
