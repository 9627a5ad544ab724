//! The certificate a client showed: to this server in the TLS handshake, or to a reverse proxy that is trusted
//! and passes it on in a header.

use std::any::Any;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::x509::X509;

use super::Shared;
use crate::access::Certificate;

/// Remembers the certificate of a new connection.
pub(super) fn on_connect(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_tls::accept::openssl::TlsStream<TcpStream>>();
    if let Some(found) = stream.and_then(|stream| stream.ssl().peer_certificate()).and_then(|found| read(&found)) {
        data.insert(found);
    }
}

/// The certificate behind a request. A header counts only when it comes from a trusted proxy.
pub(super) fn of(request: &HttpRequest, shared: &Shared) -> Option<Certificate> {
    if let Some(found) = request.conn_data::<Certificate>() {
        return Some(found.clone());
    }
    let name = shared.settings.client_cert_header.as_deref()?;
    let peer = request.peer_addr()?.ip();
    if !shared.settings.trusted_proxies.contains(&peer) {
        return None;
    }
    from_header(request.headers().get(name)?.to_str().ok()?)
}

/// RFC 9440 (`Client-Cert: :BASE64:`), or PEM percent-encoded, as nginx's `$ssl_client_escaped_cert`.
fn from_header(text: &str) -> Option<Certificate> {
    let text = text.trim();
    let certificate = match text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) {
        Some(encoded) => X509::from_der(&STANDARD.decode(encoded).ok()?).ok()?,
        None => {
            // A plus sign is a plus sign in base64.
            let pairs = crate::engine::decode_pairs(&text.replace('+', "%2B").replace('=', "%3D").replace('&', "%26"));
            X509::from_pem(pairs.first()?.0.as_bytes()).ok()?
        }
    };
    read(&certificate)
}

fn read(certificate: &X509) -> Option<Certificate> {
    let digest = certificate.digest(MessageDigest::sha256()).ok()?;
    let names = certificate.subject_name().entries();
    let subject = names.filter_map(|entry| entry.data().to_string().ok()).collect::<Vec<_>>();
    Some(Certificate::new(&digest, subject.join(", ")))
}
