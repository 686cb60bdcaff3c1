//! WASI preview 1: the 46 calls a module makes, answered from the [`World`].
//!
//! The engine's own WASI crate passes host times, inodes and orders on and works on host folders, so none of it is
//! used here; the calls are few and this is all of them. Sockets answer "not a socket", since there are none; links
//! cannot be made. Offsets and sizes are those of `wasi_snapshot_preview1`'s ABI, little-endian.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{Caller, Extern, Linker};

use crate::failure::Failure;
use crate::wasm::files::{Answer, Errno, Listed, Node, Open, Stat, Stop};
use crate::wasm::world::{CLOCK_STEP_NANOS, Exit, World};

/// The name modules import these calls from.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// Descriptors a module may have open at once.
const DESCRIPTORS: usize = 256;
/// Bytes moved between two looks at the alarm.
const STRIDE: usize = 1 << 20;

const FILETYPE_UNKNOWN: u8 = 0;
const FILETYPE_FOLDER: u8 = 3;
const FILETYPE_FILE: u8 = 4;

const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK: u64 = 1 << 2;
const RIGHT_TELL: u64 = 1 << 5;
const RIGHT_WRITE: u64 = 1 << 6;
const RIGHTS_ALL: u64 = (1 << 30) - 1;

const FLAG_APPEND: u16 = 1;

const CREATE: i32 = 1;
const FOLDER: i32 = 2;
const EXCLUSIVE: i32 = 4;
const TRUNCATE: i32 = 8;

/// What a descriptor stands for.
#[derive(Debug, Clone)]
enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    Folder {
        node: Node,
        /// The name under which it was there from the start.
        preopened: Option<&'static str>,
        /// A listing in progress: what was there when it began, so that files removed meanwhile shift nothing.
        listing: Option<Arc<[Listed]>>,
    },
    File {
        node: Node,
        offset: u64,
        read: bool,
        write: bool,
        flags: u16,
    },
}

impl Descriptor {
    fn node(&self) -> Option<Node> {
        match self {
            Self::Folder { node, .. } | Self::File { node, .. } => Some(*node),
            Self::Stdin | Self::Stdout | Self::Stderr => None,
        }
    }
}

/// The descriptors of a module.
#[derive(Debug)]
pub(crate) struct Descriptors(BTreeMap<u32, Descriptor>);

impl Descriptors {
    /// Streams and the root. With the root alone both `/iexec_in/x` and `iexec_in/x` lead to the same file.
    pub(crate) fn new() -> Self {
        Self(BTreeMap::from([
            (0, Descriptor::Stdin),
            (1, Descriptor::Stdout),
            (2, Descriptor::Stderr),
            (
                3,
                Descriptor::Folder {
                    node: Node::ROOT,
                    preopened: Some("/"),
                    listing: None,
                },
            ),
        ]))
    }

    fn get(&mut self, fd: i32) -> Answer<&mut Descriptor> {
        self.0
            .get_mut(&fd.cast_unsigned())
            .ok_or(Stop::Errno(Errno::BadDescriptor))
    }

    fn folder(&mut self, fd: i32) -> Answer<Node> {
        match self.get(fd)? {
            Descriptor::Folder { node, .. } => Ok(*node),
            Descriptor::Stdin
            | Descriptor::Stdout
            | Descriptor::Stderr
            | Descriptor::File { .. } => Err(Errno::NotFolder.into()),
        }
    }

    /// Takes the lowest free number.
    fn add(&mut self, descriptor: Descriptor) -> Answer<u32> {
        if self.0.len() >= DESCRIPTORS {
            return Err(Errno::TooManyOpen.into());
        }
        let fd = (0..)
            .find(|fd| !self.0.contains_key(fd))
            .unwrap_or(u32::MAX);
        self.0.insert(fd, descriptor);
        Ok(fd)
    }
}

/// The module's memory, addressed as its code does.
struct Memory<'a>(&'a mut [u8]);

