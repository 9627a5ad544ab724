//! The terminology server elsewhere, over HTTP: what `terminology` asks of it, with a time limit and a limit of
//! size. Requests are made where blocking is allowed (operations, validation), never on an async worker.

use std::sync::Arc;
use std::time::Duration;

use crate::terminology::TerminologyServer;

/// Longest answer.
const LONGEST: u64 = 8 << 20;

/// A FHIR terminology server at a URL.
#[derive(Debug)]
struct Server {
    base: String,
    agent: ureq::Agent,
}

/// The terminology server with this base URL (`https://tx.example.org/fhir`).
///
/// # Errors
/// When the URL is not one that codes may be sent to: https, or http on this machine itself.
pub fn terminology_server(base: &str, timeout: Duration) -> Result<Arc<dyn TerminologyServer>, String> {
    let base = base.trim_end_matches('/');
    super::outward::check(base)?;
    let tls = ureq::tls::TlsConfig::builder()
        .provider(ureq::tls::TlsProvider::NativeTls)
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    Ok(Arc::new(Server { base: base.to_owned(), agent }))
}

impl TerminologyServer for Server {
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), String> {
        let mut request =
            self.agent.get(format!("{}/{path}", self.base)).header("Accept", "application/fhir+json; fhirVersion=4.0");
        for (name, value) in query {
            request = request.query(name, value);
        }
        let mut answer = request.call().map_err(|error| error.to_string())?;
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
        Ok((answer.status().as_u16(), body.map_err(|error| error.to_string())?))
    }

    fn name(&self) -> &str {
        &self.base
    }
}
