//! How long the notebook takes when much is behind it, on SQLite or PostgreSQL:
//!
//! ```text
//! cargo bench --bench notebook -- [--resources 1000000] [--entries 100000] [--seconds 2] [--only pages,rebuild]
//! tests/postgres.sh cargo bench --bench notebook -- --database env …
//! ```
//!
//! A town (`benches/queries/citizens.rs`) and a circle of care (`circle.rs`) are imported by `renraku import` into
//! a database of its own and asked over HTTP by one client, one request after the other. Lists are first walked to
//! their end, page after page, so that it is known that they are complete; then their first, middle and last page
//! are asked again and again. At the end `renraku reindex --notebook` makes all rows of the notebook anew; a sum
//! over their hashes, whatever their order, must be what it was. SQLite's file is in `target/notebook` and is
//! removed at the end, with `--keep` it stays and is used again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../tests/common/mod.rs"]
mod common;

mod circle;
#[allow(dead_code, reason = "the searches look for more of it")]
#[path = "../queries/citizens.rs"]
mod citizens;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use circle::{DEEP, ENTRIES_OF_PAGE, GROUP, HELPER, NURSE, PAGE};
use common::{Database, Server, agent, exchange};
use serde_json::Value;

struct Options {
    resources: usize,
    entries: usize,
    seconds: f64,
    only: Vec<String>,
    postgres: Option<String>,
    keep: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options =
            Self { resources: 100_000, entries: 20_000, seconds: 2.0, only: Vec::new(), postgres: None, keep: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--keep" => options.keep = true,
                "--resources" => options.resources = value().parse().expect("a number of resources"),
                "--entries" => options.entries = value().parse().expect("entries of a long list"),
                "--seconds" => options.seconds = value().parse().expect("seconds a figure"),
                "--only" => options.only = value().split(',').map(str::to_owned).collect(),
                "--database" => {
                    let url = value();
                    let env = || std::env::var("RENRAKU_TEST_POSTGRES").expect("tests/postgres.sh");
                    options.postgres = Some(if url == "env" { env() } else { url });
                }
                other => panic!("unknown option {other}"),
            }
        }
        let circle = options.entries * 3 + 5000;
        assert!(options.resources >= circle + 5000, "at least {} resources", circle + 5000);
        options
    }

    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// Citizens of the town, so that all together are as many as asked for.
    fn citizens(&self) -> usize {
        citizens::citizens(self.resources - self.entries * 3 - 2300)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it by `cargo bench --bench notebook`");
        return;
    }
    let options = Options::parse(arguments.into_iter());
    let kind = if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let (database, file) = database(&options);
    load(&database.url, &options);
    println!("\nthe notebook on {kind}, {} resources, one client; ms\n", options.resources);
    if options.has("pages") {
        let server = Server::start(&database.url, &[]);
        pages(&server, &options);
    }
    if options.has("rebuild") {
        rebuild(&database);
    }
    if let Some(file) = file.filter(|_| !options.keep) {
        for end in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
    }
}

/// The database, which may hold everything already.
fn database(options: &Options) -> (Database, Option<PathBuf>) {
    match &options.postgres {
        None => {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("notebook");
            std::fs::create_dir_all(&folder).expect("a folder");
            let file = folder.join(format!("{}-{}.db", options.resources, options.entries));
            (Database::at(format!("sqlite://{}", file.display())), Some(file))
        }
        Some(maintenance) => {
            let name = format!("renraku_notebook_{}_{}", options.resources, options.entries);
            (Database::at(common::postgres_named(maintenance, &name)), None)
        }
    }
}

