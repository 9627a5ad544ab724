//! The load benchmark: renraku over HTTP, measured against ceilings found in the same run.
//!
//! ```text
//! cargo bench --bench http [-- --seconds 5 --connections 16 --resources 36000
//!                              --import-resources 100000 --only read,write,import
//!                              --narrative --serve "--full-text=all"]
//! ```
//!
//! | Figure | Ceiling |
//! |---|---|
//! | read by id | a bare actix-web server that answers the same bytes (`bare.rs`) |
//! | durable create | the same rows inserted by plain SQL, 64 resources a commit (`raw.rs`) |
//! | import, memory, start-up, room on disk | none: absolute figures |
//!
//! Load client and server share the machine's cores, for the ceilings too; the CPU time that the
//! server process used for a request is therefore given beside requests a second.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../tests/common/mod.rs"]
mod common;

mod bare;
mod load;
mod process;
mod raw;
mod samples;
mod sqlite;

use std::time::{Duration, Instant};

use common::{Database, Server, TempDir};
use load::{Report, Until};

// The allocator of the program, lest the bare server be slower for its allocator alone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The share of the bare server's requests a second that reads are meant to reach.
const READ_GOAL: f64 = 0.6;

struct Options {
    seconds: u64,
    connections: usize,
    resources: usize,
    import_resources: usize,
    only: Vec<String>,
    /// Further arguments of the server that takes the writes.
    serve: Vec<String>,
    /// Whether what is written has a narrative.
    narrative: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            seconds: 5,
            connections: 16,
            resources: 36_000,
            import_resources: 100_000,
            only: Vec::new(),
            serve: Vec::new(),
            narrative: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--seconds" => options.seconds = value().parse().expect("a number of seconds"),
                "--connections" => options.connections = value().parse().expect("a number of connections"),
                "--resources" => options.resources = value().parse().expect("a number of resources"),
                "--import-resources" => options.import_resources = value().parse().expect("a number of resources"),
                "--serve" => options.serve = value().split_whitespace().map(str::to_owned).collect(),
                "--narrative" => options.narrative = true,
                "--only" => options.only = value().split(',').map(str::to_owned).collect(),
                other => panic!("unknown option {other}"),
            }
        }
        assert!(options.connections > 0 && options.seconds > 0 && options.resources >= 200, "too small to measure");
        options
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }

    fn until(&self) -> Until {
        Until::Elapsed(Duration::from_secs(self.seconds))
    }
}

/// One line of the table.
struct Line {
    what: String,
    figure: String,
    remark: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, path] = arguments.as_slice()
        && first == bare::ARGUMENT
    {
        return bare::serve(path).expect("the bare server runs");
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it by `cargo bench --bench http`");
        return;
    }
    let options = Options::parse(arguments.into_iter());
    let mut lines = Vec::new();
    if options.wants("read") {
        measure_reads(&options, &mut lines);
    }
    if options.wants("write") {
        measure_writes(&options, &mut lines);
    }
    if options.wants("import") {
        measure_import(&options, &mut lines);
    }
    print_table(&options, &lines);
}

/// Reads by id over a loaded database, and what that database costs.
fn measure_reads(options: &Options, lines: &mut Vec<Line>) {
    let database = common::sqlite_database();
    let mut server = start_up(&database, lines, "start-up, empty database");
    eprintln!("loading {} resources …", options.resources);
    let patients = load_resources(&server, options);
    server.terminate();
    let room = disk_bytes(&database) / (2 * patients) as f64;
    line(lines, "room on disk", format!("{room:.0} bytes/resource"), "closed database, indexes and history included");
    server = start_up(&database, lines, "start-up, loaded database");
    line(lines, "resident memory, idle", format!("{:.0} MiB", process::resident_mib(server.pid())), "");

    eprintln!("reading for {} s, twice …", options.seconds);
    let answer_file = TempDir::new();
    let (status, answer) = load::once(server.address(), &get(&server, &samples::patient_id(0)));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let path = answer_file.path().join("answer");
    std::fs::write(&path, &answer).expect("a small file");
    let bare = bare::Bare::start(&path);

    let requests: Vec<Vec<u8>> = (0..patients).map(|number| get(&server, &samples::patient_id(number))).collect();
    let spread = |connection: usize, number: usize, buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(&requests[scattered(connection, number) % requests.len()]);
    };
    // A short run of each first, so that caches and threads are warm.
    for address in [server.address(), &bare.address] {
        load::run(address, options.connections, Until::Sent(500), spread);
    }
    let (reads, read_cpu) =
        with_cpu(server.pid(), || load::run(server.address(), options.connections, options.until(), spread));
    let (ceiling, ceiling_cpu) =
        with_cpu(bare.pid(), || load::run(&bare.address, options.connections, options.until(), spread));
    report(lines, &format!("GET Patient/[id] ({} bytes, {patients} patients)", answer.len()), &reads, read_cpu);
    report(lines, "  bare actix-web, same bytes", &ceiling, ceiling_cpu);
    ratio(lines, reads.per_second() / ceiling.per_second(), Some(READ_GOAL));
    line(lines, "resident memory after the reads", format!("{:.0} MiB", process::resident_mib(server.pid())), "");
}

