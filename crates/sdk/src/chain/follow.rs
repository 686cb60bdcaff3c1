//! The hub's events in order, each exactly once, for as long as anybody listens.
//!
//! [`EventStream::next`] catches up by `eth_getLogs` over bounded ranges, then waits for the next block. It keeps the
//! hashes of the last blocks it told of; when the chain no longer has one of them it says [`Followed::Reorganised`]
//! and goes on from there, so that the listener can undo what is undone. A node that is away is waited for.
//!
//! Why this is exact: a single block's events are asked by its hash. Of a longer range the last block's hash is read
//! before the events and again after them, since a node behind a balancer may know less than the one that told of the
//! block, and says "none" rather than "not yet". If the chain changes in between, that hash is no longer the chain's,
//! and the next turn notices and takes everything back.
//!
//! Blocks wake it where the node has subscriptions; where it has not, the newest block is polled
//! ([`ChainOptions::poll_every`](super::ChainOptions)).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::watch;

use super::heads::Head;
use super::rpc::Failure;
use super::{Chain, HubEvent, hub_event};

/// How many block hashes are remembered: how deep a reorganisation can be told exactly.
const REMEMBERED: usize = 64;

/// A safety net under lost news of blocks.
const NET: Duration = Duration::from_secs(5);

/// What following the hub tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// Everything up to and including this block has been told; the events since the last time, in order. Comes for
    /// empty blocks too.
    Blocks {
        /// The last block of the range.
        to_block: u64,
        /// What happened in it.
        events: Vec<HubEvent>,
    },
    /// Blocks after this one are no longer part of the chain: forget what they told. What replaced them follows.
    Reorganised {
        /// The last block that still stands.
        back_to: u64,
    },
}

/// The hub's events from a block on. Dropping it, or the future of [`next`](Self::next), loses nothing: the position
/// moves only when something is handed out.
pub struct EventStream {
    chain: Chain,
    newest: watch::Receiver<Option<Arc<Head>>>,
    /// The first block not told yet.
    next_block: u64,
    first_block: u64,
    /// Hashes of blocks told, oldest first.
    told: VecDeque<(u64, B256)>,
    range: u64,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("next_block", &self.next_block)
            .finish_non_exhaustive()
    }
}

enum Turn {
    Tell(Followed),
    Wait,
}

impl EventStream {
    pub(super) fn new(chain: Chain, from_block: u64) -> Self {
        let range = chain.inner.options.log_range_blocks.max(1);
        let newest = chain.newest();
        Self {
            chain,
            newest,
            next_block: from_block,
            first_block: from_block,
            told: VecDeque::new(),
            range,
        }
    }

    /// The first block whose events have not been handed out.
    #[must_use]
    pub fn next_block(&self) -> u64 {
        self.next_block
    }

