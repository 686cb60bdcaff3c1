//! A result: the bytes an app left, the digest that stands for them, and where they lie.
//!
//! Workers agree on a [`Digest`] of 32 bytes. There are four rules for making one, told apart by what the app left
//! ([`Rule`]): the three that existing apps rely on, declared in `computed.json` ([`Computed`]), and ours for
//! programs that know nothing of us, the [`Manifest`]. `docs/result-digest.md` has the exact forms and vectors.
//! Hashing is streamed by whoever reads the files; only hashes and names arrive here.
//!
//! A finished task points to its bytes by a [`ResultLink`], JSON in the task's on-chain `results`. What the digest
//! does not cover is one worker's word.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::BadId;

/// Name of the file by which an app declares its result, directly under `/iexec_out`.
pub const COMPUTED_JSON: &str = "computed.json";
/// The name under which a program's standard output joins its result.
pub const STDOUT: &str = "stdout.txt";
/// The name under which standard error is kept beside the result; never part of a digest.
pub const STDERR: &str = "stderr.txt";
/// Where an app writes its result, as it sees it.
pub const OUT_FOLDER: &str = "/iexec_out";

/// What stands for a task's result: equal digests, equal results.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub B256);

impl Digest {
    /// Callback rule: keccak256 of the data, as the hub checks it.
    #[must_use]
    pub fn of_callback(data: &[u8]) -> Self {
        Self(keccak256(data))
    }

    /// File rule: sha256 of the file's bytes, made by who streams them.
    #[must_use]
    pub fn of_file(sha256: B256) -> Self {
        Self(sha256)
    }

    /// Folder rule of existing apps: keccak256 of the joined sha256 of the folder's direct files.
    ///
    /// `entries` are the folder's direct entries by path, `None` for a sub-folder, which counts for nothing. They
    /// are sorted here, by the bytes of their path. Names and depth are not bound; the manifest rule is better.
    #[must_use]
    pub fn of_folder<P: AsRef<[u8]>>(entries: impl IntoIterator<Item = (P, Option<B256>)>) -> Self {
        let mut entries: Vec<(P, Option<B256>)> = entries.into_iter().collect();
        entries.sort_by(|(left, _), (right, _)| left.as_ref().cmp(right.as_ref()));
        let joined: Vec<u8> = entries
            .into_iter()
            .filter_map(|(_, sha256)| sha256)
            .flat_map(|hash| hash.0)
            .collect();
        Self(keccak256(joined))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:#x})", self.0)
    }
}

impl From<B256> for Digest {
    fn from(hash: B256) -> Self {
        Self(hash)
    }
}

impl FromStr for Digest {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        crate::ids::parse_hash("digest", text).map(Self)
    }
}

/// Which of the four rules made a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// keccak256 of callback data.
    Callback,
    /// sha256 of one file.
    File,
    /// The folder rule of existing apps.
    Folder,
    /// sha256 of the manifest of everything the program left.
    Manifest,
}

/// What `computed.json` declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// What the digest is made of.
    pub output: Output,
    /// What the app says went wrong, if it says so.
    pub error_message: Option<String>,
}

/// What an app declares its result to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A file or a folder: its path relative to `/iexec_out`, `/` between names, empty for all of `/iexec_out`.
    /// It is for the reader of the disk to see that it exists and that no link leads out.
    Path(String),
    /// Bytes for the requester's contract.
    Callback(Bytes),
}

/// What can be wrong with `computed.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadComputed {
    /// Not UTF-8 text.
    #[error("computed.json is not UTF-8 text")]
    NotText,
    /// Not JSON.
    #[error("computed.json is not JSON: {reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// JSON, but no object.
    #[error("computed.json is not a JSON object")]
    NotAnObject,
    /// More bytes than a declaration can need.
    #[error("computed.json has {length} bytes, more than the {limit} allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Neither a path nor callback data.
    #[error("computed.json names neither deterministic-output-path nor callback-data")]
    NoOutput,
    /// A value of another kind than text.
    #[error("{key} in computed.json is not text")]
    ValueNotText {
        /// Whose value.
        key: &'static str,
    },
    /// A path that is not under `/iexec_out`.
    #[error("deterministic-output-path {path:?} is not under /iexec_out")]
    PathOutside {
        /// The path.
        path: String,
    },
    /// A path with `..` in it.
    #[error("deterministic-output-path {path:?} climbs with \"..\"")]
    PathClimbs {
        /// The path.
        path: String,
    },
    /// A path with a NUL in it.
    #[error("deterministic-output-path {path:?} contains a NUL")]
    PathHasNul {
        /// The path.
        path: String,
    },
    /// Callback data that is not `0x` hexadecimal.
    #[error("callback-data in computed.json is not 0x hexadecimal: {reason}")]
    CallbackNotHex {
        /// What the parser says.
        reason: String,
    },
}

