//! Arrow's types of what Connect and Debezium name.

use arrow_schema::{DataType, TimeUnit};

/// The type of a table's column whose writer's type is `writer`: times are kept in microseconds whatever they come in.
pub(crate) fn column_type(writer: DataType) -> DataType {
    match writer {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        other => other,
    }
}

/// The Arrow type that a Connect schema name stands for, where it is not the wire type's.
pub(crate) fn connect_type(name: &str) -> Option<DataType> {
    use TimeUnit::{Microsecond as Micros, Millisecond as Millis, Nanosecond as Nanos};
    Some(match name {
        "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" | "io.debezium.time.IsoDate" => DataType::Date32,
        "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => DataType::Timestamp(Millis, None),
        "io.debezium.time.MicroTimestamp" | "io.debezium.time.IsoTimestamp" => DataType::Timestamp(Micros, None),
        "io.debezium.time.NanoTimestamp" => DataType::Timestamp(Nanos, None),
        "io.debezium.time.ZonedTimestamp" => DataType::Timestamp(Micros, Some("UTC".into())),
        "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => DataType::Duration(Millis),
        "io.debezium.time.MicroTime" | "io.debezium.time.IsoTime" => DataType::Duration(Micros),
        "io.debezium.time.NanoTime" => DataType::Duration(Nanos),
        "io.debezium.time.Year" => DataType::Int32,
        "io.debezium.data.Enum" | "io.debezium.data.EnumSet" | "io.debezium.data.Json" => DataType::Utf8,
        "io.debezium.data.Bits" => DataType::Binary,
        _ => return None,
    })
}
