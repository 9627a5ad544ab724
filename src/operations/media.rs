//! A photo, video or PDF of a citizen: checked, cleaned, kept, and written as Media (or DocumentReference)
//! with its Binary in one transaction.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::{Engine, EntryAnswer, Refusal, Rejection};
use crate::format::json::Node;
use crate::media::{About, Edits, Kind, MediaError, Patch, Piece, Source, examine};
use crate::r4::datetime::format_instant;
use crate::r4::outcome::IssueCode;
use crate::r4::reference::Reference;
use crate::store::{BlobError, Encoding, Hole, Incoming, Kept};

/// Bytes copied or overwritten at once.
const STEP: usize = 256 << 10;
/// The profile of photos and videos from the home.
const HOME_MEDIA: &str = "http://renraku.example/fhir/StructureDefinition/home-media";
const ATTEMPTS: usize = 4;

/// What somebody says about a file they send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Media type.
    pub media: Option<String>,
    /// File name.
    pub name: Option<String>,
    /// What it shows.
    pub title: Option<String>,
    /// When it was taken, a FHIR dateTime; otherwise what the file says, or now.
    pub created: Option<String>,
    /// Who took it: `RelatedPerson/x`.
    pub operator: Option<String>,
    /// SHA-256 of what was sent, hexadecimal, to be compared.
    pub sha256: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// `Media/x` or `DocumentReference/x`.
    pub reference: String,
    /// The resource.
    pub body: bytes::Bytes,
    /// The file carried a place, which was removed.
    pub had_place: bool,
}

/// What a file really is, by its beginning; a file that is called something else is refused.
///
/// # Errors
/// 415 for what is not taken here, 422 for what is not what it is called.
pub fn check_start(start: &[u8], sent: &Sent) -> Result<Kind, Rejection> {
    let taken: Vec<&str> = Kind::ALL.iter().map(|kind| kind.media_type()).collect();
    let called = sent.media.as_deref().unwrap_or_default();
    let name = sent.name.as_deref().unwrap_or_default();
    let Some(kind) = Kind::sniff(start) else {
        return Err(Rejection::new(
            415,
            IssueCode::NotSupported,
            format!(
                "the file (named {name:?}, sent as {called:?}) is none of {}; its content decides, not its name（対応していない形式のファイルです。写真は JPEG・PNG・HEIC、動画は MP4・MOV、文書は PDF を送ってください）",
                taken.join(", ")
            ),
        ));
    };
    if !kind.is_called(called) || !kind.is_named(name) {
        return Err(Rejection::new(
            422,
            IssueCode::Invalid,
            format!(
                "the file is {} but is named {name:?} and sent as {called:?}; send it under its own type（ファイルの中身と形式・名前が一致しません）",
                kind.media_type()
            ),
        ));
    }
    Ok(kind)
}

fn refused(error: MediaError) -> Rejection {
    match error {
        MediaError::Io(why) => BlobError::Io(why).into(),
        MediaError::Damaged(_) => {
            Rejection::new(422, IssueCode::Invalid, format!("{error}（ファイルが壊れています）; nothing was stored"))
        }
        MediaError::CannotClean(_) => Rejection::new(
            422,
            IssueCode::BusinessRule,
            format!("{error}（位置情報などを取り除けないため保存できません）; nothing was stored"),
        ),
    }
}

/// Takes out what is private. Blocks.
fn cleaned(engine: &Engine, kind: Kind, mut incoming: Incoming) -> Result<(Incoming, About), Rejection> {
    let mut file = incoming.file().try_clone().map_err(BlobError::from)?;
    let examined = examine(kind, &mut file).map_err(refused)?;
    match &examined.edits {
        Edits::None => {}
        Edits::Patch(patches) => {
            let file = incoming.changed_file();
            patches.iter().try_for_each(|patch| overwrite(file, patch)).map_err(BlobError::from)?;
        }
        Edits::Rewrite(pieces) => {
            let mut anew = engine.store().blobs().receive()?;
            pieces.iter().try_for_each(|piece| copy(&file, piece, &mut anew)).map_err(BlobError::from)?;
            incoming = anew;
        }
    }
    Ok((incoming, examined.about))
}

fn overwrite(file: &mut std::fs::File, patch: &Patch) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(patch.offset))?;
    file.write_all(&patch.bytes)?;
    let filler = vec![patch.filler; STEP.min(usize::try_from(patch.more).unwrap_or(STEP))];
    let mut left = patch.more;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(STEP).min(filler.len());
        file.write_all(filler.get(..count).unwrap_or_default())?;
        left -= count as u64;
    }
    Ok(())
}

