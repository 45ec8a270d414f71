//! How far a source has come, in the words of the source itself.

/// A place in a source's history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    /// A MySQL transaction: `server-uuid:number`.
    Gtid(String),
    /// A place in MySQL's binlog, where the server has no GTIDs.
    Binlog {
        /// Name of the binlog file.
        file: String,
        /// Byte offset in it.
        offset: u64,
    },
    /// A Kafka topic's next offset, for topics that services write themselves.
    Offset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The next offset to read.
        offset: i64,
    },
    /// A statement in this process (`INSERT` into a table), numbered from 1.
    Local(u64),
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Position::Gtid(gtid) => f.write_str(gtid),
            Position::Binlog { file, offset } => write!(f, "{file}:{offset}"),
            Position::Offset { topic, partition, offset } => write!(f, "{topic}/{partition}@{offset}"),
            Position::Local(number) => write!(f, "local:{number}"),
        }
    }
}
