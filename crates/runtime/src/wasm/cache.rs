//! Compiled programs, by the sha256 of their module: a few warm in memory, the rest in a folder.
//!
//! Loading a compiled file is running it, so a file is only trusted if this cache wrote it: each carries an HMAC under a
//! key that lies beside it, made at random when the folder was, readable by its owner alone; and the folder itself is
//! its owner's alone. A file that does not verify, or is of another engine, is compiled anew and overwritten. Whoever
//! can write into that folder as the worker's user could as well replace the worker.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::B256;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{self, Component};
use wasmtime::{Engine, ExternType, InstancePre, Module, Store, UnknownImportError};
use wasmtime_wasi::p2::bindings::sync::CommandPre;

use crate::failure::Failure;
use crate::job;
use crate::wasm::world::{Exit, World};
use crate::wasm::{component as wasi2, preview1};

/// The largest module or component compiled, bytes.
const MODULE_BYTES: u64 = 256 << 20;

/// A program ready to be instantiated.
pub(crate) enum Program {
    Module(InstancePre<World>),
    Component(Box<CommandPre<World>>),
}

impl Program {
    /// Instantiates it and calls its entry.
    pub(crate) fn call(&self, store: &mut Store<World>) -> wasmtime::Result<()> {
        match self {
            Self::Module(module) => {
                let instance = module.instantiate(&mut *store)?;
                instance
                    .get_typed_func::<(), ()>(&mut *store, "_start")?
                    .call(&mut *store, ())
            }
            Self::Component(component) => {
                let command = component.instantiate(&mut *store)?;
                match command.wasi_cli_run().call_run(&mut *store)? {
                    Ok(()) => Ok(()),
                    Err(()) => Err(wasmtime::Error::new(Exit(1))),
                }
            }
        }
    }
}

pub(crate) struct Cache {
    engine: Engine,
    modules: wasmtime::Linker<World>,
    components: component::Linker<World>,
    folder: Option<Folder>,
    warm: Mutex<Warm>,
    keep: usize,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("folder", &self.folder.as_ref().map(|folder| &folder.path))
            .finish_non_exhaustive()
    }
}

/// Programs in memory, each with the moment of its last use. A program under compilation is there already, locked.
#[derive(Default)]
struct Warm {
    programs: HashMap<B256, (u64, Slot)>,
    uses: u64,
}

type Slot = Arc<Mutex<Option<Arc<Program>>>>;

impl Cache {
    pub(crate) fn new(
        engine: &Engine,
        folder: Option<PathBuf>,
        keep: usize,
    ) -> Result<Self, String> {
        let mut modules = wasmtime::Linker::new(engine);
        preview1::add_to_linker(&mut modules).map_err(|error| format!("{error:#}"))?;
        let mut components = component::Linker::new(engine);
        wasi2::add_to_linker(&mut components).map_err(|error| format!("{error:#}"))?;
        let folder = match folder {
            Some(path) => Some(
                Folder::open(&path)
                    .map_err(|error| format!("the compile cache {}: {error}", path.display()))?,
            ),
            None => None,
        };
        Ok(Self {
            engine: engine.clone(),
            modules,
            components,
            folder,
            warm: Mutex::default(),
            keep: keep.max(1),
        })
    }

    /// The program of a module: from memory, from the folder, or compiled. Compiled once, however many ask at a time.
    pub(crate) fn program(&self, module: &job::Module) -> Result<Arc<Program>, Failure> {
        let slot = self.slot(module.sha256);
        // Poisoned means that a compilation panicked: it is tried anew.
        let mut place = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = &*place {
            return Ok(program.clone());
        }
        let program = Arc::new(self.load(module)?);
        *place = Some(program.clone());
        Ok(program)
    }

