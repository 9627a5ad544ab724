//! How `object_store` reaches the service: requests by `ureq` with the system's TLS, signatures by OpenSSL, both of
//! which the program has anyway. A request blocks the thread that waits for it, which is one that may block.

use std::io::Read;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, HttpClient, HttpConnector, HttpError, HttpErrorKind,
    HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService, Signer, SigningAlgorithm,
};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use ureq::http::{Method, Request};

/// Bytes of an answer taken at once.
const STEP: usize = 64 << 10;
/// An address that takes longer is away.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// For what a service does before it answers, for the body of a request, and for that of an answer (a person's
/// bad line empties it slowly; when it breaks off it is asked for anew).
const TO_ANSWER: Duration = Duration::from_secs(60);
const TO_SEND: Duration = Duration::from_secs(300);
const TO_READ: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let tls = ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::NativeTls)
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(TO_CONNECT))
            .timeout_recv_response(Some(TO_ANSWER))
            .timeout_send_body(Some(TO_SEND))
            .timeout_recv_body(Some(TO_READ))
            .max_idle_connections(32)
            .max_idle_connections_per_host(32)
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(HttpClient::new(Client(agent)))
    }
}

#[derive(Debug)]
struct Client(ureq::Agent);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let has_body = matches!(parts.method, Method::PUT | Method::POST);
        let answer = if has_body {
            let body = whole(body)?;
            self.0.run(Request::from_parts(parts, &body[..]))
        } else {
            self.0.run(Request::from_parts(parts, ()))
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        let length = body.content_length();
        let reader = Mutex::new(body.into_reader());
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(Answer { reader, length, is_over: false })))
    }
}

fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => HttpErrorKind::Connect,
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// A request's body: it lies in memory, in one piece mostly.
fn whole(mut body: HttpRequestBody) -> Result<Bytes, HttpError> {
    let mut context = Context::from_waker(Waker::noop());
    let mut pieces: Vec<Bytes> = Vec::new();
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        pieces.extend(frame?.into_data().ok());
    }
    Ok(if pieces.len() == 1 { pieces.remove(0) } else { pieces.concat().into() })
}

/// An answer's body, read as far as it is taken.
struct Answer {
    reader: Mutex<ureq::BodyReader<'static>>,
    length: Option<u64>,
    is_over: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut buffer = vec![0; STEP];
        let reader = self.reader.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = reader.read(&mut buffer);
        self.is_over = !matches!(read, Ok(1..));
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(count) => {
                buffer.truncate(count);
                Some(Ok(Frame::data(buffer.into())))
            }
            Err(error) => Some(Err(HttpError::new(HttpErrorKind::Interrupted, error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What signatures of requests are made with.
#[derive(Debug)]
pub(super) struct Crypto;

impl CryptoProvider for Crypto {
    fn digest(&self, _: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        let hasher = openssl::hash::Hasher::new(MessageDigest::sha256()).map_err(refused)?;
        Ok(Box::new(Digest { hasher, is_whole: true, done: Vec::new() }))
    }

    fn hmac(&self, _: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        Ok(Box::new(Hmac { key: PKey::hmac(secret).map_err(refused)?, data: Vec::new(), done: Vec::new() }))
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(object_store::Error::NotImplemented {
            operation: "RS256".to_owned(),
            implementer: "the content store".to_owned(),
        })
    }
}

fn refused(error: openssl::error::ErrorStack) -> object_store::Error {
    object_store::Error::Generic { store: "OpenSSL", source: Box::new(error) }
}

struct Digest {
    hasher: openssl::hash::Hasher,
    is_whole: bool,
    done: Vec<u8>,
}

impl DigestContext for Digest {
    fn update(&mut self, data: &[u8]) {
        self.is_whole &= self.hasher.update(data).is_ok();
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        let done = self.hasher.finish().map_err(refused)?;
        if !self.is_whole {
            return Err(refused(openssl::error::ErrorStack::get()));
        }
        self.done = done.to_vec();
        Ok(&self.done)
    }
}

/// Keyed hashes are made of what signs a request: short texts.
struct Hmac {
    key: PKey<openssl::pkey::Private>,
    data: Vec<u8>,
    done: Vec<u8>,
}

impl HmacContext for Hmac {
    fn update(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).map_err(refused)?;
        self.done = signer.sign_oneshot_to_vec(&self.data).map_err(refused)?;
        Ok(&self.done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn keyed_hashes_are_those_of_the_standard() {
        let mut context = Crypto.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        context.update(b"what do ya want ");
        context.update(b"for nothing?");
        let hex: String = context.finish().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
