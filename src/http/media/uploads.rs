//! Uploads in parts that survive a bad line: tus 1.0.0 with creation, checksum, expiration, termination
//! (<https://tus.io/protocols/resumable-upload>).
//!
//! `POST media/uploads` names the length, `PATCH` sends what follows the offset that `HEAD` tells. A finished
//! upload becomes a photo or video by `POST citizens/[id]/media` with `{"upload": id}`.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::Shared;
use super::super::content::{START, drain, next, too_large};
use super::super::context::{Context, PATIENCE, text};
use super::super::respond::{begin, not_allowed, rejection};
use super::{Sent, root};
use crate::access::Interaction;
use crate::engine::{Engine, Rejection};
use crate::media::Source;
use crate::operations::media::{check_start, check_words};
use crate::r4::outcome::IssueCode;
use crate::store::{BlobError, Incoming};

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,checksum,expiration,termination";
/// How long an upload may rest.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Bytes gathered before they are written.
const GATHERED: usize = 128 << 10;
const LONGEST_METADATA: usize = 4096;

/// Uploads that somebody is writing to: one at a time each.
static BUSY: Mutex<Option<HashSet<String>>> = Mutex::new(None);

struct Turn(String);

impl Turn {
    fn take(id: &str) -> Option<Self> {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        busy.get_or_insert_default().insert(id.to_owned()).then(|| Self(id.to_owned()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(busy) = BUSY.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            busy.remove(&self.0);
        }
    }
}

/// What is remembered of an upload beside its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Upload {
    length: u64,
    metadata: String,
    /// µs since 1970 UTC.
    expires: i64,
}

/// Where an upload lies.
struct Place {
    about: PathBuf,
    part: PathBuf,
}

fn place(engine: &Engine, id: &str) -> Result<Place, Rejection> {
    let is_ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_ours {
        return Err(unknown(id));
    }
    let folder = engine.store().blobs().staging("uploads")?;
    Ok(Place { about: folder.join(format!("{id}.json")), part: folder.join(format!("{id}.part")) })
}

fn unknown(id: &str) -> Rejection {
    Rejection::new(404, IssueCode::NotFound, format!("no upload {id:?} is known here（アップロードが見つかりません）"))
}

impl Upload {
    /// An upload, and how much of it is here. Blocks.
    fn load(engine: &Engine, id: &str) -> Result<(Self, u64, Place), Rejection> {
        let place = place(engine, id)?;
        let about = std::fs::read(&place.about).map_err(|_| unknown(id))?;
        let upload: Self = serde_json::from_slice(&about).map_err(|error| Rejection::internal(error.to_string()))?;
        if upload.expires < jiff::Timestamp::now().as_microsecond() {
            remove(&place);
            let text = format!("the upload {id:?} was left for too long（アップロードの期限が切れました）; begin anew");
            return Err(Rejection::new(410, IssueCode::NotFound, text));
        }
        let offset = std::fs::metadata(&place.part).map_err(|_| unknown(id))?.len();
        Ok((upload, offset, place))
    }

    fn save(&self, place: &Place) -> Result<(), BlobError> {
        let draft = place.about.with_extension("draft");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(self).unwrap_or_default())?;
        file.sync_all()?;
        std::fs::rename(draft, &place.about)?;
        Ok(())
    }

    fn sent(&self) -> Result<Sent, Rejection> {
        let mut sent = Sent::default();
        for pair in self.metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let wrong = || Rejection::invalid(format!("Upload-Metadata: {name} is not base64 of a text"));
            let value = String::from_utf8(STANDARD.decode(value.trim()).map_err(|_| wrong())?).map_err(|_| wrong())?;
            let value = Some(value).filter(|value| !value.is_empty());
            match name {
                "filename" | "name" => sent.name = value,
                "filetype" | "type" => sent.media = value,
                "title" => sent.title = value,
                "created" => sent.created = value,
                "operator" => sent.operator = value,
                // Clients put in what they like.
                _ => {}
            }
        }
        Ok(sent)
    }
}

