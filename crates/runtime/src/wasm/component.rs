//! WASI 0.2 for components, answered from the same [`World`] as preview 1.
//!
//! Of the engine's WASI crate only the generated traits are used; every implementation is here. Its resource types are
//! taken as mere tags: the numbers behind them are ours, in [`Handles`]. So a component sees the same files, clock and
//! randomness as a module, and nothing of the host.
//!
//! What differs from a module: arguments, lists and texts are copied through the engine, which bounds one call to
//! 128 MiB; `wasi:sockets` may be imported but the first call traps; `get-random-bytes` gives at most 16 MiB at once.
//! `wasi:http` and other worlds are refused. Exactness is the same: nothing here asks the host.

use std::collections::BTreeMap;
use std::vec;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sync::filesystem::types as fs;
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::p2::{FsError, FsResult, StreamError, StreamResult};

use crate::failure::Failure;
use crate::wasm::files::{Answer, Errno, Listed, Node, Open, Stat, Stop};
use crate::wasm::world::{CLOCK_STEP_NANOS, Exit, World};

/// Handles a component may have open at once.
const HANDLES: usize = 4096;
/// Bytes one read gives at most.
const READ_BYTES: u64 = 1 << 20;
/// Bytes of randomness one call gives at most.
const RANDOM_BYTES: u64 = 16 << 20;
/// What a stream offers to take in one write.
const WRITE_BYTES: u64 = 1 << 20;

/// The interfaces answered here, of any 0.2 version.
pub(crate) const INTERFACES: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
];

type Trapped<T> = wasmtime::Result<T>;

/// What a number held by the component stands for.
#[derive(Debug)]
enum Handle {
    Node { node: Node, read: bool, write: bool },
    Listing(vec::IntoIter<Listed>),
    Input { node: Option<Node>, offset: u64 },
    Output(Output),
    Pollable { due: u64 },
    Error(Errno),
}

#[derive(Debug, Clone, Copy)]
enum Output {
    Stdout,
    Stderr,
    File { node: Node, offset: Option<u64> },
}

/// The resources a component holds.
#[derive(Debug)]
pub(crate) struct Handles {
    open: BTreeMap<u32, Handle>,
    next: u32,
}

impl Handles {
    pub(crate) fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            next: 1,
        }
    }

    fn add<T: 'static>(&mut self, handle: Handle) -> Trapped<Resource<T>> {
        if self.open.len() >= HANDLES {
            return Err(trap(format!("it holds more than {HANDLES} handles")));
        }
        let number = self.next;
        self.next = self
            .next
            .checked_add(1)
            .ok_or_else(|| trap("it made too many handles"))?;
        self.open.insert(number, handle);
        Ok(Resource::new_own(number))
    }

    fn get<T: 'static>(&mut self, resource: &Resource<T>) -> Trapped<&mut Handle> {
        self.open
            .get_mut(&resource.rep())
            .ok_or_else(|| trap("it used a handle it does not hold"))
    }
}

fn trap(reason: impl Into<String>) -> wasmtime::Error {
    wasmtime::Error::new(Failure::Trap {
        reason: reason.into(),
    })
}

fn fs_error(stop: Stop) -> FsError {
    match stop {
        Stop::Errno(errno) => code(errno).into(),
        Stop::End(failure) => FsError::trap(wasmtime::Error::new(failure)),
    }
}

fn fs_trap(error: wasmtime::Error) -> FsError {
    FsError::trap(error)
}

fn code(errno: Errno) -> filesystem::types::ErrorCode {
    use filesystem::types::ErrorCode;
    match errno {
        Errno::BadDescriptor => ErrorCode::BadDescriptor,
        Errno::Exists => ErrorCode::Exist,
        Errno::Fault | Errno::Invalid | Errno::NotSocket => ErrorCode::Invalid,
        Errno::NotUtf8 => ErrorCode::IllegalByteSequence,
        Errno::IsFolder => ErrorCode::IsDirectory,
        Errno::TooManyOpen => ErrorCode::Quota,
        Errno::NameTooLong => ErrorCode::NameTooLong,
        Errno::NoEntry => ErrorCode::NoEntry,
        Errno::NotFolder => ErrorCode::NotDirectory,
        Errno::NotEmpty => ErrorCode::NotEmpty,
        Errno::Unsupported => ErrorCode::Unsupported,
        Errno::Overflow => ErrorCode::Overflow,
        Errno::NotPermitted | Errno::NotCapable => ErrorCode::NotPermitted,
        Errno::ReadOnly => ErrorCode::ReadOnly,
        Errno::NotSeekable => ErrorCode::InvalidSeek,
    }
}

