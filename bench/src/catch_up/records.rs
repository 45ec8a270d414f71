//! Records of a connector, made of recorded ones: a snapshot of orders, then transactions of one order's update and three new
//! items, with their boundaries. Only what differs from record to record is replaced, so the shapes are Debezium's own.

use std::collections::HashMap;
use std::path::PathBuf;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidewater_ingest::avro::confluent_header;

use super::Result;

/// Events of a transaction.
pub(super) const EVENTS: i64 = 4;

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Orders,
    Items,
    Transactions,
}

impl Table {
    pub(super) const ALL: [Table; 3] = [Table::Orders, Table::Items, Table::Transactions];

    /// The topic's name behind its prefix.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Table::Orders => "shop.orders",
            Table::Items => "shop.order_items",
            Table::Transactions => "transaction",
        }
    }
}

/// Key and value.
pub(super) type Record = (Vec<u8>, Vec<u8>);

#[derive(Deserialize)]
struct Line {
    key: Option<String>,
    value: Option<String>,
}

/// A value whose parts can be replaced.
#[derive(Clone)]
enum Template {
    Json(serde_json::Value),
    Avro { schema: Box<apache_avro::Schema>, id: u32, value: AvroValue },
}

/// What a part is replaced with.
enum Leaf<'a> {
    Number(i64),
    Text(&'a str),
}

impl Template {
    /// Replaces the part at `path`, as in `/after/id`; what is not there in this record is left out.
    fn set(&mut self, path: &str, leaf: Leaf<'_>) {
        match self {
            Template::Json(value) => {
                if let Some(part) = value.pointer_mut(path) {
                    *part = match leaf {
                        Leaf::Number(number) => number.into(),
                        Leaf::Text(text) => text.into(),
                    };
                }
            }
            Template::Avro { value, .. } => {
                let Some(part) = path.split('/').skip(1).try_fold(value, |value, name| avro_part(value, name)) else {
                    return;
                };
                let part = inner(part);
                *part = match (leaf, &*part) {
                    (Leaf::Number(number), AvroValue::Int(_)) => AvroValue::Int(number as i32),
                    (Leaf::Number(number), _) => AvroValue::Long(number),
                    (Leaf::Text(text), _) => AvroValue::String(text.to_owned()),
                };
            }
        }
    }

    /// Leaves the first `length` elements of the list at `path`.
    fn truncate(&mut self, path: &str, length: usize) {
        match self {
            Template::Json(value) => {
                if let Some(list) = value.pointer_mut(path).and_then(|list| list.as_array_mut()) {
                    list.truncate(length);
                }
            }
            Template::Avro { value, .. } => {
                let part = path.split('/').skip(1).try_fold(value, |value, name| avro_part(value, name));
                if let Some(AvroValue::Array(list)) = part.map(inner) {
                    list.truncate(length);
                }
            }
        }
    }

    /// Gives a record its time, and an event the binlog file.
    fn at(&mut self, ms: i64) {
        self.set("/ts_ms", Leaf::Number(ms));
        self.set("/source/ts_ms", Leaf::Number(ms));
        self.set("/source/file", Leaf::Text("binlog.000002"));
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        match self {
            Template::Json(value) => Ok(serde_json::to_vec(value)?),
            Template::Avro { schema, id, value } => {
                let mut bytes = vec![0];
                bytes.extend(id.to_be_bytes());
                GenericDatumWriter::builder(schema).build()?.write_value_ref(&mut bytes, value)?;
                Ok(bytes)
            }
        }
    }
}

fn inner(value: &mut AvroValue) -> &mut AvroValue {
    match value {
        AvroValue::Union(_, value) => inner(value),
        value => value,
    }
}

