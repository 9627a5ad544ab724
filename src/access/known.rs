//! Tokens whose check is remembered, and the names of those that were revoked.
//!
//! May use: what tokens come to. Must not know where revocations are kept.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use openssl::sha::sha256;
use quick_cache::sync::Cache;

use super::claims::{Believed, SKEW};
use super::jwt::TokenError;

/// Tokens whose check is remembered.
const REMEMBERED: usize = 20_000;

/// What was revoked.
#[derive(Debug, Default)]
struct Revoked {
    names: HashSet<String>,
    /// How many were revoked here.
    noted: u64,
}

/// Tokens that were checked; they are found by their hash, so that no token is kept.
#[derive(Debug)]
pub struct KnownTokens {
    believed: Cache<[u8; 32], Arc<Believed>>,
    revoked: RwLock<Revoked>,
}

impl KnownTokens {
    /// None yet, and the names that were revoked before.
    #[must_use]
    pub fn new(revoked: Vec<String>) -> Self {
        let revoked = Revoked { names: revoked.into_iter().collect(), noted: 0 };
        Self { believed: Cache::new(REMEMBERED), revoked: RwLock::new(revoked) }
    }

    /// What a token says, when its check is remembered.
    #[must_use]
    pub fn get(&self, token: &str, now: i64) -> Option<Result<Arc<Believed>, TokenError>> {
        let known = self.believed.get(&sha256(token.as_bytes()))?;
        Some(if known.expires.saturating_add(SKEW) <= now {
            Err(TokenError::Expired)
        } else if self.is_revoked(&known) {
            Err(TokenError::Revoked)
        } else {
            Ok(known)
        })
    }

    /// Remembers what a token says that was checked.
    ///
    /// # Errors
    /// When it was revoked.
    pub fn keep(&self, token: &str, believed: Believed) -> Result<Arc<Believed>, TokenError> {
        if self.is_revoked(&believed) {
            return Err(TokenError::Revoked);
        }
        let believed = Arc::new(believed);
        self.believed.insert(sha256(token.as_bytes()), Arc::clone(&believed));
        Ok(believed)
    }

    fn is_revoked(&self, believed: &Believed) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        !revoked.names.is_empty() && believed.names.iter().any(|name| revoked.names.contains(name))
    }

    /// Tokens of this name count no longer.
    pub fn revoke(&self, name: String) {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.names.insert(name);
        revoked.noted += 1;
    }

    /// How many were revoked here: to be asked before it is looked up what others revoked.
    #[must_use]
    pub fn noted(&self) -> u64 {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).noted
    }

    /// All names that were revoked, as they were looked up when `noted` had been revoked here. What was revoked
    /// meanwhile stays so.
    pub fn learn(&self, noted: u64, names: Vec<String>) {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        if revoked.noted == noted {
            revoked.names = names.into_iter().collect();
        } else {
            revoked.names.extend(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Caller, Scopes, Subject};

    fn believed(jti: &str) -> Believed {
        let subject = Subject::System { client: "c".to_owned(), organization: None };
        let names = vec!["client:c".to_owned(), format!("jti:{jti}")];
        Believed { caller: Caller::known(subject, Scopes::default()), expires: 1000, names, bound_to: None }
    }

    #[test]
    fn a_token_counts_until_its_end_or_its_revocation() {
        let known = KnownTokens::new(vec!["jti:old".to_owned()]);
        assert!(known.get("t", 900).is_none());
        known.keep("t", believed("a")).unwrap();
        assert!(known.get("t", 900).unwrap().is_ok());
        assert_eq!(known.get("t", 1000 + SKEW).unwrap().unwrap_err(), TokenError::Expired);
        assert_eq!(known.keep("u", believed("old")).unwrap_err(), TokenError::Revoked);
        assert!(known.get("u", 900).is_none());
        known.revoke("client:c".to_owned());
        assert_eq!(known.get("t", 900).unwrap().unwrap_err(), TokenError::Revoked);
    }

    #[test]
    fn what_is_revoked_while_it_is_looked_up_stays_revoked() {
        let known = KnownTokens::new(Vec::new());
        known.keep("t", believed("a")).unwrap();
        let noted = known.noted();
        let looked_up = vec!["jti:b".to_owned()];
        known.revoke("jti:a".to_owned());
        known.learn(noted, looked_up);
        assert_eq!(known.get("t", 900).unwrap().unwrap_err(), TokenError::Revoked);
        assert_eq!(known.keep("u", believed("b")).unwrap_err(), TokenError::Revoked);
        known.learn(known.noted(), Vec::new());
        assert!(known.get("t", 900).unwrap().is_ok(), "what is no longer kept as revoked has expired long since");
    }
}
