//! Issuers of tokens beside this server: their keys, found by OpenID discovery, kept, and asked for anew when a
//! token names one that is not known (rotation), but not more often than is good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::access::jwt::{Key, TokenError, Unverified};
use crate::http::outward;

/// After this time keys are asked for anew.
const FRESH: Duration = Duration::from_secs(600);
/// After this time keys are no longer believed when their issuer does not answer.
const STALE: Duration = Duration::from_secs(86_400);
/// An issuer is not asked again sooner, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest document that is read.
const LONGEST: u64 = 1 << 20;

/// Keys as they were last fetched.
#[derive(Default)]
struct Known {
    keys: Arc<Vec<Key>>,
    fetched: Option<Instant>,
    asked: Option<Instant>,
}

/// Keys at URLs.
pub(super) struct Fetched {
    known: Mutex<HashMap<String, Arc<Mutex<Known>>>>,
    agent: ureq::Agent,
}

impl Fetched {
    fn new() -> Self {
        let tls = ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::NativeTls)
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(Duration::from_secs(5)))
            .max_redirects(0)
            .build();
        Self { known: Mutex::default(), agent: config.new_agent() }
    }

    fn json(&self, url: &str) -> Result<Value, String> {
        outward::check(url).map_err(|why| format!("keys cannot be asked for: {why}"))?;
        let mut answer = self.agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
        serde_json::from_slice(&body.map_err(|error| format!("{url}: {error}"))?)
            .map_err(|error| format!("{url}: {error}"))
    }

    /// Keys under a name that are good enough for a token; `find` fetches them.
    fn keys(
        &self,
        name: &str,
        token: &Unverified<'_>,
        find: impl FnOnce(&Self) -> Result<Vec<Key>, String>,
    ) -> Arc<Vec<Key>> {
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(name.to_owned()).or_default())
        };
        // One asks, the others wait for what it learns.
        let mut known = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let age = known.fetched.map(|fetched| fetched.elapsed());
        let is_enough = age.is_some_and(|age| age < FRESH) && token.is_known_to(&known.keys);
        if !is_enough && known.asked.is_none_or(|asked| asked.elapsed() > PAUSE) {
            known.asked = Some(Instant::now());
            match find(self) {
                Ok(keys) => {
                    known.keys = Arc::new(keys);
                    known.fetched = Some(Instant::now());
                }
                Err(why) => tracing::warn!(%why, "keys cannot be fetched"),
            }
        }
        if known.fetched.is_none_or(|fetched| fetched.elapsed() > STALE) {
            return Arc::default();
        }
        Arc::clone(&known.keys)
    }

    /// The keys of a JSON Web Key Set at a URL.
    pub(super) fn at(&self, url: &str, token: &Unverified<'_>) -> Arc<Vec<Key>> {
        self.keys(url, token, |fetched| Ok(Key::set(&fetched.json(url)?)))
    }
}

/// The issuers that are believed.
pub(super) struct Issuers {
    names: Vec<String>,
    pub(super) fetched: Fetched,
}

impl Issuers {
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), fetched: Fetched::new() }
    }

    /// Checks the signature of a token with the keys of its issuer. Blocks.
    pub(super) fn verify(&self, issuer: &str, token: Unverified<'_>) -> Result<Map<String, Value>, TokenError> {
        if !self.names.iter().any(|name| name == issuer) {
            return Err(TokenError::Claim(format!("its issuer {issuer:?} is not believed here")));
        }
        let keys = self.fetched.keys(issuer, &token, |fetched| {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let configuration = fetched.json(&url)?;
            // OpenID Connect Discovery 1.0 section 4.3: it must be the issuer's own.
            if configuration.get("issuer").and_then(Value::as_str) != Some(issuer) {
                return Err(format!("{url}: this is the configuration of another issuer"));
            }
            let keys =
                configuration.get("jwks_uri").and_then(Value::as_str).ok_or_else(|| format!("{url}: no jwks_uri"))?;
            Ok(Key::set(&fetched.json(keys)?))
        });
        token.verify(&keys)
    }
}
