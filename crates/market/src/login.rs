//! Logging in: a challenge, signed, is good for one request.
//!
//! Kept in memory only: whoever was about to log in when the market restarts asks for another challenge. One is
//! open per account at most, so that the memory is bounded by the accounts that asked within five minutes, and by
//! [`MOST`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use sdk::wire::market::{Authorization, ChallengeDocument, challenge_digest};

use crate::law::Law;
use crate::refusal::Refusal;

/// How long a challenge may be answered.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// Open challenges, at most.
const MOST: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Login {
    chain_id: u64,
    open: Mutex<HashMap<Address, Challenge>>,
}

#[derive(Debug)]
struct Challenge {
    text: String,
    digest: B256,
    asked: Instant,
}

impl Login {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            open: Mutex::default(),
        }
    }

    /// What `account` has to sign; the same one until it is used or too old.
    pub(crate) fn challenge(&self, account: Address) -> Result<ChallengeDocument, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            open.retain(|_, challenge| challenge.asked.elapsed() < GOOD_FOR);
        }
        if open
            .get(&account)
            .is_some_and(|challenge| challenge.asked.elapsed() >= GOOD_FOR)
        {
            open.remove(&account);
        }
        if open.len() >= MOST && !open.contains_key(&account) {
            return Err(Refusal::Busy(
                "too many accounts are logging in; try again in a few minutes".to_owned(),
            ));
        }
        let challenge = open.entry(account).or_insert_with(|| {
            let nonce = B256::from(rand::random::<[u8; 32]>());
            let text = format!("Sign this message to log into iExec Gateway: {nonce:x}");
            Challenge {
                digest: challenge_digest(self.chain_id, &text),
                text,
                asked: Instant::now(),
            }
        });
        Ok(ChallengeDocument::new(
            self.chain_id,
            challenge.text.clone(),
        ))
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
        if !self.is_open(address, digest) {
            return Err(no(stale));
        }
        if !law.signed_text(address, digest, signature).await? {
            return Err(no(
                "the signature is not that of the address over the challenge",
            ));
        }
        // Of two requests with the same answer only one is served.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.remove(&address) {
            Some(challenge) if challenge.digest == digest => Ok(address),
            Some(another) => {
                open.insert(address, another);
                Err(no(stale))
            }
            None => Err(no(stale)),
        }
    }

    fn is_open(&self, account: Address, digest: B256) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&account).is_some_and(|challenge| {
            challenge.digest == digest && challenge.asked.elapsed() < GOOD_FOR
        })
    }
}
