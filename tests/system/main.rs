//! The whole pipeline on real servers: MySQL, Kafka, Kafka Connect with Debezium, the schema registry, all started for this
//! run on free ports and stopped after it. MySQL itself says what the views must hold.
//!
//! `TIDEWATER_TESTS=unit` leaves it out, which the test command's `unit` mode sets; otherwise a missing server is a failure.
//! `--only NAME,NAME` runs some scenarios (`shop`, `chaos`, or a name of `scenarios::ALL`), `--faults N --seed N --parts NAME,NAME` say
//! how much chaos.

mod connect;
mod http;
mod kafka;
mod proofs;
mod scenarios;
mod servers;
mod shop;
mod shop_traffic;
mod sql;
mod stage;
mod tidewater;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;

use proofs::Proofs;
use scenarios::{Scenario, chaos, pipeline};
use servers::Servers;
use stage::Stage;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

/// No scenario takes so long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(480);
/// At a time: they mostly wait, and each has a JVM's attention.
const TOGETHER: usize = 3;

/// What the command line asks for.
struct Options {
    only: Vec<String>,
    chaos: chaos::Options,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let seed = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let mut options = Options { only: Vec::new(), chaos: chaos::Options { seed, ..chaos::Options::default() } };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            let names = |text: &String| text.split(',').map(str::to_owned).collect();
            match argument.as_str() {
                "--only" => options.only = names(value()?),
                "--faults" => options.chaos.faults = value()?.parse()?,
                "--seed" => options.chaos.seed = value()?.parse()?,
                "--parts" => options.chaos.parts = names(value()?),
                // Cargo hands every test program what libtest understands.
                _ => {}
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = |done: Result<bool>| match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    };
    if arguments.first().is_some_and(|argument| argument == tidewater::ARGUMENT) {
        return runtime(tidewater::serve(&arguments[1..]).map(|()| true));
    }
    if std::env::var("TIDEWATER_TESTS").is_ok_and(|tests| tests == "unit") {
        eprintln!("system tests left out: TIDEWATER_TESTS=unit");
        return ExitCode::SUCCESS;
    }
    runtime(run(&arguments))
}

fn run(arguments: &[String]) -> Result<bool> {
    let options = Options::read(arguments)?;
    let proofs = Proofs::default();
    match Servers::start().map(Arc::new) {
        Ok(servers) => {
            let threads = tokio::runtime::Runtime::new()?;
            let outcome = threads.block_on(prove(&servers, &proofs, &options));
            proofs.take("the pipeline ran to its end", outcome);
            if proofs.failed() {
                servers.keep_logs();
                let topics = servers.folder().join("logs/topics.txt");
                if let Err(error) = kafka::write_all(&servers.kafka(), &topics) {
                    eprintln!("what the topics hold could not be written to {}: {error}", topics.display());
                }
            }
        }
        Err(error) => proofs.take("the servers start", Err(error)),
    }
    Ok(proofs.report())
}

async fn prove(servers: &Arc<Servers>, proofs: &Proofs, options: &Options) -> Result<()> {
    if options.wants("shop") || options.wants("chaos") {
        let traffic = Arc::new(shop_traffic::Traffic::new(servers).await?);
        let mut tidewater = pipeline::set_up(servers, &traffic).await?;
        if options.wants("shop") {
            let done = pipeline::prove(servers, proofs, &traffic, &mut tidewater).await;
            proofs.take("the shop's proofs ran to their end", done);
        }
        if options.wants("chaos") {
            let done = chaos::prove(servers, proofs, &traffic, &mut tidewater, &options.chaos).await;
            proofs.take("the chaos ran to its end", done);
        }
        for connector in ["shop", "shop-json"] {
            connect::delete(servers, connector).await?;
        }
    }
    let wanted = |alone: bool| scenarios::ALL.iter().filter(move |s| s.alone == alone && options.wants(s.name));
    futures::stream::iter(wanted(false))
        .for_each_concurrent(TOGETHER, |scenario| prove_one(servers, proofs, scenario))
        .await;
    for scenario in wanted(true) {
        prove_one(servers, proofs, scenario).await;
    }
    Ok(())
}

async fn prove_one(servers: &Arc<Servers>, proofs: &Proofs, scenario: &Scenario) {
    let begin = Instant::now();
    let done = async {
        let stage = Stage::open(servers, scenario.name).await?;
        let done = (scenario.run)(&stage).await;
        stage.close().await;
        done
    };
    let done = tokio::time::timeout(DEADLINE, done).await;
    let done = done.unwrap_or_else(|_| Err(format!("not done in {} s", DEADLINE.as_secs()).into()));
    eprintln!("{} took {} s", scenario.name, begin.elapsed().as_secs());
    proofs.take(&format!("{} ({})", scenario.proves, scenario.name), done);
}
