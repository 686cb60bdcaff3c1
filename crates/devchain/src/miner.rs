//! The thread that takes transactions in and makes blocks.
//!
//! Senders hand over a transaction and wait for its answer. The thread takes all that have come by now, takes them in
//! under one lock, makes as many blocks as they need, writes, and only then answers: under load many transactions
//! share a block, a lock and a write, and alone one is answered as soon as its block stands.
//!
//! A round that panics does not end the thread: what it had begun is undone, its senders are told that the node
//! stumbled, and the next round comes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use tokio::sync::oneshot;

use crate::block::SignedTransaction;
use crate::chain::Chain;
use crate::config::Mining;
use crate::pool::Refusal;

/// How many transactions are taken in at once; more would let the first wait too long.
const BATCH: usize = 2_000;

/// How soon blocks are tried again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(crate) enum Order {
    Submit {
        transaction: Arc<SignedTransaction>,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The way of mining was changed, or transactions came back from undone blocks.
    LookAgain,
    Stop,
    /// What no order should make the thread do.
    #[cfg(test)]
    Panic,
}

/// The door to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Miner {
    orders: mpsc::Sender<Order>,
}

impl Miner {
    /// Starts the thread.
    pub(crate) fn start(chain: Arc<RwLock<Chain>>) -> std::io::Result<(Miner, JoinHandle<()>)> {
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("devchain-miner".to_owned())
            .spawn(move || work(&chain, &inbox))?;
        Ok((Miner { orders }, thread))
    }

    /// Hands a transaction over and waits until it is in a block, or waits for one, and is kept.
    pub(crate) async fn submit(&self, transaction: Arc<SignedTransaction>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.orders
            .send(Order::Submit {
                transaction,
                answer,
            })
            .map_err(|_| Refusal::Stopping)?;
        answered.await.map_err(|_| Refusal::Stopping)?
    }

    pub(crate) fn look_again(&self) {
        let _ = self.orders.send(Order::LookAgain);
    }

