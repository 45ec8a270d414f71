//! Every type through the protocol: what comes in text and in binary is one value, and goes back as a parameter in both forms.

use std::error::Error;

use bytes::BytesMut;
use tidewater_types::{ColumnType, Scratch, Settings, input_binary, output};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

use crate::{RUNTIME, connect, server};

/// The bytes of a value as they are on the wire, and whether they are its binary form.
#[derive(Debug, Clone, PartialEq)]
struct Raw(Vec<u8>, bool);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw.to_vec(), true))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.1 { Format::Binary } else { Format::Text }
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Types and values as PostgreSQL prints them.
const VALUES: [(&str, &str); 44] = [
    ("boolean", "f"),
    ("smallint", "-32768"),
    ("integer", "2147483647"),
    ("bigint", "-9223372036854775808"),
    ("uint2", "65535"),
    ("uint4", "4294967295"),
    ("uint8", "18446744073709551615"),
    ("real", "1.1"),
    ("double precision", "-0"),
    ("double precision", "Infinity"),
    ("numeric", "-12345678901234567890123456789012345678901234567890.1234500"),
    ("numeric", "NaN"),
    ("numeric(10,2)", "0.50"),
    ("text", "é\"\\ 'x'"),
    ("character varying(3)", "abc"),
    ("character(5)", "a    "),
    ("name", "a name"),
    ("\"char\"", "x"),
    ("bytea", "\\x00ff7f"),
    ("date", "0044-03-15 BC"),
    ("date", "infinity"),
    ("time", "24:00:00"),
    ("time with time zone", "12:34:56.5+05:30"),
    ("timestamp", "2024-02-29 23:59:59.999999"),
    ("timestamp with time zone", "2024-07-01 14:00:00+02"),
    ("timestamp with time zone", "2024-01-01 00:00:00.5+01"),
    ("interval", "1 year 2 mons -3 days +04:05:06.7"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "{\"a\" : [1, 1.50]}"),
    ("jsonb", "{\"a\": [1, 1.50, null], \"bb\": \"é\"}"),
    ("oid", "4294967295"),
    ("regclass", "pg_type"),
    ("regclass", "own"),
    ("regtype", "character varying"),
    ("int2vector", "1 2"),
    ("oidvector", "20 4294967295"),
    ("integer[]", "{{1,NULL},{3,4}}"),
    ("integer[]", "[0:1]={5,6}"),
    ("text[]", "{\"a,b\",NULL,\"\",\"NULL\"}"),
    ("numeric[]", "{1.50,NaN}"),
    ("int4range", "[1,5)"),
    ("tstzrange", "(,\"2024-07-01 14:00:00+02\"]"),
    ("nummultirange", "{[1.0,2.5),(7,)}"),
    ("date[]", "{2024-01-02,-infinity}"),
];

#[test]
fn text_and_binary_are_one_value_both_ways() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        client.batch_execute("CREATE TABLE own (a int)").await.expect("a table");
        client.batch_execute("SET TIME ZONE 'Europe/Berlin'").await.expect("a zone");
        let session = Settings {
            time_zone: tidewater_types::time::Zone::named("Europe/Berlin").expect("a zone"),
            ..Settings::default()
        };
        for (name, text) in VALUES {
            let literal = format!("SELECT '{}'::{name}", text.replace('\'', "''"));
            let messages = client.simple_query(&literal).await.unwrap_or_else(|error| panic!("{literal}: {error:?}"));
            let shown = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            assert_eq!(shown, Some(text), "{name} in text");
            let row = client.query_one(&literal, &[]).await.unwrap_or_else(|error| panic!("{literal}: {error:?}"));
            let ty = ColumnType::parse(name).expect("a type");
            assert_eq!(row.columns()[0].type_().oid(), ty.ty.oid(), "{name}");
            let binary: Raw = row.get(0);
            if !name.starts_with("reg") {
                let (scratch, mut again) = (Scratch::new(), String::new());
                let value = input_binary(&binary.0, &ty, &session, &scratch).expect(name);
                output(&value, &ty, &session, &mut again);
                assert_eq!(again, text, "{name} in binary");
            }
            let statement = client.prepare(&format!("SELECT $1::{name}")).await.expect(name);
            assert_eq!(statement.params()[0].oid(), ty.ty.oid(), "{name}");
            for parameter in [binary.clone(), Raw(text.as_bytes().to_vec(), false)] {
                let back = client.query_one(&statement, &[&parameter]).await;
                let back = back.unwrap_or_else(|error| panic!("{name} as a parameter: {error:?}"));
                assert_eq!(back.get::<_, Raw>(0), binary, "{name} as a parameter, binary: {}", parameter.1);
            }
        }
        running.stop().await;
    });
}

#[test]
fn null_is_null_in_both_forms() {
    RUNTIME.block_on(async {
        let running = server().await;
        let client = connect(&running).await;
        for (name, _) in VALUES {
            let statement = client.prepare(&format!("SELECT $1::{name}")).await.expect(name);
            let row = client.query_one(&statement, &[&None::<Raw>]).await.expect(name);
            assert_eq!(row.get::<_, Option<Raw>>(0), None, "{name}");
        }
        // A type that is not known here: its bytes would be taken for another's.
        let error = client.prepare_typed("SELECT $1::text", &[Type::INET]).await.expect_err("inet");
        assert_eq!(error.code().map(|code| code.code()), Some("0A000"));
        running.stop().await;
    });
}
