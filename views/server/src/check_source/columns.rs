//! Which columns of a source and of its table are compared, and the form in which they are: one text for what is one value in both.
//!
//! A pair of types that has no such form is not compared and named in the answer.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tidewater_types::{Column, Datum, Packing, Settings, Type, output};

/// A column of the table, as `information_schema` tells it.
#[derive(Debug, Clone)]
pub(super) struct MysqlColumn {
    pub(super) name: String,
    /// `bigint`, `varchar`.
    pub(super) data_type: String,
    /// `bigint unsigned`, `varchar(20)`.
    pub(super) column_type: String,
}

/// How values of a pair of types become one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Without blanks at its end.
    Padded,
    Bytes,
    Number,
    Bool,
    /// By the digits that a FLOAT has for certain: Debezium's snapshot gets no more of MySQL.
    Float,
    Double,
    /// BIT: in Debezium's bytes the lowest comes first.
    Bits,
    Date,
    Timestamp,
    /// In microseconds.
    Time,
    Json,
    Uuid,
}

/// A column that is compared.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: String,
    /// What MySQL is asked for.
    pub(super) expression: String,
    form: Form,
    /// Its place in the source's rows.
    pub(super) at: usize,
    packing: Packing,
    column: Column,
}

/// All columns of both sides: those that are compared, and what is said of the others.
pub(super) fn pairs(here: &[Column], mysql: &[MysqlColumn]) -> (Vec<Pair>, Vec<String>) {
    let (mut pairs, mut others) = (Vec::new(), Vec::new());
    let mut taken = vec![false; mysql.len()];
    for (at, column) in here.iter().enumerate() {
        let Some(found) = named(&column.name, mysql) else {
            others.push(format!("{}: MySQL has no such column", column.name));
            continue;
        };
        taken[found] = true;
        let of = &mysql[found];
        match form(of, &column.ty.ty) {
            Some(form) => pairs.push(Pair {
                name: column.name.clone(),
                expression: expression(of, form),
                form,
                at,
                packing: Packing::of(&column.ty),
                column: column.clone(),
            }),
            None => others.push(format!("{}: {} with {}", column.name, of.column_type, column.ty.name())),
        }
    }
    let missing = mysql.iter().zip(taken).filter(|(_, taken)| !taken);
    others.extend(missing.map(|(column, _)| format!("{}: the source has no such column", column.name)));
    (pairs, others)
}

/// The place of a column of this name: Debezium may write other letters for those that Avro's names have not.
fn named(name: &str, mysql: &[MysqlColumn]) -> Option<usize> {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let adjusted = |of: &str| of.chars().map(letter).collect::<String>();
    let same = mysql.iter().position(|column| column.name == name);
    let same = same.or_else(|| mysql.iter().position(|column| column.name.eq_ignore_ascii_case(name)));
    same.or_else(|| mysql.iter().position(|column| adjusted(&column.name) == name))
}

