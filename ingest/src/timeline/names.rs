//! Whose events a collection's are: the table whose records name it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::TableId;

use super::table::Naming;
use super::{Recent, Timeline};

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
        let (live, mut lost) = (table.live, table.lost);
        let was_nobodys = matches!(self.owners.get(collection), Some(Owner::Nobody(number)) if *number > 0);
        self.own(collection, id);
        // Records that the source goes on without may be what transactions lack of it.
        let lacks = |(_, recent): &&(Arc<str>, Recent)| {
            let counted = recent.counts.iter().filter(|(name, _)| name == collection).map(|(_, count)| count).sum();
            let lacks = counted > lost;
            lost = lost.saturating_sub(counted);
            lacks
        };
        if live
            && was_nobodys
            && let Some((transaction, _)) = self.recent.iter().find(lacks)
        {
            let transaction = transaction.clone();
            self.lacks_what_was_nobodys(id, &transaction, collection);
        }
    }

    /// A transaction was released without the events that the table turns out to have of it: their END was there before them, and
    /// what the table's records are called in it nobody knew.
    fn lacks_what_was_nobodys(&mut self, id: TableId, transaction: &str, collection: &str) {
        let Some(table) = self.tables.get_mut(&id) else { return };
        let topic = &table.topic;
        table.incomplete = Some(format!(
            "topic \"{topic}\" has events of {collection}, of which transaction {transaction} was shown before it was known that they are this topic's; name it with the option COLLECTION"
        ));
        self.hide(id);
    }

    pub(super) fn own(&mut self, collection: &Arc<str>, id: TableId) {
        match self.owners.entry(collection.clone()).or_insert_with(|| Owner::Tables(Vec::new())) {
            Owner::Tables(tables) => tables.push(id),
            nobody => *nobody = Owner::Tables(vec![id]),
        }
    }
}
