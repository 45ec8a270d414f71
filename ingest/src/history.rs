//! Which columns a table's writer has had, one shape of its rows after another: tells a column that was added from one that is gone.
//!
//! A record that lacks a column of the table is one of three things. A column that no record has had so far was added to MySQL's
//! table later, so the rows of before have its default. One that earlier records had was dropped or renamed, or the image is
//! partial: no value of it is MySQL's. And where a column comes at the moment when another goes, a renaming would leave its
//! values behind in the rows of before. What cannot be told apart is refused. Shapes are judged when they are first seen: records
//! of an older shape come again when a connector is restarted.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewater_delta::{Row, RowBuilder};
use tidewater_types::TableSchema;

use crate::defaults::absent;
use crate::error::{Error, Result};
use crate::faults::LostColumn;

/// Shapes kept; a writer that has more sends partial rows, which are judged each time.
const SHAPES: usize = 256;

/// Values of a row's columns that the writer does not have: those whose default is not NULL.
pub(crate) type Fill = Arc<[(usize, Row)]>;

/// The names of the columns of one shape of rows.
pub(crate) type Names = BTreeSet<Box<str>>;

/// What rows of one shape lack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// What MySQL has in them all the same.
    pub(crate) fill: Fill,
    /// What cannot be told.
    pub(crate) lost: Arc<[LostColumn]>,
}

impl Judged {
    /// Nothing is lacking.
    pub(crate) fn whole() -> Self {
        Judged { fill: Fill::from([]), lost: Arc::from([]) }
    }
}

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct History {
    /// The table's, which are not kept.
    #[serde(skip)]
    columns: Vec<(Box<str>, Result<Option<Row>>)>,
    /// Shapes that were judged and of which nobody was told yet.
    #[serde(skip)]
    news: Vec<Names>,
    had: HashSet<Box<str>>,
    last: Option<Names>,
    known: HashMap<Names, Judged>,
    /// Columns that rows of before had under another name.
    renamed: Vec<LostColumn>,
}

impl History {
    /// No record of `table` has been seen; the first `own` columns are the writer's.
    pub(crate) fn new(table: &TableSchema, own: usize) -> Self {
        let history = History {
            columns: Vec::new(),
            news: Vec::new(),
            had: HashSet::new(),
            last: None,
            known: HashMap::new(),
            renamed: Vec::new(),
        };
        history.of(table, own)
    }

    /// The same of a table whose history was kept.
    pub(crate) fn of(mut self, table: &TableSchema, own: usize) -> Self {
        let columns = table.columns.iter().take(own);
        self.columns = columns.map(|column| (column.name.as_str().into(), absent(column))).collect();
        self
    }

    /// Shapes that were judged since this was last asked: who enters them in this order has the same history.
    pub(crate) fn take_news(&mut self) -> Vec<Names> {
        std::mem::take(&mut self.news)
    }

    /// What rows that have the columns `names` lack.
    pub(crate) fn enter<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Judged {
        let names: Names = names.into_iter().map(Into::into).collect();
        if let Some(known) = self.known.get(&names) {
            return known.clone();
        }
        let judged = self.judge(&names);
        self.had.extend(self.columns.iter().filter(|(name, _)| names.contains(name)).map(|(name, _)| name.clone()));
        if self.known.len() < SHAPES {
            self.known.insert(names.clone(), judged.clone());
        }
        self.news.push(names.clone());
        self.last = Some(names);
        judged
    }

    fn judge(&mut self, names: &Names) -> Judged {
        let (mut fill, mut lost) = (Vec::new(), Vec::new());
        for (index, (name, default)) in self.columns.iter().enumerate() {
            if names.contains(name) {
                continue;
            }
            if self.had.contains(name) {
                let text = "although earlier records have it: it was dropped or renamed in MySQL (create the source anew), or row \
                            images are partial (set binlog_row_image=FULL in MySQL)";
                lost.push((index, Error::decode(format!("column \"{name}\" is not in the record, {text}"))));
                continue;
            }
            match default {
                Ok(Some(row)) => fill.push((index, row.clone())),
                Ok(None) => {}
                Err(error) => lost.push((index, error.clone())),
            }
        }
        self.find_renamed(names);
        lost.extend(self.renamed.iter().filter(|(index, _)| names.contains(&self.columns[*index].0)).cloned());
        Judged { fill: fill.into(), lost: lost.into() }
    }

