//! What objects are, as text (<https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-INFO-CATALOG>): definitions, visibility,
//! sizes. What there is nothing of here (rules, triggers, comments, files) is NULL, as for an object that does not exist.

use tidewater_types::{Datum, Result, SqlError, Type};

use crate::call::Call;
use crate::catalog_info::CatalogInfo;
use crate::function::Function;
use crate::rows::RowSource;
use crate::signature::Param;
use crate::table::Table;

pub(super) fn register(t: &mut Table) {
    t.family(super::CATALOG);
    definitions(t);
    functions(t);
    visibility(t);
    nothing(t);
    sizes(t);
    server(t);
    sets(t);
}

fn definitions(t: &mut Table) {
    t.add(
        "
        stable pg_get_viewdef(oid) -> text -- A view's query.
        stable pg_get_viewdef(oid, bool) -> text
        stable pg_get_viewdef(oid, int4) -> text
        ",
        |c| text(c, |catalog, oid| catalog.view_query(oid)),
    );
    t.add("stable pg_get_viewdef(text) -> text\nstable pg_get_viewdef(text, bool) -> text", |c| {
        let oid = oid_of(c, 0, &Type::RegClass)?;
        show(c, info(c).and_then(|catalog| catalog.view_query(oid)))
    });
    t.add("stable pg_get_indexdef(oid) -> text -- The statement that makes an index, or what one of its columns is of.\nstable pg_get_indexdef(oid, int4, bool) -> text", |c| {
        let column = if c.count() > 1 { u32::try_from(c.int(1)?).unwrap_or(u32::MAX) } else { 0 };
        let for_people = c.count() > 1 && c.bool(2)?;
            text(c, |catalog, oid| catalog.index_definition(oid, column, for_people))
    });
    t.add("stable pg_get_constraintdef(oid) -> text -- A constraint as CREATE TABLE has it.\nstable pg_get_constraintdef(oid, bool) -> text", |c| {
        let for_people = c.count() > 1 && c.bool(1)?;
            text(c, |catalog, oid| catalog.constraint_definition(oid, for_people))
    });
    // The catalogs hold expressions as text.
    t.add("stable pg_get_expr(text, oid) -> text -- An expression of a catalog.\nstable pg_get_expr(text, oid, bool) -> text", |c| {
        Ok(c.args[0])
    });
    t.add("stable pg_get_userbyid(oid) -> name -- A role's name.", |c| {
        let oid = c.int(0)?;
        match info(c).and_then(|catalog| catalog.role(oid as u32)) {
            Some(name) => c.new_text(&name),
            None => c.new_text(&format!("unknown (OID={oid})")),
        }
    });
}

fn functions(t: &mut Table) {
    t.add("stable pg_get_function_arguments(oid) -> text -- A function's parameters, with defaults.", |c| {
        function(c, |function| Some(arguments(function, true)))
    });
    t.add("stable pg_get_function_identity_arguments(oid) -> text -- A function's parameters.", |c| {
        function(c, |function| Some(arguments(function, false)))
    });
    t.add("stable pg_get_function_result(oid) -> text -- What a function returns.", |c| {
        function(c, |function| Some(result(function)))
    });
    t.add(
        "stable pg_get_function_arg_default(oid, int4) -> text -- The default of a parameter, by its number from 1.",
        |c| {
            let number = c.int(1)?;
            function(c, |function| {
                let first = function.params.len() - function.defaults.len();
                let at = usize::try_from(number).ok()?.checked_sub(first + 1)?;
                function.defaults.get(at).map(|default| (*default).to_owned())
            })
        },
    );
    // What is built in has no statement that makes it; PostgreSQL prints one with the name of a symbol.
    t.add("stable pg_get_functiondef(oid) -> text -- NULL: every function is built in.\nstable pg_get_function_sqlbody(oid) -> text -- NULL: every function is built in.", |_| Ok(Datum::Null));
}

fn visibility(t: &mut Table) {
    t.add("stable pg_table_is_visible(oid) -> bool -- Whether the relation's name alone finds it.", |c| {
        visible(c, &Type::RegClass)
    });
    t.add("stable pg_type_is_visible(oid) -> bool -- Whether the type's name alone finds it.", |c| {
        visible(c, &Type::RegType)
    });
    t.add("stable pg_function_is_visible(oid) -> bool -- Whether the function's name alone finds it.", |c| {
        visible(c, &Type::RegProc)
    });
    t.add("stable pg_operator_is_visible(oid) -> bool -- Whether the operator's name alone finds it.", |c| {
        visible(c, &Type::RegOper)
    });
    t.add("stable pg_collation_is_visible(oid) -> bool -- Whether the collation's name alone finds it.", |c| {
        visible(c, &Type::RegCollation)
    });
    t.add(
        "
        stable pg_opclass_is_visible(oid) -> bool -- NULL: there are no operator classes.
        stable pg_opfamily_is_visible(oid) -> bool -- NULL: there are no operator families.
        stable pg_conversion_is_visible(oid) -> bool -- NULL: there are no conversions.
        stable pg_statistics_obj_is_visible(oid) -> bool -- NULL: there are no extended statistics.
        stable pg_ts_config_is_visible(oid) -> bool -- NULL: there is no text search.
        stable pg_ts_dict_is_visible(oid) -> bool -- NULL: there is no text search.
        stable pg_ts_parser_is_visible(oid) -> bool -- NULL: there is no text search.
        stable pg_ts_template_is_visible(oid) -> bool -- NULL: there is no text search.
        ",
        |_| Ok(Datum::Null),
    );
}

