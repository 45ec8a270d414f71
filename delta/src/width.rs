//! Where a column's values lie in a packed row.

/// The storage of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// Fixed: the column's 8-byte slot holds the value.
    Fixed,
    /// Variable: the slot holds `(offset: u32, length: u32)` of bytes in the row's tail.
    Variable,
}

impl Width {
    /// Whether values lie in the tail.
    #[inline]
    pub fn is_tail(self) -> bool {
        self == Width::Variable
    }
}
