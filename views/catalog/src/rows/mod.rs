//! The rows of the system relations, one file a group of them. A relation without an entry has no rows, because there is nothing of the
//! kind (triggers, policies, publications); one whose rows nobody knows is refused.

mod classes;
mod constraints;
mod dependencies;
mod information;
mod information_keys;
mod lists;
mod materialize;
mod materialize_all;
mod procs;
mod server;
mod sessions;
mod types;

use std::ops::ControlFlow;

use tidewater_query::Relation;
use tidewater_query::catalog::Rows;
use tidewater_types::{Result, Scratch, SqlError};

use crate::catalog::Catalog;
use crate::out::{Done, Out, Stop};

/// Makes the rows of a relation.
type Make = fn(&Catalog, &mut Out<'_, '_>) -> Done;

/// What a PostgreSQL server knows of itself and this one does not: no rows would be a wrong answer.
pub(crate) const REFUSED: &[&str] = &[
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_cursors",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_prepared_statements",
    "pg_shmem_allocations",
    "pg_stat_archiver",
    "pg_stat_bgwriter",
    "pg_stat_gssapi",
    "pg_stat_slru",
    "pg_stat_ssl",
    "pg_stat_wal",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
];

/// Hands the rows of a system relation to `sink`, until it wants no more.
///
/// # Errors
/// What `sink` says; 0A000 for a relation whose rows are not known.
pub fn rows(relation: &Relation, catalog: &Catalog, sink: &mut Rows<'_>) -> Result<ControlFlow<()>> {
    if relation.schema == "pg_catalog" && REFUSED.contains(&relation.name.as_str()) {
        let message = format!("reading {}.{} is not supported", relation.schema, relation.name);
        return Err(SqlError::new(b"0A000", message));
    }
    let Some(make) = maker(&relation.schema, &relation.name) else {
        return Ok(ControlFlow::Continue(()));
    };
    let scratch = Scratch::new();
    let mut out = Out::new(relation, &scratch, sink)?;
    match make(catalog, &mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(Stop::Enough) => Ok(ControlFlow::Break(())),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// How many rows there are, about: enough to tell which side of a join is the smaller one.
pub fn estimate(relation: &Relation) -> u64 {
    match relation.name.as_str() {
        "pg_attribute" | "columns" | "mz_columns" => 4000,
        "pg_proc" | "pg_operator" | "routines" | "parameters" => 2000,
        "pg_class" | "tables" | "mz_relations" | "mz_objects" => 300,
        "pg_type" | "pg_cast" => 150,
        _ if maker(&relation.schema, &relation.name).is_none() => 0,
        _ => 20,
    }
}

fn maker(schema: &str, name: &str) -> Option<Make> {
    match schema {
        "pg_catalog" => pg_catalog(name),
        "information_schema" => information::maker(name).or_else(|| information_keys::maker(name)),
        _ => materialize::maker(name).or_else(|| materialize_all::maker(name)),
    }
}

fn pg_catalog(name: &str) -> Option<Make> {
    Some(match name {
        "pg_aggregate" => procs::pg_aggregate,
        "pg_am" => server::pg_am,
        "pg_attrdef" => classes::pg_attrdef,
        "pg_attribute" => classes::pg_attribute,
        "pg_authid" => server::pg_authid,
        "pg_roles" => server::pg_roles,
        "pg_cast" => types::pg_cast,
        "pg_class" => classes::pg_class,
        "pg_collation" => server::pg_collation,
        "pg_constraint" => constraints::pg_constraint,
        "pg_database" => server::pg_database,
        "pg_description" => sessions::pg_description,
        "pg_depend" => dependencies::pg_depend,
        "pg_index" => constraints::pg_index,
        "pg_indexes" => lists::pg_indexes,
        "pg_language" => server::pg_language,
        "pg_matviews" => lists::pg_matviews,
        "pg_namespace" => server::pg_namespace,
        "pg_operator" => procs::pg_operator,
        "pg_proc" => procs::pg_proc,
        "pg_range" => types::pg_range,
        "pg_rewrite" => dependencies::pg_rewrite,
        "pg_sequences" => sessions::pg_sequences,
        "pg_stat_activity" => sessions::pg_stat_activity,
        "pg_stat_database" => sessions::pg_stat_database,
        "pg_sequence" => lists::pg_sequence,
        "pg_settings" => server::pg_settings,
        "pg_shadow" => server::pg_shadow,
        "pg_user" => server::pg_user,
        "pg_stat_all_tables" | "pg_stat_xact_all_tables" | "pg_statio_all_tables" => lists::stat_all,
        "pg_stat_sys_tables" | "pg_stat_xact_sys_tables" | "pg_statio_sys_tables" => lists::stat_system,
        "pg_stat_user_tables" | "pg_stat_xact_user_tables" | "pg_statio_user_tables" => lists::stat_user,
        "pg_tables" => lists::pg_tables,
        "pg_tablespace" => server::pg_tablespace,
        "pg_type" => types::pg_type,
        "pg_views" => lists::pg_views,
        _ => return None,
    })
}
