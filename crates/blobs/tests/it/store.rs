use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use blobs::address::{CHUNK_BYTES, of_bytes};
use blobs::{BlobError, Store};
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;

use crate::bytes;

fn files_under(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_under(&path))
        } else {
            _ = files.insert(path)
        }
    }
    files
}

fn landing_of(folder: &Path) -> usize {
    files_under(&folder.join("landing")).len()
}

#[tokio::test]
async fn what_goes_in_comes_out_whole_and_in_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path()).expect("opens");
    for length in [
        0,
        1,
        1000,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES + 17,
    ] {
        let content = bytes(length);
        let stored = store.put_bytes(&content).await.expect("fits");
        assert_eq!(stored, of_bytes(&content));
        assert!(store.has(stored.cid).await.expect("readable"));
        assert_eq!(
            store
                .get(stored.cid, length as u64)
                .await
                .expect("is there"),
            content
        );
        assert_eq!(
            std::fs::read(store.path(stored.cid).await.expect("is there")).expect("a file"),
            content
        );
        assert_eq!(store.verify(stored.cid).await.expect("unharmed"), stored);

        let (start, end) = (length as u64 / 3, length as u64 / 2);
        let part = store
            .open(stored.cid)
            .await
            .expect("is there")
            .range(start..end)
            .await
            .expect("seeks");
        let part: Vec<u8> = part
            .map(|piece| piece.expect("reads"))
            .collect::<Vec<_>>()
            .await
            .concat();
        assert_eq!(part, content[start as usize..end as usize]);
    }
    assert_eq!(landing_of(folder.path()), 0);
}

#[tokio::test]
async fn a_file_is_stored_as_its_bytes_are_and_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    std::fs::write(&source, bytes(700_000)).expect("writes");
    let stored = Store::folder(folder.path().join("s"))
        .expect("opens")
        .put_file(&source)
        .await
        .expect("fits");
    assert_eq!(stored, of_bytes(&bytes(700_000)));
    let store = Store::folder(folder.path().join("s")).expect("opens again");
    assert_eq!(
        store.get(stored.cid, u64::MAX).await.expect("still there"),
        bytes(700_000)
    );
    assert!(store.remove(stored.cid).await.expect("removes"));
    assert!(!store.remove(stored.cid).await.expect("is gone"));
    assert!(!store.has(stored.cid).await.expect("is gone"));
    let missing = store
        .get(stored.cid, u64::MAX)
        .await
        .expect_err("is gone")
        .to_string();
    assert_eq!(missing, format!("no blob {} here", stored.cid));
}

#[tokio::test]
async fn more_than_the_limit_is_neither_taken_nor_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path()).expect("opens");
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 5000])));
    let error = store
        .put(endless, Some(1_000_000))
        .await
        .expect_err("too much");
    assert_eq!(
        error.to_string(),
        "the blob is larger than the 1000000 bytes allowed"
    );
    assert_eq!(landing_of(folder.path()), 0);
    let exact = store
        .put(
            futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"abc"))]),
            Some(3),
        )
        .await;
    let stored = exact.expect("just fits");
    let error = store.get(stored.cid, 2).await.expect_err("too much");
    assert!(matches!(error, BlobError::TooLarge { limit_bytes: 2, .. }));
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path()).expect("opens");
    let broken = futures::stream::iter([
        Ok(Bytes::from(bytes(600_000))),
        Err(std::io::Error::other("cable cut")),
    ]);
    let error = store.put(broken, None).await.expect_err("broke off");
    assert_eq!(
        error.to_string(),
        "the bytes to be stored broke off after 600000 bytes"
    );
    assert!(error.is_transient());

    let mut writer = store.writer(None).await.expect("opens");
    writer.write(&bytes(600_000)).await.expect("fits");
    assert_eq!(landing_of(folder.path()), 1);
    drop(writer);
    assert_eq!(landing_of(folder.path()), 0);
    assert!(files_under(&folder.path().join("blobs")).is_empty());
}

#[tokio::test]
async fn the_same_bytes_put_at_once_by_many_are_one_blob() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = Bytes::from(bytes(900_000));
    let mut puts = tokio::task::JoinSet::new();
    for index in 0..16 {
        // Half of them through a store of their own, as another process would.
        let store = Store::folder(folder.path()).expect("opens");
        let content = content.clone();
        puts.spawn(async move {
            let pieces: Vec<_> = content
                .chunks(1000 + index * 77)
                .map(Bytes::copy_from_slice)
                .collect();
            store
                .put(
                    futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)),
                    None,
                )
                .await
        });
    }
    let all = puts.join_all().await;
    assert!(
        all.into_iter()
            .all(|stored| stored.expect("fits") == of_bytes(&content))
    );
    assert_eq!(files_under(&folder.path().join("blobs")).len(), 1);
    assert_eq!(landing_of(folder.path()), 0);
}

#[tokio::test]
async fn a_blob_that_rots_on_the_disk_is_found_out_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::folder(folder.path()).expect("opens");
    let stored = store.put_bytes(b"gold").await.expect("fits");
    let path = store.path(stored.cid).await.expect("is there");
    std::fs::remove_file(&path).expect("removes");
    std::fs::write(&path, b"lead").expect("writes");
    let error = store.verify(stored.cid).await.expect_err("rotten");
    assert!(matches!(error, BlobError::Mismatch { .. }), "{error}");
    assert!(!store.has(stored.cid).await.expect("readable"));
}

/// Not a test of its own: what [`a_killed_process_leaves_no_half_blob`] runs in a process to be killed.
#[tokio::test]
async fn be_killed_in_the_middle_of_a_put() {
    let Ok(folder) = std::env::var("BLOBS_TEST_FOLDER") else {
        return;
    };
    let store = Store::folder(folder).expect("opens");
    let mut writer = store.writer(None).await.expect("opens");
    writer.write(&bytes(5 * CHUNK_BYTES)).await.expect("fits");
    println!("half written");
    std::future::pending::<()>().await;
}

#[test]
fn a_killed_process_leaves_no_half_blob() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "store::be_killed_in_the_middle_of_a_put",
            "--nocapture",
        ])
        .env("BLOBS_TEST_FOLDER", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let told = lines
        .map_while(Result::ok)
        .any(|line| line.contains("half written"));
    assert!(told, "the child ended before it wrote");

    // While it lives, another opening of the folder leaves its work alone.
    drop(Store::folder(folder.path()).expect("opens"));
    assert_eq!(landing_of(folder.path()), 1);

    child.kill().expect("dies");
    child.wait().expect("is dead");
    assert_eq!(landing_of(folder.path()), 1);
    drop(Store::folder(folder.path()).expect("opens"));
    assert_eq!(landing_of(folder.path()), 0);
    assert!(files_under(&folder.path().join("blobs")).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_bytes_come_back_as_they_went_in(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40_000), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Store::folder(folder.path()).expect("opens");
            let whole = pieces.concat();
            let stream = futures::stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
            let stored = store.put(stream, None).await.expect("fits");
            assert_eq!(stored, of_bytes(&whole));
            assert_eq!(store.get(stored.cid, u64::MAX).await.expect("is there"), whole);
        });
    }
}
