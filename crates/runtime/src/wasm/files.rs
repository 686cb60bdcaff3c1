//! The only file system an application sees: a small tree of our own.
//!
//! Names live in memory, bytes in numbered files of the run's folder. So no name an application invents ever reaches
//! the host's file system while it runs: there is nothing a `..` could climb to, no link to follow, no host time,
//! inode or order to leak, and a host that folds case or normalises names behaves as any other. When the application
//! has ended well, [`Files::materialise`] gives the files of `/iexec_out` their names.
//!
//! ```text
//! /              read-only
//! ├─ iexec_in    read-only; the inputs, read in place from the worker's cache
//! ├─ iexec_out   the result
//! └─ tmp         scratch, gone afterwards
//! ```
//!
//! Links cannot be made. Inode numbers count the order in which files were made, every time is the run's start, and
//! listings are sorted by the bytes of the names. Bytes and number of files are bounded by the deal; crossing a bound
//! ends the run ([`Stop::End`]), whereas bounds of the tree's own making (name and path length, open files) are the
//! same everywhere and show as ordinary errors.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::failure::Failure;
use crate::job::{InputFile, Limits};

/// The longest name, bytes; what Linux allows.
const NAME_BYTES: usize = 255;
/// The longest path from the root, bytes: leaves room for the run's folder in front of it under Linux' 4,096.
const PATH_BYTES: usize = 2_048;
/// How many host files a run holds open at once, however many the application has open.
const HOST_HANDLES: usize = 16;

/// Why a call did not do what it was asked: an error the application sees, or the end of the run.
#[derive(Debug)]
pub(crate) enum Stop {
    Errno(Errno),
    End(Failure),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::End(failure)
    }
}

pub(crate) type Answer<T> = Result<T, Stop>;

/// The errors this world knows; the numbers are preview 1's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Errno {
    BadDescriptor = 8,
    Exists = 20,
    Fault = 21,
    NotUtf8 = 25,
    Invalid = 28,
    IsFolder = 31,
    TooManyOpen = 33,
    NameTooLong = 37,
    NoEntry = 44,
    NotFolder = 54,
    NotEmpty = 55,
    NotSocket = 57,
    Unsupported = 58,
    Overflow = 61,
    NotPermitted = 63,
    ReadOnly = 69,
    NotSeekable = 70,
    NotCapable = 76,
}

/// A file or folder of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(u64);

impl Node {
    pub(crate) const ROOT: Self = Self(1);

    /// Its inode number: the order in which it was made.
    pub(crate) fn inode(self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
enum Kind {
    Folder {
        entries: BTreeMap<Arc<str>, Node>,
        parent: Node,
    },
    Input {
        host_path: PathBuf,
        length: u64,
    },
    Made {
        length: u64,
    },
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// Whether the application may change it (or what lies in it).
    writable: bool,
    /// Names it has.
    names: u32,
    /// Descriptors that hold it.
    holders: u32,
}

/// What `stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) node: Node,
    pub(crate) is_folder: bool,
    pub(crate) length: u64,
    pub(crate) names: u32,
}

/// One line of a listing.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: Arc<str>,
    pub(crate) node: Node,
    pub(crate) is_folder: bool,
}

/// How to open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Open {
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) folder: bool,
    pub(crate) write: bool,
}

/// Where a path leads.
struct Place {
    /// The folder it lies in and its name there; `None` for paths ending in `.` or `..`.
    name: Option<(Node, Arc<str>)>,
    node: Option<Node>,
    /// The path ended in `/`.
    must_be_folder: bool,
}

#[derive(Debug)]
pub(crate) struct Files {
    nodes: BTreeMap<Node, Entry>,
    next: u64,
    /// Where the numbered files lie.
    store: PathBuf,
    has_store: bool,
    handles: VecDeque<(Node, File)>,
    out: Node,
    /// Files and folders the application made, and bytes in them.
    files: u64,
    bytes: u64,
    files_limit: u64,
    bytes_limit: u64,
}

