//! Relations as lists of one kind: pg_tables, pg_views, pg_matviews, pg_indexes, and statistics that nobody counts.

use tidewater_types::Datum;

use crate::catalog::{Catalog, Class, Key, Of};
use crate::definition;
use crate::object::Kind;
use crate::out::{Done, Out, maybe, oid, text, yes};

fn has_index(catalog: &Catalog, class: &Class<'_>) -> bool {
    let Of::Object(object) = class.of else { return false };
    object.constraints.iter().any(crate::catalog::is_key)
        || catalog.snapshot.iter().any(|index| index.index.as_ref().is_some_and(|index| index.on == object.oid))
}

pub(super) fn pg_tables(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["schemaname", "tablename", "tableowner", "hasindexes", "hasrules", "hastriggers", "rowsecurity"])?;
    for class in catalog.classes().filter(|class| class.kind == 'r') {
        let has_index = yes(has_index(catalog, &class));
        let (schema, name, owner) = (text(class.schema), text(&class.name), text(&catalog.snapshot.owner));
        out.row(&at, [schema, name, owner, has_index, yes(false), yes(false), yes(false)])?;
    }
    Ok(())
}

/// A view's query; what a view of this crate is made of is no query.
fn query<'a>(class: &Class<'a>) -> Datum<'a> {
    maybe(class.object().map(|object| object.query.as_str()))
}

pub(super) fn pg_views(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["schemaname", "viewname", "viewowner", "definition"])?;
    for class in catalog.classes().filter(|class| class.kind == 'v') {
        out.row(&at, [text(class.schema), text(&class.name), text(&catalog.snapshot.owner), query(&class)])?;
    }
    Ok(())
}

pub(super) fn pg_matviews(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["schemaname", "matviewname", "matviewowner", "hasindexes", "ispopulated", "definition"])?;
    for class in catalog.own_classes().filter(|class| class.kind == 'm') {
        let has_index = yes(has_index(catalog, &class));
        let (schema, name, owner) = (text(class.schema), text(&class.name), text(&catalog.snapshot.owner));
        out.row(&at, [schema, name, owner, has_index, yes(true), query(&class)])?;
    }
    Ok(())
}

pub(super) fn pg_indexes(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["schemaname", "tablename", "indexname", "indexdef"])?;
    for class in catalog.own_classes() {
        let Some(Key { on, .. }) = class.key() else { continue };
        let definition = definition::index(&class, true).unwrap_or_default();
        out.row(&at, [text(&on.schema), text(&on.name), text(&class.name), text(&definition)])?;
    }
    Ok(())
}

pub(super) fn stat_all(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    statistics(out, catalog.classes())
}

pub(super) fn stat_user(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    statistics(out, catalog.own_classes())
}

pub(super) fn stat_system(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    statistics(out, catalog.classes().filter(|class| matches!(class.of, Of::System(_))))
}

/// What is counted is NULL: nobody counts.
fn statistics<'a>(out: &mut Out<'_, '_>, classes: impl Iterator<Item = Class<'a>>) -> Done {
    let at = out.columns(["relid", "schemaname", "relname"])?;
    for class in classes.filter(|class| matches!(class.kind, 'r' | 'm')) {
        out.row(&at, [oid(class.oid), text(class.schema), text(&class.name)])?;
    }
    Ok(())
}

/// Whether rows of it may be changed by INSERT.
pub(super) fn is_insertable(class: &Class<'_>) -> bool {
    matches!(class.of, Of::Object(object) if object.kind == Kind::Table)
}

/// What sequences are like; where they are is asked of themselves.
pub(super) fn pg_sequence(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at =
        out.columns(["seqrelid", "seqtypid", "seqstart", "seqincrement", "seqmax", "seqmin", "seqcache", "seqcycle"])?;
    for object in catalog.snapshot.iter() {
        let Some(sequence) = &object.sequence else { continue };
        let number = Datum::Int;
        let row = [
            oid(object.oid),
            oid(sequence.ty),
            number(sequence.start),
            number(sequence.increment),
            number(sequence.max),
            number(sequence.min),
            number(sequence.cache),
            yes(sequence.cycle),
        ];
        out.row(&at, row)?;
    }
    Ok(())
}
