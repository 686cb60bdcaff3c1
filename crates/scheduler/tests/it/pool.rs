//! A chain with the contracts on it, a pool, an app, and people with money: what every test starts from.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use protocol::abi::{Hub, RLC};
use protocol::deal::Deal;
use protocol::order::{AppOrder, RequestOrder, Signed, WorkerpoolOrder};
use protocol::payment::Nrlc;
use protocol::task::TaskStatus;
use protocol::{DealId, TaskId};
use scheduler::{Deps, Handle, Options, Service};
use sdk::chain::Chain;
use sdk::wallet::Wallet;
use sdk::wire::pool::TaskReport;

use crate::script::{Conduct, Worker};

pub(crate) const PROFILE: &str = "test-profile";
/// What a task costs, and so what may be lost or won in these tests.
pub(crate) const PRICE: u64 = 1000;

pub(crate) struct Pool {
    pub(crate) chain: Chain,
    pub(crate) owner: Wallet,
    pub(crate) requester: Wallet,
    pub(crate) handle: Option<Handle>,
    pub(crate) options: Options,
    pub(crate) app: Address,
    pub(crate) blobs: blobs::Store,
    app_order: Signed<AppOrder>,
    workerpool_order: Signed<WorkerpoolOrder>,
    // Last: the node outlives those who talk to it.
    pub(crate) devchain: testchain::TestChain,
    _folder: tempfile::TempDir,
}

