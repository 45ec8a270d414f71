//! What is written in a test, and what must be there afterwards, kept by other means.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater_storage::{Batch, Error, Opened, Result, State, open};

use crate::disk::{Disk, Random};

/// What must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) definitions: BTreeMap<u64, Vec<u8>>,
    pub(crate) notes: BTreeMap<String, Vec<u8>>,
    pub(crate) rows: BTreeMap<u64, BTreeMap<Vec<u8>, i64>>,
}

impl Model {
    /// What a state says, read to its end.
    pub(crate) fn of(mut state: State) -> Result<Model> {
        let mut rows = BTreeMap::new();
        for id in state.tables().collect::<Vec<_>>() {
            let table = state.take_table(id).expect("it has just been named");
            let mut found = BTreeMap::<Vec<u8>, i64>::new();
            table.each(id, |row, weight| *found.entry(row.to_vec()).or_default() += weight)?;
            if !found.is_empty() {
                rows.insert(id, found);
            }
        }
        Ok(Model { definitions: state.definitions, notes: state.notes, rows })
    }

    /// A random change of it, and the batch that says the same.
    pub(crate) fn step(&self, random: &mut Random) -> (Model, Batch) {
        let (mut next, mut batch) = (self.clone(), Batch::default());
        for _ in 0..=random.below(3) {
            next.one(random, &mut batch);
        }
        (next, batch)
    }

    fn one(&mut self, random: &mut Random, batch: &mut Batch) {
        let ids: Vec<u64> = self.definitions.keys().copied().collect();
        match random.below(10) {
            0 | 1 => {
                let id = random.below(9) as u64;
                let text = vec![b'd'; random.below(200)];
                batch.define(id, &text);
                self.definitions.insert(id, text);
            }
            2 if !ids.is_empty() => {
                let id = ids[random.below(ids.len())];
                batch.gone(id);
                self.definitions.remove(&id);
                self.rows.remove(&id);
            }
            3 => {
                let key = format!("note {}", random.below(3));
                let text = vec![b'n'; random.below(40)];
                batch.note(&key, &text);
                match text.is_empty() {
                    true => drop(self.notes.remove(&key)),
                    false => drop(self.notes.insert(key, text)),
                }
            }
            _ if !ids.is_empty() => self.rows(ids[random.below(ids.len())], random, batch),
            _ => {}
        }
    }

    fn rows(&mut self, id: u64, random: &mut Random, batch: &mut Batch) {
        batch.rows(id);
        let rows = self.rows.entry(id).or_default();
        for _ in 0..random.below(5) {
            let there: Vec<Vec<u8>> = rows.keys().cloned().collect();
            let (row, weight) = match random.below(3) {
                0 if !there.is_empty() => (there[random.below(there.len())].clone(), -1),
                _ => (vec![random.below(6) as u8; random.below(90)], 1 + random.below(2) as i64),
            };
            batch.row(weight, &row);
            let count = rows.entry(row.clone()).or_default();
            *count += weight;
            if *count == 0 {
                rows.remove(&row);
            }
        }
        if rows.is_empty() {
            self.rows.remove(&id);
        }
    }

    /// Everything as batches of a checkpoint.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        let mut first = Batch::default();
        self.definitions.iter().for_each(|(id, text)| first.define(*id, text));
        self.notes.iter().for_each(|(key, text)| first.note(key, text));
        let mut all = vec![first];
        for (id, rows) in &self.rows {
            for (row, weight) in rows {
                let mut batch = Batch::default();
                batch.rows(*id);
                batch.row(*weight, row);
                all.push(batch);
            }
        }
        all
    }
}

/// Writes everything into a checkpoint.
pub(crate) fn compact(opened: &mut Opened, model: &Model) -> Result<()> {
    let number = opened.log.rotate()?;
    let mut writer = opened.checkpoints.begin(number)?;
    model.batches().into_iter().try_for_each(|batch| writer.add(batch))?;
    writer.finish().map(drop)
}

pub(crate) fn opened(disk: &Disk) -> Result<Opened> {
    open(Arc::new(disk.clone()), || Ok(Batch::default()))
}

/// Whether an error says that the machine has ended.
pub(crate) fn is_crash(error: &Error) -> bool {
    error.to_string().contains("crashed")
}
