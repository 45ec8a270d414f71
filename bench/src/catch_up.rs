//! From full Kafka topics to a view: what a record costs a fresh Tidewater that reads a connector's topics from their
//! beginning (*bulk*), and what it costs as it comes (*live*).

mod records;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio_postgres::{Client, NoTls};

use records::{EVENTS, Maker, Record, Table};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where the servers are, and how much goes through.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Kafka
    #[arg(long, default_value = "127.0.0.1:9092")]
    kafka: String,
    /// The schema registry
    #[arg(long, default_value = "127.0.0.1:8081")]
    registry: String,
    /// The server's program; that of this build if left out
    #[arg(long)]
    tidewater: Option<PathBuf>,
    /// json or avro; both if left out
    #[arg(long)]
    format: Option<String>,
    /// Row events in the topics before the server starts; a fifth of them are the snapshot's
    #[arg(long, default_value_t = 1_000_000)]
    records: i64,
    /// Row events that come afterwards
    #[arg(long, default_value_t = 200_000)]
    live: i64,
    /// Of those, transactions of four a second
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    println!("{:<14} {:>9} {:>8} {:>8} {:>14} {:>9}", "", "events", "wall s", "CPU s", "per CPU s", "peak MB");
    for format in ["json", "avro"] {
        if options.format.as_deref().is_none_or(|wanted| wanted == format) {
            measure(&options, format).await?;
        }
    }
    Ok(())
}

async fn measure(options: &Options, format: &str) -> Result<()> {
    let prefix = format!("catch-up-{format}-{}", std::process::id());
    let topics = Topics::create(options, &prefix).await?;
    let done = between(options, format, &topics).await;
    topics.delete().await?;
    done
}

async fn between(options: &Options, format: &str, topics: &Topics) -> Result<()> {
    let mut register = |table: Table, what: &'static str, schema: &str| {
        register(&options.registry, &format!("{}-{what}", topics.name(table)), schema)
    };
    let mut maker = Maker::new(format, &mut register)?;
    let orders = options.records / 5;
    for id in 1..=orders {
        topics.send(Table::Orders, &maker.order(id, orders)?)?;
    }
    topics.send(Table::Items, &maker.last_item()?)?;
    let bulk = (options.records - orders) / EVENTS;
    let order_of = |number: i64| 1 + (number * 7_919) % orders;
    for number in 1..=bulk {
        for (table, record) in maker.transaction(number, order_of(number))? {
            topics.send(table, &record)?;
        }
    }
    topics.producer.flush(Duration::from_secs(60))?;

    let server = Server::start(options)?;
    let client = server.connect().await?;
    let before = server.usage()?;
    let begun = Instant::now();
    define(&client, options, format, &topics.prefix).await?;
    items(&client, 1 + bulk * (EVENTS - 1)).await?;
    let after = server.usage()?;
    server.tell(&format!("{format}, bulk"), 1 + orders + bulk * EVENTS, begun.elapsed(), &before, &after)?;

    let live = options.live / EVENTS;
    let made = (1..=live).map(|number| maker.transaction(bulk + number, order_of(number)));
    let made = made.collect::<Result<Vec<_>>>()?;
    let before = server.usage()?;
    let begun = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    for (sent, transaction) in made.into_iter().enumerate() {
        while sent as u64 >= begun.elapsed().as_micros() as u64 * options.rate / 1_000_000 {
            topics.producer.poll(Duration::ZERO);
            tick.tick().await;
        }
        for (table, record) in transaction {
            topics.send(table, &record)?;
        }
    }
    topics.producer.flush(Duration::from_secs(60))?;
    items(&client, 1 + (bulk + live) * (EVENTS - 1)).await?;
    let after = server.usage()?;
    server.tell(&format!("{format}, live"), live * EVENTS, begun.elapsed(), &before, &after)
}

/// The sources, and a view that joins them.
async fn define(client: &Client, options: &Options, format: &str, prefix: &str) -> Result<()> {
    let (kafka, registry) = (&options.kafka, &options.registry);
    let mut statements = vec![
        format!("CREATE CONNECTION kafka TO KAFKA (BROKER '{kafka}')"),
        format!("CREATE CONNECTION registry TO CONFLUENT SCHEMA REGISTRY (URL 'http://{registry}/apis/ccompat/v7')"),
    ];
    for (source, columns) in [
        ("orders", "id bigint, user_id bigint, status text, total numeric(12,2), PRIMARY KEY (id) NOT ENFORCED"),
        (
            "order_items",
            "id bigint, order_id bigint, sku text, quantity int, unit_price numeric(12,2), PRIMARY KEY (id) NOT ENFORCED",
        ),
    ] {
        let (columns, format) = match format {
            "json" => (format!("({columns})"), "JSON"),
            _ => (String::new(), "AVRO USING CONFLUENT SCHEMA REGISTRY CONNECTION registry"),
        };
        statements.push(format!(
            "CREATE SOURCE {source} {columns} FROM KAFKA CONNECTION kafka (TOPIC '{prefix}.shop.{source}') FORMAT {format} ENVELOPE DEBEZIUM"
        ));
    }
    statements.push(
        "CREATE MATERIALIZED VIEW totals AS SELECT o.id, o.status, i.items, i.total FROM orders o JOIN \
         (SELECT order_id, count(*) AS items, sum(quantity * unit_price) AS total FROM order_items GROUP BY order_id) i \
         ON i.order_id = o.id"
            .to_owned(),
    );
    for statement in statements {
        client
            .batch_execute(&statement)
            .await
            .map_err(|error| format!("{statement}: {error}: {:?}", error.as_db_error()))?;
    }
    Ok(())
}