/// The most bytes `computed.json` may have: callback data of 256 KiB in hexadecimal, and some.
pub const COMPUTED_JSON_LIMIT: usize = 1 << 20;

impl Computed {
    /// Reads `computed.json`. Unknown keys are ignored, and so is an absent, `null` or empty value; with both
    /// declarations the callback counts, since that is what the hub will check.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadComputed> {
        if bytes.len() > COMPUTED_JSON_LIMIT {
            return Err(BadComputed::TooLong {
                length: bytes.len(),
                limit: COMPUTED_JSON_LIMIT,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadComputed::NotText)?;
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| BadComputed::NotJson {
                reason: error.to_string(),
            })?;
        let object = json.as_object().ok_or(BadComputed::NotAnObject)?;
        let value = |key: &'static str| match object.get(key) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) if text.is_empty() => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(BadComputed::ValueNotText { key }),
        };
        let path = value("deterministic-output-path")?;
        let callback = value("callback-data")?;
        let error_message = value("error-message")?.map(str::to_owned);
        let output = match (callback, path) {
            (Some(data), _) => Output::Callback(callback_data(data)?),
            (None, Some(path)) => Output::Path(relative_path(path)?),
            (None, None) => return Err(BadComputed::NoOutput),
        };
        Ok(Self {
            output,
            error_message,
        })
    }
}

fn callback_data(text: &str) -> Result<Bytes, BadComputed> {
    let bad = |reason: String| BadComputed::CallbackNotHex { reason };
    let digits = text
        .strip_prefix("0x")
        .ok_or_else(|| bad("no 0x in front".to_owned()))?;
    if digits.starts_with("0x") {
        return Err(bad("0x twice".to_owned()));
    }
    alloy_primitives::hex::decode(digits)
        .map(Bytes::from)
        .map_err(|error| bad(error.to_string()))
}

fn relative_path(path: &str) -> Result<String, BadComputed> {
    let inside = path
        .strip_prefix(OUT_FOLDER)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .ok_or_else(|| BadComputed::PathOutside {
            path: path.to_owned(),
        })?;
    if path.contains('\0') {
        return Err(BadComputed::PathHasNul {
            path: path.to_owned(),
        });
    }
    let names: Vec<&str> = inside
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    if names.contains(&"..") {
        return Err(BadComputed::PathClimbs {
            path: path.to_owned(),
        });
    }
    Ok(names.join("/"))
}

/// Everything a program left: the manifest rule.
///
/// The manifest is text, one record per file, sorted by the bytes of the path:
///
/// ```text
/// oxec-manifest\n
/// <sha256, 64 lower-case hexadecimal digits> <length in decimal> <path>\0
/// ```
///
/// Paths are relative to `/iexec_out`, with `/` between names; folders are not listed, so an empty folder leaves no
/// trace. The digest is the sha256 of these bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    files: BTreeMap<Vec<u8>, ManifestFile>,
}

/// One file of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Length in bytes.
    pub length: u64,
    /// sha256 of the bytes.
    pub sha256: B256,
}

/// What can be wrong with a manifest, or with a file meant for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// A path that is empty, absolute, or has an empty name, `.`, `..` or a NUL in it.
    #[error("{path:?} is no path of a result")]
    Path {
        /// The path, as far as it is text.
        path: String,
    },
    /// Two files of one path.
    #[error("{path:?} is listed twice")]
    Twice {
        /// The path, as far as it is text.
        path: String,
    },
    /// Not the bytes of a manifest.
    #[error("not a manifest: {reason} at byte {at}")]
    Syntax {
        /// What was expected.
        reason: &'static str,
        /// Where.
        at: usize,
    },
}

impl Manifest {
    /// First line of every manifest.
    const HEADER: &'static [u8] = b"oxec-manifest\n";

    /// An empty manifest: a program that left nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists a file, by its path relative to `/iexec_out`.
    pub fn add(&mut self, path: impl AsRef<[u8]>, file: ManifestFile) -> Result<(), BadManifest> {
        let path = path.as_ref();
        let shown = || String::from_utf8_lossy(path).into_owned();
        let sound = !path.contains(&0)
            && path
                .split(|byte| *byte == b'/')
                .all(|name| !matches!(name, b"" | b"." | b".."));
        if !sound {
            return Err(BadManifest::Path { path: shown() });
        }
        if self.files.contains_key(path) {
            return Err(BadManifest::Twice { path: shown() });
        }
        self.files.insert(path.to_vec(), file);
        Ok(())
    }

