//! How a pool is run: one honest struct, every key with its meaning, unit and default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use url::Url;

/// Settings of one scheduler. Unknown keys are refused, so that a slip of the pen is not a silent default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The workerpool entry on chain this scheduler serves; the wallet handed to the service must own it.
    pub workerpool: Address,
    /// SQLite file. Created when missing; what matters in it can be rebuilt from the chain. Uploads wait for their
    /// check in a folder `incoming` beside it.
    pub database: PathBuf,
    /// JSON-RPC endpoint of the chain that workers are told to use (they may prefer their own).
    pub rpc: Url,
    /// Id of the runtime every worker must share, so that equal work gives equal digests.
    pub runtime_profile: String,

    /// Address of the HTTP door. Default 127.0.0.1 with a free port.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// How the world reaches the door when it is not by `listen` (behind a proxy). Default: `http://<listen>`.
    #[serde(default)]
    pub public_url: Option<Url>,
    /// How many connections the door takes on.
    #[serde(default)]
    pub serving: blobs::ServeOptions,
    /// Blob doors (markets, other pools) that are asked for an app or input this pool does not hold. Default none.
    #[serde(default)]
    pub peers: Vec<Url>,
    /// Whether strangers may upload blobs (inputs, apps) at `POST /blobs`. Default true.
    #[serde(default = "default_uploads")]
    pub uploads: bool,
    /// Largest blob taken at `POST /blobs`, bytes. Default 256 MiB.
    #[serde(default = "default_upload_limit_bytes")]
    pub upload_limit_bytes: u64,
    /// Bytes of blobs that no open deal needs and that are no results of lately, at most: an upload that would exceed it
    /// lets the oldest of them be removed, and is refused if that is not enough. Default 20 GiB.
    #[serde(default = "default_uploads_quota_bytes")]
    pub uploads_quota_bytes: u64,
    /// How long an upload stays at least, seconds: an input may come before the deal that names it. Counted anew from
    /// every start. Default 3600.
    #[serde(default = "default_uploads_keep_secs")]
    pub uploads_keep_secs: u64,
    /// How long results are kept before they may be removed for want of room, seconds. Default 30 days.
    #[serde(default = "default_results_keep_secs")]
    pub results_keep_secs: u64,
    /// Largest app or input fetched for a deal, bytes. Default 1 GiB.
    #[serde(default = "default_input_limit_bytes")]
    pub input_limit_bytes: u64,
    /// Whether requests may name inputs and apps in this machine's private network (`http://127.0.0.1/…`,
    /// `http://192.168.…`): whatever is fetched is served to everybody. Blobs of this pool's own door need no fetch.
    /// Default false.
    #[serde(default)]
    pub fetch_private: bool,
    /// Largest result zip taken from a worker, bytes. Default 1.25 GiB: the output limit of a deal and its logs.
    #[serde(default = "default_result_limit_bytes")]
    pub result_limit_bytes: u64,

    /// Most tasks at once on one worker, whatever it offers. Default 256.
    #[serde(default = "default_slots_limit")]
    pub slots_limit: u32,
    /// Most tasks at once on a worker that has neither a score on chain nor a task done well here. Default 4.
    #[serde(default = "default_newcomer_slots")]
    pub newcomer_slots: u32,
    /// Whether a task that one worker may decide (trust 1) is ended by that worker in one transaction, its bytes
    /// checked by the pool before. Default true.
    #[serde(default = "default_one_step")]
    pub one_step: bool,
    /// Equal failures of the application, told by this many different workers, end a task's chances; so do failures of
    /// any kind on all connected workers, or on twice as many. Default 3.
    #[serde(default = "default_failures_to_give_up")]
    pub failures_to_give_up: u32,
    /// Apps and inputs fetched from elsewhere at once, at most; others wait their turn. Default 16.
    #[serde(default = "default_fetches_at_once")]
    pub fetches_at_once: usize,
    /// How often a failing fetch of an app or input is tried before the deal is given up. Default 3.
    #[serde(default = "default_pin_tries")]
    pub pin_tries: u32,
    /// Pause between those tries, seconds. Default 2.
    #[serde(default = "default_pin_pause_secs")]
    pub pin_pause_secs: u64,
    /// A worker that neither accepts nor declines an assignment within this time counts as lost, seconds. Default 15.
    #[serde(default = "default_answer_timeout_secs")]
    pub answer_timeout_secs: u64,
    /// A worker asked for a result that has not delivered within this time is passed over, seconds. Default 120.
    #[serde(default = "default_upload_timeout_secs")]
    pub upload_timeout_secs: u64,
    /// After a start, how long workers of before may take to come back until their tasks are given to others,
    /// seconds. Default 5.
    #[serde(default = "default_reconnect_grace_secs")]
    pub reconnect_grace_secs: u64,
    /// Pause before a worker that declined a task, or failed it by its own fault, is asked for the same task a fourth
    /// time, seconds; shorter before, longer after. Default 60.
    #[serde(default = "default_second_try_secs")]
    pub second_try_secs: u64,
    /// Silence after which a worker's connection counts as broken, seconds; it is pinged three times within it.
    /// Default 30.
    #[serde(default = "default_silence_secs")]
    pub silence_secs: u64,

    /// Period of the safety net that looks for work no event announced, seconds. Default 5.
    #[serde(default = "default_safety_net_secs")]
    pub safety_net_secs: u64,
    /// Tasks of one deal initialized by one transaction, at most. Default 16.
    #[serde(default = "default_initialize_batch")]
    pub initialize_batch: usize,
    /// Transactions of one kind on their way at once, at most. Default 64.
    #[serde(default = "default_transactions_in_flight")]
    pub transactions_in_flight: usize,
    /// Tasks in memory at once, at most; larger bags are taken up piece by piece. Default 20,000.
    #[serde(default = "default_open_tasks_limit")]
    pub open_tasks_limit: usize,
}