fn load(url: &str, options: &Options) {
    {
        let server = Server::start(url, &[]);
        let there = server.get("Patient?_summary=count").body["total"].as_u64();
        let expected = options.citizens() + circle::TEAM_CITIZENS + 2;
        if there == u64::try_from(expected).ok() {
            return;
        }
        assert_eq!(there, Some(0), "{url} holds something else");
    }
    let started = Instant::now();
    let folder = common::TempDir::new();
    let mut import = common::renraku(folder.path())
        .args(["import", "-", "--database", url])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut pipe = BufWriter::with_capacity(1 << 20, import.stdin.take().expect("piped"));
    let mut count = 0_usize;
    let town = citizens::town().into_iter().chain((0..options.citizens()).flat_map(citizens::citizen));
    let circle = circle::people().into_iter().chain(circle::page()).chain(circle::deep(options.entries));
    let circle = circle.chain(circle::team_articles(options.entries)).chain(circle::posts(options.entries));
    for resource in town.chain(circle) {
        serde_json::to_writer(&mut pipe, &resource).expect("the import reads");
        pipe.write_all(b"\n").expect("the import reads");
        count += 1;
    }
    drop(pipe);
    assert!(import.wait().expect("a child").success(), "the import failed");
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("imported {count} resources in {seconds:.1} s, {:.0} a second", count as f64 / seconds);
}

/// One client of the notebook.
struct Client {
    agent: ureq::Agent,
    root: String,
}