impl Memory<'_> {
    fn at(&mut self, address: i32, length: usize) -> Answer<&mut [u8]> {
        let start = address.cast_unsigned() as usize;
        let end = start.checked_add(length).ok_or(Errno::Fault)?;
        self.0.get_mut(start..end).ok_or(Stop::Errno(Errno::Fault))
    }

    fn text(&mut self, address: i32, length: i32) -> Answer<&str> {
        std::str::from_utf8(self.at(address, size(length))?).map_err(|_| Errno::NotUtf8.into())
    }

    fn u32(&mut self, address: i32) -> Answer<u32> {
        let mut word = [0; 4];
        word.copy_from_slice(self.at(address, 4)?);
        Ok(u32::from_le_bytes(word))
    }

    fn u64(&mut self, address: i32) -> Answer<u64> {
        let mut word = [0; 8];
        word.copy_from_slice(self.at(address, 8)?);
        Ok(u64::from_le_bytes(word))
    }

    fn put(&mut self, address: i32, bytes: &[u8]) -> Answer<()> {
        self.at(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn put_u32(&mut self, address: i32, word: u32) -> Answer<()> {
        self.put(address, &word.to_le_bytes())
    }

    fn put_u64(&mut self, address: i32, word: u64) -> Answer<()> {
        self.put(address, &word.to_le_bytes())
    }

    /// The `index`th buffer of an array of (address, length).
    fn buffer(&mut self, array: i32, index: i32) -> Answer<(i32, usize)> {
        let entry = offset(array, i64::from(index.cast_unsigned()) * 8)?;
        let address = self.u32(entry)?.cast_signed();
        let length = self.u32(offset(entry, 4)?)? as usize;
        Ok((address, length))
    }
}

fn size(length: i32) -> usize {
    length.cast_unsigned() as usize
}

/// An address `by` bytes on; none of the arithmetic may wrap round to another buffer.
fn offset(address: i32, by: i64) -> Answer<i32> {
    let moved = i64::from(address.cast_unsigned()) + by;
    u32::try_from(moved)
        .map(u32::cast_signed)
        .map_err(|_| Errno::Fault.into())
}

/// Every call comes through here: finds the memory, asks the world, and turns the answer into an errno or the end.
fn answer(
    mut caller: Caller<'_, World>,
    ask: impl FnOnce(&mut World, &mut Memory<'_>) -> Answer<()>,
) -> wasmtime::Result<i32> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(wasmtime::Error::new(Failure::NotWasm {
            reason: "it exports no memory".to_owned(),
        }));
    };
    let (bytes, world) = memory.data_and_store_mut(&mut caller);
    match ask(world, &mut Memory(bytes)) {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(i32::from(errno as u16)),
        Err(Stop::End(failure)) => Err(wasmtime::Error::new(failure)),
    }
}

macro_rules! calls {
    ($linker:ident, $( $name:ident($($arg:ident: $type:ty),*) => $ask:expr; )*) => {
        $( $linker.func_wrap(MODULE, stringify!($name), |caller: Caller<'_, World>, $($arg: $type),*| -> wasmtime::Result<i32> {
            answer(caller, $ask($($arg),*))
        })?; )*
    };
}

