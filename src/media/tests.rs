#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::sample::{Video, corridor, with_place};
use super::*;

/// A file after its edits.
fn cleaned(kind: Kind, file: &[u8]) -> (Vec<u8>, About) {
    let examined = examine(kind, &mut { file }).unwrap();
    (edited(file, &examined.edits), examined.about)
}

fn edited(file: &[u8], edits: &Edits) -> Vec<u8> {
    match edits {
        Edits::None => file.to_vec(),
        Edits::Rewrite(pieces) => pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Copy(from, to) => file[*from as usize..*to as usize].to_vec(),
                Piece::Bytes(bytes) => bytes.clone(),
            })
            .collect(),
        Edits::Patch(patches) => {
            let mut out = file.to_vec();
            for patch in patches {
                let mut bytes = patch.bytes.clone();
                bytes.resize(bytes.len() + patch.more as usize, patch.filler);
                out[patch.offset as usize..patch.offset as usize + bytes.len()].copy_from_slice(&bytes);
            }
            out
        }
    }
}

fn has(file: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(file, text).is_some()
}

fn video(is_private: bool) -> Vec<u8> {
    let frames: Vec<Vec<u8>> = (0..5).map(|step| corridor(64, 48, step).jpeg(80)).collect();
    Video { frames: &frames, width: 64, height: 48, milliseconds: 200, is_private }.mp4()
}

#[test]
fn files_are_known_by_their_beginning() {
    for (start, kind) in [
        (&b"\xff\xd8\xff\xe0"[..], Some(Kind::Jpeg)),
        (b"\x89PNG\r\n\x1a\n....", Some(Kind::Png)),
        (b"%PDF-1.7", Some(Kind::Pdf)),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Some(Kind::Mp4)),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Some(Kind::QuickTime)),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Some(Kind::Heic)),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", Some(Kind::Heif)),
        (b"\0\0\0\x10ftypxxxx\0\0\0\0", None),
        (b"\0\0\0\x08wide\0\0\0\0mdat", Some(Kind::QuickTime)),
        (b"<!DOCTYPE html><html>", None),
        (b"\n%PDF-1.7", None),
        (b"GIF89a", None),
        (b"PK\x03\x04", None),
        (b"", None),
        (b"\xff\xd8", None),
    ] {
        assert_eq!(Kind::sniff(start), kind, "{}", String::from_utf8_lossy(start));
    }
    assert!(Kind::Mp4.is_called("video/mp4; codecs=avc1") && Kind::Heic.is_called("image/heif"));
    assert!(!Kind::Jpeg.is_called("image/png") && !Kind::Pdf.is_called("video/mp4") && Kind::Png.is_called(""));
    assert!(Kind::Mp4.is_named("歩行.MOV") && !Kind::Jpeg.is_named("a.mp4") && Kind::Jpeg.is_named("IMG_0001"));
}

#[test]
fn a_photo_loses_its_place_and_keeps_its_orientation() {
    let plain = corridor(100, 60, 5).jpeg(85);
    let (clean, about) = cleaned(Kind::Jpeg, &with_place(&plain, 6));
    assert!(about.had_place);
    assert_eq!((about.orientation, about.width, about.height), (6, Some(60), Some(100)));
    assert_eq!(about.taken.as_deref(), Some("2026-05-03T10:00:00+09:00"));
    for private in [&b"GPS"[..], b"34.4", b"xmpmeta", b"taken at", b"2026:05", b"MotionPhoto", b"maker"] {
        assert!(!has(&clean, private), "{}", String::from_utf8_lossy(private));
    }
    // The picture itself is the same, byte for byte, around the word on its orientation.
    assert_eq!(clean.len(), plain.len() + 36);
    assert_eq!(examine(Kind::Jpeg, &mut &clean[..]).unwrap().about.orientation, 6);
    let (again, _) = cleaned(Kind::Jpeg, &clean);
    assert_eq!(again, clean);
    let (untouched, _) = cleaned(Kind::Jpeg, &plain);
    assert_eq!(untouched, plain);
    let upright = cleaned(Kind::Jpeg, &with_place(&plain, 1)).0;
    assert_eq!(upright, plain, "with nothing to say it is as it was drawn");
    let small = reduced(Kind::Jpeg, &clean, 6, 50).unwrap();
    let about = examine(Kind::Jpeg, &mut &small[..]).unwrap().about;
    assert_eq!((about.width, about.height), (Some(30), Some(50)));
}

