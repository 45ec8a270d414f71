//! Text to statements: both grammars, what a statement says, where an error is, and that no text makes the parser panic.

use proptest::prelude::*;
use tidewater_sql::parse::ast::{
    CheckSource, CopyFormat, Direction, Envelope, ExplainTarget, Format, ObjectKind, OnError, OptionValue, Registry,
    SourceChange,
};
use tidewater_sql::{Statement, parse};

fn one(text: &str) -> Statement {
    let mut statements = parse(text).unwrap_or_else(|error| panic!("{text}: {error} at {:?}", error.position));
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0).statement
}

fn set(name: &str, value: Option<&str>) -> Statement {
    Statement::Set { name: name.into(), value: value.map(Into::into), local: false }
}

#[test]
fn texts_are_split_at_semicolons_outside_comments_and_quotes() {
    let texts = |text| parse(text).expect("statements").into_iter().map(|parsed| parsed.text).collect::<Vec<_>>();
    assert_eq!(texts(" ; -- nothing;\n /* a; /* b; */ */ ;"), Vec::<String>::new());
    assert_eq!(
        texts("SELECT ';' ; SELECT $$a;b$$;SELECT 1 AS \"x;y\""),
        ["SELECT ';'", "SELECT $$a;b$$", "SELECT 1 AS \"x;y\""]
    );
    assert_eq!(texts("-- é;\nSELECT 'ü' /* ; */ ;\n\tSHOW ALL"), ["SELECT 'ü' /* ; */", "SHOW ALL"]);
}

#[test]
fn session_statements() {
    let cases = [
        ("SET a = 1", set("a", Some("1"))),
        ("SET SESSION A TO off", set("a", Some("off"))),
        ("SET LOCAL a TO DEFAULT", Statement::Set { name: "a".into(), value: None, local: true }),
        ("SET search_path = \"$user\", public", set("search_path", Some("$user, public"))),
        ("SET TIME ZONE 'UTC'", set("timezone", Some("UTC"))),
        ("SET NAMES 'UTF8'", set("client_encoding", Some("UTF8"))),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            set("transaction_isolation", Some("read uncommitted")),
        ),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            Statement::Set { name: "transaction_isolation".into(), value: Some("serializable".into()), local: true },
        ),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY",
            Statement::Set { name: "transaction_read_only".into(), value: Some("on".into()), local: true },
        ),
        ("SHOW TIME ZONE", Statement::ShowVariable { name: "timezone".into() }),
        ("show transaction isolation level", Statement::ShowVariable { name: "transaction_isolation".into() }),
        ("SHOW ALL", Statement::ShowVariable { name: "all".into() }),
        ("SHOW cluster", Statement::ShowVariable { name: "cluster".into() }),
        ("RESET ALL", Statement::Reset { name: "all".into() }),
        ("BEGIN READ ONLY", Statement::Begin { read_only: Some(true), isolation: None }),
        ("START TRANSACTION", Statement::Begin { read_only: None, isolation: None }),
        (
            "BEGIN WORK ISOLATION LEVEL READ COMMITTED, READ WRITE",
            Statement::Begin { read_only: Some(false), isolation: Some("read committed".into()) },
        ),
        ("COMMIT AND NO CHAIN", Statement::Commit),
        ("COMMIT AND CHAIN", Statement::Unsupported { words: "COMMIT AND CHAIN".into() }),
        ("END", Statement::Commit),
        ("ABORT", Statement::Rollback),
        ("ROLLBACK WORK", Statement::Rollback),
        ("ROLLBACK TRANSACTION TO SAVEPOINT \"A\"", Statement::RollbackTo { name: "A".into() }),
        ("SAVEPOINT a", Statement::Savepoint { name: "a".into() }),
        ("RELEASE SAVEPOINT a", Statement::Release { name: "a".into() }),
        ("RELEASE a", Statement::Release { name: "a".into() }),
        ("UNLISTEN *", Statement::Nothing { tag: "UNLISTEN" }),
        ("CLOSE ALL", Statement::Close { name: None }),
        (
            "FETCH BACKWARD 2 FROM c",
            Statement::Fetch { name: "c".into(), direction: Direction::Forward(-2), moves: false, timeout: None },
        ),
        ("MOVE c", Statement::Fetch { name: "c".into(), direction: Direction::Forward(1), moves: true, timeout: None }),
        (
            "FETCH ALL c WITH (TIMEOUT = '1s')",
            Statement::Fetch {
                name: "c".into(),
                direction: Direction::Forward(i64::MAX),
                moves: false,
                timeout: Some("1s".into()),
            },
        ),
        ("UNLISTEN x", Statement::Unsupported { words: "UNLISTEN".into() }),
        ("DISCARD ALL", Statement::DiscardAll),
        ("DEALLOCATE PREPARE \"S1\"", Statement::Deallocate { name: Some("S1".into()) }),
        ("DEALLOCATE ALL", Statement::Deallocate { name: None }),
    ];
    for (text, expected) in cases {
        assert_eq!(one(text), expected, "{text}");
    }
}

