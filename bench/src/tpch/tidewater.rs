//! TPC-H in a [`Database`] of this process: the tables are sources with their keys, filled by commits, as Debezium's are.
//! Indexes are reached as the server's sessions reach them, so that a query finds rows by the keys of the tables.
//! A query's time is from its text to the last value in text form.

use super::answer::{Answer, Rows, own_cpu};
use super::data::{Folder, TABLES};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};
use tidewater_delta::{Change, Commit, Op, TableId};
use tidewater_judge::tpch;
use tidewater_query::run::{Limits, pack_row};
use tidewater_sql::{Database, Outcome};
use tidewater_types::{Column, ColumnType, Datum, Scratch, Settings, TableSchema, input, output};

/// Rows of a commit.
const BATCH: usize = 10_000;

/// A database that queries reach.
pub(crate) struct Tidewater(Arc<Mutex<Database>>);

/// A database with all tables.
pub(crate) fn loaded(folder: &Folder) -> Result<Tidewater, Box<dyn Error>> {
    let shapes = shapes()?;
    let mut database = Database::new();
    for (name, key) in TABLES {
        let columns = shapes.get(name).ok_or("a table is not defined")?;
        let schema = TableSchema::new(columns.clone(), Some(key.to_vec()))?;
        let table = database.create_source(name, &schema, "")?;
        load(&mut database, folder, name, table, &schema)?;
    }
    Ok(Tidewater(Arc::new(Mutex::new(database))))
}

/// Columns of the tables, as their definitions say.
fn shapes() -> Result<BTreeMap<String, Vec<Column>>, Box<dyn Error>> {
    let mut database = Database::new();
    database.execute(tpch::TABLES)?;
    Ok(database.catalog().into_iter().filter_map(|object| Some((object.name, object.columns?))).collect())
}

fn load(
    database: &mut Database,
    folder: &Folder,
    name: &str,
    table: TableId,
    schema: &TableSchema,
) -> Result<(), Box<dyn Error>> {
    let types: Vec<ColumnType> = schema.columns.iter().map(|column| column.ty.clone()).collect();
    let (settings, mut scratch) = (Settings::default(), Scratch::new());
    let mut changes = Vec::with_capacity(BATCH);
    for line in BufReader::new(std::fs::File::open(folder.file(name))?).lines() {
        let line = line?;
        scratch.reset();
        let values = line.split('|').zip(&types).map(|(text, ty)| input(text, ty, &settings, &scratch));
        let row = pack_row(&types, &values.collect::<Result<Vec<Datum<'_>>, _>>()?);
        changes.push(Change { table, op: Op::Upsert(row) });
        if changes.len() == BATCH {
            database.apply([Commit::local(std::mem::take(&mut changes))]);
        }
    }
    database.apply([Commit::local(changes)]);
    Ok(())
}

/// Asks a query.
pub(crate) fn ask(tidewater: &Tidewater, sql: &str, runs: usize) -> Result<Answer, Box<dyn Error>> {
    Answer::of(runs, own_cpu, || rows(tidewater, sql))
}

fn rows(Tidewater(database): &Tidewater, sql: &str) -> Result<Rows, Box<dyn Error>> {
    let Some(Outcome::Rows(query)) = locked(database).execute(sql)?.pop() else {
        return Err("a query has rows".into());
    };
    let shared = Arc::clone(database);
    let query = query.through(Arc::new(move |look: &mut dyn FnMut(&Database)| look(&locked(&shared))));
    let types: Vec<ColumnType> = query.columns.iter().map(|column| column.ty.clone()).collect();
    let settings = Settings::default();
    let mut rows = Rows::new();
    query.run(&Limits::default(), &mut |values: &[Datum<'_>]| {
        let text = values.iter().zip(&types).map(|(value, ty)| {
            (!value.is_null()).then(|| {
                let mut text = String::new();
                output(value, ty, &settings, &mut text);
                text
            })
        });
        rows.push(text.collect());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

fn locked(database: &Mutex<Database>) -> MutexGuard<'_, Database> {
    database.lock().expect("nobody panics while they hold it")
}
