//! Records a CPU second: our decoders into packed rows, beside the libraries' trees of values. Both sides run in one thread of
//! one run and CPU time is counted, so the ratios hold on a busy machine.
//!
//! `cargo bench -p tidewater-ingest -- 0.5` gives each decoder and table half a CPU second.
#![allow(clippy::print_stdout, reason = "the numbers are the output")]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::PathBuf;

use apache_avro::reader::datum::GenericDatumReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cpu_time::ThreadTime;
use serde::Deserialize;
use tidewater_ingest::avro::{self, AvroDecoder};
use tidewater_ingest::json::JsonDecoder;
use tidewater_ingest::schema::{Node, Wire};
use tidewater_types::{ColumnType, TableSchema};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
struct Line {
    key: Option<String>,
    value: Option<String>,
}

type Record = (Option<Vec<u8>>, Vec<u8>);

fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(case)
}

fn records(case: &str, table: &str) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(folder(case).join(format!("mysql.shop.{table}.jsonl")))?;
    let mut records = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        let Some(value) = line.value else { continue };
        records.push((line.key.map(|key| STANDARD.decode(key)).transpose()?, STANDARD.decode(value)?));
    }
    Ok(records)
}

/// A table as a user declares it for JSON without schemas: DATETIME(0..3) comes in milliseconds.
fn declared(table: &TableSchema, value: &Node) -> Result<TableSchema> {
    let image = |node: &Node| match &node.wire {
        Wire::Union(branches) => branches.iter().find(|branch| branch.wire != Wire::Null).cloned(),
        _ => Some(node.clone()),
    };
    let field = |node: &Node, name: &str| match &node.wire {
        Wire::Record(fields) => fields.iter().find(|(field, _)| **field == *name).and_then(|(_, node)| image(node)),
        _ => None,
    };
    let row = field(value, "after").ok_or("no row")?;
    let mut columns = table.columns.to_vec();
    for column in &mut columns {
        let name = field(&row, &column.name).and_then(|node| node.connect_name);
        if name.as_deref() == Some("io.debezium.time.Timestamp") {
            column.ty = ColumnType::parse("timestamp(3)")?;
        }
    }
    Ok(TableSchema::new(columns, table.key.clone())?)
}

/// CPU seconds of a turn: short, so that both sides meet the same load of the machine.
const TURN: f64 = 0.01;

/// Records a CPU second of both sides, in turns, until each has had `seconds` of CPU time.
fn rates(
    records: usize,
    seconds: f64,
    mut ours: impl FnMut() -> Result<()>,
    mut library: impl FnMut() -> Result<()>,
) -> Result<(f64, f64)> {
    let (mut spent, mut rounds) = ([0.0; 2], [0; 2]);
    while spent.iter().any(|spent| *spent < seconds) {
        for side in [0, 1] {
            let begun = ThreadTime::now();
            while begun.elapsed().as_secs_f64() < TURN {
                if side == 0 {
                    ours()?
                } else {
                    library()?
                }
                rounds[side] += 1;
            }
            spent[side] += begun.elapsed().as_secs_f64();
        }
    }
    let rate = |side: usize| (records * rounds[side]) as f64 / spent[side];
    Ok((rate(0), rate(1)))
}

fn show(name: &str, (ours, library): (f64, f64)) {
    println!("{name:<24} {ours:>14.0} {library:>14.0} {:>7.1}", ours / library);
}

fn main() -> Result<()> {
    let seconds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1.0);
    println!("{:<24} {:>14} {:>14} {:>7}", "records a CPU second", "ours", "library", "ratio");
    for table in ["orders", "order_items", "users", "types"] {
        let schemas: HashMap<String, String> =
            serde_json::from_str(&std::fs::read_to_string(folder("avro").join("schemas.json"))?)?;
        let all = records("avro", table)?;
        // One writer's schema, as in nearly all of a topic.
        let (last_key, last) = all.last().ok_or("no records")?;
        let (id, _) = avro::confluent_header(last)?;
        let same = |record: &&Record| avro::confluent_header(&record.1).is_ok_and(|(found, _)| found == id);
        let used: Vec<&Record> = all.iter().filter(same).collect();
        let text = &schemas[&id.to_string()];
        let node = Node::parse(text)?;
        let key = match last_key.as_deref().map(avro::confluent_header).transpose()? {
            Some((id, _)) => Some(Node::parse(&schemas[&id.to_string()])?),
            None => None,
        };
        let shape = avro::debezium_table(key.as_ref(), &node)?;
        let mut decoder = AvroDecoder::debezium(&shape, key.as_ref(), &node)?;
        let ours = || {
            for (key, value) in &used {
                let key = key.as_deref().map(|key| &key[5..]);
                black_box(decoder.decode(key, &value[5..])?);
            }
            Ok(())
        };
        let schema = apache_avro::Schema::parse_str(text)?;
        let reader = GenericDatumReader::builder(&schema).build()?;
        let library = || {
            for (_, value) in &used {
                black_box(reader.read_value(&mut &value[5..])?);
            }
            Ok(())
        };
        show(&format!("Avro {table}"), rates(used.len(), seconds, ours, library)?);

        for (case, name) in [("json", "JSON"), ("json-schemas", "JSON with schema")] {
            let used = records(case, table)?;
            let own = if case == "json" { declared(&shape, &node)? } else { shape.clone() };
            let mut decoder = JsonDecoder::debezium(&own)?;
            let ours = || {
                for (key, value) in &used {
                    black_box(decoder.decode(key.as_deref(), value)?);
                }
                Ok(())
            };
            let library = || {
                for (_, value) in &used {
                    black_box(serde_json::from_slice::<serde_json::Value>(value)?);
                }
                Ok(())
            };
            show(&format!("{name} {table}"), rates(used.len(), seconds, ours, library)?);
        }
    }
    Ok(())
}
