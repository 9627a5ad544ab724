//! TLS 1.2 and 1.3 through OpenSSL: certificates, client certificates, and both anew when their files change.
//!
//! Nothing here knows requests. A handshake takes the context that is current when it begins (in OpenSSL's
//! ClientHello callback), so that a new certificate, CA or revocation list counts from the next connection on
//! and no connection under way is cut. Sessions are not resumed where clients show certificates: a
//! resumed one would not be looked up in the revocation list again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    AlpnError, ClientHelloResponse, SslAcceptor, SslAcceptorBuilder, SslAlert, SslContext, SslFiletype, SslMethod,
    SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509Name};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; who has none comes in all the same.
    Optional,
    /// No connection without a valid one.
    Required,
}

/// The lowest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// TLS 1.2, where clients know no better.
    V1_2,
    /// TLS 1.3.
    #[default]
    V1_3,
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate of the server and those between it and its CA, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The file with the passphrase of that key, when it has one.
    pub key_passphrase: Option<PathBuf>,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// The CAs of the clients' certificates, PEM.
    pub client_ca: Option<PathBuf>,
    /// What those CAs revoked, PEM. With it, a certificate whose CA has no valid list here is refused.
    pub client_crl: Option<PathBuf>,
}

impl TlsSettings {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let always = [Some(&self.certificate), Some(&self.key)];
        let others = [self.key_passphrase.as_ref(), self.client_ca.as_ref(), self.client_crl.as_ref()];
        always.into_iter().chain(others).flatten().map(PathBuf::as_path)
    }

    /// What tells that a file is another than before.
    fn stamp(&self) -> Vec<Option<(SystemTime, u64)>> {
        let of = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        self.files().map(of).collect()
    }
}

/// The context that new connections get.
#[derive(Clone)]
pub(super) struct Current {
    settings: Arc<TlsSettings>,
    context: Arc<RwLock<SslContext>>,
}

impl Current {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub(super) fn load(settings: &TlsSettings) -> Result<Self, String> {
        let context = builder(settings)?.build().into_context();
        Ok(Self { settings: Arc::new(settings.clone()), context: Arc::new(RwLock::new(context)) })
    }

    /// An acceptor whose every handshake takes the current context.
    pub(super) fn acceptor(&self) -> Result<SslAcceptorBuilder, String> {
        let mut builder = builder(&self.settings)?;
        let context = Arc::clone(&self.context);
        builder.set_client_hello_callback(move |connection, alert| {
            let current = context.read().map(|context| context.clone());
            match current.map(|current| connection.set_ssl_context(&current)) {
                Ok(Ok(())) => Ok(ClientHelloResponse::SUCCESS),
                Ok(Err(error)) => {
                    *alert = SslAlert::DECODE_ERROR;
                    Err(error)
                }
                Err(_) => {
                    *alert = SslAlert::DECODE_ERROR;
                    Err(ErrorStack::get())
                }
            }
        });
        Ok(builder)
    }

    /// Reads the files again; what is wrong then is logged and the old context stays.
    fn renew(&self) {
        match builder(&self.settings) {
            Ok(builder) => {
                if let Ok(mut context) = self.context.write() {
                    *context = builder.build().into_context();
                    tracing::info!("TLS certificates were read again");
                }
            }
            Err(why) => tracing::error!(%why, "the new TLS files cannot be used; the old ones stay in use"),
        }
    }

    /// Reads the files again when they change and on SIGHUP, for as long as the server runs.
    pub(super) async fn watch(self) {
        let mut stamp = self.settings.stamp();
        let mut hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        loop {
            let hung_up = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            let is_told = tokio::time::timeout(EVERY, hung_up).await.is_ok();
            let now = self.settings.stamp();
            // A file that is missing for a moment is about to be replaced.
            if is_told || (now != stamp && now.iter().all(Option::is_some)) {
                stamp = now;
                self.renew();
            }
        }
    }
}

