//! The tables that tests ask about, the same in the judge and here: with NULLs, with rows that occur twice, without any row.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use tidewater_delta::{Row, RowRef};
use tidewater_judge::{Connection, server, tpch};
use tidewater_query::catalog::{Catalog, KeptRows, Relation, Rows, Source};
use tidewater_query::run::pack_row;
use tidewater_types::{Column, ColumnType, Datum, Result, Scratch, Settings, Type, input};

const TABLES: &str = "
create table t (id int4 primary key, a int4, b int4, c text);
insert into t values (1,1,10,'x'),(2,1,20,'y'),(3,2,10,null),(4,2,null,'x'),(5,3,30,'z'),(6,null,30,'y'),(7,null,null,null),(8,3,30,'z');
create table u (id int4 primary key, t_id int4, x int8, y text not null);
insert into u values (1,1,100,'p'),(2,1,200,'q'),(3,2,100,'p'),(4,9,null,'r'),(5,null,300,'s'),(6,5,10,'x'),(7,5,30,'z');
create table n (k int4, v int4);
insert into n values (1,1),(1,1),(1,null),(2,5),(null,5),(null,null),(null,null),(3,7);
create table m (k int4, v int4);
insert into m values (1,1),(2,6),(2,5),(4,4),(4,4),(null,5);
create table e (k int4, v int4, w text);
create table emp (id int4 primary key, name text not null, boss int4, dept text, salary int4);
insert into emp values (1,'ann',null,'it',100),(2,'bob',1,'it',80),(3,'cid',1,'hr',70),(4,'dan',2,'it',80),(5,'eve',2,'hr',60),(6,'fay',9,null,50),(7,'gus',3,'hr',70);
create table s (id int4 primary key, small int2, f float8, flag bool);
insert into s values (1,1,1.5,true),(2,2,'NaN',false),(3,3,'-Infinity',null),(4,null,-0.0,true),(5,5,0,false),(6,2,2.25,true);
create table x (p int4, q int4);
create table pay (id int4 primary key, money numeric(8,2), rate numeric(30,4), code varchar(6));
insert into pay values (1,12.50,1.0000,'x'),(2,1,1,'y'),(3,0.5,null,null),(4,null,2.5,'x'),(5,10,10,'abcdef');
create table d (g int4, amount numeric);
insert into d values (1,1.0),(1,1.00),(2,1),(2,2.5),(3,2.50),(null,null),(3,10.000),(1,10);
insert into x values (44,1),(1,2),(null,2),(null,null),(2,3);
";

/// Rows for the tables of TPC-H.
const TPCH_ROWS: &str = include_str!("tpch/rows.sql");

/// Tables in memory.
pub(crate) struct World {
    relations: BTreeMap<String, Arc<Relation>>,
    rows: BTreeMap<u64, Vec<Row>>,
}

/// The tables, made once.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut judge = server().connect();
        judge.ask(TABLES).expect("the judge makes the tables");
        judge.ask(tpch::TABLES).expect("the judge makes the tables of TPC-H");
        judge.ask(TPCH_ROWS).expect("the judge fills them");
        let names: Vec<&str> =
            TABLES.lines().chain(tpch::TABLES.lines()).filter_map(|line| line.strip_prefix("create table ")).collect();
        let mut world = World { relations: BTreeMap::new(), rows: BTreeMap::new() };
        for (id, line) in names.into_iter().enumerate() {
            let name = line.split(' ').next().expect("a table has a name");
            world.load(&mut judge, id as u64, name, line);
        }
        world
    })
}

impl World {
    fn load(&mut self, judge: &mut Connection, id: u64, name: &str, definition: &str) {
        let answer = judge.ask(&format!("select * from {name}")).expect("a table can be read");
        let has_primary_key = definition.contains("int4 primary key");
        let columns: Vec<Column> = answer
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| Column {
                name: column.name.clone(),
                ty: ColumnType {
                    ty: Type::from_oid(column.type_oid).expect("a known type"),
                    modifier: column.modifier,
                },
                not_null: has_primary_key && i == 0 || definition.contains(&format!("{} text not null", column.name)),
                notes: BTreeMap::new(),
            })
            .collect();
        let types: Vec<ColumnType> = columns.iter().map(|column| column.ty.clone()).collect();
        let scratch = Scratch::new();
        let value = |text: &Option<String>, ty: &ColumnType| match text {
            None => Datum::Null,
            Some(text) => input(text, ty, &Settings::default(), &scratch).expect("a value of its type"),
        };
        let rows = answer.rows.iter().map(|row| {
            let values: Vec<Datum<'_>> = row.iter().zip(&types).map(|(text, ty)| value(text, ty)).collect();
            pack_row(&types, &values)
        });
        self.rows.insert(id, rows.collect());
        let relation = Relation {
            id,
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns,
            keys: if has_primary_key { vec![vec![0]] } else { Vec::new() },
            has_primary_key,
        };
        self.relations.insert(name.to_owned(), Arc::new(relation));
    }
}

impl Catalog for World {
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<Arc<Relation>> {
        self.relations.get(name).filter(|_| schema.is_none_or(|schema| schema == "public")).cloned()
    }

    fn has_schema(&self, name: &str) -> bool {
        name == "public"
    }
}

impl Source for World {
    fn scan(&self, relation: &Relation, rows: &mut Rows<'_>) -> Result<ControlFlow<()>> {
        // Batches of three: what is kept between batches is kept wrongly soon.
        for batch in self.rows[&relation.id].chunks(3) {
            let batch: Vec<RowRef<'_>> = batch.iter().map(Row::as_ref).collect();
            if rows(&batch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn scan_kept<'r>(&'r self, relation: &Relation, rows: &mut KeptRows<'r, '_>) -> Result<bool> {
        // Only some do, so that both ways are gone.
        if !relation.has_primary_key {
            return Ok(false);
        }
        let all: Vec<RowRef<'r>> = self.rows[&relation.id].iter().map(Row::as_ref).collect();
        for batch in all.chunks(3) {
            if rows(batch)?.is_break() {
                break;
            }
        }
        Ok(true)
    }

    fn estimate(&self, relation: &Relation) -> Option<u64> {
        // Tables with a key say that they are large, so that joins ask their index.
        let times = if relation.has_primary_key { 100 } else { 1 };
        Some(self.rows[&relation.id].len() as u64 * times)
    }

    fn index(&self, relation: &Relation, columns: &[usize]) -> Option<Vec<usize>> {
        (relation.has_primary_key && columns.contains(&0)).then(|| vec![0])
    }

    fn lookup(
        &self,
        relation: &Relation,
        _: &[usize],
        keys: &[RowRef<'_>],
        rows: &mut Rows<'_>,
    ) -> Result<ControlFlow<()>> {
        let all = self.rows[&relation.id].iter().map(Row::as_ref);
        rows(&all.filter(|row| keys.iter().any(|key| row.slot(0) == key.slot(0))).collect::<Vec<_>>())
    }
}
