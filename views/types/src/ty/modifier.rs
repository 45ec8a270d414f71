//! Type modifiers in PostgreSQL's encoding: lengths, precisions, scales, the fields of an interval.

use super::{ColumnType, Type};
use crate::{Result, SqlError};

/// The greatest n of varchar(n) and char(n).
const MAX_LENGTH: i64 = 10_485_760;
/// The greatest precision, and the greatest scale to either side, that can be declared.
const MAX_PRECISION: i64 = 1000;
/// Digits of a second's fraction.
const MAX_FRACTION: i64 = 6;
/// The length word that PostgreSQL counts in lengths and numeric's modifier.
const HEADER: i32 = 4;
/// "Any fields" and "any precision" in an interval's modifier.
const ANY_FIELDS: i32 = 0x7fff;
const ANY_PRECISION: i32 = 0xffff;

/// What `numeric(p, s)` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumericModifier {
    /// Digits in all.
    pub precision: u16,
    /// Digits after the point; negative to round before it.
    pub scale: i16,
}

/// Bits of an interval's fields, and the words that name each combination that SQL allows.
const FIELDS: &[(&str, i32)] = &[
    ("year", 1 << 2),
    ("month", 1 << 1),
    ("day", 1 << 3),
    ("hour", 1 << 10),
    ("minute", 1 << 11),
    ("second", 1 << 12),
    ("year to month", 1 << 2 | 1 << 1),
    ("day to hour", 1 << 3 | 1 << 10),
    ("day to minute", 1 << 3 | 1 << 10 | 1 << 11),
    ("day to second", 1 << 3 | 1 << 10 | 1 << 11 | 1 << 12),
    ("hour to minute", 1 << 10 | 1 << 11),
    ("hour to second", 1 << 10 | 1 << 11 | 1 << 12),
    ("minute to second", 1 << 11 | 1 << 12),
];

fn invalid(message: String) -> SqlError {
    SqlError::new(b"22023", message)
}

impl ColumnType {
    /// `ty` with the modifiers that stand in parentheses after its name, `varchar(20)`, `numeric(10, 2)`, `timestamp(3)`; for
    /// an array those of its elements.
    ///
    /// # Errors
    /// 22023 for values out of range, 42601 where the type takes no modifier.
    pub fn with_modifiers(ty: Type, modifiers: &[i64]) -> Result<ColumnType> {
        if modifiers.is_empty() {
            return Ok(ty.into());
        }
        let mut scalar = &ty;
        while let Some(element) = scalar.element() {
            scalar = element;
        }
        let modifier = match scalar {
            Type::Varchar => length("varchar", modifiers)?,
            Type::Bpchar => length("char", modifiers)?,
            Type::Numeric => numeric(modifiers)?,
            Type::Time => fraction("TIME", "", modifiers)?,
            Type::TimeTz => fraction("TIME", " WITH TIME ZONE", modifiers)?,
            Type::Timestamp => fraction("TIMESTAMP", "", modifiers)?,
            Type::TimestampTz => fraction("TIMESTAMP", " WITH TIME ZONE", modifiers)?,
            Type::Interval => fraction("INTERVAL", "", modifiers)? | ANY_FIELDS << 16,
            other => {
                let message = format!("type modifier is not allowed for type \"{}\"", other.internal_name());
                return Err(SqlError::new(b"42601", message));
            }
        };
        Ok(ColumnType { ty, modifier })
    }

    /// `interval day to second(3)`: `fields` in lower case.
    ///
    /// # Errors
    /// 22023 if the precision is negative, 42601 for fields that SQL does not know.
    pub fn interval(fields: Option<&str>, precision: Option<i64>) -> Result<ColumnType> {
        let fraction = precision.map_or(Ok(ANY_PRECISION), |p| fraction("INTERVAL", "", &[p]))?;
        let fields = match fields {
            None if precision.is_none() => return Ok(Type::Interval.into()),
            None => ANY_FIELDS,
            Some(fields) => FIELDS
                .iter()
                .find(|(name, _)| *name == fields)
                .map(|(_, bits)| *bits)
                .ok_or_else(|| SqlError::new(b"42601", format!("syntax error at or near \"{fields}\"")))?,
        };
        Ok(ColumnType { ty: Type::Interval, modifier: fields << 16 | fraction })
    }

