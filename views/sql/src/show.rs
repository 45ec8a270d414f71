//! `SHOW` and `EXPLAIN`: the catalog as rows.

use std::sync::Arc;

use sqlparser::ast::Expr;
use tidewater_delta::Row;
use tidewater_functions::Session;
use tidewater_query::run::{compile_over, pack_row};
use tidewater_query::{Relation, bind_scalar};
use tidewater_types::{Column, ColumnType, Datum, Scratch, Type};

use crate::catalog::{Body, CatalogObject, Object, is_system};
use crate::change::unknown;
use crate::database::Database;
use crate::names;
use crate::parse::ast::{ExplainTarget, ObjectKind, Statement};
use crate::query::Rows;
use crate::relations::Names;
use crate::source_status::{SourceState, values};
use crate::{Error, Result};

/// Rows of text columns.
fn texts(names: &[&str], rows: Vec<Vec<String>>) -> Rows {
    let columns = names.iter().map(|name| Column::new(*name, Type::Text).not_null()).collect();
    let types = vec![ColumnType::from(Type::Text); names.len()];
    let pack = |row: &Vec<String>| {
        let values: Vec<Datum<'_>> = row.iter().map(|value| Datum::from(value.as_str())).collect();
        pack_row(&types, &values)
    };
    Rows { columns, rows: rows.iter().map(pack).collect() }
}

/// Rows of these columns.
fn packed(columns: Vec<Column>, rows: impl FnOnce(&[ColumnType]) -> Vec<Row>) -> Rows {
    let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
    Rows { rows: rows(&types), columns: columns.into() }
}

/// SQL's LIKE.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern.as_str();
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| is_like(&text[at..], rest))
        }
        Some(wanted) => {
            let wanted = if wanted == '\\' { pattern.next() } else { Some(wanted).filter(|wanted| *wanted != '_') };
            let mut text = text.chars();
            let Some(found) = text.next() else { return false };
            wanted.is_none_or(|wanted| wanted == found) && is_like(text.as_str(), pattern.as_str())
        }
    }
}

impl Database {
    /// The answer of a SHOW or EXPLAIN; `None` for any other statement.
    pub(crate) fn show(&self, statement: &Statement, session: &Arc<Session>) -> Result<Option<Rows>> {
        Ok(Some(match statement {
            Statement::ShowObjects { kind, on, schema, like, filter, .. } => {
                let schema =
                    schema.as_deref().unwrap_or_else(|| session.named_schemas().next().map_or("", |first| first));
                let on = on.as_ref().map(|on| self.resolved(on, session)).transpose()?;
                let of_kind = |object: &&CatalogObject| kind.is_none_or(|kind| kind == object.kind);
                let of_name = |object: &&CatalogObject| {
                    like.as_ref().is_none_or(|like| is_like(names::split(&object.name).1, like))
                };
                let of_object = |object: &&CatalogObject| on.is_none() || object.on == on;
                let here = |object: &&CatalogObject| {
                    names::split(&object.name).0 == schema && names::schema_of(&object.name).is_none()
                };
                let objects = self.catalog();
                let shown = objects.iter().filter(of_kind).filter(of_name).filter(of_object).filter(here);
                self.filtered(self.show_objects(*kind, shown, &objects), filter.as_deref(), session)?
            }
            Statement::ShowColumns { name, like, filter } => {
                let rows = self.show_columns(&self.resolved(name, session)?, like.as_deref())?;
                self.filtered(rows, filter.as_deref(), session)?
            }
            Statement::ShowCreate { kind, name } => self.show_create(*kind, &self.resolved(name, session)?)?,
            Statement::Explain(target) => self.explain(target, session)?,
            _ => return Ok(None),
        }))
    }