/// Gives a linker all of preview 1.
pub(crate) fn add_to_linker(linker: &mut Linker<World>) -> wasmtime::Result<()> {
    calls! { linker,
        args_get(array: i32, buffer: i32) => args_get;
        args_sizes_get(count: i32, bytes: i32) => args_sizes_get;
        environ_get(array: i32, buffer: i32) => environ_get;
        environ_sizes_get(count: i32, bytes: i32) => environ_sizes_get;
        clock_res_get(id: i32, out: i32) => clock_res_get;
        clock_time_get(id: i32, _precision: i64, out: i32) => clock_time_get;
        fd_advise(fd: i32, _offset: i64, _length: i64, _advice: i32) => fd_advise;
        fd_allocate(fd: i32, start: i64, length: i64) => fd_allocate;
        fd_close(fd: i32) => fd_close;
        fd_datasync(fd: i32) => fd_sync;
        fd_sync(fd: i32) => fd_sync;
        fd_fdstat_get(fd: i32, out: i32) => fd_fdstat_get;
        fd_fdstat_set_flags(fd: i32, flags: i32) => fd_fdstat_set_flags;
        fd_fdstat_set_rights(fd: i32, _base: i64, _inheriting: i64) => fd_fdstat_set_rights;
        fd_filestat_get(fd: i32, out: i32) => fd_filestat_get;
        fd_filestat_set_size(fd: i32, length: i64) => fd_filestat_set_size;
        fd_filestat_set_times(fd: i32, _accessed: i64, _modified: i64, _flags: i32) => fd_filestat_set_times;
        fd_pread(fd: i32, buffers: i32, count: i32, offset: i64, out: i32) => fd_pread;
        fd_read(fd: i32, buffers: i32, count: i32, out: i32) => fd_read;
        fd_pwrite(fd: i32, buffers: i32, count: i32, offset: i64, out: i32) => fd_pwrite;
        fd_write(fd: i32, buffers: i32, count: i32, out: i32) => fd_write;
        fd_prestat_get(fd: i32, out: i32) => fd_prestat_get;
        fd_prestat_dir_name(fd: i32, path: i32, length: i32) => fd_prestat_dir_name;
        fd_readdir(fd: i32, buffer: i32, length: i32, cookie: i64, out: i32) => fd_readdir;
        fd_renumber(from: i32, to: i32) => fd_renumber;
        fd_seek(fd: i32, by: i64, whence: i32, out: i32) => fd_seek;
        fd_tell(fd: i32, out: i32) => fd_tell;
        path_create_directory(fd: i32, path: i32, length: i32) => path_create_directory;
        path_filestat_get(fd: i32, _follow: i32, path: i32, length: i32, out: i32) => path_filestat_get;
        path_filestat_set_times(fd: i32, _follow: i32, path: i32, length: i32, _a: i64, _m: i64, _flags: i32) => path_filestat_set_times;
        path_link(fd: i32, _follow: i32, path: i32, length: i32, to: i32, _to_path: i32, _to_length: i32) => path_link;
        path_open(fd: i32, _follow: i32, path: i32, length: i32, how: i32, rights: i64, _inheriting: i64, flags: i32, out: i32) => path_open;
        path_readlink(fd: i32, path: i32, length: i32, _buffer: i32, _buffer_length: i32, _out: i32) => path_readlink;
        path_remove_directory(fd: i32, path: i32, length: i32) => path_remove_directory;
        path_rename(fd: i32, path: i32, length: i32, to: i32, to_path: i32, to_length: i32) => path_rename;
        path_symlink(_target: i32, _target_length: i32, fd: i32, _path: i32, _length: i32) => path_symlink;
        path_unlink_file(fd: i32, path: i32, length: i32) => path_unlink_file;
        poll_oneoff(subscriptions: i32, events: i32, count: i32, out: i32) => poll_oneoff;
        proc_raise(_signal: i32) => proc_raise;
        random_get(buffer: i32, length: i32) => random_get;
        sched_yield() => sched_yield;
        sock_accept(fd: i32, _flags: i32, _out: i32) => no_socket3;
        sock_recv(fd: i32, _b: i32, _n: i32, _flags: i32, _out: i32, _out_flags: i32) => no_socket6;
        sock_send(fd: i32, _b: i32, _n: i32, _flags: i32, _out: i32) => no_socket5;
        sock_shutdown(fd: i32, _how: i32) => no_socket2;
    }
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(code)))
    })?;
    Ok(())
}