    pub(crate) fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// Somebody who waits for an answer.
struct Waiter {
    hash: B256,
    answer: oneshot::Sender<Result<(), Refusal>>,
    replaced: Option<Arc<SignedTransaction>>,
}

fn work(chain: &RwLock<Chain>, inbox: &Receiver<Order>) {
    let mut rounds = Rounds {
        last_block: Instant::now(),
        failed: false,
        stop: false,
        waiters: Vec::new(),
    };
    while !rounds.stop {
        match catch_unwind(AssertUnwindSafe(|| rounds.next(chain, inbox))) {
            Ok(()) => {}
            Err(_) => {
                tracing::error!("making blocks panicked: what the round had begun is undone");
                // Not at once again, whatever it was.
                rounds.failed = true;
                rounds.last_block = Instant::now();
                let mut guard = chain.write().unwrap_or_else(PoisonError::into_inner);
                guard.abandon();
                let answers = rounds.judge(&mut guard, &HashMap::new(), Some(&Refusal::Stumbled));
                drop(guard);
                tell(answers);
            }
        }
    }
}

type Answers = Vec<(oneshot::Sender<Result<(), Refusal>>, Result<(), Refusal>)>;

fn tell(answers: Answers) {
    for (answer, outcome) in answers {
        // A sender that has gone away does not want to know.
        let _ = answer.send(outcome);
    }
}

/// What the thread knows from one round to the next.
struct Rounds {
    last_block: Instant,
    /// The last round could not keep what it made.
    failed: bool,
    stop: bool,
    /// Those whose transactions were taken in and who have no answer yet.
    waiters: Vec<Waiter>,
}

impl Rounds {
    /// Waits for orders, follows them, makes blocks and answers.
    fn next(&mut self, chain: &RwLock<Chain>, inbox: &Receiver<Order>) {
        let interval = match chain.read().unwrap_or_else(PoisonError::into_inner).mining {
            Mining::Interval(interval) => Some(interval.max(Duration::from_millis(1))),
            // There may be room again, and what was taken in earlier still waits.
            Mining::Instant if self.failed => Some(RETRY),
            Mining::Instant | Mining::Manual => None,
        };
        // So long that no clock gets there is for ever.
        let due = interval.and_then(|interval| self.last_block.checked_add(interval));
        let first = match due {
            None => inbox.recv().ok(),
            Some(due) => match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => Some(Order::LookAgain),
                Err(RecvTimeoutError::Disconnected) => None,
            },
        };
        let Some(first) = first else {
            self.stop = true;
            return;
        };
        let mut guard = chain.write().unwrap_or_else(PoisonError::into_inner);
        for order in std::iter::once(first).chain(inbox.try_iter().take(BATCH)) {
            match order {
                Order::Submit {
                    transaction,
                    answer,
                } => {
                    let hash = *transaction.hash();
                    match guard.admit(transaction) {
                        Ok(replaced) => self.waiters.push(Waiter {
                            hash,
                            answer,
                            replaced,
                        }),
                        Err(refusal) => {
                            let _ = answer.send(Err(refusal));
                        }
                    }
                }
                Order::LookAgain => {}
                Order::Stop => {
                    self.stop = true;
                    break;
                }
                #[cfg(test)]
                Order::Panic => panic!("as ordered"),
            }
        }
        let mut refused = Vec::new();
        let mining = guard.mining;
        let kept = match mining {
            Mining::Instant => {
                self.last_block = Instant::now();
                make_all(&mut guard, &mut refused)
            }
            Mining::Interval(interval) if self.last_block.elapsed() >= interval && !self.stop => {
                self.last_block = Instant::now();
                guard.make_block(true).map(|made| refused = made.refused)
            }
            Mining::Interval(_) | Mining::Manual => Ok(()),
        };
        let hashes = self
            .waiters
            .iter()
            .map(|waiter| waiter.hash)
            .collect::<Vec<_>>();
        let kept = kept.and_then(|()| guard.keep_waiting(&hashes));
        self.failed = kept.is_err();
        let failure = kept.err().map(|error| {
            tracing::error!(%error, "the chain cannot be written");
            Refusal::NotKept(match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            })
        });
        let refused = refused.into_iter().collect::<HashMap<_, _>>();
        let answers = self.judge(&mut guard, &refused, failure.as_ref());
        drop(guard);
        tell(answers);
    }

    /// What everybody who waits is to be told.
    fn judge(
        &mut self,
        chain: &mut Chain,
        refused: &HashMap<B256, Refusal>,
        failure: Option<&Refusal>,
    ) -> Answers {
        self.waiters
            .drain(..)
            .map(|waiter| {
                let outcome = match (refused.get(&waiter.hash), failure) {
                    (Some(refusal), _) => Err(refusal.clone()),
                    // What stands in a block was kept, whatever failed afterwards. The rest was not kept, so it is not
                    // taken.
                    (None, Some(failure)) if chain.blocks.of_transaction(waiter.hash).is_none() => {
                        chain.take_back(waiter.hash, waiter.replaced);
                        Err(failure.clone())
                    }
                    (None, _) => Ok(()),
                };
                (waiter.answer, outcome)
            })
            .collect()
    }
}

