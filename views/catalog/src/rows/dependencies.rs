//! What views read, as PostgreSQL keeps it: a rule a view (pg_rewrite), and what the rule depends on (pg_depend). Tools that drop views
//! with what reads them ask this.

use crate::catalog::{Catalog, rule_oid};
use crate::object::{Kind, Object};
use crate::out::{Done, Out, int, oid, text, yes};

/// PostgreSQL's numbers of the catalogs.
const PG_CLASS: u32 = 1259;
const PG_REWRITE: u32 = 2618;

fn views(catalog: &Catalog) -> impl Iterator<Item = &Object> {
    catalog.snapshot.iter().filter(|object| matches!(object.kind, Kind::View | Kind::MaterializedView))
}

pub(super) fn pg_rewrite(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["oid", "rulename", "ev_class", "ev_type", "ev_enabled", "is_instead"])?;
    for view in views(catalog) {
        let rule = oid(rule_oid(view));
        out.row(&at, [rule, text("_RETURN"), oid(view.oid), text("1"), text("O"), yes(true)])?;
    }
    Ok(())
}

pub(super) fn pg_depend(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    sequences(catalog, out)?;
    let at = out.columns(["classid", "objid", "refclassid", "refobjid", "deptype"])?;
    for view in views(catalog) {
        // The rule is part of the view; and it reads.
        let rule = oid(rule_oid(view));
        out.row(&at, [oid(PG_REWRITE), rule, oid(PG_CLASS), oid(view.oid), text("i")])?;
        for used in view.uses.iter().filter_map(|oid| catalog.snapshot.get(*oid)).filter(|used| used.is_relation()) {
            out.row(&at, [oid(PG_REWRITE), rule, oid(PG_CLASS), oid(used.oid), text("n")])?;
        }
    }
    Ok(())
}

/// Sequences go with the columns that they belong to.
fn sequences(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["classid", "objid", "refclassid", "refobjid", "refobjsubid", "deptype"])?;
    for sequence in catalog.snapshot.iter() {
        let owner = sequence.sequence.as_ref().and_then(|sequence| sequence.owner.as_ref());
        let Some((table, column)) = owner.and_then(|(of, column)| Some((catalog.snapshot.get(*of)?, column))) else {
            continue;
        };
        let Some(place) = table.columns.iter().position(|known| known.name == *column) else { continue };
        let kind = if catalog.is_of_identity(sequence) { "i" } else { "a" };
        let (class, number) = (oid(PG_CLASS), int(place + 1));
        out.row(&at, [class, oid(sequence.oid), class, oid(table.oid), number, text(kind)])?;
    }
    Ok(())
}
