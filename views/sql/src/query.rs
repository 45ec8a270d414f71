//! Queries: bound and planned once against the columns of what they name, run over snapshots of one moment.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast;
use tidewater_delta::Row;
use tidewater_functions::Session;
use tidewater_query::plan::Constant;
use tidewater_query::run::{Limits, Sink, evaluate, pack_row, unpack};
use tidewater_query::{Plan, Relation, bind, bind_scalar, column_type};
use tidewater_types::{Column, ColumnType};

use crate::change::ChangePlan;
use crate::check::{Check, Checked};
use crate::database::Database;
use crate::lookup::Lookup;
use crate::parse::ast::{Parsed, Statement};
use crate::relations::{Moment, Names, Reach};
use crate::sizes::Sizes;
use crate::source_status::Notice;
use crate::within::Within;
use crate::{Error, Result};

/// A statement that was understood, with the types of its parameters and of its answer.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement.
    pub parsed: Arc<Parsed>,
    /// Type of each parameter, `$1` first.
    pub parameters: Vec<ColumnType>,
    /// Columns of the answer; `None` where it is a tag.
    pub columns: Option<Arc<[Column]>>,
    pub(crate) work: Work,
    generation: u64,
}

/// What a statement does, as far as that is known before it runs.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// It reads.
    Query(Arc<Planned>),
    /// It changes a table.
    Change(Arc<ChangePlan>),
    /// It compares views with their queries.
    Check(Arc<Vec<Checked>>),
    /// It is done by its words.
    Statement,
}

/// A query that was planned.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) lookup: Option<Lookup>,
    /// Objects that it names, those inside views included.
    pub(crate) reads: Vec<String>,
    /// Rows of relations that it was planned with.
    pub(crate) sizes: Sizes,
}

impl Planned {
    /// The relations that it reads.
    pub(crate) fn relations(&self) -> impl Iterator<Item = Arc<Relation>> {
        self.plan.reads().into_iter().map(|(relation, _)| relation)
    }
}

/// Rows that are known.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Their columns.
    pub columns: Arc<[Column]>,
    /// The rows, packed.
    pub rows: Vec<Row>,
}

/// A planned query with the snapshots that it reads.
pub struct Query {
    /// Columns of the result.
    pub columns: Arc<[Column]>,
    /// Relations that it reads, those inside views included.
    pub reads: Vec<String>,
    /// What its reader is told beside the rows.
    pub notices: Vec<Notice>,
    body: Body,
}

enum Body {
    Plan(Box<Running>),
    Rows(Vec<Row>),
    Check(Vec<Check>),
}

/// All that a plan needs to run.
pub(crate) struct Running {
    pub(crate) planned: Arc<Planned>,
    pub(crate) moment: Moment,
    pub(crate) session: Arc<Session>,
    pub(crate) parameters: Vec<Constant>,
}

impl Running {
    pub(crate) fn run(&self, limits: &Limits, sink: &mut Sink<'_>) -> Result<()> {
        tidewater_query::run(&self.planned.plan, &self.moment, &self.session, &self.parameters, limits, sink)
    }
}

impl Prepared {
    /// The table that it changes.
    pub(crate) fn changed_table(&self) -> Option<&str> {
        match &self.work {
            Work::Change(change) => Some(change.table_key()),
            _ => None,
        }
    }

    /// The columns of the rows that it reads; a subscription shows them in another form.
    pub fn query_columns(&self) -> Arc<[Column]> {
        match &self.work {
            Work::Query(planned) => output_columns(&planned.plan),
            _ => Arc::default(),
        }
    }
}

impl Query {
    /// A query whose rows are known.
    pub(crate) fn of(rows: Rows) -> Self {
        Query { columns: rows.columns, reads: Vec::new(), notices: Vec::new(), body: Body::Rows(rows.rows) }
    }

    /// The same, looking rows up by the indexes of the database.
    #[must_use]
    pub fn through(mut self, reach: Reach) -> Self {
        if let Body::Plan(running) = &mut self.body {
            running.moment.reach = Some(reach);
        }
        self
    }

