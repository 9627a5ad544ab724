//! Bodies that leave: data that lies in the content store is put in its place, a chunk at a time.
//!
//! The last step of every FHIR answer before compression. What has no such data passes through after one
//! search for the mark of a hole.

use std::pin::Pin;

use actix_web::HttpResponse;
use actix_web::body::{BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::http::header;
use bytes::Bytes;
use futures_util::Stream;

use super::Shared;
use super::context::Context;
use super::respond::rejection;
use crate::engine::Rejection;
use crate::store::{BlobError, BlobRead, Chunks, Part, Syntax};

/// A stream of pieces that each take a blocking step to get.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>>>>;

/// Where pieces come from.
pub(super) trait Source: Send + 'static {
    /// The next piece, on a thread that may block.
    fn next(&mut self) -> Result<Option<Bytes>, BlobError>;
}

impl Source for Chunks {
    fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        self.next_chunk()
    }
}

/// Bytes of some content, from a place to a place.
pub(super) struct Slice {
    pub(super) content: Box<dyn BlobRead>,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Bytes read at once.
const STEP: u64 = 64 << 10;

impl Source for Slice {
    fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        let size = usize::try_from(self.to.saturating_sub(self.from).min(STEP)).unwrap_or(0);
        if size == 0 {
            return Ok(None);
        }
        let mut buffer = vec![0; size];
        if self.content.read_at(self.from, &mut buffer)? != size {
            return Err(BlobError::Io("content ended early".to_owned()));
        }
        self.from += size as u64;
        Ok(Some(buffer.into()))
    }
}

/// One piece is read when the one before it was taken: memory stays constant.
pub(super) fn pieces(source: impl Source) -> Pieces {
    Box::pin(futures_util::stream::unfold(Some(source), |source| async move {
        let mut source = source?;
        let read = tokio::task::spawn_blocking(move || {
            let piece = source.next();
            (piece, source)
        });
        match read.await {
            Ok((Ok(Some(piece)), source)) => Some((Ok(piece), Some(source))),
            Ok((Ok(None), _)) => None,
            Ok((Err(error), _)) => {
                // The answer has begun: all that can be done is to break it off.
                tracing::error!(%error, "content could not be read to its end");
                Some((Err(std::io::Error::other(error)), None))
            }
            Err(_) => Some((Err(std::io::Error::other("an internal error was caught")), None)),
        }
    }))
}

/// An answer with its data in place.
pub(super) async fn filled(shared: &Shared, context: &Context, response: HttpResponse) -> HttpResponse {
    let (response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return response.set_body(body),
    };
    let blobs = shared.engine.store().blobs();
    let Some(parts) = blobs.parts(&body) else { return response.set_body(BoxBody::new(body)) };
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let is_xml = media.split(';').next().unwrap_or_default().trim().ends_with("xml");
    let length: Option<u64> = parts.iter().map(Part::length).sum();
    let blobs = blobs.clone();
    let syntax = if is_xml { Syntax::Xml } else { Syntax::Json };
    let opened = tokio::task::spawn_blocking(move || Chunks::new(blobs, parts, syntax)).await;
    match opened {
        Ok(Ok(chunks)) => response.set_body(match length {
            Some(length) => BoxBody::new(SizedStream::new(length, pieces(chunks))),
            None => BoxBody::new(BodyStream::new(pieces(chunks))),
        }),
        Ok(Err(error)) => rejection(context, &error.into()),
        Err(_) => rejection(context, &Rejection::internal("an internal error was caught")),
    }
}
