//! What stands before every handler: who calls, and the headers that every answer carries.
//!
//! A handler gets [`Shared`] with an engine that is its caller's. Without this it would get the one of
//! nobody, which refuses: what forgets to ask is closed, not open.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Authentication, Shared, client_certificate};
use crate::access::Caller;

/// HSTS for a year (RFC 6797), where the server speaks TLS itself.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub(super) async fn gate<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let shared = request.app_data::<Data<Shared>>().cloned();
    if let Some(shared) = shared.as_ref().filter(|shared| shared.settings.authentication == Authentication::Required) {
        let caller =
            Caller { certificate: client_certificate::of(request.request(), shared), ..(*Caller::nobody()).clone() };
        let bound =
            Shared { engine: shared.engine.for_caller(Arc::new(caller)), settings: Arc::clone(&shared.settings) };
        let mut data = Extensions::new();
        data.insert(Data::new(bound));
        request.add_data_container(Rc::new(data));
    }
    let mut response = next.call(request).await?;
    if let Some(shared) = shared {
        put_headers(&shared, response.headers_mut());
    }
    Ok(response)
}

fn put_headers(shared: &Shared, headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if shared.settings.tls.is_some() {
        headers.insert(HeaderName::from_static("strict-transport-security"), HSTS);
    }
    if shared.settings.is_insecure {
        let value = HeaderValue::from_static("everyone who reaches this server reads and changes everything");
        headers.insert(HeaderName::from_static("x-insecure"), value);
    }
}