/// Gives a linker WASI 0.2's command world, without sockets.
pub(crate) fn add_to_linker(linker: &mut Linker<World>) -> Trapped<()> {
    type Own = HasSelf<World>;
    fn own(world: &mut World) -> &mut World {
        world
    }
    cli::environment::add_to_linker::<_, Own>(linker, own)?;
    cli::exit::add_to_linker::<_, Own>(linker, own)?;
    cli::stdin::add_to_linker::<_, Own>(linker, own)?;
    cli::stdout::add_to_linker::<_, Own>(linker, own)?;
    cli::stderr::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_input::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_output::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stdin::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stdout::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stderr::add_to_linker::<_, Own>(linker, own)?;
    clocks::wall_clock::add_to_linker::<_, Own>(linker, own)?;
    clocks::monotonic_clock::add_to_linker::<_, Own>(linker, own)?;
    random::random::add_to_linker::<_, Own>(linker, own)?;
    random::insecure::add_to_linker::<_, Own>(linker, own)?;
    random::insecure_seed::add_to_linker::<_, Own>(linker, own)?;
    filesystem::preopens::add_to_linker::<_, Own>(linker, own)?;
    fs::add_to_linker::<_, Own>(linker, own)?;
    io::error::add_to_linker::<_, Own>(linker, own)?;
    poll::add_to_linker::<_, Own>(linker, own)?;
    streams::add_to_linker::<_, Own>(linker, own)
}

impl World {
    fn drop_handle<T: 'static>(&mut self, resource: Resource<T>) -> Trapped<()> {
        let held = match self.handles.open.remove(&resource.rep()) {
            Some(
                Handle::Node { node, .. }
                | Handle::Input {
                    node: Some(node), ..
                },
            ) => Some(node),
            Some(Handle::Output(Output::File { node, .. })) => Some(node),
            Some(_) => None,
            None => return Err(trap("it dropped a handle it does not hold")),
        };
        if let Some(node) = held {
            self.files.release(node);
        }
        Ok(())
    }

    /// The file or folder behind a descriptor; whether it was opened for reading, for writing.
    fn node(&mut self, descriptor: &Resource<fs::Descriptor>) -> FsResult<(Node, bool, bool)> {
        match self.handles.get(descriptor).map_err(fs_trap)? {
            Handle::Node { node, read, write } => Ok((*node, *read, *write)),
            _ => Err(code(Errno::BadDescriptor).into()),
        }
    }

    fn stat_of(&self, stat: Stat) -> fs::DescriptorStat {
        let start = self.datetime(self.clock.start());
        fs::DescriptorStat {
            type_: if stat.is_folder {
                fs::DescriptorType::Directory
            } else {
                fs::DescriptorType::RegularFile
            },
            link_count: u64::from(stat.names),
            size: stat.length,
            data_access_timestamp: Some(start),
            data_modification_timestamp: Some(start),
            status_change_timestamp: Some(start),
        }
    }

    fn datetime(&self, nanos: u64) -> clocks::wall_clock::Datetime {
        clocks::wall_clock::Datetime {
            seconds: nanos / 1_000_000_000,
            nanoseconds: (nanos % 1_000_000_000) as u32,
        }
    }

    fn put(&mut self, stream: &Resource<streams::OutputStream>, bytes: &[u8]) -> StreamResult<()> {
        self.alarm
            .check()
            .map_err(|failure| StreamError::Trap(wasmtime::Error::new(failure)))?;
        let Handle::Output(output) = self.handles.get(stream).map_err(StreamError::Trap)? else {
            return Err(StreamError::Trap(trap(
                "it wrote to what is no output stream",
            )));
        };
        let put: Answer<()> = match output {
            Output::Stdout => self.stdout.write(bytes),
            Output::Stderr => self.stderr.write(bytes),
            Output::File { node, offset } => {
                let at = offset.unwrap_or_else(|| self.files.stat(*node).length);
                let done = self.files.write(*node, at, bytes);
                if let Some(offset) = offset {
                    *offset = at.saturating_add(bytes.len() as u64);
                }
                done
            }
        };
        put.map_err(stream_error)
    }

    fn take(
        &mut self,
        stream: &Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        self.alarm
            .check()
            .map_err(|failure| StreamError::Trap(wasmtime::Error::new(failure)))?;
        let Handle::Input { node, offset } = self.handles.get(stream).map_err(StreamError::Trap)?
        else {
            return Err(StreamError::Trap(trap(
                "it read from what is no input stream",
            )));
        };
        let Some(node) = *node else {
            return Err(StreamError::Closed);
        };
        if length == 0 {
            return Ok(Vec::new());
        }
        let left = self.files.stat(node).length.saturating_sub(*offset);
        let mut bytes = vec![0; length.min(READ_BYTES).min(left) as usize];
        let read = self
            .files
            .read(node, *offset, &mut bytes)
            .map_err(stream_error)?;
        bytes.truncate(read);
        *offset = offset.saturating_add(read as u64);
        if read == 0 {
            Err(StreamError::Closed)
        } else {
            Ok(bytes)
        }
    }

    fn random_bytes(&mut self, length: u64) -> Trapped<Vec<u8>> {
        if length > RANDOM_BYTES {
            return Err(trap(format!(
                "it asked for {length} random bytes at once, more than {RANDOM_BYTES}"
            )));
        }
        let mut bytes = vec![0; length as usize];
        self.random.fill(&mut bytes);
        Ok(bytes)
    }

    fn due(&mut self, pollable: &Resource<poll::Pollable>) -> Trapped<u64> {
        match self.handles.get(pollable)? {
            Handle::Pollable { due } => Ok(*due),
            _ => Err(trap("it waited for what cannot be waited for")),
        }
    }
}

