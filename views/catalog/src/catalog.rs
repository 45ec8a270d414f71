//! Who asks, and what exists at that moment; how oids of different kinds of things are told apart.

use std::borrow::Cow;
use std::sync::Arc;

use tidewater_functions::Session;
use tidewater_types::Column;

use crate::object::{Constraint, ConstraintKind, Kind, Object, Snapshot};
use crate::shape::{Shape, shapes};

/// Schemas whose relations are this crate's.
pub(crate) const SYSTEM_SCHEMAS: [(u32, &str); 4] =
    [(11, "pg_catalog"), (13_183, "information_schema"), (14_101, "mz_catalog"), (14_102, "mz_internal")];
/// The role that owns everything: PostgreSQL's number of the first one.
pub(crate) const OWNER: u32 = 10;
/// Any other user, of whom only the name is known.
pub(crate) const OTHER_USER: u32 = 11;
/// The one database, a number in no other use.
pub(crate) const DATABASE: u32 = 5;
/// Constraints and their indexes are numbered by their table: from here on, so many for each.
const CONSTRAINTS: u32 = 1 << 30;
const CONSTRAINTS_OF_ONE: u32 = 64;
/// Rules of views.
const RULES: u32 = 1 << 29;
/// The same for DEFAULTs.
const DEFAULTS: u32 = 1 << 31;
const DEFAULTS_OF_ONE: u32 = 2048;

/// The catalog at one moment, as one session sees it.
#[derive(Debug)]
pub struct Catalog {
    /// What exists.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Who asks: the user, the search path, variables.
    pub(crate) session: Arc<Session>,
}

/// What pg_class calls a relation.
pub(crate) struct Class<'a> {
    pub(crate) oid: u32,
    pub(crate) schema: &'a str,
    pub(crate) name: Cow<'a, str>,
    /// relkind.
    pub(crate) kind: char,
    pub(crate) of: Of<'a>,
}

/// Where a relation comes from.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    /// This crate.
    System(&'a Shape),
    /// The objects.
    Object(&'a Object),
    /// An index of its own.
    Index(&'a Object, &'a crate::object::Index, &'a Object),
    /// The index of a PRIMARY KEY or UNIQUE.
    Key(&'a Constraint, &'a Object),
}

/// What an index is of.
pub(crate) struct Key<'a> {
    pub(crate) on: &'a Object,
    /// Places of its columns in the relation.
    pub(crate) places: &'a [usize],
    pub(crate) primary: bool,
    pub(crate) unique: bool,
}

impl<'a> Class<'a> {
    /// Its columns; of an index those that it is of.
    pub(crate) fn columns(&self) -> Vec<&'a Column> {
        match self.of {
            Of::System(shape) => shape.relation.columns.iter().collect(),
            Of::Object(object) => object.columns.iter().collect(),
            Of::Index(_, index, on) => index.columns.iter().filter_map(|at| on.columns.get(*at)).collect(),
            Of::Key(key, on) => key.columns.iter().filter_map(|at| on.columns.get(*at)).collect(),
        }
    }

    /// What an index is of.
    pub(crate) fn key(&self) -> Option<Key<'a>> {
        match self.of {
            Of::Index(_, index, on) => Some(Key { on, places: &index.columns, primary: false, unique: index.unique }),
            Of::Key(key, on) => {
                let primary = key.kind == ConstraintKind::PrimaryKey;
                Some(Key { on, places: &key.columns, primary, unique: true })
            }
            _ => None,
        }
    }

    pub(crate) fn is_index(&self) -> bool {
        matches!(self.of, Of::Index(..) | Of::Key(..))
    }

    pub(crate) fn object(&self) -> Option<&'a Object> {
        match self.of {
            Of::Object(object) | Of::Index(object, ..) => Some(object),
            _ => None,
        }
    }
}

/// relkind of what users make.
fn relkind(kind: Kind) -> char {
    match kind {
        Kind::View => 'v',
        Kind::MaterializedView => 'm',
        Kind::Index => 'i',
        Kind::Sequence => 'S',
        // A source is read like a table.
        _ => 'r',
    }
}

/// The number of the rule that makes a view of a relation, of which PostgreSQL's clients ask.
pub(crate) fn rule_oid(object: &Object) -> u32 {
    RULES.wrapping_add(object.oid)
}

/// The number of an object's constraint, which its index has too: they stand in different catalogs.
pub(crate) fn constraint_oid(object: &Object, number: usize) -> u32 {
    CONSTRAINTS.wrapping_add(object.oid.wrapping_mul(CONSTRAINTS_OF_ONE)).wrapping_add(number as u32)
}

/// The number of a column's DEFAULT.
pub(crate) fn default_oid(object: &Object, column: usize) -> u32 {
    DEFAULTS.wrapping_add(object.oid.wrapping_mul(DEFAULTS_OF_ONE)).wrapping_add(column as u32)
}

/// Constraints that are kept by an index.
pub(crate) fn is_key(constraint: &Constraint) -> bool {
    constraint.kind != ConstraintKind::Check
}

