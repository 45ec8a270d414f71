//! An Avro schema with what Connect adds to it. The crate apache-avro drops attributes of primitive types, and with them
//! `connect.name`, which tells a DATETIME from a BIGINT; so the schema's JSON is read here.
//!
//! Source: the Avro 1.11 specification; Confluent's and Apicurio's Avro converters of Kafka Connect (`connect.name`,
//! `connect.type`, `connect.parameters`).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, Result};

/// How deep types may nest: a schema is data from outside.
const DEPTH: usize = 64;

/// A type and what Connect says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// How its bytes lie.
    pub wire: Wire,
    /// Connect's name of its meaning, such as `io.debezium.time.MicroTimestamp`.
    pub connect_name: Option<Box<str>>,
    /// Connect's type where it is narrower than Avro's: `int8`, `int16`.
    pub connect_type: Option<Box<str>>,
    /// Avro's own name of its meaning.
    pub logical: Option<Box<str>>,
    /// Digits of a decimal.
    pub precision: Option<u8>,
    /// Fraction digits of a decimal.
    pub scale: i8,
    /// What a field is in records of before it: Avro's `default`, else Connect's.
    pub default: Option<Box<Value>>,
    /// Whether MySQL's column is unsigned, where the connector says (`column.propagate.source.type`).
    pub unsigned: Option<bool>,
}

/// How bytes lie.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Wire {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Arc<[Box<str>]>),
    Array(Arc<Node>),
    Map(Arc<Node>),
    Union(Arc<[Node]>),
    Record(Arc<[(Box<str>, Node)]>),
}

impl Node {
    /// Reads a schema.
    ///
    /// # Errors
    /// If it is not an Avro schema, or a record contains itself.
    pub fn parse(text: &str) -> Result<Node> {
        let json: Value = serde_json::from_str(text).map_err(|error| wrong(format_args!("not JSON: {error}")))?;
        node(&json, "", &mut HashMap::new(), 0)
    }

    /// The type beside null, and at which branch null lies, if it may be null.
    pub(crate) fn nullable(&self) -> (&Node, Option<usize>) {
        match &self.wire {
            Wire::Union(branches) if branches.len() == 2 => {
                match branches.iter().position(|branch| branch.wire == Wire::Null) {
                    Some(null) => (&branches[1 - null], Some(null)),
                    None => (self, None),
                }
            }
            _ => (self, None),
        }
    }

    /// The fields of a record, or none.
    pub(crate) fn fields(&self) -> &[(Box<str>, Node)] {
        match &self.wire {
            Wire::Record(fields) => fields,
            _ => &[],
        }
    }

    /// A record's field.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        self.fields().iter().find(|(field, _)| &**field == name).map(|(_, node)| node)
    }
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::Schema(format!("an Avro schema: {what}"))
}

fn plain(wire: Wire) -> Node {
    Node {
        wire,
        connect_name: None,
        connect_type: None,
        logical: None,
        precision: None,
        scale: 0,
        default: None,
        unsigned: None,
    }
}

