//! What clients ask a PostgreSQL server about itself: pg_catalog and information_schema.
//!
//! Static relations, functions and the rewriting of what DataFusion cannot plan come from the crate datafusion-pg-catalog;
//! the relations that tell of our own objects are made here from the catalog, with numbers that stay the same while an
//! object lives.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use crate::catalog::CatalogObject;
use crate::parse::ast::ObjectKind;
use crate::type_names::type_name;

mod arrays;
mod functions;
mod names;
mod rewrite;
mod server;
mod udf;
mod upstream;

/// PostgreSQL's numbers of schemas.
const PG_CATALOG: i32 = 11;
const PUBLIC: i32 = 2200;
const INFORMATION_SCHEMA: i32 = 13_000;
const TIDEWATER: i32 = 13_001;
/// Number of the role that owns everything, as the static relations name it.
const OWNER: i32 = 10;
/// PostgreSQL's number of the access method btree, as which our indexes show themselves.
const BTREE: i32 = 403;
/// The owner's name.
const OWNER_NAME: &str = "materialize";

/// Relations that hold rows of a PostgreSQL server in the crate, and none here.
const FOREIGN: [&str; 4] = ["pg_extension", "pg_inherits", "pg_rewrite", "pg_trigger"];

/// Whether a query asks about the server: it names a system relation, or none at all.
pub(crate) fn wanted(references: &[TableReference], is_object: impl Fn(&str) -> bool) -> bool {
    let system = |reference: &TableReference| match reference.schema() {
        Some("pg_catalog" | "information_schema") => true,
        Some(_) => false,
        None => reference.table().starts_with("pg_") && !is_object(reference.table()),
    };
    references.is_empty() || references.iter().any(system)
}

/// The query in words that DataFusion understands; `None` if the rewriting does not understand it.
pub(crate) fn rewritten(query: &Query) -> Option<Statement> {
    static PARSER: OnceLock<PostgresCompatibilityParser> = OnceLock::new();
    let mut query = query.clone();
    rewrite::rewrite(&mut query);
    let mut statements = PARSER.get_or_init(PostgresCompatibilityParser::new).parse(&query.to_string()).ok()?;
    if statements.len() == 1 { statements.pop() } else { None }
}

/// Adds the system relations and functions to a context.
pub(crate) fn register(context: &SessionContext, catalog_name: &str, objects: &[CatalogObject]) -> Result<()> {
    let Some(upstream) = upstream::install(context, catalog_name)? else { return Ok(()) };
    functions::register(context, objects);
    names::register(context, objects);
    arrays::register(context);
    let Some(catalog) = context.catalog(catalog_name) else { return Ok(()) };
    let own = MemorySchemaProvider::new();
    for (name, batch) in [
        ("pg_namespace", namespaces()?),
        ("pg_class", classes(objects)?),
        ("pg_attribute", attributes(objects)?),
        ("pg_index", indexes(objects)?),
        ("pg_matviews", matviews(objects)?),
        ("pg_views", views(objects)?),
        ("pg_tables", tables(objects)?),
        ("pg_database", server::databases()?),
        ("pg_roles", server::roles()?),
        ("pg_authid", server::roles()?),
        ("pg_user", server::users()?),
        ("pg_settings", server::settings()?),
    ] {
        own.register_table(name.to_owned(), mem(batch)?)?;
    }
    for name in FOREIGN {
        let table = futures::executor::block_on(upstream.table(name))?;
        if let Some(table) = table {
            own.register_table(name.to_owned(), mem(RecordBatch::new_empty(table.schema()))?)?;
        }
    }
    if let Some(functions) = futures::executor::block_on(upstream.table("pg_proc"))? {
        own.register_table("pg_proc".to_owned(), upstream::with_old_columns(functions)?)?;
    }
    catalog.register_schema("pg_catalog", Arc::new(Overlay { own, upstream }))?;
    let information = MemorySchemaProvider::new();
    information.register_table("tables".into(), mem(information_tables(objects)?)?)?;
    information.register_table("columns".into(), mem(information_columns(objects)?)?)?;
    information.register_table("schemata".into(), mem(information_schemata()?)?)?;
    catalog.register_schema("information_schema", Arc::new(information))?;
    Ok(())
}

