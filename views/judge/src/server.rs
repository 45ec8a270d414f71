//! Starts the server, and sees that it ends.
//!
//! A shell holds it: when the pipe to the test program closes, however the program ended, the shell stops the server and removes
//! its folder. The server refuses to run as root, so that there the shell runs as user postgres.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::Connection;

const GUARD: &str = r#"
trap : INT TERM
dir=$(mktemp -d --suffix=-tidewater-judge) || exit 1
"$0/initdb" -D "$dir/data" --locale=C -E UTF8 -A trust -U judge --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; rm -rf "$dir"; exit 1; }
"$0/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
  -c TimeZone=UTC -c max_connections=200 -c autovacuum=off >>"$dir/log" 2>&1 </dev/null &
server=$!
echo "$dir"
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$dir"
"#;

/// How long a server may take to accept connections, on a loaded machine.
const START_SECONDS: u64 = 120;

/// A running server.
pub struct Server {
    directory: PathBuf,
    /// Closed with this program, which ends the server.
    _pipe: ChildStdin,
    _guard: Child,
}

/// The server of this test program, started when first asked for.
///
/// # Panics
/// If PostgreSQL 15 is not installed or does not start.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

impl Server {
    /// The folder of its socket, for clients of other kinds; its user is `judge`, its database `postgres`.
    pub fn folder(&self) -> &std::path::Path {
        &self.directory
    }

    /// A connection of its own.
    ///
    /// # Panics
    /// If the server is gone.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.directory).expect("connecting to the judge")
    }
}

/// The folder of the binaries of version 15.
fn binaries() -> PathBuf {
    let mut candidates = vec![PathBuf::from("/usr/lib/postgresql/15/bin"), PathBuf::from("/usr/pgsql-15/bin")];
    candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    candidates.into_iter().find(|directory| is_version_15(directory)).unwrap_or_else(|| {
        panic!("PostgreSQL 15 is missing: apt-get install postgresql (looked in /usr/lib/postgresql/15/bin and PATH)")
    })
}

fn is_version_15(directory: &std::path::Path) -> bool {
    directory.join("initdb").exists()
        && Command::new(directory.join("postgres"))
            .arg("--version")
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" 15."))
}

fn start() -> Server {
    let binaries = binaries();
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    // The postgres user may not enter the test's folder.
    command.args(["-c", GUARD]).arg(&binaries).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guard = command.spawn().expect("starting a shell for the judge");
    let pipe = guard.stdin.take().expect("the shell's stdin is piped");
    let mut line = String::new();
    let stdout = guard.stdout.take().expect("the shell's stdout is piped");
    BufReader::new(stdout).read_line(&mut line).expect("reading the judge's folder");
    assert!(!line.is_empty(), "PostgreSQL 15 of {} did not start: see above", binaries.display());
    let directory = PathBuf::from(line.trim_end());
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
    // The server says when it is ready in its log only; asking costs nothing.
    while let Err(error) = Connection::open(&directory) {
        assert!(Instant::now() < deadline, "the judge does not accept connections: {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Server { directory, _pipe: pipe, _guard: guard }
}
