//! Zips of results: what is taken, what it comes to, and what is refused.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use protocol::result::{Digest, Manifest, ManifestFile, Rule, sha256};
use sdk::result::{Limits, ResultError, extract, inspect};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

pub(crate) fn zip_of(folder: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join("result.zip");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    for (name, bytes) in files {
        zip.start_file(*name, stored()).expect("a file");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("a zip");
    path
}

#[test]
fn without_a_declaration_everything_but_stderr_is_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let files: [(&str, &[u8]); 3] = [
        ("stdout.txt", b"hello"),
        ("a/b.txt", b"deep"),
        ("stderr.txt", b"noise"),
    ];
    let contents = inspect(&zip_of(folder.path(), &files), Limits::default()).expect("a result");
    let mut manifest = Manifest::new();
    for (name, bytes) in &files[..2] {
        let file = ManifestFile {
            length: bytes.len() as u64,
            sha256: sha256(bytes),
        };
        manifest.add(name, file).expect("a path");
    }
    assert_eq!(
        (contents.rule, contents.digest),
        (Rule::Manifest, manifest.digest())
    );
    let unverified: Vec<_> = contents
        .unverified()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(unverified, ["stderr.txt"]);
}

#[test]
fn a_declaration_says_what_is_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |declared: &str, files: &[(&str, &[u8])]| {
        let mut all = vec![("computed.json", declared.as_bytes())];
        all.extend_from_slice(files);
        inspect(&zip_of(folder.path(), &all), Limits::default()).expect("a result")
    };

    let file = check(
        r#"{"deterministic-output-path":"/iexec_out/a.txt"}"#,
        &[("a.txt", b"A"), ("b.txt", b"B")],
    );
    assert_eq!(
        (file.rule, file.digest),
        (Rule::File, Digest::of_file(sha256(b"A")))
    );
    assert_eq!(file.files.iter().filter(|file| file.verified).count(), 1);

    let files: [(&str, &[u8]); 4] = [
        ("d/y", b"2"),
        ("d/x", b"1"),
        ("d/sub/z", b"3"),
        ("else", b"4"),
    ];
    let whole = check(r#"{"deterministic-output-path":"/iexec_out/d"}"#, &files);
    let expected = Digest::of_folder([("d/x", Some(sha256(b"1"))), ("d/y", Some(sha256(b"2")))]);
    assert_eq!((whole.rule, whole.digest), (Rule::Folder, expected));
    let bound: Vec<_> = whole
        .files
        .iter()
        .filter(|file| file.verified)
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(bound, ["d/x", "d/y"]);

    let callback = check(r#"{"callback-data":"0x0102"}"#, &[]);
    assert_eq!(
        (callback.rule, callback.digest),
        (Rule::Callback, Digest::of_callback(&[1, 2]))
    );
    assert_eq!(callback.callback, Some(vec![1, 2].into()));
}

#[test]
fn a_path_that_leads_out_is_refused_and_nothing_is_written() {
    for name in [
        "../out.txt",
        "/etc/out.txt",
        "a/../../out.txt",
        "a//b",
        "./a",
        "a/..",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let zip = zip_of(folder.path(), &[("good.txt", b"x"), (name, b"evil")]);
        let error = inspect(&zip, Limits::default()).expect_err(name);
        assert!(
            matches!(error, ResultError::UnsafePath { .. }),
            "{name}: {error}"
        );
        let target = folder.path().join("deep/target");
        let error = extract(&zip, &target, Limits::default()).expect_err(name);
        assert!(
            matches!(error, ResultError::UnsafePath { .. }),
            "{name}: {error}"
        );
        assert!(
            !folder.path().join("out.txt").exists() && !folder.path().join("deep/out.txt").exists()
        );
    }
}

#[test]
fn a_link_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.zip");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    zip.add_symlink("link", "/etc/passwd", stored())
        .expect("a link");
    zip.finish().expect("a zip");
    for error in [
        inspect(&path, Limits::default()).expect_err("a link"),
        extract(&path, &folder.path().join("target"), Limits::default()).expect_err("a link"),
    ] {
        assert!(
            error
                .to_string()
                .contains("neither a plain file nor a folder"),
            "{error}"
        );
    }
}

#[test]
fn too_much_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let zip = zip_of(folder.path(), &[("a", &[0; 600]), ("b", &[0; 600])]);
    let fits = Limits {
        bytes: 1200,
        files: 2,
    };
    assert!(inspect(&zip, fits).is_ok());
    for limits in [
        Limits {
            bytes: 1199,
            ..fits
        },
        Limits { files: 0, ..fits },
    ] {
        let error = inspect(&zip, limits).expect_err("too much");
        assert!(matches!(error, ResultError::TooLarge { .. }), "{error}");
    }
    let not_a_zip = folder.path().join("text");
    std::fs::write(&not_a_zip, "hello").expect("written");
    assert!(matches!(
        inspect(&not_a_zip, fits),
        Err(ResultError::BadZip { .. })
    ));
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let zip = zip_of(folder.path(), &[("a", b"1")]);
    let error = extract(&zip, folder.path(), Limits::default()).expect_err("the zip is in it");
    assert!(matches!(error, ResultError::FolderInUse { .. }), "{error}");
    let target = folder.path().join("new");
    extract(&zip, &target, Limits::default()).expect("unpacked");
    assert_eq!(std::fs::read(target.join("a")).expect("there"), b"1");
}