/// A call with its arguments bound.
trait Ask: FnOnce(&mut World, &mut Memory<'_>) -> Answer<()> {}
impl<F: FnOnce(&mut World, &mut Memory<'_>) -> Answer<()>> Ask for F {}

// ---- arguments and environment

fn args_sizes_get(count: i32, bytes: i32) -> impl Ask {
    move |world, memory| put_sizes(memory, world.args.iter().map(String::len), count, bytes)
}

fn args_get(array: i32, buffer: i32) -> impl Ask {
    move |world, memory| put_words(memory, world.args.iter().cloned(), array, buffer)
}

fn environ_sizes_get(count: i32, bytes: i32) -> impl Ask {
    move |world, memory| {
        put_sizes(
            memory,
            world
                .environment
                .iter()
                .map(|(name, value)| name.len() + 1 + value.len()),
            count,
            bytes,
        )
    }
}

fn environ_get(array: i32, buffer: i32) -> impl Ask {
    move |world, memory| {
        put_words(
            memory,
            world
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
            array,
            buffer,
        )
    }
}

fn put_sizes(
    memory: &mut Memory<'_>,
    lengths: impl ExactSizeIterator<Item = usize>,
    count: i32,
    bytes: i32,
) -> Answer<()> {
    let words = lengths.len();
    let total = lengths.map(|length| length + 1).sum::<usize>();
    memory.put_u32(count, u32::try_from(words).map_err(|_| Errno::Overflow)?)?;
    memory.put_u32(bytes, u32::try_from(total).map_err(|_| Errno::Overflow)?)
}

fn put_words(
    memory: &mut Memory<'_>,
    words: impl Iterator<Item = String>,
    mut array: i32,
    mut buffer: i32,
) -> Answer<()> {
    for word in words {
        memory.put_u32(array, buffer.cast_unsigned())?;
        memory.put(buffer, word.as_bytes())?;
        buffer = offset(buffer, word.len() as i64)?;
        memory.put(buffer, &[0])?;
        buffer = offset(buffer, 1)?;
        array = offset(array, 4)?;
    }
    Ok(())
}

// ---- time and chance

fn known_clock(id: i32) -> Answer<()> {
    if (0..=3).contains(&id) {
        Ok(())
    } else {
        Err(Errno::Invalid.into())
    }
}

fn clock_res_get(id: i32, out: i32) -> impl Ask {
    move |_, memory| {
        known_clock(id)?;
        memory.put_u64(out, CLOCK_STEP_NANOS)
    }
}

fn clock_time_get(id: i32, _precision: i64, out: i32) -> impl Ask {
    move |world, memory| {
        known_clock(id)?;
        let now = if id == 0 {
            world.clock.wall()
        } else {
            world.clock.monotonic()
        };
        memory.put_u64(out, now)
    }
}

fn random_get(buffer: i32, length: i32) -> impl Ask {
    move |world, memory| {
        for part in memory.at(buffer, size(length))?.chunks_mut(STRIDE) {
            world.alarm.check()?;
            world.random.fill(part);
        }
        Ok(())
    }
}

fn sched_yield() -> impl Ask {
    |_, _| Ok(())
}

/// Waits for the first of several events. Files and streams are always ready; with none of those asked about, the
/// clock is set forward to the first timeout.
fn poll_oneoff(subscriptions: i32, events: i32, count: i32, out: i32) -> impl Ask {
    move |world, memory| {
        if count == 0 {
            return Err(Errno::Invalid.into());
        }
        let mut ready = Vec::new();
        let mut timeouts = Vec::new();
        for index in 0..i64::from(count.cast_unsigned()) {
            if index % 4096 == 0 {
                world.alarm.check()?;
            }
            let at = offset(subscriptions, index * 48)?;
            let userdata = memory.u64(at)?;
            let kind = memory.at(offset(at, 8)?, 1)?[0];
            match kind {
                0 => {
                    let id = memory.u32(offset(at, 16)?)?.cast_signed();
                    let timeout = memory.u64(offset(at, 24)?)?;
                    let absolute = memory.at(offset(at, 40)?, 2)?[0] & 1 == 1;
                    known_clock(id)?;
                    let due = match (absolute, id) {
                        (true, 0) => world.clock.since_start(timeout),
                        (true, _) => timeout,
                        (false, _) => world.clock.monotonic().saturating_add(timeout),
                    };
                    timeouts.push((due, userdata));
                }
                1 | 2 => {
                    let fd = memory.u32(offset(at, 16)?)?.cast_signed();
                    let error = match world.descriptors.get(fd) {
                        Ok(_) => 0,
                        Err(_) => Errno::BadDescriptor as u16,
                    };
                    ready.push((userdata, error, kind));
                }
                _ => return Err(Errno::Invalid.into()),
            }
        }
        if ready.is_empty()
            && let Some(first) = timeouts.iter().map(|(due, _)| *due).min()
        {
            world.clock.sleep_until(first);
        }
        let now = world.clock.monotonic();
        ready.extend(
            timeouts
                .iter()
                .filter(|(due, _)| *due <= now)
                .map(|(_, userdata)| (*userdata, 0, 0)),
        );
        for (index, (userdata, error, kind)) in ready.iter().enumerate() {
            let mut event = [0_u8; 32];
            event[..8].copy_from_slice(&userdata.to_le_bytes());
            event[8..10].copy_from_slice(&error.to_le_bytes());
            event[10] = *kind;
            event[16..24].copy_from_slice(&u64::from(*kind != 0).to_le_bytes());
            memory.put(offset(events, index as i64 * 32)?, &event)?;
        }
        memory.put_u32(
            out,
            u32::try_from(ready.len()).map_err(|_| Errno::Overflow)?,
        )
    }
}

fn proc_raise(_signal: i32) -> impl Ask {
    |_, _| {
        Err(Failure::Trap {
            reason: "it raised a signal against itself".to_owned(),
        }
        .into())
    }
}

// ---- descriptors

fn fd_advise(fd: i32, _offset: i64, _length: i64, _advice: i32) -> impl Ask {
    move |world, _| world.descriptors.get(fd).map(drop)
}

fn fd_allocate(fd: i32, start: i64, length: i64) -> impl Ask {
    move |world, _| {
        let Descriptor::File {
            node, write: true, ..
        } = *world.descriptors.get(fd)?
        else {
            return Err(Errno::BadDescriptor.into());
        };
        let end = start
            .cast_unsigned()
            .checked_add(length.cast_unsigned())
            .ok_or(Errno::Overflow)?;
        if world.files.stat(node).length < end {
            world.files.set_length(node, end)?;
        }
        Ok(())
    }
}

fn fd_close(fd: i32) -> impl Ask {
    move |world, _| {
        let closed = world
            .descriptors
            .0
            .remove(&fd.cast_unsigned())
            .ok_or(Errno::BadDescriptor)?;
        if let Some(node) = closed.node() {
            world.files.release(node);
        }
        Ok(())
    }
}

fn fd_sync(fd: i32) -> impl Ask {
    move |world, _| world.descriptors.get(fd).map(drop)
}

fn fd_fdstat_get(fd: i32, out: i32) -> impl Ask {
    move |world, memory| {
        let (kind, flags, rights) = match world.descriptors.get(fd)? {
            Descriptor::Stdin => (
                FILETYPE_UNKNOWN,
                0,
                RIGHTS_ALL & !(RIGHT_WRITE | RIGHT_SEEK | RIGHT_TELL),
            ),
            Descriptor::Stdout | Descriptor::Stderr => (
                FILETYPE_UNKNOWN,
                0,
                RIGHTS_ALL & !(RIGHT_READ | RIGHT_SEEK | RIGHT_TELL),
            ),
            Descriptor::Folder { .. } => {
                (FILETYPE_FOLDER, 0, RIGHTS_ALL & !(RIGHT_SEEK | RIGHT_TELL))
            }
            Descriptor::File {
                read, write, flags, ..
            } => {
                let withheld =
                    if *read { 0 } else { RIGHT_READ } | if *write { 0 } else { RIGHT_WRITE };
                (FILETYPE_FILE, *flags, RIGHTS_ALL & !withheld)
            }
        };
        let mut stat = [0_u8; 24];
        stat[0] = kind;
        stat[2..4].copy_from_slice(&flags.to_le_bytes());
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        stat[16..24].copy_from_slice(&RIGHTS_ALL.to_le_bytes());
        memory.put(out, &stat)
    }
}

fn fd_fdstat_set_flags(fd: i32, new: i32) -> impl Ask {
    move |world, _| {
        if let Descriptor::File { flags, .. } = world.descriptors.get(fd)? {
            *flags = flag_bits(new);
        }
        Ok(())
    }
}

/// The five flags there are. Only `append` does anything: every write is as good as synchronous.
fn flag_bits(flags: i32) -> u16 {
    u16::try_from(flags & 0x1f).unwrap_or(0)
}

fn fd_fdstat_set_rights(fd: i32, _base: i64, _inheriting: i64) -> impl Ask {
    move |world, _| {
        world.descriptors.get(fd)?;
        Err(Errno::Unsupported.into())
    }
}

fn put_stat(world: &World, memory: &mut Memory<'_>, out: i32, stat: Option<Stat>) -> Answer<()> {
    let mut bytes = [0_u8; 64];
    bytes[0..8].copy_from_slice(&1_u64.to_le_bytes());
    if let Some(stat) = stat {
        bytes[8..16].copy_from_slice(&stat.node.inode().to_le_bytes());
        bytes[16] = if stat.is_folder {
            FILETYPE_FOLDER
        } else {
            FILETYPE_FILE
        };
        bytes[24..32].copy_from_slice(&u64::from(stat.names).to_le_bytes());
        bytes[32..40].copy_from_slice(&stat.length.to_le_bytes());
    }
    for time in [40, 48, 56] {
        bytes[time..time + 8].copy_from_slice(&world.clock.start().to_le_bytes());
    }
    memory.put(out, &bytes)
}

fn fd_filestat_get(fd: i32, out: i32) -> impl Ask {
    move |world, memory| {
        let node = world.descriptors.get(fd)?.node();
        let stat = node.map(|node| world.files.stat(node));
        put_stat(world, memory, out, stat)
    }
}

fn fd_filestat_set_size(fd: i32, length: i64) -> impl Ask {
    move |world, _| match *world.descriptors.get(fd)? {
        Descriptor::File {
            node, write: true, ..
        } => world.files.set_length(node, length.cast_unsigned()),
        Descriptor::File { write: false, .. }
        | Descriptor::Folder { .. }
        | Descriptor::Stdin
        | Descriptor::Stdout
        | Descriptor::Stderr => Err(Errno::BadDescriptor.into()),
    }
}

/// Times are constants: setting them is taken for done.
fn fd_filestat_set_times(fd: i32, _accessed: i64, _modified: i64, _flags: i32) -> impl Ask {
    move |world, _| world.descriptors.get(fd).map(drop)
}

fn fd_prestat_get(fd: i32, out: i32) -> impl Ask {
    move |world, memory| match world.descriptors.get(fd)? {
        Descriptor::Folder {
            preopened: Some(name),
            ..
        } => {
            memory.put(out, &[0; 4])?;
            memory.put_u32(offset(out, 4)?, name.len() as u32)
        }
        _ => Err(Errno::BadDescriptor.into()),
    }
}

fn fd_prestat_dir_name(fd: i32, path: i32, length: i32) -> impl Ask {
    move |world, memory| match world.descriptors.get(fd)? {
        Descriptor::Folder {
            preopened: Some(name),
            ..
        } if size(length) < name.len() => Err(Errno::NameTooLong.into()),
        Descriptor::Folder {
            preopened: Some(name),
            ..
        } => memory.put(path, name.as_bytes()),
        _ => Err(Errno::BadDescriptor.into()),
    }
}

fn fd_renumber(from: i32, to: i32) -> impl Ask {
    move |world, _| {
        world.descriptors.get(to)?;
        world.descriptors.get(from)?;
        if from == to {
            return Ok(());
        }
        let moved = world
            .descriptors
            .0
            .remove(&from.cast_unsigned())
            .ok_or(Errno::BadDescriptor)?;
        let closed = world.descriptors.0.insert(to.cast_unsigned(), moved);
        if let Some(node) = closed.and_then(|closed| closed.node()) {
            world.files.release(node);
        }
        Ok(())
    }
}

fn fd_seek(fd: i32, by: i64, whence: i32, out: i32) -> impl Ask {
    move |world, memory| {
        let (node, at) = match *world.descriptors.get(fd)? {
            Descriptor::File { node, offset, .. } => (node, offset),
            Descriptor::Folder { .. } => return Err(Errno::BadDescriptor.into()),
            Descriptor::Stdin | Descriptor::Stdout | Descriptor::Stderr => {
                return Err(Errno::NotSeekable.into());
            }
        };
        let base = match whence {
            0 => 0,
            1 => at,
            2 => world.files.stat(node).length,
            _ => return Err(Errno::Invalid.into()),
        };
        let moved = base.checked_add_signed(by).ok_or(Errno::Invalid)?;
        if let Descriptor::File { offset, .. } = world.descriptors.get(fd)? {
            *offset = moved;
        }
        memory.put_u64(out, moved)
    }
}

fn fd_tell(fd: i32, out: i32) -> impl Ask {
    move |world, memory| match *world.descriptors.get(fd)? {
        Descriptor::File { offset, .. } => memory.put_u64(out, offset),
        Descriptor::Folder { .. } => Err(Errno::BadDescriptor.into()),
        Descriptor::Stdin | Descriptor::Stdout | Descriptor::Stderr => {
            Err(Errno::NotSeekable.into())
        }
    }
}

// ---- bytes

fn fd_read(fd: i32, buffers: i32, count: i32, out: i32) -> impl Ask {
    move |world, memory| match *world.descriptors.get(fd)? {
        Descriptor::Stdin => memory.put_u32(out, 0),
        Descriptor::File {
            node,
            offset: at,
            read: true,
            ..
        } => {
            let read = read_at(world, memory, node, at, buffers, count)?;
            if let Descriptor::File { offset, .. } = world.descriptors.get(fd)? {
                *offset = at.saturating_add(u64::from(read));
            }
            memory.put_u32(out, read)
        }
        Descriptor::Folder { .. } => Err(Errno::IsFolder.into()),
        Descriptor::Stdout | Descriptor::Stderr | Descriptor::File { read: false, .. } => {
            Err(Errno::BadDescriptor.into())
        }
    }
}

fn fd_pread(fd: i32, buffers: i32, count: i32, at: i64, out: i32) -> impl Ask {
    move |world, memory| match *world.descriptors.get(fd)? {
        Descriptor::File {
            node, read: true, ..
        } => {
            let read = read_at(world, memory, node, at.cast_unsigned(), buffers, count)?;
            memory.put_u32(out, read)
        }
        Descriptor::Folder { .. } => Err(Errno::IsFolder.into()),
        Descriptor::Stdin | Descriptor::Stdout | Descriptor::Stderr => {
            Err(Errno::NotSeekable.into())
        }
        Descriptor::File { read: false, .. } => Err(Errno::BadDescriptor.into()),
    }
}

/// Fills the buffers in turn until one is not filled.
fn read_at(
    world: &mut World,
    memory: &mut Memory<'_>,
    node: Node,
    at: u64,
    buffers: i32,
    count: i32,
) -> Answer<u32> {
    let mut total = 0_u32;
    for index in 0..count.cast_unsigned() {
        world.alarm.check()?;
        let (address, length) = memory.buffer(buffers, index.cast_signed())?;
        // What has been read must fit the 32 bits it is told in.
        let length = length.min((u32::MAX - total) as usize);
        let buffer = memory.at(address, length)?;
        let read = world
            .files
            .read(node, at.saturating_add(u64::from(total)), buffer)?;
        total += read as u32;
        if read < length {
            break;
        }
    }
    Ok(total)
}

fn fd_write(fd: i32, buffers: i32, count: i32, out: i32) -> impl Ask {
    move |world, memory| match *world.descriptors.get(fd)? {
        Descriptor::Stdout => {
            let written = each_buffer(world, memory, buffers, count, |world, bytes, _| {
                world.stdout.write(bytes)
            })?;
            memory.put_u32(out, written)
        }
        Descriptor::Stderr => {
            let written = each_buffer(world, memory, buffers, count, |world, bytes, _| {
                world.stderr.write(bytes)
            })?;
            memory.put_u32(out, written)
        }
        Descriptor::File {
            node,
            offset: at,
            write: true,
            flags,
            ..
        } => {
            let at = if flags & FLAG_APPEND != 0 {
                world.files.stat(node).length
            } else {
                at
            };
            let written = write_at(world, memory, node, at, buffers, count)?;
            if let Descriptor::File { offset, .. } = world.descriptors.get(fd)? {
                *offset = at.saturating_add(u64::from(written));
            }
            memory.put_u32(out, written)
        }
        Descriptor::Folder { .. } | Descriptor::Stdin | Descriptor::File { write: false, .. } => {
            Err(Errno::BadDescriptor.into())
        }
    }
}

fn fd_pwrite(fd: i32, buffers: i32, count: i32, at: i64, out: i32) -> impl Ask {
    move |world, memory| match *world.descriptors.get(fd)? {
        Descriptor::File {
            node, write: true, ..
        } => {
            let written = write_at(world, memory, node, at.cast_unsigned(), buffers, count)?;
            memory.put_u32(out, written)
        }
        Descriptor::Stdin | Descriptor::Stdout | Descriptor::Stderr => {
            Err(Errno::NotSeekable.into())
        }
        Descriptor::Folder { .. } | Descriptor::File { write: false, .. } => {
            Err(Errno::BadDescriptor.into())
        }
    }
}

fn write_at(
    world: &mut World,
    memory: &mut Memory<'_>,
    node: Node,
    at: u64,
    buffers: i32,
    count: i32,
) -> Answer<u32> {
    each_buffer(world, memory, buffers, count, |world, bytes, done| {
        let at = at.checked_add(u64::from(done)).ok_or(Errno::Overflow)?;
        world.files.write(node, at, bytes)
    })
}

/// Hands the buffers on in turn, with the number of bytes that went before.
fn each_buffer(
    world: &mut World,
    memory: &mut Memory<'_>,
    buffers: i32,
    count: i32,
    mut take: impl FnMut(&mut World, &[u8], u32) -> Answer<()>,
) -> Answer<u32> {
    let mut total = 0_u32;
    for index in 0..count.cast_unsigned() {
        world.alarm.check()?;
        let (address, length) = memory.buffer(buffers, index.cast_signed())?;
        let length = length.min((u32::MAX - total) as usize);
        for part in memory.at(address, length)?.chunks(STRIDE) {
            world.alarm.check()?;
            take(world, part, total)?;
            total += part.len() as u32;
        }
    }
    Ok(total)
}

// ---- names

fn fd_readdir(fd: i32, buffer: i32, length: i32, cookie: i64, out: i32) -> impl Ask {
    move |world, memory| {
        let (node, kept) = match world.descriptors.get(fd)? {
            Descriptor::Folder { node, listing, .. } => (*node, listing.clone()),
            _ => return Err(Errno::NotFolder.into()),
        };
        let cookie = cookie.cast_unsigned();
        let listing = match kept {
            Some(listing) if cookie != 0 => listing,
            _ => {
                let itself = |name: &str, node| Listed {
                    name: name.into(),
                    node,
                    is_folder: true,
                };
                let mut listing = vec![itself(".", node), itself("..", world.files.parent(node))];
                listing.extend(world.files.list(node)?);
                listing.into()
            }
        };
        let room = memory.at(buffer, size(length))?;
        let mut used = 0;
        let from = usize::try_from(cookie).unwrap_or(usize::MAX);
        let mut next = cookie;
        for listed in listing.iter().skip(from) {
            if used == room.len() {
                break;
            }
            next += 1;
            let mut entry = vec![0_u8; 24];
            entry[0..8].copy_from_slice(&next.to_le_bytes());
            entry[8..16].copy_from_slice(&listed.node.inode().to_le_bytes());
            entry[16..20].copy_from_slice(&(listed.name.len() as u32).to_le_bytes());
            entry[20] = if listed.is_folder {
                FILETYPE_FOLDER
            } else {
                FILETYPE_FILE
            };
            entry.extend_from_slice(listed.name.as_bytes());
            // The last entry may be cut off: a full buffer tells the module that there is more.
            let fits = entry.len().min(room.len() - used);
            room[used..used + fits].copy_from_slice(&entry[..fits]);
            used += fits;
        }
        let at_end = used < room.len();
        memory.put_u32(out, used as u32)?;
        if let Descriptor::Folder { listing: kept, .. } = world.descriptors.get(fd)? {
            *kept = if at_end { None } else { Some(listing) };
        }
        Ok(())
    }
}

fn path_create_directory(fd: i32, path: i32, length: i32) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world.files.make_folder(folder, memory.text(path, length)?)
    }
}

