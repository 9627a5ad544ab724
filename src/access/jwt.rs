//! Signed tokens (RFC 7515, RFC 7519) through OpenSSL.
//!
//! What a token says of itself decides nothing: its `alg` must be one of five and fit the kind of the key, which
//! comes from who is believed, never from the token (`jwk`, `jku`, `x5c` are not read). `none` and HMAC are no
//! algorithms here; a `crit` header is not understood and therefore refused (RFC 7515 section 4.1.11).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use serde_json::{Map, Value, json};

/// Longest token that is read.
const LONGEST: usize = 16 << 10;
/// RSA keys shorter than this are not believed (RFC 7518 section 3.3).
const LEAST_RSA_BITS: u32 = 2048;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no signed JWT.
    #[error("it is no signed JWT: {0}")]
    Malformed(&'static str),
    /// Its algorithm is none that is taken.
    #[error("the algorithm {0:?} is not taken; RS256, RS384, ES256, ES384 and EdDSA are")]
    Algorithm(String),
    /// Nobody who is believed has the key.
    #[error("it is signed with a key that is not known here")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing or wrong.
    #[error("{0}")]
    Claim(String),
    /// It was valid once.
    #[error("it has expired")]
    Expired,
    /// It, its client or its family was revoked.
    #[error("it was revoked")]
    Revoked,
    /// It was used before and may be used once.
    #[error("it was used before")]
    Replayed,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All that are taken.
    pub const ALL: [(&'static str, Self); 5] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    fn digest(self) -> MessageDigest {
        match self {
            Self::Rs384 | Self::Es384 => MessageDigest::sha384(),
            _ => MessageDigest::sha256(),
        }
    }

    /// The length of each half of an ECDSA signature.
    const fn half(self) -> usize {
        if matches!(self, Self::Es384) { 48 } else { 32 }
    }

    /// Whether a key is of the kind it needs.
    fn fits<T: HasPublic>(self, key: &PKeyRef<T>) -> bool {
        let curve = || key.ec_key().ok().and_then(|key| key.group().curve_name());
        match self {
            Self::Rs256 | Self::Rs384 => key.id() == Id::RSA && key.bits() >= LEAST_RSA_BITS,
            Self::Es256 => curve() == Some(Nid::X9_62_PRIME256V1),
            Self::Es384 => curve() == Some(Nid::SECP384R1),
            Self::EdDsa => key.id() == Id::ED25519,
        }
    }
}

/// A public key somebody signs with.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name among their keys.
    pub id: Option<String>,
    /// The only algorithm it is for, when it says so.
    algorithm: Option<Algorithm>,
    key: PKey<Public>,
}

fn bytes(text: Option<&Value>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.as_str()?.trim_end_matches('=')).ok()
}

fn number(text: Option<&Value>) -> Option<BigNum> {
    BigNum::from_slice(&bytes(text)?).ok()
}

impl Key {
    /// Reads a JSON Web Key (RFC 7517); `None` for one that is not for signatures of the kinds taken here.
    #[must_use]
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let key = match jwk.get("kty")?.as_str()? {
            "RSA" => PKey::from_rsa(Rsa::from_public_components(number(jwk.get("n"))?, number(jwk.get("e"))?).ok()?),
            "EC" => {
                let curve = match jwk.get("crv")?.as_str()? {
                    "P-256" => Nid::X9_62_PRIME256V1,
                    "P-384" => Nid::SECP384R1,
                    _ => return None,
                };
                let group = EcGroup::from_curve_name(curve).ok()?;
                let (x, y) = (number(jwk.get("x"))?, number(jwk.get("y"))?);
                // OpenSSL refuses points that are not on the curve.
                PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y).ok()?)
            }
            "OKP" if jwk.get("crv")? == "Ed25519" => {
                PKey::public_key_from_raw_bytes(&bytes(jwk.get("x"))?, Id::ED25519)
            }
            _ => return None,
        };
        let algorithm = match jwk.get("alg").and_then(Value::as_str) {
            None => None,
            Some(name) => Some(Algorithm::parse(name)?),
        };
        Some(Self { id: jwk.get("kid").and_then(Value::as_str).map(str::to_owned), algorithm, key: key.ok()? })
    }

    /// The keys of a JSON Web Key Set that can be used.
    #[must_use]
    pub fn set(jwks: &Value) -> Vec<Self> {
        jwks.get("keys").and_then(Value::as_array).into_iter().flatten().filter_map(Self::from_jwk).collect()
    }

    fn can(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && algorithm.fits(&self.key)
    }
}

