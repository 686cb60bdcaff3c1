//! What of each task is on disk, so that a worker that was stopped or killed goes on where it was.
//!
//! One folder per task, one small file in it, replaced as a whole and synced before the step it allows is taken: a
//! digest is in the journal before it is contributed. What is not written down is either cheap to do again (fetching,
//! computing) or asked of the chain, which is the truth (was that contribution mined?).
//!
//! ```text
//! <folder>/tasks/<task id>/journal.json    where the task is
//!                          result.zip      what it came to, from Computed on
//!                          run/            the sandbox's folder, while computing
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::ids::TaskId;
use protocol::result::Digest;
use sdk::wire::pool::Assignment;
use serde::{Deserialize, Serialize};

use crate::conduct::Stage;

const FILE: &str = "journal.json";

/// A task this worker holds, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub assignment: Assignment,
    pub reached: Reached,
}

/// How far a task has come. Fetched is not among them: what was fetched lies in the cache, or is fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reached {
    Assigned,
    /// From here on the task is never computed again: another digest would contradict this one.
    Computed {
        digest: Digest,
    },
    /// The contribution is being sent, and may be mined whatever is heard of it.
    Contributing {
        digest: Digest,
    },
    Contributed {
        digest: Digest,
    },
    Revealed {
        digest: Digest,
    },
    Uploaded {
        digest: Digest,
    },
}

impl Reached {
    /// Whether a stake hangs on it, or may: a claim was sent that must be revealed, or be lost.
    #[must_use]
    pub fn is_staked(self) -> bool {
        match self {
            Self::Assigned | Self::Computed { .. } => false,
            Self::Contributing { .. }
            | Self::Contributed { .. }
            | Self::Revealed { .. }
            | Self::Uploaded { .. } => true,
        }
    }

    /// The stage, without what is known at it.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Self::Assigned => Stage::Assigned,
            Self::Computed { .. } | Self::Contributing { .. } => Stage::Computed,
            Self::Contributed { .. } => Stage::Contributed,
            Self::Revealed { .. } => Stage::Revealed,
            Self::Uploaded { .. } => Stage::Uploaded,
        }
    }
}

impl Entry {
    /// Which task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.assignment.task
    }
}

/// The tasks in a worker's folder.
#[derive(Debug, Clone)]
pub struct Journal {
    tasks: PathBuf,
}

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct JournalError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Journal {
    /// The journal of a worker's folder.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let tasks = folder.join("tasks");
        fs::create_dir_all(&tasks).map_err(error("make the folder", &tasks))?;
        Ok(Self { tasks })
    }

    /// A task's own folder.
    #[must_use]
    pub fn folder(&self, task: TaskId) -> PathBuf {
        self.tasks.join(task.to_string())
    }

    /// The zip of a task's result, there from `Computed` on.
    #[must_use]
    pub fn result(&self, task: TaskId) -> PathBuf {
        self.folder(task).join("result.zip")
    }

    /// Every task held. A folder without a journal is swept: its writing was never finished, so nothing was contributed
    /// on the strength of it. One with a journal that makes no sense (of another version, tampered with) is moved to
    /// `unreadable` beside the tasks, for its owner to look at: a stake may hang on it. So it may on a journal that the
    /// disk does not give, which is an error.
    pub fn load(&self) -> Result<Vec<Entry>, JournalError> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(&self.tasks).map_err(error("list", &self.tasks))? {
            let folder = folder.map_err(error("list", &self.tasks))?.path();
            let path = folder.join(FILE);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(source) if source.kind() == io::ErrorKind::NotFound => {
                    fs::remove_dir_all(&folder).map_err(error("sweep", &folder))?;
                    continue;
                }
                Err(source) => return Err(error("read", &path)(source)),
            };
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(entry) if self.folder(entry.task()) == folder => entries.push(entry),
                found => {
                    let aside = self.set_aside(&folder)?;
                    tracing::warn!(
                        folder = %aside.display(),
                        why = ?found.err(),
                        "a task's journal cannot be read, the task is not gone on with; its folder is kept"
                    );
                }
            }
        }
        // The same order after every restart.
        entries.sort_by_key(Entry::task);
        Ok(entries)
    }

    /// One task's entry, if it can be read.
    #[must_use]
    pub fn entry(&self, task: TaskId) -> Option<Entry> {
        let bytes = fs::read(self.folder(task).join(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Moves a folder out of the way, and says where to.
    fn set_aside(&self, folder: &Path) -> Result<PathBuf, JournalError> {
        let place = self.tasks.with_file_name("unreadable");
        fs::create_dir_all(&place).map_err(error("make the folder", &place))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let free = (0_u32..)
            .map(|number| match number {
                0 => place.join(&*name),
                number => place.join(format!("{name}-{number}")),
            })
            .find(|path| !path.exists())
            .unwrap_or_else(|| place.join(&*name));
        fs::rename(folder, &free).map_err(error("set aside", folder))?;
        Ok(free)
    }

    /// Writes a task down; on disk when this returns.
    pub fn save(&self, entry: &Entry) -> Result<(), JournalError> {
        let folder = self.folder(entry.task());
        let is_new = !folder.exists();
        fs::create_dir_all(&folder).map_err(error("make the folder", &folder))?;
        let unfinished = folder.join("journal.json.part");
        let path = folder.join(FILE);
        let done = (|| {
            let mut file = File::create(&unfinished)?;
            file.write_all(&serde_json::to_vec(entry)?)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&folder)?.sync_all()?;
            if is_new {
                File::open(&self.tasks)?.sync_all()?;
            }
            Ok(())
        })();
        done.map_err(error("write", &path))
    }

    /// Forgets a task and everything in its folder.
    pub fn remove(&self, task: TaskId) -> Result<(), JournalError> {
        let folder = self.folder(task);
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(error("sweep", &folder)(source))
            }
            _ => Ok(()),
        }
    }
}

