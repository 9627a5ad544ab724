//! How long searches take, at several sizes of the database, on SQLite or PostgreSQL:
//!
//! ```text
//! cargo bench --bench queries -- --resources 10000,100000,1000000 [--only PART,…] [--seconds 1]
//! tests/postgres.sh cargo bench --bench queries -- --database env
//! ```
//!
//! A town is made up (`citizens.rs`), imported by `renraku import` into a database of its own and searched over
//! HTTP by one client, one request after the other, so that a figure is the time of one search and not of a
//! queue. SQLite files stay in `target/queries` and are used again; `--database URL` names a PostgreSQL
//! server whose role may create databases (`env`: that of `tests/postgres.sh`).
//!
//! With `--views` the same searches are asked of a server that wants tokens: by a system that sees everybody, and by
//! members of teams and an officer, in turn (`views.rs`); the figures are medians and multiples of the system's.
//!
//! Reading the table: `p50` and `p99` in ms at each size, then the medians as multiples of the smallest
//! size's. What is selective should stay at 1; what counts or reads all matches grows with them, and then
//! the index rows a second say whether that is fast.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../../tests/common/mod.rs"]
mod common;

mod citizens;
mod shapes;
mod views;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Answer, Server};
use shapes::{DEEP, SHAPES, Shape};

struct Options {
    sizes: Vec<usize>,
    seconds: f64,
    only: Vec<String>,
    /// A PostgreSQL server; SQLite without.
    postgres: Option<String>,
    /// Load only.
    load: bool,
    /// Compare who sees everybody with who does not.
    views: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            sizes: vec![10_000, 100_000],
            seconds: 1.0,
            only: Vec::new(),
            postgres: None,
            load: false,
            views: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--load" => options.load = true,
                "--views" => options.views = true,
                "--resources" => {
                    options.sizes =
                        value().split(',').map(|size| size.parse().expect("a number of resources")).collect();
                }
                "--seconds" => options.seconds = value().parse().expect("seconds a shape"),
                "--only" => options.only = value().split(',').map(str::to_owned).collect(),
                "--database" => {
                    let url = value();
                    let url = if url == "env" {
                        std::env::var("RENRAKU_TEST_POSTGRES").expect("tests/postgres.sh")
                    } else {
                        url
                    };
                    options.postgres = Some(url);
                }
                other => panic!("unknown option {other}"),
            }
        }
        assert!(options.sizes.iter().all(|size| *size >= 5000), "too small to measure");
        options
    }

    fn shapes(&self) -> impl Iterator<Item = &'static Shape> {
        SHAPES
            .iter()
            .filter(|shape| self.only.is_empty() || self.only.iter().any(|part| shape.name.contains(part.as_str())))
    }
}

/// What one shape took at one size.
struct Figure {
    p50: f64,
    p99: f64,
    /// Matches of the last answer that said how many.
    total: Option<u64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("a benchmark: run it by `cargo bench --bench queries`");
        return;
    }
    let options = Options::parse(arguments.into_iter());
    let mut columns: Vec<Vec<Figure>> = Vec::new();
    for size in &options.sizes {
        let url = database(&options, *size);
        load(&url, *size);
        if options.load {
            continue;
        }
        if options.views {
            views::compare(&options, &url, *size);
            continue;
        }
        let server = Server::start(&url, &[]);
        columns.push(options.shapes().map(|shape| measure(&server, shape, *size, options.seconds)).collect());
    }
    if !columns.is_empty() {
        print_table(&options, &columns);
    }
}

/// The database of a size, which may hold it already.
fn database(options: &Options, size: usize) -> String {
    match &options.postgres {
        None => {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("queries");
            std::fs::create_dir_all(&folder).expect("a folder");
            format!("sqlite://{}", folder.join(format!("{size}.db")).display())
        }
        Some(maintenance) => common::postgres_named(maintenance, &format!("renraku_queries_{size}")),
    }
}

