//! jsonb as text.

use std::fmt::Write;

use crate::{Json, JsonbRef};

/// Appends a jsonb as PostgreSQL prints it: a blank after each comma and colon.
pub fn write(value: JsonbRef<'_>, out: &mut String) {
    match value.get() {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Json::Number(number) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{number}");
        }
        Json::String(text) => write_string(&String::from_utf8_lossy(text), out),
        Json::Array(_) => {
            out.push('[');
            for (i, element) in value.elements().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write(element, out);
            }
            out.push(']');
        }
        Json::Object(_) => {
            out.push('{');
            for (i, (key, value)) in value.entries().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_string(&String::from_utf8_lossy(key), out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// Appends a jsonb in lines, indented by four blanks: `jsonb_pretty`.
pub fn write_pretty(value: JsonbRef<'_>, out: &mut String) {
    pretty(value, 0, out);
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("    "));
}

fn pretty(value: JsonbRef<'_>, depth: usize, out: &mut String) {
    match value.get() {
        Json::Array(_) => {
            out.push('[');
            for (i, element) in value.elements().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(depth + 1, out);
                pretty(element, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Json::Object(_) => {
            out.push('{');
            for (i, (key, value)) in value.entries().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                line(depth + 1, out);
                write_string(&String::from_utf8_lossy(key), out);
                out.push_str(": ");
                pretty(value, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        _ => write(value, out),
    }
}

/// Appends a JSON string, quoted and escaped.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
