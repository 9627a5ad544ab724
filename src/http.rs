//! HTTP: routes, negotiation, headers, limits; every refusal is an OperationOutcome.
//!
//! May use: `engine`, `access`, `operations`, `store` (types only), `r4`, `format`, `xml`. Must not know: SQL.

mod access;
mod audit;
mod audit_events;
mod auth;
mod binary;
mod bundles;
mod capability;
mod client_certificate;
mod coding;
mod content;
mod context;
mod cors;
mod explained;
mod fhir;
mod filled;
mod fls;
mod gate;
mod headers;
mod limits;
mod media;
mod negotiation;
mod notebook;
mod openapi;
mod operation;
mod outward;
mod page;
mod provenance;
mod respond;
mod schema;
mod terminology_capability;
mod terminology_server;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, guard, web};

pub use auth::REVOCATION_LIFE;
pub use capability::{Security, capability_statement};
pub use cors::origin;
pub use outward::check as check_address;
pub use terminology_server::terminology_server;
pub use tls::{ClientAuth, TlsSettings, TlsVersion};

use crate::access::Caller;
use crate::engine::Engine;
use crate::store::AccessDirectory;

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The FHIR base as clients see it (`https://fhir.example/fhir`); by default what the request says.
    pub base_url: Option<String>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest content (photo, video, Binary) in bytes.
    pub max_upload: u64,
    /// Worker threads.
    pub workers: usize,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Origins whose pages may read answers in a browser, as [`origin`] writes them.
    pub cors_origins: Vec<String>,
    /// TLS; without it plain HTTP.
    pub tls: Option<TlsSettings>,
    /// The header in which those proxies pass the certificate of a client on.
    pub client_cert_header: Option<String>,
    /// Whether callers must say who they are.
    pub authentication: Authentication,
    /// Issuers beside this server whose tokens are believed.
    pub issuers: Vec<String>,
    /// How people must have signed in (`amr`), one of these; empty for no demand.
    pub required_amr: Vec<String>,
    /// Only devices whose certificate was registered.
    pub registered_devices: bool,
    /// Whether every access is written down.
    pub audit: AuditMode,
    /// How much callers may ask.
    pub limits: LimitSettings,
    /// It listens where others reach it without TLS or without authentication, on the word of who started it.
    pub is_insecure: bool,
}

/// How much callers may ask; 0 is no limit.
#[derive(Debug, Clone, Default)]
pub struct LimitSettings {
    /// Requests a second of a client: an application with the person who uses it, or a system; an address, where
    /// nobody is asked who they are. Ten seconds' worth may come at once.
    pub client_rate: u32,
    /// Requests a second without an access token that is known, of an address (of IPv6, a /64).
    pub address_rate: u32,
    /// Sign-ins that may fail at once from an address; one is forgiven every 30 s.
    pub failed_sign_ins: u32,
    /// Requests that are under way at once.
    pub max_requests: usize,
}

/// Whether every access is written down before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditMode {
    /// Nothing is.
    #[default]
    Off,
    /// It survives the end of the process; a loss of power may take the last moments.
    On,
    /// It is on the disk.
    Strict,
}

/// Whether callers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Anybody may do anything.
    #[default]
    Off,
    /// Nothing without an access token.
    Required,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            max_body: 50 << 20,
            max_upload: 2 << 30,
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            tls: None,
            client_cert_header: None,
            authentication: Authentication::Off,
            issuers: Vec::new(),
            required_amr: Vec::new(),
            registered_devices: false,
            audit: AuditMode::Off,
            limits: LimitSettings::default(),
            is_insecure: false,
        }
    }
}

/// What handlers share. The engine is that of the caller: `gate` binds it before a handler runs, and where it
/// has not, nobody asks.
#[derive(Debug, Clone)]
struct Shared {
    engine: Engine,
    settings: Arc<HttpSettings>,
    /// What tokens are checked with, where they are asked for.
    auth: Option<Arc<auth::Auth>>,
    limits: Arc<limits::Limits>,
}

impl Shared {
    /// The same for another engine.
    fn with_engine(&self, engine: Engine) -> Self {
        let (settings, limits) = (Arc::clone(&self.settings), Arc::clone(&self.limits));
        Self { engine, settings, auth: self.auth.clone(), limits }
    }
}

/// SIGXFSZ of Linux.
const FILE_TOO_LARGE: i32 = 25;

/// Serves until SIGINT or SIGTERM, then finishes what is under way (30 s at most). `ready` is told
/// the address once connections are accepted.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(engine: Engine, settings: HttpSettings, ready: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        // A limit on the size of files (`ulimit -f`) is to fail a write, not to end the process.
        let _file_size = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_TOO_LARGE));
        let (listen, workers) = (settings.listen, settings.workers.max(1));
        let tls = settings.tls.as_ref().map(tls::Current::load).transpose().map_err(std::io::Error::other)?;
        let auth = match settings.authentication {
            Authentication::Off => None,
            Authentication::Required => {
                let directory = AccessDirectory::open(&engine.store().options().database);
                let opened =
                    directory.and_then(|known| auth::Auth::open(known, &settings.issuers, &settings.required_amr));
                Some(Arc::new(opened.map_err(std::io::Error::other)?))
            }
        };
        let engine = match settings.authentication {
            Authentication::Off => engine.for_caller(Caller::open()),
            Authentication::Required => {
                engine.for_known(Caller::nobody()).map_err(|_| std::io::Error::other("the database does not answer"))?
            }
        };
        let (own_base, scheme) = (settings.base_url.clone(), if tls.is_some() { "https" } else { "http" });
        let limits = Arc::new(limits::Limits::new(&settings.limits));
        let shared = web::Data::new(Shared { engine, settings: Arc::new(settings), auth: auth.clone(), limits });
        let server = HttpServer::new(move || {
            App::new()
                .wrap(actix_web::middleware::from_fn(gate::gate))
                .app_data(shared.clone())
                .configure(auth::routes)
                .service(web::scope("/fhir").default_service(web::to(fhir::handle)))
                .service(web::scope("/schema").default_service(web::to(schema::handle)))
                .route("/openapi.json", web::to(openapi::handle))
                .service(web::scope("/notebook/v1").default_service(web::to(notebook::handle)))
                .service(web::scope("/access").default_service(web::to(access::handle)))
                .service(web::scope("/fls").default_service(web::to(fls::handle)))
                .route("/health", web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(health))
                .default_service(web::to(fhir::nowhere))
        })
        .workers(workers)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(30))
        .shutdown_timeout(30)
        .on_connect(client_certificate::on_connect);
        let server = match tls {
            None => server.bind(listen)?,
            Some(current) => {
                let acceptor = current.acceptor().map_err(std::io::Error::other)?;
                actix_web::rt::spawn(current.watch());
                server.bind_openssl(listen, acceptor)?
            }
        };
        let address = server.addrs().first().copied().unwrap_or(listen);
        if let Some(auth) = auth {
            // Whom tokens must be for is never taken from a request.
            auth.set_base(own_base.unwrap_or_else(|| format!("{scheme}://{address}/fhir")));
            actix_web::rt::spawn(auth.watch());
        }
        let running = server.run();
        ready(address);
        running.await
    })
}

/// Well is who reaches the database.
async fn health(shared: web::Data<Shared>) -> HttpResponse {
    let asked = tokio::task::spawn_blocking(move || shared.engine.store().ping()).await;
    match asked {
        Ok(Ok(())) => HttpResponse::Ok().content_type("text/plain").body("ok\n"),
        _ => HttpResponse::ServiceUnavailable().content_type("text/plain").body("the database does not answer\n"),
    }
}
