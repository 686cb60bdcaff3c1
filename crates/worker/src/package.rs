//! The zip a result travels in: everything of `/iexec_out`, then the program's two streams, stored uncompressed.
//!
//! The same result gives the same bytes: entries are sorted by name and carry no times. Everything is streamed.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use alloy_primitives::Bytes;
use protocol::result::{COMPUTED_JSON, COMPUTED_JSON_LIMIT, Computed, Output, STDERR, STDOUT};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// What a packaged result declares for the requester's contract, if it does. Blocks.
pub(crate) fn callback_data(package: &Path) -> io::Result<Option<Bytes>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(package)?))?;
    let entry = match archive.by_name(COMPUTED_JSON) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    entry
        .take(COMPUTED_JSON_LIMIT as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(
        match Computed::parse(&text).map(|computed| computed.output) {
            Ok(Output::Callback(data)) => Some(data),
            Ok(Output::Path(_)) | Err(_) => None,
        },
    )
}

/// Zips a result into `target`, which is on disk when this returns. Blocks.
pub(crate) fn package(out: &Path, stdout: &Path, stderr: &Path, target: &Path) -> io::Result<()> {
    let mut entries = entries(out)?;
    for (name, path) in [(STDOUT, stdout), (STDERR, stderr)] {
        // An application that declares its result may have made a file of that name itself; it is part of the result.
        if !entries.iter().any(|(taken, ..)| taken == name) {
            entries.push((name.to_owned(), path.to_path_buf(), false));
        }
    }
    entries.sort();
    let mut zip = ZipWriter::new(BufWriter::new(File::create(target)?));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, path, is_folder) in entries {
        if is_folder {
            zip.add_directory(name, options.unix_permissions(0o755))?;
        } else {
            let large = fs::metadata(&path)?.len() > u64::from(u32::MAX / 2);
            zip.start_file(name, options.large_file(large))?;
            io::copy(
                &mut BufReader::with_capacity(64 * 1024, File::open(&path)?),
                &mut zip,
            )?;
        }
    }
    let file = zip
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_data()
}

/// Content address, sha256 and length of a file, streamed. Blocks.
pub(crate) fn address(path: &Path) -> io::Result<blobs::Stored> {
    let mut file = File::open(path)?;
    let mut hasher = blobs::Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Name, path and whether it is a folder, of everything below a folder.
fn entries(out: &Path) -> io::Result<Vec<(String, PathBuf, bool)>> {
    let mut entries = Vec::new();
    let mut folders = vec![(out.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::other(format!(
                    "{} is no text, which names in a zip must be",
                    name.display()
                ))
            })?;
            let name = format!("{prefix}{name}");
            let is_folder = entry.file_type()?.is_dir();
            if is_folder {
                folders.push((entry.path(), format!("{name}/")));
            }
            entries.push((name, entry.path(), is_folder));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use protocol::result::{Digest, Manifest, ManifestFile, Rule, sha256};

    use super::*;

    #[test]
    fn what_is_packed_has_the_digest_it_was_packed_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("iexec_out");
        fs::create_dir_all(out.join("b/empty")).expect("made");
        fs::write(out.join("b/c"), "deep").expect("written");
        fs::write(out.join("ä"), "flat").expect("written");
        let (stdout, stderr) = (folder.path().join("1"), folder.path().join("2"));
        fs::write(&stdout, "said").expect("written");
        fs::write(&stderr, "warned").expect("written");
        let (one, other) = (
            folder.path().join("one.zip"),
            folder.path().join("other.zip"),
        );
        package(&out, &stdout, &stderr, &one).expect("packed");
        package(&out, &stdout, &stderr, &other).expect("packed");
        assert_eq!(
            fs::read(&one).expect("there"),
            fs::read(&other).expect("there")
        );

        let mut manifest = Manifest::new();
        for (path, bytes) in [("b/c", "deep"), ("ä", "flat"), ("stdout.txt", "said")] {
            let file = ManifestFile {
                length: bytes.len() as u64,
                sha256: sha256(bytes.as_bytes()),
            };
            manifest.add(path, file).expect("sound");
        }
        let contents =
            sdk::result::inspect(&one, sdk::result::Limits::default()).expect("a result");
        assert_eq!(
            (contents.rule, contents.digest),
            (Rule::Manifest, manifest.digest())
        );

        fs::write(
            out.join("computed.json"),
            r#"{"deterministic-output-path":"/iexec_out/b/empty"}"#,
        )
        .expect("written");
        package(&out, &stdout, &stderr, &one).expect("packed");
        let contents =
            sdk::result::inspect(&one, sdk::result::Limits::default()).expect("a result");
        assert_eq!(
            contents.digest,
            Digest::of_folder::<&str>([]),
            "an empty folder is there too"
        );
    }
}
