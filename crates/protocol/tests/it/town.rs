//! A small town: an app, a dataset, a workerpool, their owners, two who pay and four workers, around one hub.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::{SolCall, SolInterface};
use protocol::abi::Hub as abi;
use protocol::contribution::{authorization_hash, enclave_hash, hash, message_hash, seal};
use protocol::deployment::Deployment;
use protocol::model::{App, Call, Code, Dataset, Hub, Outcome, Signs, Workerpool};
use protocol::order::{AppOrder, DatasetOrder, Order, RequestOrder, Signed, WorkerpoolOrder};
use protocol::payment::Nrlc;
use protocol::result::Digest;
use protocol::{DealId, TaskId};

use crate::people::Person;

/// A contract that says it signed whatever it is asked about.
pub(crate) const WALLET: Address = address!("00000000000000000000000000000000000a11e7");
/// A contract that counts the requester as a member, and nobody else.
pub(crate) const GROUP: Address = address!("0000000000000000000000000000000000094011");

pub(crate) const START: u64 = 1_700_000_000;

/// XS: 300 seconds.
pub(crate) const T: u64 = 300;

/// A call of the hub as one of all its calls, by way of the calldata.
pub(crate) trait Verb {
    fn verb(self) -> abi::HubCalls;
}

impl<C: SolCall> Verb for C {
    fn verb(self) -> abi::HubCalls {
        abi::HubCalls::abi_decode(&self.abi_encode()).expect("a call of the hub")
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Town {
    pub(crate) hub: Hub,
    pub(crate) time: u64,
    pub(crate) app: Address,
    pub(crate) dataset: Address,
    pub(crate) workerpool: Address,
    pub(crate) owner: Person,
    pub(crate) app_owner: Person,
    pub(crate) dataset_owner: Person,
    pub(crate) scheduler: Person,
    pub(crate) requester: Person,
    pub(crate) sponsor: Person,
    pub(crate) enclave: Person,
    pub(crate) broker: Person,
    pub(crate) workers: Vec<Person>,
}

/// The four orders of a match, signed by the right people.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) app: AppOrder,
    pub(crate) dataset: DatasetOrder,
    pub(crate) workerpool: WorkerpoolOrder,
    pub(crate) request: RequestOrder,
}

impl Town {
    /// Everybody holds 1,000 RLC of the token and lets the hub take them; nothing is deposited yet.
    pub(crate) fn new(deployment: &Deployment, entries: [Address; 3]) -> Self {
        let [app, dataset, workerpool] = entries;
        let owner = Person::named("owner");
        let mut town = Self {
            hub: Hub::new(deployment.domain(), owner.address),
            time: START,
            app,
            dataset,
            workerpool,
            app_owner: Person::named("app owner"),
            dataset_owner: Person::named("dataset owner"),
            scheduler: Person::named("scheduler"),
            requester: Person::named("requester"),
            sponsor: Person::named("sponsor"),
            enclave: Person::named("enclave"),
            broker: Person::named("broker"),
            workers: ["ann", "ben", "cem", "dia"].map(Person::named).into(),
            owner,
        };
        let entries = &mut town.hub.entries;
        entries.apps.insert(
            app,
            App {
                owner: town.app_owner.address,
            },
        );
        entries.datasets.insert(
            dataset,
            Dataset {
                owner: town.dataset_owner.address,
            },
        );
        entries
            .workerpools
            .insert(workerpool, Workerpool::new(town.scheduler.address));
        town.hub.code.insert(
            WALLET,
            Code {
                signs: Signs::Everything,
                ..Code::default()
            },
        );
        let members = [town.requester.address].into();
        town.hub.code.insert(
            GROUP,
            Code {
                members,
                ..Code::default()
            },
        );

        let hub = town.hub.address();
        for person in town.everybody() {
            let token = &mut town.hub.token;
            token
                .transfer(town.owner.address, person, Nrlc::rlc(1_000).0)
                .expect("the owner has all");
            token
                .approve(person, hub, U256::MAX)
                .expect("the hub may be approved");
        }
        town
    }

    /// A town on paper, without a chain.
    pub(crate) fn on_paper() -> Self {
        let deployer = Person::named("owner").address;
        let deployment = protocol::deployment::plan(31_337, deployer, 0).deployment;
        Self::new(&deployment, [0xaa, 0xdd, 0xbb].map(Address::repeat_byte))
    }

    /// The same, and everybody has deposited 500 RLC.
    pub(crate) fn funded() -> Self {
        let mut town = Self::on_paper();
        for person in town.everybody() {
            town.play(
                person,
                abi::depositCall {
                    amount: Nrlc::rlc(500).0,
                },
            )
            .expect("approved");
        }
        town
    }

    /// Everybody with money, the owner aside.
    pub(crate) fn everybody(&self) -> Vec<Address> {
        let mut people = vec![
            self.app_owner.address,
            self.dataset_owner.address,
            self.scheduler.address,
            self.requester.address,
            self.sponsor.address,
        ];
        people.extend(self.workers.iter().map(|worker| worker.address));
        people
    }

    pub(crate) fn play(&mut self, sender: Address, verb: impl Verb) -> Outcome {
        let call = Call {
            sender,
            time: self.time,
        };
        self.hub.step(call, verb.verb())
    }

