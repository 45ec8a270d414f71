//! What is random.

use tidewater_types::Datum;

use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family("Mathematics");
    t.add("volatile random() -> float8 -- A number from 0 up to 1, which it never is.", |c| {
        // As many bits as a double holds below one.
        Ok(Datum::Float(((c.env.session.random)() >> 11) as f64 / (1_u64 << 53) as f64))
    });
    t.family("UUIDs");
    t.add("volatile gen_random_uuid() -> uuid -- A new uuid, of version 4.", |c| {
        let random = c.env.session.random;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random().to_be_bytes());
        bytes[8..].copy_from_slice(&random().to_be_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Datum::Uuid(bytes))
    });
}
