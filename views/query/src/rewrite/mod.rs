//! Rewrites: from the tree as it was bound to one that runs, and runs well. Each rule is one file; the order is here.

mod apply;
mod constants;
mod correlated;
mod disjunction;
mod equalities;
mod join_order;
mod keys;
mod lets;
mod prune;
mod push_down;
mod unnest;

use tidewater_types::Result;

use crate::plan::{Columns, LetId, Plan, Rel};
pub use crate::sizes::Estimate;

/// What rules need to make new columns and shared relations.
pub(crate) struct Names<'a> {
    pub(crate) columns: &'a mut Columns,
    pub(crate) lets: &'a mut u32,
}

impl Names<'_> {
    pub(crate) fn next_let(&mut self) -> LetId {
        *self.lets += 1;
        LetId(*self.lets - 1)
    }
}

/// Applies all rules.
///
/// # Errors
/// What can't be unnested, by name.
pub fn rewrite(plan: &mut Plan, estimate: &Estimate<'_>) -> Result<()> {
    crate::stack::enough(plan.rel.depth(), || rules(plan, estimate))
}

fn rules(plan: &mut Plan, estimate: &Estimate<'_>) -> Result<()> {
    let rel = std::mem::replace(&mut plan.rel, Rel::unit());
    let mut names = Names { columns: &mut plan.columns, lets: &mut plan.lets };
    let rel = lets::in_place(rel, &mut names);
    let rel = apply::subqueries(rel, &mut names)?;
    let rel = unnest::unnest(rel, &mut names)?;
    let rel = lets::in_place(rel, &mut names);
    let rel = constants::fold(rel);
    let rel = disjunction::factor(rel);
    let rel = push_down::push_down(rel);
    let rel = keys::distinct(rel);
    let rel = join_order::order(rel, estimate);
    let wanted = plan.output.iter().map(|(_, id)| *id).collect();
    plan.rel = prune::prune(rel, wanted, &mut prune::Reads::new());
    Ok(())
}