impl Pool {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        sdk::tls::install();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let devchain = testchain::start(testchain::Options::default())
            .await
            .expect("a chain");
        let rpc: url::Url = devchain.http_url().parse().expect("a URL");
        let deployment = devchain.deployment().expect("the contracts").clone();
        let chain = Chain::connect(&rpc, deployment).await.expect("connected");
        let (owner, requester) = (account(1), account(2));
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = blobs::Store::folder(folder.path().join("blobs")).expect("a store");
        let module = blobs
            .put_bytes(b"\0asm, more or less")
            .await
            .expect("stored");
        let new_app = sdk::app::NewApp::wasm("test app", module.cid, B256::from(module.sha256));
        let app = sdk::app::publish(&chain.sender(&requester), &new_app)
            .await
            .expect("published");
        let workerpool = sdk::workerpool::create(&chain.sender(&owner), "test pool")
            .await
            .expect("created");
        for person in 1..10 {
            fund(&chain, account(person).address()).await;
        }
        let domain = chain.domain();
        let app_order =
            requester.sign_order(&sdk::order::app_order(app, Nrlc::ZERO, 1_000_000), domain);
        let offer =
            sdk::order::workerpool_order(workerpool, Nrlc(U256::from(PRICE)), 1_000_000, 0, 1000);
        let workerpool_order = owner.sign_order(&offer, domain);
        let mut options = Options::new(workerpool, folder.path().join("pool.sqlite"), rpc, PROFILE);
        options.safety_net_secs = 1;
        // The web servers of these tests are on this machine.
        options.fetch_private = true;
        change(&mut options);
        let mut pool = Self {
            chain,
            owner,
            requester,
            handle: None,
            options,
            app,
            blobs,
            app_order,
            workerpool_order,
            devchain,
            _folder: folder,
        };
        pool.open().await;
        pool
    }

    /// Starts the scheduler (again), at the address it had before.
    pub(crate) async fn open(&mut self) {
        let deps = Deps {
            chain: self.chain.clone(),
            wallet: self.owner.clone(),
            blobs: self.blobs.clone(),
        };
        let handle = Service::start(self.options.clone(), deps)
            .await
            .expect("started");
        let port = handle.url().port().expect("a port");
        self.options.listen.set_port(port);
        self.handle = Some(handle);
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("the scheduler runs")
    }

    pub(crate) fn url(&self) -> url::Url {
        format!("http://{}", self.options.listen)
            .parse()
            .expect("a URL")
    }

    /// Worker number `n`, from 0 on, has an account of its own.
    pub(crate) fn worker(&self, n: u32, conduct: Conduct, slots: u32) -> Worker {
        Worker::start(
            self.url(),
            self.chain.clone(),
            account(3 + n),
            conduct,
            slots,
        )
    }

    /// Makes a deal.
    pub(crate) async fn request(&self, tasks: u64, trust: u64, params: &str) -> DealId {
        self.request_with(tasks, |request| {
            request.trust = U256::from(trust);
            request.params = params.to_owned();
        })
        .await
    }

    pub(crate) async fn request_with(
        &self,
        tasks: u64,
        change: impl FnOnce(&mut RequestOrder),
    ) -> DealId {
        let mut request = sdk::order::request_order(self.requester.address(), self.app, tasks);
        request.workerpoolmaxprice = U256::from(PRICE);
        change(&mut request);
        let orders = sdk::deal::Orders {
            app: self.app_order.clone(),
            dataset: None,
            workerpool: self.workerpool_order.clone(),
            request: self.requester.sign_order(&request, self.chain.domain()),
        };
        let sender = self.chain.sender(&self.requester);
        sdk::deal::match_orders(&sender, &orders)
            .await
            .expect("a deal")
            .deal
    }

    pub(crate) async fn tasks_of(&self, deal: DealId) -> Vec<TaskId> {
        let view: Deal = self
            .chain
            .hub(Hub::viewDealCall { dealid: deal.0 })
            .await
            .expect("viewed")
            .into();
        view.tasks(deal).map(|(_, task)| task).collect()
    }

    pub(crate) async fn task(&self, task: TaskId) -> protocol::task::Task {
        sdk::task::view(&self.chain, task).await.expect("viewed")
    }

    /// Waits until all tasks of a deal are completed on chain.
    pub(crate) async fn completed(&self, deal: DealId) -> Vec<TaskId> {
        let tasks = self.tasks_of(deal).await;
        for task in &tasks {
            self.until(*task, TaskStatus::Completed).await;
        }
        tasks
    }

    pub(crate) async fn until(&self, task: TaskId, status: TaskStatus) {
        eventually(async || (self.task(task).await.status == status).then_some(())).await;
    }

    pub(crate) async fn report(&self, task: TaskId) -> Option<TaskReport> {
        let answer = reqwest::get(self.url().join(&format!("tasks/{task}")).expect("a path"))
            .await
            .ok()?;
        answer.json().await.ok()
    }

    /// Waits until the pool says this of a task.
    pub(crate) async fn until_reported(
        &self,
        task: TaskId,
        said: impl Fn(&TaskReport) -> bool,
    ) -> TaskReport {
        eventually(async || self.report(task).await.filter(|report| said(report))).await
    }

    /// Waits until a worker that had the task is lost.
    pub(crate) async fn until_lost(&self, task: TaskId) {
        self.until_reported(task, |report| {
            report
                .replicas
                .iter()
                .any(|replica| replica.state == "lost")
        })
        .await;
    }

    /// A number of the pool's own, from `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = reqwest::get(self.url().join("metrics").expect("a path"))
            .await
            .expect("answered")
            .text()
            .await
            .expect("a text");
        let name = format!("oxec_scheduler_{name} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap_or_else(|| panic!("no {name}in {text}"))
            .parse()
            .expect("a number")
    }

    /// How many tasks wait for this.
    pub(crate) async fn waiting(&self, what: &str) -> u64 {
        self.metric(&format!("tasks_waiting{{for=\"{what}\"}}"))
            .await
    }

    pub(crate) async fn account(&self, address: Address) -> (u64, u64) {
        let account = self
            .chain
            .hub(Hub::viewAccountCall { account: address })
            .await
            .expect("viewed");
        (
            account.stake.saturating_to(),
            account.locked.saturating_to(),
        )
    }

    /// Moves the chain's clock.
    pub(crate) async fn pass(&self, secs: u64) {
        self.node("evm_increaseTime", serde_json::json!([secs]))
            .await;
        self.node("evm_mine", serde_json::json!([])).await;
    }

    /// Asks the node for something only a development node does.
    pub(crate) async fn node(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let call =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new()
            .post(self.devchain.http_url())
            .json(&call)
            .send()
            .await;
        let answer: serde_json::Value = answer
            .expect("the node answers")
            .json()
            .await
            .expect("JSON");
        answer["result"].clone()
    }
}

pub(crate) fn account(index: u32) -> Wallet {
    Wallet::from_mnemonic(testchain::DEV_MNEMONIC, index).expect("a wallet")
}

/// RLC in the hub, from the account that got all of it.
async fn fund(chain: &Chain, person: Address) {
    let bank = chain.sender(&account(0));
    let (hub, rlc, amount) = (
        chain.deployment().hub,
        chain.deployment().rlc,
        U256::from(1_000_000_000_u64),
    );
    let call = RLC::approveCall {
        spender: hub,
        value: amount,
    };
    bank.send(rlc, call).await.expect("approved");
    bank.hub(Hub::depositForCall {
        amount,
        target: person,
    })
    .await
    .expect("deposited");
}

/// Asks until there is an answer, for a minute at most.
pub(crate) async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(60), ask).await
}

/// The same, for so long.
pub(crate) async fn eventually_within<T>(at_most: Duration, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(at_most, asking)
        .await
        .expect("it happens in time")
}
