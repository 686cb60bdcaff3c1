//! The chain on disk: one file, `chain.log`, to which every change is appended before anybody hears of it.
//!
//! A record is a length, a checksum and a payload (a tag and RLP). Opening the folder reads the records in order and
//! does again what they say; nothing is executed again, the state changes are in the blocks' records. There is no
//! second file to disagree with the first. What happens together is written as one record that holds the others, so a
//! process killed in the middle of writing leaves all of it or nothing.
//!
//! What survives what: a record is handed to the operating system before the transaction's sender gets an answer, so a
//! killed process loses nothing that was answered. Against a power failure the file is synced in the background, a
//! fraction of a second later. A record cut off at the end of the file is dropped, as are zeros there (what a power
//! failure leaves of pages that were never written); one damaged in the middle is an error, because what follows was
//! answered.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

use crate::block::{StoredBlock, StoredTransaction};
use crate::ledger::Change;

const FILE: &str = "chain.log";
/// Length, the length's complement, checksum: four bytes each.
const HEAD: usize = 12;
/// Longer than any record can be; a length beyond it is damage.
const RECORD_LIMIT: u32 = 1 << 30;
/// How long written records may wait for the disk.
const SYNC_PAUSE: Duration = Duration::from_millis(100);

/// How the first block is made.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Founding {
    pub(crate) chain_id: u64,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: u64,
    pub(crate) block_gas_limit: u64,
    pub(crate) accounts: u32,
    pub(crate) balance: U256,
}

/// The clock as it was set: what is added to the time of day, and the next block's timestamp if one was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredClock {
    /// Two's complement.
    pub(crate) offset: u64,
    /// Zero: none.
    pub(crate) next: u64,
}

/// What the next blocks were told to be. Zero is what was not said, and a number is stored as one more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredSettings {
    pub(crate) block_gas_limit: u64,
    next_base_fee: u128,
    timestamp_interval: u128,
}

impl StoredSettings {
    pub(crate) fn new(
        block_gas_limit: u64,
        next_base_fee: Option<u64>,
        timestamp_interval: Option<u64>,
    ) -> StoredSettings {
        let more = |number: Option<u64>| number.map_or(0, |number| u128::from(number) + 1);
        StoredSettings {
            block_gas_limit,
            next_base_fee: more(next_base_fee),
            timestamp_interval: more(timestamp_interval),
        }
    }

    pub(crate) fn next_base_fee(self) -> Option<u64> {
        u64::try_from(self.next_base_fee.checked_sub(1)?).ok()
    }

    pub(crate) fn timestamp_interval(self) -> Option<u64> {
        u64::try_from(self.timestamp_interval.checked_sub(1)?).ok()
    }
}

/// Everything after this position of the journal was undone, and the snapshots from this number on were used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredRewind {
    pub(crate) position: u64,
    pub(crate) snapshots_from: u64,
}

/// One thing that happened.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every record is a block's, and none is kept"
)]
pub(crate) enum Record {
    /// The chain began. Always the first.
    Founded(Founding),
    /// Genesis was played to its end; the text says where the contracts stand, as JSON, or is empty.
    Ready(String),
    /// A block was made, and changed the state so.
    Block(StoredBlock, Change),
    /// A transaction was taken in and waits.
    Waiting(StoredTransaction),
    /// A waiting transaction was thrown out.
    Dropped(B256),
    /// The clock was set.
    Clock(StoredClock),
    /// The state was changed from outside.
    Edited(Change),
    /// A snapshot with this number was taken.
    Snapshot(u64),
    /// Changes were undone.
    Rewound(StoredRewind),
    /// The next blocks were told how to be.
    Settings(StoredSettings),
}

/// The tag of a record that holds others, each behind its length.
const TOGETHER: u8 = 9;

#[derive(RlpEncodable, RlpDecodable)]
struct BlockAndChange {
    block: StoredBlock,
    change: Change,
}