    /// The files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&[u8], ManifestFile)> {
        self.files
            .iter()
            .map(|(path, file)| (path.as_slice(), *file))
    }

    /// A file by its path.
    #[must_use]
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<ManifestFile> {
        self.files.get(path.as_ref()).copied()
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether the program left nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The bytes whose sha256 is the digest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Self::HEADER.to_vec();
        for (path, file) in self.files() {
            bytes.extend_from_slice(format!("{:x} {} ", file.sha256, file.length).as_bytes());
            bytes.extend_from_slice(path);
            bytes.push(0);
        }
        bytes
    }

    /// The digest of the result.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(sha256(&self.to_bytes()))
    }

    /// Reads the bytes of a manifest, and accepts exactly those that [`Manifest::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadManifest> {
        let mut at = Self::HEADER.len();
        let mut rest = bytes
            .strip_prefix(Self::HEADER)
            .ok_or(BadManifest::Syntax {
                reason: "the first line must be oxec-manifest",
                at: 0,
            })?;
        let mut manifest = Self::new();
        while !rest.is_empty() {
            let syntax = |reason| BadManifest::Syntax { reason, at };
            let end = rest
                .iter()
                .position(|byte| *byte == 0)
                .ok_or_else(|| syntax("a record must end in NUL"))?;
            let (record, after) = (&rest[..end], &rest[end + 1..]);
            let (path, file) =
                parse_record(record).ok_or_else(|| syntax("expected: sha256 length path"))?;
            if manifest
                .files
                .last_key_value()
                .is_some_and(|(last, _)| last.as_slice() > path)
            {
                return Err(syntax("records must be sorted by path"));
            }
            manifest.add(path, file)?;
            at += end + 1;
            rest = after;
        }
        Ok(manifest)
    }
}

/// Reads one record, strictly: lower-case digits of the hash, no sign or leading zero in the length.
fn parse_record(record: &[u8]) -> Option<(&[u8], ManifestFile)> {
    let (hash, rest) = record.split_at_checked(64)?;
    let rest = rest.strip_prefix(b" ")?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let (length, path) = (
        std::str::from_utf8(&rest[..space]).ok()?,
        &rest[space + 1..],
    );
    let hash = std::str::from_utf8(hash).ok()?;
    let sha256: B256 = hash.parse().ok()?;
    let length: u64 = length
        .parse()
        .ok()
        .filter(|number: &u64| number.to_string() == length)?;
    (format!("{sha256:x}") == hash).then_some((path, ManifestFile { length, sha256 }))
}

/// sha256 of bytes at hand. Files are better streamed.
#[must_use]
pub fn sha256(bytes: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(bytes))
}

/// Where a finished task's result lies: the JSON in its on-chain `results`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLink {
    /// What kind of place.
    pub storage: Storage,
    /// Where in it: `/ipfs/<cid>`, or the address of the contract called back.
    pub location: String,
}

/// The kinds of place a result may lie in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// By content address, at the pool's blob door and wherever IPFS reaches.
    Ipfs,
    /// Handed to a contract; nothing is stored.
    Ethereum,
    /// A place only other tools know.
    #[serde(untagged)]
    Other(String),
}

/// The on-chain `results` are no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task's results on chain are no link to a result: {reason}")]
pub struct BadLink {
    reason: String,
}

impl ResultLink {
    /// A result stored by content.
    #[must_use]
    pub fn ipfs(cid: impl fmt::Display) -> Self {
        Self {
            storage: Storage::Ipfs,
            location: format!("/ipfs/{cid}"),
        }
    }

    /// A result handed to a contract.
    #[must_use]
    pub fn callback(contract: Address) -> Self {
        Self {
            storage: Storage::Ethereum,
            location: contract.to_string(),
        }
    }

    /// Reads the on-chain bytes.
    pub fn parse(results: &[u8]) -> Result<Self, BadLink> {
        serde_json::from_slice(results).map_err(|error| BadLink {
            reason: error.to_string(),
        })
    }

