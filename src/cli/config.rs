//! Settings: flags over `renraku.toml` over `RENRAKU_*` over defaults.
//!
//! One struct is all three sources: Clap reads it from flags and, each variable as if it were a flag,
//! from the environment; Serde reads it from the file, where unknown keys are errors.

mod choices;
mod complete;
mod relevant;
mod secrets;
mod start;
mod units;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser};
use renraku::access::Policy;
use renraku::engine::EngineSettings;
use renraku::http::HttpSettings;
use renraku::store::{AuditOptions, Database, StoreOptions};
use serde::Deserialize;

use super::Failure;
use choices::{Asked, Audit, BucketStyle, Known, LogFormat, MinVersion, Switch, Words};
pub(super) use relevant::only_relevant_settings;
use secrets::SecretFile;
pub(super) use start::cannot_open;
use units::{Duration, Size, TimeZone};

const FILE: &str = "renraku.toml";

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

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