/// Definitions of what there is none of.
fn nothing(t: &mut Table) {
    t.add(
        "
        stable pg_get_ruledef(oid) -> text -- NULL: there are no rules.
        stable pg_get_ruledef(oid, bool) -> text
        stable pg_get_triggerdef(oid) -> text -- NULL: there are no triggers.
        stable pg_get_triggerdef(oid, bool) -> text
        stable pg_get_statisticsobjdef(oid) -> text -- NULL: there are no extended statistics.
        stable pg_get_statisticsobjdef_columns(oid) -> text -- NULL: there are no extended statistics.
        stable pg_get_partkeydef(oid) -> text -- NULL: there are no partitions.
        stable pg_get_partition_constraintdef(oid) -> text -- NULL: there are no partitions.
        stable acldefault(char, oid) -> text[] -- NULL: there are no access lists.
        volatile pg_stat_get_numscans(oid) -> int8 -- NULL: not counted.
        stable inet_client_addr() -> text -- NULL: not known.
        stable inet_client_port() -> int4 -- NULL: not known.
        stable inet_server_addr() -> text -- NULL: not known.
        stable inet_server_port() -> int4 -- NULL: not known.
        ",
        |_| Ok(Datum::Null),
    );
    t.add(
        "
        stable pg_relation_is_publishable(regclass) -> bool -- False: nothing is published.
        stable row_security_active(oid) -> bool -- False: there is no row security.
        stable row_security_active(text) -> bool
        stable pg_index_has_property(regclass, text) -> bool -- False.
        stable pg_indexam_has_property(oid, text) -> bool -- False.
        stable pg_index_column_has_property(regclass, int4, text) -> bool -- False.
        ",
        |_| Ok(Datum::Bool(false)),
    );
    t.add("stable pg_relation_is_updatable(regclass, bool) -> int4 -- 28 for what INSERT, UPDATE and DELETE change, else 0.", |c| {
        let oid = c.int(0)? as u32;
        Ok(Datum::Int(if info(c).is_some_and(|catalog| catalog.is_updatable(oid)) { 28 } else { 0 }))
    });
    t.add("stable pg_column_is_updatable(regclass, int2, bool) -> bool -- Whether UPDATE changes the column.", |c| {
        let oid = c.int(0)? as u32;
        Ok(Datum::Bool(info(c).is_some_and(|catalog| catalog.is_updatable(oid))))
    });
}

/// Objects have no files whose size could be told.
fn sizes(t: &mut Table) {
    t.add(
        "
        volatile pg_relation_size(regclass) -> int8 -- NULL: objects have no files.
        volatile pg_relation_size(regclass, text) -> int8
        volatile pg_table_size(regclass) -> int8 -- NULL: objects have no files.
        volatile pg_indexes_size(regclass) -> int8 -- NULL: objects have no files.
        volatile pg_total_relation_size(regclass) -> int8 -- NULL: objects have no files.
        volatile pg_database_size(name) -> int8 -- NULL: objects have no files.
        volatile pg_database_size(oid) -> int8
        volatile pg_tablespace_size(name) -> int8 -- NULL: objects have no files.
        volatile pg_tablespace_size(oid) -> int8
        volatile pg_relation_filenode(regclass) -> oid -- NULL: objects have no files.
        volatile pg_relation_filepath(regclass) -> text -- NULL: objects have no files.
        ",
        |_| Ok(Datum::Null),
    );
}

fn server(t: &mut Table) {
    // Nobody can hold a lock here; pools ask this of a connection that comes back.
    t.add("volatile pg_advisory_unlock_all() -> void -- Nothing: nobody can hold such a lock.", |_| {
        Ok(Datum::from(""))
    });
    t.add("pg_char_to_encoding(name) -> int4 -- An encoding's number.", |c| {
        let name: String = c.text(0)?.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(Datum::Int(match name.to_ascii_lowercase().as_str() {
            "utf8" | "unicode" => 6,
            "sqlascii" => 0,
            "latin1" | "iso88591" => 8,
            _ => -1,
        }))
    });
    t.add("stable pg_tablespace_location(oid) -> text -- Empty: nothing lies in files.", |_| Ok(Datum::from("")));
    t.add("stable mz_is_superuser() -> bool -- True: every user may do everything.", |_| Ok(Datum::Bool(true)));
}

