//! The unique keys of a transaction: a second row of one key is refused by the statement that makes it, and again when the
//! transaction is done.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Changes;
use crate::Result;
use crate::catalog::Body;
use crate::database::Database;

/// The keys that come and go by what a transaction holds back.
#[derive(Debug, Default)]
pub struct HeldKeys {
    /// How many of the changes that it holds back are in.
    taken: usize,
    /// Of each table, by number, its unique constraints.
    tables: HashMap<u32, Vec<Touched>>,
}

/// Keys of one constraint, beside those of the rows that everybody sees.
#[derive(Debug, Default)]
struct Touched {
    added: FxHashSet<Box<[u8]>>,
    removed: FxHashSet<Box<[u8]>>,
}

impl Database {
    /// Takes note of the keys of changes of which `keys` knows the first ones.
    ///
    /// # Errors
    /// 23505 for a second row of one key; `keys` knows nothing then.
    pub fn check_keys(&self, keys: &mut HeldKeys, held: &[Arc<Changes>]) -> Result<()> {
        if held.len() < keys.taken {
            *keys = HeldKeys::default();
        }
        for changes in &held[keys.taken..] {
            if let Err(error) = self.take_held_keys(keys, changes) {
                *keys = HeldKeys::default();
                return Err(error);
            }
            keys.taken += 1;
        }
        Ok(())
    }

    fn take_held_keys(&self, keys: &mut HeldKeys, changes: &Changes) -> Result<()> {
        let Some(object) = self.objects.get(&changes.table).filter(|object| object.oid == changes.oid) else {
            return Ok(());
        };
        let (Body::Table { constraints, .. }, Some(relation)) = (&object.body, &object.relation) else {
            return Ok(());
        };
        let uniques = &constraints.uniques;
        let touched = keys.tables.entry(changes.oid).or_default();
        touched.resize_with(uniques.len(), Touched::default);
        for (unique, touched) in uniques.iter().zip(touched) {
            for row in &changes.removed {
                let Some(key) = unique.key(row.as_ref(), &relation.columns) else { continue };
                if !touched.added.remove(&key) {
                    touched.removed.insert(key);
                }
            }
            for row in &changes.added {
                let Some(key) = unique.key(row.as_ref(), &relation.columns) else { continue };
                let there = unique.holds(&key) && !touched.removed.contains(&key);
                if there || !touched.added.insert(key) {
                    let error = unique.violated(row.as_ref(), &relation.columns);
                    return Err(changes.refusal(&unique.name, error));
                }
            }
        }
        Ok(())
    }
}
