//! A certificate authority of a test's own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::asn1::{Asn1Object, Asn1OctetString};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509CrlBuilder, X509Extension, X509Name, X509NameBuilder, X509RevokedBuilder};

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(common: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common).unwrap();
    name.build()
}

fn serial() -> Asn1Integer {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Asn1Integer::from_bn(&BigNum::from_u32(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap()).unwrap()
}

/// A time some days from now.
fn days(days: i64) -> Asn1Time {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(i64::try_from(seconds).unwrap() + days * 86_400).unwrap()
}

/// A key with its certificate.
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

impl Identity {
    /// `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.key")), self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), self.certificate.to_pem().unwrap()).unwrap();
    }
}

pub(crate) struct Authority {
    pub(crate) certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    pub(crate) fn new(common: &str) -> Self {
        let key = key();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial()).unwrap();
        let name = name(common);
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&days(-10)).unwrap();
        builder.set_not_after(&days(100)).unwrap();
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(identifier).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// A certificate for a host that is valid for some days from now; a negative number: it ended before.
    pub(crate) fn issue(&self, common: &str, host: &str, valid: i64) -> Identity {
        let key = key();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial()).unwrap();
        builder.set_subject_name(&name(common)).unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&days(-5)).unwrap();
        builder.set_not_after(&days(valid)).unwrap();
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let mut names = SubjectAlternativeName::new();
        if host.parse::<std::net::IpAddr>().is_ok() {
            names.ip(host)
        } else {
            names.dns(host)
        };
        let names = names.build(&context).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Identity { certificate: builder.build(), key }
    }

    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(name), self.certificate.to_pem().unwrap()).unwrap();
    }

    /// A revocation list.
    pub(crate) fn write_revoked(&self, folder: &Path, name: &str, revoked: &[&Identity]) {
        let mut builder = X509CrlBuilder::new().unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.set_last_update(&days(-1)).unwrap();
        builder.set_next_update(&days(10)).unwrap();
        for identity in revoked {
            let mut entry = X509RevokedBuilder::new().unwrap();
            entry.set_serial_number(identity.certificate.serial_number()).unwrap();
            entry.set_revocation_date(&days(-1)).unwrap();
            builder.add_revoked(entry.build()).unwrap();
        }
        let about = X509Builder::new().unwrap();
        let context = about.x509v3_context(Some(&self.certificate), None);
        let authority = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(authority).unwrap();
        let number = Asn1OctetString::new_from_bytes(&[2, 1, 1]).unwrap();
        let crl_number = Asn1Object::from_str("2.5.29.20").unwrap();
        builder.append_extension(X509Extension::new_from_der(&crl_number, false, &number).unwrap()).unwrap();
        builder.sort().unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        std::fs::write(folder.join(name), builder.build().unwrap().to_pem().unwrap()).unwrap();
    }
}