fn stream_error(stop: Stop) -> StreamError {
    match stop {
        Stop::Errno(errno) => {
            StreamError::LastOperationFailed(wasmtime::Error::new(StreamErrno(errno)))
        }
        Stop::End(failure) => StreamError::Trap(wasmtime::Error::new(failure)),
    }
}

/// An errno on its way through a stream.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct StreamErrno(Errno);

// ---- command line

impl cli::environment::Host for World {
    fn get_environment(&mut self) -> Trapped<Vec<(String, String)>> {
        Ok(self.environment.clone())
    }

    fn get_arguments(&mut self) -> Trapped<Vec<String>> {
        Ok(self.args.clone())
    }

    fn initial_cwd(&mut self) -> Trapped<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for World {
    fn exit(&mut self, status: Result<(), ()>) -> Trapped<()> {
        Err(wasmtime::Error::new(Exit(if status.is_ok() {
            0
        } else {
            1
        })))
    }

    fn exit_with_code(&mut self, code: u8) -> Trapped<()> {
        Err(wasmtime::Error::new(Exit(i32::from(code))))
    }
}

impl cli::stdin::Host for World {
    fn get_stdin(&mut self) -> Trapped<Resource<streams::InputStream>> {
        self.handles.add(Handle::Input {
            node: None,
            offset: 0,
        })
    }
}

impl cli::stdout::Host for World {
    fn get_stdout(&mut self) -> Trapped<Resource<streams::OutputStream>> {
        self.handles.add(Handle::Output(Output::Stdout))
    }
}

impl cli::stderr::Host for World {
    fn get_stderr(&mut self) -> Trapped<Resource<streams::OutputStream>> {
        self.handles.add(Handle::Output(Output::Stderr))
    }
}

impl cli::terminal_input::Host for World {}
impl cli::terminal_input::HostTerminalInput for World {
    fn drop(&mut self, terminal: Resource<cli::terminal_input::TerminalInput>) -> Trapped<()> {
        self.drop_handle(terminal)
    }
}
impl cli::terminal_output::Host for World {}
impl cli::terminal_output::HostTerminalOutput for World {
    fn drop(&mut self, terminal: Resource<cli::terminal_output::TerminalOutput>) -> Trapped<()> {
        self.drop_handle(terminal)
    }
}
impl cli::terminal_stdin::Host for World {
    fn get_terminal_stdin(
        &mut self,
    ) -> Trapped<Option<Resource<cli::terminal_input::TerminalInput>>> {
        Ok(None)
    }
}
impl cli::terminal_stdout::Host for World {
    fn get_terminal_stdout(
        &mut self,
    ) -> Trapped<Option<Resource<cli::terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
impl cli::terminal_stderr::Host for World {
    fn get_terminal_stderr(
        &mut self,
    ) -> Trapped<Option<Resource<cli::terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

// ---- time and chance

impl clocks::wall_clock::Host for World {
    fn now(&mut self) -> Trapped<clocks::wall_clock::Datetime> {
        let now = self.clock.wall();
        Ok(self.datetime(now))
    }

