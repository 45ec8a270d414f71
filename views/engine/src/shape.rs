//! What a node's rows look like.

use std::sync::Arc;

use tidewater_delta::{RowBuilder, Width};
use tidewater_types::{ColumnType, Packing};

/// The columns of a node, shared by all who read it.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) types: Arc<[ColumnType]>,
    /// How each column's values lie in a row.
    pub(crate) packings: Arc<[Packing]>,
    pub(crate) widths: Arc<[Width]>,
}

impl Shape {
    pub(crate) fn new(types: Arc<[ColumnType]>) -> Shape {
        let packings: Arc<[Packing]> = types.iter().map(Packing::of).collect();
        let widths = packings.iter().map(|packing| packing.width()).collect();
        Shape { types, packings, widths }
    }

    /// A builder of such rows.
    pub(crate) fn builder(&self) -> RowBuilder {
        RowBuilder::new(self.widths.clone())
    }
}