    fn slot(&self, sha256: B256) -> Slot {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.uses += 1;
        let now = warm.uses;
        if let Some((used, slot)) = warm.programs.get_mut(&sha256) {
            *used = now;
            return slot.clone();
        }
        while warm.programs.len() >= self.keep {
            let Some(oldest) = warm
                .programs
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(sha256, _)| *sha256)
            else {
                break;
            };
            warm.programs.remove(&oldest);
        }
        let slot = Slot::default();
        warm.programs.insert(sha256, (now, slot.clone()));
        slot
    }

    fn load(&self, module: &job::Module) -> Result<Program, Failure> {
        let name = self.file_name(module.sha256);
        if let Some((is_component, code)) =
            self.folder.as_ref().and_then(|folder| folder.read(&name))
            && let Some(program) = self.deserialize(is_component, &code)
        {
            return Ok(program);
        }
        let bytes = read_module(module)?;
        let is_component = is_component(&bytes)?;
        let not_wasm = |error: wasmtime::Error| Failure::NotWasm {
            reason: format!("{error:#}"),
        };
        let (program, code) = if is_component {
            let component = Component::new(&self.engine, &bytes).map_err(not_wasm)?;
            (self.link_component(&component)?, component.serialize())
        } else {
            let module = Module::new(&self.engine, &bytes).map_err(not_wasm)?;
            (self.link_module(&module)?, module.serialize())
        };
        if let (Some(folder), Ok(code)) = (&self.folder, code)
            && let Err(error) = folder.write(&name, is_component, &code)
        {
            tracing::warn!(%error, module.sha256 = %module.sha256, "a compiled module could not be kept on disk");
        }
        Ok(program)
    }

    /// Modules compiled by another engine or for another machine go by another name.
    fn file_name(&self, sha256: B256) -> String {
        let mut hasher = DefaultHasher::new();
        self.engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        format!("{sha256:x}-{:016x}", hasher.finish())
    }

    #[expect(
        unsafe_code,
        reason = "loading machine code: only such as this cache has written, see the head of the file"
    )]
    fn deserialize(&self, is_component: bool, code: &[u8]) -> Option<Program> {
        if is_component {
            // SAFETY: `Folder::read` has verified that these are the bytes `Folder::write` was given, which came from
            // `Component::serialize`; the engine itself checks that they are of its version and settings.
            let component = unsafe { Component::deserialize(&self.engine, code) }.ok()?;
            self.link_component(&component).ok()
        } else {
            // SAFETY: as above, from `Module::serialize`.
            let module = unsafe { Module::deserialize(&self.engine, code) }.ok()?;
            self.link_module(&module).ok()
        }
    }

    fn link_module(&self, module: &Module) -> Result<Program, Failure> {
        match module.get_export("_start") {
            Some(ExternType::Func(entry))
                if entry.params().len() == 0 && entry.results().len() == 0 => {}
            _ => {
                return Err(Failure::NotWasm {
                    reason: "it has no _start, so it is a library rather than a program".to_owned(),
                });
            }
        }
        let linked = self.modules.instantiate_pre(module);
        linked.map(Program::Module).map_err(|error| {
            match error.downcast_ref::<UnknownImportError>() {
                Some(unknown) => Failure::Import {
                    import: format!("{}.{}", unknown.module(), unknown.name()),
                },
                None => Failure::NotWasm {
                    reason: format!("{error:#}"),
                },
            }
        })
    }

    fn link_component(&self, component: &Component) -> Result<Program, Failure> {
        let mut linker = self.components.clone();
        let mut asks_for_sockets = false;
        for (name, _) in component.component_type().imports(&self.engine) {
            let interface = name.split('@').next().unwrap_or(name);
            if interface.starts_with("wasi:sockets/") {
                asks_for_sockets = true;
            } else if !wasi2::INTERFACES.contains(&interface) {
                return Err(Failure::Import {
                    import: name.to_owned(),
                });
            }
        }
        let not_wasm = |error: wasmtime::Error| Failure::NotWasm {
            reason: format!("{error:#}"),
        };
        if asks_for_sockets {
            // Many programs carry sockets along and never use them; the first use traps.
            linker
                .define_unknown_imports_as_traps(component)
                .map_err(not_wasm)?;
        }
        let linked = linker.instantiate_pre(component).map_err(not_wasm)?;
        CommandPre::new(linked)
            .map(|command| Program::Component(Box::new(command)))
            .map_err(not_wasm)
    }
}

