#![allow(clippy::unwrap_used, clippy::print_stdout)]

use super::*;

/// A part of the bucket of the service that `tests/s3.sh` started.
fn store() -> Option<S3Store> {
    let Ok(endpoint) = std::env::var("RENRAKU_TEST_S3") else {
        println!("skipped: tests/s3.sh gives RENRAKU_TEST_S3");
        return None;
    };
    let bucket = Bucket {
        name: "renraku-test".to_owned(),
        prefix: format!("unit/{}", uuid::Uuid::now_v7().simple()),
        endpoint: Some(endpoint),
        region: Some("us-east-1".to_owned()),
        ..Bucket::default()
    };
    Some(S3Store::new(&bucket).unwrap())
}

fn put(store: &S3Store, bytes: &[u8]) -> BlobId {
    use sha2::Digest as _;
    let id = BlobId::from_bytes(&sha2::Sha256::digest(bytes)).unwrap();
    let path = std::env::temp_dir().join(format!("renraku-s3-{}", uuid::Uuid::now_v7()));
    std::fs::write(&path, bytes).unwrap();
    store.put(&id, &path).unwrap();
    std::fs::remove_file(path).unwrap();
    id
}

fn future() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

fn listed(store: &S3Store) -> Vec<BlobId> {
    let mut all = Vec::new();
    store
        .list(&mut |page| {
            all.extend(page.iter().map(|found| found.id));
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn content_is_there_once_and_removed_when_old_and_unused() {
    let Some(store) = store() else { return };
    store.check().unwrap();
    assert_eq!(listed(&store), []);
    let (id, other) = (put(&store, b"content"), put(&store, b"other"));
    assert_eq!(put(&store, b"content"), id);
    assert_eq!(store.uploads(&id).unwrap().len(), 1, "uploaded lately: taken as it is");
    let mut all = vec![id, other];
    all.sort_unstable();
    assert_eq!(listed(&store), all);
    assert!(!store.remove_unused(&id, SystemTime::now() - TRUST, &mut || Ok(false)).unwrap(), "young");
    assert!(!store.remove_unused(&id, future(), &mut || Ok(true)).unwrap(), "used");
    assert!(store.remove_unused(&id, future(), &mut || Ok(false)).unwrap());
    assert_eq!(store.open(&id).err(), Some(BlobError::Missing(id)));
    assert_eq!(listed(&store), [other]);
}

/// Between the question whether content is used and its removal somebody keeps it again.
#[test]
fn a_removal_does_not_meet_what_was_just_kept() {
    let Some(store) = store() else { return };
    let id = put(&store, b"content");
    let mut asked = || {
        let path = store.folder("blobs", &id).join(id.to_string()).join("later");
        wait(store.store.put(&path, Bytes::from_static(b"content").into()))?;
        Ok(false)
    };
    store.remove_unused(&id, future(), &mut asked).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(store.open(&id).unwrap().read_at(3, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"tent");
}

#[test]
fn what_was_made_goes_with_its_source() {
    let Some(store) = store() else { return };
    let (id, gone) = (put(&store, b"content"), BlobId([7; 32]));
    for id in [&id, &gone] {
        assert_eq!(store.derived(id, "320").unwrap(), None);
        store.put_derived(id, "320", b"small").unwrap();
        store.put_derived(id, "640", b"larger").unwrap();
    }
    assert_eq!(store.tidy_derived().unwrap(), 2);
    assert_eq!(store.derived(&id, "320").unwrap().as_deref(), Some(&b"small"[..]));
    assert_eq!(store.derived(&gone, "320").unwrap(), None);
}

/// Reads in order share an answer, reads elsewhere begin another; all give what is there.
#[test]
fn any_place_can_be_read() {
    let Some(store) = store() else { return };
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|index| (index * 31 + index / 253) as u8).collect();
    let id = put(&store, &bytes);
    let content = store.open(&id).unwrap();
    assert_eq!(content.size(), 9_000_000);
    let mut whole = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let count = content.read_at(whole.len() as u64, &mut buffer).unwrap();
        if count == 0 {
            break;
        }
        whole.extend_from_slice(&buffer[..count]);
    }
    assert!(whole == bytes);
    for at in [8_999_990, 0, 5_000_000, 5_065_536, 100] {
        let count = content.read_at(at as u64, &mut buffer).unwrap();
        assert!(buffer[..count] == bytes[at..(at + buffer.len()).min(bytes.len())], "{at}");
    }
    assert_eq!(content.read_at(9_000_000, &mut buffer).unwrap(), 0);
}

#[test]
fn credentials_are_read_as_amazon_writes_them() {
    let text = "[default]\naws_access_key_id = A\naws_secret_access_key=B/=\n\n[other]\naws_access_key_id = C\n";
    assert_eq!(credentials(text), Some(("A", "B/=", None)));
    assert_eq!(credentials("aws_access_key_id = A\n"), None);
    assert!(is_here("http://127.0.0.1:9000") && is_here("http://localhost"));
    assert!(!is_here("http://127.0.0.1.example.org") && !is_here("https://127.0.0.1"));
}
