//! A server that asks for tokens, a system and an application it knows, and a person who signs in.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

use crate::common::{Answer, Database, Server, TempDir, agent, databases, exchange, renraku};
use crate::keys::{Key, encoded};

pub(crate) const REDIRECT: &str = "https://app.example/back";
pub(crate) const PASSWORD: &str = "a long enough password";
/// What the system may ask for.
pub(crate) const SYSTEM_SCOPES: &str = "system/Patient.cruds system/Observation.rs";
/// What the application may ask for.
pub(crate) const APP_SCOPES: &str =
    "openid fhirUser launch/patient offline_access user/*.cruds patient/*.rs system/*.rs";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds since 1970 UTC.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A text nobody used before.
pub(crate) fn fresh() -> String {
    let mut bytes = [0_u8; 32];
    openssl::rand::rand_bytes(&mut bytes).unwrap();
    encoded(bytes)
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    };
    pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// The value of a parameter of a URL.
pub(crate) fn parameter(url: &str, wanted: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == wanted)?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

/// PKCE: a verifier and its challenge (RFC 7636).
pub(crate) fn pkce() -> (String, String) {
    let verifier = fresh();
    let challenge = encoded(sha256(verifier.as_bytes()));
    (verifier, challenge)
}

/// The one-time password of this moment (RFC 6238).
pub(crate) fn totp(secret: &str) -> String {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in secret.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
        bits = (bits << 5 | u32::try_from(value).unwrap()) & 0xFFFF;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).unwrap());
        }
    }
    let key = PKey::hmac(&bytes).unwrap();
    let made = Signer::new(MessageDigest::sha1(), &key).unwrap().sign_oneshot_to_vec(&(now() / 30).to_be_bytes());
    let made = made.unwrap();
    let at = usize::from(made[19] & 15);
    let number = u32::from_be_bytes(made[at..at + 4].try_into().unwrap()) & 0x7FFF_FFFF;
    format!("{:06}", number % 1_000_000)
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    /// A system with an ES384 and an RS384 key.
    pub(crate) system: String,
    pub(crate) ec: Key,
    pub(crate) rsa: Key,
    /// An application without keys, in which people sign in.
    pub(crate) app: String,
    agent: ureq::Agent,
    database: Database,
}

/// The same in a world on every database.
pub(crate) fn each(check: impl Fn(&World)) {
    for database in databases() {
        println!("on {}", database.kind());
        check(&World::start(database, &[]));
    }
}

impl World {
    pub(crate) fn start(database: Database, settings: &[&str]) -> Self {
        let (ec, rsa) = (Key::new("c1", "ES384"), Key::new("c2", "RS384"));
        // Much fails here on purpose, all of it from one address: limits are asked for where they are meant.
        let mut arguments = [&["--authentication", "required"], settings].concat();
        for (flag, none) in [("--failed-sign-ins", "0"), ("--address-rate", "0")] {
            if !settings.contains(&flag) {
                arguments.extend([flag, none]);
            }
        }
        let server = Server::start(&database.url, &arguments);
        let mut world = Self {
            server,
            folder: TempDir::new(),
            system: String::new(),
            ec,
            rsa,
            app: String::new(),
            agent: agent(),
            database,
        };
        world.write_keys("keys.json", &[&world.ec, &world.rsa]);
        world.system = world.command(&["client", "add", "Ward", "--jwks", "keys.json", "--scope", SYSTEM_SCOPES], "");
        world.app = world.command(&["client", "add", "App", "--redirect", REDIRECT, "--scope", APP_SCOPES], "");
        world.command(&["user", "add", "nurse", "--fhir-user", "Practitioner/p1"], PASSWORD);
        world
    }

    /// A JSON Web Key Set as a file.
    pub(crate) fn write_keys(&self, name: &str, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        std::fs::write(self.folder.path().join(name), json!({ "keys": keys }).to_string()).unwrap();
    }