/// A token taken apart; nothing in it is believed yet.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a [u8],
    signature: Vec<u8>,
    algorithm: Algorithm,
    /// Which key it names.
    pub key_id: Option<String>,
    /// What it claims.
    pub claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is none, or of an algorithm that is not taken.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        let malformed = TokenError::Malformed;
        if token.len() > LONGEST {
            return Err(malformed("it is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed("it has no three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(malformed("it has no three parts"))?;
        let object = |text: &str| -> Option<Map<String, Value>> {
            match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()? {
                Value::Object(object) => Some(object),
                _ => None,
            }
        };
        let header = object(header).ok_or(malformed("its header is no JSON object in base64url"))?;
        let claims = object(claims).ok_or(malformed("its claims are no JSON object in base64url"))?;
        if header.contains_key("crit") {
            return Err(malformed("its header has critical extensions (crit)"));
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::parse(name).ok_or_else(|| TokenError::Algorithm(name.to_owned()))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed("its signature is no base64url"))?;
        let key_id = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { signed: signed.as_bytes(), signature, algorithm, key_id, claims })
    }

    /// Whether one of these keys is the one it names.
    #[must_use]
    pub fn is_known_to(&self, keys: &[Key]) -> bool {
        !self.candidates(keys).is_empty()
    }

    /// The keys that it can be signed with: those it names. Where it names none, or they have no names, the only one
    /// that is for its algorithm; with several of those a name is a must (OpenID Connect Core 1.0 section 10.1).
    fn candidates<'k>(&self, keys: &'k [Key]) -> Vec<&'k Key> {
        let able: Vec<&Key> = keys.iter().filter(|key| key.can(self.algorithm)).collect();
        let is_named = |key: &&&Key| self.key_id.is_some() && self.key_id == key.id;
        let named: Vec<&Key> = able.iter().filter(is_named).copied().collect();
        match able.as_slice() {
            _ if !named.is_empty() => named,
            [only] if self.key_id.is_none() || only.id.is_none() => able,
            _ => Vec::new(),
        }
    }

    /// Believes it when one of these keys signed it.
    ///
    /// # Errors
    /// When none did.
    pub fn verify(self, keys: &[Key]) -> Result<Map<String, Value>, TokenError> {
        let candidates = self.candidates(keys);
        if candidates.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        if candidates.iter().any(|key| self.is_signed_by(&key.key).unwrap_or(false)) {
            return Ok(self.claims);
        }
        Err(TokenError::Signature)
    }

    fn is_signed_by(&self, key: &PKeyRef<Public>) -> Result<bool, ErrorStack> {
        if self.algorithm == Algorithm::EdDsa {
            return Verifier::new_without_digest(key)?.verify_oneshot(&self.signature, self.signed);
        }
        let mut verifier = Verifier::new(self.algorithm.digest(), key)?;
        match self.algorithm {
            Algorithm::Es256 | Algorithm::Es384 => {
                let half = self.algorithm.half();
                if self.signature.len() != 2 * half {
                    return Ok(false);
                }
                let (r, s) = self.signature.split_at(half);
                let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                verifier.verify_oneshot(&signature.to_der()?, self.signed)
            }
            _ => verifier.verify_oneshot(&self.signature, self.signed),
        }
    }
}