#[test]
fn a_png_loses_its_texts() {
    let plain = corridor(40, 30, 4).png();
    let mut located = plain[..33].to_vec();
    located.extend(png::chunk(b"tEXt", b"Comment\0at 34.4N 137.0E"));
    located.extend(png::chunk(b"eXIf", &exif::only_orientation(3)));
    located.extend(png::chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0GPSLatitude"));
    located.extend_from_slice(&plain[33..]);
    located.extend_from_slice(b"behind the end");
    let (clean, about) = cleaned(Kind::Png, &located);
    assert_eq!((about.orientation, about.width, about.height), (3, Some(40), Some(30)));
    for private in [&b"34.4N"[..], b"GPS", b"behind", b"tEXt"] {
        assert!(!has(&clean, private), "{}", String::from_utf8_lossy(private));
    }
    assert_eq!(cleaned(Kind::Png, &clean).0, clean);
    assert_eq!(cleaned(Kind::Png, &plain).0, plain);
    let small = reduced(Kind::Png, &clean, 3, 20).unwrap();
    assert_eq!(examine(Kind::Jpeg, &mut &small[..]).unwrap().about.width, Some(20));
}

#[test]
fn a_video_loses_its_places_and_nothing_moves() {
    let located = video(true);
    for private in [&b"\xa9xyz"[..], b"+34.4000", b"GPS5", b"gpmd", b"location.ISO6709"] {
        assert!(has(&located, private), "{}", String::from_utf8_lossy(private));
    }
    let (clean, about) = cleaned(Kind::Mp4, &located);
    assert!(about.had_place);
    assert_eq!((about.width, about.height, about.milliseconds), (Some(64), Some(48), Some(1000)));
    assert_eq!(clean.len(), located.len());
    for private in [&b"\xa9xyz"[..], b"+34.4000", b"GPS5", b"gpmd", b"location.ISO6709"] {
        assert!(!has(&clean, private), "{}", String::from_utf8_lossy(private));
    }
    let frame = corridor(64, 48, 3).jpeg(80);
    assert_eq!(memchr::memmem::find(&clean, &frame), memchr::memmem::find(&located, &frame));
    assert_eq!(examine(Kind::Mp4, &mut &clean[..]).unwrap().edits, Edits::None, "a clean one stays as it is");
    assert_eq!(cleaned(Kind::Mp4, &video(false)).0, video(false));
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

/// A HEIC with a picture, EXIF and XMP as items.
fn heic() -> Vec<u8> {
    let exif = [&[0, 0, 0, 0][..], &exif_with_place()].concat();
    let xmp = b"<x:xmpmeta exif:GPSLatitude=\"34,24.0N\"/>";
    let picture = b"coded picture";
    let infe = |id: u8, kind: &[u8; 4], more: &[u8]| {
        boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], kind, b"\0", more].concat())
    };
    let iinf = boxed(
        b"iinf",
        &[
            &[0, 0, 0, 0, 0, 3][..],
            &infe(1, b"hvc1", b""),
            &infe(2, b"Exif", b""),
            &infe(3, b"mime", b"application/rdf+xml\0"),
        ]
        .concat(),
    );
    let ftyp = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
    let properties = [boxed(b"ispe", &[0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 30]), boxed(b"irot", &[1])].concat();
    let iprp = boxed(
        b"iprp",
        &[boxed(b"ipco", &properties), boxed(b"ipma", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 1, 2])].concat(),
    );
    let file = |start: u32| {
        let mut items = vec![0, 0, 0, 0, 0x44, 0, 0, 3];
        let mut offset = start;
        for (id, length) in [(1_u16, picture.len()), (2, exif.len()), (3, xmp.len())] {
            items.extend_from_slice(&id.to_be_bytes());
            items.extend_from_slice(&[0, 0, 0, 1]);
            items.extend_from_slice(&offset.to_be_bytes());
            items.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            offset += u32::try_from(length).unwrap();
        }
        let meta = [&[0; 4][..], &boxed(b"pitm", &[0, 0, 0, 0, 0, 1]), &iinf, &boxed(b"iloc", &items), &iprp].concat();
        [ftyp.clone(), boxed(b"meta", &meta), boxed(b"mdat", &[&picture[..], &exif, xmp].concat())].concat()
    };
    let before = file(0).len() - picture.len() - exif.len() - xmp.len();
    file(u32::try_from(before).unwrap())
}