fn mem(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

/// Our relations before the static ones.
#[derive(Debug)]
struct Overlay {
    own: MemorySchemaProvider,
    upstream: Arc<dyn SchemaProvider>,
}

#[async_trait]
impl SchemaProvider for Overlay {
    fn table_names(&self) -> Vec<String> {
        self.upstream.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.own.table(name).await? {
            Some(table) => Ok(Some(table)),
            None => self.upstream.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.own.table_exist(name) || self.upstream.table_exist(name)
    }
}

/// Columns of a relation under construction.
#[derive(Default)]
struct Columns(Vec<(&'static str, ArrayRef)>);

impl Columns {
    fn texts<T: AsRef<str>>(mut self, name: &'static str, values: impl Iterator<Item = T>) -> Self {
        self.0.push((name, Arc::new(StringArray::from_iter_values(values))));
        self
    }

    fn maybe_texts(mut self, name: &'static str, values: impl Iterator<Item = Option<String>>) -> Self {
        self.0.push((name, Arc::new(StringArray::from_iter(values))));
        self
    }

    fn ints(mut self, name: &'static str, values: impl Iterator<Item = i32>) -> Self {
        self.0.push((name, Arc::new(Int32Array::from_iter_values(values))));
        self
    }

    fn shorts(mut self, name: &'static str, values: impl Iterator<Item = i16>) -> Self {
        self.0.push((name, Arc::new(Int16Array::from_iter_values(values))));
        self
    }

    fn bools(mut self, name: &'static str, values: impl Iterator<Item = bool>) -> Self {
        self.0.push((name, Arc::new(BooleanArray::from_iter(values.map(Some)))));
        self
    }

    /// Columns that hold one value in every row.
    fn constant(mut self, rows: usize, constants: &[(&'static str, Constant)]) -> Self {
        for (name, constant) in constants {
            let array: ArrayRef = match *constant {
                Int(value) => Arc::new(Int32Array::from(vec![value; rows])),
                Real(value) => Arc::new(Float32Array::from(vec![value; rows])),
                Bool(value) => Arc::new(BooleanArray::from(vec![value; rows])),
                Text(value) => Arc::new(StringArray::from(vec![value; rows])),
                Null => Arc::new(StringArray::new_null(rows)),
                NullTexts => arrays::null_texts(rows),
            };
            self.0.push((name, array));
        }
        self
    }

    fn build(self) -> Result<RecordBatch> {
        Ok(RecordBatch::try_from_iter_with_nullable(self.0.into_iter().map(|(name, array)| (name, array, true)))?)
    }
}

#[derive(Clone, Copy)]
enum Constant {
    Int(i32),
    Real(f32),
    Bool(bool),
    Text(&'static str),
    Null,
    /// A null array of texts.
    NullTexts,
}

use Constant::{Bool, Int, Null, NullTexts, Real, Text};

fn namespaces() -> Result<RecordBatch> {
    let schemas = [
        (PG_CATALOG, "pg_catalog"),
        (PUBLIC, "public"),
        (INFORMATION_SCHEMA, "information_schema"),
        (TIDEWATER, "tidewater"),
    ];
    Columns::default()
        .ints("oid", schemas.iter().map(|schema| schema.0))
        .texts("nspname", schemas.iter().map(|schema| schema.1))
        .constant(schemas.len(), &[("nspowner", Int(OWNER)), ("nspacl", NullTexts), ("options", NullTexts)])
        .build()
}

/// Objects that PostgreSQL calls relations.
fn relations(objects: &[CatalogObject]) -> impl Iterator<Item = &CatalogObject> + Clone {
    objects.iter().filter(|object| relkind(object.kind).is_some())
}

fn relkind(kind: ObjectKind) -> Option<&'static str> {
    match kind {
        // A source is read like a table.
        ObjectKind::Table | ObjectKind::Source => Some("r"),
        ObjectKind::View => Some("v"),
        ObjectKind::MaterializedView => Some("m"),
        ObjectKind::Index => Some("i"),
        _ => None,
    }
}

fn oid(object: &CatalogObject) -> i32 {
    object.oid as i32
}

fn classes(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = relations(objects);
    let rows = all.clone().count();
    let indexed = |object: &CatalogObject| objects.iter().any(|index| index.on.as_ref() == Some(&object.name));
    let width = |object: &CatalogObject| match &object.columns {
        Some(columns) => columns.fields().len() as i16,
        None => object.index_columns.len() as i16,
    };
    Columns::default()
        .ints("oid", all.clone().map(oid))
        .texts("relname", all.clone().map(|object| &object.name))
        .ints("relam", all.clone().map(|object| if object.kind == ObjectKind::Index { BTREE } else { 0 }))
        .texts("relkind", all.clone().map(|object| relkind(object.kind).unwrap_or("r")))
        .shorts("relnatts", all.clone().map(width))
        .bools("relhasindex", all.map(indexed))
        .shorts("relchecks", std::iter::repeat_n(0, rows))
        .constant(
            rows,
            &[
                ("relnamespace", Int(PUBLIC)),
                ("reltype", Int(0)),
                ("reloftype", Int(0)),
                ("relowner", Int(OWNER)),
                ("relfilenode", Int(0)),
                ("reltablespace", Int(0)),
                ("relpages", Int(1)),
                ("reltuples", Real(-1.0)),
                ("relallvisible", Int(0)),
                ("reltoastrelid", Int(0)),
                ("relisshared", Bool(false)),
                ("relpersistence", Text("p")),
                ("relhasrules", Bool(false)),
                ("relhastriggers", Bool(false)),
                ("relhassubclass", Bool(false)),
                ("relhasoids", Bool(false)),
                ("relrowsecurity", Bool(false)),
                ("relforcerowsecurity", Bool(false)),
                ("relispopulated", Bool(true)),
                ("relreplident", Text("d")),
                ("relispartition", Bool(false)),
                ("relrewrite", Int(0)),
                ("relfrozenxid", Int(0)),
                ("relminmxid", Int(0)),
                ("relacl", NullTexts),
                ("reloptions", NullTexts),
                ("relpartbound", Null),
            ],
        )
        .build()
}

/// A column of a relation, and where it stands.
struct Attribute<'a> {
    object: &'a CatalogObject,
    number: i16,
    field: arrow_schema::FieldRef,
}

fn all_attributes(objects: &[CatalogObject]) -> Vec<Attribute<'_>> {
    let mut found = Vec::new();
    for object in relations(objects) {
        let on = object.on.as_ref().and_then(|on| objects.iter().find(|other| other.name == *on));
        let fields: Vec<_> = match (&object.columns, on.and_then(|on| on.columns.as_ref())) {
            (Some(columns), _) => columns.fields().iter().cloned().collect(),
            (None, Some(columns)) => object.index_columns.iter().map(|&at| columns.fields()[at].clone()).collect(),
            (None, None) => Vec::new(),
        };
        let numbered = fields.into_iter().zip(1..);
        found.extend(numbered.map(|(field, number)| Attribute { object, number, field }));
    }
    found
}

/// PostgreSQL's number of a type.
fn type_oid(data_type: &DataType) -> i32 {
    use DataType as T;
    match data_type {
        T::Boolean => 16,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => 17,
        T::Int8 | T::Int16 | T::UInt8 => 21,
        T::Int32 | T::UInt16 => 23,
        T::Int64 | T::UInt32 => 20,
        T::Float16 | T::Float32 => 700,
        T::Float64 => 701,
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) | T::UInt64 => 1700,
        T::Date32 | T::Date64 => 1082,
        T::Time32(_) | T::Time64(_) => 1083,
        T::Timestamp(_, None) => 1114,
        T::Timestamp(_, Some(_)) => 1184,
        T::Duration(_) | T::Interval(_) => 1186,
        T::List(item) | T::LargeList(item) => match item.data_type() {
            T::Boolean => 1000,
            T::Int16 => 1005,
            T::Int32 => 1007,
            T::Int64 => 1016,
            T::Timestamp(_, None) => 1115,
            T::Date32 => 1182,
            T::Timestamp(_, Some(_)) => 1185,
            T::Decimal128(..) => 1231,
            T::Float32 => 1021,
            T::Float64 => 1022,
            _ => 1009,
        },
        _ => 25,
    }
}

/// A numeric's digits, as PostgreSQL keeps them with a column.
fn type_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) if *scale >= 0 => {
            (i32::from(*precision) << 16 | i32::from(*scale)) + 4
        }
        _ => -1,
    }
}

