//! How far a source has come, in the words of the source itself.
//!
//! Text and back: `3e11fa47-71ca-11e1-9e33-c80aa9429562:42` (with a tag, an interval or as a set, too), MariaDB's `0-1-42`,
//! `binlog.000003:157`, `topic/0@12`.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A place in a source's history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Position {
    /// A MySQL transaction: `server-uuid:number`; or a set of them, which stands for the highest number of each server.
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

impl std::str::FromStr for Position {
    type Err = Error;

    /// Statements of this process have no text: whoever made one has seen its end.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Position(text.trim().to_owned());
        // MySQL breaks the lines of its sets.
        let plain: String = text.split_whitespace().collect();
        if highest(&plain).is_some() {
            return Ok(Position::Gtid(plain.to_ascii_lowercase()));
        }
        if let Some((rest, offset)) = plain.rsplit_once('@') {
            let (topic, partition) = rest.rsplit_once('/').ok_or_else(wrong)?;
            if !is_topic(topic) {
                return Err(wrong());
            }
            let (partition, offset) = (number(partition).ok_or_else(wrong)?, number(offset).ok_or_else(wrong)?);
            return Ok(Position::Offset { topic: topic.to_owned(), partition, offset });
        }
        let (file, offset) = plain.rsplit_once(':').ok_or_else(wrong)?;
        file_number(file).filter(|_| is_topic(file)).ok_or_else(wrong)?;
        Ok(Position::Binlog { file: file.to_owned(), offset: number(offset).ok_or_else(wrong)? })
    }
}

/// A number of digits alone: no sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Letters that names of Kafka's topics and of binlog files have.
fn is_topic(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The name of a binlog file without its number, and the number.
pub(crate) fn file_number(file: &str) -> Option<(&str, u64)> {
    let (base, digits) = file.rsplit_once('.')?;
    Some((base, number(digits)?))
}

/// The highest number of each source of a GTID or set: `uuid` or `uuid:tag` of MySQL, the domain of MariaDB's
/// `domain-server-number`. `None` for other text.
pub(crate) fn highest(gtids: &str) -> Option<Vec<(String, u64)>> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for part in gtids.split(',').map(str::trim) {
        for (source, top) in mariadb(part).map(|one| vec![one]).or_else(|| mysql(part))? {
            match found.iter_mut().find(|(known, _)| *known == source) {
                Some((_, known)) => *known = top.max(*known),
                None => found.push((source, top)),
            }
        }
    }
    Some(found)
}

/// `domain-server-number`; numbers of a domain grow whichever server writes.
fn mariadb(part: &str) -> Option<(String, u64)> {
    let mut numbers = part.split('-').map(number::<u64>);
    let (domain, _server, top) = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then(|| (domain.to_string(), top))
}

/// `uuid:1-5:7` and, since MySQL 8.3, `uuid:1-5:tag:3`: intervals belong to the tag before them.
fn mysql(part: &str) -> Option<Vec<(String, u64)>> {
    let mut words = part.split(':');
    let uuid = words.next().filter(|uuid| is_uuid(uuid))?.to_ascii_lowercase();
    let mut found: Vec<(String, u64)> = Vec::new();
    let mut source = uuid.clone();
    let mut empty = true;
    for word in words {
        let interval = match word.split_once('-') {
            Some((first, last)) => number::<u64>(first).zip(number::<u64>(last)),
            None => number(word).map(|only: u64| (only, only)),
        };
        match interval {
            Some((first, last)) if 0 < first && first <= last => {
                found.push((source.clone(), last));
                empty = false;
            }
            None if is_tag(word) && !(empty && source != uuid) => {
                source = format!("{uuid}:{}", word.to_ascii_lowercase());
                empty = true;
            }
            _ => return None,
        }
    }
    (!empty).then_some(found)
}

fn is_uuid(text: &str) -> bool {
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').all(|group| lengths.next() == Some(group.len()) && hex(group)) && lengths.next().is_none()
}

fn is_tag(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.len() <= 32
        && text.bytes().next().is_some_and(letter)
        && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn text_and_back() {
        let gtid = |rest: &str| format!("{UUID}:{rest}");
        let set = format!("{}, \n {}", gtid("1-5:7"), "0-1-42");
        for text in [&gtid("42"), &gtid("tag_1:3"), "0-1-42", "binlog.000003:157", "mysql-bin.10:4", "a.b_c-d/0@12"] {
            assert_eq!(text.parse::<Position>().map(|position| position.to_string()), Ok((*text).to_owned()));
        }
        assert_eq!(set.parse(), Ok(Position::Gtid(format!("{UUID}:1-5:7,0-1-42"))));
        assert_eq!(gtid("42").to_uppercase().parse(), Ok(Position::Gtid(gtid("42"))), "either case");
        for text in [
            "",
            "42",
            "uuid:42",
            UUID,
            &gtid(""),
            &gtid("0"),
            &gtid("5-1"),
            &gtid("tag"),
            &gtid("a:b:1"),
            &gtid("-1"),
            "0-1",
            "0-1-2-3",
            "binlog:157",
            "binlog.x:157",
            "binlog.000003:",
            "binlog.000003:-1",
            "topic/0@",
            "topic@12",
            "/0@1",
            "topic/0@-1",
            "topic/x@1",
            "local:1",
            "a b.000001:2'",
            &format!("{},", gtid("1")),
        ] {
            assert_eq!(text.parse::<Position>(), Err(Error::Position(text.trim().to_owned())), "{text}");
        }
    }

    #[test]
    fn sets_stand_for_the_highest_number_of_each_source() {
        let other = "aaaaaaaa-71ca-11e1-9e33-c80aa9429562";
        let set = format!("{UUID}:1-5:9:7,{other}:3:tag:1-2:4,1-7-9,1-8-11");
        let tagged = format!("{other}:tag");
        let expected = [(UUID, 9), (other, 3), (&tagged, 4), ("1", 11)].map(|(name, top)| (name.to_owned(), top));
        assert_eq!(highest(&set), Some(expected.to_vec()));
    }
}