    /// A command beside the running server; what it answers.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> String {
        let given = self.folder.path().join("input");
        std::fs::write(&given, input).unwrap();
        let mut command = renraku(self.folder.path());
        command.args(arguments).args(["--database", &self.database.url]).stdin(std::fs::File::open(given).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The server without `/fhir`.
    pub(crate) fn root(&self) -> &str {
        self.server.base.trim_end_matches("/fhir")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        exchange(&self.agent, self.root(), "GET", path, &[], None).unwrap()
    }

    /// A form to a path below the root.
    pub(crate) fn send(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let media = [("Content-Type", "application/x-www-form-urlencoded")];
        exchange(&self.agent, self.root(), "POST", path, &media, Some(form(pairs).into_bytes())).unwrap()
    }

    /// A form to the token endpoint.
    pub(crate) fn token(&self, pairs: &[(&str, &str)]) -> Answer {
        self.send("auth/token", pairs)
    }

    /// The claims of an assertion as they should be, with changes; `null` takes one away.
    pub(crate) fn claims(&self, changes: Value) -> Value {
        let mut claims = json!({
            "iss": self.system, "sub": self.system, "aud": format!("{}/auth/token", self.root()), "exp": now() + 240, "jti": fresh(),
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// An assertion as it should be.
    pub(crate) fn assertion(&self) -> String {
        self.ec.sign(&self.claims(json!({})))
    }

    /// SMART Backend Services.
    pub(crate) fn for_system(&self, assertion: &str, scope: &str) -> Answer {
        self.token(&[
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion),
        ])
    }

    /// An access token of the system.
    pub(crate) fn system_token(&self, scope: &str) -> String {
        let answer = self.for_system(&self.assertion(), scope);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// A form that only clients who prove who they are may send.
    pub(crate) fn proven(&self, path: &str, token: &str) -> Answer {
        let assertion = self.assertion();
        self.send(path, &[("client_assertion_type", ASSERTION), ("client_assertion", &assertion), ("token", token)])
    }

    /// A request to the FHIR API with a token.
    pub(crate) fn fhir(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.server.send(method, path, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// Whether a token makes somebody known, whatever they may do.
    pub(crate) fn is_believed(&self, token: &str) -> bool {
        let answer = self.fhir(token, "GET", "Patient/nobody", None);
        if answer.status == 401 {
            assert_eq!(answer.body["resourceType"], "OperationOutcome", "{}", answer.body);
            // RFC 6750 section 3.1.
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{answer:?}");
        }
        answer.status != 401
    }

    /// What asks for a code, with changes; an empty value takes one away.
    pub(crate) fn query(&self, challenge: &str, changes: &[(&str, &str)]) -> String {
        let base = self.server.base.clone();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.app),
            ("redirect_uri", REDIRECT),
            ("state", "s 1&x"),
            ("aud", &base),
            ("scope", "openid fhirUser offline_access user/*.rs"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
            ("nonce", "n1"),
        ];
        for (name, value) in changes {
            pairs.retain(|(own, _)| own != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        form(&pairs)
    }

    /// What is filled into the sign-in page.
    pub(crate) fn sign_in(&self, query: &str, more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![("request", query)];
        pairs.extend_from_slice(more);
        for pair in [("login", "nurse"), ("password", PASSWORD)] {
            if !more.iter().any(|(name, _)| *name == pair.0) {
                pairs.push(pair);
            }
        }
        self.send("auth/authorize", &pairs)
    }

    /// The nurse signs in, from an address that a proxy tells of.
    pub(crate) fn sign_in_from(&self, address: &str, query: &str) -> Answer {
        self.send_from(address, &[("request", query), ("login", "nurse"), ("password", PASSWORD)])
    }

    /// Somebody else does not.
    pub(crate) fn fail_from(&self, address: &str, query: &str) -> Answer {
        self.send_from(address, &[("request", query), ("login", "nobody"), ("password", "wrong")])
    }

    fn send_from(&self, address: &str, pairs: &[(&str, &str)]) -> Answer {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", address)];
        exchange(&self.agent, self.root(), "POST", "auth/authorize", &headers, Some(form(pairs).into_bytes())).unwrap()
    }

    /// A code of the nurse for a challenge.
    pub(crate) fn code(&self, challenge: &str, changes: &[(&str, &str)]) -> String {
        let answer = self.sign_in(&self.query(challenge, changes), &[]);
        assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.bytes));
        parameter(answer.header("location"), "code").expect("a code")
    }

    /// A code for tokens, with changes.
    pub(crate) fn exchange(&self, code: &str, verifier: &str, changes: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", &self.app),
            ("code_verifier", verifier),
        ];
        for (name, value) in changes {
            pairs.retain(|(own, _)| own != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        self.token(&pairs)
    }

    /// Tokens of the nurse.
    pub(crate) fn signed_in(&self) -> Value {
        let (verifier, challenge) = pkce();
        let answer = self.exchange(&self.code(&challenge, &[]), &verifier, &[]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    pub(crate) fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        pairs.extend_from_slice(more);
        if !more.iter().any(|(name, _)| *name == "client_id") {
            pairs.push(("client_id", &self.app));
        }
        self.token(&pairs)
    }
}

/// An answer is an error of RFC 6749 section 5.2 that caches do not keep.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, error: &str, what: &str) {
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{what}: {}", answer.body);
    assert!(answer.body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert!(answer.body.get("access_token").is_none(), "{what}: {}", answer.body);
}