    fn resolution(&mut self) -> Trapped<clocks::wall_clock::Datetime> {
        Ok(self.datetime(CLOCK_STEP_NANOS))
    }
}

impl clocks::monotonic_clock::Host for World {
    fn now(&mut self) -> Trapped<u64> {
        Ok(self.clock.monotonic())
    }

    fn resolution(&mut self) -> Trapped<u64> {
        Ok(CLOCK_STEP_NANOS)
    }

    fn subscribe_instant(&mut self, due: u64) -> Trapped<Resource<poll::Pollable>> {
        self.handles.add(Handle::Pollable { due })
    }

    fn subscribe_duration(&mut self, duration: u64) -> Trapped<Resource<poll::Pollable>> {
        let due = self.clock.monotonic().saturating_add(duration);
        self.handles.add(Handle::Pollable { due })
    }
}

impl random::random::Host for World {
    fn get_random_bytes(&mut self, length: u64) -> Trapped<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> Trapped<u64> {
        Ok(self.random.number())
    }
}

impl random::insecure::Host for World {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Trapped<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> Trapped<u64> {
        Ok(self.random.number())
    }
}

impl random::insecure_seed::Host for World {
    fn insecure_seed(&mut self) -> Trapped<(u64, u64)> {
        Ok((self.random.number(), self.random.number()))
    }
}

impl poll::Host for World {
    /// The ready ones; with none ready, the clock is set forward to the first.
    fn poll(&mut self, pollables: Vec<Resource<poll::Pollable>>) -> Trapped<Vec<u32>> {
        if pollables.is_empty() {
            return Err(trap("it waited for nothing"));
        }
        let mut dues = Vec::with_capacity(pollables.len());
        for pollable in &pollables {
            dues.push(self.due(pollable)?);
        }
        let first = dues.iter().copied().min().unwrap_or(0);
        self.clock.sleep_until(first);
        let now = self.clock.monotonic();
        Ok((0_u32..)
            .zip(dues)
            .filter(|(_, due)| *due <= now)
            .map(|(index, _)| index)
            .collect())
    }
}

impl poll::HostPollable for World {
    fn ready(&mut self, pollable: Resource<poll::Pollable>) -> Trapped<bool> {
        let due = self.due(&pollable)?;
        Ok(due <= self.clock.monotonic())
    }

    fn block(&mut self, pollable: Resource<poll::Pollable>) -> Trapped<()> {
        let due = self.due(&pollable)?;
        self.clock.sleep_until(due);
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<poll::Pollable>) -> Trapped<()> {
        self.drop_handle(pollable)
    }
}

// ---- streams

impl io::error::Host for World {}
impl io::error::HostError for World {
    fn to_debug_string(&mut self, error: Resource<io::error::Error>) -> Trapped<String> {
        match self.handles.get(&error)? {
            Handle::Error(errno) => Ok(format!("{errno:?}")),
            _ => Err(trap("it asked about what is no error")),
        }
    }

    fn drop(&mut self, error: Resource<io::error::Error>) -> Trapped<()> {
        self.drop_handle(error)
    }
}

impl streams::Host for World {
    fn convert_stream_error(&mut self, error: StreamError) -> Trapped<streams::StreamError> {
        match error {
            StreamError::Closed => Ok(streams::StreamError::Closed),
            StreamError::LastOperationFailed(error) => {
                let errno = error
                    .downcast_ref::<StreamErrno>()
                    .map_or(Errno::Invalid, |error| error.0);
                Ok(streams::StreamError::LastOperationFailed(
                    self.handles.add(Handle::Error(errno))?,
                ))
            }
            StreamError::Trap(error) => Err(error),
        }
    }
}

impl streams::HostInputStream for World {
    fn read(
        &mut self,
        stream: Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        self.take(&stream, length)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        self.take(&stream, length)
    }

    fn skip(&mut self, stream: Resource<streams::InputStream>, length: u64) -> StreamResult<u64> {
        self.take(&stream, length).map(|bytes| bytes.len() as u64)
    }