impl Catalog {
    /// All relations: the users', then the system's.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class<'_>> {
        let own = self.snapshot.iter().filter(|object| object.is_relation());
        let own = own.flat_map(|object| std::iter::once(self.class_of(object)).flatten().chain(keys(object)));
        own.chain(shapes().all.iter().map(system))
    }

    /// The users' relations.
    pub(crate) fn own_classes(&self) -> impl Iterator<Item = Class<'_>> {
        self.classes().take_while(|class| !matches!(class.of, Of::System(_)))
    }

    /// The relation of this number.
    pub(crate) fn class(&self, oid: u32) -> Option<Class<'_>> {
        if let Some(object) = self.snapshot.get(oid) {
            return self.class_of(object);
        }
        if let Some(shape) = shapes().get(oid) {
            return Some(system(shape));
        }
        let on = self.snapshot.get(oid.checked_sub(CONSTRAINTS)? / CONSTRAINTS_OF_ONE)?;
        keys(on).find(|class| class.oid == oid)
    }

    /// The relation called `name` in a schema.
    pub(crate) fn class_named(&self, schema: &str, name: &str) -> Option<Class<'_>> {
        let object = self.snapshot.named(name).find(|object| object.schema == schema && object.is_relation());
        if let Some(object) = object {
            return self.class_of(object);
        }
        if let Some(shape) = shapes().named(name).find(|shape| shape.relation.schema == schema) {
            return Some(system(shape));
        }
        let in_schema = self.snapshot.iter().filter(|object| object.schema == schema);
        in_schema.flat_map(keys).find(|class| class.name == name)
    }

    fn class_of<'a>(&'a self, object: &'a Object) -> Option<Class<'a>> {
        let of = match &object.index {
            None => Of::Object(object),
            Some(index) => Of::Index(object, index, self.snapshot.get(index.on)?),
        };
        object.is_relation().then(|| Class {
            oid: object.oid,
            schema: &object.schema,
            name: Cow::Borrowed(&object.name),
            kind: relkind(object.kind),
            of,
        })
    }

    /// Constraints with their numbers and tables.
    pub(crate) fn constraints(&self) -> impl Iterator<Item = (u32, &Constraint, &Object)> {
        self.snapshot.iter().flat_map(|object| {
            let numbered = object.constraints.iter().enumerate();
            numbered.map(move |(number, constraint)| (constraint_oid(object, number), constraint, object))
        })
    }

    /// The sequence that belongs to a relation's column.
    pub(crate) fn sequence_of(&self, relation: u32, column: &str) -> Option<&Object> {
        let owned = |object: &&Object| {
            let owner = object.sequence.as_ref().and_then(|sequence| sequence.owner.as_ref());
            owner.is_some_and(|(of, name)| *of == relation && name == column)
        };
        self.snapshot.iter().find(owned)
    }

    /// Whether a sequence is that of an identity column.
    pub(crate) fn is_of_identity(&self, sequence: &Object) -> bool {
        let owner = sequence.sequence.as_ref().and_then(|sequence| sequence.owner.as_ref());
        let identities = owner.and_then(|(of, column)| Some((self.snapshot.get(*of)?, column)));
        identities.is_some_and(|(table, column)| {
            table.identities.iter().any(|(at, _)| table.columns.get(*at).is_some_and(|known| known.name == *column))
        })
    }

    /// Names in scope without a schema, in their order.
    pub(crate) fn path(&self) -> impl Iterator<Item = &str> {
        let implicit = !self.session.search_path.iter().any(|schema| schema == "pg_catalog");
        implicit.then_some("pg_catalog").into_iter().chain(self.session.search_path.iter().map(String::as_str))
    }

    /// All schemas.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (u32, &str)> {
        let own = self.snapshot.schemas().iter().map(|schema| (schema.oid, schema.name.as_str()));
        SYSTEM_SCHEMAS.iter().copied().chain(own)
    }

    /// A schema's number.
    pub(crate) fn schema_oid(&self, name: &str) -> Option<u32> {
        self.schemas().find(|(_, schema)| *schema == name).map(|(oid, _)| oid)
    }

    /// Roles: the owner, and whoever asks.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (u32, &str)> {
        let (owner, user) = (&self.snapshot.owner, &self.session.user);
        let other = (user != owner).then_some((OTHER_USER, user.as_str()));
        std::iter::once((OWNER, owner.as_str())).chain(other)
    }
}

fn keys(object: &Object) -> impl Iterator<Item = Class<'_>> {
    object.constraints.iter().enumerate().filter(|(_, constraint)| is_key(constraint)).map(|(number, constraint)| {
        Class {
            oid: constraint_oid(object, number),
            schema: &object.schema,
            name: Cow::Borrowed(&constraint.name),
            kind: 'i',
            of: Of::Key(constraint, object),
        }
    })
}

fn system(shape: &Shape) -> Class<'_> {
    Class {
        oid: shape.oid,
        schema: &shape.relation.schema,
        name: Cow::Borrowed(&shape.relation.name),
        kind: shape.kind,
        of: Of::System(shape),
    }
}
