//! Text forms of what holds other values: arrays, rows, ranges, multiranges, lists, maps.

mod array;
mod list;
mod range;
mod record;

pub(crate) use array::{read_array, write_array};
pub(crate) use list::{read_list, read_map, write_list, write_map};
pub(crate) use range::{read_multirange, read_range, write_multirange, write_range};
pub(crate) use record::{read_record, write_record};

/// C's space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}
