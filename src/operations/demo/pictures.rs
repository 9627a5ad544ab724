//! Photos, a video and a paper of citizens' homes: drawn here, taken in like those that a phone sends, places and all,
//! and the hazards that a therapist sees in them.

use std::io::Write;

use super::life::hazard;
use super::make::{Chart, at};
use super::people::Member::OccupationalTherapist;
use super::story::Person;
use crate::engine::{Engine, Rejection};
use crate::media::sample::{Video, corridor, stairs, walking, with_place};
use crate::notebook::model::mapping;
use crate::operations::media::{Sent, store_file_blocking};
use crate::store::{BlobError, EntityQuery};

/// What a picture shows.
#[derive(Debug, Clone, Copy)]
enum Scene {
    Corridor(usize),
    Stairs,
    /// A video of somebody who walks.
    Walk,
    /// A form that a doctor signed.
    Form,
}

struct Picture {
    /// The citizen's number.
    of: usize,
    scene: Scene,
    title: &'static str,
    days: i32,
    /// Code and words of what is dangerous in it.
    hazard: Option<(&'static str, &'static str)>,
}

const fn picture(
    of: usize,
    scene: Scene,
    title: &'static str,
    days: i32,
    hazard: Option<(&'static str, &'static str)>,
) -> Picture {
    Picture { of, scene, title, days, hazard }
}

const PICTURES: [Picture; 12] = [
    picture(0, Scene::Corridor(14), "廊下の段差", 9, Some(("step", "廊下と和室の間に4cmの段差があります。"))),
    picture(0, Scene::Walk, "退院後の歩行", 3, None),
    picture(4, Scene::Corridor(22), "玄関の上がり框", 9, Some(("step", "上がり框が高く、手すりがありません。"))),
    picture(4, Scene::Stairs, "階段", 9, Some(("no-handrail", "階段の片側に手すりがありません。"))),
    picture(5, Scene::Corridor(7), "寝室の敷居", 9, Some(("step", "寝室と廊下の間に2cmの敷居があります。"))),
    picture(5, Scene::Walk, "散歩の様子", 6, None),
    picture(5, Scene::Form, "訪問看護指示書（見本）", 14, None),
    picture(9, Scene::Corridor(9), "夜の廊下", 9, Some(("lighting", "足元灯がなく、夜は暗くなります。"))),
    picture(14, Scene::Corridor(5), "居間の敷物", 9, Some(("rug", "敷物の端がめくれています。"))),
    picture(17, Scene::Corridor(18), "玄関の段差", 9, Some(("step", "玄関に6cmの段差があります。"))),
    picture(17, Scene::Stairs, "二階への階段", 9, Some(("stairs", "階段が急で、照明も暗めです。"))),
    picture(19, Scene::Corridor(12), "浴室の出入口", 9, Some(("bathroom", "またぐ高さがあり、床が滑ります。"))),
];

const WIDTH: usize = 480;
const HEIGHT: usize = 360;
const FRAMES: usize = 8;

impl Scene {
    const fn media(self) -> (&'static str, &'static str) {
        match self {
            Self::Corridor(_) | Self::Stairs => ("image/jpeg", "photo.jpg"),
            Self::Walk => ("video/mp4", "walk.mp4"),
            Self::Form => ("application/pdf", "form.pdf"),
        }
    }

    /// The file, as it comes from a phone.
    fn file(self) -> Vec<u8> {
        match self {
            Self::Corridor(step) => with_place(&corridor(WIDTH, HEIGHT, step).jpeg(80), 1),
            Self::Stairs => with_place(&stairs(WIDTH, HEIGHT).jpeg(80), 1),
            Self::Walk => {
                let frames: Vec<Vec<u8>> =
                    (0..FRAMES).map(|step| walking(WIDTH / 2, HEIGHT / 2, step, FRAMES).jpeg(75)).collect();
                let (width, height) = (WIDTH / 2, HEIGHT / 2);
                Video {
                    frames: &frames,
                    width: u16::try_from(width).unwrap_or(0),
                    height: u16::try_from(height).unwrap_or(0),
                    milliseconds: 500,
                    is_private: true,
                }
                .mp4()
            }
            Self::Form => paper("SAMPLE - made up, no real person"),
        }
    }
}

