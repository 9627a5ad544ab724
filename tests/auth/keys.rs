//! Keys that sign, and what one can do wrong with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// Base64url without padding.
pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key with its name and its algorithm.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: &'static str,
    pub(crate) key: PKey<Private>,
}

impl Key {
    pub(crate) fn new(id: &str, algorithm: &'static str) -> Self {
        let curve = |nid| PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap()).unwrap();
        let key = match algorithm {
            "RS256" | "RS384" => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
            "ES256" => curve(Nid::X9_62_PRIME256V1),
            "ES384" => curve(Nid::SECP384R1),
            "EdDSA" => PKey::generate_ed25519().unwrap(),
            other => panic!("no key for {other}"),
        };
        Self { id: id.to_owned(), algorithm, key }
    }

    fn digest(&self) -> MessageDigest {
        if self.algorithm.ends_with("384") { MessageDigest::sha384() } else { MessageDigest::sha256() }
    }

    /// The length of a coordinate.
    fn half(&self) -> i32 {
        if self.algorithm == "ES384" { 48 } else { 32 }
    }

    /// Its public half (RFC 7517).
    pub(crate) fn public(&self) -> Value {
        let mut jwk = match self.algorithm {
            "EdDSA" => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(self.key.raw_public_key().unwrap()) }),
            "ES256" | "ES384" => {
                let key = self.key.ec_key().unwrap();
                let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
                let mut context = BigNumContext::new().unwrap();
                key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
                let padded = |number: &BigNum| encoded(number.to_vec_padded(self.half()).unwrap());
                let curve = if self.algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": padded(&x), "y": padded(&y) })
            }
            _ => {
                let key = self.key.rsa().unwrap();
                json!({ "kty": "RSA", "n": encoded(key.n().to_vec()), "e": encoded(key.e().to_vec()) })
            }
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    fn signature(&self, text: &[u8]) -> Vec<u8> {
        if self.algorithm == "EdDSA" {
            return Signer::new_without_digest(&self.key).unwrap().sign_oneshot_to_vec(text).unwrap();
        }
        let made = Signer::new(self.digest(), &self.key).unwrap().sign_oneshot_to_vec(text).unwrap();
        if !self.algorithm.starts_with("ES") {
            return made;
        }
        let pair = EcdsaSig::from_der(&made).unwrap();
        [pair.r().to_vec_padded(self.half()).unwrap(), pair.s().to_vec_padded(self.half()).unwrap()].concat()
    }

    /// A token with a header of one's own.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = encoded(self.signature(text.as_bytes()));
        format!("{text}.{signature}")
    }

    /// A token as it should be.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": self.algorithm, "kid": self.id, "typ": "JWT" }), claims)
    }

    /// What attackers make of claims without the private key, or with one of their own: each is to be refused.
    pub(crate) fn forgeries(&self, claims: &Value) -> Vec<(&'static str, String)> {
        let unsigned = |header: Value| format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let right = self.sign(claims);
        let (signed, signature) = right.rsplit_once('.').unwrap();
        let mut other = claims.clone();
        other["extra"] = json!("changed");
        let changed = format!("{}.{}", signed.split_once('.').unwrap().0, encoded(other.to_string()));
        let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
        flipped[7] ^= 1;
        // CVE-2015-9235 and its like: the public key as the secret of an HMAC.
        let hmac = |secret: &[u8]| {
            let text = unsigned(json!({ "alg": "HS256", "kid": self.id }));
            let secret = PKey::hmac(secret).unwrap();
            let made = Signer::new(MessageDigest::sha256(), &secret).unwrap().sign_oneshot_to_vec(text.as_bytes());
            format!("{text}.{}", encoded(made.unwrap()))
        };
        let stranger = Key::new(&self.id, self.algorithm);
        let of_stranger = |name: &str, value: Value| {
            let mut header = json!({ "alg": self.algorithm, "kid": self.id });
            header[name] = value;
            stranger.sign_with(&header, claims)
        };
        let mut all = vec![
            ("with alg none", format!("{}.", unsigned(json!({ "alg": "none" })))),
            ("with alg None and the kid", format!("{}.", unsigned(json!({ "alg": "None", "kid": self.id })))),
            ("with alg none and the right signature", {
                format!("{}.{signature}", unsigned(json!({ "alg": "none", "kid": self.id })))
            }),
            ("without alg", format!("{}.{signature}", unsigned(json!({ "kid": self.id })))),
            ("without a signature", format!("{signed}.")),
            ("with two parts", signed.to_owned()),
            ("with other claims under the signature", format!("{changed}.{signature}")),
            ("with a changed signature", format!("{signed}.{}", encoded(flipped))),
            ("with half a signature", format!("{signed}.{}", &signature[..signature.len() / 2])),
            ("with HMAC by the public PEM", hmac(&self.key.public_key_to_pem().unwrap())),
            ("with HMAC by the public DER", hmac(&self.key.public_key_to_der().unwrap())),
            ("with HMAC by the public JWK", hmac(self.public().to_string().as_bytes())),
            ("of another key with this kid", stranger.sign(claims)),
            ("of another key that it brings along (jwk)", of_stranger("jwk", stranger.public())),
            ("of another key that it links (jku)", of_stranger("jku", json!("http://127.0.0.1:1/keys"))),
            ("with an unknown kid", self.sign_with(&json!({ "alg": self.algorithm, "kid": "nobody" }), claims)),
            ("with a critical extension", {
                self.sign_with(&json!({ "alg": self.algorithm, "kid": self.id, "crit": ["x"], "x": 1 }), claims)
            }),
            ("with another algorithm than the key's", {
                let alg = if self.algorithm == "RS256" { "ES256" } else { "RS256" };
                self.sign_with(&json!({ "alg": alg, "kid": self.id }), claims)
            }),
            ("that is nonsense", "abc".to_owned()),
            ("of empty parts", "..".to_owned()),
            ("of a megabyte", format!("{}.{}.{}", encoded("{}"), "A".repeat(60_000), "A".repeat(20))),
        ];
        if self.algorithm.starts_with("ES") {
            // CVE-2022-21449: r = s = 0.
            let zeros = vec![0_u8; usize::try_from(self.half()).unwrap() * 2];
            all.push(("with a signature of zeros", format!("{signed}.{}", encoded(zeros))));
        }
        all
    }
}