fn remove(place: &Place) {
    let _ = std::fs::remove_file(&place.about);
    let _ = std::fs::remove_file(&place.part);
}

fn later() -> i64 {
    jiff::Timestamp::now().as_microsecond().saturating_add(i64::try_from(LIFETIME.as_micros()).unwrap_or(i64::MAX))
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn tus(status: u16, context: &Context) -> HttpResponseBuilder {
    let mut response = begin(status, context);
    response.insert_header((name("tus-resumable"), VERSION)).insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn expires(response: &mut HttpResponseBuilder, micros: i64) {
    response.insert_header((name("upload-expires"), super::super::respond::http_date(micros).to_string()));
}

fn whole_number(request: &HttpRequest, header: &'static str) -> Result<u64, Rejection> {
    let value = text(request, &name(header));
    value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| {
        Rejection::invalid(format!("the header {header} must be a whole number, not {:?}", value.unwrap_or_default()))
    })
}

/// Everything under `media/uploads`.
pub(super) async fn handle(
    request: &HttpRequest,
    mut payload: Payload,
    shared: &Shared,
    context: &Context,
    parts: &[&str],
) -> HttpResponse {
    let overridden = text(request, &name("x-http-method-override")).filter(|_| request.method() == "POST");
    let method = overridden.unwrap_or_else(|| request.method().as_str()).to_owned();
    if method == "OPTIONS" {
        let mut response = tus(204, context);
        response
            .insert_header((name("tus-version"), VERSION))
            .insert_header((name("tus-extension"), EXTENSIONS))
            .insert_header((name("tus-checksum-algorithm"), "sha1,sha256"))
            .insert_header((name("tus-max-size"), shared.settings.max_upload.to_string()));
        return response.finish();
    }
    let answered = match (method.as_str(), parts) {
        _ if text(request, &name("tus-resumable")) != Some(VERSION) => Err(Rejection::precondition(
            IssueCode::NotSupported,
            format!("the header Tus-Resumable must be {VERSION}: uploads in parts follow tus {VERSION}"),
        )),
        ("POST", ["media", "uploads"]) => create(request, shared, context).await,
        (_, ["media", "uploads"]) => return not_allowed(context, &method, "OPTIONS, POST"),
        ("HEAD", [.., id]) => head(shared, context, id).await,
        ("PATCH", [.., id]) => append(request, &mut payload, shared, context, id).await,
        ("DELETE", [.., id]) => terminate(shared, context, id).await,
        _ => return not_allowed(context, &method, "OPTIONS, HEAD, PATCH, DELETE"),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            drain(&mut payload).await;
            let mut response = rejection(context, &refusal);
            for (header, value) in [("tus-resumable", VERSION), ("tus-version", VERSION)] {
                response.headers_mut().insert(name(header), HeaderValue::from_static(value));
            }
            response
        }
    }
}

async fn create(request: &HttpRequest, shared: &Shared, context: &Context) -> Result<HttpResponse, Rejection> {
    shared.engine.permit(Interaction::Create, "Binary")?;
    let length = whole_number(request, "upload-length")?;
    if length > shared.settings.max_upload {
        return Err(too_large(shared.settings.max_upload));
    }
    if length == 0 {
        return Err(Rejection::invalid("an upload of nothing（空のファイルです）"));
    }
    let metadata = text(request, &name("upload-metadata")).unwrap_or_default().to_owned();
    if metadata.len() > LONGEST_METADATA {
        return Err(Rejection::invalid(format!("Upload-Metadata is longer than {LONGEST_METADATA} bytes")));
    }
    let upload = Upload { length, metadata, expires: later() };
    upload.sent()?;
    let id = uuid::Uuid::now_v7().simple().to_string();
    let (owned, until) = (id.clone(), upload.expires);
    shared
        .engine
        .blocking(move |engine| {
            let place = place(engine, &owned)?;
            sweep(&place);
            File::create(&place.part).map_err(BlobError::from)?;
            Ok(upload.save(&place)?)
        })
        .await?;
    let mut response = tus(201, context);
    response.insert_header((header::LOCATION, format!("{}/media/uploads/{id}", root(context))));
    expires(&mut response, until);
    Ok(response.finish())
}