    /// The rows for which a condition over the columns of the answer is true.
    fn filtered(&self, mut shown: Rows, filter: Option<&Expr>, session: &Arc<Session>) -> Result<Rows> {
        let Some(filter) = filter else { return Ok(shown) };
        let session = self.informed(session);
        let relation = Arc::new(Relation {
            id: u64::MAX,
            schema: String::new(),
            name: "show".to_owned(),
            columns: shown.columns.to_vec(),
            keys: Vec::new(),
            has_primary_key: false,
        });
        let (names, bool) = (Names::new(self, &session), ColumnType::from(Type::Bool));
        let (scalar, rel, _) =
            bind_scalar(filter, &filter.to_string(), &names, &session, Some(&relation), Some(&bool))?;
        let condition = compile_over(&scalar, &rel, &session, &[])?;
        let mut rows = Vec::with_capacity(shown.rows.len());
        for row in shown.rows.drain(..) {
            let is_true = matches!(condition.eval(&[row.as_ref()], &Scratch::new())?, Datum::Bool(true));
            rows.extend(is_true.then_some(row));
        }
        Ok(Rows { rows, ..shown })
    }

    fn show_objects<'a>(
        &self,
        kind: Option<ObjectKind>,
        shown: impl Iterator<Item = &'a CatalogObject>,
        objects: &[CatalogObject],
    ) -> Rows {
        let words = |object: &CatalogObject| object.kind.words().to_lowercase().replace(' ', "-");
        let name = |object: &CatalogObject| names::split(&object.name).1.to_owned();
        match kind {
            None => {
                let row = |o: &CatalogObject| vec![name(o), words(o), self.state_of(&o.name)];
                texts(&["name", "type", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Source) => self.show_sources(shown),
            Some(ObjectKind::Sink) => self.show_sinks(shown),
            Some(ObjectKind::View) => {
                let row = |o: &CatalogObject| vec![name(o), self.state_of(&o.name)];
                texts(&["name", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::MaterializedView) => {
                let row = |o: &CatalogObject| vec![name(o), "default".into(), self.state_of(&o.name)];
                texts(&["name", "cluster", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Index) => {
                let row = |index: &CatalogObject| {
                    let on = index.on.clone().unwrap_or_default();
                    let columns = objects.iter().find(|object| object.name == on).and_then(|o| o.columns.clone());
                    let column = |&at: &usize| columns.as_ref().map(|columns| columns[at].name.clone());
                    let key: Vec<_> = index.index_columns.iter().filter_map(column).collect();
                    let (key, status) = (format!("{{{}}}", key.join(",")), self.state_of(&index.name));
                    vec![name(index), on, "default".into(), key, status]
                };
                texts(&["name", "on", "cluster", "key", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Connection) => {
                let connection = |o: &CatalogObject| match self.connection(&o.name) {
                    Ok(crate::parse::ast::Connection::Kafka { .. }) => "kafka",
                    _ => "confluent-schema-registry",
                };
                texts(&["name", "type"], shown.map(|o| vec![name(o), connection(o).into()]).collect())
            }
            Some(ObjectKind::Schema) => {
                let own = self.objects.keys().filter_map(|key| names::schema_of(key));
                let own = own.filter(|schema| !tidewater_functions::is_temp_schema(schema));
                let mut all: Vec<&str> = tidewater_catalog::SCHEMAS.iter().copied().chain(own).collect();
                all.extend([names::PUBLIC, "tidewater"]);
                all.sort_unstable();
                texts(&["name"], all.into_iter().map(|name| vec![name.to_owned()]).collect())
            }
            Some(ObjectKind::Database) => texts(&["name"], vec![vec!["materialize".into()]]),
            Some(ObjectKind::Cluster) => texts(&["name"], vec![vec!["default".into()]]),
            Some(_) => texts(&["name"], shown.map(|o| vec![name(o)]).collect()),
        }
    }

    /// Sources as `tidewater.sources` has them; the status tells more.
    fn show_sources<'a>(&self, shown: impl Iterator<Item = &'a CatalogObject>) -> Rows {
        let all: Vec<_> = shown.filter_map(|object| self.source_status(&object.name)).collect();
        packed(crate::source_status::columns(), |types| {
            let row = |status| pack_row(types, &values(status, &self.state_of(&status.name), &status.shown_reason()));
            all.iter().map(row).collect()
        })
    }

    /// `running`, or what keeps it from that.
    fn state_of(&self, name: &str) -> String {
        if let Some(Object { body: Body::Broken(broken), .. }) = self.objects.get(name) {
            return format!("broken: {}", broken.error.message);
        }
        if let Some(state) = self.sink_state(name) {
            return state;
        }
        let sources = self.sources_of([name]);
        let states = sources.iter().filter_map(|name| self.source_status(name));
        let bad = |state| !matches!(state, SourceState::Running | SourceState::Hydrating);
        let worst = states.filter(|status| bad(status.health.state)).max_by_key(|status| status.health.state);
        if let Some(status) = worst {
            let word = status.health.state.word();
            return if status.name == name { word.into() } else { format!("{word}: source \"{}\"", status.name) };
        }
        match self.hydrating([name]).first() {
            None => "running".into(),
            Some((source, progress)) if progress.of == 0 => format!("hydrating: waiting for \"{source}\""),
            Some((source, progress)) => {
                format!("hydrating: {} of {} rows of \"{source}\"", progress.read, progress.of)
            }
        }
    }

    fn show_columns(&self, name: &str, like: Option<&str>) -> Result<Rows> {
        let relation =
            self.objects.get(name).and_then(|object| object.relation.clone()).ok_or_else(|| unknown(name))?;
        let shown = relation.columns.iter().filter(|column| like.is_none_or(|like| is_like(&column.name, like)));
        let columns = vec![
            Column::new("name", Type::Text).not_null(),
            Column::new("nullable", Type::Bool).not_null(),
            Column::new("type", Type::Text).not_null(),
        ];
        Ok(packed(columns, |types| {
            let row = |column: &Column| {
                let ty = column.ty.to_string();
                let values =
                    [Datum::from(column.name.as_str()), Datum::Bool(!column.not_null), Datum::from(ty.as_str())];
                pack_row(types, &values)
            };
            shown.map(row).collect()
        }))
    }

    fn show_create(&self, kind: ObjectKind, name: &str) -> Result<Rows> {
        let object = self.objects.get(name).filter(|_| !is_system(name)).ok_or_else(|| unknown(name))?;
        let found = object.kind();
        if found != kind && !(kind == ObjectKind::View && found == ObjectKind::MaterializedView) {
            let message = format!("\"{name}\" is not a {}", kind.words().to_lowercase());
            return Err(Error::new(b"42809", message).hint(format!("use SHOW CREATE {}", found.words())));
        }
        let definition = object.shown_definition(name);
        let (schema, own) = names::split(name);
        Ok(texts(&["name", "create_sql"], vec![vec![format!("materialize.{schema}.{own}"), definition]]))
    }

    fn explain(&self, target: &ExplainTarget, session: &Arc<Session>) -> Result<Rows> {
        let text = match target {
            ExplainTarget::Query(query) => {
                let planned = self.planned(query, "", &[], &self.informed(session))?;
                match &planned.lookup {
                    Some(lookup) => format!("Lookup in {} through an index", lookup.name),
                    None => planned.plan.to_string(),
                }
            }
            ExplainTarget::Object(name) => {
                let name = self.resolved(name, session)?;
                let object = self.objects.get(&name).ok_or_else(|| unknown(&name))?;
                match (&object.body, object.node()) {
                    (_, Some(node)) => self.circuit.explain(node),
                    (Body::View { view, .. }, _) => {
                        self.planned(&view.query, &view.text, &[], &self.informed(session))?.plan.to_string()
                    }
                    (Body::Index { on, columns, .. }, _) => {
                        let relation = self.objects.get(on).and_then(|object| object.relation.as_ref());
                        let name = |&at: &usize| Some(relation?.columns.get(at)?.name.clone());
                        let names: Vec<String> = columns.iter().filter_map(name).collect();
                        format!("Index of {on} by {}", names.join(", "))
                    }
                    _ => return Err(Error::new(b"42809", format!("\"{name}\" has no plan"))),
                }
            }
        };
        Ok(texts(&["plan"], text.lines().map(|line| vec![line.to_owned()]).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("orders", "ord%", true),
            ("orders", "%s", true),
            ("orders", "o_ders", true),
            ("orders", "order", false),
            ("a%b", "a\\%b", true),
            ("axb", "a\\%b", false),
            ("", "%", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} LIKE {pattern}");
        }
    }
}