fn error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use protocol::ids::DealId;
    use sdk::wire::pool::PinnedBlob;

    use super::*;

    fn entry(number: u8, reached: Reached) -> Entry {
        let assignment = Assignment {
            task: TaskId(B256::repeat_byte(number)),
            deal: DealId(B256::repeat_byte(9)),
            index: 3,
            authorization: Bytes::from(vec![1; 65]),
            enclave_challenge: Address::ZERO,
            one_step: false,
            app: PinnedBlob {
                cid: "bafkrei".to_owned(),
                length: 7,
                sha256: B256::ZERO,
            },
            inputs: Vec::new(),
        };
        Entry {
            assignment,
            reached,
        }
    }

    #[test]
    fn every_stage_reads_back_as_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let digest = Digest(B256::repeat_byte(4));
        let stages = [
            Reached::Assigned,
            Reached::Computed { digest },
            Reached::Contributing { digest },
            Reached::Contributed { digest },
            Reached::Revealed { digest },
            Reached::Uploaded { digest },
        ];
        let journal = Journal::open(folder.path()).expect("opened");
        for reached in stages {
            journal.save(&entry(1, reached)).expect("saved");
            let again = Journal::open(folder.path()).expect("opened");
            assert_eq!(again.load().expect("loaded"), [entry(1, reached)]);
        }
        journal.save(&entry(0, Reached::Assigned)).expect("saved");
        assert_eq!(journal.load().expect("loaded").len(), 2);
        journal
            .remove(entry(1, Reached::Assigned).task())
            .expect("removed");
        journal
            .remove(entry(1, Reached::Assigned).task())
            .expect("removing twice is the same");
        assert_eq!(
            journal.load().expect("loaded"),
            [entry(0, Reached::Assigned)]
        );
    }

    #[test]
    fn an_unfinished_write_leaves_the_stage_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("opened");
        let kept = entry(1, Reached::Assigned);
        journal.save(&kept).expect("saved");
        fs::write(
            journal.folder(kept.task()).join("journal.json.part"),
            "{\"assig",
        )
        .expect("written");
        assert_eq!(journal.load().expect("loaded"), [kept]);
    }

    #[test]
    fn a_journal_that_makes_no_sense_is_set_aside_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("opened");
        let torn = journal.folder(TaskId(B256::repeat_byte(2)));
        fs::create_dir_all(&torn).expect("made");
        fs::write(torn.join(FILE), "{").expect("written");
        assert_eq!(journal.load().expect("loaded"), []);
        assert!(!torn.exists());
        let aside = folder.path().join("unreadable");
        assert_eq!(fs::read_dir(aside).expect("kept").count(), 1);
    }

    #[test]
    fn a_journal_that_the_disk_does_not_give_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(folder.path()).expect("opened");
        // A folder in its place: there, and not readable as a file, whoever asks.
        let unreadable = journal.folder(TaskId(B256::repeat_byte(2))).join(FILE);
        fs::create_dir_all(&unreadable).expect("made");
        journal.load().expect_err("a stake may hang on it");
        assert!(unreadable.exists());
    }
}
