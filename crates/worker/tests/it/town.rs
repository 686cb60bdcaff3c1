//! A chain with a deal on it, and everything a worker needs to work on its tasks.

use std::path::Path;

use alloy_primitives::{Address, Bytes, U256};
use protocol::ids::{DealId, TaskId};
use protocol::payment::Nrlc;
use protocol::result::{Digest, ResultLink};
use sdk::app::NewApp;
use sdk::chain::{Chain, Sender};
use sdk::deal::Orders;
use sdk::wallet::Wallet;
use sdk::wire::pool::{Assignment, PinnedBlob, PinnedInput, PoolInfo};
use worker::{Conduct, Handle, Options, Service};

use crate::pool::Pool;

pub(crate) struct Town {
    pub(crate) devchain: testchain::TestChain,
    pub(crate) chain: Chain,
    pub(crate) store: blobs::Store,
    pub(crate) pool: Pool,
    pub(crate) scheduler: Sender,
    pub(crate) workerpool: Address,
    pub(crate) worker: Wallet,
    pub(crate) folder: tempfile::TempDir,
}

/// A program that prints "hello".
pub(crate) const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "hello\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#;

/// A program that complains and ends with exit code 3.
pub(crate) const COMPLAIN: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "too bad\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 8))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 20)))
        (call $exit (i32.const 3))))"#;

/// A deal of this town.
pub(crate) struct Given {
    pub(crate) deal: DealId,
    pub(crate) app: PinnedBlob,
}

impl Town {
    pub(crate) async fn start() -> Self {
        let devchain = testchain::start(testchain::Options::default())
            .await
            .expect("a chain");
        let deployment = devchain.deployment().expect("contracts").clone();
        let rpc = devchain.http_url().parse().expect("a URL");
        let chain = Chain::connect(&rpc, deployment.clone())
            .await
            .expect("connected");
        let folder = tempfile::tempdir().expect("a folder");
        let store = blobs::Store::folder(folder.path().join("blobs")).expect("a store");
        let scheduler = chain.sender(&wallet(&devchain, 1));
        let worker = wallet(&devchain, 2);
        let bank = chain.sender(&wallet(&devchain, 0));
        for (who, rlc) in [(1, 100), (2, 5), (3, 100)] {
            let to = devchain.accounts()[who].address;
            sdk::payment::transfer(&bank, to, Nrlc::rlc(rlc))
                .await
                .expect("RLC");
        }
        for who in [1, 3] {
            let sender = chain.sender(&wallet(&devchain, who));
            sdk::payment::deposit(&sender, Nrlc::rlc(100))
                .await
                .expect("deposited");
        }
        let workerpool = sdk::workerpool::create(&scheduler, "a pool")
            .await
            .expect("created");
        sdk::workerpool::change_policy(&scheduler, workerpool, 50, 10)
            .await
            .expect("changed");
        let info = PoolInfo {
            workerpool,
            owner: scheduler.address(),
            description: "a pool".to_owned(),
            deployment,
            rpc,
            runtime_profile: runtime::profile().to_string(),
            workers: 0,
        };
        let pool = Pool::open(0, info, store.clone()).await;
        Self {
            devchain,
            chain,
            store,
            pool,
            scheduler,
            workerpool,
            worker,
            folder,
        }
    }

    /// The pool opens again, where it was.
    pub(crate) async fn reopen_pool(&mut self, port: u16) {
        let info = PoolInfo {
            workerpool: self.workerpool,
            owner: self.scheduler.address(),
            description: "a pool".to_owned(),
            deployment: self.chain.deployment().clone(),
            rpc: self.devchain.http_url().parse().expect("a URL"),
            runtime_profile: runtime::profile().to_string(),
            workers: 0,
        };
        self.pool = Pool::open(port, info, self.store.clone()).await;
    }

    /// Forgets what was known of the chain, which has gone back.
    pub(crate) async fn connect_anew(&mut self) {
        let rpc = self.devchain.http_url().parse().expect("a URL");
        self.chain = Chain::connect(&rpc, self.chain.deployment().clone())
            .await
            .expect("connected");
        self.scheduler = self.chain.sender(&wallet(&self.devchain, 1));
    }

    pub(crate) async fn put(&self, bytes: &[u8]) -> PinnedBlob {
        let stored = self.store.put_bytes(bytes).await.expect("stored");
        PinnedBlob {
            cid: stored.cid.to_string(),
            length: stored.length,
            sha256: stored.sha256.into(),
        }
    }

    /// Publishes a program and makes a deal of two tasks of it. A task costs 1 RLC, a worker stakes half of that.
    pub(crate) async fn deal(&self, program: &str, params: &str) -> Given {
        self.deal_of_trust(1, program, params).await
    }

