//! Logging in: a challenge, signed, is good for one request.
//!
//! Nothing is kept for who only asks. A challenge is made of a secret of this process, the account, the time and how often
//! the account has logged in, so it can be made again when its answer comes; only answers that were right leave a trace,
//! for as long as their challenge would be good. Whoever was about to log in when the market restarts asks for another.
//!
//! Time goes in turns of five minutes: a challenge is good in its own turn and in the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, keccak256};
use sdk::wire::market::{Authorization, ChallengeDocument, challenge_digest};

use crate::law::Law;
use crate::refusal::Refusal;

/// A turn.
const TURN: Duration = Duration::from_secs(5 * 60);
/// Accounts that have logged in during this turn and the last, at most. Each took a signature that was right.
const MOST: usize = 1_000_000;

#[derive(Debug)]
pub(crate) struct Login {
    chain_id: u64,
    secret: B256,
    began: Instant,
    used: Mutex<Used>,
}

/// How often accounts have logged in, by the turn of the challenge.
#[derive(Debug, Default)]
struct Used {
    turn: u64,
    now: HashMap<Address, u32>,
    before: HashMap<Address, u32>,
}

impl Used {
    /// Lets the turns before the last be forgotten.
    fn at(&mut self, turn: u64) -> &mut Self {
        if turn == self.turn + 1 {
            self.before = std::mem::take(&mut self.now);
        } else if turn > self.turn {
            self.before.clear();
            self.now.clear();
        }
        self.turn = self.turn.max(turn);
        self
    }

    fn of(&self, turn: u64, account: Address) -> u32 {
        let in_turn = if turn == self.turn {
            &self.now
        } else {
            &self.before
        };
        in_turn.get(&account).copied().unwrap_or_default()
    }
}

impl Login {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            secret: B256::from(rand::random::<[u8; 32]>()),
            began: Instant::now(),
            used: Mutex::default(),
        }
    }

    fn turn(&self) -> u64 {
        self.began.elapsed().as_secs() / TURN.as_secs() + 1
    }

    /// What `account` has to sign; the same one within a turn until it is used.
    pub(crate) fn challenge(&self, account: Address) -> ChallengeDocument {
        let turn = self.turn();
        let times = self.lock().at(turn).of(turn, account);
        ChallengeDocument::new(self.chain_id, self.text(account, turn, times))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self, account: Address, turn: u64, times: u32) -> String {
        let nonce = keccak256(
            [
                self.secret.as_slice(),
                account.as_slice(),
                &turn.to_be_bytes(),
                &times.to_be_bytes(),
            ]
            .concat(),
        );
        format!("Sign this message to log into iExec Gateway: {nonce:x}")
    }

    /// Who is logged in by this header. The challenge is used up if, and only if, the signature is right.
    pub(crate) async fn admit(&self, header: Option<&str>, law: &Law) -> Result<Address, Refusal> {
        let no = |why: &str| Refusal::Unauthorized(why.to_owned());
        let header = header.ok_or_else(|| {
            no("send a signed challenge in the `authorization` header; get one at /challenge")
        })?;
        let Authorization {
            digest,
            signature,
            address,
        } = header.parse().map_err(Refusal::Unauthorized)?;
        if address.is_zero() {
            return Err(no("nobody holds the key of the zero address"));
        }
        let stale =
            "the challenge is unknown, used or older than five minutes; get another at /challenge";
        let Some((turn, times)) = self.find(address, digest) else {
            return Err(no(stale));
        };
        if !law.signed_text(address, digest, signature).await? {
            return Err(no(
                "the signature is not that of the address over the challenge",
            ));
        }
        self.use_up(address, turn, times).map_err(|full| {
            if full {
                Refusal::Busy(
                    "too many accounts are logging in; try again in a few minutes".to_owned(),
                )
            } else {
                no(stale)
            }
        })?;
        Ok(address)
    }

    /// Which challenge this is the digest of, if it is good now.
    fn find(&self, account: Address, digest: B256) -> Option<(u64, u32)> {
        let turn = self.turn();
        let mut used = self.lock();
        let used = used.at(turn);
        [turn, turn - 1].into_iter().find_map(|turn| {
            let times = used.of(turn, account);
            let text = self.text(account, turn, times);
            (challenge_digest(self.chain_id, &text) == digest).then_some((turn, times))
        })
    }

    /// Of two requests with the same answer only one is served. The error: whether there is no room.
    fn use_up(&self, account: Address, turn: u64, times: u32) -> Result<(), bool> {
        let now = self.turn();
        let mut used = self.lock();
        let used = used.at(now);
        if turn + 1 < now || used.of(turn, account) != times {
            return Err(false);
        }
        let in_turn = if turn == used.turn {
            &mut used.now
        } else {
            &mut used.before
        };
        if in_turn.len() >= MOST && !in_turn.contains_key(&account) {
            return Err(true);
        }
        in_turn.insert(account, times.saturating_add(1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(login: &Login, account: Address, turn: u64, times: u32) -> B256 {
        challenge_digest(login.chain_id, &login.text(account, turn, times))
    }

    #[test]
    fn a_challenge_is_good_once_in_its_turn_and_the_next_and_only_for_its_account() {
        let login = Login::new(1);
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let turn = login.turn();
        let first = digest(&login, a, turn, 0);
        assert_eq!(login.find(a, first), Some((turn, 0)));
        assert_eq!(login.find(b, first), None);
        login.use_up(a, turn, 0).expect("the first time");
        login.use_up(a, turn, 0).expect_err("and the last");
        assert_eq!(login.find(a, first), None);
        assert_eq!(
            login.find(a, digest(&login, a, turn, 1)),
            Some((turn, 1)),
            "there is another"
        );
        let mut used = login.lock();
        assert_eq!(
            used.at(turn + 1).of(turn, a),
            1,
            "still known in the next turn"
        );
        assert_eq!(
            used.at(turn + 2).of(turn + 1, a),
            0,
            "and forgotten after it"
        );
    }

    #[test]
    fn whoever_only_asks_leaves_no_trace() {
        let login = Login::new(1);
        for number in 0..200_000_u32 {
            let mut account = Address::ZERO;
            account[..4].copy_from_slice(&number.to_be_bytes());
            login.challenge(account);
        }
        let used = login.lock();
        assert!(used.now.is_empty() && used.before.is_empty());
    }
}
