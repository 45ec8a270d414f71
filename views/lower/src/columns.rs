//! What a node stores: values, and key forms by which values are found.

use tidewater_query::plan::Scalar;
use tidewater_types::{ColumnType, Type};

/// A column of a node, over the slots of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) scalar: Scalar,
    /// The column's type.
    pub(crate) ty: ColumnType,
    /// Whether it is not the value that is stored but its key form; NULL stays NULL.
    pub(crate) key: bool,
}

impl Stored {
    /// A value.
    pub(crate) fn value(scalar: &Scalar, ty: ColumnType) -> Stored {
        Stored { scalar: scalar.clone(), ty, key: false }
    }

    /// A value of the scalar's own type.
    pub(crate) fn own(scalar: &Scalar) -> Stored {
        Stored::value(scalar, scalar.ty())
    }

    /// A value's key form.
    pub(crate) fn key(scalar: &Scalar) -> Stored {
        Stored { scalar: scalar.clone(), ty: Type::Bytea.into(), key: true }
    }
}

/// Columns that are being collected; equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct Collected(pub(crate) Vec<Stored>);

impl Collected {
    /// The number of a column.
    pub(crate) fn number(&mut self, stored: Stored) -> usize {
        if let Some(number) = self.0.iter().position(|other| *other == stored) {
            return number;
        }
        self.0.push(stored);
        self.0.len() - 1
    }
}