fn form(mysql: &MysqlColumn, here: &Type) -> Option<Form> {
    let whole =
        matches!(here, Type::Int2 | Type::Int4 | Type::Int8 | Type::UInt2 | Type::UInt4 | Type::UInt8 | Type::Numeric);
    let text = matches!(here, Type::Text | Type::Varchar);
    Some(match (mysql.data_type.as_str(), here) {
        ("tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "decimal", _) if whole => Form::Number,
        ("tinyint" | "smallint" | "mediumint" | "int" | "bigint", Type::Bool) => Form::Bool,
        ("bit", Type::Bool) => Form::Bool,
        ("bit", Type::Bytea) => Form::Bits,
        ("decimal", Type::Float8) | ("double", Type::Float8) => Form::Double,
        ("decimal", _) if text => Form::Text,
        ("float", Type::Float4 | Type::Float8) => Form::Float,
        ("date", Type::Date) => Form::Date,
        ("datetime", Type::Timestamp) | ("timestamp", Type::Timestamp | Type::TimestampTz) => Form::Timestamp,
        ("time", Type::Time | Type::Interval) => Form::Time,
        ("json", Type::Json | Type::Jsonb | Type::Text) => Form::Json,
        ("binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob", Type::Bytea) => Form::Bytes,
        ("char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set", _) => match here {
            Type::Text | Type::Varchar => Form::Text,
            Type::Bpchar => Form::Padded,
            Type::Json | Type::Jsonb => Form::Json,
            Type::Uuid => Form::Uuid,
            _ => return None,
        },
        _ => return None,
    })
}

/// A name as MySQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn expression(column: &MysqlColumn, form: Form) -> String {
    let name = quoted(&column.name);
    match form {
        Form::Bytes => format!("HEX({name})"),
        Form::Bool => format!("CAST({name} <> 0 AS CHAR)"),
        Form::Bits => format!("CAST({name} + 0 AS CHAR)"),
        // As a double it is shown with all of its digits.
        Form::Float => format!("CAST({name} + 0e0 AS CHAR)"),
        Form::Double if column.data_type == "double" => format!("CAST({name} + 0e0 AS CHAR)"),
        Form::Text | Form::Padded => format!("CONVERT({name} USING utf8mb4)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

impl Pair {
    /// A value of MySQL.
    pub(super) fn mysql(&self, value: &[u8]) -> Vec<u8> {
        match self.form {
            Form::Text | Form::Bytes => value.to_vec(),
            form => canonical(form, &String::from_utf8_lossy(value)),
        }
    }

    /// The value of a row here.
    pub(super) fn here(&self, row: tidewater_delta::RowRef<'_>) -> Option<Vec<u8>> {
        let value = self.packing.get(row, self.at);
        Some(match (self.form, value) {
            (_, Datum::Null) => return None,
            (Form::Text, Datum::Text(text)) => text.to_vec(),
            (Form::Bool, Datum::Bool(is)) => vec![b'0' + u8::from(is)],
            (Form::Bytes, Datum::Bytes(bytes)) => {
                bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
            }
            (Form::Bits, Datum::Bytes(bytes)) => bits(bytes).into_bytes(),
            (Form::Float, Datum::Float(value)) => float(value).into_bytes(),
            (Form::Double, Datum::Float(value)) => double(value).into_bytes(),
            (Form::Time, Datum::Int(micros)) => micros.to_string().into_bytes(),
            (Form::Time, Datum::Interval(time)) if time.months == 0 => {
                (time.micros + i64::from(time.days) * 86_400_000_000).to_string().into_bytes()
            }
            (form, value) => {
                let mut text = String::new();
                output(&value, &self.column.ty, &Settings::default(), &mut text);
                canonical(form, &text)
            }
        })
    }
}

/// The text of a value that MySQL or PostgreSQL writes, in the form that is compared.
fn canonical(form: Form, text: &str) -> Vec<u8> {
    let shown = match form {
        Form::Text | Form::Bytes | Form::Bool | Form::Date | Form::Bits => text.to_owned(),
        Form::Padded => text.trim_end_matches(' ').to_owned(),
        Form::Number => number(text),
        Form::Float => text.parse().map_or_else(|_| text.to_owned(), float),
        Form::Double => text.parse().map_or_else(|_| text.to_owned(), double),
        Form::Timestamp => fraction(text.strip_suffix("+00").unwrap_or(text)).to_owned(),
        Form::Time => micros(text).map_or_else(|| text.to_owned(), |micros| micros.to_string()),
        Form::Json => json(text).unwrap_or_else(|| text.to_owned()),
        Form::Uuid => text.to_ascii_lowercase(),
    };
    shown.into_bytes()
}

/// Without zeros at the end of its fraction.
fn fraction(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn number(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let digits = fraction(digits).trim_start_matches('0');
    match digits {
        "" => "0".to_owned(),
        digits if digits.starts_with('.') => format!("{sign}0{digits}"),
        digits => format!("{sign}{digits}"),
    }
}

fn float(value: f64) -> String {
    let value = value as f32;
    if value == 0.0 { "0".to_owned() } else { format!("{value:.5e}") }
}

fn double(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:?}") }
}

/// A TIME of MySQL, `-838:59:59.5`, in microseconds.
fn micros(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (time, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds = 0i64;
    for part in time.split(':') {
        seconds = seconds * 60 + part.parse::<i64>().ok()?;
    }
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * (seconds * 1_000_000 + fraction))
}

fn bits(bytes: &[u8]) -> String {
    let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    value.to_string()
}

/// JSON with its keys in order and numbers by their values: those with a fraction or an exponent as doubles.
fn json(text: &str) -> Option<String> {
    let mut shown = String::new();
    json_into(serde_json::from_str(text).ok()?, &mut shown)?;
    Some(shown)
}

fn json_into(value: &RawValue, shown: &mut String) -> Option<()> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'{' => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            shown.push('{');
            for (number, (name, value)) in fields.into_iter().enumerate() {
                shown.push_str(if number == 0 { "" } else { ", " });
                tidewater_types::json::write_string(&name, shown);
                shown.push_str(": ");
                json_into(value, shown)?;
            }
            shown.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            shown.push('[');
            for (number, value) in items.into_iter().enumerate() {
                shown.push_str(if number == 0 { "" } else { ", " });
                json_into(value, shown)?;
            }
            shown.push(']');
        }
        b'"' => tidewater_types::json::write_string(&serde_json::from_str::<String>(text).ok()?, shown),
        b'-' | b'0'..=b'9' if text.contains(['.', 'e', 'E']) => {
            let value: f64 = text.parse().ok()?;
            match value.fract() == 0.0 && value.abs() < 1e15 {
                true => shown.push_str(&(value as i64).to_string()),
                false => shown.push_str(&format!("{value:?}")),
            }
        }
        _ => shown.push_str(text),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(data_type: &str) -> MysqlColumn {
        MysqlColumn { name: "c".into(), data_type: data_type.into(), column_type: data_type.into() }
    }

    fn same(form: Form, mysql: &str, here: &str) {
        let [mysql, here] = [mysql, here].map(|text| String::from_utf8(canonical(form, text)).expect("text"));
        assert_eq!(mysql, here, "{form:?}");
    }

    fn differ(form: Form, mysql: &str, here: &str) {
        assert_ne!(canonical(form, mysql), canonical(form, here), "{form:?}: {mysql} and {here}");
    }

    #[test]
    fn one_value_has_one_text() {
        same(Form::Number, "1.50", "1.5");
        same(Form::Number, "-0.00", "0");
        same(Form::Number, "100", "100");
        same(Form::Number, "0.10", "0.1");
        differ(Form::Number, "1.50", "15");
        differ(Form::Number, "-1", "1");
        same(Form::Timestamp, "2024-01-02 03:04:05.120000", "2024-01-02 03:04:05.12+00");
        same(Form::Timestamp, "2024-01-02 03:04:00", "2024-01-02 03:04:00");
        differ(Form::Timestamp, "2024-01-02 03:04:05", "2024-01-02 03:04:05.000001");
        same(Form::Float, "1.100000023841858", "1.1");
        same(Form::Float, "16777216", "16777200");
        differ(Form::Float, "1.10001", "1.1");
        same(Form::Double, "1e300", "1E+300");
        differ(Form::Double, "0.1", "0.10000000000000002");
        assert_eq!(micros("-838:59:59.5"), Some(-3_020_399_500_000));
        assert_eq!(micros("00:00:01.000002"), Some(1_000_002));
        assert_eq!(bits(&[1, 2]), "513");
        same(Form::Padded, "ab", "ab  ");
    }

    #[test]
    fn json_is_compared_by_its_values() {
        same(Form::Json, r#"{"b": 1.0, "aa": [1, "é", null, true]}"#, r#"{"aa":[1,"\u00e9",null,true],"b":1}"#);
        same(Form::Json, "10000000000.5", "1.00000000005E10");
        differ(Form::Json, "9007199254740993", "9007199254740992");
        differ(Form::Json, r#"{"a": "1"}"#, r#"{"a": 1}"#);
        differ(Form::Json, "[1, 2]", "[2, 1]");
    }

    #[test]
    fn what_has_no_common_form_is_named() {
        let here = [Column::new("c", Type::Int4), Column::new("d", Type::Text)];
        let (pairs, others) = pairs(&here, &[mysql("point"), MysqlColumn { name: "e".into(), ..mysql("int") }]);
        assert!(pairs.is_empty());
        let expected = ["c: point with integer", "d: MySQL has no such column", "e: the source has no such column"];
        assert_eq!(others, expected);
        assert_eq!(form(&mysql("blob"), &Type::Text), None);
        assert_eq!(form(&mysql("bit"), &Type::Bytea), Some(Form::Bits));
    }

    #[test]
    fn names_are_found_as_debezium_writes_them() {
        let column = |name: &str| MysqlColumn { name: name.into(), ..mysql("int") };
        let all = [column("a-b"), column("Id"), column("id")];
        assert_eq!(["a_b", "id", "ID", "x"].map(|name| named(name, &all)), [Some(0), Some(2), Some(1), None]);
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
