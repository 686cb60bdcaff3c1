//! What a pool and its workers say to each other.
//!
//! A worker opens one WebSocket to its pool (`GET /worker`) and keeps it: outbound only, so that it works behind
//! NAT. Frames are JSON texts, [`ToWorker`] one way and [`ToPool`] the other. First the pool sends a
//! [`ToWorker::Challenge`]; the worker proves its key by [`ToPool::Hello`]; nothing else is heard before
//! [`ToWorker::Welcome`].
//!
//! ```text
//! pool                                   worker
//!  │ Challenge ──────────────────────────► │
//!  │ ◄────────────────────────────── Hello │   signed, names the tasks it still holds after a restart
//!  │ Welcome ────────────────────────────► │
//!  │ Assign(task, authorization) ────────► │   fetch, verify, compute
//!  │ ◄─────────── Accepted / Declined      │
//!  │ ◄─────────── Contributed / Failed     │   (its own transaction)
//!  │ Reveal ─────────────────────────────► │   consensus is on chain; the worker looks for itself
//!  │ ◄─────────── Revealed                 │   (its own transaction)
//!  │ Upload ─────────────────────────────► │   PUT /results/{task}, streamed
//!  │ ◄─────────── Uploaded                 │
//!  │ Settled / Abandon ──────────────────► │   the worker forgets the task
//! ```
//!
//! Where one worker is enough (trust 1), the bytes go first and two transactions are saved:
//!
//! ```text
//!  │ Assign(…, one_step) ────────────────► │   while `initialize` is still on its way; fetch, verify, compute
//!  │ ◄──────────────── PUT /results/{task} │
//!  │ Initialized ────────────────────────► │
//!  │                                       │   contributeAndFinalize (its own transaction)
//!  │ Settled ────────────────────────────► │
//! ```
//!
//! A message is a hint, never the truth: the chain is. Each side checks there what concerns its money before it acts,
//! so a repeated, late or lost message costs time and nothing else. What the assignment holds is what the chain does
//! not: the pinned inputs and the pool's authorization. The application, the parameters and the deadlines the worker
//! reads from the deal.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use protocol::{
    deployment::Deployment,
    ids::{DealId, TaskId},
};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// `GET /pool`: what a worker or a requester must know to deal with this pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolInfo {
    /// The workerpool entry on chain.
    pub workerpool: Address,
    /// Its owner, whose key signs authorizations.
    pub owner: Address,
    /// What the entry says of itself.
    pub description: String,
    /// The contracts this pool settles on.
    pub deployment: Deployment,
    /// A JSON-RPC endpoint of that chain that workers may use (they may prefer their own).
    pub rpc: Url,
    /// The runtime profile every replica must share, so that equal work gives equal digests.
    pub runtime_profile: String,
    /// Workers connected at this moment.
    pub workers: u32,
}

impl PoolInfo {
    /// The chain's endpoint for somebody who reached the pool at `pool`: an endpoint on the pool's own machine
    /// (loopback, or "any address") is meant as that machine, wherever the reader stands.
    #[must_use]
    pub fn rpc_seen_from(&self, pool: &Url) -> Url {
        let own = match self.rpc.host() {
            Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
            Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let mut rpc = self.rpc.clone();
        if own && rpc.set_host(pool.host_str()).is_err() {
            return self.rpc.clone();
        }
        rpc
    }
}

/// A frame from the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Sign this to prove your key; fresh for every connection.
    Challenge { nonce: B256 },
    /// You are heard. `keep` lists those of your held tasks that are still worth going on with; forget the others.
    Welcome { keep: Vec<TaskId> },
    /// You are not, and why; the connection closes after this.
    Refused { reason: String },
    /// Work. Answer [`ToPool::Accepted`] or [`ToPool::Declined`] at once.
    Assign(Box<Assignment>),
    /// The task is on chain now; whoever waits for that to contribute may go on.
    Initialized { task: TaskId },
    /// The task reached consensus: look at the chain, and reveal if the consensus is yours.
    Reveal { task: TaskId },
    /// Send the result's bytes to `PUT /results/{task}`.
    Upload { task: TaskId },
    /// Stop working on this task; nothing more is wanted of you.
    Abandon { task: TaskId, reason: String },
    /// The task is over on chain.
    Settled { task: TaskId },
}

/// A frame from the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPool {
    /// Who I am. `signature` is an EIP-191 signature over [`hello_digest`].
    Hello {
        worker: Address,
        signature: Bytes,
        /// Must equal the pool's [`PoolInfo::runtime_profile`].
        runtime_profile: String,
        /// How many tasks at once, at least 1.
        slots: u32,
        /// Tasks in this worker's journal, from before a restart or a lost connection.
        holding: Vec<TaskId>,
    },
    Accepted {
        task: TaskId,
    },
    /// Not for me (limits, terms, no money for the stake); give it to another at once.
    Declined {
        task: TaskId,
        reason: String,
    },
    /// The sandbox has started.
    Computing {
        task: TaskId,
    },
    /// My contribution is on chain.
    Contributed {
        task: TaskId,
    },
    /// It failed here; nothing was contributed.
    Failed {
        task: TaskId,
        failure: TaskFailure,
    },
    /// My digest is on chain.
    Revealed {
        task: TaskId,
    },
    /// The result's bytes are with you.
    Uploaded {
        task: TaskId,
    },
}

