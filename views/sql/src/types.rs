//! Declared column types, resolved without any table in sight.

use std::collections::HashMap;
use std::sync::Arc;

use crate::differs::mend_type;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::logical_expr::planner::ContextProvider;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{ColumnDef, DataType as SqlType};

/// A catalog that holds nothing.
#[derive(Debug)]
pub(crate) struct NoTables {
    options: ConfigOptions,
}

impl Default for NoTables {
    fn default() -> Self {
        let mut options = ConfigOptions::new();
        // Without it DataFusion takes the zone from `timestamptz`.
        options.execution.time_zone = Some("UTC".into());
        NoTables { options }
    }
}

impl ContextProvider for NoTables {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        plan_err!("table '{name}' not found")
    }

    fn get_function_meta(&self, _name: &str) -> Option<Arc<ScalarUDF>> {
        None
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _name: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The Arrow schema of declared columns.
///
/// # Errors
/// If a type is unknown or rows cannot hold it.
pub fn declared_schema(columns: &[ColumnDef]) -> crate::Result<SchemaRef> {
    let options = ParserOptions { default_null_ordering: NullOrdering::NullsMax, ..ParserOptions::default() };
    let provider = NoTables::default();
    let planner = SqlToRel::new_with_options(&provider, options);
    let mut fields = Vec::new();
    for column in columns {
        // JSON is text that decoders keep in one canonical form.
        let json = matches!(column.data_type, SqlType::JSON | SqlType::JSONB);
        let mut column = column.clone();
        if json {
            column.data_type = SqlType::Text;
        }
        mend_type(&mut column.data_type);
        let schema = planner.build_schema(vec![column])?;
        let field = schema.field(0);
        let metadata = json.then(|| ("tidewater.type".to_owned(), "json".to_owned()));
        let data_type = kept_type(field.data_type());
        let field = Field::new(field.name(), data_type, field.is_nullable());
        fields.push(field.with_metadata(metadata.into_iter().collect::<HashMap<_, _>>()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// PostgreSQL's meaning of a declared type: times in microseconds (milliseconds up to three fraction digits), zones as UTC.
fn kept_type(declared: &DataType) -> DataType {
    match declared {
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second | TimeUnit::Millisecond => TimeUnit::Millisecond,
                TimeUnit::Microsecond | TimeUnit::Nanosecond => TimeUnit::Microsecond,
            };
            DataType::Timestamp(unit, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(Arc::new(Field::new_list_field(kept_type(item.data_type()), true))),
        other => other.clone(),
    }
}
