//! Settings: flags over `renraku.toml` over `RENRAKU_*` over defaults.
//!
//! One struct is all three sources: Clap reads it from flags and, each variable as if it were a flag,
//! from the environment; Serde reads it from the file, where unknown keys are errors.

mod secrets;
mod units;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, ValueEnum};
use renraku::access::Policy;
use renraku::engine::{Engine, EngineSettings, Strictness, ValidationPolicy};
use renraku::http::{AuditMode, Authentication, ClientAuth, HttpSettings, LimitSettings, TlsSettings, TlsVersion};
use renraku::search::text::FullText;
use renraku::store::{AuditOptions, Bucket, Database, MediaPlace, Scanner, Store, StoreError, StoreOptions};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::Failure;
use secrets::SecretFile;
use units::{Duration, Size, TimeZone};

const FILE: &str = "renraku.toml";

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Switch {
    Off,
    On,
}

/// Where the name of a bucket stands in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BucketStyle {
    Path,
    Host,
}

/// Settings of one source; what it does not say is `None`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = "Settings")]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// File with settings, one `name = value` a line [default: ./renraku.toml when there is one]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where the data lives: sqlite://FILE or postgres://USER@HOST/DATABASE [default: sqlite://renraku.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// File with the password for the PostgreSQL database, where its URL has none
    #[arg(long, value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// URL under which clients reach this server, for example https://fhir.example.jp/fhir
    /// [default: as in the request]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Largest body of a request [default: 50MiB]
    #[arg(long, value_name = "SIZE")]
    max_body: Option<Size>,
    /// Largest photo, video or Binary sent as it is [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    max_upload: Option<Size>,
    /// Where photos, videos and large attachments lie: file:///var/lib/renraku/media or s3://BUCKET/PREFIX
    /// [default: beside the SQLite file, or renraku.media in the working folder]
    #[arg(long, value_name = "URL")]
    media_store: Option<String>,
    /// URL of the S3-compatible service that has the bucket of media_store [default: Amazon's in the region]
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
    /// Region of the bucket [default: of AWS_REGION, or us-east-1]
    #[arg(long, value_name = "REGION")]
    s3_region: Option<String>,
    /// File with aws_access_key_id and aws_secret_access_key
    /// [default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of the machine]
    #[arg(long, value_name = "FILE")]
    s3_credentials: Option<PathBuf>,
    /// How the bucket is named in URLs: path (https://HOST/BUCKET) or host (https://BUCKET.HOST, where s3_endpoint has
    /// the bucket in it) [default: path]
    #[arg(long, value_name = "STYLE")]
    s3_style: Option<BucketStyle>,
    /// Whether the service may be reached without TLS elsewhere than on this machine: on or off [default: off]
    #[arg(long, value_name = "SWITCH")]
    s3_allow_http: Option<Switch>,
    /// Attachment.data and Binary.data beyond this size go to the content store; 32KiB at least [default: 64KiB]
    #[arg(long, value_name = "SIZE")]
    inline_data: Option<Size>,
    /// A clamd that is asked before any content is kept: tcp://127.0.0.1:3310 or unix:///run/clamav/clamd.ctl
    /// [default: none]
    #[arg(long, value_name = "URL")]
    virus_scanner: Option<String>,
    /// Resources on a search page when the client does not say [default: 20]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    default_count: Option<u32>,
    /// Most resources on a search page [default: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    max_count: Option<u32>,
    /// Most entries of a batch or transaction [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    max_entries: Option<usize>,
    /// Longest time a search may take [default: 30s]
    #[arg(long, value_name = "DURATION")]
    search_timeout: Option<Duration>,
    /// Memory for resources that are read often; must be 0 when several servers share a PostgreSQL
    /// [default: 64MiB with SQLite, 0 with PostgreSQL]
    #[arg(long, value_name = "SIZE")]
    cache_bytes: Option<Size>,
    /// Connections for reading [default: 8]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    readers: Option<u32>,
    /// Threads for HTTP [default: one a core]
    #[arg(long, value_name = "NUMBER")]
    workers: Option<usize>,
    /// Reverse proxies whose X-Forwarded-* headers are believed (addresses, separated by commas)
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    trusted_proxies: Option<Vec<IpAddr>>,
    /// Origins whose pages browsers let use this server, exactly: https://app.example.jp (separated by commas)
    /// [default: none]
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',')]
    cors_origins: Option<Vec<String>>,
    /// Certificate of this server and those between it and its CA (PEM); with it TLS is spoken. Files that
    /// change are read again at once, and on SIGHUP
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// File with the passphrase of that key, when it has one
    #[arg(long, value_name = "FILE")]
    tls_key_passphrase_file: Option<PathBuf>,
    /// Lowest version of TLS: 1.3, or 1.2 for clients that know no better [default: 1.3]
    #[arg(long, value_name = "VERSION")]
    tls_min_version: Option<MinVersion>,
    /// Whether clients show certificates: off, optional (who has none comes in) or required [default: off]
    #[arg(long, value_name = "WHETHER")]
    client_auth: Option<Asked>,
    /// CAs of the clients' certificates (PEM)
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// What those CAs revoked (PEM)
    #[arg(long, value_name = "FILE")]
    client_crl: Option<PathBuf>,
    /// Header in which the trusted proxies pass on the certificate of a client, as RFC 9440 or as PEM,
    /// percent-encoded [default: none is believed]
    #[arg(long, value_name = "NAME")]
    client_cert_header: Option<String>,
    /// Whether callers must say who they are: off (anybody does anything) or required [default: off]
    #[arg(long, value_name = "WHETHER")]
    authentication: Option<Known>,
    /// Issuers beside this server whose access tokens are believed; their keys are found by OpenID discovery
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    issuers: Option<Vec<String>>,
    /// How people must have signed in: one of these must be in the claim amr of their tokens, for example otp,mfa
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    required_amr: Option<Vec<String>>,
    /// Only devices whose certificate was registered (`renraku certificate add`) [default: false]
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    registered_devices: Option<bool>,
    /// Whether every access is written down before it is answered: off, on (it survives a crash of this program), or
    /// strict (it is on the disk first) [default: on with authentication = required, else off]
    #[arg(long, value_name = "WHETHER")]
    audit: Option<Audit>,
    /// Folder for the audit: its key, its journal, with SQLite its tables
    /// [default: beside the SQLite file, or renraku.audit in the working folder]
    #[arg(long, value_name = "FOLDER")]
    audit_folder: Option<PathBuf>,
    /// Days after which rows of the audit are removed [default: none is]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    audit_retention_days: Option<u32>,
    /// Requests a second of one client (an application with its user, or a system), ten seconds' worth at once; 0 is no
    /// limit [default: 1000 with authentication = required, else 0]
    #[arg(long, value_name = "NUMBER")]
    client_rate: Option<u32>,
    /// Requests a second from one address without an access token that is known already; 0 is no limit
    /// [default: 50 with authentication = required, else 0]
    #[arg(long, value_name = "NUMBER")]
    address_rate: Option<u32>,
    /// Sign-ins and client assertions from one address that may fail; one is forgiven every 30 s; 0 is no limit
    /// [default: 20]
    #[arg(long, value_name = "NUMBER")]
    failed_sign_ins: Option<u32>,
    /// Requests that may be under way at once; 0 is no limit [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    max_requests: Option<usize>,
    /// File with the rules of who may do what with which resources; read once, at start
    /// [default: the policy that `renraku access policy` prints]
    #[arg(long, value_name = "FILE")]
    access_policy: Option<PathBuf>,
    /// Refuse updates without If-Match [default: false]
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_if_match: Option<bool>,
    /// Refuse transactions whose conditional references find nothing, instead of storing them as
    /// they are written [default: false]
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    strict_references: Option<bool>,
    /// What happens to content that validation finds wrong: off, warn (stored, the answer tells) or reject
    /// (422). Structure is always checked [default: off]
    #[arg(long, value_name = "STRICTNESS")]
    validation: Option<String>,
    /// The same for a type or for resources that claim a profile: Patient=reject,http://example.org/p=warn
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    validation_rules: Option<Vec<String>>,
    /// Whether every fracture opens the pathway of fracture liaison as resources: an EpisodeOfCare, a CarePlan, Tasks,
    /// Flags; without it PlanDefinition/$apply opens one [default: off; on with --demo]
    #[arg(long, value_enum, value_name = "off|on")]
    fls: Option<Switch>,
    /// Base URL of a FHIR terminology server that is asked about code systems that are not here (https); it is
    /// told systems and codes, nothing else [default: none is asked]
    #[arg(long, value_name = "URL")]
    terminology_server: Option<String>,
    /// Longest time one question to it may take [default: 5s]
    #[arg(long, value_name = "DURATION")]
    terminology_timeout: Option<Duration>,
    /// Time zone of dates that have none [default: +09:00]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    time_zone: Option<TimeZone>,
    /// What can be searched by its words: the narrative (_text), all text (_text and _content), or
    /// nothing; after a change run `renraku reindex` [default: narrative]
    #[arg(long, value_name = "WHAT")]
    full_text: Option<Words>,
    /// What is logged to standard error: error, warn, info, debug, or a filter such as
    /// info,renraku::store=debug [default: info, without what goes wrong inside HTTP connections]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How it is logged [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// The lowest version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