/// Removes uploads that nobody went on with.
fn sweep(beside: &Place) {
    let Some(entries) = beside.about.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else { return };
    let oldest = SystemTime::now().checked_sub(LIFETIME * 2).unwrap_or(SystemTime::UNIX_EPOCH);
    for entry in entries.flatten() {
        if entry.metadata().and_then(|about| about.modified()).is_ok_and(|modified| modified < oldest) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

async fn head(shared: &Shared, context: &Context, id: &str) -> Result<HttpResponse, Rejection> {
    let owned = id.to_owned();
    let (upload, offset, _) = shared.engine.blocking(move |engine| Upload::load(engine, &owned)).await?;
    let mut response = tus(200, context);
    response
        .insert_header((name("upload-offset"), offset.to_string()))
        .insert_header((name("upload-length"), upload.length.to_string()));
    if !upload.metadata.is_empty() {
        response.insert_header((name("upload-metadata"), upload.metadata));
    }
    expires(&mut response, upload.expires);
    Ok(response.finish())
}

async fn terminate(shared: &Shared, context: &Context, id: &str) -> Result<HttpResponse, Rejection> {
    shared.engine.permit(Interaction::Create, "Binary")?;
    let _turn = Turn::take(id).ok_or_else(busy)?;
    let owned = id.to_owned();
    shared
        .engine
        .blocking(move |engine| {
            let (_, _, place) = Upload::load(engine, &owned)?;
            remove(&place);
            Ok(())
        })
        .await?;
    Ok(tus(204, context).finish())
}

fn busy() -> Rejection {
    Rejection {
        retry_after: Some(5),
        ..Rejection::new(423, IssueCode::Conflict, "another request writes to this upload; ask for its offset again")
    }
}

/// A check sum that a client names for one request.
enum Sum {
    Sha1(Box<sha1_smol::Sha1>, Vec<u8>),
    Sha256(Box<Sha256>, Vec<u8>),
}

impl Sum {
    fn read(header: &str) -> Result<Self, Rejection> {
        let (algorithm, value) = header.trim().split_once(' ').unwrap_or((header, ""));
        let wrong = || Rejection::invalid("Upload-Checksum must be sha1 or sha256 and the sum in base64");
        let value = STANDARD.decode(value.trim()).map_err(|_| wrong())?;
        match algorithm {
            "sha1" => Ok(Self::Sha1(Box::default(), value)),
            "sha256" => Ok(Self::Sha256(Box::default(), value)),
            _ => Err(wrong()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum, _) => sum.update(bytes),
            Self::Sha256(sum, _) => sum.update(bytes),
        }
    }

    fn fits(self) -> bool {
        match self {
            Self::Sha1(sum, expected) => sum.digest().bytes()[..] == expected[..],
            Self::Sha256(sum, expected) => sum.finalize()[..] == expected[..],
        }
    }
}

async fn append(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    id: &str,
) -> Result<HttpResponse, Rejection> {
    shared.engine.permit(Interaction::Create, "Binary")?;
    let media = text(request, &header::CONTENT_TYPE).unwrap_or_default();
    if media != "application/offset+octet-stream" {
        return Err(Rejection::new(
            415,
            IssueCode::NotSupported,
            format!("Content-Type {media:?} is not supported; a part is sent as application/offset+octet-stream"),
        ));
    }
    let claimed = whole_number(request, "upload-offset")?;
    let mut sum = text(request, &name("upload-checksum")).map(Sum::read).transpose()?;
    let _turn = Turn::take(id).ok_or_else(busy)?;
    let owned = id.to_owned();
    let (mut upload, offset, place) = shared.engine.blocking(move |engine| Upload::load(engine, &owned)).await?;
    if claimed != offset {
        return Err(Rejection::new(
            409,
            IssueCode::Conflict,
            format!("{offset} bytes are here but Upload-Offset is {claimed}; go on from what HEAD tells"),
        ));
    }
    let mut file = File::options().append(true).open(&place.part).map_err(BlobError::from)?;
    let mut gathered = Vec::new();
    let mut size = offset;
    // A line that breaks leaves what came over it; the next request goes on from there.
    let mut broken = None;
    loop {
        let piece = match next(payload, PATIENCE).await {
            Ok(piece) => piece,
            Err(refusal) => {
                broken = Some(refusal);
                None
            }
        };
        let is_end = piece.is_none();
        if let Some(piece) = piece {
            size += piece.len() as u64;
            if size > upload.length {
                back(&place, offset)?;
                return Err(Rejection::invalid(format!(
                    "more came than the {} bytes that were announced（ファイルの長さが合いません）",
                    upload.length
                )));
            }
            if let Some(sum) = &mut sum {
                sum.update(&piece);
            }
            gathered.extend_from_slice(&piece);
        }
        if gathered.len() >= GATHERED || (is_end && !gathered.is_empty()) {
            let bytes = std::mem::take(&mut gathered);
            file = shared
                .engine
                .blocking(move |_| {
                    file.write_all(&bytes).map_err(BlobError::from)?;
                    Ok(file)
                })
                .await?;
        }
        if is_end {
            break;
        }
    }
    if let Some(sum) = sum {
        if let Some(refusal) = broken {
            back(&place, offset)?;
            return Err(refusal);
        }
        if !sum.fits() {
            back(&place, offset)?;
            // 460 is the number that tus gives it.
            return Err(Rejection::new(
                460,
                IssueCode::Conflict,
                "the part is not what Upload-Checksum says（転送中にデータが壊れました）; send it again",
            ));
        }
    }
    upload.expires = later();
    let (saved, is_new) = (upload.clone(), offset < START as u64);
    let place = shared
        .engine
        .blocking(move |_| {
            file.sync_data().map_err(BlobError::from)?;
            saved.save(&place)?;
            Ok(place)
        })
        .await?;
    if is_new && (size >= START as u64 || size == upload.length) {
        let mut start = [0; START];
        let file = File::open(&place.part).map_err(BlobError::from)?;
        let count = Source::read_at(&file, 0, &mut start).map_err(BlobError::from)?;
        if let Err(refusal) = check_start(start.get(..count).unwrap_or_default(), &upload.sent()?) {
            remove(&place);
            return Err(refusal);
        }
    }
    if let Some(refusal) = broken {
        return Err(refusal);
    }
    let mut response = tus(204, context);
    response.insert_header((name("upload-offset"), size.to_string()));
    expires(&mut response, upload.expires);
    Ok(response.finish())
}

/// Forgets what one request brought.
fn back(place: &Place, offset: u64) -> Result<(), BlobError> {
    File::options().write(true).open(&place.part)?.set_len(offset)?;
    Ok(())
}

/// Takes a finished upload over; what its creation said counts where the finishing request says nothing.
pub(super) async fn finished(shared: &Shared, id: &str, sent: &mut Sent) -> Result<Incoming, Rejection> {
    let id = id.rsplit('/').next().unwrap_or_default().to_owned();
    let turn = Turn::take(&id).ok_or_else(busy)?;
    let said = std::mem::take(sent);
    let (incoming, joined) = shared
        .engine
        .blocking(move |engine| {
            let _turn = turn;
            let (upload, offset, place) = Upload::load(engine, &id)?;
            if offset < upload.length {
                return Err(Rejection::new(
                    409,
                    IssueCode::Incomplete,
                    format!(
                        "{offset} of {} bytes are here（アップロードが終わっていません）; send the rest first",
                        upload.length
                    ),
                ));
            }
            let first = upload.sent()?;
            let joined = Sent {
                media: said.media.or(first.media),
                name: said.name.or(first.name),
                title: said.title.or(first.title),
                created: said.created.or(first.created),
                operator: said.operator.or(first.operator),
                sha256: said.sha256,
            };
            // What is wrong in the words must not cost the file.
            check_words(&joined)?;
            let incoming = Incoming::adopt(place.part.clone())?;
            let _ = std::fs::remove_file(&place.about);
            Ok((incoming, joined))
        })
        .await?;
    *sent = joined;
    Ok(incoming)
}
