//! Types' names: as `format_type` prints them, and every spelling that SQL and PostgreSQL accept.

use super::{ColumnType, Type};
use crate::{Result, SqlError};

/// Spellings that are neither `pg_type`'s name nor `format_type`'s.
const ALIASES: &[(&str, Type)] = &[
    ("boolean", Type::Bool),
    ("smallint", Type::Int2),
    ("int", Type::Int4),
    ("integer", Type::Int4),
    ("bigint", Type::Int8),
    ("real", Type::Float4),
    ("float", Type::Float8),
    ("double precision", Type::Float8),
    ("double", Type::Float8),
    ("decimal", Type::Numeric),
    ("dec", Type::Numeric),
    ("string", Type::Text),
    ("character varying", Type::Varchar),
    ("char varying", Type::Varchar),
    ("national character varying", Type::Varchar),
    ("nchar varying", Type::Varchar),
    ("character", Type::Bpchar),
    ("char", Type::Bpchar),
    ("national character", Type::Bpchar),
    ("nchar", Type::Bpchar),
    ("\"char\"", Type::Char),
    ("bytes", Type::Bytea),
    ("time without time zone", Type::Time),
    ("time with time zone", Type::TimeTz),
    ("timestamp without time zone", Type::Timestamp),
    ("datetime", Type::Timestamp),
    ("timestamp with time zone", Type::TimestampTz),
];

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&ColumnType::from(self.clone()).name())
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl ColumnType {
    /// The name as `format_type(oid, modifier)` prints it.
    pub fn name(&self) -> String {
        let ty = &self.ty;
        match ty {
            Type::Array(element) => format!("{}[]", self.of(element).name()),
            Type::List(element) => format!("{} list", self.of(element).name()),
            Type::Map(element) => format!("map[text=>{}]", self.of(element).name()),
            Type::Bpchar if self.modifier >= 0 => format!("character{}", self.modifier_text(ty)),
            Type::Time | Type::TimeTz | Type::Timestamp | Type::TimestampTz => {
                let (head, zone) = ty.sql_name().split_once(' ').unwrap_or((ty.sql_name(), ""));
                format!("{head}{} {zone}", self.modifier_text(ty))
            }
            _ => format!("{}{}", ty.sql_name(), self.modifier_text(ty)),
        }
    }

    fn of(&self, element: &Type) -> ColumnType {
        ColumnType { ty: element.clone(), modifier: self.modifier }
    }

    /// The type that `text` names in full: `numeric(10, 2)[]`, `timestamp(3) with time zone`, `int4 list`, `map[text=>int4]`.
    ///
    /// # Errors
    /// 42704 if there is no such type; what [`ColumnType::with_modifiers`] refuses.
    pub fn parse(text: &str) -> Result<ColumnType> {
        let unknown = || SqlError::new(b"42704", format!("type \"{}\" does not exist", text.trim()));
        let spelled = spelling(text);
        let text = spelled.as_str();
        if let Some(element) = text.strip_suffix("[]") {
            return ColumnType::parse(element).map(array_of);
        }
        if let Some(element) = text.strip_suffix(" array") {
            return ColumnType::parse(element).map(array_of);
        }
        if let Some(element) = text.strip_suffix(" list") {
            return ColumnType::parse(element).map(|c| ColumnType { ty: Type::List(c.ty.into()), ..c });
        }
        if let Some(value) = text.strip_prefix("map[text=>").and_then(|rest| rest.strip_suffix(']')) {
            return ColumnType::parse(value).map(|c| ColumnType { ty: Type::Map(c.ty.into()), ..c });
        }
        if let Some((element, length)) = text.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
            // The length of an array's declaration means nothing, as in PostgreSQL.
            length.parse::<u32>().map_err(|_| unknown())?;
            return ColumnType::parse(element).map(array_of);
        }
        let (name, modifiers) = split_modifiers(text).ok_or_else(unknown)?;
        if let Some(fields) = name.strip_prefix("interval ") {
            return ColumnType::interval(Some(fields), modifiers.first().copied());
        }
        if name == "float" {
            return float(&modifiers);
        }
        let modifiers = if modifiers.is_empty() && is_char(&name) { vec![1] } else { modifiers };
        ColumnType::with_modifiers(Type::from_name(&name).ok_or_else(unknown)?, &modifiers)
    }
}

/// `char` and `character` without a length are of length 1; `bpchar` is of any.
fn is_char(name: &str) -> bool {
    matches!(name, "char" | "character" | "nchar" | "national character")
}

/// An array of arrays is an array: dimensions are no part of the type.
fn array_of(column: ColumnType) -> ColumnType {
    let ty = if matches!(column.ty, Type::Array(_)) { column.ty } else { column.ty.array() };
    ColumnType { ty, modifier: column.modifier }
}

