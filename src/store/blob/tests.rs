#![allow(clippy::unwrap_used)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::format::json;

/// A content store in a folder that is removed in the end.
struct Place(Blobs, PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("renraku-blobs-{}", uuid::Uuid::now_v7()));
        let options = MediaOptions { place: MediaPlace::Folder(path.clone()), inline: LEAST_INLINE, scanner: None };
        Self(Blobs::open_store(&options, CursorKey::of("a key")).unwrap(), path)
    }

    fn files(&self) -> usize {
        let mut count = 0;
        self.0
            .0
            .store
            .list(&mut |listed| {
                count += listed.len();
                Ok(())
            })
            .unwrap();
        count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

fn round_trip(blobs: &Blobs, body: &str) -> Bytes {
    let node = json::parse(body.as_bytes()).unwrap();
    let moved = blobs.moved_out(&node).unwrap();
    let stored: Bytes = moved.as_ref().unwrap_or(&node).to_bytes().into();
    blobs.whole(&stored, usize::MAX).unwrap()
}

#[test]
fn content_is_there_once_under_its_hash() {
    let place = Place::new();
    let first = place.0.keep_bytes(b"content").unwrap();
    let second = place.0.keep_bytes(b"content").unwrap();
    assert_eq!(first, second);
    assert_eq!(first.id.to_string(), "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    assert_eq!(place.files(), 1);
    let mut buffer = [0; 4];
    assert_eq!(place.0.open(&first.id).unwrap().read_at(5, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer, b"nt\0\0");
    drop(place.0.receive().unwrap());
    assert_eq!(std::fs::read_dir(place.1.join("tmp")).unwrap().count(), 0, "what is not kept leaves nothing");
}

#[test]
fn what_was_put_again_is_not_removed() {
    let place = Place::new();
    let kept = place.0.keep_bytes(b"content").unwrap();
    let store = &place.0.0.store;
    let (past, future) = (SystemTime::now() - Duration::from_secs(60), SystemTime::now() + Duration::from_secs(60));
    assert!(!store.remove_unused(&kept.id, past, &mut || Ok(false)).unwrap(), "young");
    assert!(!store.remove_unused(&kept.id, future, &mut || Ok(true)).unwrap(), "used");
    let path = place.1.join("blobs/ed/70").join(kept.id.to_string());
    File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    place.0.keep_bytes(b"content").unwrap();
    assert!(!store.remove_unused(&kept.id, past, &mut || Ok(false)).unwrap(), "young again");
    assert!(store.remove_unused(&kept.id, future, &mut || Ok(false)).unwrap());
    assert_eq!(place.0.open(&kept.id).err(), Some(BlobError::Missing(kept.id)));
}

#[test]
fn only_signed_holes_are_filled() {
    let place = Place::new();
    let kept = place.0.keep_bytes(b"secret").unwrap();
    let hole = Hole { encoding: Encoding::Bytes, size: kept.size, id: kept.id };
    let text = place.0.hole(&hole);
    assert_eq!((text.len() % 4, STANDARD.decode(&text).is_ok()), (0, true), "a hole is base64 itself");
    assert_eq!(place.0.hole_at(text.as_bytes()), Some(hole));
    for position in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[position] = if other[position] == b'0' { b'1' } else { b'0' };
        assert_eq!(place.0.hole_at(&other), None, "{position}");
    }
    let body = Bytes::from(format!("{{\"data\":\"{text}\"}}"));
    assert_eq!(place.0.whole(&body, 1000).unwrap(), r#"{"data":"c2VjcmV0"}"#);
    assert_eq!(place.0.whole(&body, 5), Err(BlobError::TooLarge));
    assert_eq!(holes::mentioned(&body).collect::<Vec<_>>(), [kept.id]);
}

#[test]
fn what_is_no_base64_stays() {
    let place = Place::new();
    let long = "あ".repeat(LEAST_INLINE);
    for body in [format!(r#"{{"data":"{long}"}}"#), format!(r#"{{"text":"{}"}}"#, "A".repeat(LEAST_INLINE * 2))] {
        assert_eq!(round_trip(&place.0, &body), body);
    }
    assert_eq!(place.files(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever stands in `data` comes back as it was.
    #[test]
    fn data_comes_back(size in (LEAST_INLINE * 3 / 4)..400_000_usize, seed: u8, broken: bool, cut in 0..4_usize) {
        let place = Place::new();
        let bytes: Vec<u8> = (0..size).map(|index| (index * 31 + index / 251 + usize::from(seed)) as u8).collect();
        let mut text = STANDARD.encode(bytes);
        text.truncate(text.len() - cut);
        if broken {
            text = text.as_bytes().chunks(76).map(|line| format!("{}\\r\\n\\t", std::str::from_utf8(line).unwrap())).collect();
        }
        let body = format!(r#"{{"a":[{{"b":{{"data":"{text}","n":1.50}}}}],"data":"x"}}"#);
        prop_assert_eq!(round_trip(&place.0, &body), body.as_bytes());
        prop_assert_eq!(place.files(), 1);
    }
}