fn attributes(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = all_attributes(objects);
    Columns::default()
        .ints("attrelid", all.iter().map(|a| oid(a.object)))
        .texts("attname", all.iter().map(|a| a.field.name()))
        .ints("atttypid", all.iter().map(|a| type_oid(a.field.data_type())))
        .shorts("attnum", all.iter().map(|a| a.number))
        .shorts("attlen", all.iter().map(|_| -1))
        .ints("atttypmod", all.iter().map(|a| type_modifier(a.field.data_type())))
        .bools("attnotnull", all.iter().map(|a| !a.field.is_nullable()))
        .constant(
            all.len(),
            &[
                ("attstattarget", Int(-1)),
                ("attndims", Int(0)),
                ("attcacheoff", Int(-1)),
                ("attbyval", Bool(false)),
                ("attalign", Text("i")),
                ("attstorage", Text("p")),
                ("attcompression", Text("")),
                ("atthasdef", Bool(false)),
                ("atthasmissing", Bool(false)),
                ("attidentity", Text("")),
                ("attgenerated", Text("")),
                ("attisdropped", Bool(false)),
                ("attislocal", Bool(true)),
                ("attinhcount", Int(0)),
                ("attcollation", Int(0)),
                ("attacl", NullTexts),
                ("attoptions", NullTexts),
                ("attfdwoptions", NullTexts),
                ("attmissingval", Null),
            ],
        )
        .build()
}

