//! The database as the system catalogs tell of it, and sessions that can ask them.

use std::sync::Arc;

use tidewater_catalog::{Constraint, ConstraintKind, Index, Kind, Object, Objects, Schema, Snapshot};
use tidewater_functions::Session;
use tidewater_types::Settings;

use crate::catalog::{Body, Object as Own};
use crate::constraint::Constraints;
use crate::database::Database;
use crate::names::{self, PUBLIC};
use crate::parse::ast::{Connection, ObjectKind, Statement};

/// The role that owns everything, as Materialize's.
const OWNER: &str = "materialize";
/// PostgreSQL's number of schema public.
const PUBLIC_OID: u32 = 2200;
/// The number of the schema of relations that this system keeps about itself.
const TIDEWATER_OID: u32 = 14_103;

impl Database {
    /// What exists, as of the last change of it.
    fn told(&self) -> Arc<Objects> {
        self.told.get_or_init(|| Arc::new(objects(self))).clone()
    }

    /// The catalogs as a session sees them.
    pub(crate) fn catalog_snapshot(&self, session: &Session) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            objects: self.told(),
            database: session.database.clone(),
            owner: OWNER.to_owned(),
            user: session.user.clone(),
            search_path: session.search_path.clone(),
            variables: session.variables.clone(),
            sessions: Vec::new(),
        })
    }

    /// The session with what its functions and text forms may ask of the catalog.
    pub fn informed(&self, session: &Arc<Session>) -> Arc<Session> {
        let snapshot = self.catalog_snapshot(session);
        let settings = Settings { names: Some(snapshot.clone()), ..session.settings.clone() };
        Arc::new(Session { settings, catalog: Some(snapshot), ..session.as_ref().clone() })
    }
}

fn objects(database: &Database) -> Objects {
    let all = database.objects.iter().filter(|(key, _)| names::schema_of(key).is_none());
    let own = database.objects.iter().filter_map(|(key, object)| Some((names::schema_of(key)?, object.oid)));
    let fixed = [(PUBLIC, PUBLIC_OID), ("tidewater", TIDEWATER_OID)];
    let schema = |(name, oid): (&str, u32)| Schema { oid, name: name.to_owned() };
    let all = all.filter_map(|(key, object)| described(database, key, object)).collect();
    Objects::new(all, fixed.into_iter().chain(own).map(schema).collect())
}

fn described(database: &Database, key: &str, own: &Own) -> Option<Object> {
    let (schema, name) = names::split(key);
    let kind = match &own.body {
        Body::System(_) | Body::Timelines => Kind::System,
        _ => match own.kind() {
            ObjectKind::Table => Kind::Table,
            ObjectKind::View => Kind::View,
            ObjectKind::MaterializedView => Kind::MaterializedView,
            ObjectKind::Source => Kind::Source,
            ObjectKind::Index => Kind::Index,
            ObjectKind::Connection => Kind::Connection,
            ObjectKind::Secret => Kind::Secret,
            ObjectKind::Sink => Kind::Sink,
            ObjectKind::Schema | ObjectKind::Database | ObjectKind::Cluster => return None,
        },
    };
    let mut object = Object::new(own.oid, schema, name, kind);
    object.statement = own.shown_definition(key);
    if let Some(relation) = &own.relation {
        object.columns = relation.columns.clone().into();
    }
    let oid = |name: &String| database.objects.get(name).map(|object| object.oid);
    match &own.body {
        Body::Table { constraints, .. } => constrained(&mut object, constraints),
        Body::View { reads, .. } | Body::MaterializedView { reads, .. } => {
            object.uses = reads.iter().filter_map(oid).collect();
            object.query = query_of(&own.definition);
        }
        Body::Index { on, columns, .. } => {
            object.index = Some(Index { on: oid(on)?, columns: columns.clone(), unique: false });
        }
        Body::Connection(Connection::Kafka { .. }) | Body::Source { .. } => object.flavour = "kafka".to_owned(),
        Body::Connection(Connection::SchemaRegistry { .. }) => {
            object.flavour = "confluent-schema-registry".to_owned();
        }
        _ => {}
    }
    object.uses.extend(own.uses.iter().filter_map(oid));
    Some(object)
}

fn constrained(object: &mut Object, constraints: &Constraints) {
    let defaults = constraints.defaults.iter().enumerate();
    let text =
        |(at, default): (usize, &Option<crate::constraint::Default>)| Some((at, default.as_ref()?.expr.to_string()));
    object.defaults = defaults.filter_map(text).collect();
    let unique = |unique: &crate::constraint::Unique| Constraint {
        name: unique.name.clone(),
        kind: if unique.primary { ConstraintKind::PrimaryKey } else { ConstraintKind::Unique },
        columns: unique.columns.clone(),
        condition: String::new(),
    };
    let check = |check: &crate::constraint::Check| Constraint {
        name: check.name.clone(),
        kind: ConstraintKind::Check,
        columns: check.columns(),
        condition: check.text.clone(),
    };
    object.constraints = constraints.uniques.iter().map(unique).chain(constraints.checks.iter().map(check)).collect();
}

/// The query of a view's statement.
fn query_of(definition: &str) -> String {
    match crate::parse::parse(definition).ok().and_then(|mut all| all.pop()).map(|parsed| parsed.statement) {
        Some(Statement::CreateView(view)) => view.query.to_string(),
        _ => String::new(),
    }
}