    /// The rows, if they are known without running anything.
    ///
    /// # Errors
    /// The query itself, if it has to run.
    pub fn ready(self) -> Result<Rows, Self> {
        match self.body {
            Body::Rows(rows) => Ok(Rows { columns: self.columns, rows }),
            body => Err(Query { body, ..self }),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Query::run`]; 53200 where they need too much memory.
    pub fn collect(&self, limits: &Limits) -> Result<Rows> {
        let types: Vec<ColumnType> = self.columns.iter().map(|column| column.ty.clone()).collect();
        let (mut rows, mut kept) = (Vec::new(), 0);
        self.run(limits, &mut |values| {
            let row = pack_row(&types, values);
            kept += row.bytes().len() + size_of::<Row>();
            rows.push(row);
            match kept > limits.memory {
                true => Err(Error::new(b"53200", "out of memory").detail("The rows of the query do not fit.")),
                false => Ok(ControlFlow::Continue(())),
            }
        })?;
        Ok(Rows { columns: self.columns.clone(), rows })
    }

    /// Hands the values of each row to `sink`, until it wants no more.
    ///
    /// # Errors
    /// What a row's evaluation gives, what `sink` says, 57014 when it is stopped, 53200 when it needs too much memory.
    pub fn run(&self, limits: &Limits, sink: &mut Sink<'_>) -> Result<()> {
        let rows = match &self.body {
            Body::Plan(running) => return running.run(limits, sink),
            Body::Check(checks) => return crate::check::run(checks, limits, sink),
            Body::Rows(rows) => rows,
        };
        for row in rows {
            let columns = self.columns.iter().enumerate();
            let values: Vec<_> = columns.map(|(i, column)| unpack(row.as_ref(), i, &column.ty)).collect();
            if sink(&values)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The columns of a plan's answer.
pub(crate) fn output_columns(plan: &Plan) -> Arc<[Column]> {
    plan.schema().into_iter().map(|(name, ty)| Column::new(name, ty)).collect()
}

impl Database {
    /// Understands a statement: the types of its parameters and of its answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn prepare(&self, parsed: &Arc<Parsed>, types: &[ColumnType], session: &Arc<Session>) -> Result<Prepared> {
        let prepared = |parameters, columns, work| Prepared {
            parsed: parsed.clone(),
            parameters,
            columns,
            work,
            generation: self.generation,
        };
        match &parsed.statement {
            Statement::Query(query) | Statement::CopyOut { query, .. } => {
                let planned = self.planned(query, &parsed.whole, types, &self.informed(session))?;
                let columns = Some(output_columns(&planned.plan));
                Ok(prepared(planned.plan.parameters.clone(), columns, Work::Query(Arc::new(planned))))
            }
            Statement::CheckView { name } => {
                let checked = self.checked(name.as_deref(), session)?;
                Ok(prepared(Vec::new(), Some(crate::check::columns()), Work::Check(Arc::new(checked))))
            }
            Statement::CheckSource(_) => {
                Ok(prepared(Vec::new(), Some(crate::check::source_columns()), Work::Statement))
            }
            Statement::CopyIn { insert, .. } => {
                let change = self.change_plan(insert, &parsed.whole, types, &self.informed(session));
                // Its text is not the one that the client wrote.
                let change = change.map_err(|error| Error { position: None, ..error })?;
                Ok(prepared(Vec::new(), None, Work::Change(Arc::new(change))))
            }
            Statement::Change(change) => {
                let change = self.change_plan(change, &parsed.whole, types, &self.informed(session))?;
                let columns = change.returning.as_ref().map(|planned| output_columns(&planned.plan));
                Ok(prepared(change.read.plan.parameters.clone(), columns, Work::Change(Arc::new(change))))
            }
            Statement::Subscribe { subscribe, .. } => {
                let (planned, columns) = self.subscription(subscribe, &parsed.whole, session)?;
                Ok(prepared(Vec::new(), Some(columns), Work::Query(Arc::new(planned))))
            }
            statement => {
                let columns = self.show(statement, session)?.map(|rows| rows.columns);
                Ok(prepared(Vec::new(), columns, Work::Statement))
            }
        }
    }

    /// A query over this moment's rows.
    ///
    /// # Errors
    /// What is wrong with it, or the error that a row of a view it reads has instead of a value.
    pub fn query(&self, prepared: &Prepared, parameters: &[Constant], session: &Arc<Session>) -> Result<Query> {
        self.query_within(&Within::default(), prepared, parameters, session)
    }

    /// A query over the rows that its transaction sees.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub fn query_within(
        &self,
        within: &Within,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
    ) -> Result<Query> {
        let again = self.current(prepared, parameters, session)?;
        let prepared = again.as_ref().unwrap_or(prepared);
        let columns = prepared.columns.clone().unwrap_or_default();
        let planned = match &prepared.work {
            Work::Query(planned) => planned,
            Work::Check(checked) => {
                let reads = self.reads(prepared);
                self.readable(reads.iter().map(String::as_str))?;
                let body = Body::Check(self.checks(checked)?);
                return Ok(Query { columns, reads, notices: Vec::new(), body });
            }
            _ => return Err(Error::new(b"XX000", "a statement that answers no rows was run as a query")),
        };
        let reads = || planned.reads.iter().map(String::as_str);
        self.readable(reads())?;
        if let Some(lookup) = &planned.lookup
            && !self.columns_lost
            && !within.held.iter().any(|changes| changes.table() == lookup.name)
            && let Some(rows) = self.look_up(lookup, parameters, within.moment.as_deref())?
        {
            let notices = self.notices(reads());
            return Ok(Query { columns, reads: planned.reads.clone(), notices, body: Body::Rows(rows) });
        }
        let running = self.running(planned, parameters, &self.informed(session), within)?;
        let notices = self.notices(reads());
        Ok(Query { columns, reads: planned.reads.clone(), notices, body: Body::Plan(Box::new(running)) })
    }

    /// The statement understood anew, if what it names has changed since.
    ///
    /// # Errors
    /// 08P01 where parameters are missing, 0A000 where its answer would have other columns.
    pub(crate) fn current(
        &self,
        prepared: &Prepared,
        parameters: &[Constant],
        session: &Arc<Session>,
    ) -> Result<Option<Prepared>> {
        let (given, wanted) = (parameters.len(), prepared.parameters.len());
        if given < wanted {
            let message =
                format!("bind message supplies {given} parameters, but the prepared statement requires {wanted}");
            return Err(Error::new(b"08P01", message));
        }
        if prepared.generation == self.generation {
            return Ok(None);
        }
        let again = self.prepare(&prepared.parsed, &prepared.parameters, session)?;
        if again.columns != prepared.columns {
            return Err(Error::new(b"0A000", "cached plan must not change result type"));
        }
        Ok(Some(again))
    }

    /// The statement of PREPARE, understood.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn prepare_named(
        &self,
        parsed: &Arc<Parsed>,
        types: &[ast::DataType],
        session: &Arc<Session>,
    ) -> Result<Prepared> {
        let types = types.iter().map(column_type).collect::<Result<Vec<_>>>()?;
        self.prepare(parsed, &types, session)
    }

    /// The values of EXECUTE: each is assigned to its parameter.
    ///
    /// # Errors
    /// 42601 for another number of them, and what is wrong with one.
    pub fn arguments(
        &self,
        name: &str,
        values: &[ast::Expr],
        prepared: &Prepared,
        text: &str,
        session: &Arc<Session>,
    ) -> Result<Vec<Constant>> {
        let (wanted, given) = (prepared.parameters.len(), values.len());
        if wanted != given {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(Error::new(b"42601", message).detail(format!("Expected {wanted} parameters but got {given}.")));
        }
        let session = self.informed(session);
        let names = Names::new(self, &session);
        let value = |(expr, ty): (&ast::Expr, &ColumnType)| {
            let (scalar, _, _) = names.told(bind_scalar(expr, text, &names, &session, None, Some(ty)))?;
            evaluate(&scalar, &session, &[])
        };
        values.iter().zip(&prepared.parameters).map(value).collect()
    }

    /// What a statement reads, whatever the values of its parameters are.
    pub fn reads(&self, prepared: &Prepared) -> Vec<String> {
        match &prepared.work {
            Work::Query(planned) => planned.reads.clone(),
            Work::Change(change) => change.reads.clone(),
            Work::Check(checked) => checked.iter().flat_map(Checked::reads).collect(),
            Work::Statement => Vec::new(),
        }
    }

    /// A query's plan against the columns of what it names.
    pub(crate) fn planned(
        &self,
        query: &ast::Query,
        text: &str,
        types: &[ColumnType],
        session: &Arc<Session>,
    ) -> Result<Planned> {
        self.planned_with(&Sizes::new(), query, text, types, session)
    }

    /// The same, as if relations had these sizes.
    pub(crate) fn planned_with(
        &self,
        sizes: &Sizes,
        query: &ast::Query,
        text: &str,
        types: &[ColumnType],
        session: &Arc<Session>,
    ) -> Result<Planned> {
        let names = Names::new(self, session);
        let plan = names.told(bind(query, text, &names, session, types))?;
        self.rewritten(plan, &names, sizes)
    }

    /// The plan as it runs.
    pub(crate) fn rewritten(&self, mut plan: Plan, names: &Names<'_>, sizes: &Sizes) -> Result<Planned> {
        let sizes = self.rewrite(&mut plan, sizes)?;
        let lookup = self.lookup_of(&plan);
        Ok(Planned { plan, lookup, reads: names.named(), sizes })
    }

    /// A plan with this moment's rows.
    pub(crate) fn running(
        &self,
        planned: &Arc<Planned>,
        parameters: &[Constant],
        session: &Arc<Session>,
        within: &Within,
    ) -> Result<Running> {
        self.columns_readable(&planned.plan)?;
        let moment = self.moment(planned.relations(), session, within)?;
        Ok(Running { planned: planned.clone(), moment, session: session.clone(), parameters: parameters.to_vec() })
    }
}
