//! What a source holds at one moment, to be kept outside of the process and put back at the next start.

use std::collections::{BTreeMap, HashMap};

use tidewater_delta::{Reached, TableId};
use tidewater_engine::{Image, NoImage};

use crate::database::Database;
use crate::{Error, Result};

/// A source at one moment.
#[derive(Debug, Clone, Default)]
pub struct KeptSource {
    /// Its rows as they lie.
    pub image: Image,
    /// Columns that have no value any more, and why.
    pub lost_columns: BTreeMap<String, String>,
    /// How far its timeline had come.
    pub timeline: KeptTimeline,
}

/// How far a timeline had come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptTimeline {
    /// Its position.
    pub reached: Reached,
    /// Commits taken in.
    pub commits: u64,
    /// When the newest was made upstream, in milliseconds since 1970; 0 where unknown.
    pub committed_ms: i64,
}

fn damaged(what: &str, why: NoImage) -> Error {
    Error::new(b"XX001", format!("the rows that were kept of a {what} are damaged: {why}"))
}

impl Database {
    /// What is made of these sources and of nothing else, by what it computes: rows as they lie at the same moment.
    pub fn keep_nodes(&self, tables: &[TableId]) -> HashMap<u128, Image> {
        let base = |table: &TableId| Some((*self.tables.get(table.0 as usize)?, u128::from(self.source_oid(*table)?)));
        let nodes = self.shared.identities(&tables.iter().filter_map(base).collect());
        nodes.into_iter().filter_map(|(node, identity)| Some((identity, self.circuit.image(node)?))).collect()
    }

    /// Views over sources that were restored, and over nothing else, take their rows from here instead of computing them.
    ///
    /// # Errors
    /// XX001 if the rows are none; they are computed then.
    pub fn restore_nodes(&mut self, found: &mut HashMap<u128, Image>) -> Result<()> {
        let of = |table: &TableId| Some((*self.tables.get(table.0 as usize)?, u128::from(self.source_oid(*table)?)));
        let base: HashMap<_, _> = self.restored.iter().filter_map(of).collect();
        let identities = self.shared.identities(&base);
        loop {
            let next = self.circuit.next_to_build().into_iter();
            let mut next = next.filter_map(|node| Some((node, found.remove(identities.get(&node)?)?)));
            let Some((node, image)) = next.next() else { return Ok(()) };
            self.circuit.restore(node, image).map_err(|no| damaged("view", no))?;
        }
    }

    /// All that is restored is there: indexes are filled, and changes may come.
    pub fn end_restoring(&mut self) {
        self.restored = Vec::new();
        self.circuit.fill_indexes();
    }

    /// A source's number in the catalogs, if it was not dropped.
    pub fn source_oid(&self, table: TableId) -> Option<u32> {
        Some(self.objects.get(self.source_name(table)?)?.oid)
    }

    /// What a source holds, between two ticks and while no moment is held; none if it was dropped or holds nothing any more.
    pub fn keep_source(&self, table: TableId) -> Option<KeptSource> {
        let source = self.sources.get(&table)?;
        let image = self.circuit.image(*self.tables.get(table.0 as usize)?)?;
        Some(KeptSource {
            image,
            lost_columns: source.lost_columns.clone(),
            timeline: self.timelines.keep(table).unwrap_or_default(),
        })
    }

    /// Gives a source, which was just made and whose timeline is set, what it held.
    ///
    /// # Errors
    /// XX001 if the rows are none; the source is empty then.
    pub fn restore_source(&mut self, table: TableId, kept: KeptSource) -> Result<()> {
        let node = self.tables[table.0 as usize];
        self.circuit.restore(node, kept.image).map_err(|no| damaged("source", no))?;
        self.restored.push(table);
        if let Some(source) = self.sources.get_mut(&table) {
            source.lost_columns = kept.lost_columns;
        }
        self.timelines.restore(table, kept.timeline);
        self.look_at_sources();
        Ok(())
    }
}
