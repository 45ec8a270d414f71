//! Who is connected, and what is kept of each: pg_stat_activity, pg_stat_database; comments: pg_description; sequences as pg_sequences
//! shows them.

use tidewater_functions::{Actions, Backend};
use tidewater_types::{Datum, SqlError};

use crate::catalog::{Catalog, DATABASE, constraint_oid};
use crate::object::On;
use crate::out::{Done, Out, int, maybe, oid, text, yes};

/// The catalogs that comments belong to.
pub(crate) const PG_CLASS: u32 = 1259;
const PG_NAMESPACE: u32 = 2615;
const PG_CONSTRAINT: u32 = 2606;

fn actions<'c>(catalog: &'c Catalog, relation: &str) -> Result<&'c dyn Actions, SqlError> {
    let missing = || SqlError::new(b"0A000", format!("reading pg_catalog.{relation} is not supported"));
    catalog.session.actions.as_deref().ok_or_else(missing)
}

/// The number of the role of this name.
fn role(catalog: &Catalog, name: &str) -> Datum<'static> {
    catalog.roles().find(|(_, role)| *role == name).map_or(Datum::Null, |(number, _)| oid(number))
}

pub(super) fn pg_stat_activity(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "datid",
        "datname",
        "pid",
        "usesysid",
        "usename",
        "application_name",
        "client_addr",
        "client_port",
        "backend_start",
        "xact_start",
        "query_start",
        "state_change",
        "state",
        "query",
        "backend_type",
    ])?;
    for backend in actions(catalog, "pg_stat_activity")?.backends() {
        let Backend { pid, user, application_name, client, began, statement, state, state_changed, .. } = &backend;
        let time = |at: Option<i64>| at.map_or(Datum::Null, Datum::Int);
        let row = [
            oid(DATABASE),
            text(&catalog.session.database),
            int(*pid),
            role(catalog, user),
            text(user),
            text(application_name),
            maybe(client.as_ref().map(|(address, _)| address.as_str())),
            client.as_ref().map_or(Datum::Null, |(_, port)| int(*port)),
            Datum::Int(*began),
            time(backend.transaction_began),
            time(backend.statement_began),
            Datum::Int(*state_changed),
            text(state),
            text(statement),
            text("client backend"),
        ];
        out.row(&at, row)?;
    }
    Ok(())
}

/// What is not counted is NULL.
pub(super) fn pg_stat_database(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["datid", "datname", "numbackends"])?;
    let count = actions(catalog, "pg_stat_database")?.backends().len();
    out.row(&at, [oid(DATABASE), text(&catalog.session.database), int(count as u64)])
}

pub(super) fn pg_description(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns(["objoid", "classoid", "objsubid", "description"])?;
    for (class, of, column, comment) in catalog.comments() {
        out.row(&at, [oid(of), oid(class), int(column), text(comment)])?;
    }
    Ok(())
}

pub(super) fn pg_sequences(catalog: &Catalog, out: &mut Out<'_, '_>) -> Done {
    let at = out.columns([
        "schemaname",
        "sequencename",
        "sequenceowner",
        "data_type",
        "start_value",
        "min_value",
        "max_value",
        "increment_by",
        "cycle",
        "cache_size",
        "last_value",
    ])?;
    for object in catalog.snapshot.iter() {
        let Some(sequence) = &object.sequence else { continue };
        let last = actions(catalog, "pg_sequences")?.value_of(object.oid)?;
        let row = [
            text(&object.schema),
            text(&object.name),
            text(&catalog.snapshot.owner),
            oid(sequence.ty),
            Datum::Int(sequence.start),
            Datum::Int(sequence.min),
            Datum::Int(sequence.max),
            Datum::Int(sequence.increment),
            yes(sequence.cycle),
            Datum::Int(sequence.cache),
            last.map_or(Datum::Null, Datum::Int),
        ];
        out.row(&at, row)?;
    }
    Ok(())
}

impl Catalog {
    /// All comments: the number of the catalog, of the object, of its column, and the text.
    pub(crate) fn comments(&self) -> impl Iterator<Item = (u32, u32, i32, &str)> {
        let schemas = self.snapshot.schemas().iter();
        let schemas = schemas.filter_map(|schema| Some((PG_NAMESPACE, schema.oid, 0, schema.comment.as_deref()?)));
        let objects = self.snapshot.iter().flat_map(|object| {
            object.comments.iter().filter_map(move |(on, text)| {
                let (class, oid, column) = match on {
                    On::Itself => (PG_CLASS, object.oid, 0),
                    On::Column(name) => {
                        let at = object.columns.iter().position(|column| column.name == *name)?;
                        (PG_CLASS, object.oid, at as i32 + 1)
                    }
                    On::Constraint(name) => {
                        let at = object.constraints.iter().position(|constraint| constraint.name == *name)?;
                        (PG_CONSTRAINT, constraint_oid(object, at), 0)
                    }
                };
                Some((class, oid, column, text.as_str()))
            })
        });
        schemas.chain(objects)
    }

    /// The comment of an object of a catalog, or of a relation's column.
    pub(crate) fn comment_on(&self, catalog: &str, of: u32, column: i32) -> Option<String> {
        let class = match catalog {
            "pg_class" => Some(PG_CLASS),
            "pg_namespace" => Some(PG_NAMESPACE),
            "pg_constraint" => Some(PG_CONSTRAINT),
            "" => None,
            _ => return None,
        };
        let is = |(of_class, oid, number, _): &(u32, u32, i32, &str)| {
            *oid == of && *number == column && class.is_none_or(|class| class == *of_class)
        };
        self.comments().find(is).map(|(.., text)| text.to_owned())
    }
}