impl Options {
    /// The defaults, around what has none.
    #[must_use]
    pub fn new(
        workerpool: Address,
        database: impl Into<PathBuf>,
        rpc: Url,
        runtime_profile: impl Into<String>,
    ) -> Self {
        Self {
            workerpool,
            database: database.into(),
            rpc,
            runtime_profile: runtime_profile.into(),
            listen: default_listen(),
            public_url: None,
            serving: blobs::ServeOptions::default(),
            peers: Vec::new(),
            uploads: default_uploads(),
            upload_limit_bytes: default_upload_limit_bytes(),
            uploads_quota_bytes: default_uploads_quota_bytes(),
            uploads_keep_secs: default_uploads_keep_secs(),
            results_keep_secs: default_results_keep_secs(),
            input_limit_bytes: default_input_limit_bytes(),
            fetch_private: false,
            result_limit_bytes: default_result_limit_bytes(),
            slots_limit: default_slots_limit(),
            newcomer_slots: default_newcomer_slots(),
            one_step: default_one_step(),
            failures_to_give_up: default_failures_to_give_up(),
            fetches_at_once: default_fetches_at_once(),
            pin_tries: default_pin_tries(),
            pin_pause_secs: default_pin_pause_secs(),
            answer_timeout_secs: default_answer_timeout_secs(),
            upload_timeout_secs: default_upload_timeout_secs(),
            reconnect_grace_secs: default_reconnect_grace_secs(),
            second_try_secs: default_second_try_secs(),
            silence_secs: default_silence_secs(),
            safety_net_secs: default_safety_net_secs(),
            initialize_batch: default_initialize_batch(),
            transactions_in_flight: default_transactions_in_flight(),
            open_tasks_limit: default_open_tasks_limit(),
        }
    }
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
fn default_uploads() -> bool {
    true
}
fn default_upload_limit_bytes() -> u64 {
    256 << 20
}
fn default_uploads_quota_bytes() -> u64 {
    20 << 30
}
fn default_uploads_keep_secs() -> u64 {
    3600
}
fn default_results_keep_secs() -> u64 {
    30 * 86_400
}
fn default_input_limit_bytes() -> u64 {
    1 << 30
}
fn default_result_limit_bytes() -> u64 {
    5 << 28
}
fn default_slots_limit() -> u32 {
    256
}
fn default_newcomer_slots() -> u32 {
    4
}
fn default_one_step() -> bool {
    true
}
fn default_failures_to_give_up() -> u32 {
    3
}
fn default_fetches_at_once() -> usize {
    16
}
fn default_pin_tries() -> u32 {
    3
}
fn default_pin_pause_secs() -> u64 {
    2
}
fn default_answer_timeout_secs() -> u64 {
    15
}
fn default_upload_timeout_secs() -> u64 {
    120
}
fn default_reconnect_grace_secs() -> u64 {
    5
}
fn default_second_try_secs() -> u64 {
    60
}
fn default_silence_secs() -> u64 {
    30
}
fn default_safety_net_secs() -> u64 {
    5
}
fn default_initialize_batch() -> usize {
    16
}
fn default_transactions_in_flight() -> usize {
    64
}
fn default_open_tasks_limit() -> usize {
    20_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: &str = r#"{
        "workerpool": "0x00000000000000000000000000000000000000aa",
        "database": "pool.sqlite",
        "rpc": "http://127.0.0.1:8545",
        "runtime_profile": "p"
    }"#;

    #[test]
    fn what_is_left_out_has_its_default() {
        let read: Options = serde_json::from_str(SHORTEST).expect("enough");
        let workerpool = Address::left_padding_from(&[0xaa]);
        let rpc = "http://127.0.0.1:8545".parse().expect("a URL");
        assert_eq!(read, Options::new(workerpool, "pool.sqlite", rpc, "p"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let mistyped = SHORTEST.replacen('{', r#"{ "pin_tires": 5,"#, 1);
        let error = serde_json::from_str::<Options>(&mistyped).expect_err("a slip of the pen");
        assert!(error.to_string().contains("pin_tires"), "{error}");
    }
}