enum MinVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[value(name = "1.3")]
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Asked {
    /// Nobody is asked.
    Off,
    /// Who has none comes in.
    Optional,
    /// Nobody comes in without one.
    Required,
}

/// Whether callers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Known {
    /// Anybody does anything.
    Off,
    /// Nothing without an access token.
    Required,
}

/// Whether every access is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audit {
    /// Nothing is.
    Off,
    /// It survives a crash of this program.
    On,
    /// It is on the disk.
    Strict,
}

/// What can be searched by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Words {
    /// The narrative.
    Narrative,
    /// All text.
    All,
    /// Nothing.
    Off,
}

impl From<Words> for FullText {
    fn from(words: Words) -> Self {
        match words {
            Words::Narrative => Self::Narrative,
            Words::All => Self::All,
            Words::Off => Self::Off,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Settings that only `serve` has use for; the help of the other commands leaves them out.
const OF_SERVE: [&str; 33] = [
    "listen",
    "base_url",
    "max_body",
    "max_upload",
    "default_count",
    "max_count",
    "max_entries",
    "search_timeout",
    "workers",
    "trusted_proxies",
    "cors_origins",
    "tls_cert",
    "tls_key",
    "tls_key_passphrase_file",
    "tls_min_version",
    "client_auth",
    "client_ca",
    "client_crl",
    "client_cert_header",
    "authentication",
    "access_policy",
    "issuers",
    "required_amr",
    "registered_devices",
    "audit",
    "audit_folder",
    "audit_retention_days",
    "client_rate",
    "address_rate",
    "failed_sign_ins",
    "max_requests",
    "terminology_server",
    "terminology_timeout",
];
/// Settings that `healthcheck` has no use for, besides most of those.
const OF_ENGINE: [&str; 15] = [
    "cache_bytes",
    "readers",
    "require_if_match",
    "strict_references",
    "time_zone",
    "full_text",
    "media_store",
    "s3_endpoint",
    "s3_region",
    "s3_credentials",
    "s3_style",
    "s3_allow_http",
    "inline_data",
    "virus_scanner",
    "fls",
];

/// Hides settings from the help of commands that make no use of them; they are accepted all the same.
pub(super) fn only_relevant_settings(command: clap::Command) -> clap::Command {
    let hide = |command: clap::Command, hidden: Vec<&'static str>| {
        command.mut_args(move |argument| {
            let found = hidden.contains(&argument.get_id().as_str());
            if found { argument.hide(true) } else { argument }
        })
    };
    let all = [&OF_SERVE[..], &OF_ENGINE, &["database", "database_password_file"]].concat();
    command
        .mut_subcommand("import", |import| {
            hide(import, [&OF_SERVE[..], &["require_if_match", "cache_bytes", "readers"]].concat())
        })
        .mut_subcommand("migrate", |migrate| hide(migrate, [&OF_SERVE[..], &OF_ENGINE].concat()))
        .mut_subcommand("reindex", |reindex| hide(reindex, [&OF_SERVE[..], &OF_ENGINE[..4]].concat()))
        .mut_subcommand("client", |client| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "rotate", "revoke"].into_iter().fold(client, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("user", |user| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "revoke"].into_iter().fold(user, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("audit", |audit| {
            let used = |name: &&str| *name != "audit_folder";
            let others: Vec<&'static str> = [&OF_SERVE[..], &OF_ENGINE].concat().into_iter().filter(used).collect();
            let inner = |command| hide(command, others.clone());
            ["verify", "list", "export", "key"].into_iter().fold(audit, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("certificate", |certificate| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "revoke"].into_iter().fold(certificate, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("fls", |fls| {
            let used = |name: &str| name != "fls";
            let others: Vec<&'static str> =
                [&OF_SERVE[..], &OF_ENGINE].concat().into_iter().filter(|name| used(name)).collect();
            let inner = |command| hide(command, others.clone());
            ["sweep", "rebuild", "import-certifications"]
                .into_iter()
                .fold(fls, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("media", |media| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE[..6]].concat());
            ["gc", "verify"].into_iter().fold(media, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("terminology", |terminology| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["import", "list", "remove"].into_iter().fold(terminology, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("healthcheck", |check| {
            hide(check, all.into_iter().filter(|name| !matches!(*name, "listen" | "tls_cert")).collect())
        })
}

#[derive(Debug, Parser)]
struct Environment {
    #[command(flatten)]
    settings: Settings,
}

/// All settings, from all sources.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) store: StoreOptions,
    pub(super) engine: EngineSettings,
    pub(super) http: HttpSettings,
    /// Nobody said whether fracture liaison writes resources.
    pub(super) is_liaison_unsaid: bool,
    pub(super) audit: AuditOptions,
    /// Files that hold secrets.
    secret_files: Vec<SecretFile>,
    is_password_in_flags: bool,
    log: String,
    log_format: LogFormat,
}

impl Settings {
    /// These settings, filled up from the file, the environment and the defaults.
    pub(super) fn resolve(self) -> Result<Config, Failure> {
        self.resolve_from(|name| std::env::var_os(name), Path::new(FILE))
    }

    fn resolve_from(
        self,
        environment: impl Fn(&str) -> Option<OsString>,
        default_file: &Path,
    ) -> Result<Config, Failure> {
        let environment = from_environment(environment)?;
        let path = self.config.clone().or_else(|| environment.config.clone());
        let path = path.or_else(|| default_file.exists().then(|| default_file.to_owned()));
        let file = path.as_deref().map(from_file).transpose()?.unwrap_or_default();
        let has_password = |settings: &Self| {
            let database = settings.database.as_deref().and_then(|url| Database::parse(url).ok());
            database.is_some_and(|database| database.has_password())
        };
        let (is_in_flags, is_in_file) = (has_password(&self), has_password(&file));
        let mut config = self.over(file).over(environment).complete()?;
        config.secret_files.extend(path.filter(|_| is_in_file).map(|path| ("database", path)));
        config.is_password_in_flags = is_in_flags;
        Ok(config)
    }

    fn over(self, lower: Self) -> Self {
        Self {
            config: self.config.or(lower.config),
            database: self.database.or(lower.database),
            database_password_file: self.database_password_file.or(lower.database_password_file),
            listen: self.listen.or(lower.listen),
            base_url: self.base_url.or(lower.base_url),
            max_body: self.max_body.or(lower.max_body),
            max_upload: self.max_upload.or(lower.max_upload),
            media_store: self.media_store.or(lower.media_store),
            s3_endpoint: self.s3_endpoint.or(lower.s3_endpoint),
            s3_region: self.s3_region.or(lower.s3_region),
            s3_credentials: self.s3_credentials.or(lower.s3_credentials),
            s3_style: self.s3_style.or(lower.s3_style),
            s3_allow_http: self.s3_allow_http.or(lower.s3_allow_http),
            inline_data: self.inline_data.or(lower.inline_data),
            virus_scanner: self.virus_scanner.or(lower.virus_scanner),
            default_count: self.default_count.or(lower.default_count),
            max_count: self.max_count.or(lower.max_count),
            max_entries: self.max_entries.or(lower.max_entries),
            search_timeout: self.search_timeout.or(lower.search_timeout),
            cache_bytes: self.cache_bytes.or(lower.cache_bytes),
            readers: self.readers.or(lower.readers),
            workers: self.workers.or(lower.workers),
            trusted_proxies: self.trusted_proxies.or(lower.trusted_proxies),
            cors_origins: self.cors_origins.or(lower.cors_origins),
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            tls_key_passphrase_file: self.tls_key_passphrase_file.or(lower.tls_key_passphrase_file),
            tls_min_version: self.tls_min_version.or(lower.tls_min_version),
            client_auth: self.client_auth.or(lower.client_auth),
            client_ca: self.client_ca.or(lower.client_ca),
            client_crl: self.client_crl.or(lower.client_crl),
            client_cert_header: self.client_cert_header.or(lower.client_cert_header),
            authentication: self.authentication.or(lower.authentication),
            issuers: self.issuers.or(lower.issuers),
            required_amr: self.required_amr.or(lower.required_amr),
            registered_devices: self.registered_devices.or(lower.registered_devices),
            audit: self.audit.or(lower.audit),
            audit_folder: self.audit_folder.or(lower.audit_folder),
            audit_retention_days: self.audit_retention_days.or(lower.audit_retention_days),
            client_rate: self.client_rate.or(lower.client_rate),
            address_rate: self.address_rate.or(lower.address_rate),
            failed_sign_ins: self.failed_sign_ins.or(lower.failed_sign_ins),
            max_requests: self.max_requests.or(lower.max_requests),
            require_if_match: self.require_if_match.or(lower.require_if_match),
            strict_references: self.strict_references.or(lower.strict_references),
            validation: self.validation.or(lower.validation),
            validation_rules: self.validation_rules.or(lower.validation_rules),
            access_policy: self.access_policy.or(lower.access_policy),
            fls: self.fls.or(lower.fls),
            terminology_server: self.terminology_server.or(lower.terminology_server),
            terminology_timeout: self.terminology_timeout.or(lower.terminology_timeout),
            time_zone: self.time_zone.or(lower.time_zone),
            full_text: self.full_text.or(lower.full_text),
            log: self.log.or(lower.log),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    /// The content store; what is on its way to a bucket waits where a store in a folder would be.
    fn media_place(&self, url: &str, default: MediaPlace) -> Result<MediaPlace, Failure> {
        let place = MediaPlace::parse(url).map_err(|why| Failure::new(2, format!("media_store: {why}")))?;
        Ok(match (place, default) {
            (MediaPlace::Bucket(bucket), MediaPlace::Folder(staging)) => MediaPlace::Bucket(Bucket {
                endpoint: self.s3_endpoint.clone(),
                region: self.s3_region.clone(),
                credentials: self.s3_credentials.clone(),
                virtual_host: matches!(self.s3_style, Some(BucketStyle::Host)),
                allow_http: matches!(self.s3_allow_http, Some(Switch::On)),
                staging,
                ..bucket
            }),
            (place, _) => place,
        })
    }

    fn complete(self) -> Result<Config, Failure> {
        let database = self.database.as_deref().unwrap_or("sqlite://renraku.db");
        let database = Database::parse(database).map_err(|why| Failure::new(2, format!("database: {why}")))?;
        let database = secrets::with_password(database, self.database_password_file.as_deref())?;
        let secret_files = self.secret_files();
        let store = StoreOptions::new(database, renraku::notebook::project);
        let engine = EngineSettings::default();
        let http = HttpSettings::default();
        let (default_count, max_count) =
            (self.default_count.unwrap_or(engine.default_count), self.max_count.unwrap_or(engine.max_count));
        if default_count == 0 || max_count < default_count {
            return Err(Failure::new(
                2,
                format!(
                    "default_count is {default_count} and max_count is {max_count}; right is 1 ≤ default_count ≤ max_count"
                ),
            ));
        }
        let tls = self.tls()?;
        let base_url = self.base_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let mut validation = ValidationPolicy::default();
        let wrong = |setting: &str, why: String| Failure::new(2, format!("{setting}: {why}"));
        if let Some(default) = &self.validation {
            validation.default = Strictness::parse(default).map_err(|why| wrong("validation", why))?;
        }
        for rule in self.validation_rules.iter().flatten() {
            validation.add(rule).map_err(|why| wrong("validation_rules", why))?;
        }
        let access = match &self.access_policy {
            Some(path) => std::sync::Arc::new(policy(path)?),
            None => Policy::built_in(),
        };
        let timeout = self.terminology_timeout.map_or(std::time::Duration::from_secs(5), |timeout| timeout.0);
        let terminology_server = match &self.terminology_server {
            Some(base) => {
                let server = renraku::http::terminology_server(base, timeout);
                Some(server.map_err(|why| wrong("terminology_server", why))?)
            }
            None => None,
        };
        let origins = self.cors_origins.iter().flatten().map(|text| renraku::http::origin(text.trim()));
        let cors_origins = origins.collect::<Result<Vec<_>, _>>().map_err(|why| wrong("cors_origins", why))?;
        let mut media = store.media.clone();
        if let Some(place) = &self.media_store {
            media.place = self.media_place(place, media.place)?;
        } else if self.s3_endpoint.is_some() || self.s3_region.is_some() || self.s3_credentials.is_some() {
            return Err(wrong("media_store", "the settings s3_… want media_store = \"s3://BUCKET/PREFIX\"".to_owned()));
        }
        if let Some(size) = &self.inline_data {
            media.inline = usize::try_from(size.0).unwrap_or(usize::MAX);
        }
        if let Some(scanner) = &self.virus_scanner {
            media.scanner = Some(Scanner::parse(scanner).map_err(|why| wrong("virus_scanner", why))?);
        }
        let is_asked = matches!(self.authentication, Some(Known::Required));
        let limits = LimitSettings {
            client_rate: self.client_rate.unwrap_or(if is_asked { 1000 } else { 0 }),
            address_rate: self.address_rate.unwrap_or(if is_asked { 50 } else { 0 }),
            failed_sign_ins: self.failed_sign_ins.unwrap_or(20),
            max_requests: self.max_requests.unwrap_or(1000),
        };
        let audit = AuditOptions {
            folder: self.audit_folder.unwrap_or_else(|| AuditOptions::beside(&store.database)),
            database: store.database.clone(),
            indexed: renraku::access::audit::indexed,
            retention: self.audit_retention_days.map(|days| std::time::Duration::from_secs(u64::from(days) * 86_400)),
        };
        Ok(Config {
            store: StoreOptions {
                media,
                base_url: base_url.as_deref().map(Into::into),
                readers: self.readers.unwrap_or(store.readers),
                cache_bytes: self.cache_bytes.map_or(store.cache_bytes, |size| size.0),
                default_offset_seconds: self.time_zone.map_or(store.default_offset_seconds, |zone| zone.0),
                full_text: self.full_text.map_or(store.full_text, Into::into),
                ..store
            },
            engine: EngineSettings {
                default_count,
                max_count,
                max_entries: self.max_entries.unwrap_or(engine.max_entries),
                search_timeout: self.search_timeout.map_or(engine.search_timeout, |timeout| timeout.0),
                require_if_match: self.require_if_match.unwrap_or(engine.require_if_match),
                strict_references: self.strict_references.unwrap_or(engine.strict_references),
                validation,
                liaison: self.fls == Some(Switch::On),
                terminology_server,
                access,
            },
            http: HttpSettings {
                listen: self.listen.unwrap_or(http.listen),
                base_url,
                max_body: self.max_body.map_or(http.max_body, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
                max_upload: self.max_upload.map_or(http.max_upload, |size| size.0),
                workers: self.workers.unwrap_or(http.workers).max(1),
                trusted_proxies: self.trusted_proxies.unwrap_or_default(),
                cors_origins,
                tls,
                client_cert_header: self.client_cert_header.map(|name| name.to_ascii_lowercase()),
                authentication: match self.authentication {
                    Some(Known::Required) => Authentication::Required,
                    Some(Known::Off) | None => Authentication::Off,
                },
                issuers: self.issuers.unwrap_or_default(),
                required_amr: self.required_amr.unwrap_or_default(),
                registered_devices: self.registered_devices.unwrap_or(false),
                audit: match (self.audit, self.authentication) {
                    (Some(Audit::Strict), _) => AuditMode::Strict,
                    (Some(Audit::On), _) | (None, Some(Known::Required)) => AuditMode::On,
                    (Some(Audit::Off), _) | (None, _) => AuditMode::Off,
                },
                limits,
                is_insecure: false,
            },
            is_liaison_unsaid: self.fls.is_none(),
            audit,
            secret_files,
            is_password_in_flags: false,
            log: self.log.unwrap_or_else(|| "info,actix_http=off,actix_server=warn".to_owned()),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
        })
    }
}

impl Settings {
    /// The files among the settings that hold secrets.
    fn secret_files(&self) -> Vec<SecretFile> {
        let named = [
            ("database_password_file", &self.database_password_file),
            ("tls_key", &self.tls_key),
            ("tls_key_passphrase_file", &self.tls_key_passphrase_file),
            ("s3_credentials", &self.s3_credentials),
        ];
        named.into_iter().filter_map(|(setting, path)| Some((setting, path.clone()?))).collect()
    }

    /// TLS, when it is set up.
    fn tls(&self) -> Result<Option<TlsSettings>, Failure> {
        let client_auth = match self.client_auth {
            Some(Asked::Optional) => ClientAuth::Optional,
            Some(Asked::Required) => ClientAuth::Required,
            Some(Asked::Off) | None => ClientAuth::Off,
        };
        let (certificate, key) = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) if client_auth == ClientAuth::Off => return Ok(None),
            (None, None) => {
                return Err(Failure::new(2, "client_auth: clients show certificates in TLS; set tls_cert and tls_key"));
            }
            _ => return Err(Failure::new(2, "tls_cert and tls_key go together; only one of them is set")),
        };
        if client_auth != ClientAuth::Off && self.client_ca.is_none() {
            return Err(Failure::new(
                2,
                "client_auth: set client_ca, the file with the CAs of the clients' certificates",
            ));
        }
        Ok(Some(TlsSettings {
            certificate,
            key,
            key_passphrase: self.tls_key_passphrase_file.clone(),
            min_version: match self.tls_min_version {
                Some(MinVersion::Tls12) => TlsVersion::V1_2,
                Some(MinVersion::Tls13) | None => TlsVersion::V1_3,
            },
            client_auth,
            client_ca: self.client_ca.clone(),
            client_crl: self.client_crl.clone(),
        }))
    }
}

/// Each variable is read as if it were the flag of that name.
fn from_environment(value_of: impl Fn(&str) -> Option<OsString>) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    for argument in Environment::command().get_arguments() {
        let Some(flag) = argument.get_long() else { continue };
        let name = format!("RENRAKU_{}", flag.to_uppercase().replace('-', "_"));
        let Some(value) = value_of(&name).filter(|value| !value.is_empty()) else { continue };
        let mut assignment = OsString::from(format!("--{flag}="));
        assignment.push(&value);
        let read = Environment::try_parse_from([OsString::from("renraku"), assignment]).map_err(|error| {
            let text = error.to_string();
            let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Failure::new(2, format!("the environment variable {name}: {why}"))
        })?;
        settings = settings.over(read.settings);
    }
    Ok(settings)
}

/// The access policy in a file.
pub(super) fn policy(path: &Path) -> Result<Policy, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(2, format!("access_policy: {}: {error}", path.display())))?;
    Policy::parse(&text, &path.display().to_string()).map_err(|why| Failure::new(2, format!("access_policy: {why}")))
}

fn from_file(path: &Path) -> Result<Settings, Failure> {
    let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    toml::from_str(&text).map_err(|error| refuse(&secrets::wrong_toml(&text, &error)))
}

impl Config {
    /// Begins to log to standard error.
    pub(super) fn start_log(&self) -> Result<(), Failure> {
        let filter = EnvFilter::try_new(&self.log)
            .map_err(|error| Failure::new(2, format!("log: {:?} is not a log filter: {error}", self.log)))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            // Telling on standard error that nothing can be written to standard error ends in a panic.
            .log_internal_errors(false)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
        Ok(())
    }

    /// Says where secrets are kept so that others may read them.
    pub(super) fn tell_exposed_secrets(&self) {
        for text in secrets::exposed(&self.secret_files) {
            tracing::warn!("{text}");
        }
        if self.is_password_in_flags {
            tracing::warn!(
                "--database has a password in it, which every user of this machine sees among the processes; \
                 database_password_file takes it from a file"
            );
        }
    }

    /// Opens the database and puts the engine on it.
    pub(super) fn open(&self) -> Result<Engine, Failure> {
        let store = Store::open(self.store.clone()).map_err(|error| cannot_open(&self.store.database, &error))?;
        Ok(Engine::new(store, self.engine.clone()))
    }
}

/// What a person can do about a database that does not open.
pub(super) fn cannot_open(database: &Database, error: &StoreError) -> Failure {
    let why = match error {
        StoreError::Unavailable(why) | StoreError::Database(why) => why.trim_end().to_owned(),
        other => other.to_string(),
    };
    Failure::new(
        1,
        match database {
            Database::Sqlite(_) if why.contains("is in use") => why,
            Database::Sqlite(path) => {
                let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir());
                let hint = folder.map_or_else(
                    || {
                        "check that it is a renraku database and that this user may read and write it and its folder"
                            .to_owned()
                    },
                    |folder| format!("the folder {} does not exist; create it first", folder.display()),
                );
                format!("cannot open the database {}: {why} ({hint})", path.display())
            }
            // The URL may hold a password: it is not repeated.
            Database::Postgres(_) => format!(
                "cannot open the PostgreSQL database: {why} (check host, user and password in --database, and that the database exists)"
            ),
        },
    )
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
