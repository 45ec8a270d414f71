//! `CREATE SEQUENCE` and `COMMENT ON`.

use sqlparser::ast as sql;
use sqlparser::tokenizer::Token;
use tidewater_catalog::{Identity, On};

use super::ast::{Comment, CreateSequence, ObjectKind, Statement};
use super::cursor::Cursor;
use super::object_kind;
use crate::{Error, Result};

/// `CREATE [TEMP | TEMPORARY] SEQUENCE [IF NOT EXISTS] name [option …]`, options in any order.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CREATE");
    let temporary = cursor.word("TEMP") || cursor.word("TEMPORARY");
    cursor.expect_word("SEQUENCE")?;
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
    super::temporary_name(temporary, &name)?;
    let mut create = CreateSequence {
        name,
        temporary,
        if_not_exists,
        data_type: None,
        options: Vec::new(),
        owned_by: None,
        identity: None,
    };
    while !matches!(cursor.peek(), Token::EOF | Token::SemiColon) {
        option(cursor, &mut create)?;
    }
    Ok(Statement::CreateSequence(Box::new(create)))
}

fn option(cursor: &mut Cursor<'_>, create: &mut CreateSequence) -> Result<()> {
    use sql::SequenceOptions as O;
    let redundant = || Error::new(b"42601", "conflicting or redundant options");
    if cursor.word("AS") {
        let ty = cursor.sqlparser(|parser| parser.parse_data_type())?;
        return if create.data_type.replace(ty).is_none() { Ok(()) } else { Err(redundant()) };
    }
    if cursor.words(&["OWNED", "BY"]) {
        let of = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
        return if create.owned_by.replace(of).is_none() { Ok(()) } else { Err(redundant()) };
    }
    // As the sequence of an identity column is kept.
    if cursor.word("GENERATED") {
        let always = cursor.word("ALWAYS");
        if !always {
            cursor.expect_word("BY")?;
            cursor.expect_word("DEFAULT")?;
        }
        create.identity = Some(if always { Identity::Always } else { Identity::ByDefault });
        return Ok(());
    }
    let option = if cursor.word("INCREMENT") {
        cursor.word("BY");
        O::IncrementBy(number(cursor)?, false)
    } else if cursor.word("MINVALUE") {
        O::MinValue(Some(number(cursor)?))
    } else if cursor.words(&["NO", "MINVALUE"]) {
        O::MinValue(None)
    } else if cursor.word("MAXVALUE") {
        O::MaxValue(Some(number(cursor)?))
    } else if cursor.words(&["NO", "MAXVALUE"]) {
        O::MaxValue(None)
    } else if cursor.word("START") {
        cursor.word("WITH");
        O::StartWith(number(cursor)?, false)
    } else if cursor.word("CACHE") {
        O::Cache(number(cursor)?)
    } else if cursor.words(&["NO", "CYCLE"]) {
        O::Cycle(true)
    } else if cursor.word("CYCLE") {
        O::Cycle(false)
    } else {
        return Err(cursor.unexpected("an option of the sequence"));
    };
    let kind = std::mem::discriminant(&option);
    if create.options.iter().any(|known| std::mem::discriminant(known) == kind) {
        return Err(redundant());
    }
    create.options.push(option);
    Ok(())
}

fn number(cursor: &mut Cursor<'_>) -> Result<sql::Expr> {
    cursor.sqlparser(|parser| parser.parse_number())
}

/// `COMMENT ON kind name IS 'text' | NULL`.
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(3);
    cursor.word("COMMENT");
    cursor.expect_word("ON")?;
    let (kind, name, on) = if cursor.word("COLUMN") {
        let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
        let mut parts = name.0;
        let column = parts.pop().and_then(|part| part.as_ident().map(crate::names::fold)).unwrap_or_default();
        if parts.is_empty() {
            return Err(Error::new(b"42601", "column name must be qualified"));
        }
        let table = crate::names::key_of(&sql::ObjectName(parts))?;
        (ObjectKind::Table, table, On::Column(column))
    } else if cursor.word("CONSTRAINT") {
        let constraint = cursor.identifier()?;
        cursor.expect_word("ON")?;
        (ObjectKind::Table, cursor.name()?, On::Constraint(constraint))
    } else {
        let kind = object_kind(cursor);
        let kind = kind.filter(|kind| !matches!(kind, ObjectKind::Database | ObjectKind::Cluster));
        let Some(kind) = kind else {
            cursor.skip_statement();
            return Ok(Statement::Unsupported { words });
        };
        let name = if kind == ObjectKind::Schema { cursor.schema_name()? } else { cursor.name()? };
        (kind, name, On::Itself)
    };
    cursor.expect_word("IS")?;
    let text = if cursor.word("NULL") { None } else { Some(cursor.string()?) };
    Ok(Statement::Comment(Box::new(Comment { kind, name, on, text })))
}
