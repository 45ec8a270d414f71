//! Functions over values as text: catalogs ask for little, so one shape serves them all.

use std::fmt::{Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow_schema::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// What a function makes of its arguments, each as text.
type Answer = Arc<dyn Fn(&[Option<&str>]) -> Result<Option<String>> + Send + Sync>;

struct Function {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    answer: Answer,
}

/// A function of any arguments, whose answer's text is read as type `returns`.
pub(super) fn function(
    name: &'static str,
    returns: DataType,
    answer: impl Fn(&[Option<&str>]) -> Result<Option<String>> + Send + Sync + 'static,
) -> ScalarUDF {
    let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Stable);
    ScalarUDF::new_from_impl(Function { name, signature, returns, answer: Arc::new(answer) })
}

impl Debug for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.answer, &other.answer)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
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
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let text = |arg: &ColumnarValue| -> Result<ArrayRef> { Ok(cast(&arg.to_array(rows)?, &DataType::Utf8)?) };
        let texts: Vec<ArrayRef> = args.args.iter().map(text).collect::<Result<_>>()?;
        let mut answers: Vec<Option<String>> = Vec::with_capacity(rows);
        for row in 0..rows {
            let values = texts.iter().map(|array| (!array.is_null(row)).then(|| array.as_string::<i32>().value(row)));
            answers.push((self.answer)(&values.collect::<Vec<_>>())?);
        }
        Ok(ColumnarValue::Array(cast(&StringArray::from(answers), &self.returns)?))
    }
}