/// Creates, durable one by one, against the same rows by plain SQL.
fn measure_writes(options: &Options, lines: &mut Vec<Line>) {
    let database = common::sqlite_database();
    let serve: Vec<&str> = options.serve.iter().map(String::as_str).collect();
    let mut server = Server::start(&database.url, &serve);
    wait_ready(&server);
    server.terminate();
    let folder = database.folder().expect("SQLite");
    let (full, empty) = (folder.join("renraku.db"), folder.join("empty.db"));
    {
        let connection = sqlite::Connection::open(&full);
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    std::fs::copy(&full, &empty).expect("a copy of the empty database");

    // As many clients as the raw baseline has resources in a commit: both group alike.
    let writers = options.connections.max(raw::RESOURCES_PER_TRANSACTION);
    eprintln!("creating for {} s over {writers} connections …", options.seconds);
    server = Server::start(&database.url, &serve);
    wait_ready(&server);
    let host = server.address().to_owned();
    let templates = Template::variety(&host, options.narrative);
    let create = |connection: usize, number: usize, buffer: &mut Vec<u8>| {
        // Even templates are Patients, odd ones Observations: each connection takes them in turn.
        templates[number % templates.len()].write(number * writers + connection, buffer);
    };
    let (creates, cpu) = with_cpu(server.pid(), || load::run(&host, writers, options.until(), create));
    report(lines, "POST Patient, Observation in turn, durable", &creates, cpu);
    line(lines, "resident memory after the writes", format!("{:.0} MiB", process::resident_mib(server.pid())), "");
    server.terminate();
    if creates.answered == 0 {
        return;
    }
    eprintln!("inserting the same rows by plain SQL …");
    let ceiling = raw::insert_again(&full, &empty, creates.answered);
    let per_second = ceiling.resources as f64 / ceiling.seconds;
    let rows = ceiling.rows as f64 / ceiling.resources as f64;
    line(
        lines,
        "  plain SQL, same rows, 64 resources a commit",
        format!("{per_second:.0} resources/s"),
        &format!("{rows:.1} rows a resource"),
    );
    ratio(lines, creates.per_second() / per_second, Some(0.5));
}

/// `renraku import` of transaction bundles, by the clock on the wall.
fn measure_import(options: &Options, lines: &mut Vec<Line>) {
    let folder = TempDir::new();
    eprintln!("writing {} resources to import …", options.import_resources);
    let files = samples::write_import_files(folder.path(), options.import_resources);
    let database = common::sqlite_database();
    let import = |path: &std::path::Path| {
        let started = Instant::now();
        let output =
            common::renraku(folder.path()).arg("import").arg(path).args(["--database", &database.url]).output();
        let output = output.expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), started.elapsed().as_secs_f64(), told)
    };
    if let Some(facilities) = &files.facilities {
        let (good, _, told) = import(facilities);
        assert!(good, "the import of the facilities failed: {told}");
    }
    eprintln!("importing …");
    let (good, seconds, told) = import(&files.records);
    let told = told.lines().last().unwrap_or_default().to_owned();
    line(
        lines,
        &format!("import of {} resources ({})", files.resources, files.source),
        format!("{:.0} resources/s", files.resources as f64 / seconds),
        &if good {
            format!("{seconds:.1} s, {:.0} MB of transaction bundles", files.bytes as f64 / 1e6)
        } else {
            format!("FAILED: {told}")
        },
    );
    line(
        lines,
        "room on disk after the import",
        format!("{:.0} bytes/resource", disk_bytes(&database) / files.resources as f64),
        "",
    );
    let server = Server::start(&database.url, &[]);
    let counted = server.get("Patient?_summary=count").body["total"].clone();
    assert_eq!(counted, serde_json::json!(files.patients), "Patients found after the import");
}

/// Starts a server and notes the time until its first answer.
fn start_up(database: &Database, lines: &mut Vec<Line>, what: &str) -> Server {
    let started = Instant::now();
    let server = Server::start(&database.url, &[]);
    wait_ready(&server);
    line(lines, what, format!("{:.0} ms", started.elapsed().as_secs_f64() * 1e3), "until 200 on /fhir/metadata");
    server
}

fn wait_ready(server: &Server) {
    let answer = server.get("metadata");
    assert_eq!(answer.status, 200, "metadata: {}", answer.body);
}