impl Files {
    /// An empty `/iexec_out` and `/tmp`, and the inputs. `store` must not exist: it is made when the first byte is
    /// written, which many programs never do.
    pub(crate) fn new(
        store: PathBuf,
        inputs: &[InputFile],
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut files = Self {
            nodes: BTreeMap::new(),
            next: Node::ROOT.0,
            store,
            has_store: false,
            handles: VecDeque::new(),
            out: Node::ROOT,
            files: 0,
            bytes: 0,
            files_limit: limits.output_files,
            bytes_limit: limits.output_bytes,
        };
        files.insert(
            Kind::Folder {
                entries: BTreeMap::new(),
                parent: Node::ROOT,
            },
            false,
        );
        let input_folder = files.fixed_folder("iexec_in", false);
        files.out = files.fixed_folder("iexec_out", true);
        files.fixed_folder("tmp", true);
        for input in inputs {
            files.add_input(input_folder, input)?;
        }
        Ok(files)
    }

    fn fixed_folder(&mut self, name: &str, writable: bool) -> Node {
        let node = self.insert(
            Kind::Folder {
                entries: BTreeMap::new(),
                parent: Node::ROOT,
            },
            writable,
        );
        self.link(Node::ROOT, name.into(), node);
        node
    }

    fn add_input(&mut self, folder: Node, input: &InputFile) -> Result<(), Failure> {
        let shown = input.host_path.display();
        let metadata = fs::metadata(&input.host_path)
            .map_err(|error| Failure::host(format!("reading input {shown}"), error))?;
        if !metadata.is_file() {
            return Err(Failure::host(
                format!("reading input {shown}"),
                "it is no file",
            ));
        }
        let node = self.insert(
            Kind::Input {
                host_path: input.host_path.clone(),
                length: metadata.len(),
            },
            false,
        );
        for name in &input.names {
            let plain = !matches!(name.as_str(), "" | "." | "..")
                && !name.contains(['/', '\0'])
                && name.len() <= NAME_BYTES;
            if !plain {
                return Err(Failure::BadInputs {
                    reason: format!("{name:?} is no plain file name"),
                });
            }
            if self.child(folder, name).is_some() {
                return Err(Failure::BadInputs {
                    reason: format!("two inputs are named {name:?}"),
                });
            }
            self.link(folder, name.as_str().into(), node);
        }
        Ok(())
    }

    // ---- asking

    pub(crate) fn stat(&self, node: Node) -> Stat {
        let (is_folder, length, names) = match self.nodes.get(&node) {
            Some(Entry {
                kind: Kind::Folder { .. },
                names,
                ..
            }) => (true, 0, *names),
            Some(Entry {
                kind: Kind::Input { length, .. } | Kind::Made { length },
                names,
                ..
            }) => (false, *length, *names),
            None => (false, 0, 0),
        };
        Stat {
            node,
            is_folder,
            length,
            names: names.max(1),
        }
    }

    pub(crate) fn stat_at(&self, base: Node, path: &str) -> Answer<Stat> {
        let place = self.resolve(base, path)?;
        let stat = self.stat(place.node.ok_or(Errno::NoEntry)?);
        if place.must_be_folder && !stat.is_folder {
            return Err(Errno::NotFolder.into());
        }
        Ok(stat)
    }

    /// The entries, sorted by the bytes of their names, without `.` and `..`.
    pub(crate) fn list(&self, node: Node) -> Answer<Vec<Listed>> {
        let entries = self.entries(node).ok_or(Errno::NotFolder)?;
        Ok(entries
            .iter()
            .map(|(name, node)| Listed {
                name: name.clone(),
                node: *node,
                is_folder: self.is_folder(*node),
            })
            .collect())
    }

    pub(crate) fn parent(&self, node: Node) -> Node {
        match self.nodes.get(&node) {
            Some(Entry {
                kind: Kind::Folder { parent, .. },
                ..
            }) => *parent,
            _ => node,
        }
    }