    /// n of varchar(n) and char(n).
    pub fn max_length(&self) -> Option<usize> {
        usize::try_from(self.modifier - HEADER).ok().filter(|_| self.modifier >= HEADER)
    }

    /// What numeric(p, s) says.
    pub fn numeric_modifier(&self) -> Option<NumericModifier> {
        if self.modifier < HEADER {
            return None;
        }
        let bits = self.modifier - HEADER;
        // Eleven bits, signed.
        let scale = ((bits & 0x7ff) ^ 1024) - 1024;
        Some(NumericModifier { precision: (bits >> 16 & 0xffff) as u16, scale: scale as i16 })
    }

    /// Digits of the second's fraction, of a time, timestamp or interval.
    pub fn fraction_digits(&self) -> Option<u32> {
        let digits = if self.ty == Type::Interval { self.modifier & ANY_PRECISION } else { self.modifier };
        (self.modifier >= 0 && digits <= MAX_FRACTION as i32).then_some(digits as u32)
    }

    /// The fields that an interval keeps, as words; `None` if it keeps all.
    pub fn interval_fields(&self) -> Option<&'static str> {
        let bits = self.modifier >> 16 & ANY_FIELDS;
        FIELDS.iter().find(|(_, field)| self.modifier >= 0 && *field == bits).map(|(name, _)| *name)
    }

    /// The modifier as `format_type` prints it after the name: `(10,2)`.
    pub(super) fn modifier_text(&self, ty: &Type) -> String {
        let this = ColumnType { ty: ty.clone(), modifier: self.modifier };
        match ty {
            _ if self.modifier < 0 => String::new(),
            Type::Varchar | Type::Bpchar => this.max_length().map_or(String::new(), |n| format!("({n})")),
            Type::Numeric => {
                this.numeric_modifier().map_or(String::new(), |m| format!("({},{})", m.precision, m.scale))
            }
            Type::Interval => {
                let fields = this.interval_fields().map_or(String::new(), |fields| format!(" {fields}"));
                let digits = this.fraction_digits().map_or(String::new(), |digits| format!("({digits})"));
                fields + &digits
            }
            Type::Time | Type::TimeTz | Type::Timestamp | Type::TimestampTz => format!("({})", self.modifier),
            _ => String::new(),
        }
    }
}

fn length(name: &str, modifiers: &[i64]) -> Result<i32> {
    match modifiers {
        [n] if *n < 1 => Err(invalid(format!("length for type {name} must be at least 1"))),
        [n] if *n > MAX_LENGTH => Err(invalid(format!("length for type {name} cannot exceed {MAX_LENGTH}"))),
        [n] => Ok(*n as i32 + HEADER),
        _ => Err(invalid("invalid type modifier".to_owned())),
    }
}

fn numeric(modifiers: &[i64]) -> Result<i32> {
    let (precision, scale) = match modifiers {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err(invalid("invalid NUMERIC type modifier".to_owned())),
    };
    if !(1..=MAX_PRECISION).contains(&precision) {
        return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and {MAX_PRECISION}")));
    }
    if !(-MAX_PRECISION..=MAX_PRECISION).contains(&scale) {
        let message = format!("NUMERIC scale {scale} must be between -{MAX_PRECISION} and {MAX_PRECISION}");
        return Err(invalid(message));
    }
    Ok(((precision as i32) << 16 | (scale as i32 & 0x7ff)) + HEADER)
}

/// More digits than six are cut to six, as PostgreSQL does (with a warning).
fn fraction(name: &str, zone: &str, modifiers: &[i64]) -> Result<i32> {
    match modifiers {
        [digits] if *digits < 0 => Err(invalid(format!("{name}({digits}){zone} precision must not be negative"))),
        [digits] => Ok((*digits).min(MAX_FRACTION) as i32),
        _ => Err(invalid("invalid type modifier".to_owned())),
    }
}
