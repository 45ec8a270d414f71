//! A connection to the judge: statements in, answers or refusals out.

use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::wire::{Message, put};
use crate::{Answer, Column, Refusal};

/// Statements in flight at once: few enough that neither side's socket buffer fills while the other is writing.
const PIPELINE_BYTES: usize = 64 * 1024;

/// An open connection.
pub struct Connection {
    stream: BufReader<UnixStream>,
}

/// What a statement is, without running it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Oids of its parameters' types.
    pub parameters: Vec<u32>,
    /// Columns of its rows.
    pub columns: Vec<Column>,
}

/// Answers up to the next ReadyForQuery.
#[derive(Default)]
struct Turn {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<Vec<u8>>>>,
    parameters: Vec<u32>,
    refusal: Option<Refusal>,
}

impl Connection {
    pub(crate) fn open(directory: &Path) -> io::Result<Connection> {
        let stream = UnixStream::connect(directory.join(".s.PGSQL.5432"))?;
        let mut connection = Connection { stream: BufReader::new(stream) };
        let mut message = Vec::new();
        put(&mut message, 0, &[&196_608_u32.to_be_bytes(), b"user\0judge\0database\0postgres\0\0"]);
        connection.send(&message)?;
        match connection.turn()?.refusal {
            Some(refusal) => Err(io::Error::other(refusal.message)),
            None => Ok(connection),
        }
    }

    /// Runs `sql`, which may be several statements.
    ///
    /// # Errors
    /// The server's refusal.
    ///
    /// # Panics
    /// If the connection breaks.
    pub fn ask(&mut self, sql: &str) -> Result<Answer, Refusal> {
        self.ask_all(&[sql]).pop().expect("an answer a statement")
    }

    /// Runs statements, each in its own transaction, many in flight at once.
    ///
    /// # Panics
    /// If the connection breaks.
    pub fn ask_all(&mut self, statements: &[impl AsRef<str>]) -> Vec<Result<Answer, Refusal>> {
        let mut answers = Vec::with_capacity(statements.len());
        let mut batch = Vec::new();
        let mut sent = 0;
        for statement in statements {
            put(&mut batch, b'Q', &[statement.as_ref().as_bytes(), b"\0"]);
            sent += 1;
            if batch.len() > PIPELINE_BYTES {
                self.flush(&mut batch, sent, &mut answers);
            }
        }
        self.flush(&mut batch, sent, &mut answers);
        answers
    }

    /// Sends `batch` and reads until `sent` statements are answered. Written from another thread, so that a server that waits
    /// for its answers to be read cannot block us.
    fn flush(&mut self, batch: &mut Vec<u8>, sent: usize, answers: &mut Vec<Result<Answer, Refusal>>) {
        let bytes = std::mem::take(batch);
        let mut writer = self.stream.get_ref().try_clone().expect("a second handle of the socket");
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(&bytes).expect("sending to the judge"));
            while answers.len() < sent {
                let turn = self.turn().expect("reading the judge's answer");
                answers.push(match turn.refusal {
                    Some(refusal) => Err(refusal),
                    None => Ok(Answer { columns: turn.columns, rows: turn.rows.into_iter().map(text).collect() }),
                });
            }
        });
    }

    /// Runs one statement and gives its values in binary form.
    ///
    /// # Errors
    /// The server's refusal.
    ///
    /// # Panics
    /// If the connection breaks.
    pub fn ask_binary(&mut self, sql: &str) -> Result<Vec<Vec<Option<Vec<u8>>>>, Refusal> {
        let mut messages = Vec::new();
        put(&mut messages, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"]);
        // No parameters; every result in format 1, binary.
        put(&mut messages, b'B', &[b"\0\0\0\0\0\0\0\x01\0\x01"]);
        put(&mut messages, b'E', &[b"\0\0\0\0\0"]);
        put(&mut messages, b'S', &[]);
        self.send(&messages).expect("sending to the judge");
        let turn = self.turn().expect("reading the judge's answer");
        turn.refusal.map_or(Ok(turn.rows), Err)
    }

    /// What `sql`, which may have parameters `$1`, …, takes and gives.
    ///
    /// # Errors
    /// The server's refusal.
    ///
    /// # Panics
    /// If the connection breaks.
    pub fn describe(&mut self, sql: &str) -> Result<Description, Refusal> {
        let mut messages = Vec::new();
        put(&mut messages, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"]);
        put(&mut messages, b'D', &[b"S\0"]);
        put(&mut messages, b'S', &[]);
        self.send(&messages).expect("sending to the judge");
        let turn = self.turn().expect("reading the judge's answer");
        let description = Description { parameters: turn.parameters, columns: turn.columns };
        turn.refusal.map_or(Ok(description), Err)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn turn(&mut self) -> io::Result<Turn> {
        let mut turn = Turn::default();
        loop {
            let mut message = Message::read(&mut self.stream)?;
            match message.tag {
                b'Z' => return Ok(turn),
                b'T' => {
                    turn.columns = message.columns();
                    turn.rows.clear();
                }
                b'D' => turn.rows.push(message.row()),
                b't' => turn.parameters = (0..message.i16()).map(|_| message.i32() as u32).collect(),
                b'E' => {
                    let refusal = message.refusal();
                    // A start that is refused ends without ReadyForQuery.
                    if refusal.sqlstate.starts_with("57P") {
                        return Err(io::Error::other(refusal.message));
                    }
                    turn.refusal = Some(refusal);
                }
                _ => {}
            }
        }
    }
}

fn text(row: Vec<Option<Vec<u8>>>) -> Vec<Option<String>> {
    row.into_iter().map(|value| value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())).collect()
}
