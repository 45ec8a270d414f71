//! What a view's rows and their changes are as records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidewater_delta::{RowRef, Weight};
use tidewater_sql::{Changed, Error, Result};

use super::encode::Encoder;
use super::fold::Folded;

/// Key and value.
pub(crate) type Record = (Vec<u8>, Option<Vec<u8>>);

/// Counts the rows of each key where nothing proves that there is only one.
#[derive(Debug, Default)]
pub(crate) struct Counts(Option<HashMap<Vec<u8>, Weight>>);

impl Counts {
    pub(crate) fn new(unique: bool) -> Self {
        Counts((!unique).then(HashMap::new))
    }

    fn add(&mut self, key: &[u8], weight: Weight) {
        let Some(counts) = &mut self.0 else { return };
        match counts.get_mut(key) {
            Some(count) => *count += weight,
            None => drop(counts.insert(key.to_vec(), weight)),
        }
        if counts.get(key) == Some(&0) {
            counts.remove(key);
        }
    }

    /// # Errors
    /// 23505 if a key has several rows.
    fn check(&self, key: &[u8]) -> Result<()> {
        match self.0.as_ref().and_then(|counts| counts.get(key)) {
            Some(count) if *count > 1 => Err(several(key, *count)),
            _ => Ok(()),
        }
    }
}

fn several(key: &[u8], count: Weight) -> Error {
    let message = format!("{count} rows of the view have the key {}", String::from_utf8_lossy(key));
    Error::new(b"23505", message).hint("the sink's KEY must identify a row; it goes on when it does again")
}

/// The records of one commit's changes, a record for each key that changed.
///
/// # Errors
/// For values that the format cannot hold; 23505 if a key has several rows.
pub(crate) fn of_changes(encoder: &Encoder, counts: &mut Counts, changed: &Changed) -> Result<Vec<Record>> {
    let mut keys: BTreeMap<Vec<u8>, [Option<Vec<u8>>; 2]> = BTreeMap::new();
    for (row, weight) in &changed.rows {
        let (key, bytes) = (encoder.key(row.as_ref())?, encoder.row(row.as_ref())?);
        counts.add(&key, *weight);
        keys.entry(key).or_default()[usize::from(*weight > 0)] = Some(bytes);
    }
    let mut records = Vec::with_capacity(keys.len());
    for (key, [before, after]) in keys {
        counts.check(&key)?;
        if before != after {
            let value = encoder.value(before.as_deref(), after.as_deref());
            records.push((key, value));
        }
    }
    Ok(records)
}

/// What a topic lacks of the rows of a moment.
pub(crate) struct Difference<'a> {
    encoder: &'a Encoder,
    folded: &'a Folded,
    /// Keys whose rows are other ones in the topic.
    pub(crate) stale: BTreeSet<Vec<u8>>,
    /// Keys that only the topic has.
    pub(crate) gone: BTreeSet<Vec<u8>>,
}

impl<'a> Difference<'a> {
    /// Looks at all rows.
    ///
    /// # Errors
    /// For values that the format cannot hold.
    pub(crate) fn new<'r>(
        encoder: &'a Encoder,
        folded: &'a Folded,
        rows: impl Iterator<Item = (RowRef<'r>, Weight)>,
    ) -> Result<Self> {
        let mut difference = Difference { encoder, folded, stale: BTreeSet::new(), gone: folded.keys() };
        if folded.is_empty() {
            return Ok(difference);
        }
        for (row, _) in rows {
            let key = encoder.key(row)?;
            if folded.has(&key, &encoder.row(row)?) == Some(false) {
                difference.stale.insert(key.clone());
            }
            difference.gone.remove(&key);
        }
        Ok(difference)
    }

    /// The record of a row that the topic lacks; `before` are the topic's rows of stale keys.
    ///
    /// # Errors
    /// As [`of_changes`].
    pub(crate) fn of_row(
        &self,
        row: RowRef<'_>,
        weight: Weight,
        counts: &mut Counts,
        before: &HashMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Option<Record>> {
        let (key, bytes) = (self.encoder.key(row)?, self.encoder.row(row)?);
        if weight > 1 {
            return Err(several(&key, weight));
        }
        counts.add(&key, weight);
        counts.check(&key)?;
        if self.folded.has(&key, &bytes) == Some(true) {
            return Ok(None);
        }
        let before = before.get(&key).map(Vec::as_slice);
        let value = self.encoder.value(before, Some(&bytes));
        Ok(Some((key, value)))
    }

    /// The records of keys that only the topic has.
    pub(crate) fn of_gone(&self, before: &HashMap<Vec<u8>, Vec<u8>>) -> impl Iterator<Item = Record> {
        self.gone.iter().map(|key| (key.clone(), self.encoder.value(before.get(key).map(Vec::as_slice), None)))
    }
}
