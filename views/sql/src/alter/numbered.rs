//! Columns that sequences number, and what else goes by a column's name, as ALTER TABLE changes them.

use sqlparser::ast::{AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef};
use tidewater_catalog::On;

use super::declaration::Altered;
use super::{quoted, quoted_key};
use crate::catalog::Body;
use crate::database::Database;
use crate::names::{fold, split};
use crate::sequence::Mark;
use crate::{Error, Result};

impl Database {
    /// Adds a `serial` or identity column: the rows that there are get the first numbers, in no order. Gives its sequence.
    pub(super) fn add_numbered(&mut self, key: &str, column: &ColumnDef, altered: &mut Altered) -> Result<String> {
        let mut column = column.clone();
        let Some(numbers) = crate::table::numbered(&column)? else {
            return Err(Error::new(b"XX000", "not a column of a sequence"));
        };
        let (name, default) = self.serial(key, &column.name, &numbers)?;
        let added = self.sequence_of_key(&name).and_then(|sequence| {
            crate::table::number(&mut column, &numbers, &default)?;
            let (start, increment) = (sequence.start, sequence.increment);
            let value = format!("(row_number() OVER () - 1) * ({increment}) + ({start})");
            altered.add_filled(column, value)
        });
        match added {
            Ok(()) => Ok(name),
            Err(error) => {
                self.forget(&[name]);
                Err(error)
            }
        }
    }

    /// The sequences of new columns go on behind the numbers that so many rows got.
    pub(super) fn go_on_behind(&mut self, sequences: &[String], rows: usize) -> Result<()> {
        let Some(last) = i64::try_from(rows).ok().and_then(|rows| rows.checked_sub(1)).filter(|last| *last >= 0) else {
            return Ok(());
        };
        for name in sequences {
            let sequence = self.sequence_of_key(name)?;
            let value = sequence.increment.checked_mul(last).and_then(|passed| sequence.start.checked_add(passed));
            // The rows hold it.
            let value = value.ok_or_else(|| Error::new(b"2200H", "a sequence has come to its end"))?;
            sequence.set(Mark { value, called: true });
        }
        Ok(())
    }

    fn sequence_of_key(&self, key: &str) -> Result<std::sync::Arc<crate::sequence::Sequence>> {
        match self.objects.get(key).map(|object| &object.body) {
            Some(Body::Sequence { sequence, .. }) => Ok(sequence.clone()),
            _ => Err(Error::new(b"42P01", format!("relation \"{}\" does not exist", split(key).1))),
        }
    }

    /// Fails where DEFAULT or NOT NULL of an identity column would change.
    pub(super) fn not_of_identity(&self, key: &str, operation: &AlterTableOperation) -> Result<()> {
        use AlterColumnOperation as O;
        let AlterTableOperation::AlterColumn { column_name, op } = operation else { return Ok(()) };
        let name = fold(column_name);
        let changes = matches!(op, O::SetDefault { .. } | O::DropDefault | O::DropNotNull);
        if !changes || !self.identities(key).iter().any(|(identity, _)| *identity == name) {
            return Ok(());
        }
        let table = split(key).1;
        Err(Error::new(b"42601", format!("column \"{name}\" of relation \"{table}\" is an identity column")))
    }

    /// What belongs to columns follows their names, and goes where they went: sequences, comments.
    pub(super) fn columns_are_called(&mut self, key: &str, names: &[(String, Option<String>)]) {
        let now = |column: &str| names.iter().find(|(old, _)| old == column).map(|(_, now)| now);
        let mut gone = Vec::new();
        for (name, object) in &mut self.objects {
            let Body::Sequence { owner: Some(owner), .. } = &mut object.body else { continue };
            if owner.table != key {
                continue;
            }
            match now(&owner.column) {
                Some(None) => gone.push(name.clone()),
                Some(Some(column)) if *column != owner.column => {
                    owner.column.clone_from(column);
                    let of = format!(" OWNED BY {}.{}", quoted_key(key), quoted(column));
                    let end = object.definition.rfind(" OWNED BY ").unwrap_or(object.definition.len());
                    object.definition.replace_range(end.., &of);
                }
                _ => {}
            }
        }
        self.forget(&gone);
        let Some(object) = self.objects.get_mut(key) else { return };
        let comments = std::mem::take(&mut object.comments).into_iter();
        let moved = comments.filter_map(|(on, text)| match &on {
            On::Column(column) => match now(column) {
                Some(column) => column.clone().map(|column| (On::Column(column), text)),
                None => Some((on, text)),
            },
            _ => Some((on, text)),
        });
        object.comments = moved.collect();
        self.told = std::sync::OnceLock::new();
    }

    /// Comments of constraints follow RENAME CONSTRAINT, and go with DROP CONSTRAINT.
    pub(super) fn rename_constraint_comments(&mut self, key: &str, alter: &AlterTable) {
        let Some(object) = self.objects.get_mut(key) else { return };
        for operation in &alter.operations {
            match operation {
                AlterTableOperation::RenameConstraint { old_name, new_name } => {
                    if let Some(text) = object.comments.remove(&On::Constraint(fold(old_name))) {
                        object.comments.insert(On::Constraint(fold(new_name)), text);
                    }
                }
                AlterTableOperation::DropConstraint { name, .. } => {
                    object.comments.remove(&On::Constraint(fold(name)));
                }
                _ => {}
            }
        }
    }
}