impl Client {
    fn ask(&self, member: &str, path: &str) -> Value {
        let headers: &[(&str, &str)] = if member.is_empty() { &[] } else { &[("X-Notebook-Member", member)] };
        let answer = exchange(&self.agent, &self.root, "GET", path, headers, None).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// p50, p99 in ms of asking again and again.
    fn time(&self, member: &str, path: &str, seconds: f64) -> (f64, f64) {
        for _ in 0..3 {
            self.ask(member, path);
        }
        let (mut times, started) = (Vec::new(), Instant::now());
        while times.len() < 5 || (times.len() < 2000 && started.elapsed() < Duration::from_secs_f64(seconds)) {
            let asked = Instant::now();
            self.ask(member, path);
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            if started.elapsed() > Duration::from_secs_f64(seconds * 5.0) {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        (at(0.5), at(0.99))
    }

    /// Walks a list to its end; its entries and where its first, middle and last page begin.
    fn walk(&self, member: &str, path: &str) -> (usize, [Option<String>; 3]) {
        let (mut entries, mut cursors, mut link) = (0, vec![None], format!("{path}?count=500"));
        loop {
            let page = self.ask(member, &link);
            entries += page["entries"].as_array().expect("entries").len();
            let Some(next) = page["next"].as_str() else { break };
            cursors.push(next.rsplit_once("after=").map(|(_, after)| after.to_owned()));
            next.clone_into(&mut link);
        }
        let places = [0, cursors.len() / 2, cursors.len() - 1];
        (entries, places.map(|place| cursors[place].clone()))
    }
}

fn pages(server: &Server, options: &Options) {
    let client = Client { agent: agent(), root: format!("{}/notebook/v1", server.base.trim_end_matches("/fhir")) };
    let line =
        |name: &str, (p50, p99): (f64, f64), more: &str| println!("{name:<58}{p50:>9.2} p50{p99:>9.2} p99  {more}");
    let page = format!("citizens/{PAGE}");
    for member in ["", NURSE, HELPER] {
        let who = member.rsplit('/').next().filter(|who| !who.is_empty()).unwrap_or("nobody");
        let unread = client.ask(member, &page)["unread"].clone();
        let figure = client.time(member, &page, options.seconds);
        let missed = if figure.0 > 5.0 { "MISSED 5 ms" } else { "" };
        line(&format!("page, {ENTRIES_OF_PAGE} entries behind it, for {who} (unread {unread})"), figure, missed);
    }
    // The team is on the timeline as well.
    let lists = [
        ("timeline of a citizen", "", format!("citizens/{DEEP}/timeline"), options.entries + 1),
        ("measurements of a citizen", "", format!("citizens/{DEEP}/measurement"), options.entries * 6 / 10),
        ("articles of a citizen", HELPER, format!("citizens/{DEEP}/articles"), options.entries * 3 / 10),
        ("posts of a group", HELPER, format!("group/{GROUP}/posts"), options.entries),
        ("unread of a team's member who read nothing", NURSE, "unread".to_owned(), 0),
        ("unread of one who read nearly all", HELPER, "unread".to_owned(), circle::TEAM_CITIZENS),
    ];
    for (name, member, path, expected) in lists {
        let (entries, cursors) = client.walk(member, &path);
        assert!(expected == 0 || entries == expected, "{name}: {entries} entries, not {expected}");
        let mut first = None;
        for (place, cursor) in ["first", "middle", "last"].into_iter().zip(cursors) {
            let path =
                cursor.map_or_else(|| format!("{path}?count=50"), |after| format!("{path}?count=50&after={after}"));
            let figure = client.time(member, &path, options.seconds);
            let first = *first.get_or_insert(figure.0);
            line(&format!("{name}, {place} page of {entries}"), figure, &format!("× {:.1}", figure.0 / first));
        }
    }
    line("calendar of a member", client.time(NURSE, "visits?from=2026-04-01&to=2026-04-30", options.seconds), "");
}

/// For each table of the notebook: rows, and the sum of the hashes of its rows.
fn sums(database: &Database) -> Vec<(String, u64, u64)> {
    let entities = renraku::notebook::model::tables().iter();
    let entities = entities.map(|table| (table.name.clone(), table.column_names().join(", ")));
    let fixed = [
        (
            "notebook_citizen",
            "key, name, kana, birth_date, gender, address, notebook_id, hospital_id, insured_id, municipality, folded",
        ),
        ("notebook_entry", "key, ordinal, citizen, category, low, high, date_text, title, detail, status, labels"),
    ];
    let fixed = fixed.into_iter().map(|(table, columns)| (table.to_owned(), columns.to_owned()));
    let highest = |table: &str| {
        let sql = format!("SELECT CAST(coalesce(max(key), 0) AS TEXT) AS line FROM {table}");
        common::query_lines(database, &sql)[0].parse::<i64>().expect("a key")
    };
    let rows = |table: &str| {
        let sql = format!("SELECT CAST(count(*) AS TEXT) AS line FROM {table}");
        common::query_lines(database, &sql)[0].parse::<i64>().expect("a number")
    };
    fixed
        .chain(entities)
        .map(|(table, columns)| {
            let line: Vec<String> =
                columns.split(", ").map(|column| format!("coalesce(CAST({column} AS TEXT), '-')")).collect();
            let line = line.join(" || chr(31) || ");
            let line = if database.url.starts_with("sqlite") { line.replace("chr(31)", "char(31)") } else { line };
            let (highest, parts) = (highest(&table), rows(&table) / 100_000 + 1);
            let (mut count, mut sum) = (0, 0_u64);
            for part in 0..parts {
                let (from, to) = (
                    highest / parts * part,
                    if part + 1 == parts { highest + 1 } else { highest / parts * (part + 1) },
                );
                let sql = format!("SELECT {line} AS line FROM {table} WHERE key >= {from} AND key < {to}");
                for row in common::query_lines(database, &sql) {
                    let mut hasher = DefaultHasher::new();
                    row.hash(&mut hasher);
                    sum = sum.wrapping_add(hasher.finish());
                    count += 1;
                }
            }
            (table, count, sum)
        })
        .collect()
}

/// The most memory a process has held, MiB (`VmHWM` of proc(5)).
fn peak_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn rebuild(database: &Database) {
    let before = sums(database);
    let folder = common::TempDir::new();
    let started = Instant::now();
    let mut child = common::renraku(folder.path())
        .args(["reindex", "--notebook", "--database", &database.url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut peak = 0.0;
    let status = loop {
        peak = peak_mib(child.id()).unwrap_or(peak);
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut told = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut told).expect("text");
    assert!(status.success(), "{told}");
    let after = sums(database);
    assert_eq!(before, after, "the notebook is what it was");
    let rows: u64 = before.iter().map(|(_, rows, _)| rows).sum();
    println!(
        "\nrebuild of {rows} rows: {seconds:.1} s, {:.0} rows/s, {peak:.0} MiB at most; the same as before",
        rows as f64 / seconds
    );
    println!("{} lines of progress, the last: {}", told.lines().count(), told.lines().last().unwrap_or_default());
}
