//! Whose events a collection's are: the table whose records name it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;

use super::Timeline;
use super::table::Naming;

/// Whose events a collection's are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    Tables(Vec<TableId>),
    /// Of no table of this timeline; which reading of the ends shows it.
    Nobody(u64),
}

impl Timeline {
    pub(super) fn learn(&mut self, id: TableId, collection: &Arc<str>) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        if collection.is_empty() {
            return;
        }
        if table.naming == Naming::Guessed {
            for guess in std::mem::take(&mut table.collections) {
                if let Some(Owner::Tables(tables)) = self.owners.get_mut(&guess) {
                    tables.retain(|table| *table != id);
                    if tables.is_empty() {
                        self.owners.remove(&guess);
                    }
                }
            }
        }
        table.naming = Naming::Told;
        table.collections.push(collection.clone());
        self.own(collection, id);
    }

    pub(super) fn own(&mut self, collection: &Arc<str>, id: TableId) {
        match self.owners.entry(collection.clone()).or_insert_with(|| Owner::Tables(Vec::new())) {
            Owner::Tables(tables) => tables.push(id),
            nobody => *nobody = Owner::Tables(vec![id]),
        }
    }
}