    /// The same, with so much trust to be reached.
    pub(crate) async fn deal_of_trust(&self, trust: u64, program: &str, params: &str) -> Given {
        let bytes = if program.starts_with('(') {
            wat::parse_str(program).expect("well written")
        } else {
            program.into()
        };
        let app = self.put(&bytes).await;
        let new = NewApp::wasm("a program", &app.cid, app.sha256);
        let requester = self.chain.sender(&wallet(&self.devchain, 3));
        let entry = sdk::app::publish(&requester, &new)
            .await
            .expect("published");
        let domain = self.chain.domain();
        let mut request = sdk::order::request_order(requester.address(), entry, 2);
        request.workerpoolmaxprice = Nrlc::rlc(1).0;
        request.trust = U256::from(trust);
        request.params = params.to_owned();
        let orders = Orders {
            app: requester
                .wallet()
                .sign_order(&sdk::order::app_order(entry, Nrlc::ZERO, 100), domain),
            dataset: None,
            workerpool: self.scheduler.wallet().sign_order(
                &sdk::order::workerpool_order(self.workerpool, Nrlc::rlc(1), 100, 0, 100),
                domain,
            ),
            request: requester.wallet().sign_order(&request, domain),
        };
        let matched = sdk::deal::match_orders(&requester, &orders)
            .await
            .expect("matched");
        Given {
            deal: matched.deal,
            app,
        }
    }

    /// What the pool would send for a task, once it is initialized.
    pub(crate) async fn assignment(&self, given: &Given, index: u64) -> Assignment {
        sdk::task::initialize(&self.scheduler, given.deal, index)
            .await
            .expect("initialized");
        self.early_assignment(given, index)
    }

    /// What the pool would send while the task's initialization is on its way.
    pub(crate) fn early_assignment(&self, given: &Given, index: u64) -> Assignment {
        let task = TaskId::derive(given.deal, U256::from(index));
        let worker = self.worker.address();
        Assignment {
            task,
            deal: given.deal,
            index,
            authorization: sdk::contribution::authorize(
                self.scheduler.wallet(),
                worker,
                task,
                Address::ZERO,
            ),
            enclave_challenge: Address::ZERO,
            one_step: false,
            app: given.app.clone(),
            inputs: Vec::new(),
        }
    }

    pub(crate) fn input(&self, url: &str, blob: PinnedBlob) -> PinnedInput {
        PinnedInput {
            url: url.to_owned(),
            blob,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.pool.url.clone(), self.worker_folder())
    }

    pub(crate) fn worker_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("worker")
    }

    pub(crate) fn task_folder(&self, task: TaskId) -> std::path::PathBuf {
        self.worker_folder().join("tasks").join(task.to_string())
    }

    /// A worker that behaves like this, connected.
    pub(crate) async fn worker(&self, conduct: Conduct) -> Handle {
        self.worker_with(Options {
            conduct,
            ..self.options()
        })
        .await
    }

    pub(crate) async fn worker_with(&self, options: Options) -> Handle {
        let handle = Service::start(options, self.worker.clone())
            .await
            .expect("started");
        handle.connected().await;
        handle
    }

    /// A worker of the test's own, with RLC in the hub: it says what the test wants it to.
    pub(crate) async fn stooge(&self, number: usize) -> Sender {
        let bank = self.chain.sender(&wallet(&self.devchain, 0));
        let stooge = self.chain.sender(&wallet(&self.devchain, number));
        sdk::payment::transfer(&bank, stooge.address(), Nrlc::rlc(1))
            .await
            .expect("RLC");
        sdk::payment::deposit(&stooge, Nrlc::rlc(1))
            .await
            .expect("deposited");
        stooge
    }

    /// A contribution, with the pool's leave.
    pub(crate) async fn contribute(&self, worker: &Sender, task: TaskId, digest: Digest) {
        let leave = sdk::contribution::authorize(
            self.scheduler.wallet(),
            worker.address(),
            task,
            Address::ZERO,
        );
        let enclave = sdk::contribution::Enclave::default();
        sdk::contribution::contribute(worker, task, digest, leave, enclave)
            .await
            .expect("contributed");
    }

    /// Asks the node.
    pub(crate) async fn node(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let body =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new()
            .post(self.devchain.http_url())
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        answer["result"].clone()
    }

    /// Ends a task as the pool does.
    pub(crate) async fn finalize(&self, task: TaskId) {
        let link = ResultLink::ipfs("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
        sdk::task::finalize(&self.scheduler, task, &link, Bytes::new())
            .await
            .expect("finalized");
    }

    pub(crate) async fn task(&self, task: TaskId) -> protocol::task::Task {
        sdk::task::view(&self.chain, task).await.expect("viewed")
    }
}

fn wallet(devchain: &testchain::TestChain, number: usize) -> Wallet {
    Wallet::from_key(&devchain.accounts()[number].key.to_string()).expect("a key")
}

/// Waits until something is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("never came true: {what}"));
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