    /// Orders that fit: 1 RLC for the app, 2 for the dataset, 10 for the workerpool, one task of category XS.
    pub(crate) fn orders(&self, trust: u64, volume: u64) -> Orders {
        let volume = U256::from(volume);
        Orders {
            app: AppOrder {
                app: self.app,
                appprice: Nrlc::rlc(1).0,
                volume,
                ..AppOrder::default()
            },
            dataset: DatasetOrder {
                dataset: self.dataset,
                datasetprice: Nrlc::rlc(2).0,
                volume,
                ..DatasetOrder::default()
            },
            workerpool: WorkerpoolOrder {
                workerpool: self.workerpool,
                workerpoolprice: Nrlc::rlc(10).0,
                volume,
                trust: U256::from(100),
                ..WorkerpoolOrder::default()
            },
            request: RequestOrder {
                app: self.app,
                appmaxprice: Nrlc::rlc(1).0,
                dataset: self.dataset,
                datasetmaxprice: Nrlc::rlc(2).0,
                workerpoolmaxprice: Nrlc::rlc(10).0,
                requester: self.requester.address,
                beneficiary: self.requester.address,
                volume,
                trust: U256::from(trust),
                params: r#"{"iexec_args":"--help"}"#.to_owned(),
                ..RequestOrder::default()
            },
        }
    }

    pub(crate) fn sign<O: Order>(&self, order: O, by: &Person) -> Signed<O> {
        let sign = by.sign(order.hash(&self.hub.domain).0);
        order.signed(sign)
    }

    pub(crate) fn matching(&self, orders: &Orders) -> abi::matchOrdersCall {
        abi::matchOrdersCall {
            apporder: self.sign(orders.app.clone(), &self.app_owner).into(),
            datasetorder: if orders.request.dataset.is_zero() {
                orders.dataset.clone().signed(Bytes::new()).into()
            } else {
                self.sign(orders.dataset.clone(), &self.dataset_owner)
                    .into()
            },
            workerpoolorder: self.sign(orders.workerpool.clone(), &self.scheduler).into(),
            requestorder: self.sign(orders.request.clone(), &self.requester).into(),
        }
    }

    /// Matches and initializes all tasks.
    pub(crate) fn deal(&mut self, orders: &Orders) -> (DealId, Vec<TaskId>) {
        let request = orders.request.hash(&self.hub.domain);
        let deal = DealId::derive(request, self.hub.consumed(request));
        let verb = self.matching(orders);
        self.play(self.requester.address, verb)
            .expect("the orders fit");
        let tasks: Vec<_> = self.hub.deals[&deal].tasks(deal).collect();
        for (index, _) in &tasks {
            let verb = abi::initializeCall {
                dealid: deal.0,
                idx: U256::from(*index),
            };
            self.play(self.scheduler.address, verb)
                .expect("a task of the deal");
        }
        (deal, tasks.into_iter().map(|(_, task)| task).collect())
    }

    pub(crate) fn authorization(&self, worker: Address, task: TaskId, enclave: Address) -> Bytes {
        self.scheduler
            .sign(message_hash(authorization_hash(worker, task, enclave)))
    }

    pub(crate) fn contribution(
        &self,
        worker: Address,
        task: TaskId,
        digest: Digest,
        in_enclave: bool,
    ) -> abi::contributeCall {
        let enclave = if in_enclave {
            self.enclave.address
        } else {
            Address::ZERO
        };
        let (result_hash, result_seal) = (hash(task, digest), seal(worker, task, digest));
        abi::contributeCall {
            taskid: task.0,
            resultHash: result_hash,
            resultSeal: result_seal,
            enclaveChallenge: enclave,
            enclaveSign: self.vouch(result_hash, result_seal, in_enclave),
            authorizationSign: self.authorization(worker, task, enclave),
        }
    }

    pub(crate) fn vouch(&self, result_hash: B256, result_seal: B256, in_enclave: bool) -> Bytes {
        if !in_enclave {
            return Bytes::new();
        }
        self.enclave
            .sign_compactly(message_hash(enclave_hash(result_hash, result_seal)))
    }

    pub(crate) fn contribute(&mut self, worker: usize, task: TaskId, digest: Digest) -> Outcome {
        let worker = self.workers[worker].address;
        let verb = self.contribution(worker, task, digest, false);
        self.play(worker, verb)
    }

    pub(crate) fn reveal(&mut self, worker: usize, task: TaskId, digest: Digest) -> Outcome {
        let verb = abi::revealCall {
            taskid: task.0,
            resultDigest: digest.0,
        };
        self.play(self.workers[worker].address, verb)
    }

    pub(crate) fn finalize(&mut self, task: TaskId) -> Outcome {
        let verb = abi::finalizeCall {
            taskid: task.0,
            results: Bytes::from_static(b"{}"),
            resultsCallback: Bytes::new(),
        };
        self.play(self.scheduler.address, verb)
    }

    pub(crate) fn claim(&mut self, task: TaskId) -> Outcome {
        self.play(self.requester.address, abi::claimCall { taskid: task.0 })
    }

    /// What an account has, in nRLC: (free, frozen).
    pub(crate) fn money(&self, account: Address) -> (U256, U256) {
        let account = self.hub.account(account);
        (account.balance, account.frozen)
    }
}
