//! What the tests ask of the contracts, wherever they run.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use protocol::deployment::Deployment;
use protocol::model::{Call, Outcome};

/// The contracts, deployed somewhere.
pub(crate) trait Law {
    fn deployment(&self) -> &Deployment;

    /// Sends a transaction and tells what came of it in the twin's words, and what it left behind where that can be
    /// seen.
    fn play(&mut self, call: Call, to: Address, data: Bytes) -> (Outcome, Option<Footprint>);

    /// Asks in somebody's name without changing anything: the answer, or why there is none.
    fn ask(&mut self, sender: Address, to: Address, data: Bytes) -> Result<Bytes, Bytes>;

    /// A time at which the next transaction may be sent.
    fn now(&self) -> u64;

    /// Gives a worker of no history one, by writing it where the hub keeps it.
    fn set_score(&mut self, worker: Address, score: U256);

    /// A transaction that must succeed: what it would answer, and then it is sent.
    fn call<C: SolCall>(&mut self, sender: Address, to: Address, call: &C) -> C::Return {
        let data: Bytes = call.abi_encode().into();
        let answer = self.ask(sender, to, data.clone());
        let time = self.now();
        let call = Call { sender, time };
        if let (Err(refusal), _) = self.play(call, to, data) {
            panic!("{}: {refusal}", C::SIGNATURE);
        }
        let answer = answer.unwrap_or_else(|output| panic!("{}: {output}", C::SIGNATURE));
        C::abi_decode_returns(&answer).expect("as the ABI says")
    }

    /// What a view of one of the contracts answers.
    fn view_of<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let answer = self.ask(Address::ZERO, to, call.abi_encode().into());
        let answer = answer.unwrap_or_else(|output| panic!("{}: {output}", C::SIGNATURE));
        C::abi_decode_returns(&answer).expect("as the ABI says")
    }

    /// What a view of the hub answers.
    fn view<C: SolCall>(&mut self, call: &C) -> C::Return {
        let hub = self.deployment().hub;
        self.view_of(hub, call)
    }
}

/// What a transaction left behind.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    /// Every word of storage that has another value than before, by contract and slot.
    pub(crate) words: Vec<(Address, U256)>,
    /// How many contracts came to be.
    pub(crate) created: usize,
    /// What strange contracts logged while they were called back.
    pub(crate) told: Vec<(Address, Bytes)>,
}