fn path_filestat_get(fd: i32, _follow: i32, path: i32, length: i32, out: i32) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        let stat = world.files.stat_at(folder, memory.text(path, length)?)?;
        put_stat(world, memory, out, Some(stat))
    }
}

fn path_filestat_set_times(
    fd: i32,
    _follow: i32,
    path: i32,
    length: i32,
    _accessed: i64,
    _modified: i64,
    _flags: i32,
) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world
            .files
            .stat_at(folder, memory.text(path, length)?)
            .map(drop)
    }
}

fn path_link(
    fd: i32,
    _follow: i32,
    path: i32,
    length: i32,
    to: i32,
    _to_path: i32,
    _to_length: i32,
) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world.descriptors.folder(to)?;
        world.files.stat_at(folder, memory.text(path, length)?)?;
        Err(Errno::NotPermitted.into())
    }
}

fn path_symlink(_target: i32, _target_length: i32, fd: i32, _path: i32, _length: i32) -> impl Ask {
    move |world, _| {
        world.descriptors.folder(fd)?;
        Err(Errno::NotPermitted.into())
    }
}

fn path_readlink(
    fd: i32,
    path: i32,
    length: i32,
    _buffer: i32,
    _buffer_length: i32,
    _out: i32,
) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world.files.stat_at(folder, memory.text(path, length)?)?;
        Err(Errno::Invalid.into()) // it is no link
    }
}

