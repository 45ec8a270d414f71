//! Arrays: what `ARRAY(SELECT …)` and `= ANY (column)` are rewritten to.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Builder, ListArray, ListBuilder, StringBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow_schema::{DataType, Field};
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// What a function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// `elements(array)`: the array, empty for null.
    Elements,
    /// `no_elements()`: an empty array of text.
    NoElements,
    /// `numbers(array)`: the numbers of an array or of an int2vector's text, `1 2`.
    Numbers,
    /// `subscripts(array)`: 0, 1, … for each of its elements.
    Subscripts,
    /// `is_element(array, value)`: whether one of the array's elements reads as the value does.
    IsElement,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayFunction {
    kind: Kind,
    signature: Signature,
}

/// Adds the functions to a context.
pub(super) fn register(context: &SessionContext) {
    for kind in [Kind::Elements, Kind::NoElements, Kind::Numbers, Kind::Subscripts, Kind::IsElement] {
        let signature =
            Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Immutable);
        context.register_udf(ScalarUDF::new_from_impl(ArrayFunction { kind, signature }));
    }
}

fn texts_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// `rows` nulls, as the type of `text[]`.
pub(super) fn null_texts(rows: usize) -> ArrayRef {
    arrow::array::new_null_array(&texts_type(), rows)
}

impl ScalarUDFImpl for ArrayFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Elements => "elements",
            Kind::NoElements => "no_elements",
            Kind::Numbers => "numbers",
            Kind::Subscripts => "subscripts",
            Kind::IsElement => "is_element",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(match (self.kind, args) {
            (Kind::IsElement, _) => DataType::Boolean,
            (Kind::Numbers | Kind::Subscripts, _) => {
                DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)))
            }
            (Kind::Elements, [list @ DataType::List(_)]) => list.clone(),
            _ => texts_type(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays: Vec<_> = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let answer: ArrayRef = match (self.kind, arrays.as_slice()) {
            (Kind::Elements, [array]) if matches!(array.data_type(), DataType::List(_)) => without_nulls(array)?,
            (Kind::Numbers, [array]) => numbers(array, |_, number| number.parse().ok())?,
            (Kind::Subscripts, [array]) => numbers(array, |at, _| i32::try_from(at).ok())?,
            (Kind::IsElement, [array, value]) => Arc::new(contains(array, value)?),
            _ => {
                let mut empty = ListBuilder::new(StringBuilder::new());
                (0..rows).for_each(|_| empty.append(true));
                Arc::new(empty.finish())
            }
        };
        Ok(ColumnarValue::Array(answer))
    }
}

/// The lists, empty where they are null.
fn without_nulls(array: &ArrayRef) -> Result<ArrayRef> {
    let lists = array.as_list::<i32>();
    let DataType::List(field) = lists.data_type() else { return Ok(array.clone()) };
    let kept: Vec<ArrayRef> = (0..lists.len()).filter(|&row| !lists.is_null(row)).map(|row| lists.value(row)).collect();
    let lengths = (0..lists.len()).map(|row| if lists.is_null(row) { 0 } else { lists.value_length(row) as usize });
    let offsets = OffsetBuffer::from_lengths(lengths);
    let parts: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
    let values = if parts.is_empty() { lists.values().slice(0, 0) } else { arrow::compute::concat(&parts)? };
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, None)?))
}

/// A list of numbers for each array or text of one.
fn numbers(array: &ArrayRef, number: impl Fn(usize, &str) -> Option<i32>) -> Result<ArrayRef> {
    let texts = cast(array, &DataType::Utf8)?;
    let mut lists = ListBuilder::new(Int32Builder::new());
    for text in texts.as_string::<i32>() {
        let words = text.unwrap_or_default().split([' ', ',', '{', '}', '[', ']']).filter(|word| !word.is_empty());
        lists.append_value(words.enumerate().map(|(at, word)| number(at, word)));
    }
    Ok(Arc::new(lists.finish()))
}

fn contains(array: &ArrayRef, value: &ArrayRef) -> Result<BooleanArray> {
    let values = cast(value, &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    let row_contains = |row: usize| -> Result<Option<bool>> {
        if array.is_null(row) || values.is_null(row) {
            return Ok(None);
        }
        let wanted = values.value(row);
        Ok(Some(match array.data_type() {
            DataType::List(_) => {
                let elements = cast(&array.as_list::<i32>().value(row), &DataType::Utf8)?;
                elements.as_string::<i32>().iter().flatten().any(|element| element == wanted)
            }
            _ => {
                // An array's text, `{1,2}`, or an int2vector's, `1 2`.
                let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
                let text = text.as_string::<i32>().value(0).trim_matches(['{', '}']).to_owned();
                text.split([',', ' ']).any(|element| element == wanted)
            }
        }))
    };
    (0..array.len()).map(row_contains).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn an_element_is_found_in_lists_and_in_their_texts() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("10"), Some("2")]);
        lists.append_value([Some("3")]);
        lists.append(false);
        let lists: ArrayRef = Arc::new(lists.finish());
        let value: ArrayRef = Arc::new(StringArray::from(vec!["2", "2", "2"]));
        let expected = BooleanArray::from(vec![Some(true), Some(false), None]);
        assert_eq!(contains(&lists, &value).expect("an answer"), expected);
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("{10,2}"), Some("3 22"), None]));
        assert_eq!(contains(&texts, &value).expect("an answer"), expected);
    }

    #[test]
    fn a_null_list_becomes_empty() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a")]);
        lists.append(false);
        let lists: ArrayRef = Arc::new(lists.finish());
        let whole = without_nulls(&lists).expect("lists");
        let whole = whole.as_list::<i32>();
        assert_eq!((whole.null_count(), whole.value_length(0), whole.value_length(1)), (0, 1, 0));
    }
}
