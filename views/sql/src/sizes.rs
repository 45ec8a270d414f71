//! How many rows the relations of a view had when it was planned, by which its joins were ordered. Whoever makes the view again from rows
//! that were kept must come to the same plan, however many rows there are by then.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tidewater_query::{Plan, Relation, rewrite};

use crate::Result;
use crate::catalog::Body;
use crate::database::Database;
use crate::names;

/// Rows of relations, by their names.
pub type Sizes = BTreeMap<String, u64>;

impl Database {
    /// What every materialized view was planned with, by its name.
    pub fn planned_sizes(&self) -> BTreeMap<String, Sizes> {
        let of = |(name, body): (&String, &Body)| match body {
            Body::MaterializedView { sizes, .. } => Some((name.clone(), sizes.clone())),
            _ => None,
        };
        self.objects.iter().filter_map(|(name, object)| of((name, &object.body))).collect()
    }

    /// Views of these names are planned with these sizes, until all that is restored is there.
    pub fn plan_with(&mut self, sizes: BTreeMap<String, Sizes>) {
        self.sizes_then = sizes;
    }

    /// Rewrites a plan to the one that runs, as if relations had the sizes of then where these are known. Gives the sizes.
    pub(crate) fn rewrite(&self, plan: &mut Plan, then: &Sizes) -> Result<Sizes> {
        let asked = RefCell::new(Sizes::new());
        rewrite(plan, &|relation: &Relation| {
            let name = names::key(&relation.schema, &relation.name);
            let size = then.get(&name).copied().or_else(|| self.estimate(relation))?;
            asked.borrow_mut().insert(name, size);
            Some(size)
        })?;
        Ok(asked.into_inner())
    }
}
