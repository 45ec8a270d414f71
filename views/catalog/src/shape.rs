//! The shapes of the system relations: names and types of columns, the same for everybody.
//!
//! Those of pg_catalog and information_schema are PostgreSQL 15's own, in its own words (a test compares them); what of its types there
//! is not here has another, named in [`SUBSTITUTES`]. Those of mz_catalog and mz_internal are Materialize's, in types that drivers know.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use tidewater_query::Relation;
use tidewater_types::{Column, ColumnType, Type};

/// `oid kind name:` and the columns, over several lines; `!` is NOT NULL.
const PG_CATALOG: &str = include_str!("shapes/pg_catalog.txt");
const INFORMATION_SCHEMA: &str = include_str!("shapes/information_schema.txt");
const MATERIALIZE: &str = include_str!("shapes/materialize.txt");

/// Types of PostgreSQL's catalogs that there are not here, and what stands for them.
pub const SUBSTITUTES: &[(&str, &str)] = &[
    // Access lists: there are none, all are NULL.
    ("aclitem[]", "text[]"),
    // Expressions: their text, which pg_get_expr gives back.
    ("pg_node_tree", "text"),
    ("anyarray", "text"),
    ("inet", "text"),
    ("pg_lsn", "text"),
    ("pg_ndistinct", "text"),
    ("pg_dependencies", "text"),
    ("pg_mcv_list", "text"),
    ("pg_statistic[]", "text"),
];

/// Columns that clients of older servers ask for, behind those of PostgreSQL 15.
pub const OLDER: &[(&str, &str)] = &[
    ("pg_class", "relhasoids bool!"),
    ("pg_am", "amcanorder bool!"),
    ("pg_proc", "proisagg bool!, proiswindow bool!"),
    ("pg_attrdef", "adsrc text"),
    ("pg_constraint", "consrc text"),
    ("pg_database", "datlastsysoid oid!"),
];

/// Where the numbers of this crate's relations begin, as [`Relation::id`]; from there on they are oids.
pub const FIRST_ID: u64 = 1 << 32;

/// A system relation.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) oid: u32,
    /// `r` for a table, `v` for a view: what PostgreSQL says it is.
    pub(crate) kind: char,
    pub(crate) relation: Arc<Relation>,
}

/// All of them, in the order of the files.
pub(crate) struct Shapes {
    pub(crate) all: Vec<Shape>,
    by_name: HashMap<String, Vec<usize>>,
    by_oid: HashMap<u32, usize>,
}

/// The system relations.
pub(crate) fn shapes() -> &'static Shapes {
    static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
        let mut all = Vec::new();
        for (schema, text) in
            [("pg_catalog", PG_CATALOG), ("information_schema", INFORMATION_SCHEMA), ("", MATERIALIZE)]
        {
            all.extend(read(schema, text));
        }
        let by_oid = all.iter().enumerate().map(|(at, shape): (usize, &Shape)| (shape.oid, at)).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, shape) in all.iter().enumerate() {
            by_name.entry(shape.relation.name.clone()).or_default().push(at);
        }
        Shapes { all, by_name, by_oid }
    });
    &SHAPES
}

impl Shapes {
    pub(crate) fn get(&self, oid: u32) -> Option<&Shape> {
        self.by_oid.get(&oid).map(|at| &self.all[*at])
    }

    /// Those that have this name, whatever their schema.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Shape> {
        self.by_name.get(name).map_or(&[][..], Vec::as_slice).iter().map(|at| &self.all[*at])
    }
}

fn read(schema: &str, text: &str) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(head) = lines.next() {
        let mut columns = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
            columns.push_str(line);
        }
        let words: Vec<&str> = head.trim_end_matches(':').split(' ').collect();
        let [oid, kind, name] = words[..] else { panic!("no head of a relation: {head}") };
        let (schema, name) = name.split_once('.').unwrap_or((schema, name));
        let oid = oid.parse().expect("a relation's number");
        let mut columns = read_columns(&columns);
        if let Some((_, older)) = OLDER.iter().find(|(of, _)| schema == "pg_catalog" && *of == name) {
            columns.extend(read_columns(older));
        }
        let relation = Relation {
            id: FIRST_ID + u64::from(oid),
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns,
            keys: Vec::new(),
            has_primary_key: false,
        };
        shapes.push(Shape { oid, kind: kind.chars().next().unwrap_or('v'), relation: Arc::new(relation) });
    }
    shapes
}

fn read_columns(text: &str) -> Vec<Column> {
    text.split(", ")
        .map(|column| {
            let (name, ty) = column.trim().trim_end_matches(',').split_once(' ').expect("a name and a type");
            let column = Column::new(name, column_type(ty.trim_end_matches('!')));
            if ty.ends_with('!') { column.not_null() } else { column }
        })
        .collect()
}

/// The type that a column of PostgreSQL's type has here.
pub fn column_type(theirs: &str) -> ColumnType {
    let ours = SUBSTITUTES.iter().find(|(name, _)| *name == theirs).map_or(theirs, |(_, ours)| ours);
    let (element, array) = ours.strip_suffix("[]").map_or((ours, false), |element| (element, true));
    let ty = ColumnType::parse(element).expect("a type of the shapes");
    if array { Type::array(ty.ty).into() } else { ty }
}
