//! What is kept over restarts, as bytes: a version, a checksum, and the state as `postcard` writes it, which names no fields.
//!
//! Bytes of another version, bytes that are damaged and bytes that say they are longer than they are give an error and nothing
//! else: the checksum finds what a disk does to them, and nothing is allocated by a length that was only read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// To be raised with every change of a struct that is kept.
const VERSION: u32 = 5;
/// Version and checksum.
const HEAD: usize = 8;

/// The bytes of `state`.
///
/// # Errors
/// If it cannot be written as bytes, which no state is known to do.
pub(crate) fn save<T: Serialize>(state: &T) -> Result<Vec<u8>> {
    let head = [VERSION.to_le_bytes(), [0; 4]].concat();
    let mut bytes = postcard::to_extend(state, head).map_err(|error| wrong(&format!("cannot be written: {error}")))?;
    let sum = crc32fast::hash(&bytes[HEAD..]);
    bytes[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// What was saved as `bytes`.
///
/// # Errors
/// If they are of another version or damaged.
pub(crate) fn load<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let short = || wrong("is cut off");
    let (version, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(wrong(&format!("is of version {version}, and this server reads version {VERSION}")));
    }
    let (sum, body) = rest.split_first_chunk().ok_or_else(short)?;
    if u32::from_le_bytes(*sum) != crc32fast::hash(body) {
        return Err(wrong("is damaged: its checksum is another"));
    }
    match postcard::take_from_bytes(body) {
        Ok((state, [])) => Ok(state),
        Ok(_) => Err(wrong("has bytes behind its end")),
        Err(error) => Err(wrong(&format!("cannot be read: {error}"))),
    }
}

fn wrong(what: &str) -> Error {
    Error::decode(format!("the state of a timeline {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type State = (u32, String, Vec<(i64, Box<str>)>);

    fn state() -> State {
        (7, "seven".to_owned(), vec![(-1, "a".into()), (i64::MAX, "b".into())])
    }

    #[test]
    fn what_was_saved_is_loaded() {
        assert_eq!(load::<State>(&save(&state()).expect("bytes")), Ok(state()));
    }

    #[test]
    fn damaged_bytes_and_other_versions_are_errors() {
        let bytes = save(&state()).expect("bytes");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            load::<State>(&damaged).expect_err("damaged");
            load::<State>(&bytes[..at]).expect_err("cut off");
        }
        let newer = [&(VERSION + 1).to_le_bytes()[..], &bytes[4..]].concat();
        let error = load::<State>(&newer).expect_err("another version").to_string();
        let newer = VERSION + 1;
        assert_eq!(
            error,
            format!("the state of a timeline is of version {newer}, and this server reads version {VERSION}")
        );
    }
}
