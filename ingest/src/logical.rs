//! What a writer's schema says that its values are: a type with the unit or scale that numbers on the wire are counted in.
//!
//! This is apart from what the table's column is ([`ColumnType`]): DATETIME comes in milliseconds or microseconds by its
//! precision, and the column has microseconds in both cases. Source: Debezium's "data type mappings" of the MySQL connector; Kafka
//! Connect's logical types.

use tidewater_types::{ColumnType, NumericModifier, Type};

/// Digits that a decimal of a column can have: what 256 bits hold. MySQL has up to 65.
pub(crate) const DIGITS_MAX: u8 = 76;

/// What a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// Ticks a second.
    pub(crate) fn ticks(self) -> i64 {
        match self {
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }
}

/// The type of a writer's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logical {
    Bool,
    /// Connect's int8 and int16.
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    /// An unscaled number of `precision` digits, of which `scale` follow the point.
    Decimal {
        precision: u8,
        scale: i8,
    },
    Text,
    Bytes,
    /// Days since 1970.
    Date,
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    /// MySQL's TIME, which may be negative or longer than a day.
    Duration(Unit),
    /// A list of floats (MySQL's VECTOR).
    Floats,
}

impl Logical {
    /// What a Connect schema name stands for, where it is not the wire type's.
    pub(crate) fn named(name: &str) -> Option<Logical> {
        let timestamp = |unit| Logical::Timestamp { unit, zoned: false };
        Some(match name {
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" | "io.debezium.time.IsoDate" => {
                Logical::Date
            }
            "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => timestamp(Unit::Millis),
            "io.debezium.time.MicroTimestamp" | "io.debezium.time.IsoTimestamp" => timestamp(Unit::Micros),
            "io.debezium.time.NanoTimestamp" => timestamp(Unit::Nanos),
            "io.debezium.time.ZonedTimestamp" => Logical::Timestamp { unit: Unit::Micros, zoned: true },
            "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Logical::Duration(Unit::Millis),
            "io.debezium.time.MicroTime" | "io.debezium.time.IsoTime" => Logical::Duration(Unit::Micros),
            "io.debezium.time.NanoTime" => Logical::Duration(Unit::Nanos),
            "io.debezium.time.Year" => Logical::Int32,
            "io.debezium.data.Enum" | "io.debezium.data.EnumSet" | "io.debezium.data.Json" => Logical::Text,
            "io.debezium.data.Bits" => Logical::Bytes,
            _ => return None,
        })
    }

    /// A decimal, or why there is none of these digits.
    pub(crate) fn decimal(precision: i64, scale: i64) -> Result<Logical, String> {
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision @ 1..=DIGITS_MAX), Ok(scale)) => Ok(Logical::Decimal { precision, scale }),
            _ => Err(format!("decimal of {precision} digits, {scale} of them after the point")),
        }
    }

    /// The type of a table's column that is written so: times are kept in microseconds whatever they come in.
    pub(crate) fn column_type(self) -> ColumnType {
        match self {
            Logical::Bool => Type::Bool.into(),
            Logical::Int16 => Type::Int2.into(),
            Logical::Int32 => Type::Int4.into(),
            Logical::Int64 => Type::Int8.into(),
            Logical::Float32 => Type::Float4.into(),
            Logical::Float64 => Type::Float8.into(),
            // Digits before the point that are not written are zeros.
            Logical::Decimal { precision, scale: scale @ ..0 } => numeric(i64::from(precision) - i64::from(scale), 0),
            Logical::Decimal { precision, scale } => numeric(precision.into(), scale.into()),
            Logical::Text => Type::Text.into(),
            Logical::Bytes => Type::Bytea.into(),
            Logical::Date => Type::Date.into(),
            Logical::Timestamp { zoned: false, .. } => Type::Timestamp.into(),
            Logical::Timestamp { zoned: true, .. } => Type::TimestampTz.into(),
            Logical::Duration(_) => Type::Interval.into(),
            Logical::Floats => Type::Float4.array().into(),
        }
    }

    /// What a writer has whose values are those of a column of type `ty` as they lie there; `None` where records have no such
    /// type.
    pub(crate) fn of(ty: &ColumnType) -> Option<Logical> {
        Some(match &ty.ty {
            Type::Bool => Logical::Bool,
            Type::Int2 => Logical::Int16,
            Type::Int4 => Logical::Int32,
            Type::Int8 => Logical::Int64,
            Type::Float4 => Logical::Float32,
            Type::Float8 => Logical::Float64,
            Type::Numeric => {
                let NumericModifier { precision, scale } = ty.numeric_modifier()?;
                Logical::decimal(precision.into(), scale.into()).ok()?
            }
            Type::Text | Type::Varchar | Type::Bpchar | Type::Json => Logical::Text,
            Type::Bytea => Logical::Bytes,
            Type::Date => Logical::Date,
            Type::Timestamp => Logical::Timestamp { unit: Unit::Micros, zoned: false },
            Type::TimestampTz => Logical::Timestamp { unit: Unit::Micros, zoned: true },
            Type::Interval => Logical::Duration(Unit::Micros),
            _ => return None,
        })
    }

    /// Whether values are numbers, decimals apart, or count as such.
    pub(crate) fn is_number(self) -> bool {
        use Logical as L;
        matches!(self, L::Bool | L::Int16 | L::Int32 | L::Int64 | L::Float32 | L::Float64)
    }
}

fn numeric(precision: i64, scale: i64) -> ColumnType {
    // PostgreSQL takes a precision of 1 to 1000, which up to 76 digits and 128 zeros are.
    ColumnType::with_modifiers(Type::Numeric, &[precision, scale]).unwrap_or(Type::Numeric.into())
}

/// In the words of PostgreSQL.
impl std::fmt::Display for Logical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.column_type().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_of_postgresqls_types() {
        let decimal = |precision, scale| Logical::decimal(precision, scale).expect("a decimal");
        for (logical, name) in [
            (Logical::Int16, "smallint"),
            (decimal(65, 30), "numeric(65,30)"),
            (decimal(3, -2), "numeric(5,0)"),
            (Logical::Timestamp { unit: Unit::Millis, zoned: false }, "timestamp without time zone"),
            (Logical::Timestamp { unit: Unit::Nanos, zoned: true }, "timestamp with time zone"),
            (Logical::Duration(Unit::Micros), "interval"),
            (Logical::Floats, "real[]"),
        ] {
            assert_eq!(logical.to_string(), name);
        }
        assert!(
            Logical::decimal(77, 0).is_err() && Logical::decimal(0, 0).is_err() && Logical::decimal(9, 200).is_err()
        );
    }
}
