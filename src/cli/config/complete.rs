//! Settings of all sources and the defaults, checked against each other: what the floors below are started with.

use super::choices::{Asked, Audit, BucketStyle, Known, LogFormat, MinVersion, Switch};
use super::secrets::{self, SecretFile};
use super::{Config, Settings, policy};
use crate::cli::Failure;
use renraku::access::Policy;
use renraku::engine::{EngineSettings, Strictness, ValidationPolicy};
use renraku::http::{AuditMode, Authentication, ClientAuth, HttpSettings, LimitSettings, TlsSettings, TlsVersion};
use renraku::store::{AuditOptions, Bucket, Database, MediaPlace, Scanner, StoreOptions};

impl Settings {
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

    /// What they come to.
    pub(super) fn complete(self) -> Result<Config, Failure> {
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
        for issuer in self.issuers.iter().flatten() {
            renraku::http::check_address(issuer).map_err(|why| wrong("issuers", why))?;
        }
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
