//! Which columns are known to be equal to which.

use crate::join::ColumnAt;

/// Disjoint sets of columns that hold the same value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Classes(Vec<Vec<ColumnAt>>);

impl Classes {
    fn number(&mut self, at: ColumnAt) -> usize {
        self.0.iter().position(|class| class.contains(&at)).unwrap_or_else(|| {
            self.0.push(vec![at]);
            self.0.len() - 1
        })
    }

    /// Takes note that two columns are equal.
    pub(crate) fn equate(&mut self, one: ColumnAt, other: ColumnAt) {
        let (one, other) = (self.number(one), self.number(other));
        if one != other {
            let moved = std::mem::take(&mut self.0[other]);
            self.0[one].extend(moved);
        }
    }

    /// The columns that equal this one, itself among them; none where nothing is known of it.
    pub(crate) fn of(&self, at: ColumnAt) -> &[ColumnAt] {
        self.0.iter().find(|class| class.contains(&at)).map_or(&[], Vec::as_slice)
    }

    /// Whether two columns are known to be equal.
    pub(crate) fn are_equal(&self, one: ColumnAt, other: ColumnAt) -> bool {
        self.of(one).contains(&other)
    }
}
