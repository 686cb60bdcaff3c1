//! Where a blob lives: its CID, computed as IPFS computes it.
//!
//! The file is cut into chunks of 262,144 bytes. Each chunk is a *raw* block, named by its sha2-256. One chunk: its
//! name is the file's (`bafkrei…`). More: up to 174 names at a time are listed in a UnixFS node (dag-pb), up to 174
//! nodes in a node above, until one is left, whose name is the file's (`bafybei…`). This is what `ipfs add
//! --cid-version=1` gives; the vectors in `tests/vectors/vectors.json` come from IPFS's own importer.
//!
//! [`Hasher`] does this while the bytes stream by and keeps at most 174 names per level, about 10 kB for any file
//! that fits on a disk. The tree itself is never stored: whoever wants the blocks can cut the file again.

use std::fmt;
use std::str::FromStr;

use cid::Cid;
use cid::multihash::Multihash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::BlobError;
use crate::error::shortened;

/// Bytes per chunk; IPFS's default, and part of every address.
pub const CHUNK_BYTES: usize = 262_144;
/// Names per node; IPFS's default, and part of every address.
pub const LINKS_PER_NODE: usize = 174;

// Codes of the multiformats tables.
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// The content address of a blob: a CIDv1 (raw or dag-pb) over sha2-256. Prints in base32, as IPFS does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Cid);

impl Address {
    /// The path under which doors and IPFS gateways serve it: `/ipfs/<cid>`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/ipfs/{self}")
    }

    /// The same as a [`Cid`], for those who need its parts.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.0
    }

    fn of(codec: u64, digest: [u8; 32]) -> Self {
        let hash = Multihash::wrap(SHA2_256, &digest).expect("32 bytes fit the 64 of a multihash");
        Self(Cid::new_v1(codec, hash))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

impl FromStr for Address {
    type Err = BlobError;

    /// Reads any text form of a CID (`bafy…`, `Qm…`, other bases), also with `/ipfs/` before it.
    fn from_str(text: &str) -> Result<Self, BlobError> {
        let bad = |reason: String| BlobError::BadAddress {
            text: shortened(text),
            reason,
        };
        let bare = text.strip_prefix("/ipfs/").unwrap_or(text);
        if bare.len() > 128 {
            return Err(bad("longer than any CID over sha2-256".to_owned()));
        }
        let cid = Cid::try_from(bare).map_err(|error| bad(format!("not a CID ({error})")))?;
        if cid.hash().code() != SHA2_256 || cid.hash().size() != 32 {
            return Err(bad("only CIDs over sha2-256 are known here".to_owned()));
        }
        match cid.codec() {
            RAW | DAG_PB => Ok(Self(Cid::new_v1(cid.codec(), *cid.hash()))),
            other => Err(bad(format!(
                "codec {other:#x} is no file (expected raw or dag-pb)"
            ))),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is known of a blob once every byte of it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its address.
    pub cid: Address,
    /// Bytes.
    pub length: u64,
    /// sha256 of all bytes in one piece: what checksums on chain and `#sha256=` pins speak of. Hex in JSON.
    #[serde(with = "hex")]
    pub sha256: [u8; 32],
}

impl Stored {
    /// [`Stored::sha256`] as 64 hexadecimal digits.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }
}

/// What everyone would get who hashed `bytes`.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Stored {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Computes address, length and sha256 of bytes that come in pieces of any size.
#[derive(Clone)]
pub struct Hasher {
    shape: Shape,
    length: u64,
    whole: Sha256,
    chunk: Sha256,
    chunk_length: usize,
    /// Names not yet listed in a node, leaves first. A full level moves up only when one more name comes, so that a
    /// tree never grows a root with a single link.
    levels: Vec<Vec<Link>>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    chunk_bytes: usize,
    links_per_node: usize,
}

/// A block in the tree, as its parent lists it.
#[derive(Debug, Clone, Copy)]
struct Link {
    address: Address,
    /// Bytes of the file under it.
    file_bytes: u64,
    /// Bytes of all blocks under it, itself included.
    tree_bytes: u64,
}

impl Hasher {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_shape(Shape {
            chunk_bytes: CHUNK_BYTES,
            links_per_node: LINKS_PER_NODE,
        })
    }

    fn with_shape(shape: Shape) -> Self {
        Self {
            shape,
            length: 0,
            whole: Sha256::new(),
            chunk: Sha256::new(),
            chunk_length: 0,
            levels: Vec::new(),
        }
    }

    /// The next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let (now, later) =
                bytes.split_at(bytes.len().min(self.shape.chunk_bytes - self.chunk_length));
            self.chunk.update(now);
            self.chunk_length += now.len();
            bytes = later;
            if self.chunk_length == self.shape.chunk_bytes {
                self.end_chunk();
            }
        }
    }

    /// How many bytes went in so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The end of the bytes.
    #[must_use]
    pub fn finish(mut self) -> Stored {
        if self.chunk_length > 0 || self.length == 0 {
            self.end_chunk();
        }
        let mut level = 0;
        let root = loop {
            let links = std::mem::take(&mut self.levels[level]);
            let top = level + 1 == self.levels.len();
            match links.as_slice() {
                [only] if top => break only.address,
                _ => self.push(level + 1, node(&links)),
            }
            level += 1;
        };
        Stored {
            cid: root,
            length: self.length,
            sha256: self.whole.finalize().into(),
        }
    }

    fn end_chunk(&mut self) {
        let bytes = std::mem::take(&mut self.chunk_length) as u64;
        let address = Address::of(RAW, self.chunk.finalize_reset().into());
        self.push(
            0,
            Link {
                address,
                file_bytes: bytes,
                tree_bytes: bytes,
            },
        );
    }

    fn push(&mut self, level: usize, link: Link) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        if self.levels[level].len() == self.shape.links_per_node {
            let full = std::mem::take(&mut self.levels[level]);
            self.push(level + 1, node(&full));
        }
        self.levels[level].push(link);
    }
}

