//! Small pictures of photos, made when they are first asked for and kept.

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::super::Shared;
use super::super::content::{Content, From, serve};
use super::super::context::Context;
use super::{Found, find, unchanged};
use crate::engine::{Engine, Rejection};
use crate::http::binary::data;
use crate::media::{Kind, PictureError, examine, reduced};
use crate::r4::outcome::IssueCode;
use crate::store::BlobId;

/// Names of sizes, and the longest side in pixels.
const SIZES: [(&str, usize); 3] = [("small", 160), ("medium", 640), ("large", 1600)];
/// Largest file that is decoded.
const MOST_BYTES: u64 = 64 << 20;
/// Pictures decoded at a time: each takes up to 200 MB while it is.
static AT_WORK: Semaphore = Semaphore::const_new(1);

/// `GET media/[id]/thumbnail?size=small`
pub(super) async fn thumbnail(
    request: &HttpRequest,
    shared: &Shared,
    context: &Context,
    id: &str,
) -> Result<HttpResponse, Rejection> {
    let mut size = SIZES.get(1);
    for (name, value) in crate::engine::decode_pairs(request.query_string()) {
        let found = SIZES.iter().find(|(known, _)| name == "size" && *known == value);
        size = Some(found.ok_or_else(|| {
            Rejection::invalid(format!(
                "{name}={value} is wrong（値が正しくありません）: size is small, medium or large"
            ))
        })?);
    }
    let (label, longest) = size.copied().unwrap_or(("medium", 640));
    let Found { media: _, name, data: text, updated, tag } = find(shared, id).await?;
    let tag = format!("{tag}-{label}");
    if let Some(response) = unchanged(request, context, &tag) {
        return Ok(response);
    }
    let hole = shared.engine.store().blobs().hole_at(text.as_bytes());
    let kept = hole.map(|hole| (hole.id, format!("{longest}.jpg")));
    let jpeg = match (known(shared, kept.clone()).await?, kept) {
        (Some(jpeg), _) => jpeg,
        (None, kept) => {
            // Whoever waited may find it made.
            let _turn = AT_WORK.acquire().await;
            match known(shared, kept.clone()).await? {
                Some(jpeg) => jpeg,
                None => {
                    let from = data(shared, &text).await?;
                    shared.engine.blocking(move |engine| make(engine, from, kept, longest)).await?
                }
            }
        }
    };
    let name = format!("{label}-{}.jpg", name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem));
    let content = Content { from: From::Memory(jpeg), media: "image/jpeg".to_owned(), name, tag, updated };
    Ok(serve(context, request, content))
}

async fn known(shared: &Shared, kept: Option<(BlobId, String)>) -> Result<Option<Bytes>, Rejection> {
    let Some((id, name)) = kept else { return Ok(None) };
    shared.engine.blocking(move |engine| Ok(engine.store().blobs().derived(&id, &name)?.map(Bytes::from))).await
}

fn make(engine: &Engine, from: From, kept: Option<(BlobId, String)>, longest: usize) -> Result<Bytes, Rejection> {
    let too_large =
        || Rejection::new(422, IssueCode::TooCostly, "the picture is too large for a small one（画像が大きすぎます）");
    let file = match from {
        From::Memory(bytes) => bytes,
        From::Store(content) if content.size() > MOST_BYTES => return Err(too_large()),
        From::Store(content) => {
            let mut bytes = vec![0; usize::try_from(content.size()).map_err(|_| too_large())?];
            content.read_at(0, &mut bytes)?;
            bytes.into()
        }
    };
    let none = |why: String| {
        Rejection::new(
            404,
            IssueCode::NotSupported,
            format!("there is no small picture of this（縮小画像はありません）: {why}"),
        )
    };
    let kind = Kind::sniff(&file).ok_or_else(|| none("it is no picture".to_owned()))?;
    let orientation = examine(kind, &mut &file[..]).map_or(1, |examined| examined.about.orientation);
    let jpeg = reduced(kind, &file, orientation, longest).map_err(|error| match error {
        PictureError::TooLarge => too_large(),
        error => none(error.to_string()),
    })?;
    if let Some((id, name)) = kept {
        engine.store().blobs().put_derived(&id, &name, &jpeg)?;
    }
    Ok(jpeg.into())
}
