//! Frames: bytes that are there as a whole or not at all.
//!
//! ```text
//! u32 magic | u32 length of the payload | u64 number in its file, from 0 | u32 CRC-32 of length, number and payload | payload
//! ```
//! Little endian. The magic lets what lies behind a damaged frame be found: only the last thing that was written can be torn by a
//! crash, because nothing is written behind what is not durable yet.

use crate::error::{Error, Result};
use crate::files::Reading;

const MAGIC: u32 = 0x7769_6474;
pub(crate) const HEAD: usize = 20;
/// Payload of one frame: far below what its length field holds, so that a damaged length is seldom believed.
pub(crate) const PAYLOAD_MAX: usize = 1 << 31;
/// Bytes looked at at once when frames are searched for.
const SEARCHED: usize = 1 << 20;

/// Appends a frame to `out`.
///
/// # Errors
/// If the payload is too large.
pub(crate) fn write(number: u64, payload: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if payload.len() > PAYLOAD_MAX {
        return Err(Error::TooLarge { bytes: payload.len() });
    }
    out.reserve(HEAD + payload.len());
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&sum(payload.len() as u32, number, payload).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

fn sum(length: u32, number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// What lies at a place.
pub(crate) enum Found {
    /// A whole frame, whose payload was read.
    Frame { payload: Vec<u8>, end: u64 },
    /// The file ends exactly here.
    End,
    /// Something else, and what is wrong with it.
    Bad(&'static str),
}

/// The frame at `at`, which must have this number; of another one its number must only be at least so high if `later`.
pub(crate) fn read(file: &dyn Reading, name: &str, at: u64, number: u64) -> Result<Found> {
    read_frame(file, name, at, |found| found == number)
}

fn read_frame(file: &dyn Reading, name: &str, at: u64, fits: impl Fn(u64) -> bool) -> Result<Found> {
    let mut head = [0; HEAD];
    let read = file.read_at(at, &mut head).map_err(Error::io("read", name))?;
    if read == 0 {
        return Ok(Found::End);
    }
    let word = |from: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&head[from..from + 4]);
        u32::from_le_bytes(word)
    };
    if read < HEAD {
        return Ok(Found::Bad("a frame's head is cut off"));
    }
    if word(0) != MAGIC {
        return Ok(Found::Bad("no frame begins here"));
    }
    let (length, number) = (word(4), u64::from(word(8)) | u64::from(word(12)) << 32);
    if length as usize > PAYLOAD_MAX {
        return Ok(Found::Bad("a frame says an impossible length"));
    }
    if !fits(number) {
        return Ok(Found::Bad("a frame has the wrong number"));
    }
    let mut payload = Vec::new();
    // Not more than the file has: the length may be damaged.
    let mut left = length as usize;
    while left > 0 {
        let from = payload.len();
        payload.resize(from + left.min(SEARCHED), 0);
        let read = file.read_at(at + (HEAD + from) as u64, &mut payload[from..]).map_err(Error::io("read", name))?;
        if read < payload.len() - from {
            return Ok(Found::Bad("a frame is cut off"));
        }
        left -= read;
    }
    if sum(length, number, &payload) != word(16) {
        return Ok(Found::Bad("a frame's checksum is wrong"));
    }
    Ok(Found::Frame { end: at + (HEAD + payload.len()) as u64, payload })
}

/// Whether a whole frame of a later number lies anywhere behind `at`: then what is bad there is not a torn end.
pub(crate) fn is_followed(file: &dyn Reading, name: &str, at: u64, number: u64) -> Result<bool> {
    let magic = MAGIC.to_le_bytes();
    let mut from = at + 1;
    let mut window = vec![0; SEARCHED];
    loop {
        let read = file.read_at(from, &mut window).map_err(Error::io("read", name))?;
        let places = window[..read].windows(magic.len()).enumerate().filter(|(_, bytes)| *bytes == magic);
        for (place, _) in places {
            let later = |found| found > number;
            if let Found::Frame { .. } = read_frame(file, name, from + place as u64, later)? {
                return Ok(true);
            }
        }
        if read < window.len() {
            return Ok(false);
        }
        from += (read - magic.len() + 1) as u64;
    }
}