    /// Columns that come when another goes.
    fn find_renamed(&mut self, names: &Names) {
        let Some(last) = &self.last else { return };
        let Some(gone) = last.iter().find(|name| !names.contains(*name)) else { return };
        for (index, (came, _)) in self.columns.iter().enumerate() {
            if !names.contains(came) || self.had.contains(came) {
                continue;
            }
            let text = format!(
                "column \"{came}\" came when \"{gone}\" went: if MySQL renamed it, rows of before lack its values; take a new \
                 snapshot into an empty topic"
            );
            self.renamed.push((index, Error::decode(text)));
        }
    }
}

/// Sets what the writer does not have; `place` tells where a column of the table lies in the row.
#[inline]
pub(crate) fn fill(fill: &Fill, row: &mut RowBuilder, place: impl Fn(usize) -> Option<usize>) {
    for (index, value) in fill.iter() {
        if let Some(at) = place(*index) {
            row.copy(at, value.as_ref(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidewater_types::{Column, Type};

    use super::*;

    fn history(columns: &[&str]) -> History {
        let columns: Vec<_> = columns.iter().map(|name| Column::new(*name, Type::Int8)).collect();
        let table = TableSchema::new(columns, None).expect("a table");
        History::new(&table, table.columns.len())
    }

    /// Issue 7, finding 11: what was added, dropped and renamed.
    #[test]
    fn finding_11_columns_that_come_and_go() {
        let mut added = history(&["id", "n"]);
        assert!(added.enter(["id"]).lost.is_empty(), "n comes later");
        assert!(added.enter(["id", "n"]).lost.is_empty());
        assert!(added.enter(["id"]).lost.is_empty(), "a record of before, sent once more");
        assert!(added.enter(["id", "n", "new"]).lost.is_empty(), "a column that the table does not have");

        let mut dropped = history(&["id", "a"]);
        assert!(dropped.enter(["id", "a"]).lost.is_empty());
        let error = dropped.enter(["id"]).lost[0].1.to_string();
        assert!(error.contains("column \"a\"") && error.contains("dropped or renamed"), "{error}");
        assert!(!dropped.enter(["id", "b"]).lost.is_empty(), "renamed");
        assert!(dropped.enter(["id", "a"]).lost.is_empty());

        let mut renamed = history(&["id", "b"]);
        assert!(renamed.enter(["id", "a"]).lost.is_empty());
        let error = renamed.enter(["id", "b"]).lost[0].1.to_string();
        assert!(error.contains("\"b\" came when \"a\" went"), "{error}");
        assert!(!renamed.enter(["id", "b", "c"]).lost.is_empty(), "and what follows it");

        let mut apart = history(&["id", "b"]);
        for names in [&["id", "a"][..], &["id"], &["id", "b"]] {
            assert!(
                apart.enter(names.iter().copied()).lost.is_empty(),
                "dropped, and another one added later: {names:?}"
            );
        }
    }

    /// The same for Avro, where a schema tells the columns.
    #[test]
    fn finding_11_an_avro_writer_is_judged_by_those_before_it() {
        let columns = ["id", "b"].map(|name| Column::new(name, Type::Int8));
        let table = TableSchema::new(columns, None).expect("a table");
        let mut history = History::new(&table, 2);
        let mut decode = |columns: &[&str]| {
            let fields = columns.iter().map(|name| format!(r#"{{"name":"{name}","type":"long"}}"#));
            let row = format!(r#"{{"type":"record","name":"V","fields":[{}]}}"#, fields.collect::<Vec<_>>().join(","));
            let fields = format!(r#"{{"name":"after","type":["null",{row}]}},{{"name":"op","type":"string"}}"#);
            let node = crate::schema::Node::parse(&format!(r#"{{"type":"record","name":"E","fields":[{fields}]}}"#));
            let mut decoder = crate::avro::AvroDecoder::debezium(&table, None, &node.expect("a schema")).expect("one");
            decoder.follow(&mut history);
            let body = [&[2][..], &vec![10; columns.len()], &[2, b'c']].concat();
            decoder.decode(None, &body).map(|_| ()).map_err(|found| found.to_string())
        };
        assert_eq!(decode(&["id"]), Ok(()));
        assert_eq!(decode(&["id", "b"]), Ok(()));
        assert_eq!(decode(&["id"]), Ok(()), "sent once more");
        assert!(decode(&["id", "c"]).expect_err("renamed").contains("column \"b\""));
    }
}