/// Fills the database by transactions of 50 Patients and their Observations; the number of Patients.
fn load_resources(server: &Server, options: &Options) -> usize {
    const PAIRS: usize = 50;
    let (connections, host) = (4, server.address());
    let pairs = options.resources / 2;
    let bundles = pairs / PAIRS;
    let request = |connection: usize, number: usize, buffer: &mut Vec<u8>| {
        let bundle = (number * connections + connection) % bundles;
        post(buffer, host, "", &samples::pairs_bundle(bundle * PAIRS, PAIRS));
    };
    let loaded = load::run(host, connections, Until::Sent(bundles.div_ceil(connections)), request);
    assert_eq!(loaded.failed, 0, "loading: {}", loaded.first_failure.unwrap_or_default());
    bundles * PAIRS
}

fn get(server: &Server, id: &str) -> Vec<u8> {
    format!("GET /fhir/Patient/{id} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).into_bytes()
}

fn post(buffer: &mut Vec<u8>, host: &str, path: &str, resource: &serde_json::Value) {
    let body = serde_json::to_vec(resource).expect("JSON");
    let path = if path.is_empty() { "/fhir".to_owned() } else { format!("/fhir/{path}") };
    let length = body.len();
    buffer.extend_from_slice(
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/fhir+json\r\nContent-Length: {length}\r\n\r\n")
            .as_bytes(),
    );
    buffer.extend_from_slice(&body);
}

/// A create whose bytes are ready but for the digits of its identifier, so that the client, on the
/// same cores as the server, does not spend its time on printing JSON.
struct Template {
    bytes: Vec<u8>,
    digits: std::ops::Range<usize>,
}

impl Template {
    fn variety(host: &str, narrative: bool) -> Vec<Self> {
        let pair = |number| {
            let mut patient = samples::patient(number, None);
            let mut observation = samples::observation(number, "Patient/p-000000", None);
            if narrative {
                samples::narrate(&mut patient, number);
                samples::narrate(&mut observation, number);
            }
            [Self::new(host, "Patient", &patient), Self::new(host, "Observation", &observation)]
        };
        (0..128).flat_map(pair).collect()
    }

    fn new(host: &str, path: &str, resource: &serde_json::Value) -> Self {
        let mut bytes = Vec::new();
        post(&mut bytes, host, path, resource);
        let identifier = resource["identifier"][0]["value"].as_str().expect("an identifier");
        let quoted = format!("\"{identifier}\"");
        let start = bytes.windows(quoted.len()).position(|part| part == quoted.as_bytes()).expect("the identifier") + 1;
        Self { bytes, digits: start..start + identifier.len() }
    }

    fn write(&self, serial: usize, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.bytes);
        let width = self.digits.len();
        buffer[self.digits.clone()].copy_from_slice(format!("{serial:0width$}").as_bytes());
    }
}

/// Numbers that hit the whole range in no order, the same in every run.
fn scattered(connection: usize, number: usize) -> usize {
    let mixed = (number as u64 * 0x1_0001 + connection as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from((mixed ^ (mixed >> 31)) >> 16).unwrap_or(0)
}

/// The report of a load and the seconds of CPU that the process `pid` used meanwhile.
fn with_cpu(pid: u32, load: impl FnOnce() -> Report) -> (Report, f64) {
    let before = process::cpu_seconds(pid);
    let report = load();
    (report, process::cpu_seconds(pid) - before)
}

fn disk_bytes(database: &Database) -> f64 {
    process::bytes_in(database.folder().expect("SQLite")) as f64
}

fn line(lines: &mut Vec<Line>, what: &str, figure: String, remark: &str) {
    lines.push(Line { what: what.to_owned(), figure, remark: remark.to_owned() });
}

fn report(lines: &mut Vec<Line>, what: &str, report: &Report, cpu: f64) {
    let mut remark = format!(
        "p50 {:.2} ms, p99 {:.2} ms, {:.1} µs CPU of the server a request",
        report.quantile(0.5),
        report.quantile(0.99),
        cpu * 1e6 / (report.answered + report.failed).max(1) as f64
    );
    if let Some(failure) = &report.first_failure {
        let start: String = failure.chars().take(300).collect();
        remark = format!("{} FAILED, first: {start}", report.failed);
    }
    line(lines, what, format!("{:.0} requests/s", report.per_second()), &remark);
}

fn ratio(lines: &mut Vec<Line>, ratio: f64, goal: Option<f64>) {
    let verdict = goal.map_or_else(String::new, |goal| {
        format!("goal {goal:.2}: {}", if ratio >= goal { "reached" } else { "MISSED" })
    });
    line(lines, "  ratio", format!("{ratio:.2}"), &verdict);
}

fn print_table(options: &Options, lines: &[Line]) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nrenraku on SQLite, {cores} cores, {} connections, {} s each\n", options.connections, options.seconds);
    let width = |of: fn(&Line) -> &String| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (what_width, figure_width) = (width(|line| &line.what), width(|line| &line.figure));
    for Line { what, figure, remark } in lines {
        println!("{what:<what_width$}  {figure:>figure_width$}  {remark}");
    }
}