/// The UnixFS file node that lists `links`, in dag-pb: protocol buffers with links before data, every field written.
fn node(links: &[Link]) -> Link {
    let file_bytes: u64 = links.iter().map(|link| link.file_bytes).sum();

    let mut unixfs = vec![0x08, 2]; // Type = File
    unixfs.push(0x18); // filesize
    varint(&mut unixfs, file_bytes);
    for link in links {
        unixfs.push(0x20); // blocksizes, one each
        varint(&mut unixfs, link.file_bytes);
    }

    let mut block = Vec::with_capacity(links.len() * 56 + unixfs.len() + 8);
    for link in links {
        let mut entry = Vec::with_capacity(52);
        field(&mut entry, 0x0a, &link.address.0.to_bytes()); // Hash
        field(&mut entry, 0x12, b""); // Name: chunks have none
        entry.push(0x18); // Tsize
        varint(&mut entry, link.tree_bytes);
        field(&mut block, 0x12, &entry); // Links
    }
    field(&mut block, 0x0a, &unixfs); // Data

    let below: u64 = links.iter().map(|link| link.tree_bytes).sum();
    Link {
        address: Address::of(DAG_PB, Sha256::digest(&block).into()),
        file_bytes,
        tree_bytes: block.len() as u64 + below,
    }
}

fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        chunk_bytes: usize,
        links_per_node: usize,
        length: u64,
        cid: Address,
    }

    fn file(length: u64) -> Vec<u8> {
        (0..length).map(|i| ((i + i / 251) % 251) as u8).collect()
    }

    fn hashed(shape: Shape, pieces: &[&[u8]]) -> Stored {
        let mut hasher = Hasher::with_shape(shape);
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    }

    #[test]
    fn addresses_are_those_of_ipfs() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../tests/vectors/vectors.json"))
                .expect("made by make.mjs");
        assert!(vectors.len() > 50);
        for Vector {
            chunk_bytes,
            links_per_node,
            length,
            cid,
        } in vectors
        {
            let stored = hashed(
                Shape {
                    chunk_bytes,
                    links_per_node,
                },
                &[&file(length)],
            );
            assert_eq!(
                stored.cid, cid,
                "{length} bytes in chunks of {chunk_bytes}, {links_per_node} links"
            );
            assert_eq!(stored.length, length);
        }
    }

    #[test]
    fn an_address_reads_back_from_every_form_and_as_version_1() {
        let address = of_bytes(b"hello").cid;
        assert_eq!(
            address.to_string().parse::<Address>().expect("own text"),
            address
        );
        assert_eq!(
            address.path().parse::<Address>().expect("own path"),
            address
        );
        // `ipfs add` of "hello world\n" with the old kind of address, and the same hash as version 1.
        let old: Address = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"
            .parse()
            .expect("version 0");
        assert_eq!(
            old.to_string(),
            "bafybeicg2rebjoofv4kbyovkw7af3rpiitvnl6i7ckcywaq6xjcxnc2mby"
        );
    }

    #[test]
    fn a_text_that_is_no_address_is_quoted_with_the_reason() {
        let long = "b".repeat(10_000);
        // A CID of dag-cbor, and one over keccak-256.
        let foreign = [
            Cid::new_v1(0x71, *of_bytes(b"").cid.cid().hash()).to_string(),
            Cid::new_v1(RAW, Multihash::wrap(0x1b, &[0; 32]).expect("32 bytes")).to_string(),
        ];
        for text in [
            "",
            "hello",
            "/ipfs/",
            "../../etc/passwd",
            "bafkrei",
            &long,
            &foreign[0],
            &foreign[1],
        ] {
            let error = text.parse::<Address>().expect_err("no address").to_string();
            assert!(
                error.contains("is not the address of a blob: ") && error.len() < 400,
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_come_in_pieces_makes_no_difference(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            cuts in proptest::collection::vec(0_usize..2000, 0..10),
            chunk_bytes in 1_usize..50,
            links_per_node in 2_usize..6,
        ) {
            let shape = Shape { chunk_bytes, links_per_node };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            pieces.push(&bytes[start..]);
            let stored = hashed(shape, &pieces);
            prop_assert_eq!(stored, hashed(shape, &[&bytes]));
            let whole: [u8; 32] = Sha256::digest(&bytes).into();
            prop_assert_eq!(stored.sha256, whole);
        }

        #[test]
        fn reading_an_address_never_panics(text in ".{0,200}") {
            let _ = text.parse::<Address>();
        }
    }
}