impl Record {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Founded(founding) => tagged(0, founding, out),
            Record::Ready(deployment) => tagged(1, deployment, out),
            Record::Block(block, change) => {
                out.push(2);
                alloy_rlp::Header {
                    list: true,
                    payload_length: block.length() + change.length(),
                }
                .encode(out);
                block.encode(out);
                change.encode(out);
            }
            Record::Waiting(transaction) => tagged(3, transaction, out),
            Record::Dropped(hash) => tagged(4, hash, out),
            Record::Clock(clock) => tagged(5, clock, out),
            Record::Edited(change) => tagged(6, change, out),
            Record::Snapshot(number) => tagged(7, number, out),
            Record::Rewound(rewind) => tagged(8, rewind, out),
            Record::Settings(settings) => tagged(10, settings, out),
        }
    }

    /// Appends these in one frame. `None` if they are too long for one.
    fn frame(records: &[Record], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend([0; HEAD]);
        if let [record] = records {
            record.write(out);
        } else {
            out.push(TOGETHER);
            for record in records {
                let at = out.len();
                out.extend([0; 4]);
                record.write(out);
                let length = u32::try_from(out.len() - at - 4).ok()?;
                out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        let payload = &out[start + HEAD..];
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|length| *length <= RECORD_LIMIT)?;
        let sum = checksum(payload);
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4..start + 8].copy_from_slice(&(!length).to_be_bytes());
        out[start + 8..start + HEAD].copy_from_slice(&sum);
        Some(())
    }

    /// The records of one frame.
    fn unframe(payload: &[u8]) -> Option<Vec<Record>> {
        let Some((&TOGETHER, mut rest)) = payload.split_first() else {
            return Some(vec![Record::read(payload)?]);
        };
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (length, behind) = rest.split_first_chunk()?;
            let (record, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            records.push(Record::read(record)?);
            rest = behind;
        }
        Some(records)
    }

    fn read(payload: &[u8]) -> Option<Record> {
        let (tag, mut body) = payload.split_first()?;
        let body = &mut body;
        let record = match tag {
            0 => Record::Founded(Decodable::decode(body).ok()?),
            1 => Record::Ready(Decodable::decode(body).ok()?),
            2 => {
                let BlockAndChange { block, change } = Decodable::decode(body).ok()?;
                Record::Block(block, change)
            }
            3 => Record::Waiting(Decodable::decode(body).ok()?),
            4 => Record::Dropped(Decodable::decode(body).ok()?),
            5 => Record::Clock(Decodable::decode(body).ok()?),
            6 => Record::Edited(Decodable::decode(body).ok()?),
            7 => Record::Snapshot(Decodable::decode(body).ok()?),
            8 => Record::Rewound(Decodable::decode(body).ok()?),
            10 => Record::Settings(Decodable::decode(body).ok()?),
            _ => return None,
        };
        body.is_empty().then_some(record)
    }
}

fn tagged(tag: u8, body: &impl Encodable, out: &mut Vec<u8>) {
    out.push(tag);
    body.encode(out);
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    let digest = keccak256(payload);
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("could not use {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another process uses {}", path.display())]
    InUse { path: PathBuf },
    #[error("{} is damaged at byte {at}, and records follow", path.display())]
    Damaged { path: PathBuf, at: u64 },
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the file may end in a piece of a record that could not be written whole.
    torn: bool,
    buffer: Vec<u8>,
    syncer: Syncer,
}

impl Store {
    /// Opens or makes the folder's file and hands each record to `each`, in order.
    pub(crate) fn open(folder: &Path, mut each: impl FnMut(Record)) -> Result<Store, StoreError> {
        let path = folder.join(FILE);
        let failed = |source| StoreError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let total = file.metadata().map_err(failed)?.len();
        let mut reader = Frames {
            reader: BufReader::with_capacity(1 << 20, &mut file),
            at: 0,
            total,
            payload: Vec::new(),
        };
        let mut damaged = None;
        while let Some(frame) = reader.next().map_err(failed)? {
            let records = match frame {
                Frame::Whole => Record::unframe(&reader.payload),
                Frame::Broken => None,
                Frame::Nonsense => {
                    return Err(StoreError::Damaged {
                        path: path.clone(),
                        at: reader.at,
                    });
                }
            };
            match (records, damaged) {
                (Some(records), None) => records.into_iter().for_each(&mut each),
                // A broken record followed by a whole one was not cut off, it was damaged.
                (Some(_), Some(at)) => {
                    return Err(StoreError::Damaged {
                        path: path.clone(),
                        at,
                    });
                }
                (None, _) => {
                    damaged.get_or_insert(reader.start());
                }
            }
        }
        let end = damaged.unwrap_or(reader.at);
        drop(reader);
        if end < total {
            tracing::warn!(
                path = %path.display(),
                dropped_bytes = total - end,
                "the chain's file ended in the middle of a record; the remainder was dropped"
            );
            file.set_len(end).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        let syncer = Syncer::start(file.try_clone().map_err(failed)?).map_err(failed)?;
        Ok(Store {
            path,
            file,
            length: end,
            torn: false,
            buffer: Vec::new(),
            syncer,
        })
    }

    /// Hands records to the operating system, as one: whatever happens, all of them will be read again, or none.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.append_frames(std::iter::once(records))
    }