fn builder(settings: &TlsSettings) -> Result<SslAcceptorBuilder, String> {
    let refuse = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    for path in settings.files() {
        std::fs::File::open(path).map_err(|error| refuse(path, &error))?;
    }
    let failed = |error: ErrorStack| format!("TLS: {error}");
    let method = SslMethod::tls_server();
    let mut builder = match settings.min_version {
        TlsVersion::V1_3 => SslAcceptor::mozilla_modern_v5(method),
        TlsVersion::V1_2 => SslAcceptor::mozilla_intermediate_v5(method),
    }
    .map_err(failed)?;
    builder
        .set_min_proto_version(Some(match settings.min_version {
            TlsVersion::V1_3 => SslVersion::TLS1_3,
            TlsVersion::V1_2 => SslVersion::TLS1_2,
        }))
        .map_err(failed)?;
    builder
        .set_certificate_chain_file(&settings.certificate)
        .map_err(|error| refuse(&settings.certificate, &format!("no certificate in PEM: {error}")))?;
    let key = private_key(settings)?;
    builder
        .set_private_key(&key)
        .map_err(|error| refuse(&settings.key, &format!("this is not the key of the certificate: {error}")))?;
    builder
        .check_private_key()
        .map_err(|error| refuse(&settings.key, &format!("this is not the key of the certificate: {error}")))?;
    builder.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    if settings.client_auth != ClientAuth::Off {
        let ca = settings.client_ca.as_deref().ok_or("client certificates need their CA (client_ca)")?;
        clients(&mut builder, settings, ca)?;
    }
    Ok(builder)
}

/// The private key of the server. Nobody is asked for a passphrase at a terminal.
fn private_key(settings: &TlsSettings) -> Result<PKey<Private>, String> {
    let refuse = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let pem = std::fs::read(&settings.key).map_err(|error| refuse(&settings.key, &error))?;
    let passphrase = match &settings.key_passphrase {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| refuse(path, &error))?),
        None => None,
    };
    let passphrase = passphrase.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
    let mut is_asked = false;
    let read = PKey::private_key_from_pem_callback(&pem, |buffer| {
        is_asked = true;
        let Some(bytes) = passphrase.map(str::as_bytes) else { return Ok(0) };
        let room = buffer.get_mut(..bytes.len()).ok_or_else(ErrorStack::get)?;
        room.copy_from_slice(bytes);
        Ok(bytes.len())
    });
    read.map_err(|error| match (is_asked, passphrase) {
        (true, None) => {
            refuse(&settings.key, &"this key has a passphrase; name the file that holds it in tls_key_passphrase_file")
        }
        (true, Some(_)) => refuse(&settings.key, &"the passphrase in tls_key_passphrase_file is not that of this key"),
        (false, _) => refuse(&settings.key, &format!("no private key in PEM: {error}")),
    })
}

/// Asks clients for certificates.
fn clients(builder: &mut SslAcceptorBuilder, settings: &TlsSettings, ca: &Path) -> Result<(), String> {
    let failed = |path: &Path| {
        let name = path.display().to_string();
        move |error: ErrorStack| format!("{name}: {error}")
    };
    let text = std::fs::read(ca).map_err(|error| format!("{}: {error}", ca.display()))?;
    let authorities = X509::stack_from_pem(&text).map_err(failed(ca))?;
    if authorities.is_empty() {
        return Err(format!("{}: no certificate in PEM", ca.display()));
    }
    let mut store = X509StoreBuilder::new().map_err(failed(ca))?;
    let mut names: Stack<X509Name> = Stack::new().map_err(failed(ca))?;
    for authority in authorities {
        names.push(authority.subject_name().to_owned().map_err(failed(ca))?).map_err(failed(ca))?;
        store.add_cert(authority).map_err(failed(ca))?;
    }
    if let Some(crl) = &settings.client_crl {
        let lookup = store.add_lookup(X509Lookup::file()).map_err(failed(crl))?;
        lookup.load_crl_file(crl, SslFiletype::PEM).map_err(failed(crl))?;
        store.set_flags(X509VerifyFlags::CRL_CHECK).map_err(failed(crl))?;
    }
    builder.set_cert_store(store.build());
    builder.set_client_ca_list(names);
    builder.set_verify(match settings.client_auth {
        ClientAuth::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        _ => SslVerifyMode::PEER,
    });
    builder.set_session_id_context(b"renraku").map_err(failed(ca))?;
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0).map_err(failed(ca))
}