fn indexes(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let pair = |index: &CatalogObject| {
        let on = objects.iter().find(|object| Some(&object.name) == index.on.as_ref())?;
        let key: Vec<_> = index.index_columns.iter().map(|at| (at + 1).to_string()).collect();
        Some((oid(index), oid(on), key.join(" "), key.len() as i16))
    };
    let all: Vec<_> = objects.iter().filter_map(pair).collect();
    let zeros = || all.iter().map(|index| vec!["0"; index.3 as usize].join(" "));
    Columns::default()
        .ints("indexrelid", all.iter().map(|index| index.0))
        .ints("indrelid", all.iter().map(|index| index.1))
        .texts("indkey", all.iter().map(|index| &index.2))
        .texts("indcollation", zeros())
        .texts("indclass", zeros())
        .texts("indoption", zeros())
        .shorts("indnatts", all.iter().map(|index| index.3))
        .shorts("indnkeyatts", all.iter().map(|index| index.3))
        .constant(
            all.len(),
            &[
                ("indisunique", Bool(false)),
                ("indnullsnotdistinct", Bool(false)),
                ("indisprimary", Bool(false)),
                ("indisexclusion", Bool(false)),
                ("indimmediate", Bool(true)),
                ("indisclustered", Bool(false)),
                ("indisvalid", Bool(true)),
                ("indcheckxmin", Bool(false)),
                ("indisready", Bool(true)),
                ("indislive", Bool(true)),
                ("indisreplident", Bool(false)),
                ("indexprs", Null),
                ("indpred", Null),
            ],
        )
        .build()
}

