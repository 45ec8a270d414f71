//! What a topic holds, folded by key: which row each key has. Only hashes of the rows are kept, for they are all in the view anyway.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use tidewater_ingest::Cluster;
use tidewater_ingest::produce::Result;

use super::encode::Encoder;

/// The rows of a topic by their keys.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    rows: HashMap<Vec<u8>, u64>,
    /// Records in all.
    pub(crate) records: u64,
    /// Records without a key.
    pub(crate) keyless: u64,
}

/// What a row is told by.
fn hash(row: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

impl Folded {
    /// Reads all that is committed.
    ///
    /// # Errors
    /// If Kafka does not answer; if `go_on` says no.
    pub(crate) fn read(
        cluster: &Cluster,
        topic: &str,
        encoder: &Encoder,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Folded> {
        let mut folded = Folded::default();
        folded.records = cluster.read_committed(topic, &mut |key, value| {
            match key {
                Some(key) => folded.take(key, encoder.after(value)),
                None => folded.keyless += 1,
            }
            go_on()
        })?;
        Ok(folded)
    }

    /// Takes a record: the row that its key has from now on.
    pub(crate) fn take(&mut self, key: &[u8], row: Option<&[u8]>) {
        match (row, self.rows.get_mut(key)) {
            (None, _) => drop(self.rows.remove(key)),
            (Some(row), Some(there)) => *there = hash(row),
            (Some(row), None) => drop(self.rows.insert(key.to_vec(), hash(row))),
        }
    }

    /// Whether a key has a row, and if so whether it is this one.
    pub(crate) fn has(&self, key: &[u8], row: &[u8]) -> Option<bool> {
        self.rows.get(key).map(|there| *there == hash(row))
    }

    /// The keys, in order.
    pub(crate) fn keys(&self) -> BTreeSet<Vec<u8>> {
        self.rows.keys().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The rows of some keys, read once more.
///
/// # Errors
/// As [`Folded::read`].
pub(crate) fn rows_of(
    cluster: &Cluster,
    topic: &str,
    encoder: &Encoder,
    keys: &BTreeSet<Vec<u8>>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
    let mut found = HashMap::new();
    if keys.is_empty() {
        return Ok(found);
    }
    cluster.read_committed(topic, &mut |key, value| {
        if let Some(key) = key.filter(|key| keys.contains(*key)) {
            match encoder.after(value) {
                Some(row) => drop(found.insert(key.to_vec(), row.to_vec())),
                None => drop(found.remove(key)),
            }
        }
        go_on()
    })?;
    Ok(found)
}