fn node(json: &Value, namespace: &str, names: &mut HashMap<String, Node>, depth: usize) -> Result<Node> {
    if depth > DEPTH {
        return Err(wrong("too deep"));
    }
    match json {
        Value::String(name) => named(name, namespace, names),
        Value::Array(branches) => {
            let branches = branches.iter().map(|branch| node(branch, namespace, names, depth + 1));
            Ok(plain(Wire::Union(branches.collect::<Result<Vec<_>>>()?.into())))
        }
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            let mut found = match object.get("type") {
                Some(Value::String(kind)) => complex(kind, json, namespace, names, depth)?,
                Some(inner) => node(inner, namespace, names, depth + 1)?,
                None => return Err(wrong("a type without \"type\"")),
            };
            let parameter = |key: &str| json.pointer(&format!("/connect.parameters/{key}")).and_then(Value::as_str);
            let number = |key: &str| object.get(key).and_then(Value::as_i64);
            found.connect_name = text("connect.name").map(Into::into).or(found.connect_name);
            found.connect_type = text("connect.type").map(Into::into).or(found.connect_type);
            found.logical = text("logicalType").map(Into::into).or(found.logical);
            let precision = number("precision").or(parameter("connect.decimal.precision").and_then(|p| p.parse().ok()));
            found.precision = precision.and_then(|p| u8::try_from(p).ok()).or(found.precision);
            let scale = number("scale").or(parameter("scale").and_then(|s| s.parse().ok()));
            found.scale = scale.and_then(|s| i8::try_from(s).ok()).unwrap_or(found.scale);
            found.default = object.get("connect.default").cloned().map(Box::new).or(found.default);
            let source = parameter("__debezium.source.column.type");
            found.unsigned = source.map(|text| text.ends_with("UNSIGNED")).or(found.unsigned);
            // A record is known by its name from here on, with what Connect says of it.
            if let (Some(name), Wire::Record(_) | Wire::Enum(_) | Wire::Fixed(_)) = (text("name"), &found.wire) {
                names.insert(full_name(name, text("namespace").unwrap_or(namespace)), found.clone());
            }
            Ok(found)
        }
        other => Err(wrong(format_args!("{other} is not a type"))),
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn named(name: &str, namespace: &str, names: &HashMap<String, Node>) -> Result<Node> {
    Ok(plain(match name {
        "null" => Wire::Null,
        "boolean" => Wire::Boolean,
        "int" => Wire::Int,
        "long" => Wire::Long,
        "float" => Wire::Float,
        "double" => Wire::Double,
        "bytes" => Wire::Bytes,
        "string" => Wire::String,
        name => {
            let found = names.get(&full_name(name, namespace)).or_else(|| names.get(name));
            return found.cloned().ok_or_else(|| wrong(format_args!("type \"{name}\" is not defined before its use")));
        }
    }))
}

fn complex(kind: &str, json: &Value, namespace: &str, names: &mut HashMap<String, Node>, depth: usize) -> Result<Node> {
    let inner = |key: &str, names: &mut HashMap<String, Node>| {
        let json = json.get(key).ok_or_else(|| wrong(format_args!("{kind} without \"{key}\"")))?;
        node(json, namespace, names, depth + 1)
    };
    Ok(plain(match kind {
        "array" => Wire::Array(Arc::new(inner("items", names)?)),
        "map" => Wire::Map(Arc::new(inner("values", names)?)),
        "fixed" => {
            let size = json.get("size").and_then(Value::as_u64).ok_or_else(|| wrong("fixed without \"size\""))?;
            Wire::Fixed(size as usize)
        }
        "enum" => {
            let symbols = json.get("symbols").and_then(Value::as_array).ok_or_else(|| wrong("enum without symbols"))?;
            Wire::Enum(symbols.iter().filter_map(|symbol| symbol.as_str().map(Into::into)).collect())
        }
        "record" => {
            let fields = json.get("fields").and_then(Value::as_array).ok_or_else(|| wrong("record without fields"))?;
            let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
            let space = json.get("namespace").and_then(Value::as_str);
            let inherited = name.rsplit_once('.').map(|(space, _)| space);
            let space = space.or(inherited).unwrap_or(namespace);
            let mut found = Vec::new();
            for field in fields {
                let name = field.get("name").and_then(Value::as_str).ok_or_else(|| wrong("a field without a name"))?;
                let json = field.get("type").ok_or_else(|| wrong(format_args!("field \"{name}\" without a type")))?;
                let mut of = node(json, space, names, depth + 1)?;
                of.default = field.get("default").cloned().map(Box::new).or_else(|| of.nullable().0.default.clone());
                found.push((name.into(), of));
            }
            Wire::Record(found.into())
        }
        name => return named(name, namespace, names),
    }))
}
