//! What the matches of an input say together: whether there is one, whether it is the only one.

use tidewater_delta::Weight;

use crate::arena::RowId;
use crate::join::Role;

/// What ON filters say of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    Unknown,
    False,
    /// One of them has no value and none is false.
    Failed,
}

/// The matches of one tuple in one version of an input.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How many rows match.
    count: Weight,
    /// One of them.
    first: Option<RowId>,
    /// Whether another may match.
    unknown: bool,
}

impl Found {
    /// Takes a row that occurs `times` times and is not false.
    pub(crate) fn take(&mut self, id: RowId, times: Weight, truth: Truth) {
        if times == 0 {
            return;
        }
        if truth == Truth::True {
            // Whether there is one and whether there are several is all that is asked.
            self.count = self.count.saturating_add(times);
            self.first = Some(id);
        } else {
            self.unknown = true;
        }
    }

    /// Whether no other row changes what is chosen.
    pub(crate) fn decides(&self, role: Role) -> bool {
        self.count > Weight::from(role == Role::Single)
    }

    /// What a tuple gets, if it stays.
    pub(crate) fn choose(&self, role: Role) -> Option<RowId> {
        match role {
            Role::Semi => (self.count > 0).then_some(RowId::MISSING),
            Role::Anti => (self.count == 0).then_some(RowId::MISSING),
            Role::Mark if self.count > 0 => Some(RowId::TRUE),
            Role::Mark if self.unknown => Some(RowId::UNKNOWN),
            Role::Mark => Some(RowId::MISSING),
            Role::Single if self.count > 1 => Some(RowId::SEVERAL),
            Role::Single => Some(self.first.unwrap_or(RowId::MISSING)),
            // These take all their matches.
            Role::Inner | Role::Outer => None,
        }
    }
}