fn sets(t: &mut Table) {
    t.rows("aclexplode(text[]) -> setof (grantor oid, grantee oid, privilege_type text, is_grantable bool) -- No rows: there are no access lists.", |_| {
        Ok(RowSource::empty())
    });
    t.rows("pg_options_to_table(text[]) -> setof (option_name text, option_value text) -- Options as they stand in catalogs.", |c| {
        let mut options = c.array(0)?.iter().collect::<Vec<_>>().into_iter();
        Ok(RowSource::new(move |row| {
            let Some(option) = options.next() else { return Ok(false) };
            let Some(text) = option.as_str() else {
                return Err(SqlError::new(b"22004", "null array element not allowed in this context"));
            };
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            row.extend([Datum::from(name), value.map_or(Datum::Null, Datum::from)]);
            Ok(true)
        }))
    });
    t.rows("_pg_expandarray(anyarray) -> setof (x anyelement, n int4) -- Elements and their subscripts from 1.", |c| {
        let elements: Vec<Datum<'_>> = c.array(0)?.iter().collect();
        let mut elements = elements.into_iter().zip(1..);
        Ok(RowSource::new(move |row| {
            let Some((element, number)) = elements.next() else { return Ok(false) };
            row.extend([element, Datum::Int(number)]);
            Ok(true)
        }))
    });
    t.rows(
        "pg_partition_ancestors(regclass) -> setof regclass -- The relation itself: there are no partitions.",
        |c| Ok(RowSource::of([c.args[0]])),
    );
    t.rows("stable pg_listening_channels() -> setof text -- No rows: nobody can listen.", |_| Ok(RowSource::empty()));
}

/// The catalog, where the session has one.
pub(super) fn info<'c>(c: &'c Call<'_, '_>) -> Option<&'c dyn CatalogInfo> {
    c.env.session.catalog.as_deref()
}

/// The oid of what argument `i` names.
pub(super) fn oid_of(c: &Call<'_, '_>, i: usize, kind: &Type) -> Result<u32> {
    match tidewater_types::input(c.text(i)?, &kind.clone().into(), &c.env.session.settings, c.scratch)? {
        Datum::Int(oid) => Ok(oid as u32),
        _ => Ok(0),
    }
}

/// What the catalog says of the first argument's oid.
fn text<'a>(c: &Call<'a, '_>, say: impl Fn(&dyn CatalogInfo, u32) -> Option<String>) -> Result<Datum<'a>> {
    let oid = c.int(0)? as u32;
    show(c, info(c).and_then(|catalog| say(catalog, oid)))
}

fn show<'a>(c: &Call<'a, '_>, text: Option<String>) -> Result<Datum<'a>> {
    text.map_or(Ok(Datum::Null), |text| c.new_text(&text))
}

fn visible<'a>(c: &Call<'a, '_>, kind: &Type) -> Result<Datum<'a>> {
    let oid = c.int(0)? as u32;
    Ok(info(c).and_then(|catalog| catalog.is_visible(kind, oid)).map_or(Datum::Null, Datum::Bool))
}

fn function<'a>(c: &Call<'a, '_>, say: impl Fn(&Function) -> Option<String>) -> Result<Datum<'a>> {
    text(c, |catalog, oid| catalog.function(oid).and_then(&say))
}

fn type_text(param: &Param) -> String {
    match param {
        Param::Of(ty) => ty.to_string(),
        Param::Any => "\"any\"".to_owned(),
        family => family.to_string(),
    }
}

/// `VARIADIC a text[], b integer DEFAULT 1`.
fn arguments(function: &Function, defaults: bool) -> String {
    let first_default = function.params.len() - function.defaults.len();
    let mut out = String::new();
    for (i, param) in function.params.iter().enumerate() {
        if i > 0 {
            out += if function.direct == Some(i) { " ORDER BY " } else { ", " };
        } else if function.direct == Some(0) {
            out += "ORDER BY ";
        }
        if function.variadic && i + 1 == function.params.len() {
            out += "VARIADIC ";
        }
        if !function.names[i].is_empty() {
            out += function.names[i];
            out.push(' ');
        }
        out += &type_text(param);
        if defaults && i >= first_default {
            out += " DEFAULT ";
            out += function.defaults[i - first_default];
        }
    }
    out
}

fn result(function: &Function) -> String {
    let named = function.columns.iter().any(|(name, _)| !name.is_empty());
    if named && function.columns.len() > 1 {
        let columns: Vec<String> =
            function.columns.iter().map(|(name, param)| format!("{name} {}", type_text(param))).collect();
        return format!("TABLE({})", columns.join(", "));
    }
    let set = if function.kind == crate::function::Kind::Set { "SETOF " } else { "" };
    format!("{set}{}", type_text(&function.result))
}
