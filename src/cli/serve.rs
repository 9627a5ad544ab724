//! `renraku serve`

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use renraku::access::Caller;
use renraku::access::audit::{Action, Agent, Event, Kind};
use renraku::engine::{Engine, Rejection};
use renraku::http::{AuditMode, Authentication, HttpSettings};
use renraku::operations::offer::missing_definitions;
use renraku::store::{AuditLog, MediaOptions, MediaPlace, Store, StoreOptions};

use super::config::Settings;
use super::healthcheck::reachable;
use super::{Failure, answer, tell};

const BETWEEN_COLLECTIONS: Duration = Duration::from_secs(3600);
/// Unused content younger than this stays: a resource may be about to hold it.
const GRACE: Duration = Duration::from_secs(24 * 3600);

const EXAMPLES: &str = "\
Examples:
  renraku serve --demo
  renraku serve --listen 127.0.0.1:9090 --database sqlite:///var/lib/renraku/renraku.db
  renraku serve --database postgres://renraku@db.example.jp/renraku --base-url https://fhir.example.jp/fhir

When it is ready it prints one line, `listening on http://ADDRESS:PORT`, to standard output; logs go to
standard error. SIGTERM and Ctrl-C let requests that are under way finish.

Exit codes: 0 after a signal, 1 when something fails, 2 when it was started in a way it refuses.";

/// Serve FHIR over HTTP
///
/// Every setting below can also stand in renraku.toml (max_body = "20MiB") or in the environment
/// (RENRAKU_MAX_BODY=20MiB). Flags come first, then the file, then the environment.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Load a made-up town first, to look around (days count from today); changes nothing when it is there already
    #[arg(long)]
    demo: bool,
    /// Do not store the definitions of the notebook's own guide (profiles, extensions, value sets) as
    /// resources; they are used all the same
    #[arg(long)]
    no_guide: bool,
    /// Listen on an address that others can reach without TLS or without authentication
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut config = arguments.settings.resolve()?;
    let listen = config.http.listen;
    let missing = missing(&config.http);
    if !listen.ip().to_canonical().is_loopback() && !missing.is_empty() {
        if !arguments.insecure {
            return Err(Failure::new(2, refusal(listen, &missing)));
        }
        tell(format_args!("WARNING: --insecure on {listen}: {missing}. Do not do this with data of real people."));
        config.http.is_insecure = true;
    }
    if config.http.authentication == Authentication::Required && config.http.base_url.is_none() {
        if !listen.ip().to_canonical().is_loopback() {
            let text =
                "authentication = required: set base_url, the URL under which clients reach /fhir; tokens are for that";
            return Err(Failure::new(2, text));
        }
        if !config.http.issuers.is_empty() {
            return Err(Failure::new(2, "issuers: set base_url, which their tokens must have as aud"));
        }
    }
    config.start_log()?;
    config.tell_exposed_secrets();
    if config.http.is_insecure {
        tracing::warn!(%listen, "{missing}; started with --insecure");
    }
    if arguments.demo && config.is_liaison_unsaid {
        config.engine.liaison = true;
    }
    let engine = config.open()?;
    if !arguments.no_guide {
        load_guide(&engine)?;
    }
    let citizen = if arguments.demo { Some(super::demo::load(&engine, &config)?) } else { None };
    renraku::operations::fls::keep(engine.clone());
    tell_media_store(&config.store, engine.store());
    collect_content(engine.store().clone())?;
    let engine = match config.http.audit {
        AuditMode::Off => engine,
        AuditMode::On | AuditMode::Strict => {
            let log = AuditLog::open(config.audit.clone()).map_err(|error| Failure::new(1, error.to_string()))?;
            engine.with_audit(log)
        }
    };
    if config.http.audit != AuditMode::Off && config.http.authentication == Authentication::Off {
        tracing::warn!("authentication is off: the audit does not know who acts, and who is at this machine reads it");
    }
    let program = || Agent::from(&*Caller::program());
    let begun = Event::now(Kind::Started, Action::E, program());
    engine.record(&begun).map_err(|_| Failure::new(1, "the audit cannot be written"))?;
    let audited = engine.clone();
    let base_url = config.http.base_url.clone();
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let ready = |address: SocketAddr| {
        answer(format_args!("listening on {scheme}://{address}"));
        if let Some(citizen) = citizen {
            let root = base_url.map_or_else(
                || format!("{scheme}://{}", reachable(address)),
                |url| url.trim_end_matches("/fhir").to_owned(),
            );
            tell(format_args!("a timeline to look at: {root}/notebook/v1/citizens/{citizen}/timeline"));
        }
    };
    match renraku::http::serve(engine, config.http.clone(), ready) {
        Ok(()) => {
            let _ = audited.record(&Event::now(Kind::Stopped, Action::E, program()));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(Failure::new(1, cannot_listen(listen, &error))),
    }
}

