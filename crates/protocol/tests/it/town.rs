//! A small town: an app, a dataset, a workerpool, their owners, two who pay and four workers, around one hub.

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use alloy_sol_types::{SolCall, SolInterface};
use protocol::abi::Hub as abi;
use protocol::contribution::{authorization_hash, enclave_hash, hash, message_hash, seal};
use protocol::deployment::Deployment;
use protocol::model::{App, Call, Code, Dataset, Hub, Outcome, Signs, Workerpool};
use protocol::order::{AppOrder, DatasetOrder, Order, RequestOrder, Signed, WorkerpoolOrder};
use protocol::payment::Nrlc;
use protocol::result::Digest;
use protocol::{DealId, TaskId};

use crate::deed::Entry;
use crate::people::Person;

/// A contract that says it signed whatever it is asked about.
pub(crate) const WALLET: Address = address!("00000000000000000000000000000000000a11e7");
/// A contract that counts the requester as a member, and nobody else.
pub(crate) const GROUP: Address = address!("0000000000000000000000000000000000094011");
/// Called back, it logs what it is told.
pub(crate) const LISTENER: Address = address!("0000000000000000000000000000000000011573");
/// Called back, it reverts, with ten thousand bytes of nothing.
pub(crate) const QUARRELLER: Address = address!("00000000000000000000000000000000000900e1");
/// Called back, it burns all the gas it is given.
pub(crate) const GLUTTON: Address = address!("0000000000000000000000000000000000061077");
/// Called back, it claims the task it is told of, and logs a byte if that was accepted, else none.
pub(crate) const INTRUDER: Address = address!("0000000000000000000000000000000000017043");

/// All contracts that are not the market's.
pub(crate) const STRANGERS: [Address; 6] = [WALLET, GROUP, LISTENER, QUARRELLER, GLUTTON, INTRUDER];

/// With less gas, a callback may come to nothing.
pub(crate) const ENOUGH_CALLBACK_GAS: u64 = 200_000;

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
        let owner = Person::deployer();
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
        entries.apps.insert(app, App::new(town.app_owner.address));
        entries
            .datasets
            .insert(dataset, Dataset::new(town.dataset_owner.address));
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
        for stranger in [LISTENER, QUARRELLER, GLUTTON, INTRUDER] {
            town.hub.code.insert(stranger, Code::default());
        }
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

    /// A town on paper, without a chain; its hub is not sealed yet.
    pub(crate) fn on_paper() -> Self {
        let deployer = Person::deployer().address;
        let deployment = protocol::deployment::plan(31_337, deployer).deployment;
        let mut town = Self::new(&deployment, [0xaa, 0xdd, 0xbb].map(Address::repeat_byte));
        town.hub.sealed = false;
        town
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

    /// The strange contracts' code, written by hand because it is short.
    pub(crate) fn strangers(&self) -> [(Address, Vec<u8>); 6] {
        let code = |parts: &[&[u8]]| parts.concat();
        let requester = self.requester.address;
        // A word on top of the stack is answered: PUSH0 MSTORE, PUSH1 32 PUSH0 RETURN.
        let answer: &[u8] = &hex!("5f5260205ff3");
        [
            // The selector of isValidSignature in the highest four bytes of a word: PUSH4, PUSH1 224 SHL.
            (WALLET, code(&[&hex!("631626ba7e60e01b"), answer])),
            // Whether the first argument is the requester: PUSH20, PUSH1 4 CALLDATALOAD EQ.
            (
                GROUP,
                code(&[&hex!("73"), requester.as_slice(), &hex!("60043514"), answer]),
            ),
            // All calldata to memory, all memory to the log: CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY, CALLDATASIZE PUSH0 LOG0.
            (LISTENER, code(&[&hex!("365f5f37365fa000")])),
            (QUARRELLER, code(&[&hex!("6127105ffd")])),
            (GLUTTON, code(&[&hex!("fe")])),
            // The selector of claim and the first argument to memory, CALL of the caller with them, and what the call
            // answers is the length of the log.
            (
                INTRUDER,
                code(&[
                    &hex!("63"),
                    &abi::claimCall::SELECTOR,
                    &hex!("60e01b5f52"),
                    &hex!("602060046004375f5f60245f5f335af15fa000"),
                ]),
            ),
        ]
    }

    /// Everybody there is, with money or without, and the hub.
    pub(crate) fn accounts(&self) -> Vec<Address> {
        let mut accounts = self.everybody();
        accounts.extend([
            self.owner.address,
            self.enclave.address,
            self.broker.address,
            self.hub.address(),
            protocol::payment::KITTY,
            protocol::payment::BURNT,
            Address::ZERO,
        ]);
        accounts.extend(STRANGERS);
        accounts
    }

    /// Somebody by address.
    pub(crate) fn person(&self, address: Address) -> &Person {
        let people = [
            &self.owner,
            &self.app_owner,
            &self.dataset_owner,
            &self.scheduler,
            &self.requester,
            &self.sponsor,
            &self.enclave,
            &self.broker,
        ];
        let mut people = people.into_iter().chain(&self.workers);
        people
            .find(|person| person.address == address)
            .expect("somebody of the town")
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
            apporder: self
                .sign(orders.app.clone(), self.holder(Entry::App))
                .into(),
            datasetorder: if orders.request.dataset.is_zero() {
                orders.dataset.clone().signed(Bytes::new()).into()
            } else {
                self.sign(orders.dataset.clone(), self.holder(Entry::Dataset))
                    .into()
            },
            workerpoolorder: self
                .sign(orders.workerpool.clone(), self.holder(Entry::Workerpool))
                .into(),
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

    /// Who owns an entry now.
    pub(crate) fn holder(&self, entry: Entry) -> &Person {
        self.person(self.owner_of(entry))
    }

    /// Whose workerpool a task is run in: who owned it when the deal was made.
    pub(crate) fn scheduler_of(&self, task: TaskId) -> &Person {
        let deal = self.hub.deals.get(&self.hub.task(task).deal);
        deal.map_or(&self.scheduler, |deal| self.person(deal.workerpool.owner))
    }

    pub(crate) fn authorization(&self, worker: Address, task: TaskId, enclave: Address) -> Bytes {
        self.scheduler_of(task)
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