/// One task for one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub task: TaskId,
    pub deal: DealId,
    /// Index of the task within its request order: `bot_first ≤ index < bot_first + bot_size`.
    pub index: u64,
    /// The pool's EIP-191 signature over keccak256(worker ‖ task ‖ enclave challenge), for `contribute`.
    pub authorization: Bytes,
    /// Zero: no enclave.
    pub enclave_challenge: Address,
    /// The pool takes the result's bytes before anything of it is on chain, and the worker then ends the task by one
    /// transaction, `contributeAndFinalize`. Only where the deal's trust is 1. A worker that would rather not, or
    /// whose upload is not taken, contributes as ever.
    #[serde(default)]
    pub one_step: bool,
    /// Address of the application's module at the pool's blob door (`/ipfs/<cid>`); its sha256 must be the checksum on chain.
    pub app: PinnedBlob,
    /// The inputs in the order of `iexec_input_files`, pinned by the pool: every worker gets the same bytes.
    pub inputs: Vec<PinnedInput>,
}

/// Bytes at the pool's blob door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedBlob {
    /// CIDv1, as text.
    pub cid: String,
    /// Bytes.
    pub length: u64,
    pub sha256: B256,
}

/// An input file: the URL of the deal's parameters, and the bytes the pool pinned for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedInput {
    /// Exactly as in `iexec_input_files`.
    pub url: String,
    pub blob: PinnedBlob,
}

/// Why a task failed on one worker. Never contributed, never paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    pub cause: FailureCause,
    /// One sentence for the requester.
    pub message: String,
    /// The end of the app's standard error and output, at most [`LOG_TAIL_BYTES`] bytes, lossy UTF-8.
    pub log: String,
}

/// The longest log tail in a [`TaskFailure`], bytes.
pub const LOG_TAIL_BYTES: usize = 8 * 1024;

/// Whose fault a failure is: decides whether another worker may fare better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// The application, its arguments or its inputs: it will most likely fail everywhere (trap, exit code, limits,
    /// not a module, wrong checksum, missing result).
    Application,
    /// This worker (disk full, download cut off, killed): another may do better.
    Worker,
}

/// What a worker signs (EIP-191) to open a connection: keccak256("oxec worker hello" ‖ chain id as 8 bytes big-endian ‖ workerpool ‖ nonce).
pub fn hello_digest(chain_id: u64, workerpool: Address, nonce: B256) -> B256 {
    let mut words = Vec::with_capacity(17 + 8 + 20 + 32);
    words.extend_from_slice(b"oxec worker hello");
    words.extend_from_slice(&chain_id.to_be_bytes());
    words.extend_from_slice(workerpool.as_slice());
    words.extend_from_slice(nonce.as_slice());
    keccak256(words)
}

/// Header of `PUT /results/{task}`: the worker's EIP-191 signature over [`upload_digest`].
pub const UPLOAD_SIGNATURE_HEADER: &str = "oxec-signature";
/// Header of `PUT /results/{task}`: the worker's address.
pub const UPLOAD_WORKER_HEADER: &str = "oxec-worker";

/// What a worker signs to upload the zip of a task's result: keccak256("oxec result upload" ‖ task ‖ sha256 of the zip).
pub fn upload_digest(task: TaskId, zip_sha256: B256) -> B256 {
    let mut words = Vec::with_capacity(18 + 64);
    words.extend_from_slice(b"oxec result upload");
    words.extend_from_slice(task.0.as_slice());
    words.extend_from_slice(zip_sha256.as_slice());
    keccak256(words)
}

/// Header of `PUT /results/{task}`: sha256 of the body, hex, so that the signature is checked before a byte is read.
pub const UPLOAD_SHA256_HEADER: &str = "oxec-sha256";

/// Answer of `PUT /results/{task}`, and of `GET /results/{task}` once there: where the result lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResult {
    pub task: TaskId,
    /// The stored zip.
    pub blob: PinnedBlob,
}

/// `GET /tasks/{id}`: what the pool knows of a task beyond the chain; for people and for `oxec task show`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    pub task: TaskId,
    pub deal: DealId,
    pub index: u64,
    /// In words: `waiting for a worker`, `computing`, `waiting for consensus`, `revealing`, `uploading`, `finalizing`, `completed`, `given up`, `claimed`.
    pub state: String,
    /// One or two sentences: what the task waits for, since when, who is at it, and what happens next.
    #[serde(default)]
    pub why: String,
    pub replicas: Vec<ReplicaReport>,
}

/// One worker's try at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaReport {
    pub worker: Address,
    /// `assigned`, `computing`, `contributed`, `revealed`, `uploaded`, `failed`, `lost`, `declined`.
    pub state: String,
    pub failure: Option<TaskFailure>,
}

/// Every error of a service's HTTP door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What was tried, with what, why it failed, what to do next: one sentence.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(rpc: &str) -> PoolInfo {
        PoolInfo {
            workerpool: Address::ZERO,
            owner: Address::ZERO,
            description: String::new(),
            deployment: protocol::deployment::plan(1, Address::ZERO).deployment,
            rpc: rpc.parse().expect("a URL"),
            runtime_profile: String::new(),
            workers: 0,
        }
    }

    #[test]
    fn an_endpoint_on_the_pools_own_machine_is_sought_there() {
        let pool: Url = "http://pool.example:7002/".parse().expect("a URL");
        for own in [
            "http://127.0.0.1:8545",
            "http://0.0.0.0:8545",
            "http://localhost:8545",
            "http://[::1]:8545",
        ] {
            assert_eq!(
                info(own).rpc_seen_from(&pool).as_str(),
                "http://pool.example:8545/"
            );
        }
        let elsewhere = "https://chain.example/";
        assert_eq!(info(elsewhere).rpc_seen_from(&pool).as_str(), elsewhere);
    }
}
