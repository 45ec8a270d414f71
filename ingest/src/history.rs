//! Which columns a table's writer has had, one shape of its rows after another: tells a column that was added from one that is gone.
//!
//! A record that lacks a column of the table is one of three things. A column that no record has had so far was added to MySQL's
//! table later, so the rows of before have its default. One that earlier records had was dropped or renamed, or the image is
//! partial: no value of it is MySQL's. And where a column comes at the moment when another goes, a renaming would leave its
//! values behind in the rows of before. What cannot be told apart is refused. Shapes are judged when they are first seen: records
//! of an older shape come again when a connector is restarted.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use delta::{Row, RowBuilder, TableSchema};

use crate::defaults::absent;
use crate::error::{Error, Result};

/// Shapes kept; a writer that has more sends partial rows, which are judged each time.
const SHAPES: usize = 256;

/// Values of a row's columns that the writer does not have: those whose default is not NULL.
pub(crate) type Fill = Arc<[(usize, Row)]>;

/// See the module.
#[derive(Debug)]
pub(crate) struct History {
    columns: Vec<(Box<str>, Result<Option<Row>>)>,
    had: HashSet<Box<str>>,
    last: Option<BTreeSet<Box<str>>>,
    known: HashMap<BTreeSet<Box<str>>, Result<Fill>>,
    /// Why no later shape can be taken.
    renamed: Option<Error>,
}

impl History {
    /// No record of `table` has been seen; the first `own` columns are the writer's.
    pub(crate) fn new(table: &TableSchema, own: usize) -> Self {
        let fields = table.schema.fields().iter().take(own);
        let columns = fields.map(|field| (field.name().as_str().into(), absent(field))).collect();
        History { columns, had: HashSet::new(), last: None, known: HashMap::new(), renamed: None }
    }

    /// What rows that have the columns `names` lack.
    ///
    /// # Errors
    /// If they lack a column whose value cannot be told.
    pub(crate) fn enter<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Result<Fill> {
        let names: BTreeSet<Box<str>> = names.into_iter().map(Into::into).collect();
        if let Some(known) = self.known.get(&names) {
            return known.clone();
        }
        let judged = match &self.renamed {
            Some(error) => Err(error.clone()),
            None => self.judge(&names),
        };
        self.had.extend(self.columns.iter().filter(|(name, _)| names.contains(name)).map(|(name, _)| name.clone()));
        if self.known.len() < SHAPES {
            self.known.insert(names.clone(), judged.clone());
        }
        self.last = Some(names);
        judged
    }

    fn judge(&mut self, names: &BTreeSet<Box<str>>) -> Result<Fill> {
        let mut fill = Vec::new();
        for (index, (name, default)) in self.columns.iter().enumerate() {
            if names.contains(name) {
                continue;
            }
            if self.had.contains(name) {
                let text = "although earlier records have it: it was dropped or renamed in MySQL (create the source anew), or row \
                            images are partial (set binlog_row_image=FULL in MySQL)";
                return Err(Error::decode(format!("column \"{name}\" is not in the record, {text}")));
            }
            if let Some(row) = default.clone()? {
                fill.push((index, row));
            }
        }
        let Some(last) = &self.last else { return Ok(fill.into()) };
        let came = self.columns.iter().find(|(name, _)| names.contains(name) && !self.had.contains(name));
        let gone = last.iter().find(|name| !names.contains(*name));
        if let (Some((came, _)), Some(gone)) = (came, gone) {
            let text = format!(
                "column \"{came}\" came when \"{gone}\" went: if MySQL renamed it, rows of before lack its values; take a new \
                 snapshot into an empty topic"
            );
            let error = Error::decode(text);
            self.renamed = Some(error.clone());
            return Err(error);
        }
        Ok(fill.into())
    }
}

/// Sets what the writer does not have; `place` tells where a column of the table lies in the row.
#[inline]
pub(crate) fn fill(fill: &Fill, row: &mut RowBuilder, place: impl Fn(usize) -> Option<usize>) {
    for (index, value) in fill.iter() {
        if let Some(at) = place(*index) {
            let kind = row.kinds()[at].clone();
            row.set(at, value.as_ref().get(0, &kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn history(columns: &[&str]) -> History {
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
        let table = TableSchema::new(Schema::new(fields).into(), None).expect("a table");
        History::new(&table, columns.len())
    }

    /// Issue 7, finding 11: what was added, dropped and renamed.
    #[test]
    fn finding_11_columns_that_come_and_go() {
        let mut added = history(&["id", "n"]);
        assert!(added.enter(["id"]).is_ok(), "n comes later");
        assert!(added.enter(["id", "n"]).is_ok());
        assert!(added.enter(["id"]).is_ok(), "a record of before, sent once more");
        assert!(added.enter(["id", "n", "new"]).is_ok(), "a column that the table does not have");

        let mut dropped = history(&["id", "a"]);
        assert!(dropped.enter(["id", "a"]).is_ok());
        let error = dropped.enter(["id"]).expect_err("a is gone").to_string();
        assert!(error.contains("column \"a\"") && error.contains("dropped or renamed"), "{error}");
        assert!(dropped.enter(["id", "b"]).is_err(), "renamed");
        assert!(dropped.enter(["id", "a"]).is_ok());

        let mut renamed = history(&["id", "b"]);
        assert!(renamed.enter(["id", "a"]).is_ok());
        let error = renamed.enter(["id", "b"]).expect_err("a renaming").to_string();
        assert!(error.contains("\"b\" came when \"a\" went"), "{error}");
        assert!(renamed.enter(["id", "b", "c"]).is_err(), "and what follows it");

        let mut apart = history(&["id", "b"]);
        for names in [&["id", "a"][..], &["id"], &["id", "b"]] {
            assert!(apart.enter(names.iter().copied()).is_ok(), "dropped, and another one added later: {names:?}");
        }
    }

    /// The same for Avro, where a schema tells the columns.
    #[test]
    fn finding_11_an_avro_writer_is_judged_by_those_before_it() {
        let fields = ["id", "b"].map(|name| Field::new(name, DataType::Int64, true));
        let table = TableSchema::new(Schema::new(fields.to_vec()).into(), None).expect("a table");
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