    /// Hands records to the operating system that need not stand together: a process killed meanwhile may leave the
    /// first of them.
    pub(crate) fn append_apart(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.append_frames(records.chunks(1))
    }

    fn append_frames<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a [Record]>,
    ) -> Result<(), StoreError> {
        self.buffer.clear();
        for records in frames.filter(|records| !records.is_empty()) {
            if Record::frame(records, &mut self.buffer).is_none() {
                return Err(self.failed(io::Error::other("the record is too long")));
            }
        }
        if self.torn {
            self.mend().map_err(|source| self.failed(source))?;
        }
        if let Err(source) = self.file.write_all(&self.buffer) {
            // Whatever was written of it must not stand before the next record. Should it not go away now, it has to
            // before anything else is written.
            self.torn = true;
            let _ = self.mend();
            return Err(self.failed(source));
        }
        self.length += self.buffer.len() as u64;
        self.buffer.shrink_to(1 << 20);
        self.syncer.wake();
        Ok(())
    }

    /// Lets the file end where the last whole record does.
    fn mend(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.torn = false;
        Ok(())
    }

    /// Empties the file: a chain whose genesis was not played to its end is begun anew.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .map_err(|source| self.failed(source))?;
        self.length = 0;
        Ok(())
    }

    /// Waits until everything written is on the disk itself.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|source| self.failed(source))
    }

    /// Lets a test take the disk away, and put it back.
    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Frame {
    Whole,
    /// The payload is not what was written.
    Broken,
    /// There is no record here, and not because the file ends.
    Nonsense,
}

struct Frames<R> {
    reader: R,
    /// Where the last frame ended.
    at: u64,
    total: u64,
    payload: Vec<u8>,
}

impl<R: Read> Frames<R> {
    fn start(&self) -> u64 {
        self.at - (HEAD + self.payload.len()) as u64
    }

    /// `None` at the end of the file, or where a frame reaches beyond it.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        if self.at + HEAD as u64 > self.total {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.reader.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if head[4..8] != (!length).to_be_bytes() || length > RECORD_LIMIT {
            // A file system that lost power may have left nothing but zeros at the end, from some byte of the head on.
            // In the middle, zeros are damage like any other.
            return Ok(if head[8..] == [0; 4] && self.only_zeros_follow()? {
                None
            } else {
                Some(Frame::Nonsense)
            });
        }
        let end = self.at + HEAD as u64 + u64::from(length);
        if end > self.total {
            return Ok(None);
        }
        self.payload.resize(length as usize, 0);
        self.reader.read_exact(&mut self.payload)?;
        self.at = end;
        Ok(Some(if checksum(&self.payload) == head[8..] {
            Frame::Whole
        } else {
            Frame::Broken
        }))
    }
}