    /// The bytes to put on chain.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        // Two strings; the keys are literal and the values come out escaped.
        serde_json::json!({ "storage": self.storage, "location": self.location })
            .to_string()
            .into_bytes()
            .into()
    }

    /// The content address, when it lies in IPFS.
    #[must_use]
    pub fn cid(&self) -> Option<&str> {
        match self.storage {
            Storage::Ipfs => self
                .location
                .strip_prefix("/ipfs/")
                .filter(|cid| !cid.is_empty()),
            Storage::Ethereum | Storage::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    // The vectors of docs/result-digest.md, made with other programs' sha256 and keccak256.

    fn file(bytes: &[u8]) -> ManifestFile {
        ManifestFile {
            length: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }

    fn manifest(files: &[(&str, &[u8])]) -> Manifest {
        let mut manifest = Manifest::new();
        for (path, bytes) in files {
            manifest.add(path, file(bytes)).expect("a sound path, once");
        }
        manifest
    }

    #[test]
    fn digests_of_the_four_rules_are_those_of_the_book() {
        let mut data = [0; 32];
        data[31] = 42;
        assert_eq!(
            Digest::of_callback(&data).0,
            b256!("beced09521047d05b8960b7e7bcc1d1292cf3e4b2a6b63f48335cbde5f7545d2")
        );
        assert_eq!(
            Digest::of_file(sha256(b"hello\n")).0,
            b256!("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
        );
        let entries = [
            ("b", Some(sha256(b"world\n"))),
            ("a", Some(sha256(b"hello\n"))),
            ("c", None),
        ];
        assert_eq!(
            Digest::of_folder(entries).0,
            b256!("3a73242c72ddede9db1a4085151d159175e956ee47eb34d272492784e16f7a58")
        );
        assert_eq!(
            Digest::of_folder::<&str>([]).0,
            b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
        );
        assert_eq!(
            Manifest::new().digest().0,
            b256!("3e1ac25348032437d70b5aa2ba165c9d8f9d7fa8da8b595ce96660c3c29e8be8")
        );
        assert_eq!(
            manifest(&[("stdout.txt", b"hello\n")]).digest().0,
            b256!("9c90e774f1c3a901654690567231c7365f50c7822d3e490c9da66b26e922334e")
        );
        let bytes: Vec<u8> = (0..=255).collect();
        let four: [(&str, &[u8]); 4] = [
            ("stdout.txt", b"hello\n"),
            ("é", b"x"),
            ("a/b.bin", &bytes),
            ("a.txt", b""),
        ];
        assert_eq!(
            manifest(&four).digest().0,
            b256!("7de363be8cd5d1861ed2f8ee2e40dfc9af884514bc93569070a28654482cd07a")
        );
    }

    #[test]
    fn a_manifest_reads_back_and_binds_names_and_depth() {
        let original = manifest(&[("a/b", b"1"), ("c", b"2")]);
        assert_eq!(Manifest::parse(&original.to_bytes()), Ok(original.clone()));
        assert_eq!(
            Manifest::parse(&Manifest::new().to_bytes()),
            Ok(Manifest::new())
        );
        assert_ne!(
            manifest(&[("a/b", b"1"), ("d", b"2")]).digest(),
            original.digest()
        );
        assert_ne!(
            manifest(&[("b", b"1"), ("c", b"2")]).digest(),
            original.digest()
        );
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        let mut manifest = Manifest::new();
        for path in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"] {
            let refused = manifest.add(path, file(b""));
            assert_eq!(
                refused,
                Err(BadManifest::Path {
                    path: path.to_owned()
                })
            );
        }
        assert_eq!(manifest.add("a", file(b"")), Ok(()));
        assert_eq!(
            manifest.add("a", file(b"")),
            Err(BadManifest::Twice {
                path: "a".to_owned()
            })
        );
        assert_eq!(
            manifest.add("a\nb c…", file(b"")),
            Ok(()),
            "strange names are names"
        );
        assert_eq!(manifest.len(), 2);
    }

    #[test]
    fn there_is_one_way_to_write_a_manifest() {
        let hash = "00".repeat(32);
        let header = "oxec-manifest\n";
        let good = format!("{header}{hash} 1 a\0{hash} 1 b\0");
        assert!(Manifest::parse(good.as_bytes()).is_ok());
        for bad in [
            String::new(),
            "oxec-manifest".to_owned(),
            format!("{header}{hash} 1 b\0{hash} 1 a\0"),
            format!("{header}{hash} 1 a\0{hash} 1 a\0"),
            format!("{header}{hash} 01 a\0"),
            format!("{header}{hash} +1 a\0"),
            format!("{header}{hash} 1 a"),
            format!("{header}{hash} 1\0"),
            format!("{header}{} 1 a\0", "AB".repeat(32)),
            format!("{header}0x{} 1 a\0", "00".repeat(31)),
            format!("{header}{hash} 1 ../a\0"),
            format!("{header}{hash} 99999999999999999999 a\0"),
        ] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn computed_json_declares_a_path_or_a_callback() {
        let check = |json: &str| Computed::parse(json.as_bytes()).expect(json).output;
        let path = |json: &str| match check(json) {
            Output::Path(path) => path,
            Output::Callback(data) => panic!("{data} is no path"),
        };
        assert_eq!(
            path(r#"{"deterministic-output-path":"/iexec_out/a/b.txt"}"#),
            "a/b.txt"
        );
        assert_eq!(
            path(r#"{"deterministic-output-path":"/iexec_out/./a//b/"}"#),
            "a/b"
        );
        assert_eq!(path(r#"{"deterministic-output-path":"/iexec_out"}"#), "");
        assert_eq!(
            path(r#"{"deterministic-output-path":"/iexec_out/","callback-data":null}"#),
            ""
        );
        assert_eq!(
            path(r#"{"deterministic-output-path":"/iexec_out/..a","task-id":1}"#),
            "..a"
        );
        let both = r#"{"deterministic-output-path":"/iexec_out/a","callback-data":"0x2a"}"#;
        assert_eq!(check(both), Output::Callback(Bytes::from([42])));
        assert_eq!(
            check(r#"{"callback-data":"0x"}"#),
            Output::Callback(Bytes::new())
        );
        let failed = r#"{"callback-data":"0x","error-message":"no luck"}"#;
        let message = Computed::parse(failed.as_bytes())
            .expect("sound")
            .error_message;
        assert_eq!(message.as_deref(), Some("no luck"));
    }

    #[test]
    fn each_fault_of_computed_json_has_a_name() {
        let refusal = |json: &str| Computed::parse(json.as_bytes()).expect_err(json);
        let named = |json: &str, words: &str| {
            let text = refusal(json).to_string();
            assert!(text.contains(words), "{text}");
        };
        assert_eq!(Computed::parse(&[0xff]), Err(BadComputed::NotText));
        named("{", "is not JSON");
        named("[]", "is not a JSON object");
        named("{}", "names neither");
        named(r#"{"deterministic-output-path":""}"#, "names neither");
        named(
            r#"{"deterministic-output-path":1}"#,
            "deterministic-output-path in computed.json is not text",
        );
        named(
            r#"{"callback-data":{}}"#,
            "callback-data in computed.json is not text",
        );
        named(
            r#"{"deterministic-output-path":"/etc/passwd"}"#,
            "is not under /iexec_out",
        );
        named(
            r#"{"deterministic-output-path":"/iexec_outside/a"}"#,
            "is not under /iexec_out",
        );
        named(
            r#"{"deterministic-output-path":"a.txt"}"#,
            "is not under /iexec_out",
        );
        named(
            r#"{"deterministic-output-path":"/iexec_out/../etc"}"#,
            "climbs",
        );
        named(
            r#"{"deterministic-output-path":"/iexec_out/a\u0000"}"#,
            "NUL",
        );
        named(r#"{"callback-data":"2a"}"#, "no 0x in front");
        named(r#"{"callback-data":"0x2"}"#, "not 0x hexadecimal");
        named(r#"{"callback-data":"0x0x2a"}"#, "not 0x hexadecimal");
        let long = format!(
            "{{\"callback-data\":\"0x{}\"}}",
            "00".repeat(COMPUTED_JSON_LIMIT)
        );
        assert!(matches!(
            Computed::parse(long.as_bytes()),
            Err(BadComputed::TooLong { .. })
        ));
    }

    #[test]
    fn a_link_is_what_existing_clients_read() {
        let link = ResultLink::ipfs("bafkrei");
        assert_eq!(
            &link.to_bytes()[..],
            br#"{"location":"/ipfs/bafkrei","storage":"ipfs"}"#
        );
        assert_eq!(
            ResultLink::parse(br#"{"storage":"ipfs","location":"/ipfs/bafkrei"}"#),
            Ok(link.clone())
        );
        assert_eq!(link.cid(), Some("bafkrei"));

        let dropbox = ResultLink::parse(br#"{"storage":"dropbox","location":"/results/0x1"}"#)
            .expect("a link");
        assert_eq!(dropbox.storage, Storage::Other("dropbox".to_owned()));
        assert_eq!(dropbox.cid(), None);
        assert_eq!(ResultLink::parse(&dropbox.to_bytes()), Ok(dropbox));

        let callback = ResultLink::callback(Address::repeat_byte(1));
        assert_eq!(ResultLink::parse(&callback.to_bytes()), Ok(callback));
        assert!(ResultLink::parse(b"0x1234").is_err());
    }
}