/// Makes blocks until nothing is left that can be executed.
fn make_all(
    chain: &mut Chain,
    refused: &mut Vec<(B256, Refusal)>,
) -> Result<(), crate::store::StoreError> {
    loop {
        let made = chain.make_block(false)?;
        let idle = made.block.is_none() && made.refused.is_empty();
        refused.extend(made.refused);
        if idle {
            return Ok(());
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;

    use alloy::consensus::transaction::Recovered;
    use alloy::consensus::{SignableTransaction, TxEip1559};
    use alloy::signers::SignerSync;
    use alloy_primitives::{Bytes, TxKind, bytes};

    use super::*;
    use crate::accounts::DevAccount;
    use crate::config::Config;
    use crate::store::Founding;
    use alloy_primitives::U256;

    /// Creation code of a contract whose code is one byte.
    const CREATION: Bytes = bytes!("60015f5360015ff3");

    fn creating(account: &DevAccount, nonce: u64) -> Arc<SignedTransaction> {
        let transaction = TxEip1559 {
            chain_id: crate::DEFAULT_CHAIN_ID,
            nonce,
            gas_limit: 100_000,
            max_fee_per_gas: 10_000_000_000,
            to: TxKind::Create,
            input: CREATION,
            ..TxEip1559::default()
        };
        let signature = account
            .signer()
            .unwrap()
            .sign_hash_sync(&transaction.signature_hash())
            .unwrap();
        let signed = transaction.into_signed(signature).into();
        Arc::new(Recovered::new_unchecked(signed, account.address))
    }

    #[tokio::test]
    async fn a_round_that_panics_is_undone_and_told_and_the_next_one_comes() {
        let (accounts, addresses) = crate::derive(2).unwrap();
        let founding = Founding {
            chain_id: crate::DEFAULT_CHAIN_ID,
            timestamp: 1,
            base_fee: crate::chain::FIRST_BASE_FEE,
            block_gas_limit: 60_000_000,
            accounts: 2,
            balance: U256::from(10u128.pow(20)),
        };
        let chain = Chain::found(founding, &addresses, Mining::Manual);
        let chain = Arc::new(RwLock::new(chain));
        let (miner, thread) = Miner::start(chain.clone()).unwrap();
        // The round finds a change begun, takes a transaction in, and panics.
        let (answer, answered) = oneshot::channel();
        {
            let mut held = chain.write().unwrap();
            let order = Order::Submit {
                transaction: creating(&accounts[0], 0),
                answer,
            };
            miner.orders.send(order).unwrap();
            miner.orders.send(Order::Panic).unwrap();
            held.ledger.edit(addresses[1], |account| account.nonce = 77);
        }
        assert_eq!(answered.await.unwrap(), Err(Refusal::Stumbled));
        {
            let guard = chain.read().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(guard.ledger.nonce(addresses[1]), 0, "begun, so undone");
            assert_eq!(guard.pool.all().count(), 0, "not taken, as it was told");
        }
        miner.submit(creating(&accounts[0], 0)).await.unwrap();
        // To stop is heard in such a round, too.
        miner.orders.send(Order::Panic).unwrap();
        miner.stop();
        thread.join().unwrap();
        let refusal = miner.submit(creating(&accounts[1], 1)).await.unwrap_err();
        assert_eq!(refusal, Refusal::Stopping);
    }

    #[tokio::test]
    async fn on_a_full_disk_nothing_is_taken_reading_goes_on_and_room_heals_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::default().kept_in(folder.path());
        let opened = crate::open(&config, folder.path()).unwrap();
        let account = opened.accounts[0].clone();
        let chain = Arc::new(RwLock::new(opened.chain));
        let (miner, thread) = Miner::start(chain.clone()).unwrap();
        // One that waits for the one that will not be written.
        miner.submit(creating(&account, 1)).await.unwrap();

        let full = File::options().write(true).open("/dev/full").unwrap();
        let disk = chain.write().unwrap().swap_file(full).unwrap();
        for told in ["No space left", "chain.log"] {
            let refusal = miner.submit(creating(&account, 0)).await.unwrap_err();
            assert!(matches!(refusal, Refusal::NotKept(_)), "{refusal}");
            assert!(refusal.to_string().contains(told), "{refusal}");
            let chain = chain.read().unwrap();
            assert_eq!(chain.head().number(), 0);
            assert_eq!(chain.ledger.nonce(account.address), 0);
            assert_eq!(chain.ledger.identity(account.address.create(0)), None);
            assert_eq!(chain.pool.all().count(), 1, "what was answered still waits");
        }

        chain.write().unwrap().swap_file(disk);
        miner.submit(creating(&account, 0)).await.unwrap();
        let head = chain.read().unwrap().place();
        assert_eq!(chain.read().unwrap().ledger.nonce(account.address), 2);
        miner.stop();
        thread.join().unwrap();
        drop(chain);

        let again = crate::open(&config, folder.path()).unwrap().chain;
        assert_eq!(again.place(), head);
        let overlay = crate::ledger::Overlay::default();
        for nonce in 0..2 {
            let code = again.view(&overlay).code(account.address.create(nonce));
            assert_eq!(code, bytes!("01"));
        }
    }
}
