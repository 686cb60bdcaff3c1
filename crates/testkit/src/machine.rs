//! What may be wrong with a machine under a process: a disk that fills up, a clock that jumps.
//!
//! Neither needs a privilege: the disk is a small tmpfs in a mount namespace of its own, held by a process that outlives
//! those that use it, so that what is killed finds its files again; the clock is Debian's libfaketime, fetched with
//! `apt-get download` where it is not installed. Where one of them cannot be had, that is said aloud and `None` comes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::process::{Keeper, Plan, Process};

/// A small disk, there until unmounted.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Holds the mount.
    holder: Process,
    id: u32,
    folder: PathBuf,
}

impl Disk {
    /// A disk of so many bytes at `folder`, for processes that share its mounts; `None` where nothing can be mounted.
    pub async fn mount(keeper: &Keeper, folder: &Path, bytes: u64) -> anyhow::Result<Option<Self>> {
        let tried = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .args(["mount", "-t", "tmpfs", "none", "/tmp"])
            .stderr(Stdio::null())
            .status();
        if !tried.is_ok_and(|status| status.success()) {
            eprintln!(
                "SKIPPED: nothing can be mounted here (unshare --user --mount), so no disk fills up"
            );
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        let script =
            "mount -t tmpfs -o size=\"$1\" none \"$2\" && echo '{}' && exec sleep infinity";
        let plan = Plan::new("disk", "unshare")
            .arguments(["--user", "--map-root-user", "--mount"])
            // Becoming another user inside takes back what was asked of the kernel before.
            .arguments([
                "setpriv",
                "--pdeathsig",
                "KILL",
                "--",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arguments([bytes.to_string()])
            .arguments([folder]);
        let holder = keeper.start(plan)?;
        holder.serving().await?;
        let id = holder.id().context("the disk is held")?;
        Ok(Some(Self {
            holder,
            id,
            folder: folder.to_owned(),
        }))
    }

    /// A process that has this disk in the place of its folder.
    #[must_use]
    pub fn under(&self, mut plan: Plan) -> Plan {
        plan.mounts_of = Some(self.id);
        plan
    }

    /// Its folder as seen from here.
    pub fn folder(&self) -> PathBuf {
        let mut seen = PathBuf::from(format!("/proc/{}/root", self.id));
        seen.extend(self.folder.components().skip(1));
        seen
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) -> anyhow::Result<()> {
        let block = vec![7; 4096];
        let mut ballast = fs::File::create(self.folder().join("ballast"))?;
        while std::io::Write::write_all(&mut ballast, &block).is_ok() {}
        Ok(())
    }

    /// Makes room again.
    pub fn free(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.folder().join("ballast")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("the disk cannot be freed")
            }
            _ => Ok(()),
        }
    }

    /// Unmounts it.
    pub async fn unmount(&self) -> anyhow::Result<()> {
        self.holder.stop().await.map(drop)
    }
}

/// A clock of its own for some processes: the machine's, and an offset that changes when told.
#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that goes right for now; `None` where there is no libfaketime. `folder` keeps it.
    pub fn new(folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(library) = libfaketime(folder)? else {
            eprintln!(
                "SKIPPED: libfaketime is not here and cannot be fetched (`apt-get install faketime`), so no clock jumps"
            );
            return Ok(None);
        };
        let clock = Self {
            library,
            file: folder.join("clock"),
        };
        clock.jump(0)?;
        Ok(Some(clock))
    }

    /// A process that goes by this clock.
    #[must_use]
    pub fn under(&self, plan: Plan) -> Plan {
        plan.environment("LD_PRELOAD", &self.library)
            .environment("FAKETIME_TIMESTAMP_FILE", &self.file)
            .environment("FAKETIME_NO_CACHE", "1")
            // A clock that is set does not change how long a second takes, and no timer goes by the time of day.
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// From now on it is wrong by so many seconds.
    pub fn jump(&self, secs: i64) -> anyhow::Result<()> {
        let part = self.file.with_extension("part");
        fs::write(&part, format!("{secs:+}\n"))?;
        fs::rename(part, &self.file).context("the clock cannot be set")
    }
}

/// The library, installed or fetched.
fn libfaketime(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let find = |root: &Path| {
        let libraries = fs::read_dir(root.join("usr/lib")).ok()?;
        libraries
            .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|path| path.exists())
    };
    if let Some(path) = find(Path::new("/")) {
        return Ok(Some(path));
    }
    fs::create_dir_all(folder)?;
    let run = |program: &str, words: &[&str]| -> anyhow::Result<()> {
        let status = Command::new(program)
            .args(words)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "{program} ends with {status}");
        Ok(())
    };
    let fetched = run("apt-get", &["download", "libfaketime"])
        .and_then(|()| run("sh", &["-c", "dpkg-deb -x libfaketime_*.deb faketime"]));
    Ok(fetched.ok().and_then(|()| find(&folder.join("faketime"))))
}