fn copy(file: &std::fs::File, piece: &Piece, to: &mut Incoming) -> std::io::Result<()> {
    match piece {
        Piece::Bytes(bytes) => to.write_all(bytes),
        Piece::Copy(from, end) => {
            let mut place = *from;
            let mut buffer = vec![0; STEP.min(usize::try_from(end.saturating_sub(*from)).unwrap_or(STEP))];
            while place < *end {
                let count = usize::try_from(end - place).unwrap_or(STEP).min(buffer.len());
                let Some(part) = buffer.get_mut(..count) else { break };
                FileExt::read_exact_at(file, part, place)?;
                to.write_all(part)?;
                place += count as u64;
            }
            Ok(())
        }
    }
}

fn text<'n>(value: impl Into<String>) -> Node<'n> {
    Node::String(value.into().into())
}

fn object<'n>(members: Vec<(&'static str, Node<'n>)>) -> Node<'n> {
    Node::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn number<'n>(value: impl ToString) -> Node<'n> {
    Node::Number(value.to_string().into())
}

/// Milliseconds as seconds, without needless zeros.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Stores a file for a citizen. Blocks.
///
/// # Errors
/// 404 without the citizen, 415 and 422 for files that are not taken, what the engine and the content store say.
pub fn store_file_blocking(
    engine: &Engine,
    citizen: &str,
    mut incoming: Incoming,
    sent: &Sent,
) -> Result<StoredFile, Rejection> {
    engine.read_blocking("Patient", citizen)?;
    check_words(sent)?;
    if let Some(expected) = &sent.sha256
        && !incoming.id()?.to_string().eq_ignore_ascii_case(expected)
    {
        return Err(Rejection::new(
            422,
            IssueCode::Invalid,
            "the file that came is not the one whose sha256 was named; send it again（転送中にファイルが壊れました。もう一度送ってください）",
        ));
    }
    let mut start = [0; 4096];
    let count = Source::read_at(incoming.file(), 0, &mut start).map_err(BlobError::from)?;
    let kind = check_start(start.get(..count).unwrap_or_default(), sent)?;
    let (incoming, about) = cleaned(engine, kind, incoming)?;
    let kept = engine.store().blobs().keep(incoming)?;
    let bundle = transaction(engine, citizen, kind, &about, &kept, sent);
    for _ in 0..ATTEMPTS {
        match engine.transaction_blocking(bundle.clone(), "", None)?.wait() {
            Ok(answers) => return stored(&answers, about.had_place),
            Err(Refusal::Rejected(rejection)) => return Err(rejection),
            Err(Refusal::Stale) => {}
        }
    }
    Err(Rejection {
        retry_after: Some(1),
        ..Rejection::new(409, IssueCode::Conflict, "the citizen's data keeps changing; send it again")
    })
}

/// Checks what was said beside a file.
///
/// # Errors
/// 400 with what would be right.
pub fn check_words(sent: &Sent) -> Result<(), Rejection> {
    if let Some(operator) = &sent.operator {
        let types =
            ["Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "Device", "RelatedPerson"];
        let known = matches!(Reference::parse(operator), Reference::Local { resource_type, version: None, .. } if types.contains(&resource_type));
        if !known {
            return Err(Rejection::new(
                400,
                IssueCode::Value,
                format!(
                    "operator={operator} is wrong（撮影者の指定が正しくありません）: a reference such as RelatedPerson/x is expected"
                ),
            ));
        }
    }
    if let Some(created) = &sent.created
        && crate::r4::datetime::span(created, 0).is_none()
    {
        return Err(Rejection::new(
            400,
            IssueCode::Value,
            format!(
                "created={created} is wrong（撮影日時が正しくありません）: a time such as 2026-05-03T10:00:00+09:00 is expected"
            ),
        ));
    }
    Ok(())
}

fn stored(answers: &[EntryAnswer], had_place: bool) -> Result<StoredFile, Rejection> {
    let Some(EntryAnswer::Single(answer)) = answers.last() else {
        return Err(Rejection::internal("the transaction was not answered"));
    };
    let (Some(location), crate::engine::Payload::Resource(body)) = (answer.location(), &answer.payload) else {
        return Err(Rejection::internal("the transaction was not answered"));
    };
    let reference = location.split("/_history/").next().unwrap_or_default().to_owned();
    Ok(StoredFile { reference, body: body.clone(), had_place })
}

fn transaction(engine: &Engine, citizen: &str, kind: Kind, about: &About, kept: &Kept, sent: &Sent) -> Node<'static> {
    let now = format_instant(jiff::Timestamp::now().as_microsecond());
    let hole = Hole { encoding: Encoding::Bytes, size: kept.size, id: kept.id };
    let subject = object(vec![("reference", text(format!("Patient/{citizen}")))]);
    let binary = object(vec![
        ("resourceType", text("Binary")),
        ("contentType", text(kind.media_type())),
        // Who may see it is decided by the citizen it is about.
        ("securityContext", subject.clone()),
        ("data", text(engine.store().blobs().hole(&hole))),
    ]);
    let url = format!("urn:uuid:{}", uuid::Uuid::now_v7());
    let mut attachment = vec![
        ("contentType", text(kind.media_type())),
        ("url", text(url.clone())),
        ("size", number(kept.size.min(i32::MAX as u64))),
        ("hash", text(STANDARD.encode(kept.sha1))),
    ];
    let title = sent.title.clone().or_else(|| sent.name.clone()).filter(|title| !title.trim().is_empty());
    attachment.extend(title.map(|title| ("title", text(title))));
    attachment.push(("creation", text(now.clone())));
    let attachment = object(attachment);
    let operator = sent.operator.as_ref().map(|operator| object(vec![("reference", text(operator.clone()))]));
    let resource = if kind == Kind::Pdf {
        let mut members = vec![
            ("resourceType", text("DocumentReference")),
            ("status", text("current")),
            ("subject", subject),
            ("date", text(now)),
        ];
        members.extend(operator.map(|author| ("author", Node::Array(vec![author]))));
        members.push(("content", Node::Array(vec![object(vec![("attachment", attachment)])])));
        object(members)
    } else {
        let created = sent.created.clone().or_else(|| about.taken.clone()).unwrap_or(now);
        let code = if kind.is_video() { "video" } else { "image" };
        let coding =
            object(vec![("system", text("http://terminology.hl7.org/CodeSystem/media-type")), ("code", text(code))]);
        let mut members = vec![("resourceType", text("Media"))];
        if operator.is_some() && (!kind.is_video() || about.milliseconds.is_some()) {
            members.push(("meta", object(vec![("profile", Node::Array(vec![text(HOME_MEDIA)]))])));
        }
        members.push(("status", text("completed")));
        members.push(("type", object(vec![("coding", Node::Array(vec![coding]))])));
        members.push(("subject", subject));
        members.push(("createdDateTime", text(created)));
        members.extend(operator.map(|operator| ("operator", operator)));
        members.extend(about.height.map(|height| ("height", number(height))));
        members.extend(about.width.map(|width| ("width", number(width))));
        members.extend(about.milliseconds.map(|length| ("duration", Node::Number(seconds(length).into()))));
        members.push(("content", attachment));
        object(members)
    };
    let entry = |url: Option<String>, resource: Node<'static>| {
        let kind = resource.text("resourceType").unwrap_or_default().to_owned();
        let mut members: Vec<(&'static str, Node<'static>)> =
            url.map(|url| ("fullUrl", text(url))).into_iter().collect();
        members.push(("resource", resource));
        members.push(("request", object(vec![("method", text("POST")), ("url", text(kind))])));
        object(members)
    };
    object(vec![
        ("resourceType", text("Bundle")),
        ("type", text("transaction")),
        ("entry", Node::Array(vec![entry(Some(url), binary), entry(None, resource)])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_called_must_be_what_it_is() {
        let sent = |media: &str, name: &str| Sent {
            media: Some(media.to_owned()),
            name: Some(name.to_owned()),
            ..Sent::default()
        };
        let jpeg = b"\xff\xd8\xff\xe0";
        assert_eq!(check_start(jpeg, &sent("image/jpeg", "a.jpg")).ok(), Some(Kind::Jpeg));
        assert_eq!(check_start(jpeg, &sent("application/octet-stream", "写真")).ok(), Some(Kind::Jpeg));
        assert_eq!(check_start(jpeg, &sent("video/mp4", "a.jpg")).err().map(|refused| refused.status), Some(422));
        assert_eq!(check_start(jpeg, &sent("image/jpeg", "a.mp4")).err().map(|refused| refused.status), Some(422));
        let page = check_start(b"<!DOCTYPE html>", &sent("video/mp4", "a.mp4")).err();
        assert_eq!(page.map(|refused| refused.status), Some(415));
    }

    #[test]
    fn lengths_are_seconds() {
        for (milliseconds, expected) in [(1000, "1"), (12_340, "12.34"), (5, "0.005"), (100_000, "100")] {
            assert_eq!(seconds(milliseconds), expected);
        }
    }
}
