//! jsonb's order: null < string < number < false < true < array < object; longer containers are greater. Outermost scalars stand
//! between the empty array and the others, as PostgreSQL stores them as arrays.

use std::cmp::Ordering;

use crate::datum::Bytes;
use crate::key::put_text;
use crate::{Json, JsonbRef};

const NULL: u8 = 1;
const STRING: u8 = 2;
const NUMBER: u8 = 3;
const BOOL: u8 = 4;
const ARRAY: u8 = 5;
const OBJECT: u8 = 6;

/// Appends the key form: it sorts as jsonb does, and numbers that are equal have equal bytes.
pub fn key(value: JsonbRef<'_>, out: &mut impl Bytes) {
    match value.get() {
        Json::Object(_) => inner_key(value, out),
        Json::Array(seq) => {
            out.put(&[ARRAY]);
            out.put(&(seq.len() as u32).to_be_bytes());
            out.put(&[1]);
            value.elements().for_each(|element| inner_key(element, out));
        }
        _ => {
            out.put(&[ARRAY]);
            out.put(&1_u32.to_be_bytes());
            out.put(&[0]);
            inner_key(value, out);
        }
    }
}

fn inner_key(value: JsonbRef<'_>, out: &mut impl Bytes) {
    match value.get() {
        Json::Null => out.put(&[NULL]),
        Json::String(text) => {
            out.put(&[STRING]);
            put_text(text, out);
        }
        Json::Number(number) => {
            out.put(&[NUMBER]);
            number.key(out);
        }
        Json::Bool(value) => out.put(&[BOOL, u8::from(value)]),
        Json::Array(seq) => {
            out.put(&[ARRAY]);
            out.put(&(seq.len() as u32).to_be_bytes());
            value.elements().for_each(|element| inner_key(element, out));
        }
        Json::Object(seq) => {
            out.put(&[OBJECT]);
            out.put(&(seq.len() as u32 / 2).to_be_bytes());
            for (key, value) in value.entries() {
                put_text(key, out);
                inner_key(value, out);
            }
        }
    }
}

/// Compares as jsonb's btree does.
pub fn compare(a: JsonbRef<'_>, b: JsonbRef<'_>) -> Ordering {
    let scalar = |value: JsonbRef<'_>| !matches!(value.get(), Json::Array(_) | Json::Object(_));
    match (a.get(), b.get()) {
        (Json::Array(array), _) if scalar(b) => array.len().cmp(&1).then(Ordering::Greater),
        (_, Json::Array(array)) if scalar(a) => 1.cmp(&array.len()).then(Ordering::Less),
        _ => inner(a, b),
    }
}

fn rank(value: &Json<'_>) -> u8 {
    match value {
        Json::Null => NULL,
        Json::String(_) => STRING,
        Json::Number(_) => NUMBER,
        Json::Bool(_) => BOOL,
        Json::Array(_) => ARRAY,
        Json::Object(_) => OBJECT,
    }
}

fn inner(a: JsonbRef<'_>, b: JsonbRef<'_>) -> Ordering {
    match (a.get(), b.get()) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => a.cmp(&b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(&b),
        (Json::Array(x), Json::Array(y)) => x.len().cmp(&y.len()).then_with(|| {
            let differing = a.elements().zip(b.elements()).map(|(x, y)| inner(x, y));
            differing.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Json::Object(x), Json::Object(y)) => x.len().cmp(&y.len()).then_with(|| {
            let mut pairs = a.entries().zip(b.entries());
            let differing = pairs.find_map(|((k, v), (l, w))| {
                let order = k.cmp(l).then_with(|| inner(v, w));
                order.is_ne().then_some(order)
            });
            differing.unwrap_or(Ordering::Equal)
        }),
        (a, b) => rank(&a).cmp(&rank(&b)),
    }
}