impl<R: Read> Frames<R> {
    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        let mut piece = vec![0; 1 << 16];
        loop {
            match self.reader.read(&mut piece) {
                Ok(0) => return Ok(true),
                Ok(read) if piece[..read].iter().any(|byte| *byte != 0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A thread that syncs the file some time after it was written, and once more when it is dropped.
#[derive(Debug)]
struct Syncer {
    shared: Arc<(Mutex<Wanted>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Wanted {
    sync: bool,
    stop: bool,
}

impl Syncer {
    fn start(file: File) -> io::Result<Syncer> {
        let shared = Arc::new((Mutex::new(Wanted::default()), Condvar::new()));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("devchain-sync".to_owned())
            .spawn(move || {
                let (wanted, changed) = &*theirs;
                loop {
                    let mut now = wanted.lock().unwrap_or_else(PoisonError::into_inner);
                    while !now.sync && !now.stop {
                        now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
                    }
                    let stop = now.stop;
                    now.sync = false;
                    if !stop {
                        // Whatever else is written meanwhile shares the sync.
                        now = changed
                            .wait_timeout_while(now, SYNC_PAUSE, |now| !now.stop)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0;
                        now.sync = false;
                    }
                    drop(now);
                    if let Err(error) = file.sync_data() {
                        tracing::warn!(%error, "could not sync the chain's file");
                    }
                    if stop {
                        return;
                    }
                }
            })?;
        Ok(Syncer {
            shared,
            thread: Some(thread),
        })
    }

    fn wake(&self) {
        let (wanted, changed) = &*self.shared;
        let mut now = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if !now.sync {
            now.sync = true;
            changed.notify_one();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        let (wanted, changed) = &*self.shared;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, numbers: std::ops::Range<u64>) {
        let mut store = Store::open(folder, |_| {}).unwrap();
        for number in numbers {
            store.append(&[Record::Snapshot(number)]).unwrap();
        }
    }

    fn read(folder: &Path) -> Result<Vec<u64>, StoreError> {
        let mut numbers = Vec::new();
        Store::open(folder, |record| {
            if let Record::Snapshot(number) = record {
                numbers.push(number);
            }
        })?;
        Ok(numbers)
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 1..4);
        written(folder.path(), 4..6);
        assert_eq!(read(folder.path()).unwrap(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_record_cut_off_at_any_byte_is_dropped_and_the_file_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        written(folder.path(), 1..3);
        let one = std::fs::metadata(&path).unwrap().len() / 2;
        for kept in one..2 * one {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(kept)
                .unwrap();
            assert_eq!(read(folder.path()).unwrap(), [1], "{kept} bytes kept");
            written(folder.path(), 2..3);
            assert_eq!(read(folder.path()).unwrap(), [1, 2]);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_is_written_behind_a_piece_of_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), |_| {}).unwrap();
        store.append(&[Record::Snapshot(1)]).unwrap();
        // Half a record got through, and the disk does not let go of it.
        store.file.write_all(&[1, 2, 3]).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let disk = store.swap_file(full);
        for _ in 0..2 {
            assert!(store.append(&[Record::Snapshot(2)]).is_err());
        }
        store.swap_file(disk);
        store.append(&[Record::Snapshot(3)]).unwrap();
        drop(store);
        assert_eq!(read(folder.path()).unwrap(), [1, 3]);
    }

    #[test]
    fn damage_before_whole_records_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        written(folder.path(), 1..4);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEAD + 1] ^= 1; // the payload of the first
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(StoreError::Damaged { at: 0, .. })
        ));
    }

    #[test]
    fn a_hole_of_zeros_is_an_error_wherever_records_follow_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        written(folder.path(), 1..5);
        let whole = std::fs::read(&path).unwrap();
        let one = whole.len() / 4;
        // From any byte of the second record, to anywhere before the last one.
        for start in one..2 * one {
            for end in start + HEAD..=3 * one {
                let mut bytes = whole.clone();
                bytes[start..end].fill(0);
                if bytes == whole {
                    continue;
                }
                std::fs::write(&path, &bytes).unwrap();
                let read = read(folder.path());
                assert!(
                    matches!(read, Err(StoreError::Damaged { .. })),
                    "zeros from {start} to {end}: {read:?}"
                );
                assert_eq!(
                    std::fs::read(&path).unwrap(),
                    bytes,
                    "nothing is thrown away"
                );
            }
        }
    }

    #[test]
    fn zeros_up_to_the_end_are_dropped_from_whatever_byte_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        written(folder.path(), 1..4);
        let whole = std::fs::read(&path).unwrap();
        let one = whole.len() / 3;
        for start in one..2 * one {
            let mut bytes = whole.clone();
            bytes[start..].fill(0);
            bytes.extend([0; 5_000]);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(folder.path()).unwrap(), [1], "zeros from {start}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), one as u64);
        }
    }

    #[test]
    fn what_is_appended_together_is_cut_off_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        written(folder.path(), 1..2);
        let one = std::fs::metadata(&path).unwrap().len();
        let mut store = Store::open(folder.path(), |_| {}).unwrap();
        store.append(&[2, 3, 4].map(Record::Snapshot)).unwrap();
        store.append(&[]).unwrap();
        drop(store);
        assert_eq!(read(folder.path()).unwrap(), [1, 2, 3, 4]);
        let whole = std::fs::read(&path).unwrap();
        for kept in one as usize..whole.len() {
            std::fs::write(&path, &whole[..kept]).unwrap();
            assert_eq!(read(folder.path()).unwrap(), [1], "{kept} bytes kept");
        }
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Store::open(folder.path(), |_| {}).unwrap();
        assert!(matches!(
            Store::open(folder.path(), |_| {}),
            Err(StoreError::InUse { .. })
        ));
    }
}