#[expect(clippy::too_many_arguments, reason = "the ABI's, one for one")]
fn path_open(
    fd: i32,
    _follow: i32,
    path: i32,
    length: i32,
    how: i32,
    rights: i64,
    _inheriting: i64,
    flags: i32,
    out: i32,
) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        if world.descriptors.0.len() >= DESCRIPTORS {
            return Err(Errno::TooManyOpen.into());
        }
        let rights = rights.cast_unsigned();
        let open = Open {
            create: how & CREATE != 0,
            exclusive: how & EXCLUSIVE != 0,
            truncate: how & TRUNCATE != 0,
            folder: how & FOLDER != 0,
            write: rights & RIGHT_WRITE != 0,
        };
        memory.at(out, 4)?; // before anything is made
        let node = world.files.open(folder, memory.text(path, length)?, open)?;
        let descriptor = if world.files.is_folder(node) {
            Descriptor::Folder {
                node,
                preopened: None,
                listing: None,
            }
        } else {
            Descriptor::File {
                node,
                offset: 0,
                read: rights & RIGHT_READ != 0,
                write: open.write,
                flags: flag_bits(flags),
            }
        };
        let fd = world.descriptors.add(descriptor)?;
        memory.put_u32(out, fd)
    }
}

fn path_remove_directory(fd: i32, path: i32, length: i32) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world
            .files
            .remove_folder(folder, memory.text(path, length)?)
    }
}