    /// What comes next; waits for it, also through absences of the node.
    pub async fn next(&mut self) -> Followed {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.turn().await {
                Ok(Turn::Tell(followed)) => return followed,
                Ok(Turn::Wait) => Chain::wait_for_news(&mut self.newest, NET).await,
                Err(failure) => {
                    if let Failure::Said { .. } = failure
                        && self.range > 1
                    {
                        // Perhaps the range is too large for this node; a smaller one does no harm.
                        self.range = (self.range / 2).max(1);
                    }
                    let node = &self.chain.inner.rpc.node;
                    tracing::warn!(
                        node,
                        ?failure,
                        next_block = self.next_block,
                        "cannot follow the chain for now"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// As a stream that never ends.
    pub fn into_stream(self) -> impl futures::Stream<Item = Followed> + Send {
        futures::stream::unfold(self, |mut stream| async move {
            let followed = stream.next().await;
            Some((followed, stream))
        })
    }

    async fn turn(&mut self) -> Result<Turn, Failure> {
        let rpc = self.chain.inner.rpc.clone();
        // Marked as seen before anything is asked, so that a block that comes meanwhile wakes the next wait.
        // A head is a hint once: looked at again, one that is gone by now would be followed for ever.
        let fresh = self.newest.has_changed().unwrap_or(false);
        let hint = self.newest.borrow_and_update().clone();
        let head = match hint.filter(|_| fresh) {
            Some(head) if head.number() >= self.next_block => head,
            _ => Arc::new(Head::latest(&rpc).await?),
        };
        if head.number() < self.next_block {
            // Nothing new, or the chain has become shorter.
            return Ok(match self.reorganised(&head).await? {
                Some(back_to) => self.go_back(back_to),
                None => Turn::Wait,
            });
        }
        let end = head
            .number()
            .min(self.next_block.saturating_add(self.range - 1));
        let end_hash = if end == head.number() {
            head.hash
        } else {
            match Head::at(&rpc, end).await? {
                Some(block) => block.hash,
                None => return Ok(Turn::Wait),
            }
        };
        if !self.continues(&head).await?
            && let Some(back_to) = self.reorganised(&head).await?
        {
            return Ok(self.go_back(back_to));
        }
        let logs = if self.next_block == end {
            self.chain.logs_of(end_hash).await?
        } else {
            let logs = self.chain.logs(self.next_block, end, None).await?;
            if self.hash_at(end).await? != Some(end_hash) {
                return Ok(Turn::Wait);
            }
            logs
        };
        let events: Vec<_> = logs.iter().filter_map(hub_event).collect();
        for log in &logs {
            if let (Some(number), Some(hash)) = (log.block_number, log.block_hash)
                && number < end
            {
                self.remember(number, hash);
            }
        }
        self.remember(end, end_hash);
        self.next_block = end + 1;
        self.range = (self.range * 2).min(self.chain.inner.options.log_range_blocks.max(1));
        Ok(Turn::Tell(Followed::Blocks {
            to_block: end,
            events,
        }))
    }

    fn remember(&mut self, number: u64, hash: B256) {
        if self.told.back().is_none_or(|(last, _)| *last < number) {
            self.told.push_back((number, hash));
        }
        while self.told.len() > REMEMBERED {
            self.told.pop_front();
        }
    }

    /// Whether the newest block's parent is the last block told: then nothing else need be asked.
    async fn continues(&self, head: &Head) -> Result<bool, Failure> {
        let Some((number, hash)) = self.told.back() else {
            return Ok(true);
        };
        if head.number() == number + 1 {
            return Ok(head.parent_hash == *hash);
        }
        Ok(self.hash_at(*number).await? == Some(*hash))
    }

    /// The last block told that still stands, if the last one does not.
    async fn reorganised(&self, head: &Head) -> Result<Option<u64>, Failure> {
        let mut intact = true;
        for (number, hash) in self.told.iter().rev() {
            // Heights above the newest block are gone, unless the node merely lags behind what it told before.
            let standing = if *number == head.number() {
                Some(head.hash)
            } else {
                self.hash_at(*number).await?
            };
            if standing == Some(*hash) {
                return Ok((!intact).then_some(*number));
            }
            intact = false;
        }
        if intact {
            return Ok(None);
        }
        // Deeper than remembered: everything since the oldest memory, and the blocks before it that were told.
        let oldest = self
            .told
            .front()
            .map_or(self.first_block, |(number, _)| *number);
        Ok(Some(
            oldest
                .saturating_sub(1)
                .max(self.first_block.saturating_sub(1)),
        ))
    }

    async fn hash_at(&self, number: u64) -> Result<Option<B256>, Failure> {
        Ok(Head::at(&self.chain.inner.rpc, number)
            .await?
            .map(|block| block.hash))
    }

    fn go_back(&mut self, back_to: u64) -> Turn {
        self.told.retain(|(number, _)| *number <= back_to);
        self.next_block = back_to + 1;
        Turn::Tell(Followed::Reorganised { back_to })
    }
}
