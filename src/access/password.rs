//! Passwords (Argon2id) and one-time passwords (TOTP, RFC 6238).

use std::sync::OnceLock;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// Shortest password that is taken (MHLW guideline 6.0: 13 letters, or 8 with a second factor).
pub const SHORTEST: usize = 13;
/// With a second factor.
pub const SHORTEST_WITH_TOTP: usize = 8;
/// Longest password that is looked at.
pub const LONGEST: usize = 256;
/// Seconds a one-time password counts for.
const STEP: i64 = 30;
const DIGITS: u32 = 1_000_000;
/// RFC 4648 base32.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// OWASP's least for Argon2id: 19 MiB, two passes.
fn argon() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap_or_default())
}

/// A password as it is stored.
///
/// # Errors
/// What the library says.
pub fn hash(password: &str) -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    openssl::rand::rand_bytes(&mut bytes).map_err(|error| error.to_string())?;
    let salt = SaltString::encode_b64(&bytes).map_err(|error| error.to_string())?;
    argon().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Whether a password is the stored one. Without a stored one the same work is done, so that time does not tell
/// who has an account.
#[must_use]
pub fn is_right(password: &str, stored: Option<&str>) -> bool {
    static NOBODY: OnceLock<String> = OnceLock::new();
    if password.len() > LONGEST {
        return false;
    }
    let is_known = stored.is_some();
    let matches =
        PasswordHash::new(stored.unwrap_or_else(|| NOBODY.get_or_init(|| hash("nobody").unwrap_or_default())))
            .is_ok_and(|hash| argon().verify_password(password.as_bytes(), &hash).is_ok());
    is_known && matches
}

/// A new secret for one-time passwords, in base32.
///
/// # Errors
/// What OpenSSL says.
pub fn new_totp_secret() -> Result<String, String> {
    let mut bytes = [0_u8; 20];
    openssl::rand::rand_bytes(&mut bytes).map_err(|error| error.to_string())?;
    Ok(base32(&bytes))
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(ALPHABET.get((buffer >> bits & 31) as usize).map_or('A', |letter| char::from(*letter)));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(ALPHABET.get((buffer << (5 - bits) & 31) as usize).map_or('A', |letter| char::from(*letter)));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        buffer = buffer << 5 | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 255) as u8);
        }
        buffer &= (1 << bits) - 1;
    }
    Some(bytes)
}

/// The one-time password of a step (RFC 4226 section 5.3).
fn totp(secret: &[u8], step: i64) -> Option<String> {
    let key = PKey::hmac(secret).ok()?;
    let digest = Signer::new(MessageDigest::sha1(), &key).ok()?.sign_oneshot_to_vec(&step.to_be_bytes()).ok()?;
    let offset = usize::from(digest.last()? & 15);
    let part: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(part) & 0x7fff_ffff) % DIGITS))
}

/// The step of a one-time password that is right now and was not used yet; the clock of the phone may be a step
/// off.
#[must_use]
pub fn totp_step(secret: &str, code: &str, now: i64, last_used: i64) -> Option<i64> {
    let secret = from_base32(secret)?;
    let current = now.div_euclid(STEP);
    [current - 1, current, current + 1].into_iter().filter(|step| *step > last_used).find(|step| {
        totp(&secret, *step)
            .is_some_and(|right| right.len() == code.len() && memcmp::eq(right.as_bytes(), code.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_and_no_other() {
        let stored = hash("correct horse battery").unwrap();
        assert!(is_right("correct horse battery", Some(&stored)));
        assert!(!is_right("correct horse batterY", Some(&stored)));
        assert!(!is_right("", Some(&stored)));
        assert!(!is_right("correct horse battery", None));
        assert_ne!(stored, hash("correct horse battery").unwrap(), "each has a salt of its own");
    }

    /// RFC 6238 appendix B, SHA-1, the last six of eight digits.
    #[test]
    fn one_time_passwords_of_the_standard() {
        let secret = base32(b"12345678901234567890");
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp_step(&secret, code, time, 0), Some(time / 30));
            assert_eq!(totp_step(&secret, code, time, time / 30), None, "it counts once");
            assert_eq!(totp_step(&secret, code, time + 90, 0), None, "it is over");
        }
    }
}