#[test]
fn objects_are_shown_and_dropped_by_kind() {
    let show = |kind, on: Option<&str>, schema: Option<&str>, like: Option<&str>, full| Statement::ShowObjects {
        kind,
        on: on.map(Into::into),
        schema: schema.map(Into::into),
        like: like.map(Into::into),
        filter: None,
        full,
    };
    let index = Some(ObjectKind::Index);
    let cases = [
        ("SHOW SOURCES", show(Some(ObjectKind::Source), None, None, None, false)),
        ("SHOW SOURCES FROM public IN CLUSTER c", show(Some(ObjectKind::Source), None, Some("public"), None, false)),
        ("SHOW FULL MATERIALIZED SOURCES", show(Some(ObjectKind::Source), None, None, None, true)),
        ("SHOW MATERIALIZED VIEWS LIKE 'o%'", show(Some(ObjectKind::MaterializedView), None, None, Some("o%"), false)),
        ("SHOW INDEXES ON v", show(index, Some("v"), None, None, false)),
        ("SHOW INDEX FROM materialize.public.V", show(index, Some("v"), None, None, false)),
        ("SHOW EXTENDED FULL OBJECTS", show(None, None, None, None, true)),
        ("SHOW COLUMNS FROM v", Statement::ShowColumns { name: "v".into(), like: None, filter: None }),
        (
            "SHOW CREATE MATERIALIZED VIEW v",
            Statement::ShowCreate { kind: ObjectKind::MaterializedView, name: "v".into() },
        ),
        (
            "DROP SOURCE IF EXISTS a, \"B\" CASCADE",
            Statement::Drop {
                kind: ObjectKind::Source,
                if_exists: true,
                names: vec!["a".into(), "B".into()],
                cascade: true,
            },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(one(text), expected, "{text}");
    }
}

#[test]
fn explain_keeps_the_whole_query() {
    let query = |text: &str| match one(text) {
        Statement::Explain(ExplainTarget::Query(query)) => query.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(query("EXPLAIN SELECT 1"), "SELECT 1");
    assert_eq!(query("EXPLAIN WITH x AS (SELECT 1) SELECT * FROM x"), "WITH x AS (SELECT 1) SELECT * FROM x");
    assert_eq!(query("EXPLAIN OPTIMIZED PLAN WITH (arity, keys) AS TEXT FOR SELECT 1"), "SELECT 1");
    assert_eq!(query("EXPLAIN RAW PLAN FOR CREATE MATERIALIZED VIEW v AS SELECT 2"), "SELECT 2");
    for text in ["EXPLAIN VIEW v", "EXPLAIN PLAN FOR MATERIALIZED VIEW v", "EXPLAIN INDEX public.v"] {
        assert_eq!(one(text), Statement::Explain(ExplainTarget::Object("v".into())), "{text}");
    }
}

#[test]
fn a_name_alone_is_a_query_of_all_its_rows() {
    let query = |text: &str| match one(text) {
        Statement::CopyOut { query, .. } | Statement::Query(query) => query.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(query("TABLE \"V\""), "SELECT * FROM \"V\"");
    assert_eq!(query("COPY public.v TO STDOUT"), "SELECT * FROM public.v");
    assert_eq!(query("COPY v (a, \"B\") TO STDOUT WITH (FORMAT text)"), "SELECT a, \"B\" FROM v");
    let csv = one("COPY (SELECT 1) TO STDOUT (FORMAT CSV, HEADER)");
    let format = CopyFormat { csv: true, header: true, delimiter: ',', null: String::new(), quote: '"', escape: '"' };
    assert!(matches!(&csv, Statement::CopyOut { format: found, .. } if *found == format), "{csv:?}");
    let text = one("COPY v TO STDOUT DELIMITER '|' NULL AS 'NUL'");
    let format = CopyFormat { csv: false, header: false, delimiter: '|', null: "NUL".into(), quote: '"', escape: '"' };
    assert!(matches!(&text, Statement::CopyOut { format: found, .. } if *found == format), "{text:?}");
    assert_eq!(parse("COPY v TO STDOUT (FORMAT binary)").expect_err("a refusal").code(), "0A000");
}

#[test]
fn clauses_that_would_change_the_rows_are_refused_by_name() {
    for clause in ["INCLUDE HEADER 'h' AS h", "ENVELOPE UPSERT (VALUE DECODING ERRORS = INLINE)"] {
        let text = format!("CREATE SOURCE s FROM KAFKA BROKER 'a' TOPIC 't' FORMAT JSON {clause}");
        assert_eq!(parse(&text).expect_err("a refusal").code(), "0A000", "{clause}");
    }
}

#[test]
fn many_statements_in_one_line_keep_their_texts() {
    let text = "SELECT 'é';".repeat(20_000);
    let statements = parse(&text).expect("statements");
    assert_eq!(statements.len(), 20_000);
    assert!(statements.iter().all(|parsed| parsed.text == "SELECT 'é'"));
}

#[test]
fn sources_of_both_grammars() {
    let source = |text: &str| match one(text) {
        Statement::CreateSource(source) => source,
        other => panic!("{text}: {other:?}"),
    };
    let new = source(
        "CREATE SOURCE s IN CLUSTER c FROM KAFKA CONNECTION k (TOPIC 't', START OFFSET (0, 10), GROUP ID PREFIX 'g')
         KEY FORMAT TEXT VALUE FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION r VALUE STRATEGY LATEST
         INCLUDE KEY AS k, PARTITION, OFFSET AS o, TIMESTAMP, HEADERS ENVELOPE UPSERT EXPOSE PROGRESS AS p
         WITH (RETAIN HISTORY FOR '1hr')",
    );
    assert_eq!((new.topic.as_str(), new.include.len(), &new.envelope), ("t", 5, &Envelope::Upsert));
    assert_eq!((&new.key_format, &new.format), (&Some(Format::Text), &Format::Avro(Registry::Connection("r".into()))));
    assert_eq!(new.options[0], ("start offset".into(), OptionValue::List(vec!["0".into(), "10".into()])));
    let old = source(
        "CREATE MATERIALIZED SOURCE IF NOT EXISTS s (id, name, PRIMARY KEY (id) NOT ENFORCED)
         FROM KAFKA BROKER 'a:1,b:2' TOPIC 't' WITH (start_offset=[0,10], isolation_level='read_committed')
         FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://r' WITH (username='u')
         ENVELOPE DEBEZIUM (TRANSACTION METADATA (SOURCE tx, COLLECTION 'shop.orders'))",
    );
    assert_eq!(old.primary_key, Some(vec!["id".into()]));
    assert_eq!(old.columns, [("id".into(), None), ("name".into(), None)]);
    let transactions =
        Envelope::Debezium { transaction_source: Some("tx".into()), collection: Some("shop.orders".into()) };
    assert_eq!(old.envelope, transactions);
    let upsert = "CREATE SOURCE s FROM KAFKA BROKER 'a:1' TOPIC 't' FORMAT BYTES ENVELOPE DEBEZIUM UPSERT";
    assert_eq!(source(upsert).envelope, Envelope::Debezium { transaction_source: None, collection: None });
}

#[test]
fn what_becomes_of_bad_records_is_said_in_both_grammars() {
    let policy = |text: &str| match one(text) {
        Statement::CreateSource(source) => source.on_error,
        other => panic!("{text}: {other:?}"),
    };
    let new = "CREATE SOURCE s FROM KAFKA CONNECTION k (TOPIC 't') FORMAT JSON ENVELOPE DEBEZIUM";
    let old = "CREATE SOURCE s FROM KAFKA BROKER 'a:1' TOPIC 't' WITH (on_error='skip') FORMAT JSON";
    assert_eq!((policy(new), policy(old)), (None, Some(OnError::Skip)));
    for (clause, expected) in [
        ("ON ERROR STALL", OnError::Stall),
        ("ON ERROR DEAD LETTER", OnError::DeadLetter),
        ("ON ERROR SKIP EXPOSE PROGRESS AS p", OnError::Skip),
        ("WITH (ON ERROR = 'dead letter')", OnError::DeadLetter),
        ("WITH (ON ERROR = DEAD LETTER)", OnError::DeadLetter),
        ("ON ERROR STALL WITH (ON ERROR = 'skip')", OnError::Skip),
    ] {
        assert_eq!(policy(&format!("{new} {clause}")), Some(expected), "{clause}");
    }
    for wrong in ["ON ERROR", "ON ERROR IGNORE", "ON ERROR DEAD"] {
        assert_eq!(parse(&format!("{new} {wrong}")).expect_err(wrong).code(), "42601");
    }
    assert_eq!(parse(&format!("{new} WITH (ON ERROR = 'ignore')")).expect_err("a refusal").code(), "22023");
}

#[test]
fn sources_are_altered() {
    let refresh = Statement::AlterSource { name: "s".into(), change: SourceChange::Refresh };
    assert_eq!(
        (one("ALTER SOURCE public.s REFRESH"), one("ALTER SOURCE s REFRESH SCHEMA")),
        (refresh.clone(), refresh)
    );
    let skip = Statement::AlterSource { name: "s".into(), change: SourceChange::OnError(OnError::Skip) };
    assert_eq!(one("ALTER SOURCE s SET (ON ERROR = 'skip')"), skip);
    assert_eq!(parse("ALTER SOURCE s SET (TOPIC = 'x')").expect_err("a refusal").code(), "0A000");
    assert_eq!(parse("ALTER SOURCE s SET ()").expect_err("a refusal").code(), "42601");
    assert!(matches!(one("ALTER SOURCE s RENAME TO t"), Statement::Unsupported { words } if words.contains("RENAME")));
}

#[test]
fn options_that_are_not_done_are_refused_by_name() {
    let registry =
        "CREATE SOURCE s FROM KAFKA BROKER 'a' TOPIC 't' FORMAT AVRO USING CONFLUENT SCHEMA REGISTRY 'http://r'";
    for (text, name) in [
        (format!("{registry} VALUE STRATEGY ID 7"), "STRATEGY ID"),
        (format!("{registry} KEY STRATEGY INLINE '{{}}'"), "STRATEGY INLINE"),
        ("CREATE CONNECTION k TO KAFKA (BROKER 'a') WITH (RETRIES = 3)".into(), "RETRIES"),
    ] {
        let error = parse(&text).expect_err("a refusal");
        assert_eq!((error.code(), error.message.contains(name)), ("0A000", true), "{error}");
    }
    parse("CREATE CONNECTION k TO KAFKA (BROKER 'a') WITH (VALIDATE = false)")
        .expect("it is validated by its first use");
}

#[test]
fn statements_that_are_known_and_not_done_name_themselves() {
    let cases = [
        ("CREATE SINK k FROM v INTO AVRO OCF 'f'", "CREATE SINK INTO AVRO"),
        ("ALTER ROLE r SET a = 1", "ALTER ROLE"),
        ("ALTER VIEW v SET SCHEMA s", "ALTER VIEW … SET SCHEMA"),
        ("ALTER SEQUENCE s INCREMENT 2", "ALTER SEQUENCE … INCREMENT"),
        ("CREATE ROLE r", "CREATE ROLE"),
        ("LISTEN c", "LISTEN"),
        ("CREATE SOURCE m FROM MYSQL CONNECTION c FOR ALL TABLES", "CREATE SOURCE FROM MYSQL"),
        ("CREATE SOURCE m FROM LOAD GENERATOR COUNTER", "CREATE SOURCE FROM LOAD"),
        ("CREATE SOURCE s FROM KAFKA BROKER 'a' TOPIC 't' FORMAT CSV WITH 2 COLUMNS", "FORMAT CSV"),
        ("VACUUM", "VACUUM"),
        ("COPY t FROM 'file'", "COPY FROM"),
        ("EXPLAIN DELETE FROM t", "EXPLAIN DELETE"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int", "CREATE OR"),
    ];
    for (text, words) in cases {
        assert_eq!(one(text), Statement::Unsupported { words: words.into() }, "{text}");
    }
}

#[test]
fn errors_tell_the_character() {
    let cases = [
        ("SELEC 1", 1),
        ("SELECT 1; SELEC 2", 11),
        ("-- é\nSELECT 'ü' FROM )", 22),
        ("CREATE SOURCE s FROM KAFKA TOPIC 't'", 28),
        ("CREATE INDEX i ON v", 20),
        ("SHOW ALL ALL", 10),
        ("SET TRANSACTION ISOLATION LEVEL", 32),
        ("EXPLAIN PLAN WITH (arity", 25),
    ];
    for (text, position) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!((error.code(), error.position), ("42601", Some(position)), "{text}: {error}");
    }
}

/// Statements to break.
const SEEDS: [&str; 8] = [
    include_str!("../../../../sql/sources.sql"),
    include_str!("../../../../sql/views.sql"),
    include_str!("../../../../sql/materialize-2022.sql"),
    "EXPLAIN OPTIMIZED PLAN WITH (arity) FOR SELECT 'é', $$a$$, E'\\n'",
    "SHOW FULL MATERIALIZED VIEWS FROM public LIKE 'a%'; SHOW CREATE INDEX i; SHOW COLUMNS FROM v",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TIME ZONE 'UTC'; SET a = -1, b",
    "COPY (SELECT 1) TO STDOUT WITH (FORMAT CSV, HEADER true); DROP VIEW IF EXISTS a, b CASCADE; DEALLOCATE ALL",
    "INSERT INTO t VALUES (1, 'x'); UPDATE t SET a = 1 WHERE b; DELETE FROM t; CREATE TABLE t (a int PRIMARY KEY)",
];

proptest! {
    #[test]
    fn no_text_panics(seed in 0..SEEDS.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize,
        prop::sample::select(vec!["(", ")", "'", "\"", ";", "$$", "/*", "--", "é", "\n", " ", "[", "=", ",", "WITH", "-"])), 1..12)) {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (at, remove, insert) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + remove * 7).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = parse(&text) {
            let last = text.chars().count() + 1;
            prop_assert!(error.position.is_none_or(|position| (1..=last).contains(&(position as usize))), "{error:?}");
        }
    }
}

