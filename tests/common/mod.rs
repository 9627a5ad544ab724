//! What the tests of the whole program share: databases that vanish, the server as a child
//! process, and a small JSON client. It sees what users see, the command line and HTTP, no more.
#![allow(dead_code, reason = "every test binary uses another part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use serde_json::Value;
use ureq::http::{HeaderMap, Request};

/// How long a server may take until it listens; generous, for slow machines.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A number that no other call in this process gets.
fn serial() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A folder that is removed when the value is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("renraku-test-{}-{}", std::process::id(), serial()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An empty database of its own; gone when the value is dropped, so keep it longer than its server.
pub(crate) struct Database {
    /// As `--database` takes it.
    pub(crate) url: String,
    place: Place,
}

enum Place {
    /// It stays.
    Elsewhere,
    Folder(TempDir),
    Cluster {
        maintenance: String,
        name: String,
    },
}

impl Database {
    /// `"sqlite"` or `"postgres"`, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        if self.url.starts_with("sqlite:") { "sqlite" } else { "postgres" }
    }

    /// One that is there, or will be, and stays.
    pub(crate) fn at(url: String) -> Self {
        Self { url, place: Place::Elsewhere }
    }

    /// The folder of a SQLite database.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path()),
            Place::Cluster { .. } | Place::Elsewhere => None,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Place::Cluster { maintenance, name } = &self.place
            && let Ok(mut connection) = PgConnection::establish(maintenance)
        {
            let _ = diesel::sql_query(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).execute(&mut connection);
        }
    }
}

/// A SQLite database that does not exist yet, in a folder of its own.
pub(crate) fn sqlite_database() -> Database {
    let folder = TempDir::new();
    Database { url: format!("sqlite://{}", folder.path().join("renraku.db").display()), place: Place::Folder(folder) }
}

/// A fresh database in the cluster of `RENRAKU_TEST_POSTGRES`; without one says "skipped".
pub(crate) fn postgres_database() -> Option<Database> {
    let Ok(maintenance) = std::env::var("RENRAKU_TEST_POSTGRES") else {
        println!("skipped: RENRAKU_TEST_POSTGRES is not set (tests/postgres.sh sets it)");
        return None;
    };
    let name = format!("renraku_test_{}_{}", std::process::id(), serial());
    let mut connection = PgConnection::establish(&maintenance).expect("RENRAKU_TEST_POSTGRES answers");
    diesel::sql_query(format!("CREATE DATABASE {name}"))
        .execute(&mut connection)
        .expect("the right to CREATE DATABASE");
    let url = beside(&maintenance, &name);
    Some(Database { url, place: Place::Cluster { maintenance, name } })
}

/// The URL of a database of this name in a cluster, made when it is not there; it stays.
pub(crate) fn postgres_named(maintenance: &str, name: &str) -> String {
    if let Ok(mut connection) = PgConnection::establish(maintenance) {
        // One that is there already is what is wanted.
        let _ = diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut connection);
    }
    beside(maintenance, name)
}

/// `postgres://role@host:port/postgres?options` with another path.
fn beside(maintenance: &str, name: &str) -> String {
    let (address, options) = maintenance.split_once('?').map_or((maintenance, None), |(a, o)| (a, Some(o)));
    let authority = address.rsplit_once('/').filter(|(before, _)| !before.ends_with('/')).map_or(address, |(a, _)| a);
    options.map_or_else(|| format!("{authority}/{name}"), |options| format!("{authority}/{name}?{options}"))
}

/// The column `line` of every row that a query finds.
pub(crate) fn query_lines(database: &Database, sql: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let query = diesel::sql_query(sql);
    let rows: Vec<Line> = match database.url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut connection = diesel::SqliteConnection::establish(path).expect("the SQLite file");
            query.load(&mut connection)
        }
        None => {
            let mut connection = PgConnection::establish(&database.url).expect("the PostgreSQL database");
            query.load(&mut connection)
        }
    }
    .expect("a query that fits the schema");
    rows.into_iter().map(|row| row.line).collect()
}

/// Runs a statement behind the program's back.
pub(crate) fn run(database: &Database, sql: &str) {
    let statement = diesel::sql_query(sql);
    match database.url.strip_prefix("sqlite://") {
        Some(path) => statement.execute(&mut diesel::SqliteConnection::establish(path).expect("the SQLite file")),
        None => statement.execute(&mut PgConnection::establish(&database.url).expect("the PostgreSQL database")),
    }
    .expect("a statement that fits the schema");
}

/// One empty database of each backend that can be had here.
pub(crate) fn databases() -> impl Iterator<Item = Database> {
    std::iter::once_with(sqlite_database).chain(std::iter::once_with(postgres_database).flatten())
}

