//! `SHOW` and `EXPLAIN`: the catalog as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::catalog::{Body, CatalogObject, Object, is_system};
use crate::database::Database;
use crate::{Error, Result};
use crate::parse::ast::{ExplainTarget, ObjectKind, Statement};
use crate::source_status::{SourceState, SourceStatus};
use crate::table_changes::unknown;
use crate::type_names::type_name;

/// Rows of text columns.
fn texts(names: &[&str], rows: Vec<Vec<String>>) -> Result<RecordBatch> {
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let column = |at: usize| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[at]))) };
    let columns = (0..names.len()).map(column).collect();
    batch(Arc::new(Schema::new(fields)), columns)
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, columns).map_err(|error| Error::new(b"XX000", error.to_string()))
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
    /// Columns of the answer of a statement that is not a query; `None` where it answers a tag.
    pub(crate) fn answer_columns(&self, statement: &Statement) -> Result<Option<SchemaRef>> {
        Ok(self.show(statement)?.map(|batch| batch.schema()))
    }

    /// The answer of a SHOW or EXPLAIN; `None` for any other statement.
    pub(crate) fn show(&self, statement: &Statement) -> Result<Option<RecordBatch>> {
        Ok(Some(match statement {
            Statement::ShowObjects { kind, on, schema, like, .. } => {
                let of_kind = |object: &&CatalogObject| kind.is_none_or(|kind| kind == object.kind);
                let of_name = |object: &&CatalogObject| like.as_ref().is_none_or(|like| is_like(&object.name, like));
                let of_object = |object: &&CatalogObject| on.is_none() || object.on == *on;
                let here = schema.as_ref().is_none_or(|schema| schema == "public");
                let objects = self.catalog();
                let shown = objects.iter().filter(of_kind).filter(of_name).filter(of_object).filter(|_| here);
                self.show_objects(*kind, shown, &objects)?
            }
            Statement::ShowColumns { name, like } => self.show_columns(name, like.as_deref())?,
            Statement::ShowCreate { kind, name } => self.show_create(*kind, name)?,
            Statement::Explain(target) => self.explain(target)?,
            _ => return Ok(None),
        }))
    }

    fn show_objects<'a>(
        &self,
        kind: Option<ObjectKind>,
        shown: impl Iterator<Item = &'a CatalogObject>,
        objects: &[CatalogObject],
    ) -> Result<RecordBatch> {
        let words = |object: &CatalogObject| object.kind.words().to_lowercase().replace(' ', "-");
        match kind {
            None => {
                let row = |o: &CatalogObject| vec![o.name.clone(), words(o), self.state_of(&o.name)];
                texts(&["name", "type", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Source) => self.show_sources(shown),
            Some(ObjectKind::View) => {
                let row = |o: &CatalogObject| vec![o.name.clone(), self.state_of(&o.name)];
                texts(&["name", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::MaterializedView) => {
                let row = |o: &CatalogObject| vec![o.name.clone(), "default".into(), self.state_of(&o.name)];
                texts(&["name", "cluster", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Index) => {
                let row = |index: &CatalogObject| {
                    let on = index.on.clone().unwrap_or_default();
                    let columns = objects.iter().find(|object| object.name == on).and_then(|o| o.columns.clone());
                    let name = |&at: &usize| columns.as_ref().map(|columns| columns.field(at).name().clone());
                    let key: Vec<_> = index.index_columns.iter().filter_map(name).collect();
                    let (key, status) = (format!("{{{}}}", key.join(",")), self.state_of(&index.name));
                    vec![index.name.clone(), on, "default".into(), key, status]
                };
                texts(&["name", "on", "cluster", "key", "status"], shown.map(row).collect())
            }
            Some(ObjectKind::Connection) => {
                let connection = |o: &CatalogObject| match self.connection(&o.name) {
                    Ok(crate::parse::ast::Connection::Kafka { .. }) => "kafka",
                    _ => "confluent-schema-registry",
                };
                texts(&["name", "type"], shown.map(|o| vec![o.name.clone(), connection(o).into()]).collect())
            }
            Some(ObjectKind::Schema) => {
                let names = ["information_schema", "pg_catalog", "public", "tidewater"];
                texts(&["name"], names.iter().map(|name| vec![(*name).to_owned()]).collect())
            }
            Some(ObjectKind::Database) => texts(&["name"], vec![vec!["materialize".into()]]),
            Some(ObjectKind::Cluster) => texts(&["name"], vec![vec!["default".into()]]),
            Some(_) => texts(&["name"], shown.map(|o| vec![o.name.clone()]).collect()),
        }
    }

    /// Sources as `tidewater.sources` has them; the status tells more.
    fn show_sources<'a>(&self, shown: impl Iterator<Item = &'a CatalogObject>) -> Result<RecordBatch> {
        let all: Vec<_> = shown.filter_map(|object| self.source_status(&object.name)).collect();
        let texts = |text: &dyn Fn(&SourceStatus) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(all.iter().map(text)))
        };
        let since = all.iter().map(|status| Some(status.since_ms * 1_000).filter(|since| *since > 0));
        let count = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let columns: Vec<ArrayRef> = vec![
            texts(&|status| status.name.clone()),
            texts(&|_| "kafka".into()),
            texts(&|status| self.state_of(&status.name)),
            Arc::new(TimestampMicrosecondArray::from_iter(since).with_timezone("UTC")),
            texts(&SourceStatus::shown_reason),
            texts(&|status| status.health.hint.clone()),
            Arc::new(Int64Array::from_iter(all.iter().map(|status| count(Some(status.health.lost))))),
            Arc::new(Int64Array::from_iter(all.iter().map(|status| count(status.health.lag)))),
            texts(&|status| status.on_error.words().into()),
            texts(&|status| status.consistency.word().into()),
        ];
        batch(crate::source_status::columns(), columns)
    }

    /// `running`, or what keeps it from that.
    fn state_of(&self, name: &str) -> String {
        if let Some(Object { body: Body::Broken(broken), .. }) = self.objects.get(name) {
            return format!("broken: {}", broken.error.message);
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

    fn show_columns(&self, name: &str, like: Option<&str>) -> Result<RecordBatch> {
        let columns = self.columns.get(name).ok_or_else(|| unknown(name))?;
        let fields: Vec<_> =
            columns.fields().iter().filter(|field| like.is_none_or(|like| is_like(field.name(), like))).collect();
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, false),
            Field::new("nullable", DataType::Boolean, false),
            Field::new("type", DataType::Utf8, false),
        ]);
        let names = StringArray::from_iter_values(fields.iter().map(|field| field.name()));
        let nullable = BooleanArray::from_iter(fields.iter().map(|field| Some(field.is_nullable())));
        let types = StringArray::from_iter_values(fields.iter().map(|field| type_name(field.data_type())));
        batch(Arc::new(schema), vec![Arc::new(names), Arc::new(nullable), Arc::new(types)])
    }

    fn show_create(&self, kind: ObjectKind, name: &str) -> Result<RecordBatch> {
        let object = self.objects.get(name).filter(|_| !is_system(name)).ok_or_else(|| unknown(name))?;
        let found = object.kind();
        if found != kind && !(kind == ObjectKind::View && found == ObjectKind::MaterializedView) {
            let message = format!("\"{name}\" is not a {}", kind.words().to_lowercase());
            return Err(Error::new(b"42809", message).hint(format!("use SHOW CREATE {}", found.words())));
        }
        let definition = object.shown_definition(name);
        texts(&["name", "create_sql"], vec![vec![format!("materialize.public.{name}"), definition]])
    }

    fn explain(&self, target: &ExplainTarget) -> Result<RecordBatch> {
        let text = match target {
            ExplainTarget::Query(query) => {
                let plan = self.uncoerced(query)?;
                match self.lookup_of(&plan) {
                    Some(lookup) => format!("Lookup in {} through an index", lookup.name),
                    None => self.state.optimize(&plan)?.display_indent().to_string(),
                }
            }
            ExplainTarget::Object(name) => {
                let object = self.objects.get(name).ok_or_else(|| unknown(name))?;
                match (&object.body, object.node()) {
                    (_, Some(node)) => self.circuit.explain(node),
                    (Body::View { view, .. }, _) => view.logical_plan().display_indent().to_string(),
                    (Body::Index { on, columns, .. }, _) => {
                        let names = columns.iter().map(|&at| self.columns[on].field(at).name().clone());
                        format!("Index of {on} by {}", names.collect::<Vec<_>>().join(", "))
                    }
                    _ => return Err(Error::new(b"42809", format!("\"{name}\" has no plan"))),
                }
            }
        };
        texts(&["plan"], text.lines().map(|line| vec![line.to_owned()]).collect())
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