/// float(1..24) is real, float(25..53) is double precision.
fn float(modifiers: &[i64]) -> Result<ColumnType> {
    match modifiers {
        [] | [25..=53] => Ok(Type::Float8.into()),
        [1..=24] => Ok(Type::Float4.into()),
        [..=0, ..] => Err(SqlError::new(b"22023", "precision for type float must be at least 1 bit")),
        _ => Err(SqlError::new(b"22023", "precision for type float must be less than 54 bits")),
    }
}

/// Lower case but for quoted parts, single blanks, none around punctuation; without `pg_catalog.`.
fn spelling(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for c in text.trim().chars() {
        quoted ^= c == '"';
        match c {
            c if quoted => out.push(c),
            c if c.is_whitespace() => {
                if !out.ends_with([' ', '(', ',', '[']) {
                    out.push(' ');
                }
            }
            '(' | ')' | ',' | '[' | ']' | '=' => {
                out.truncate(out.trim_end().len());
                out.push(c);
            }
            c => out.extend(c.to_lowercase()),
        }
    }
    let out = out.strip_prefix("pg_catalog.").unwrap_or(&out);
    out.trim_end().replace("\"pg_catalog\".", "")
}

/// `timestamp(3) with time zone` into `timestamp with time zone` and `[3]`.
fn split_modifiers(text: &str) -> Option<(String, Vec<i64>)> {
    let Some((head, rest)) = text.split_once('(') else { return Some((text.to_owned(), Vec::new())) };
    let (inside, tail) = rest.split_once(')')?;
    let modifiers = inside.split(',').map(|part| part.trim().parse().ok()).collect::<Option<Vec<i64>>>()?;
    let tail = tail.trim();
    let name = if tail.is_empty() { head.trim().to_owned() } else { format!("{} {tail}", head.trim()) };
    Some((name, modifiers))
}

impl Type {
    /// The type that has this name, without modifiers: `pg_type`'s names (`int4`, `_int4`), SQL's spellings and the usual
    /// aliases, in lower case.
    pub fn from_name(name: &str) -> Option<Type> {
        if let Some((_, ty)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
            return Some(ty.clone());
        }
        let bare = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name);
        Type::from_internal_name(bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in [
            "boolean",
            "numeric(10,2)",
            "numeric(3,-2)",
            "numeric(10,2)[]",
            "character varying(20)",
            "character(3)",
            "bpchar",
            "\"char\"",
            "timestamp(3) with time zone",
            "time(0) without time zone",
            "interval year to month",
            "interval second(3)",
            "interval(2)",
            "double precision[]",
            "integer list list",
            "map[text=>integer]",
            "int4multirange",
        ] {
            assert_eq!(ColumnType::parse(name).map(|c| c.name()), Ok(name.to_owned()));
        }
    }

    /// Catalogs are kept by these names: whatever the type, its name means it.
    #[test]
    fn every_name_means_its_type() {
        let names = |column: &ColumnType| assert_eq!(ColumnType::parse(&column.name()).as_ref(), Ok(column));
        for ty in Type::all().filter(|ty| !matches!(ty, Type::Unknown | Type::Void)) {
            for modifiers in [&[][..], &[6], &[10, 2], &[1000, -3]] {
                let Ok(column) = ColumnType::with_modifiers(ty.clone(), modifiers) else { continue };
                names(&column);
                names(&ColumnType { ty: column.ty.clone().array(), modifier: column.modifier });
                names(&ColumnType { ty: Type::List(column.ty.clone().into()), modifier: column.modifier });
                names(&ColumnType { ty: Type::Map(column.ty.into()), modifier: column.modifier });
            }
        }
    }

    #[test]
    fn aliases_and_oids() {
        for (alias, name) in [
            ("INT", "integer"),
            ("pg_catalog.int4", "integer"),
            ("_text", "text[]"),
            ("float(24)", "real"),
            ("char", "character(1)"),
            ("Decimal ( 10 , 2 )", "numeric(10,2)"),
            ("int4[3][4]", "integer[]"),
            ("timestamptz(9)", "timestamp(6) with time zone"),
        ] {
            assert_eq!(ColumnType::parse(alias).map(|c| c.name()), Ok(name.to_owned()));
        }
        for ty in Type::all() {
            assert_eq!(Type::from_oid(ty.oid()).as_ref(), Some(ty));
            assert_eq!(
                Type::from_name(&ty.internal_name()).as_ref().or(Some(&Type::Bpchar)),
                Some(if *ty == Type::Char { &Type::Bpchar } else { ty })
            );
        }
        assert_eq!(ColumnType::parse("numeric(0)").map_err(|e| e.sqlstate), Err(*b"22023"));
        assert_eq!(ColumnType::parse("nothing").map_err(|e| e.sqlstate), Err(*b"42704"));
    }
}
