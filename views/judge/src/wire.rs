//! Messages of PostgreSQL's protocol, version 3 (<https://www.postgresql.org/docs/15/protocol-message-formats.html>).

use std::io::{self, BufRead};

use crate::{Column, Refusal};

/// A message from the server.
pub(crate) struct Message {
    pub(crate) tag: u8,
    body: Vec<u8>,
    at: usize,
}

impl Message {
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Message> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        from.read_exact(&mut body)?;
        Ok(Message { tag: head[0], body, at: 0 })
    }

    fn take(&mut self, bytes: usize) -> &[u8] {
        self.at += bytes;
        &self.body[self.at - bytes..self.at]
    }

    pub(crate) fn i16(&mut self) -> i16 {
        let bytes = self.take(2);
        i16::from_be_bytes([bytes[0], bytes[1]])
    }

    pub(crate) fn i32(&mut self) -> i32 {
        let bytes = self.take(4);
        i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn string(&mut self) -> String {
        let rest = &self.body[self.at..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        text
    }

    /// RowDescription.
    pub(crate) fn columns(mut self) -> Vec<Column> {
        let count = self.i16();
        let mut columns = Vec::new();
        for _ in 0..count {
            let name = self.string();
            self.take(6);
            let type_oid = self.i32() as u32;
            self.i16();
            columns.push(Column { name, type_oid, modifier: self.i32() });
            self.i16();
        }
        columns
    }

    /// DataRow.
    pub(crate) fn row(mut self) -> Vec<Option<Vec<u8>>> {
        let count = self.i16();
        let mut row = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let length = self.i32();
            row.push(usize::try_from(length).ok().map(|length| self.take(length).to_vec()));
        }
        row
    }

    /// ErrorResponse.
    pub(crate) fn refusal(mut self) -> Refusal {
        let mut refusal = Refusal::default();
        while self.at < self.body.len() && self.body[self.at] != 0 {
            let field = self.take(1)[0];
            let text = self.string();
            match field {
                b'C' => refusal.sqlstate = text,
                b'M' => refusal.message = text,
                b'D' => refusal.detail = Some(text),
                b'H' => refusal.hint = Some(text),
                b'P' => refusal.position = text.parse().ok(),
                _ => {}
            }
        }
        refusal
    }
}

/// Appends a message to the server; `tag` 0 is the start-up message, which has none.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, body: &[&[u8]]) {
    if tag != 0 {
        out.push(tag);
    }
    let length = 4 + body.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    body.iter().for_each(|part| out.extend_from_slice(part));
}