/// Imports the town, unless it is there.
fn load(url: &str, size: usize) {
    let citizens = citizens::citizens(size);
    {
        let server = Server::start(url, &[]);
        let there = server.get("Patient?_summary=count").body["total"].as_u64();
        if there == u64::try_from(citizens).ok() {
            return;
        }
        assert_eq!(there, Some(0), "{url} holds something else");
    }
    eprintln!("importing {size} resources …");
    let started = Instant::now();
    let folder = common::TempDir::new();
    let mut import = common::renraku(folder.path())
        .args(["import", "-", "--database", url])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut pipe = BufWriter::with_capacity(1 << 20, import.stdin.take().expect("piped"));
    let everyone = (0..citizens).flat_map(citizens::citizen);
    for resource in citizens::town().into_iter().chain(everyone) {
        serde_json::to_writer(&mut pipe, &resource).expect("the import reads");
        pipe.write_all(b"\n").expect("the import reads");
    }
    drop(pipe);
    assert!(import.wait().expect("a child").success(), "the import failed");
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("imported {size} resources in {seconds:.1} s, {:.0} a second", size as f64 / seconds);
}

fn ask(server: &Server, path: &str) -> Answer {
    let answer = match path.strip_prefix('?') {
        Some(query) => server.get(&format!("?{query}")),
        None => server.get(path),
    };
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// Asks one after the other, some time long, at least five times.
fn measure(server: &Server, shape: &Shape, size: usize, seconds: f64) -> Figure {
    let deep = (shape.name == DEEP).then(|| {
        let mut path = (shape.path)(0, size);
        for _ in 1..50 {
            let answer = ask(server, &path);
            let links = answer.body["link"].as_array().into_iter().flatten();
            let next = links.clone().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
            let Some(next) = next else { break };
            path = next.trim_start_matches(&server.base).trim_start_matches('/').to_owned();
        }
        path
    });
    let path = |number: usize| deep.clone().unwrap_or_else(|| encoded(&(shape.path)(number, size)));
    let mut total = None;
    for number in 0..3 {
        ask(server, &path(number));
    }
    let mut times: Vec<f64> = Vec::new();
    let started = Instant::now();
    while times.len() < 5 || (times.len() < 500 && started.elapsed() < Duration::from_secs_f64(seconds)) {
        let path = path(times.len() + 3);
        let asked = Instant::now();
        let answer = ask(server, &path);
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        total = answer.body["total"].as_u64().or(total);
        if started.elapsed() > Duration::from_secs_f64(seconds * 10.0) {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Figure { p50: at(0.5), p99: at(0.99), total }
}

/// Letters beyond ASCII and `|` as a client sends them.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:/?&=,$*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn print_table(options: &Options, columns: &[Vec<Figure>]) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kind = if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    println!("\nsearches on {kind}, {cores} cores, one client; ms\n");
    print!("{:<38}", "");
    for size in &options.sizes {
        print!("{:>11} p50{:>9}", size, "p99");
    }
    println!("   p50 as a multiple of the first");
    for (place, shape) in options.shapes().enumerate() {
        print!("{:<38}", shape.name);
        let figures: Vec<&Figure> = columns.iter().map(|column| &column[place]).collect();
        for figure in &figures {
            print!("{:>15.2}{:>9.2}", figure.p50, figure.p99);
        }
        print!("   ");
        for figure in figures.iter().skip(1) {
            print!(" {:>6.1}", figure.p50 / figures[0].p50);
        }
        if let Some(last) = figures.last() {
            let matches = last.total.map_or_else(String::new, |total| format!("  {total} matches"));
            print!("{matches}");
            if let (true, Some(total)) = (shape.counts, last.total) {
                print!(", {:.1} million rows/s", total as f64 / last.p50 / 1e3);
            }
            if shape.goal > 0.0 && last.p50 > shape.goal {
                print!("  MISSED {:.0} ms", shape.goal);
            }
        }
        println!();
    }
}
