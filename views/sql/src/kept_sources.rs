//! What a source holds at one moment, to be kept outside of the process and put back at the next start.

use std::collections::{BTreeMap, HashMap};

use tidewater_delta::{Reached, TableId};
use tidewater_engine::{Image, NoImage};

use crate::database::Database;
use crate::source_status::SourceState;
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

pub(crate) fn damaged(what: &str, why: NoImage) -> Error {
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
        self.sizes_then = BTreeMap::new();
        self.circuit.fill_indexes();
    }

    /// A source's number in the catalogs, if it was not dropped.
    pub fn source_oid(&self, table: TableId) -> Option<u32> {
        Some(self.objects.get(self.source_name(table)?)?.oid)
    }

    /// Whether a source does not hold all of its table and has no answer.
    pub fn is_incomplete(&self, table: TableId) -> bool {
        self.sources.get(&table).is_some_and(|source| source.health.state == SourceState::Incomplete)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use std::sync::Arc;
    use tidewater_delta::{Change, Commit, Op};
    use tidewater_types::{Column, Datum, TableSchema, Type};

    const VIEWS: &str = "CREATE MATERIALIZED VIEW v AS SELECT a.id, count(*) AS n, max(b.v) AS m, string_agg(b.t, ',' ORDER BY b.t) AS t \
                         FROM a LEFT JOIN b ON b.a = a.id AND b.v > 1 GROUP BY a.id; \
                         CREATE MATERIALIZED VIEW w AS SELECT DISTINCT ON (a) a, upper(t) AS u FROM b ORDER BY a, v DESC; \
                         CREATE MATERIALIZED VIEW x AS SELECT a.id, b.t, c.v FROM b JOIN b c ON c.v = b.v JOIN a ON a.id = b.a \
                         WHERE c.t = 'x'";

    fn database() -> (Database, [TableId; 2]) {
        let mut database = Database::new();
        let int = |name: &str| Column::new(name, Type::Int8);
        let a = TableSchema::new([int("id").not_null()], Some(vec![0])).expect("columns");
        let b = TableSchema::new([int("a"), int("v"), Column::new("t", Type::Text)], None).expect("columns");
        let tables =
            [("a", a), ("b", b)].map(|(name, schema)| database.create_source(name, &schema, "").expect("a name"));
        (database, tables)
    }

    fn rows(database: &mut Database, query: &str) -> Vec<String> {
        let mut all = Vec::new();
        let Some(Outcome::Rows(query)) = database.execute(query).expect("rows").pop() else { panic!("rows") };
        let keep = &mut |values: &[Datum<'_>]| {
            all.push(format!("{values:?}"));
            Ok(std::ops::ControlFlow::Continue(()))
        };
        query.run(&tidewater_query::run::Limits::default(), keep).expect("rows");
        all
    }

    fn change(database: &mut Database, tables: [TableId; 2], from: i64) {
        let table = |table: TableId| move |row| Change { table, op: Op::Upsert(row) };
        let types = [vec![Type::Int8.into()], vec![Type::Int8.into(), Type::Int8.into(), Type::Text.into()]];
        let a = (from..from + 20)
            .map(|id| tidewater_query::run::pack_row(&types[0], &[Datum::Int(id % 30)]))
            .map(table(tables[0]));
        let b = |n: i64| {
            tidewater_query::run::pack_row(&types[1], &[Datum::Int(n % 30), Datum::Int(n % 7), Datum::from("x")])
        };
        let changes = a.chain((from..from + 50).map(b).map(table(tables[1]))).collect();
        database.apply([Commit::local(changes)]);
    }

    #[test]
    fn views_over_restored_sources_are_taken_up_and_go_on() {
        let (mut database, tables) = database();
        database.execute(VIEWS).expect("views");
        while database.build() {}
        let (mut again, _) = self::database();
        again.execute(VIEWS).expect("views");
        while again.build() {}
        for life in 0..4 {
            change(&mut database, tables, life * 13);
            change(&mut again, tables, life * 13);
            let kept: Vec<_> = tables.iter().map(|table| database.keep_source(*table).expect("it is whole")).collect();
            let mut nodes = database.keep_nodes(&tables);
            let sizes = database.planned_sizes();
            assert!(nodes.len() >= 3, "the views and what they are made of");
            (database, _) = self::database();
            for (table, kept) in tables.iter().zip(kept) {
                database.restore_source(*table, kept).expect("an image");
            }
            // As many rows as there are now would order the joins otherwise.
            database.plan_with(sizes);
            // A statement alone: nothing is computed yet.
            for parsed in crate::parse::parse(VIEWS).expect("statements") {
                database.execute_statement(&Arc::new(parsed), &[], &Arc::default()).expect("a view");
            }
            database.restore_nodes(&mut nodes).expect("images");
            assert!(nodes.is_empty() && database.circuit.is_all_built(), "{} nodes were not taken up", nodes.len());
            database.end_restoring();
            for query in [
                "SELECT * FROM v ORDER BY 1",
                "SELECT * FROM w ORDER BY 1",
                "SELECT * FROM b ORDER BY 1, 2, 3",
                "SELECT * FROM x ORDER BY 1, 2, 3",
            ] {
                assert_eq!(rows(&mut database, query), rows(&mut again, query), "{query}");
            }
        }
    }
}
