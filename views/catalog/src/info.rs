//! The catalog as functions ask it.

use tidewater_functions::{CatalogInfo, Function};
use tidewater_types::Type;

use crate::catalog::{Catalog, Of};
use crate::definition;
use crate::functions;
use crate::object::Kind;
use crate::types::type_row;

impl CatalogInfo for Catalog {
    fn exists(&self, kind: &Type, oid: u32) -> bool {
        match kind {
            Type::RegClass => self.class(oid).is_some(),
            Type::RegType => type_row(oid).is_some(),
            Type::RegProc | Type::RegProcedure => functions::function_name(oid).is_some(),
            Type::RegOper | Type::RegOperator => functions::operator(oid).is_some(),
            Type::RegNamespace => self.schemas().any(|(schema, _)| schema == oid),
            Type::RegRole => self.roles().any(|(role, _)| role == oid),
            Type::RegCollation => crate::names::collation(oid).is_some(),
            _ => false,
        }
    }

    fn is_visible(&self, kind: &Type, oid: u32) -> Option<bool> {
        if *kind != Type::RegClass {
            // All of them are in pg_catalog.
            return self.exists(kind, oid).then_some(true);
        }
        let class = self.class(oid)?;
        let first = self.path().find_map(|schema| self.class_named(schema, &class.name));
        Some(first.is_some_and(|first| first.oid == oid))
    }

    fn view_query(&self, relation: u32) -> Option<String> {
        let object = self.snapshot.get(relation)?;
        matches!(object.kind, Kind::View | Kind::MaterializedView).then(|| object.query.clone())
    }

    fn index_definition(&self, index: u32, column: u32, for_people: bool) -> Option<String> {
        let class = self.class(index).filter(|class| class.is_index())?;
        match column.checked_sub(1) {
            None => {
                let hidden = class.key().is_none_or(|key| self.is_visible(&Type::RegClass, key.on.oid) != Some(true));
                definition::index(&class, !for_people || hidden)
            }
            Some(at) => {
                let columns = class.columns();
                Some(columns.get(at as usize).map_or_else(String::new, |column| definition::column_list(&[column])))
            }
        }
    }

    fn constraint_definition(&self, constraint: u32, for_people: bool) -> Option<String> {
        let (_, constraint, of) = self.constraints().find(|(oid, ..)| *oid == constraint)?;
        Some(definition::constraint(constraint, of, for_people))
    }

    fn function(&self, oid: u32) -> Option<&'static Function> {
        functions::function(oid)
    }

    fn comment(&self, catalog: &str, oid: u32, column: i32) -> Option<String> {
        self.comment_on(catalog, oid, column)
    }

    fn schema(&self, name: &str) -> Option<u32> {
        self.schema_oid(name)
    }

    fn schema_name(&self, oid: u32) -> Option<String> {
        self.schemas().find(|(schema, _)| *schema == oid).map(|(_, name)| name.to_owned())
    }

    fn role(&self, oid: u32) -> Option<String> {
        self.roles().find(|(role, _)| *role == oid).map(|(_, name)| name.to_owned())
    }

    fn column(&self, relation: u32, name: &str) -> Option<u32> {
        let columns = self.class(relation)?.columns();
        columns.iter().zip(1..).find(|(column, _)| column.name == name).map(|(_, number)| number)
    }

    fn serial_sequence(&self, relation: u32, column: &str) -> Option<String> {
        let sequence = self.sequence_of(relation, column)?;
        let quoted = tidewater_functions::quote_ident;
        Some(format!("{}.{}", quoted(&sequence.schema), quoted(&sequence.name)))
    }

    fn is_updatable(&self, relation: u32) -> bool {
        self.class(relation).is_some_and(|class| matches!(class.of, Of::Object(object) if object.kind == Kind::Table))
    }
}