/// What a listener that others reach lacks, in words; empty when it has all.
fn missing(http: &HttpSettings) -> String {
    let without_tls =
        http.tls.is_none().then_some("without TLS everyone on the way reads along and changes what they like");
    let unknown = (http.authentication == Authentication::Off)
        .then_some("without authentication everyone who connects reads and changes every record");
    [without_tls, unknown].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Nobody expects files of a database server in the folder where a program was started.
fn tell_media_store(options: &StoreOptions, store: &Store) {
    if matches!(options.media.place, MediaPlace::Bucket(_)) {
        let (blobs, place) = (store.blobs().clone(), options.media.place.to_string());
        // A service that is away must not keep the server from serving what lies elsewhere.
        std::thread::spawn(move || match blobs.check() {
            Ok(()) => tracing::info!(%place, "the content store is there"),
            Err(why) => {
                tracing::error!(%place, %why, "the content store cannot be used; what needs it is answered with 503");
            }
        });
    }
    if options.database.is_postgres() && options.media == MediaOptions::beside(&options.database) {
        tracing::warn!(
            place = %options.media.place,
            "photos, videos and large attachments go to this folder, below the one where this was started; \
             media_store = \"file:///…\" names another, and servers that share a database must share it"
        );
    }
}

/// Removes, once an hour, content that nothing holds.
fn collect_content(store: Store) -> Result<(), Failure> {
    let work = move || {
        loop {
            std::thread::sleep(BETWEEN_COLLECTIONS);
            match store.collect_content(GRACE, false) {
                Ok(collected) if collected.removed.is_empty() => {}
                Ok(collected) => {
                    tracing::info!(
                        contents = collected.removed.len(),
                        bytes = collected.bytes,
                        "unused content was removed"
                    );
                }
                Err(error) => tracing::error!(%error, "unused content could not be removed; it is tried again"),
            }
        }
    };
    let started = std::thread::Builder::new().name("collector".to_owned()).spawn(work);
    started.map(|_| ()).map_err(|error| Failure::new(1, format!("cannot start a thread: {error}")))
}

fn refusal(listen: SocketAddr, missing: &str) -> String {
    format!(
        "will not listen on {listen}, which others can reach: {missing}.\n\
         Set tls_cert, tls_key and authentication = required; or put a reverse proxy with both in front and listen on \
         loopback (--listen 127.0.0.1:{port}); or, on a network that only you can reach and without data of real people, \
         add --insecure.",
        port = listen.port()
    )
}

fn cannot_listen(listen: SocketAddr, error: &std::io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => {
            "another program uses this port; stop it, or choose another with --listen (port 0 takes any free one)"
        }
        ErrorKind::AddrNotAvailable => "this machine does not have that address; see `ip address`",
        ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one with --listen",
        _ => return format!("the server on {listen} stopped: {error}"),
    };
    format!("cannot listen on {listen}: {hint}")
}

/// Stores the definitions of our guide that are not here yet.
fn load_guide(engine: &Engine) -> Result<(), Failure> {
    let failed = |why: String| Failure::new(1, format!("the definitions of the guide could not be stored: {why}"));
    let missing = missing_definitions(engine).map_err(|error| failed(error.to_string()))?;
    let Some(bundle) = missing else { return Ok(()) };
    engine
        .keeping_packages()
        .transact_blocking(&bundle)
        .map(|_| ())
        .map_err(|rejection| failed(reason(&rejection).to_owned()))
}

pub(super) fn reason(rejection: &Rejection) -> &str {
    rejection.issues.first().map_or("it was refused", |issue| issue.diagnostics.as_str())
}