fn read_module(module: &job::Module) -> Result<Vec<u8>, Failure> {
    let doing = || format!("reading the module {}", module.path.display());
    let mut bytes = Vec::new();
    File::open(&module.path)
        .and_then(|file| file.take(MODULE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::host(doing(), error))?;
    if bytes.len() as u64 > MODULE_BYTES {
        return Err(Failure::NotWasm {
            reason: format!("it has more than {MODULE_BYTES} bytes"),
        });
    }
    let found = B256::from_slice(&Sha256::digest(&bytes));
    if found != module.sha256 {
        return Err(Failure::WrongChecksum {
            expected: module.sha256.to_string(),
            found: found.to_string(),
        });
    }
    Ok(bytes)
}

/// Tells the two kinds of WebAssembly apart by the word after the magic number. The text format is refused: replicas
/// would have to agree on a translator too.
fn is_component(bytes: &[u8]) -> Result<bool, Failure> {
    let layer = bytes
        .strip_prefix(b"\0asm")
        .and_then(|rest| rest.first_chunk::<4>());
    match layer {
        Some([1, 0, 0, 0]) => Ok(false),
        Some([13, 0, 1, 0]) => Ok(true),
        Some(_) => Err(Failure::NotWasm {
            reason: "it is of an unknown version of WebAssembly".to_owned(),
        }),
        None => Err(Failure::NotWasm {
            reason: "it does not begin as WebAssembly does".to_owned(),
        }),
    }
}

/// The folder of compiled programs.
struct Folder {
    path: PathBuf,
    key: [u8; 32],
}

/// First bytes of each file, then the HMAC, then one byte for the kind, then the code.
const MAGIC: &[u8] = b"oxec compiled 1\n";
const TAG_BYTES: usize = 32;

impl Folder {
    fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        let key = Self::key(&path.join("key"))?;
        Ok(Self {
            path: path.to_path_buf(),
            key,
        })
    }

    fn key(path: &Path) -> io::Result<[u8; 32]> {
        if let Some(key) = fs::read(path)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        {
            return Ok(key);
        }
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        let _ = fs::remove_file(path);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?
            .write_all(&key)?;
        Ok(key)
    }

    fn tag(&self, name: &str, kind: u8, code: &[u8]) -> [u8; TAG_BYTES] {
        // HMAC-SHA256; the name is covered too, so that files cannot be exchanged.
        let pad = |byte: u8| {
            let mut pad = [byte; 64];
            for (padded, key) in pad.iter_mut().zip(self.key) {
                *padded ^= key;
            }
            pad
        };
        let mut inner = Sha256::new();
        inner.update(pad(0x36));
        inner.update((name.len() as u64).to_be_bytes());
        inner.update(name);
        inner.update([kind]);
        inner.update(code);
        let mut outer = Sha256::new();
        outer.update(pad(0x5c));
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// Whether it is a component, and its code, if there is such a file and it is ours.
    fn read(&self, name: &str) -> Option<(bool, Vec<u8>)> {
        let mut bytes = fs::read(self.path.join(name)).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (tag, rest) = rest.split_first_chunk::<TAG_BYTES>()?;
        let (kind, code) = rest.split_first()?;
        if self.tag(name, *kind, code) != *tag {
            tracing::warn!(file = %self.path.join(name).display(), "a compiled module was changed by others, compiling anew");
            return None;
        }
        let kind = *kind;
        bytes.drain(..MAGIC.len() + TAG_BYTES + 1);
        Some((kind == 1, bytes))
    }

    fn write(&self, name: &str, is_component: bool, code: &[u8]) -> io::Result<()> {
        let kind = u8::from(is_component);
        let unfinished = self
            .path
            .join(format!("{name}.{}.part", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(MAGIC)?;
        file.write_all(&self.tag(name, kind, code))?;
        file.write_all(&[kind])?;
        file.write_all(code)?;
        fs::rename(unfinished, self.path.join(name))
    }
}