/// A PDF of one page with a line on it.
fn paper(line: &str) -> Vec<u8> {
    let drawing = format!("BT /F1 18 Tf 72 760 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{drawing}\nendstream", drawing.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(file.len());
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table = file.len();
    file.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for place in places {
        file.push_str(&format!("{place:010} 00000 n \n"));
    }
    file.push_str(&format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1));
    file.into_bytes()
}

/// A picture that is here.
pub(super) struct Taken {
    /// `Media/…` or `DocumentReference/…`
    pub(super) reference: String,
    pub(super) is_photo: bool,
    pub(super) is_video: bool,
    place: usize,
}

/// Takes a citizen's pictures in, in the order of the table; those that are there are left.
pub(super) fn take_in(engine: &Engine, person: &Person<'_>) -> Result<Vec<Taken>, Rejection> {
    let mut taken = Vec::new();
    for (place, picture) in PICTURES.iter().enumerate().filter(|(_, picture)| picture.of == person.citizen.number) {
        let there = find(engine, person, picture)?;
        let reference = match there {
            Some(reference) => reference,
            None => store(engine, person, picture)?,
        };
        taken.push(Taken {
            reference,
            is_photo: matches!(picture.scene, Scene::Corridor(_) | Scene::Stairs),
            is_video: matches!(picture.scene, Scene::Walk),
            place,
        });
    }
    Ok(taken)
}

/// A picture that was taken in before: by its title.
fn find(engine: &Engine, person: &Person<'_>, picture: &Picture) -> Result<Option<String>, Rejection> {
    let (entity, kind) =
        if matches!(picture.scene, Scene::Form) { ("attachment", "DocumentReference") } else { ("media", "Media") };
    let id = person.patient.trim_start_matches("Patient/");
    let (Some(mapping), Some((key, _))) = (mapping(entity), engine.store().citizen(id)?) else { return Ok(None) };
    for row in engine.store().entities(&EntityQuery::of(&mapping.table, key, 100))? {
        let found = crate::format::json::parse(&row.resource.version.body).ok();
        let title = found.as_ref().and_then(|found| match kind {
            "Media" => found.path(&["content", "title"]),
            _ => found.path(&["content", "attachment", "title"]),
        });
        if title.and_then(crate::format::json::Node::as_str) == Some(picture.title) {
            return Ok(Some(format!("{kind}/{}", row.resource.id)));
        }
    }
    Ok(None)
}

fn store(engine: &Engine, person: &Person<'_>, picture: &Picture) -> Result<String, Rejection> {
    let mut incoming = engine.store().blobs().receive()?;
    incoming.write_all(&picture.scene.file()).map_err(BlobError::from)?;
    let (media, name) = picture.scene.media();
    let is_form = matches!(picture.scene, Scene::Form);
    let by = if is_form { super::people::Member::FamilyDoctor.reference() } else { person.family() };
    let sent = Sent {
        media: Some(media.to_owned()),
        name: Some(name.to_owned()),
        title: Some(picture.title.to_owned()),
        created: Some(at(person.day(person.citizen.last() - picture.days), "18:30")),
        operator: Some(by),
        sha256: None,
    };
    let id = person.patient.trim_start_matches("Patient/");
    Ok(store_file_blocking(engine, id, incoming, &sent)?.reference)
}

/// What a therapist saw in the pictures.
pub(super) fn hazards(person: &Person<'_>, chart: &mut Chart, taken: &[Taken]) {
    for Taken { reference, place, .. } in taken {
        if let Some(picture) = PICTURES.get(*place)
            && let Some((code, words)) = picture.hazard
        {
            let seen = hazard(person, code, words, picture.days - 1, reference, OccupationalTherapist);
            chart.put(&person.key(&format!("hazard/{place}")), seen);
        }
    }
}
