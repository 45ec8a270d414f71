//! The database as the system catalogs tell of it.

use tidewater_catalog::{Constraint, ConstraintKind, Index, Kind, Object, On, Schema, SequenceInfo, Snapshot};
use tidewater_query::plan::{Rel, Scalar};

use crate::catalog::{self, Body};
use crate::constraint::{Check, Constraints};
use crate::database::Database;
use crate::names;
use crate::parse::ast::{Connection, ObjectKind};

/// Who owns everything.
const OWNER: &str = "materialize";
/// PostgreSQL's number of the schema public, and ours of tidewater: neither is an object that could be dropped.
const PUBLIC_OID: u32 = 2200;
const TIDEWATER: (u32, &str) = (13_001, "tidewater");

/// What there is at this moment.
pub(crate) fn snapshot(database: &Database) -> Snapshot {
    let mut schemas = vec![
        Schema { oid: PUBLIC_OID, name: names::PUBLIC.to_owned(), comment: None },
        Schema { oid: TIDEWATER.0, name: TIDEWATER.1.to_owned(), comment: None },
    ];
    let mut objects = Vec::with_capacity(database.objects.len());
    for (key, object) in &database.objects {
        match names::schema_of(key) {
            Some(schema) => schemas.push(Schema {
                oid: object.oid,
                name: schema.to_owned(),
                comment: object.comments.get(&On::Itself).cloned(),
            }),
            None => objects.extend(shown(database, key, object)),
        }
    }
    Snapshot::new(OWNER, objects, schemas)
}

fn shown(database: &Database, key: &str, object: &catalog::Object) -> Option<Object> {
    let (schema, name) = names::split(key);
    let definition = object.shown_definition(key);
    let mut shown = Object::new(object.oid, schema, name, kind(object)?);
    if let Some(relation) = &object.relation {
        shown.columns = relation.columns.clone().into();
    }
    match &object.body {
        Body::View { reads, .. } | Body::MaterializedView { reads, .. } => {
            shown.query = query_of(&definition).unwrap_or_default();
            shown.uses.extend(reads.iter().filter_map(|key| oid(database, key)));
        }
        Body::Table { constraints, .. } => {
            constrain(&mut shown, constraints);
            for (column, identity) in database.identities(key) {
                let Some(at) = shown.columns.iter().position(|known| known.name == column) else { continue };
                shown.identities.push((at, identity));
                // Its numbers are no DEFAULT that anybody wrote.
                shown.defaults.retain(|(of, _)| *of != at);
            }
        }
        Body::Index { on, columns, .. } => {
            shown.index = Some(Index { on: oid(database, on)?, columns: columns.clone(), unique: false });
        }
        Body::Sequence { sequence, owner } => {
            let owner = owner.as_ref().and_then(|owner| Some((oid(database, &owner.table)?, owner.column.clone())));
            shown.sequence = Some(SequenceInfo {
                ty: sequence.ty.ty.oid(),
                start: sequence.start,
                increment: sequence.increment,
                min: sequence.min,
                max: sequence.max,
                cycle: sequence.cycle,
                cache: sequence.cache,
                owner,
            });
        }
        Body::Sink(sink) => {
            shown.flavour = "kafka".to_owned();
            shown.written = Some(sink.written());
            shown.uses.extend(oid(database, &sink.from));
        }
        Body::Source { .. } => shown.flavour = "kafka".to_owned(),
        Body::Connection(Connection::Kafka { .. }) => shown.flavour = "kafka".to_owned(),
        Body::Connection(Connection::SchemaRegistry { .. }) => {
            shown.flavour = "confluent-schema-registry".to_owned();
        }
        _ => {}
    }
    shown.uses.extend(object.uses.iter().filter_map(|key| oid(database, key)));
    shown.statement = definition;
    shown.comments = object.comments.iter().map(|(on, text)| (on.clone(), text.clone())).collect();
    Some(shown)
}

fn oid(database: &Database, key: &str) -> Option<u32> {
    Some(database.objects.get(key)?.oid)
}

fn kind(object: &catalog::Object) -> Option<Kind> {
    if matches!(object.body, Body::System(_) | Body::Timelines) {
        return Some(Kind::System);
    }
    Some(match object.kind() {
        ObjectKind::Table => Kind::Table,
        ObjectKind::View => Kind::View,
        ObjectKind::MaterializedView => Kind::MaterializedView,
        ObjectKind::Source => Kind::Source,
        // What an index that cannot be made is of is not known.
        ObjectKind::Index if matches!(object.body, Body::Broken(_)) => return None,
        ObjectKind::Index => Kind::Index,
        ObjectKind::Connection => Kind::Connection,
        ObjectKind::Secret => Kind::Secret,
        ObjectKind::Sink => Kind::Sink,
        ObjectKind::Sequence => Kind::Sequence,
        ObjectKind::Schema | ObjectKind::Database | ObjectKind::Cluster => return None,
    })
}

fn constrain(shown: &mut Object, constraints: &Constraints) {
    for unique in &constraints.uniques {
        shown.constraints.push(Constraint {
            name: unique.name.clone(),
            kind: if unique.primary { ConstraintKind::PrimaryKey } else { ConstraintKind::Unique },
            columns: unique.columns.clone(),
            condition: String::new(),
        });
    }
    for check in &constraints.checks {
        shown.constraints.push(Constraint {
            name: check.name.clone(),
            kind: ConstraintKind::Check,
            columns: columns_of(check),
            condition: check.text.clone(),
        });
    }
    let defaults = constraints.defaults.iter().enumerate();
    shown.defaults.extend(defaults.filter_map(|(at, default)| Some((at, written(&default.as_ref()?.expr)))));
}

/// An expression as PostgreSQL writes it: the parser writes this type in capitals.
fn written(expr: &sqlparser::ast::Expr) -> String {
    expr.to_string().replace("::REGCLASS", "::regclass")
}

/// The places of the columns that a check reads.
fn columns_of(check: &Check) -> Vec<usize> {
    let Rel::Get(get) = &check.rel else { return Vec::new() };
    let reads = |id| check.scalar.any(&mut |scalar| matches!(scalar, Scalar::Column(column, _) if column == id));
    get.columns.iter().filter(|(_, id)| reads(id)).map(|(at, _)| *at).collect()
}

/// A view's query: what follows the first AS of its statement, as it was written.
fn query_of(definition: &str) -> Option<String> {
    let mut quoted = false;
    let mut word = 0;
    for (at, char) in definition.char_indices() {
        quoted ^= char == '"';
        if quoted || !(char.is_whitespace() || matches!(char, '(' | ')')) {
            continue;
        }
        if definition[word..at].eq_ignore_ascii_case("as") {
            return Some(definition[at..].trim().to_owned());
        }
        word = at + char.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::query_of;

    #[test]
    fn a_views_query_follows_its_first_as() {
        for definition in [
            "CREATE VIEW v AS SELECT a AS b FROM t",
            "CREATE VIEW v AS\nSELECT a AS b FROM t",
            "create materialized view \"x as y\" (b)\n  as\tSELECT a AS b FROM t",
            "CREATE VIEW v(b)AS SELECT a AS b FROM t",
            "CREATE VIEW v AS(SELECT a AS b FROM t)",
        ] {
            let query = query_of(definition).expect("a query");
            assert_eq!(query.trim_matches(['(', ')']), "SELECT a AS b FROM t", "{definition}");
        }
        assert_eq!(query_of("CREATE TABLE t (a bigint)"), None);
    }
}