    fn blocking_skip(
        &mut self,
        stream: Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.take(&stream, length).map(|bytes| bytes.len() as u64)
    }

    fn subscribe(
        &mut self,
        _stream: Resource<streams::InputStream>,
    ) -> Trapped<Resource<poll::Pollable>> {
        self.handles.add(Handle::Pollable { due: 0 })
    }

    fn drop(&mut self, stream: Resource<streams::InputStream>) -> Trapped<()> {
        self.drop_handle(stream)
    }
}

impl streams::HostOutputStream for World {
    fn check_write(&mut self, _stream: Resource<streams::OutputStream>) -> StreamResult<u64> {
        Ok(WRITE_BYTES)
    }

    fn write(
        &mut self,
        stream: Resource<streams::OutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.put(&stream, &bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<streams::OutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.put(&stream, &bytes)
    }

    fn flush(&mut self, _stream: Resource<streams::OutputStream>) -> StreamResult<()> {
        Ok(())
    }

    fn blocking_flush(&mut self, _stream: Resource<streams::OutputStream>) -> StreamResult<()> {
        Ok(())
    }

    fn subscribe(
        &mut self,
        _stream: Resource<streams::OutputStream>,
    ) -> Trapped<Resource<poll::Pollable>> {
        self.handles.add(Handle::Pollable { due: 0 })
    }

    fn write_zeroes(
        &mut self,
        stream: Resource<streams::OutputStream>,
        length: u64,
    ) -> StreamResult<()> {
        let zeroes = [0; 4096];
        let mut left = length;
        while left > 0 {
            let now = left.min(4096);
            self.put(&stream, &zeroes[..now as usize])?;
            left -= now;
        }
        Ok(())
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<streams::OutputStream>,
        length: u64,
    ) -> StreamResult<()> {
        streams::HostOutputStream::write_zeroes(self, stream, length)
    }

    fn splice(
        &mut self,
        to: Resource<streams::OutputStream>,
        from: Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        let bytes = self.take(&from, length)?;
        self.put(&to, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<streams::OutputStream>,
        from: Resource<streams::InputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        streams::HostOutputStream::splice(self, to, from, length)
    }

    fn drop(&mut self, stream: Resource<streams::OutputStream>) -> Trapped<()> {
        self.drop_handle(stream)
    }
}

// ---- files

impl filesystem::preopens::Host for World {
    fn get_directories(&mut self) -> Trapped<Vec<(Resource<fs::Descriptor>, String)>> {
        let root = self.handles.add(Handle::Node {
            node: Node::ROOT,
            read: true,
            write: true,
        })?;
        Ok(vec![(root, "/".to_owned())])
    }
}

impl fs::Host for World {
    fn convert_error_code(&mut self, error: FsError) -> Trapped<fs::ErrorCode> {
        Ok(error.downcast()?.into())
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<streams::Error>,
    ) -> Trapped<Option<fs::ErrorCode>> {
        match self.handles.get(&error)? {
            Handle::Error(errno) => Ok(Some(code(*errno).into())),
            _ => Ok(None),
        }
    }
}

impl fs::HostDescriptor for World {
    fn read_via_stream(
        &mut self,
        fd: Resource<fs::Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<streams::InputStream>> {
        let (node, read, _) = self.node(&fd)?;
        self.require_file(node, read)?;
        self.files.hold(node);
        self.handles
            .add(Handle::Input {
                node: Some(node),
                offset,
            })
            .map_err(fs_trap)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<fs::Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<streams::OutputStream>> {
        let (node, _, write) = self.node(&fd)?;
        self.require_file(node, write)?;
        self.files.hold(node);
        self.handles
            .add(Handle::Output(Output::File {
                node,
                offset: Some(offset),
            }))
            .map_err(fs_trap)
    }

    fn append_via_stream(
        &mut self,
        fd: Resource<fs::Descriptor>,
    ) -> FsResult<Resource<streams::OutputStream>> {
        let (node, _, write) = self.node(&fd)?;
        self.require_file(node, write)?;
        self.files.hold(node);
        self.handles
            .add(Handle::Output(Output::File { node, offset: None }))
            .map_err(fs_trap)
    }

    fn advise(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _offset: u64,
        _length: u64,
        _advice: fs::Advice,
    ) -> FsResult<()> {
        self.node(&fd).map(drop)
    }

    fn sync_data(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<()> {
        self.node(&fd).map(drop)
    }

    fn sync(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<()> {
        self.node(&fd).map(drop)
    }

    fn get_flags(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<fs::DescriptorFlags> {
        let (node, read, write) = self.node(&fd)?;
        let mut flags = fs::DescriptorFlags::empty();
        if read {
            flags |= fs::DescriptorFlags::READ;
        }
        if write {
            let folder = self.files.is_folder(node);
            flags |= if folder {
                fs::DescriptorFlags::MUTATE_DIRECTORY
            } else {
                fs::DescriptorFlags::WRITE
            };
        }
        Ok(flags)
    }

    fn get_type(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<fs::DescriptorType> {
        let (node, ..) = self.node(&fd)?;
        let folder = self.files.is_folder(node);
        Ok(if folder {
            fs::DescriptorType::Directory
        } else {
            fs::DescriptorType::RegularFile
        })
    }

    fn set_size(&mut self, fd: Resource<fs::Descriptor>, size: u64) -> FsResult<()> {
        let (node, _, write) = self.node(&fd)?;
        self.require_file(node, write)?;
        self.files.set_length(node, size).map_err(fs_error)
    }

    /// Times are constants: setting them is taken for done.
    fn set_times(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _accessed: fs::NewTimestamp,
        _modified: fs::NewTimestamp,
    ) -> FsResult<()> {
        self.node(&fd).map(drop)
    }

    fn read(
        &mut self,
        fd: Resource<fs::Descriptor>,
        length: u64,
        offset: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        let (node, read, _) = self.node(&fd)?;
        self.require_file(node, read)?;
        let left = self.files.stat(node).length.saturating_sub(offset);
        let mut bytes = vec![0; length.min(READ_BYTES).min(left) as usize];
        let read = self
            .files
            .read(node, offset, &mut bytes)
            .map_err(fs_error)?;
        bytes.truncate(read);
        let at_end = bytes.len() as u64 == left;
        Ok((bytes, at_end))
    }

    fn write(
        &mut self,
        fd: Resource<fs::Descriptor>,
        bytes: Vec<u8>,
        offset: u64,
    ) -> FsResult<u64> {
        let (node, _, write) = self.node(&fd)?;
        self.require_file(node, write)?;
        self.files.write(node, offset, &bytes).map_err(fs_error)?;
        Ok(bytes.len() as u64)
    }

    fn read_directory(
        &mut self,
        fd: Resource<fs::Descriptor>,
    ) -> FsResult<Resource<fs::DirectoryEntryStream>> {
        let (node, ..) = self.node(&fd)?;
        let listing = self.files.list(node).map_err(fs_error)?;
        self.handles
            .add(Handle::Listing(listing.into_iter()))
            .map_err(fs_trap)
    }

    fn create_directory_at(&mut self, fd: Resource<fs::Descriptor>, path: String) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        self.files.make_folder(node, &path).map_err(fs_error)
    }

    fn stat(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<fs::DescriptorStat> {
        let (node, ..) = self.node(&fd)?;
        Ok(self.stat_of(self.files.stat(node)))
    }

    fn stat_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _flags: fs::PathFlags,
        path: String,
    ) -> FsResult<fs::DescriptorStat> {
        let (node, ..) = self.node(&fd)?;
        let stat = self.files.stat_at(node, &path).map_err(fs_error)?;
        Ok(self.stat_of(stat))
    }

    fn set_times_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _flags: fs::PathFlags,
        path: String,
        _accessed: fs::NewTimestamp,
        _modified: fs::NewTimestamp,
    ) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        self.files.stat_at(node, &path).map(drop).map_err(fs_error)
    }

    fn link_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _flags: fs::PathFlags,
        path: String,
        to: Resource<fs::Descriptor>,
        _to_path: String,
    ) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        self.node(&to)?;
        self.files.stat_at(node, &path).map_err(fs_error)?;
        Err(code(Errno::NotPermitted).into())
    }

    fn open_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _path_flags: fs::PathFlags,
        path: String,
        how: fs::OpenFlags,
        flags: fs::DescriptorFlags,
    ) -> FsResult<Resource<fs::Descriptor>> {
        let (folder, ..) = self.node(&fd)?;
        let write = flags.contains(fs::DescriptorFlags::WRITE);
        let open = Open {
            create: how.contains(fs::OpenFlags::CREATE),
            exclusive: how.contains(fs::OpenFlags::EXCLUSIVE),
            truncate: how.contains(fs::OpenFlags::TRUNCATE),
            folder: how.contains(fs::OpenFlags::DIRECTORY),
            write,
        };
        let node = self.files.open(folder, &path, open).map_err(fs_error)?;
        let is_folder = self.files.is_folder(node);
        let read = is_folder || flags.contains(fs::DescriptorFlags::READ);
        let write = write || (is_folder && flags.contains(fs::DescriptorFlags::MUTATE_DIRECTORY));
        self.handles
            .add(Handle::Node { node, read, write })
            .map_err(fs_trap)
    }

    fn readlink_at(&mut self, fd: Resource<fs::Descriptor>, path: String) -> FsResult<String> {
        let (node, ..) = self.node(&fd)?;
        self.files.stat_at(node, &path).map_err(fs_error)?;
        Err(code(Errno::Invalid).into()) // it is no link
    }

    fn remove_directory_at(&mut self, fd: Resource<fs::Descriptor>, path: String) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        self.files.remove_folder(node, &path).map_err(fs_error)
    }

    fn rename_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        path: String,
        to: Resource<fs::Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        let (to_node, ..) = self.node(&to)?;
        self.files
            .rename(node, &path, to_node, &to_path)
            .map_err(fs_error)
    }