fn exif_with_place() -> Vec<u8> {
    let photo = with_place(&corridor(16, 16, 2).jpeg(50), 1);
    let start = memchr::memmem::find(&photo, b"MM\0*").unwrap();
    photo[start..start + 200].to_vec()
}

#[test]
fn a_heic_loses_exif_and_xmp_where_they_lie() {
    let located = heic();
    assert_eq!(Kind::sniff(&located), Some(Kind::Heic));
    let (clean, about) = cleaned(Kind::Heic, &located);
    assert_eq!((about.width, about.height), (Some(30), Some(40)), "turned by a quarter");
    assert!(about.had_place && about.taken.is_some());
    assert_eq!(clean.len(), located.len());
    for private in [&b"GPS"[..], b"xmpmeta", b"2026:05"] {
        assert!(has(&located, private) && !has(&clean, private), "{}", String::from_utf8_lossy(private));
    }
    assert!(has(&clean, b"coded picture"));
}

#[test]
fn pictures_survive_our_own_writer() {
    let picture = corridor(50, 37, 6);
    let decoded = reduced(Kind::Jpeg, &picture.jpeg(95), 1, 1000).unwrap();
    assert!(!decoded.is_empty());
    let about = examine(Kind::Jpeg, &mut &decoded[..]).unwrap().about;
    assert_eq!((about.width, about.height), (Some(50), Some(37)));
    assert_eq!(reduced(Kind::Heic, b"", 1, 10), Err(PictureError::Kind));
    assert!(matches!(reduced(Kind::Jpeg, &decoded[..decoded.len() / 8], 1, 10), Err(PictureError::Damaged(_))));
    let turns: Vec<Picture> = (1..=8).map(|turn| corridor(5, 3, 1).turned(turn)).collect();
    assert!(turns.iter().skip(4).all(|turned| (turned.width, turned.height) == (3, 5)));
    let back = corridor(5, 3, 1).turned(6).turned(8);
    assert_eq!(back, corridor(5, 3, 1));
}

/// Changes some bytes.
fn damaged(mut file: Vec<u8>, changes: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<u8> {
    for (place, value) in changes {
        let place = place.index(file.len());
        file[place] = *value;
    }
    let keep = cut.index(file.len() * 4);
    file.truncate(keep.max(1));
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Damaged files are refused or cleaned, never a panic, and edits stay inside the file.
    #[test]
    fn damage_is_survived(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut: prop::sample::Index,
    ) {
        let (kind, file) = match which {
            0 => (Kind::Jpeg, with_place(&corridor(24, 16, 2).jpeg(60), 6)),
            1 => (Kind::Png, corridor(12, 9, 2).png()),
            2 => (Kind::Mp4, video(true)),
            _ => (Kind::Heic, heic()),
        };
        let file = damaged(file, &changes, cut);
        if let Ok(examined) = examine(kind, &mut &file[..]) {
            let out = edited(&file, &examined.edits);
            let again = examine(kind, &mut &out[..]);
            prop_assert!(again.is_ok(), "{kind:?}: {again:?}");
        }
        let _ = reduced(kind, &file, 1, 8);
    }

    #[test]
    fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for kind in Kind::ALL {
            let _ = Kind::sniff(&bytes);
            let _ = examine(kind, &mut &bytes[..]);
        }
    }
}