/// The key this server signs its own tokens with (ES256).
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its name.
    pub id: String,
    key: PKey<Private>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn generate(id: String) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        Ok(Self { id, key: PKey::from_ec_key(EcKey::generate(&group)?)? })
    }

    /// Reads one from PEM.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn from_pem(id: String, pem: &str) -> Result<Self, ErrorStack> {
        Ok(Self { id, key: PKey::private_key_from_pem(pem.as_bytes())? })
    }

    /// As PEM.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn to_pem(&self) -> Result<String, ErrorStack> {
        Ok(String::from_utf8_lossy(&self.key.private_key_to_pem_pkcs8()?).into_owned())
    }

    /// Its public half as a JSON Web Key.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn to_jwk(&self) -> Result<Value, ErrorStack> {
        let key = self.key.ec_key()?;
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = openssl::bn::BigNumContext::new()?;
        key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
        let coordinate = |number: &BigNum| number.to_vec_padded(32).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Ok(json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": coordinate(&x)?, "y": coordinate(&y)?,
        }))
    }

    /// Signs bytes; the signature is `r` and `s`, 32 bytes each.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn sign_bytes(&self, data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let der = Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(data)?;
        let signature = EcdsaSig::from_der(&der)?;
        Ok([signature.r().to_vec_padded(32)?, signature.s().to_vec_padded(32)?].concat())
    }

    /// A signed token with these claims.
    ///
    /// # Errors
    /// What OpenSSL says.
    pub fn sign(&self, kind: &str, claims: &Value) -> Result<String, ErrorStack> {
        let header = json!({ "alg": "ES256", "typ": kind, "kid": self.id });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.sign_bytes(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> (SigningKey, Vec<Key>) {
        let key = SigningKey::generate("k".to_owned()).unwrap();
        let keys = Key::set(&json!({ "keys": [key.to_jwk().unwrap()] }));
        (key, keys)
    }

    fn verified(token: &str, keys: &[Key]) -> Result<Map<String, Value>, TokenError> {
        Unverified::read(token)?.verify(keys)
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let (key, keys) = own();
        let token = key.sign("JWT", &json!({ "sub": "a" })).unwrap();
        assert_eq!(verified(&token, &keys).unwrap()["sub"], "a");
        let (_, others) = own();
        assert_eq!(verified(&token, &others), Err(TokenError::Signature));
        let parts: Vec<&str> = token.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#), parts[2]);
        assert_eq!(verified(&forged, &keys), Err(TokenError::Signature));
        let stripped = format!("{}.{}.", parts[0], parts[1]);
        assert_eq!(verified(&stripped, &keys), Err(TokenError::Signature));
    }

    #[test]
    fn a_token_does_not_choose_its_algorithm() {
        let (_, keys) = own();
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#);
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"HS256","kid":"k"}"#, "{}"] {
            let token = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header));
            assert!(matches!(verified(&token, &keys), Err(TokenError::Algorithm(_))), "{header}");
        }
        let rsa = format!("{}.{claims}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k"}"#));
        assert_eq!(verified(&rsa, &keys), Err(TokenError::UnknownKey), "an EC key checks no RSA signature");
        let critical = format!("{}.{claims}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","crit":["b64"]}"#));
        assert!(matches!(verified(&critical, &keys), Err(TokenError::Malformed(_))));
    }

    #[test]
    fn short_keys_and_points_beside_the_curve_are_no_keys() {
        let short = Rsa::generate(1024).unwrap();
        let jwk = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(short.n().to_vec()), "e": "AQAB" });
        let key = Key::from_jwk(&jwk).unwrap();
        assert!(!key.can(Algorithm::Rs256));
        let beside = json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" });
        assert!(Key::from_jwk(&beside).is_none());
        let for_encryption =
            json!({ "kty": "OKP", "crv": "Ed25519", "use": "enc", "x": URL_SAFE_NO_PAD.encode([1; 32]) });
        assert!(Key::from_jwk(&for_encryption).is_none());
    }
}