    fn symlink_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _target: String,
        _path: String,
    ) -> FsResult<()> {
        self.node(&fd)?;
        Err(code(Errno::NotPermitted).into())
    }

    fn unlink_file_at(&mut self, fd: Resource<fs::Descriptor>, path: String) -> FsResult<()> {
        let (node, ..) = self.node(&fd)?;
        self.files.unlink(node, &path).map_err(fs_error)
    }

    fn is_same_object(
        &mut self,
        one: Resource<fs::Descriptor>,
        other: Resource<fs::Descriptor>,
    ) -> Trapped<bool> {
        let node = |handle: &Handle| match handle {
            Handle::Node { node, .. } => Some(*node),
            _ => None,
        };
        let one = node(self.handles.get(&one)?);
        let other = node(self.handles.get(&other)?);
        Ok(one.is_some() && one == other)
    }

    fn metadata_hash(&mut self, fd: Resource<fs::Descriptor>) -> FsResult<fs::MetadataHashValue> {
        let (node, ..) = self.node(&fd)?;
        Ok(fs::MetadataHashValue {
            lower: node.inode(),
            upper: 0,
        })
    }

    fn metadata_hash_at(
        &mut self,
        fd: Resource<fs::Descriptor>,
        _flags: fs::PathFlags,
        path: String,
    ) -> FsResult<fs::MetadataHashValue> {
        let (node, ..) = self.node(&fd)?;
        let stat = self.files.stat_at(node, &path).map_err(fs_error)?;
        Ok(fs::MetadataHashValue {
            lower: stat.node.inode(),
            upper: 0,
        })
    }

    fn drop(&mut self, fd: Resource<fs::Descriptor>) -> Trapped<()> {
        self.drop_handle(fd)
    }
}

impl fs::HostDirectoryEntryStream for World {
    fn read_directory_entry(
        &mut self,
        stream: Resource<fs::DirectoryEntryStream>,
    ) -> FsResult<Option<fs::DirectoryEntry>> {
        match self.handles.get(&stream).map_err(fs_trap)? {
            Handle::Listing(entries) => Ok(entries.next().map(|listed| fs::DirectoryEntry {
                type_: if listed.is_folder {
                    fs::DescriptorType::Directory
                } else {
                    fs::DescriptorType::RegularFile
                },
                name: listed.name.to_string(),
            })),
            _ => Err(code(Errno::BadDescriptor).into()),
        }
    }

    fn drop(&mut self, stream: Resource<fs::DirectoryEntryStream>) -> Trapped<()> {
        self.drop_handle(stream)
    }
}

impl World {
    fn require_file(&self, node: Node, allowed: bool) -> FsResult<()> {
        if self.files.is_folder(node) {
            return Err(code(Errno::IsFolder).into());
        }
        if allowed {
            Ok(())
        } else {
            Err(code(Errno::BadDescriptor).into())
        }
    }
}