    // ---- opening and closing

    /// Opens, and holds the node until [`Files::release`].
    pub(crate) fn open(&mut self, base: Node, path: &str, how: Open) -> Answer<Node> {
        let place = self.resolve(base, path)?;
        let node = match place.node {
            Some(_) if how.create && how.exclusive => return Err(Errno::Exists.into()),
            Some(node) => node,
            None if !how.create => return Err(Errno::NoEntry.into()),
            None => {
                let (folder, name) = place.name.ok_or(Errno::NoEntry)?;
                if how.folder || place.must_be_folder {
                    return Err(Errno::Invalid.into());
                }
                self.make(folder, name, Kind::Made { length: 0 })?
            }
        };
        if self.is_folder(node) {
            if (how.write && !how.folder) || how.create || how.truncate {
                return Err(Errno::IsFolder.into());
            }
        } else {
            if how.folder || place.must_be_folder {
                return Err(Errno::NotFolder.into());
            }
            if (how.write || how.truncate) && !self.is_writable(node) {
                return Err(Errno::ReadOnly.into());
            }
            if how.truncate {
                self.set_length(node, 0)?;
            }
        }
        self.hold(node);
        Ok(node)
    }

    pub(crate) fn hold(&mut self, node: Node) {
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.holders += 1;
        }
    }

    pub(crate) fn release(&mut self, node: Node) {
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.holders = entry.holders.saturating_sub(1);
        }
        self.forget_if_gone(node);
    }

    // ---- bytes

    /// Reads at most `buffer.len()` bytes; 0 at the end of the file.
    pub(crate) fn read(&mut self, node: Node, offset: u64, buffer: &mut [u8]) -> Answer<usize> {
        let stat = self.stat(node);
        if stat.is_folder {
            return Err(Errno::IsFolder.into());
        }
        let left = stat.length.saturating_sub(offset);
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let file = self.handle(node)?;
        // Short reads are the host's business, and a file that shrank would be another answer elsewhere.
        file.read_exact_at(&mut buffer[..wanted], offset)
            .map_err(|error| Failure::host("reading a file of the application", error))?;
        Ok(wanted)
    }

    pub(crate) fn write(&mut self, node: Node, offset: u64, bytes: &[u8]) -> Answer<()> {
        let (
            true,
            Some(Entry {
                kind: Kind::Made { length },
                ..
            }),
        ) = (self.is_writable(node), self.nodes.get(&node))
        else {
            return Err(if self.is_folder(node) {
                Errno::IsFolder
            } else {
                Errno::ReadOnly
            }
            .into());
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(Errno::Overflow)?;
        let length = *length;
        self.account(length, length.max(end))?;
        self.handle(node)?
            .write_all_at(bytes, offset)
            .map_err(|error| Failure::host("writing a file of the application", error))?;
        self.note_length(node, length.max(end));
        Ok(())
    }

    pub(crate) fn set_length(&mut self, node: Node, to: u64) -> Answer<()> {
        let (
            true,
            Some(Entry {
                kind: Kind::Made { length },
                ..
            }),
        ) = (self.is_writable(node), self.nodes.get(&node))
        else {
            return Err(if self.is_folder(node) {
                Errno::IsFolder
            } else {
                Errno::ReadOnly
            }
            .into());
        };
        let length = *length;
        if to == length {
            return Ok(());
        }
        self.account(length, to)?;
        self.handle(node)?
            .set_len(to)
            .map_err(|error| Failure::host("resizing a file of the application", error))?;
        self.note_length(node, to);
        Ok(())
    }

    // ---- names

    pub(crate) fn make_folder(&mut self, base: Node, path: &str) -> Answer<()> {
        let place = self.resolve(base, path)?;
        if place.node.is_some() {
            return Err(Errno::Exists.into());
        }
        let (folder, name) = place.name.ok_or(Errno::Exists)?;
        self.make(
            folder,
            name,
            Kind::Folder {
                entries: BTreeMap::new(),
                parent: folder,
            },
        )?;
        Ok(())
    }

    pub(crate) fn unlink(&mut self, base: Node, path: &str) -> Answer<()> {
        let place = self.resolve(base, path)?;
        let node = place.node.ok_or(Errno::NoEntry)?;
        if self.is_folder(node) {
            return Err(Errno::IsFolder.into());
        }
        let (folder, name) = place.name.ok_or(Errno::Invalid)?;
        if place.must_be_folder {
            return Err(Errno::NotFolder.into());
        }
        self.require_writable(folder)?;
        self.unname(folder, &name);
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, base: Node, path: &str) -> Answer<()> {
        let place = self.resolve(base, path)?;
        let node = place.node.ok_or(Errno::NoEntry)?;
        let entries = self.entries(node).ok_or(Errno::NotFolder)?;
        let empty = entries.is_empty();
        let (folder, name) = place.name.ok_or(Errno::Invalid)?;
        self.require_writable(folder)?;
        if !empty {
            return Err(Errno::NotEmpty.into());
        }
        self.unname(folder, &name);
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        from_base: Node,
        from: &str,
        to_base: Node,
        to: &str,
    ) -> Answer<()> {
        let source = self.resolve(from_base, from)?;
        let target = self.resolve(to_base, to)?;
        let node = source.node.ok_or(Errno::NoEntry)?;
        let (from_folder, from_name) = source.name.ok_or(Errno::Invalid)?;
        let (to_folder, to_name) = target.name.ok_or(Errno::Invalid)?;
        self.require_writable(from_folder)?;
        self.require_writable(to_folder)?;
        let is_folder = self.is_folder(node);
        if !is_folder && (source.must_be_folder || target.must_be_folder) {
            return Err(Errno::NotFolder.into());
        }
        if target.node == Some(node) {
            return Ok(());
        }
        if is_folder && self.is_inside(to_folder, node) {
            return Err(Errno::Invalid.into());
        }
        if let Some(replaced) = target.node {
            match (is_folder, self.entries(replaced)) {
                (true, None) => return Err(Errno::NotFolder.into()),
                (false, Some(_)) => return Err(Errno::IsFolder.into()),
                (true, Some(entries)) if !entries.is_empty() => return Err(Errno::NotEmpty.into()),
                (true, Some(_)) | (false, None) => {}
            }
        }
        if self.path_bytes(to_folder) + 1 + to_name.len() + self.deepest(node) > PATH_BYTES {
            return Err(Errno::NameTooLong.into());
        }
        if target.node.is_some() {
            self.unname(to_folder, &to_name);
        }
        self.hold(node);
        self.unname(from_folder, &from_name);
        self.link(to_folder, to_name, node);
        if let Some(Entry {
            kind: Kind::Folder { parent, .. },
            ..
        }) = self.nodes.get_mut(&node)
        {
            *parent = to_folder;
        }
        self.release(node);
        Ok(())
    }

    // ---- the end

    /// Gives the files of `/iexec_out` their names under `out`, an empty folder on the host.
    pub(crate) fn materialise(mut self, out: &Path) -> Result<(), Failure> {
        self.handles.clear();
        let mut folders = vec![(self.out, out.to_path_buf())];
        while let Some((folder, host)) = folders.pop() {
            for listed in self.list(folder).unwrap_or_default() {
                let path = host.join(&*listed.name);
                let done = match self.nodes.get(&listed.node).map(|entry| &entry.kind) {
                    Some(Kind::Folder { .. }) => {
                        folders.push((listed.node, path.clone()));
                        fs::create_dir(&path)
                    }
                    Some(Kind::Made { length: 0 }) => File::create_new(&path).map(drop),
                    Some(Kind::Made { .. }) => fs::rename(self.host_path(listed.node), &path),
                    Some(Kind::Input { .. }) | None => Ok(()),
                };
                done.map_err(|error| Failure::host(format!("keeping {}", path.display()), error))?;
            }
        }
        Ok(())
    }

    // ---- within

    /// Walks a path from a folder. It may not be absolute nor climb above that folder.
    fn resolve(&self, base: Node, path: &str) -> Answer<Place> {
        if path.is_empty() {
            return Err(Errno::NoEntry.into());
        }
        if path.starts_with('/') {
            return Err(Errno::NotCapable.into());
        }
        if path.contains('\0') {
            return Err(Errno::Invalid.into());
        }
        if path.len() > PATH_BYTES {
            return Err(Errno::NameTooLong.into());
        }
        let mut place = Place {
            name: None,
            node: Some(base),
            must_be_folder: path.ends_with('/'),
        };
        let mut depth = 0_usize;
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            let folder = place.node.ok_or(Errno::NoEntry)?;
            if !self.is_folder(folder) {
                return Err(Errno::NotFolder.into());
            }
            if part == ".." {
                depth = depth.checked_sub(1).ok_or(Errno::NotCapable)?;
                place.node = Some(self.parent(folder));
                place.name = None;
                continue;
            }
            if part.len() > NAME_BYTES {
                return Err(Errno::NameTooLong.into());
            }
            depth += 1;
            place.node = self.child(folder, part);
            place.name = Some((folder, part.into()));
        }
        // `a/.` names the folder itself, and not by a name it could be removed under.
        if path.rsplit('/').find(|part| !part.is_empty()) == Some(".") {
            place.must_be_folder = true;
            if place.node.is_none() {
                return Err(Errno::NoEntry.into());
            }
            place.name = None;
        }
        Ok(place)
    }

    fn make(&mut self, folder: Node, name: Arc<str>, kind: Kind) -> Answer<Node> {
        self.require_writable(folder)?;
        if self.path_bytes(folder) + 1 + name.len() > PATH_BYTES {
            return Err(Errno::NameTooLong.into());
        }
        if self.files >= self.files_limit {
            return Err(Failure::FilesCrossed {
                limit: self.files_limit,
            }
            .into());
        }
        self.files += 1;
        let node = self.insert(kind, true);
        self.link(folder, name, node);
        Ok(node)
    }

    fn insert(&mut self, kind: Kind, writable: bool) -> Node {
        let node = Node(self.next);
        self.next += 1;
        self.nodes.insert(
            node,
            Entry {
                kind,
                writable,
                names: 0,
                holders: 0,
            },
        );
        node
    }

    fn link(&mut self, folder: Node, name: Arc<str>, node: Node) {
        if let Some(Entry {
            kind: Kind::Folder { entries, .. },
            ..
        }) = self.nodes.get_mut(&folder)
        {
            entries.insert(name, node);
        }
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.names += 1;
        }
    }

    fn unname(&mut self, folder: Node, name: &str) {
        let node = match self.nodes.get_mut(&folder) {
            Some(Entry {
                kind: Kind::Folder { entries, .. },
                ..
            }) => entries.remove(name),
            _ => None,
        };
        let Some(node) = node else { return };
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.names = entry.names.saturating_sub(1);
        }
        self.forget_if_gone(node);
    }

    /// A file without a name lives as long as it is held, as everywhere.
    fn forget_if_gone(&mut self, node: Node) {
        let gone = self
            .nodes
            .get(&node)
            .is_some_and(|entry| entry.names == 0 && entry.holders == 0);
        if !gone || node == Node::ROOT {
            return;
        }
        let Some(entry) = self.nodes.remove(&node) else {
            return;
        };
        self.files = self.files.saturating_sub(1);
        if let Kind::Made { length } = entry.kind {
            self.bytes = self.bytes.saturating_sub(length);
            self.handles.retain(|(held, _)| *held != node);
            // A numbered file that stays behind is swept with the run's folder.
            let _ = fs::remove_file(self.host_path(node));
        }
    }

    /// Takes note that a file goes from one length to another, or ends the run.
    fn account(&mut self, from: u64, to: u64) -> Answer<()> {
        let bytes = self.bytes.saturating_sub(from).saturating_add(to);
        if bytes > self.bytes_limit {
            return Err(Failure::OutputCrossed {
                limit: self.bytes_limit,
            }
            .into());
        }
        self.bytes = bytes;
        Ok(())
    }

    fn note_length(&mut self, node: Node, to: u64) {
        if let Some(Entry {
            kind: Kind::Made { length },
            ..
        }) = self.nodes.get_mut(&node)
        {
            *length = to;
        }
    }

    /// The host's file behind a node, opened if need be.
    fn handle(&mut self, node: Node) -> Answer<&File> {
        if let Some(at) = self.handles.iter().position(|(held, _)| *held == node) {
            return Ok(&self.handles[at].1);
        }
        let opened: io::Result<File> = match self.nodes.get(&node).map(|entry| &entry.kind) {
            Some(Kind::Input { host_path, .. }) => File::open(host_path),
            Some(Kind::Made { .. }) => {
                if !self.has_store {
                    fs::create_dir(&self.store).map_err(|error| {
                        Failure::host(format!("making the folder {}", self.store.display()), error)
                    })?;
                    self.has_store = true;
                }
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(self.host_path(node))
            }
            Some(Kind::Folder { .. }) | None => return Err(Errno::BadDescriptor.into()),
        };
        let file =
            opened.map_err(|error| Failure::host("opening a file for the application", error))?;
        if self.handles.len() >= HOST_HANDLES {
            self.handles.pop_back();
        }
        self.handles.push_front((node, file));
        Ok(&self.handles[0].1)
    }

    fn host_path(&self, node: Node) -> PathBuf {
        self.store.join(node.0.to_string())
    }

    fn entries(&self, node: Node) -> Option<&BTreeMap<Arc<str>, Node>> {
        match self.nodes.get(&node) {
            Some(Entry {
                kind: Kind::Folder { entries, .. },
                ..
            }) => Some(entries),
            _ => None,
        }
    }

    fn child(&self, folder: Node, name: &str) -> Option<Node> {
        self.entries(folder)?.get(name).copied()
    }

    pub(crate) fn is_folder(&self, node: Node) -> bool {
        self.entries(node).is_some()
    }

    pub(crate) fn is_writable(&self, node: Node) -> bool {
        self.nodes.get(&node).is_some_and(|entry| entry.writable)
    }

    fn require_writable(&self, folder: Node) -> Answer<()> {
        match self.nodes.get(&folder) {
            Some(Entry {
                writable: true,
                names: 0,
                ..
            }) => Err(Errno::NoEntry.into()), // removed, but still held
            Some(Entry { writable: true, .. }) => Ok(()),
            _ => Err(Errno::ReadOnly.into()),
        }
    }

    fn is_inside(&self, mut folder: Node, of: Node) -> bool {
        loop {
            if folder == of {
                return true;
            }
            if folder == Node::ROOT {
                return false;
            }
            folder = self.parent(folder);
        }
    }

    /// Bytes of the path from the root to a folder. Folders do not know their name: their parent does.
    fn path_bytes(&self, mut folder: Node) -> usize {
        let mut bytes = 0;
        while folder != Node::ROOT {
            let parent = self.parent(folder);
            let name = self
                .entries(parent)
                .and_then(|entries| entries.iter().find(|(_, node)| **node == folder));
            bytes += name.map_or(0, |(name, _)| name.len() + 1);
            folder = parent;
        }
        bytes
    }

    /// Bytes of the longest path below a node.
    fn deepest(&self, node: Node) -> usize {
        let mut deepest = 0;
        let mut folders = vec![(node, 0)];
        while let Some((folder, bytes)) = folders.pop() {
            deepest = deepest.max(bytes);
            for (name, child) in self.entries(folder).into_iter().flatten() {
                folders.push((*child, bytes + 1 + name.len()));
            }
        }
        deepest
    }
}
