//! A row of the view, its texts shared with all that show the same one.

use std::rc::Rc;
use tidewater_order_summary::event::SummaryRow;

/// See [`SummaryRow`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) order_id: i64,
    pub(super) total: i64,
    pub(super) date: i64,
    pub(super) status: Rc<str>,
    pub(super) last_update: i64,
    pub(super) user_id: i64,
    pub(super) phone: Rc<str>,
    pub(super) full_address: Rc<str>,
    pub(super) details: Rc<str>,
}

impl Row {
    /// The row as the other engines give it.
    pub(super) fn summary(&self) -> SummaryRow {
        SummaryRow {
            order_id: self.order_id,
            total: self.total,
            order_date: self.date,
            order_status: self.status.as_ref().to_owned(),
            last_order_update: self.last_update,
            user_id: self.user_id,
            user_phone: self.phone.as_ref().to_owned(),
            full_address: self.full_address.as_ref().to_owned(),
            order_items_details: self.details.as_ref().to_owned(),
        }
    }
}
