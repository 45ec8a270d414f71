//! `CREATE`: secrets, connections, sources, indexes; tables and views are sqlparser's.

use sqlparser::parser::IsOptional;
use sqlparser::tokenizer::Token;

use super::ast::{
    Broker, Connection, CreateSource, CreateView, Envelope, Format, Include, Metadata, OptionValue, Registry, Statement,
};
use super::cursor::Cursor;
use super::{alter, general, sequence};
use crate::alter::quoted;
use crate::names;
use crate::{Error, Result};

pub(super) type Options = Vec<(String, OptionValue)>;

pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let words = cursor.first_words(4);
    let mut second = words.split(' ').skip(1);
    let fourth = words.split(' ').nth(3).unwrap_or_default();
    match (second.next(), second.next()) {
        (Some("SCHEMA"), _) => schema(cursor),
        (Some("SECRET"), _) => secret(cursor),
        (Some("CONNECTION"), _) => connection(cursor),
        (Some("SOURCE"), _) | (Some("MATERIALIZED"), Some("SOURCE")) => source(cursor),
        (Some("SINK"), _) => super::sink::sink(cursor),
        (Some("INDEX"), _) | (Some("DEFAULT" | "UNIQUE"), Some("INDEX")) => index(cursor),
        (Some("VIEW" | "MATERIALIZED"), _) => view(cursor),
        (Some("TEMP" | "TEMPORARY"), Some("VIEW" | "MATERIALIZED")) => view(cursor),
        (Some("OR"), Some("REPLACE")) if ["VIEW", "MATERIALIZED", "TEMP", "TEMPORARY"].contains(&fourth) => {
            view(cursor)
        }
        (Some("SEQUENCE"), _) | (Some("TEMP" | "TEMPORARY"), Some("SEQUENCE")) => sequence::create(cursor),
        (Some("TABLE" | "TEMP" | "TEMPORARY"), _) => general(cursor),
        _ => {
            let words = cursor.first_words(2);
            cursor.skip_statement();
            Ok(Statement::Unsupported { words })
        }
    }
}

pub(super) fn if_not_exists(cursor: &mut Cursor<'_>) -> bool {
    cursor.words(&["IF", "NOT", "EXISTS"])
}

/// `IN CLUSTER name`: there is one cluster.
pub(super) fn in_cluster(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.words(&["IN", "CLUSTER"]) {
        cursor.identifier()?;
    }
    Ok(())
}

/// `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role]`: there is one role.
fn schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.words(&["CREATE", "SCHEMA"]);
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.schema_name()?;
    if cursor.word("AUTHORIZATION") {
        cursor.identifier()?;
    }
    Ok(Statement::CreateSchema { name, if_not_exists })
}

fn secret(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.words(&["CREATE", "SECRET"]);
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name()?;
    cursor.expect_word("AS")?;
    Ok(Statement::CreateSecret { name, if_not_exists, value: cursor.hidden_string()? })
}

fn connection(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.words(&["CREATE", "CONNECTION"]);
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name()?;
    cursor.expect_word("TO")?;
    let connection = if cursor.word("KAFKA") {
        let mut options = options(cursor)?;
        let brokers = take(&mut options, &["broker", "brokers"]).map(list).unwrap_or_default();
        if brokers.is_empty() {
            return Err(cursor.unexpected("BROKER 'host:port' among the options"));
        }
        Connection::Kafka { brokers, options }
    } else if cursor.words(&["CONFLUENT", "SCHEMA", "REGISTRY"]) {
        let mut options = options(cursor)?;
        let url = take(&mut options, &["url"]).map(list).unwrap_or_default().into_iter().next();
        let url = url.ok_or_else(|| cursor.unexpected("URL 'http://…' among the options"))?;
        Connection::SchemaRegistry { url, options }
    } else {
        let words = format!("CREATE CONNECTION TO {}", cursor.first_words(1));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    };
    if cursor.word("WITH") {
        let given = options_in_parentheses(cursor)?;
        // A connection is validated by its first use.
        if let Some((name, _)) = given.iter().find(|(name, _)| name != "validate") {
            let name = name.to_uppercase();
            return Err(Error::new(b"0A000", format!("option {name} of a connection is not supported")));
        }
    }
    Ok(Statement::CreateConnection { name, if_not_exists, connection })
}

pub(super) fn take(options: &mut Options, names: &[&str]) -> Option<OptionValue> {
    let at = options.iter().position(|(name, _)| names.contains(&name.as_str()))?;
    Some(options.remove(at).1)
}

