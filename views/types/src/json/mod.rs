//! json and jsonb: json is checked text, jsonb is packed ([`JsonbRef`](crate::JsonbRef)).

mod order;
pub mod path;
mod read;
mod write;

pub use order::{compare, key};
pub use read::{check, parse};
pub use write::{write, write_pretty, write_string};