/// The program under test, with an environment and a working folder that hold no settings.
pub(crate) fn renraku(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renraku"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RENRAKU_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running `renraku serve`; killed when dropped.
pub(crate) struct Server {
    /// The FHIR base, `http://127.0.0.1:PORT/fhir`.
    pub(crate) base: String,
    child: Child,
    agent: ureq::Agent,
    folder: TempDir,
}

impl Server {
    /// Starts the server on a free port, with nothing in it, and waits until it listens.
    pub(crate) fn start(database_url: &str, extra_args: &[&str]) -> Self {
        let arguments: Vec<&str> = ["--no-guide"].iter().chain(extra_args).copied().collect();
        Self::start_as_installed(database_url, &arguments)
    }

    /// Starts the server as somebody who installs it does: with the definitions of its own guide.
    pub(crate) fn start_as_installed(database_url: &str, extra_args: &[&str]) -> Self {
        let folder = TempDir::new();
        let log = File::create(folder.path().join("log")).expect("a log file");
        // Under `tests/s3.sh` content lies in a bucket wherever a test does not say where.
        let chosen = extra_args.contains(&"--media-store") || std::env::var_os("RENRAKU_TEST_S3").is_none();
        let bucket = if chosen { Vec::new() } else { Bucket::new().map_or_else(Vec::new, |bucket| bucket.settings()) };
        let mut child = renraku(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--database", database_url])
            .args(extra_args)
            .args(bucket)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, receiver) = mpsc::channel();
        // Reads on after the first line, lest the server find its pipe full or closed.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening on ") {
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        let mut server = Self { base: String::new(), child, agent: agent(), folder };
        match receiver.recv_timeout(START_LIMIT) {
            Ok(address) => server.base = format!("{address}/fhir"),
            Err(_) => panic!("the server did not say where it listens; its log:\n{}", server.log()),
        }
        server
    }

    /// What the server wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://").trim_end_matches("/fhir")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, as service managers stop a server; waits for its end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill(1)").success());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the server did not stop within 30 s of SIGTERM; its log:\n{}", self.log());
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], Some(body))
    }

    /// Any request; `path` is relative to the FHIR base (`Patient/x`), empty for the base itself.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let bytes = body.map(|value| serde_json::to_vec(value).expect("JSON"));
        match exchange(&self.agent, &self.base, method, path, headers, bytes) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}; the server's log:\n{}", self.log()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// An answer of the server; `body` is `Null` when it is empty or not JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// A header as text, empty when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A client with kept-alive connections, for which every status is an answer.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .max_redirects(0)
        .build()
        .new_agent()
}

/// One request and its answer; an error is of the connection, never a status.
pub(crate) fn exchange(
    agent: &ureq::Agent,
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<Answer, ureq::Error> {
    let uri = if path.is_empty() { base.to_owned() } else { format!("{base}/{path}") };
    let mut request = Request::builder().method(method).uri(uri);
    if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/fhir+json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = match body {
        Some(bytes) => agent.run(request.body(bytes)?)?,
        None => agent.run(request.body(())?)?,
    };
    let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        bytes,
    })
}

/// A part of a bucket of its own, in the service that `tests/s3.sh` started.
pub(crate) struct Bucket {
    endpoint: String,
    prefix: String,
}

impl Bucket {
    const NAME: &str = "renraku-test";

    /// `None`, and a word about it, where there is no such service.
    pub(crate) fn new() -> Option<Self> {
        let Ok(endpoint) = std::env::var("RENRAKU_TEST_S3") else {
            println!("skipped: tests/s3.sh gives RENRAKU_TEST_S3");
            return None;
        };
        Some(Self { endpoint, prefix: String::new() }.beside())
    }

    /// Another part of the same bucket.
    pub(crate) fn beside(&self) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { endpoint: self.endpoint.clone(), prefix: format!("t{}-{number}/media", std::process::id()) }
    }

    /// What a server is started with.
    pub(crate) fn settings(&self) -> Vec<&'static str> {
        let place: &'static str = format!("s3://{}/{}", Self::NAME, self.prefix).leak();
        let endpoint: &'static str = self.endpoint.clone().leak();
        vec!["--media-store", place, "--s3-endpoint", endpoint, "--s3-region", "us-east-1"]
    }

    /// The objects below a folder.
    pub(crate) fn names(&self, below: &str) -> Vec<String> {
        let query = format!("?list-type=2&prefix={}/{below}/", self.prefix);
        let listed = String::from_utf8(self.send("GET", &query, None)).expect("XML");
        let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| format!("/{key}")).collect()
    }

    /// What an object holds.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.send("GET", name, None)
    }

    /// A request to the service.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Vec<u8> {
        let base = format!("{}/{}", self.endpoint, Self::NAME);
        // The service asks who somebody is, but does not check the signature.
        let who =
            "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = Request::builder().method(method).uri(format!("{base}{path}")).header("authorization", who);
        let agent = agent();
        let mut answer = match body {
            Some(body) => agent.run(request.body(body).expect("a request")),
            None => agent.run(request.body(()).expect("a request")),
        }
        .expect("the service answers");
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("a body")
    }
}