fn list(value: OptionValue) -> Vec<String> {
    let split = |text: &String| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    match value {
        OptionValue::Text(text) | OptionValue::Secret(text) => split(&text),
        OptionValue::List(items) => items.iter().flat_map(split).collect(),
    }
}

/// `(NAME [=] value, …)`, or the same without parentheses.
fn options(cursor: &mut Cursor<'_>) -> Result<Options> {
    if *cursor.peek() == Token::LParen {
        return options_in_parentheses(cursor);
    }
    let mut options = vec![option(cursor)?];
    while cursor.comma() {
        options.push(option(cursor)?);
    }
    Ok(options)
}

pub(super) fn options_in_parentheses(cursor: &mut Cursor<'_>) -> Result<Options> {
    cursor.expect(&Token::LParen)?;
    let mut options = Vec::new();
    while *cursor.peek() != Token::RParen {
        options.push(option(cursor)?);
        if !cursor.comma() {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(options)
}

/// `SECURITY PROTOCOL = 'PLAINTEXT'`, `BROKER 'a:1'`, `start_offset = [0, 10]`, `PASSWORD = SECRET p`, `SNAPSHOT`.
fn option(cursor: &mut Cursor<'_>) -> Result<(String, OptionValue)> {
    let mut words = vec![cursor.identifier()?.to_lowercase()];
    while cursor.peek_word().is_some_and(|word| word != "SECRET") {
        words.push(cursor.identifier()?.to_lowercase());
    }
    let equals = cursor.token(&Token::Eq);
    let is_map = match equals {
        true => cursor.word("MAP"),
        false => *cursor.peek() == Token::LBracket && words.pop_if(|word| word == "map").is_some(),
    };
    let value = match cursor.peek().clone() {
        Token::LBracket if is_map => OptionValue::List(pairs(cursor)?),
        Token::Comma | Token::RParen if !equals => OptionValue::Text("true".into()),
        Token::LBracket => OptionValue::List(items(cursor, &Token::LBracket, &Token::RBracket)?),
        Token::LParen => OptionValue::List(items(cursor, &Token::LParen, &Token::RParen)?),
        _ if cursor.word("SECRET") => OptionValue::Secret(cursor.name()?),
        _ => {
            let mut text = scalar(cursor)?;
            if text.eq_ignore_ascii_case("dead") && cursor.word("LETTER") {
                text.push_str(" letter");
            }
            OptionValue::Text(text)
        }
    };
    Ok((words.join(" "), value))
}

/// `['a' => 'b', …]`: each as `a=b`.
fn pairs(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.expect(&Token::LBracket)?;
    let mut pairs = Vec::new();
    while *cursor.peek() != Token::RBracket {
        let name = scalar(cursor)?;
        cursor.expect(&Token::RArrow)?;
        pairs.push(format!("{name}={}", scalar(cursor)?));
        if !cursor.comma() {
            break;
        }
    }
    cursor.expect(&Token::RBracket)?;
    Ok(pairs)
}

fn items(cursor: &mut Cursor<'_>, open: &Token, close: &Token) -> Result<Vec<String>> {
    cursor.expect(open)?;
    let mut items = Vec::new();
    while cursor.peek() != close {
        items.push(scalar(cursor)?);
        if !cursor.comma() {
            break;
        }
    }
    cursor.expect(close)?;
    Ok(items)
}

/// A literal or a word, as text.
pub(super) fn scalar(cursor: &mut Cursor<'_>) -> Result<String> {
    let minus = cursor.token(&Token::Minus);
    match cursor.peek().clone() {
        Token::Number(number, _) => {
            cursor.next();
            Ok(if minus { format!("-{number}") } else { number })
        }
        Token::Word(word) if !minus => {
            cursor.next();
            Ok(word.value)
        }
        _ => cursor.string(),
    }
}

fn source(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CREATE");
    cursor.word("MATERIALIZED");
    cursor.word("SOURCE");
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name()?;
    let (columns, primary_key) = if *cursor.peek() == Token::LParen { columns(cursor)? } else { (Vec::new(), None) };
    in_cluster(cursor)?;
    cursor.expect_word("FROM")?;
    if !cursor.word("KAFKA") {
        let words = format!("CREATE SOURCE FROM {}", cursor.first_words(1));
        cursor.skip_statement();
        return Ok(Statement::Unsupported { words });
    }
    let (broker, topic, options) = location(cursor)?;
    let (key_format, format) = match formats(cursor)? {
        Ok(formats) => formats,
        Err(words) => {
            cursor.skip_statement();
            return Ok(Statement::Unsupported { words });
        }
    };
    let include = includes(cursor)?;
    let envelope = envelope(cursor)?;
    let mut on_error = match cursor.words(&["ON", "ERROR"]) {
        true => Some(alter::on_error_clause(cursor)?),
        false => None,
    };
    if cursor.words(&["EXPOSE", "PROGRESS", "AS"]) {
        cursor.name()?;
    }
    let mut options = options;
    // ALTER SOURCE adds one more of them.
    while cursor.word("WITH") {
        options.extend(options_in_parentheses(cursor)?);
    }
    while let Some(value) = take(&mut options, &["on error", "on_error"]) {
        on_error = Some(alter::on_error(&value)?);
    }
    let source = CreateSource {
        name,
        if_not_exists,
        columns,
        primary_key,
        broker,
        topic,
        options,
        key_format,
        format,
        include,
        envelope,
        on_error,
    };
    Ok(Statement::CreateSource(Box::new(source)))
}

type Columns = (Vec<(String, Option<sqlparser::ast::DataType>)>, Option<Vec<String>>);

/// `(id bigint, name, PRIMARY KEY (id) NOT ENFORCED)`.
fn columns(cursor: &mut Cursor<'_>) -> Result<Columns> {
    cursor.expect(&Token::LParen)?;
    let (mut columns, mut key) = (Vec::new(), None);
    loop {
        if cursor.words(&["PRIMARY", "KEY"]) {
            cursor.expect(&Token::LParen)?;
            let mut names = vec![cursor.identifier()?];
            while cursor.comma() {
                names.push(cursor.identifier()?);
            }
            cursor.expect(&Token::RParen)?;
            cursor.words(&["NOT", "ENFORCED"]);
            key = Some(names);
        } else {
            let name = cursor.identifier()?;
            let typed = !matches!(cursor.peek(), Token::Comma | Token::RParen);
            let data_type = if typed { Some(cursor.sqlparser(|parser| parser.parse_data_type())?) } else { None };
            if cursor.words(&["PRIMARY", "KEY"]) {
                cursor.words(&["NOT", "ENFORCED"]);
                key = Some(vec![name.clone()]);
            }
            if !cursor.words(&["NOT", "NULL"]) {
                cursor.word("NULL");
            }
            columns.push((name, data_type));
        }
        if !cursor.comma() {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok((columns, key))
}

/// `CONNECTION name (TOPIC 't', …)` or `BROKER 'h:p' TOPIC 't' [WITH (…)]`.
pub(super) fn location(cursor: &mut Cursor<'_>) -> Result<(Broker, String, Options)> {
    if cursor.word("CONNECTION") {
        let name = cursor.name()?;
        let mut options = options_in_parentheses(cursor)?;
        let topic = take(&mut options, &["topic"]).map(list).and_then(|topics| topics.into_iter().next());
        let topic = topic.ok_or_else(|| cursor.unexpected("TOPIC 'name' among the options"))?;
        return Ok((Broker::Connection(name), topic, options));
    }
    if !cursor.word("BROKER") && !cursor.word("BROKERS") {
        return Err(cursor.unexpected("CONNECTION or BROKER"));
    }
    let brokers = cursor.string()?.split(',').map(|broker| broker.trim().to_owned()).collect();
    cursor.expect_word("TOPIC")?;
    let topic = cursor.string()?;
    let options = if cursor.word("WITH") { options_in_parentheses(cursor)? } else { Vec::new() };
    Ok((Broker::Inline(brokers), topic, options))
}

pub(super) type Formats = (Option<Format>, Format);

/// `FORMAT f` or `KEY FORMAT f VALUE FORMAT f`; the inner error names a format that is not supported.
pub(super) fn formats(cursor: &mut Cursor<'_>) -> Result<Result<Formats, String>> {
    let mut key = None;
    if cursor.words(&["KEY", "FORMAT"]) {
        match format(cursor)? {
            Ok(found) => key = Some(found),
            Err(words) => return Ok(Err(words)),
        }
        cursor.expect_word("VALUE")?;
    }
    cursor.expect_word("FORMAT")?;
    Ok(format(cursor)?.map(|value| (key, value)))
}

fn format(cursor: &mut Cursor<'_>) -> Result<Result<Format, String>> {
    if cursor.words(&["AVRO", "USING", "CONFLUENT", "SCHEMA", "REGISTRY"]) {
        let registry = if cursor.word("CONNECTION") {
            Registry::Connection(cursor.name()?)
        } else {
            let url = cursor.string()?;
            let options = if cursor.word("WITH") { options_in_parentheses(cursor)? } else { Vec::new() };
            Registry::Inline { url, options }
        };
        // The columns are those of the latest schema when the source is made; records are read by their writer's.
        while cursor.words(&["KEY", "STRATEGY"]) || cursor.words(&["VALUE", "STRATEGY"]) {
            if let Some(strategy @ ("ID" | "INLINE")) = cursor.peek_word().as_deref() {
                return Err(Error::new(b"0A000", format!("STRATEGY {strategy} is not supported"))
                    .hint("leave it out: the columns are those of the latest schema when the source is made"));
            }
            cursor.expect_word("LATEST")?;
        }
        return Ok(Ok(Format::Avro(registry)));
    }
    let plain = [("JSON", Format::Json), ("TEXT", Format::Text), ("BYTES", Format::Bytes)];
    match plain.into_iter().find(|(word, _)| cursor.word(word)) {
        Some((_, format)) => Ok(Ok(format)),
        None => match cursor.peek_word() {
            Some(word) => Ok(Err(format!("FORMAT {word}"))),
            None => Err(cursor.unexpected("a format: AVRO, JSON, TEXT or BYTES")),
        },
    }
}

fn includes(cursor: &mut Cursor<'_>) -> Result<Vec<Include>> {
    let mut include = Vec::new();
    if !cursor.word("INCLUDE") {
        return Ok(include);
    }
    loop {
        let kinds = [
            ("KEY", Metadata::Key),
            ("PARTITION", Metadata::Partition),
            ("OFFSET", Metadata::Offset),
            ("TIMESTAMP", Metadata::Timestamp),
            ("HEADERS", Metadata::Headers),
        ];
        if cursor.peek_word().as_deref() == Some("HEADER") {
            return Err(
                Error::new(b"0A000", "INCLUDE HEADER is not supported").hint("INCLUDE HEADERS gives all of them")
            );
        }
        let Some((_, metadata)) = kinds.into_iter().find(|(word, _)| cursor.word(word)) else {
            return Err(cursor.unexpected("KEY, PARTITION, OFFSET, TIMESTAMP or HEADERS"));
        };
        let alias = if cursor.word("AS") { Some(cursor.identifier()?) } else { None };
        include.push(Include { metadata, alias });
        if !cursor.comma() {
            return Ok(include);
        }
        cursor.word("INCLUDE");
    }
}

fn envelope(cursor: &mut Cursor<'_>) -> Result<Envelope> {
    if !cursor.word("ENVELOPE") || cursor.word("NONE") {
        return Ok(Envelope::None);
    }
    if cursor.word("UPSERT") {
        if *cursor.peek() == Token::LParen {
            return Err(Error::new(b"0A000", "options of ENVELOPE UPSERT are not supported"));
        }
        return Ok(Envelope::Upsert);
    }
    cursor.expect_word("DEBEZIUM")?;
    // DEBEZIUM UPSERT said in 2021 that the topic may be compacted, which needs no saying here.
    cursor.word("UPSERT");
    let (mut transaction_source, mut collection) = (None, None);
    if cursor.token(&Token::LParen) {
        if !cursor.words(&["TRANSACTION", "METADATA"]) {
            return Err(cursor.unexpected("TRANSACTION METADATA"));
        }
        cursor.expect(&Token::LParen)?;
        cursor.expect_word("SOURCE")?;
        transaction_source = Some(cursor.name()?);
        if cursor.comma() {
            cursor.expect_word("COLLECTION")?;
            collection = Some(cursor.string()?);
        }
        cursor.expect(&Token::RParen)?;
        cursor.expect(&Token::RParen)?;
    }
    Ok(Envelope::Debezium { transaction_source, collection })
}

fn index(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CREATE");
    let (default, unique) = (cursor.word("DEFAULT"), cursor.word("UNIQUE"));
    cursor.word("INDEX");
    let if_not_exists = if_not_exists(cursor);
    in_cluster(cursor)?;
    let name = match cursor.peek_word().as_deref() {
        Some("ON") => None,
        _ => Some(cursor.name()?),
    };
    in_cluster(cursor)?;
    cursor.expect_word("ON")?;
    let on = cursor.name()?;
    if cursor.word("USING") {
        cursor.identifier()?;
    }
    let key = if cursor.token(&Token::LParen) {
        let mut key = vec![key_part(cursor)?];
        while cursor.comma() {
            key.push(key_part(cursor)?);
        }
        cursor.expect(&Token::RParen)?;
        Some(key)
    } else if default {
        None
    } else {
        return Err(cursor.unexpected("the index's columns in parentheses"));
    };
    if cursor.word("INCLUDE") {
        // An index leads to whole rows.
        cursor.sqlparser(|parser| parser.parse_parenthesized_column_list(IsOptional::Mandatory, false))?;
    }
    if cursor.words(&["NULLS", "NOT", "DISTINCT"]) {
        return Err(Error::new(b"0A000", "an index with NULLS NOT DISTINCT is not supported"));
    }
    cursor.words(&["NULLS", "DISTINCT"]);
    if cursor.word("WITH") {
        options_in_parentheses(cursor)?;
    }
    if cursor.peek_word().as_deref() == Some("WHERE") {
        return Err(Error::new(b"0A000", "an index with WHERE is not supported"));
    }
    if let (true, Some(key)) = (unique, &key) {
        return unique_index(name, if_not_exists, &on, key);
    }
    Ok(Statement::CreateIndex { name, if_not_exists, on, key: key.filter(|_| !default) })
}

/// `expression [ASC | DESC] [NULLS FIRST | LAST]`: the order of an index shows nowhere.
fn key_part(cursor: &mut Cursor<'_>) -> Result<sqlparser::ast::Expr> {
    let expr = cursor.sqlparser(|parser| parser.parse_expr())?;
    let _ = cursor.word("ASC") || cursor.word("DESC");
    let _ = cursor.words(&["NULLS", "FIRST"]) || cursor.words(&["NULLS", "LAST"]);
    Ok(expr)
}

/// `CREATE UNIQUE INDEX`: a unique constraint of its table.
fn unique_index(
    name: Option<String>,
    if_not_exists: bool,
    on: &str,
    key: &[sqlparser::ast::Expr],
) -> Result<Statement> {
    let columns: Vec<String> = key.iter().map(ToString::to_string).collect();
    if !key.iter().all(|part| matches!(part, sqlparser::ast::Expr::Identifier(_))) {
        let message = format!("a unique index on the expression {} is not supported", columns.join(", "));
        return Err(Error::new(b"0A000", message));
    }
    let (schema, table) = names::split(on);
    let plain = columns.join("_").replace('"', "");
    let name = name.map_or_else(|| format!("{table}_{plain}_idx"), |name| names::split(&name).1.to_owned());
    let of = if on.contains('.') { format!("{}.{}", quoted(schema), quoted(table)) } else { quoted(table) };
    let text = format!("ALTER TABLE {of} ADD CONSTRAINT {} UNIQUE ({})", quoted(&name), columns.join(", "));
    match super::parse(&text)?.pop().map(|parsed| parsed.statement) {
        Some(Statement::AlterTable(alter)) => Ok(Statement::CreateUniqueIndex { name, if_not_exists, alter }),
        _ => Err(Error::new(b"XX000", "ALTER TABLE is no statement")),
    }
}

/// `[WITH (option, …)]`: none of a view's options is done, and none is passed over in silence.
fn view_options(cursor: &mut Cursor<'_>) -> Result<()> {
    if !cursor.word("WITH") {
        return Ok(());
    }
    cursor.expect(&Token::LParen)?;
    let known: [&[&str]; 4] = [&["ASSERT", "NOT", "NULL"], &["REFRESH"], &["RETAIN", "HISTORY"], &["PARTITION", "BY"]];
    let name = match known.into_iter().find(|words| cursor.words(words)) {
        Some(words) => words.join(" "),
        None => cursor.identifier()?.to_uppercase(),
    };
    Err(Error::new(b"0A000", format!("option {name} of a view is not supported")).hint("leave it out"))
}

fn view(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.word("CREATE");
    let or_replace = cursor.words(&["OR", "REPLACE"]);
    let temporary = cursor.word("TEMP") || cursor.word("TEMPORARY");
    let materialized = cursor.word("MATERIALIZED");
    cursor.expect_word("VIEW")?;
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.sqlparser(|parser| parser.parse_object_name(false))?;
    super::temporary_name(temporary, &name)?;
    let name = names::key_of(&name)?;
    let mut columns = Vec::new();
    if cursor.token(&Token::LParen) {
        columns.push(cursor.identifier()?);
        while cursor.comma() {
            columns.push(cursor.identifier()?);
        }
        cursor.expect(&Token::RParen)?;
    }
    in_cluster(cursor)?;
    view_options(cursor)?;
    cursor.expect_word("AS")?;
    let query = cursor.sqlparser(|parser| parser.parse_query())?;
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        temporary,
        materialized,
        or_replace,
        if_not_exists,
        columns,
        query,
    })))
}