fn path_rename(fd: i32, path: i32, length: i32, to: i32, to_path: i32, to_length: i32) -> impl Ask {
    move |world, memory| {
        let from_folder = world.descriptors.folder(fd)?;
        let to_folder = world.descriptors.folder(to)?;
        let from = memory.text(path, length)?.to_owned();
        world.files.rename(
            from_folder,
            &from,
            to_folder,
            memory.text(to_path, to_length)?,
        )
    }
}

fn path_unlink_file(fd: i32, path: i32, length: i32) -> impl Ask {
    move |world, memory| {
        let folder = world.descriptors.folder(fd)?;
        world.files.unlink(folder, memory.text(path, length)?)
    }
}

// ---- sockets: there are none

fn no_socket(fd: i32) -> impl Ask {
    move |world, _| {
        world.descriptors.get(fd)?;
        Err(Errno::NotSocket.into())
    }
}

fn no_socket2(fd: i32, _: i32) -> impl Ask {
    no_socket(fd)
}

fn no_socket3(fd: i32, _: i32, _: i32) -> impl Ask {
    no_socket(fd)
}

fn no_socket5(fd: i32, _: i32, _: i32, _: i32, _: i32) -> impl Ask {
    no_socket(fd)
}

fn no_socket6(fd: i32, _: i32, _: i32, _: i32, _: i32, _: i32) -> impl Ask {
    no_socket(fd)
}