#[test]
fn check_source() {
    let check = |text: &str| match one(text) {
        Statement::CheckSource(check) => *check,
        other => panic!("{text}: {other:?}"),
    };
    let url = "mysql://u:p@h:3306/d";
    let named = check(&format!("CHECK SOURCE \"S\".t AGAINST MYSQL '{url}' TABLE Shop.\"My-T\""));
    let table = Some(("Shop".to_owned(), "My-T".to_owned()));
    let expected = CheckSource { name: Some("S.t".into()), server: OptionValue::Text(url.into()), table };
    assert_eq!(named, expected);
    let all = check("check sources against mysql secret k");
    assert_eq!(all, CheckSource { name: None, server: OptionValue::Secret("k".into()), table: None });
    for wrong in ["CHECK SOURCE s", "CHECK SOURCES AGAINST MYSQL 'u' TABLE a.b", "CHECK SOURCE s AGAINST 'u'"] {
        assert_eq!(parse(wrong).map(drop).map_err(|error| error.sqlstate), Err(*b"42601"), "{wrong}");
    }
    let error = parse("CHECK SOURCE s AGAINST MYSQL 'u' TABLE t").expect_err("a table without its database");
    assert_eq!(error.sqlstate, *b"42602");
}

#[test]
fn what_others_see_of_a_text_holds_no_secret() {
    let text = "SELECT 1;\nCHECK SOURCE s AGAINST MYSQL 'mysql://u:it''s@h/d' TABLE a.b; CREATE SECRET k AS 'hush'";
    let parsed = parse(text).expect("statements");
    let shown = parsed[0].whole.to_string();
    assert!(!shown.contains("it") && !shown.contains("hush"), "{shown}");
    assert!(shown.starts_with("SELECT 1;\nCHECK SOURCE s AGAINST MYSQL '*") && shown.ends_with('\''), "{shown}");
    assert!(parsed.iter().all(|one| *one.whole == *shown) && shown.chars().count() == text.chars().count());
    assert!(parsed[2].text.contains("hush"), "what is kept is the statement itself");
}
