//! What makes a chain: hashes that cover the row before, and signatures that say how far it went.

use std::path::Path;

use openssl::pkey::{PKey, Private, Public};
use openssl::sha::Sha256;
use openssl::sign::{Signer, Verifier};

use crate::store::StoreError;

/// SHA-256 of a row and the one before it.
pub(crate) type Hash = [u8; 32];

fn unavailable(what: impl std::fmt::Display) -> StoreError {
    StoreError::Audit(format!("its key: {what}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What stands before the first row.
pub(super) fn genesis(chain: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"renraku audit chain ");
    hasher.update(chain.as_bytes());
    hasher.finish()
}

/// The hash of a row.
pub(super) fn link(previous: &Hash, seq: i64, content: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(&seq.to_be_bytes());
    hasher.update(content);
    hasher.finish()
}

/// What an anchor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The name of the chain.
    pub chain: String,
    /// `anchor`, `retention`, or `head`.
    pub kind: String,
    /// The row it is about.
    pub seq: i64,
    /// When it was signed, µs since 1970 UTC.
    pub at: i64,
    /// That row's hash.
    pub hash: Vec<u8>,
    /// Ed25519 over all of this.
    pub signature: Vec<u8>,
}

impl Anchor {
    fn message(&self) -> Vec<u8> {
        // A head becomes an anchor by being kept.
        let kind = if self.kind == "retention" { "retention" } else { "anchor" };
        format!("renraku-audit\n{}\n{kind}\n{}\n{}\n{}\n", self.chain, self.seq, self.at, hex(&self.hash)).into_bytes()
    }

    /// One line, to be kept elsewhere.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::json!({
            "chain": self.chain, "kind": self.kind, "seq": self.seq, "at": self.at, "hash": hex(&self.hash),
            "signature": hex(&self.signature),
        })
        .to_string()
    }

    /// Reads such a line.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            chain: text("chain")?,
            kind: text("kind")?,
            seq: value.get("seq")?.as_i64()?,
            at: value.get("at")?.as_i64()?,
            hash: from_hex(&text("hash")?)?,
            signature: from_hex(&text("signature")?)?,
        })
    }

    /// Whether it was signed with the private half of a key (PEM).
    #[must_use]
    pub fn is_signed_by(&self, public_key: &str) -> bool {
        let Ok(key) = PKey::public_key_from_pem(public_key.as_bytes()) else { return false };
        verify(&key, &self.message(), &self.signature).unwrap_or(false)
    }
}

fn verify(key: &PKey<Public>, message: &[u8], signature: &[u8]) -> Result<bool, openssl::error::ErrorStack> {
    Verifier::new_without_digest(key)?.verify_oneshot(signature, message)
}

/// The key that signs, of one folder.
pub(super) struct Seal {
    key: PKey<Private>,
    /// The name of the chain it signs: begins with its fingerprint.
    pub(super) chain: String,
    /// Its public half, PEM.
    pub(super) public_key: String,
}

impl Seal {
    /// Reads the key, or makes one the first time. Only this user can read it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let key = match std::fs::read(path) {
            Ok(pem) => PKey::private_key_from_pem(&pem).map_err(unavailable)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = PKey::generate_ed25519().map_err(unavailable)?;
                let pem = key.private_key_to_pem_pkcs8().map_err(unavailable)?;
                let aside = path.with_extension("new");
                let _ = std::fs::remove_file(&aside);
                let mut file = std::fs::File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&aside)
                    .map_err(unavailable)?;
                file.write_all(&pem).and_then(|()| file.sync_all()).map_err(unavailable)?;
                std::fs::rename(&aside, path).map_err(unavailable)?;
                key
            }
            Err(error) => return Err(unavailable(error)),
        };
        let der = key.public_key_to_der().map_err(unavailable)?;
        let pem = key.public_key_to_pem().map_err(unavailable)?;
        let print = hex(&openssl::sha::sha256(&der));
        Ok(Self {
            key,
            chain: print.get(..16).unwrap_or_default().to_owned(),
            public_key: String::from_utf8_lossy(&pem).into_owned(),
        })
    }

    pub(super) fn sign(&self, kind: &str, seq: i64, hash: &[u8]) -> Result<Anchor, StoreError> {
        let mut anchor = Anchor {
            chain: self.chain.clone(),
            kind: kind.to_owned(),
            seq,
            at: jiff::Timestamp::now().as_microsecond(),
            hash: hash.to_vec(),
            signature: Vec::new(),
        };
        let mut signer = Signer::new_without_digest(&self.key).map_err(unavailable)?;
        anchor.signature = signer.sign_oneshot_to_vec(&anchor.message()).map_err(unavailable)?;
        Ok(anchor)
    }
}