/// Until the view counts so many items; more would be wrong.
async fn items(client: &Client, expected: i64) -> Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        // While its first rows come a query waits, and after a minute is told so.
        if let Ok(row) = client.query_one("SELECT CAST(sum(items) AS bigint) FROM totals", &[]).await {
            let found: Option<i64> = row.get(0);
            match found.unwrap_or(0) {
                found if found == expected => return Ok(()),
                found if found > expected => return Err(format!("{found} items, {expected} were sent").into()),
                _ => {}
            }
        }
        tick.tick().await;
    }
}

/// Topics of one connector.
struct Topics {
    prefix: String,
    admin: AdminClient<DefaultClientContext>,
    producer: BaseProducer,
}

impl Topics {
    async fn create(options: &Options, prefix: &str) -> Result<Self> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", &options.kafka).create()?;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &options.kafka)
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("enable.idempotence", "true")
            .create()?;
        let topics = Topics { prefix: prefix.to_owned(), admin, producer };
        for table in Table::ALL {
            let (name, replicas) = (topics.name(table), TopicReplication::Fixed(1));
            let made = topics.admin.create_topics([&NewTopic::new(&name, 1, replicas)], &AdminOptions::new()).await?;
            made.into_iter().try_for_each(|done| done.map(drop).map_err(|(name, error)| format!("{name}: {error}")))?;
        }
        Ok(topics)
    }

    fn name(&self, table: Table) -> String {
        format!("{}.{}", self.prefix, table.suffix())
    }

    fn send(&self, table: Table, (key, value): &Record) -> Result<()> {
        let name = self.name(table);
        loop {
            match self.producer.send(BaseRecord::to(&name).partition(0).key(key).payload(value)) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    async fn delete(&self) -> Result<()> {
        let names = Table::ALL.map(|table| self.name(table));
        self.admin.delete_topics(&names.each_ref().map(String::as_str), &AdminOptions::new()).await?;
        Ok(())
    }
}

/// A schema under a subject: its id.
fn register(registry: &str, subject: &str, schema: &str) -> Result<u32> {
    let body = serde_json::json!({ "schema": schema }).to_string();
    let mut stream = TcpStream::connect(registry)?;
    write!(
        stream,
        "POST /apis/ccompat/v7/subjects/{subject}/versions HTTP/1.0\r\nHost: {registry}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let id = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<serde_json::Value>(body).ok());
    id.and_then(|body| body["id"].as_u64()).map(|id| id as u32).ok_or_else(|| format!("{subject}: {answer}").into())
}

/// The server under measurement, with a data folder of its own.
struct Server {
    process: Child,
    port: u16,
    folder: PathBuf,
}

/// CPU seconds: of the process, and of its threads by name.
struct Usage {
    process: f64,
    threads: BTreeMap<String, f64>,
}

impl Server {
    fn start(options: &Options) -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("tidewater");
        let program = options.tidewater.clone().unwrap_or(beside);
        let ports = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [port, http_port] = [ports[0].local_addr()?.port(), ports[1].local_addr()?.port()];
        drop(ports);
        let folder = std::env::temp_dir().join(format!("tidewater-catch-up-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let process = Command::new(&program)
            .args(["serve", "--pg-port", &port.to_string(), "--http-port", &http_port.to_string(), "--data-dir"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log"))?)
            .spawn()
            .map_err(|error| format!("{}: {error}: build it with --release -p tidewater", program.display()))?;
        Ok(Server { process, port, folder })
    }

    async fn connect(&self) -> Result<Client> {
        let address = format!("postgres://materialize@127.0.0.1:{}/materialize", self.port);
        let begun = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            match tokio_postgres::connect(&address, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Ok(client);
                }
                Err(error) if begun.elapsed() > Duration::from_secs(30) => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.process.id());
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir(format!("{folder}/task"))? {
            // A thread may end between the two reads.
            let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
            let (name, seconds) = cpu_seconds(&stat).ok_or("a thread without times")?;
            *threads.entry(name).or_insert(0.0) += seconds;
        }
        let (_, process) = cpu_seconds(&std::fs::read_to_string(format!("{folder}/stat"))?).ok_or("no times")?;
        Ok(Usage { process, threads })
    }

    /// One line of the table, and one a thread that did a hundredth of the work.
    fn tell(&self, what: &str, events: i64, wall: Duration, before: &Usage, after: &Usage) -> Result<()> {
        let cpu = after.process - before.process;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).ok_or("no VmHWM")?;
        let (wall, rate) = (wall.as_secs_f64(), events as f64 / cpu);
        println!("{what:<14} {events:>9} {wall:>8.1} {cpu:>8.2} {rate:>14.0} {:>9.0}", peak * 1024.0 / 1e6);
        let mut rest = cpu;
        for (name, seconds) in &after.threads {
            let spent = seconds - before.threads.get(name).copied().unwrap_or(0.0);
            rest -= spent;
            if spent > cpu / 100.0 {
                println!("    {name:<19} {spent:>17.2}");
            }
        }
        if rest > cpu / 100.0 {
            println!("    {:<19} {rest:>17.2}", "threads that ended");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait()).map(drop);
        if let Err(error) = ended.and_then(|()| std::fs::remove_dir_all(&self.folder)) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}

/// Name without its number, and user and system CPU seconds (proc(5), fields 2, 14 and 15; ticks of 1/100 s).
fn cpu_seconds(stat: &str) -> Option<(String, f64)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '#'));
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((name.to_owned(), (ticks(11)? + ticks(12)?) / 100.0))
}
