//! Functions of a PostgreSQL server that the crate does not have, or answers for another system.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow_schema::DataType;
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::logical_expr::{ReturnFieldArgs, ScalarFunctionArgs};

use crate::catalog::CatalogObject;

/// Answers by the number of an object, where its first argument is one.
type Answer = Arc<dyn Fn(Option<i64>) -> Option<String> + Send + Sync>;

/// A function of any arguments.
struct Function {
    name: &'static str,
    signature: Signature,
    boolean: bool,
    answer: Answer,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl std::hash::Hash for Function {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.boolean { DataType::Boolean } else { DataType::Utf8 })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<arrow_schema::FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(arrow_schema::Field::new(self.name, self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let first = args.args.first().map(|arg| arg.to_array(args.number_rows)).transpose()?;
        let number = |row: usize| first.as_ref().and_then(|array| number_at(array, row));
        let answers = (0..args.number_rows).map(|row| (self.answer)(number(row)));
        let array: ArrayRef = match self.boolean {
            true => Arc::new(answers.map(|answer| answer.map(|_| true)).collect::<BooleanArray>()),
            false => Arc::new(answers.collect::<StringArray>()),
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn number_at(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).parse().ok(),
        _ => None,
    }
}

/// Adds the functions to a context.
pub(super) fn register(context: &SessionContext, objects: &[CatalogObject]) {
    let by_number: Arc<HashMap<i64, CatalogObject>> =
        Arc::new(objects.iter().map(|object| (i64::from(object.oid), object.clone())).collect());
    let names: Arc<HashMap<String, CatalogObject>> =
        Arc::new(objects.iter().map(|object| (object.name.clone(), object.clone())).collect());
    let add = |name, boolean, answer: Answer| {
        let signature = Signature::variadic_any(Volatility::Stable);
        context.register_udf(ScalarUDF::new_from_impl(Function { name, signature, boolean, answer }));
    };
    let constant = |text: &'static str| -> Answer { Arc::new(move |_| Some(text.to_owned())) };
    add("pg_get_userbyid", false, constant("materialize"));
    let definitions = by_number.clone();
    add("pg_get_viewdef", false, Arc::new(move |oid| definitions.get(&oid?).map(query_of)));
    add("pg_get_indexdef", false, Arc::new(move |oid| index_definition(by_number.get(&oid?)?, &names)));
    for name in ["pg_function_is_visible", "pg_type_is_visible", "pg_opclass_is_visible", "pg_collation_is_visible"] {
        add(name, true, constant("t"));
    }
    for name in ["obj_description", "col_description", "shobj_description", "pg_get_ruledef", "pg_get_triggerdef"] {
        add(name, false, Arc::new(|_| None));
    }
    for name in ["pg_get_function_result", "pg_get_function_arguments", "pg_get_function_identity_arguments"] {
        add(name, false, constant(""));
    }
    let version = concat!("PostgreSQL 9.5.0 on tidewater ", env!("CARGO_PKG_VERSION"));
    add("version", false, constant(version));
}

/// A view's query: what follows AS in its statement.
fn query_of(object: &CatalogObject) -> String {
    let text = &object.definition;
    let lower = text.to_ascii_lowercase();
    let at = lower.find(" as ").or_else(|| lower.find(" as\n")).map_or(0, |at| at + 4);
    text[at..].trim().to_owned()
}

fn index_definition(index: &CatalogObject, names: &HashMap<String, CatalogObject>) -> Option<String> {
    let on = names.get(index.on.as_ref()?)?;
    let columns = on.columns.as_ref()?;
    let key: Vec<_> = index.index_columns.iter().map(|&at| columns.field(at).name().as_str()).collect();
    Some(format!("CREATE INDEX {} ON public.{} USING btree ({})", index.name, on.name, key.join(", ")))
}