fn of_kind<'a>(
    objects: &'a [CatalogObject],
    kinds: &'static [ObjectKind],
) -> impl Iterator<Item = &'a CatalogObject> + Clone {
    objects.iter().filter(move |object| kinds.contains(&object.kind))
}

fn matviews(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = of_kind(objects, &[ObjectKind::MaterializedView]);
    let rows = all.clone().count();
    Columns::default()
        .texts("matviewname", all.clone().map(|object| &object.name))
        .texts("definition", all.map(|object| &object.definition))
        .constant(
            rows,
            &[
                ("schemaname", Text("public")),
                ("matviewowner", Text("materialize")),
                ("tablespace", Null),
                ("hasindexes", Bool(false)),
                ("ispopulated", Bool(true)),
            ],
        )
        .build()
}

fn views(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = of_kind(objects, &[ObjectKind::View]);
    let rows = all.clone().count();
    Columns::default()
        .texts("viewname", all.clone().map(|object| &object.name))
        .texts("definition", all.map(|object| &object.definition))
        .constant(rows, &[("schemaname", Text("public")), ("viewowner", Text("materialize"))])
        .build()
}

fn tables(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = of_kind(objects, &[ObjectKind::Table, ObjectKind::Source]);
    let rows = all.clone().count();
    Columns::default()
        .texts("tablename", all.map(|object| &object.name))
        .constant(
            rows,
            &[
                ("schemaname", Text("public")),
                ("tableowner", Text("materialize")),
                ("tablespace", Null),
                ("hasindexes", Bool(false)),
                ("hasrules", Bool(false)),
                ("hastriggers", Bool(false)),
                ("rowsecurity", Bool(false)),
            ],
        )
        .build()
}

fn information_tables(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all = relations(objects).filter(|object| object.kind != ObjectKind::Index);
    let rows = all.clone().count();
    let kind = |object: &CatalogObject| match object.kind {
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        _ => "BASE TABLE",
    };
    Columns::default()
        .constant(rows, &[("table_catalog", Text("materialize")), ("table_schema", Text("public"))])
        .texts("table_name", all.clone().map(|object| &object.name))
        .texts("table_type", all.map(kind))
        .build()
}

fn information_columns(objects: &[CatalogObject]) -> Result<RecordBatch> {
    let all: Vec<_> = all_attributes(objects).into_iter().filter(|a| a.object.kind != ObjectKind::Index).collect();
    let rows = all.len();
    let plain = |data_type: &DataType| type_name(data_type).split('(').next().unwrap_or_default().to_owned();
    let digits = |data_type: &DataType| match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    Columns::default()
        .constant(rows, &[("table_catalog", Text("materialize")), ("table_schema", Text("public"))])
        .texts("table_name", all.iter().map(|a| &a.object.name))
        .texts("column_name", all.iter().map(|a| a.field.name()))
        .ints("ordinal_position", all.iter().map(|a| i32::from(a.number)))
        .constant(rows, &[("column_default", Null)])
        .texts("is_nullable", all.iter().map(|a| if a.field.is_nullable() { "YES" } else { "NO" }))
        .texts("data_type", all.iter().map(|a| plain(a.field.data_type())))
        .maybe_texts("numeric_precision", all.iter().map(|a| digits(a.field.data_type()).map(|d| d.0.to_string())))
        .maybe_texts("numeric_scale", all.iter().map(|a| digits(a.field.data_type()).map(|d| d.1.to_string())))
        .maybe_texts("udt_name", all.iter().map(|a| names::type_name_of(type_oid(a.field.data_type()))))
        .constant(rows, &[("udt_schema", Text("pg_catalog")), ("character_maximum_length", Null)])
        .build()
}

fn information_schemata() -> Result<RecordBatch> {
    let names = ["information_schema", "pg_catalog", "public", "tidewater"];
    Columns::default()
        .constant(names.len(), &[("catalog_name", Text("materialize"))])
        .texts("schema_name", names.iter())
        .constant(names.len(), &[("schema_owner", Text("materialize"))])
        .build()
}