fn avro_part<'a>(value: &'a mut AvroValue, name: &str) -> Option<&'a mut AvroValue> {
    match inner(value) {
        AvroValue::Record(fields) => fields.iter_mut().find(|(field, _)| field == name).map(|(_, value)| value),
        AvroValue::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Key and value of one kind of record.
struct Pair {
    key: Template,
    value: Template,
}

/// When the snapshot was; transactions came ten seconds later, each in a millisecond of its own.
const SNAPSHOT_MS: i64 = 1_760_000_000_000;

/// See the module.
pub(super) struct Maker {
    order_read: Pair,
    order_update: Pair,
    item_read: Pair,
    item_create: Pair,
    begin: Pair,
    end: Pair,
    next_item: i64,
}

/// Gives a schema to the registry under a topic: its id there.
pub(super) type Register<'a> = &'a mut dyn FnMut(Table, &'static str, &str) -> Result<u32>;

impl Maker {
    /// From the recorded samples of `case` (`json` or `avro`).
    pub(super) fn new(case: &str, register: Register<'_>) -> Result<Self> {
        let mut find = |table: Table, wanted: fn(&str) -> bool| find(case, table, wanted, register);
        let both =
            |text: &str| text.contains(r#""data_collection":"shop.orders""#) && text.contains("shop.order_items");
        let mut end = find(Table::Transactions, both)?;
        end.count();
        Ok(Maker {
            order_read: find(Table::Orders, |text| text.contains(r#""op":"r""#))?,
            order_update: find(Table::Orders, |text| text.contains(r#""op":"u""#))?,
            item_read: find(Table::Items, |text| text.contains(r#""op":"r""#))?,
            item_create: find(Table::Items, |text| text.contains(r#""op":"c""#))?,
            begin: find(Table::Transactions, |text| text.contains("BEGIN"))?,
            end,
            next_item: 1,
        })
    }

    /// Row `id` of `last` in the snapshot of orders.
    pub(super) fn order(&mut self, id: i64, last: i64) -> Result<Record> {
        let marker = if id == last { "last_in_data_collection" } else { "true" };
        self.order_read.value.at(SNAPSHOT_MS);
        self.order_read
            .value
            .set("/source/snapshot", Leaf::Text(if id == 1 { "first_in_data_collection" } else { marker }));
        self.order_read.row(id, &[("/after/user_id", id % 1000)])
    }

    /// The only item of the snapshot, and its last row.
    pub(super) fn last_item(&mut self) -> Result<Record> {
        self.item_read.value.set("/source/snapshot", Leaf::Text("last"));
        self.item_read.value.at(SNAPSHOT_MS);
        self.item_read.row(1, &[("/after/order_id", 1)])
    }

    /// The records of transaction `number` (from 1), in the order in which Debezium writes them.
    pub(super) fn transaction(&mut self, number: i64, order: i64) -> Result<Vec<(Table, Record)>> {
        let id = format!("77913fc7-e53d-11f1-9a15-02fc00000001:{}", 1_000 + number);
        let status = format!("stage {}", number % 50);
        let position = 1_000_000 + number * 1_000;
        // The recorded ones are of different transactions.
        let time = SNAPSHOT_MS + 10_000 + number;
        self.begin.value.at(time);
        self.end.value.at(time);
        let mut records = vec![(Table::Transactions, self.begin.boundary(&id)?)];
        let of_event = |pair: &mut Pair, total: i64, within: i64| {
            pair.value.set("/source/gtid", Leaf::Text(&id));
            pair.value.at(time);
            pair.value.set("/source/pos", Leaf::Number(position + total));
            pair.value.set("/transaction/id", Leaf::Text(&id));
            pair.value.set("/transaction/total_order", Leaf::Number(total));
            pair.value.set("/transaction/data_collection_order", Leaf::Number(within));
        };
        of_event(&mut self.order_update, 1, 1);
        self.order_update.value.set("/after/status", Leaf::Text(&status));
        records.push((Table::Orders, self.order_update.row(order, &[])?));
        for within in 1..EVENTS {
            self.next_item += 1;
            of_event(&mut self.item_create, 1 + within, within);
            let rest = [("/after/order_id", order), ("/after/quantity", within)];
            records.push((Table::Items, self.item_create.row(self.next_item, &rest)?));
        }
        records.push((Table::Transactions, self.end.boundary(&id)?));
        Ok(records)
    }
}

impl Pair {
    fn row(&mut self, id: i64, rest: &[(&str, i64)]) -> Result<Record> {
        self.key.set("/id", Leaf::Number(id));
        for path in ["/before/id", "/after/id"] {
            self.value.set(path, Leaf::Number(id));
        }
        for (path, number) in rest {
            self.value.set(path, Leaf::Number(*number));
        }
        Ok((self.key.bytes()?, self.value.bytes()?))
    }

    fn boundary(&mut self, id: &str) -> Result<Record> {
        self.key.set("/id", Leaf::Text(id));
        self.value.set("/id", Leaf::Text(id));
        Ok((self.key.bytes()?, self.value.bytes()?))
    }

    /// What every END counts, instead of what the recorded one does.
    fn count(&mut self) {
        self.value.set("/event_count", Leaf::Number(EVENTS));
        self.value.truncate("/data_collections", 2);
        for (place, table, count) in [(0, "shop.orders", 1), (1, "shop.order_items", EVENTS - 1)] {
            self.value.set(&format!("/data_collections/{place}/data_collection"), Leaf::Text(table));
            self.value.set(&format!("/data_collections/{place}/event_count"), Leaf::Number(count));
        }
    }
}

fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../ingest/testdata").join(case)
}

/// The first recorded record that is as wanted. Which one that is, the JSON case says: the others were recorded alike.
fn find(case: &str, table: Table, wanted: fn(&str) -> bool, register: Register<'_>) -> Result<Pair> {
    let lines = |case: &str| -> Result<Vec<Line>> {
        let text = std::fs::read_to_string(folder(case).join(format!("mysql.{}.jsonl", table.suffix())))?;
        Ok(text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?)
    };
    let mut found = None;
    for line in lines(case)? {
        let (Some(key), Some(value)) = (line.key, line.value) else { continue };
        let (key, value) = (STANDARD.decode(key)?, STANDARD.decode(value)?);
        let pair = Pair { key: read(case, &key)?, value: read(case, &value)? };
        if wanted(&pair.value.text()) {
            found = Some(pair);
            break;
        }
    }
    let mut pair = found.ok_or_else(|| format!("no such record of {table:?} in {case}"))?;
    for (template, what) in [(&mut pair.key, "key"), (&mut pair.value, "value")] {
        if let Template::Avro { id, .. } = template {
            let schemas = schemas()?;
            *id = register(table, what, &schemas[&id.to_string()])?;
        }
    }
    Ok(pair)
}

fn schemas() -> Result<HashMap<String, String>> {
    Ok(serde_json::from_str(&std::fs::read_to_string(folder("avro").join("schemas.json"))?)?)
}

fn read(case: &str, bytes: &[u8]) -> Result<Template> {
    if case == "json" {
        return Ok(Template::Json(serde_json::from_slice(bytes)?));
    }
    let (id, _) = confluent_header(bytes)?;
    let schema = apache_avro::Schema::parse_str(&schemas()?[&id.to_string()])?;
    let value = GenericDatumReader::builder(&schema).build()?.read_value(&mut &bytes[5..])?;
    Ok(Template::Avro { schema: Box::new(schema), id, value })
}

impl Template {
    /// As JSON, for looking.
    fn text(&self) -> String {
        match self {
            Template::Json(value) => value.to_string(),
            Template::Avro { value, .. } => {
                serde_json::Value::try_from(value.clone()).map(|value| value.to_string()).unwrap_or_default()
            }
        }
    }
}
