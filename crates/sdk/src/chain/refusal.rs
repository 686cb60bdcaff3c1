//! A contract's no, in plain words.
//!
//! Contracts refuse with named errors that carry their values. [`Refusal`] decodes them for all contracts of a
//! deployment, says the common ones as sentences, and the rest as name and values; the raw bytes are kept.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Panic, Revert, SolError as _, SolInterface as _};
use protocol::abi::{App, AppRegistry, Hub, RLC, Workerpool};
use protocol::payment::Nrlc;
use protocol::task::TaskStatus;

/// Why a contract refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The named error, without its values; empty if the contract gave no reason.
    pub name: String,
    /// The reason as a sentence without a full stop.
    pub sentence: String,
    /// What the contract returned.
    pub data: Bytes,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Refusal {
    /// Decodes what a reverted call returned.
    #[must_use]
    pub fn decode(data: &Bytes) -> Self {
        let (name, sentence) = words(data);
        Self {
            name,
            sentence,
            data: data.clone(),
        }
    }

    /// Whether the refusal is this named error of the hub.
    #[must_use]
    pub fn is<E: alloy_sol_types::SolError>(&self) -> bool {
        self.data.starts_with(&E::SELECTOR)
    }

    /// The named error with its values, if it is this one.
    #[must_use]
    pub fn decode_as<E: alloy_sol_types::SolError>(&self) -> Option<E> {
        E::abi_decode(&self.data).ok()
    }
}

fn words(data: &Bytes) -> (String, String) {
    if data.is_empty() {
        return (String::new(), "the contract gave no reason".to_owned());
    }
    if let Ok(Revert { reason }) = Revert::abi_decode(data) {
        return ("Error".to_owned(), reason);
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return ("Panic".to_owned(), panic_words(panic.code));
    }
    if let Ok(error) = Hub::HubErrors::abi_decode(data) {
        return (
            name_of(&error),
            hub_words(&error).unwrap_or_else(|| plain(&error)),
        );
    }
    if let Ok(error) = RLC::RLCErrors::abi_decode(data) {
        return (
            name_of(&error),
            token_words(&error).unwrap_or_else(|| plain(&error)),
        );
    }
    let registry = AppRegistry::AppRegistryErrors::abi_decode(data);
    if let Ok(error) = registry {
        return (
            name_of(&error),
            registry_words(&error).unwrap_or_else(|| plain(&error)),
        );
    }
    if let Ok(error) = Workerpool::WorkerpoolErrors::abi_decode(data) {
        return (
            name_of(&error),
            workerpool_words(&error).unwrap_or_else(|| plain(&error)),
        );
    }
    if let Ok(error) = App::AppErrors::abi_decode(data) {
        return (name_of(&error), plain(&error));
    }
    (
        String::new(),
        format!("the contract answered {data}, which this program cannot read"),
    )
}

/// The common refusals as sentences; the rest is said by name and values.
fn hub_words(error: &Hub::HubErrors) -> Option<String> {
    use Hub::HubErrors as Error;
    let words = match error {
        Error::InsufficientBalance(e) => format!(
            "the hub account of {} holds {}, and {} is needed; deposit first",
            e.account,
            rlc(e.balance),
            rlc(e.needed)
        ),
        Error::InsufficientFrozen(e) => {
            format!(
                "{} has {} frozen, and {} is to be moved",
                e.account,
                rlc(e.frozen),
                rlc(e.needed)
            )
        }
        Error::InsufficientAllowance(e) => format!(
            "{} may spend {} of {}, and {} is needed; approve more first",
            e.spender,
            rlc(e.allowance),
            e.owner,
            rlc(e.needed)
        ),
        Error::ZeroAddress(_) => "the zero address can neither send nor receive".to_owned(),
        Error::AccountCannotSpend(e) => format!(
            "what is given to {} is lost: it is the hub's own account or the kitty, which spend nothing; name \
             somebody who can",
            e.account
        ),
        Error::TokenTransferFailed(_) => "the token did not move the money".to_owned(),
        Error::UnknownDeal(e) => format!("there is no deal {}", e.dealid),

        Error::CategoryMismatch(e) => {
            format!(
                "the request asks for category {}, the workerpool offers category {}",
                e.requested, e.offered
            )
        }
        Error::UnknownCategory(e) => format!(
            "there is no category {}: the hub knows {}",
            e.category, e.count
        ),
        Error::InsufficientTrust(e) => {
            format!(
                "the request asks for trust {}, the workerpool offers up to {}",
                e.requested, e.offered
            )
        }
        Error::TrustTooHigh(e) => format!(
            "a trust of {} is more than the {} the hub can reckon with",
            e.trust, e.limit
        ),
        Error::AppOverpriced(e) => overpriced("app", e.price, e.maxPrice),
        Error::DatasetOverpriced(e) => overpriced("dataset", e.price, e.maxPrice),
        Error::WorkerpoolOverpriced(e) => overpriced("workerpool", e.price, e.maxPrice),
        Error::PriceTooLarge(e) => format!(
            "a price of {} is more than the {} allowed",
            rlc(e.price),
            rlc(e.limit)
        ),
        Error::VolumeTooLarge(e) => format!(
            "a volume of {} is more than the {} allowed",
            e.volume, e.limit
        ),
        Error::TooManyTasks(e) => format!(
            "the deal would have {} tasks from index {} on; indices end at {}",
            e.size, e.first, e.limit
        ),
        Error::ParamsTooLong(e) => {
            format!(
                "the request's params have {} bytes, more than the {} allowed",
                e.length, e.limit
            )
        }
        Error::TagNotOffered(e) => {
            format!(
                "the workerpool's tag {} does not offer all of what is asked for, {}",
                tag(e.workerpoolTag),
                tag(e.tag)
            )
        }
        Error::AppNotConfidential(e) => format!(
            "a trusted execution environment is asked for (tag {}), and the app's tag {} does not allow one",
            tag(e.tag),
            tag(e.appTag)
        ),
        Error::AppMismatch(e) => format!(
            "the request is for app {}, the app order offers {}",
            e.requested, e.offered
        ),
        Error::DatasetMismatch(e) => {
            format!(
                "the request is for dataset {}, the dataset order offers {}",
                e.requested, e.offered
            )
        }
        Error::WorkerpoolRestrictedByRequest(e) => {
            restricted("request", "workerpool", e.restriction, e.account)
        }
        Error::DatasetRestrictedByApp(e) => {
            restricted("app order", "dataset", e.restriction, e.account)
        }
        Error::WorkerpoolRestrictedByApp(e) => {
            restricted("app order", "workerpool", e.restriction, e.account)
        }
        Error::RequesterRestrictedByApp(e) => {
            restricted("app order", "requester", e.restriction, e.account)
        }
        Error::AppRestrictedByDataset(e) => {
            restricted("dataset order", "app", e.restriction, e.account)
        }
        Error::WorkerpoolRestrictedByDataset(e) => {
            restricted("dataset order", "workerpool", e.restriction, e.account)
        }
        Error::RequesterRestrictedByDataset(e) => {
            restricted("dataset order", "requester", e.restriction, e.account)
        }
        Error::AppRestrictedByWorkerpool(e) => {
            restricted("workerpool order", "app", e.restriction, e.account)
        }
        Error::DatasetRestrictedByWorkerpool(e) => {
            restricted("workerpool order", "dataset", e.restriction, e.account)
        }
        Error::RequesterRestrictedByWorkerpool(e) => {
            restricted("workerpool order", "requester", e.restriction, e.account)
        }
        Error::AppNotRegistered(e) => format!("{} is not in the app registry", e.app),
        Error::DatasetNotRegistered(e) => format!("{} is not in the dataset registry", e.dataset),
        Error::WorkerpoolNotRegistered(e) => {
            format!("{} is not in the workerpool registry", e.workerpool)
        }
        Error::InvalidAppOrderSignature(e) => {
            unsigned("app order", e.orderHash, "the app's owner", e.owner)
        }
        Error::InvalidDatasetOrderSignature(e) => {
            unsigned("dataset order", e.orderHash, "the dataset's owner", e.owner)
        }
        Error::InvalidWorkerpoolOrderSignature(e) => unsigned(
            "workerpool order",
            e.orderHash,
            "the workerpool's owner",
            e.owner,
        ),
        Error::InvalidRequestOrderSignature(e) => {
            unsigned("request order", e.orderHash, "the requester", e.requester)
        }
        Error::InvalidSignatureLength(e) => {
            format!("a signature has {} bytes; 64 or 65 are expected", e.length)
        }
        Error::UnknownSalt(e) => format!(
            "order {} carries marks in its salt ({}) that mean nothing to this hub, or nothing on an order of its \
             kind; sign another with a salt of this version",
            e.orderHash, e.salt
        ),
        Error::OrderExpired(e) => format!(
            "order {} was good until {}, {}; ask its signer for another",
            e.orderHash,
            when(e.expiry),
            ago(e.expiry, e.time)
        ),
        Error::OrderEpochPassed(e) => format!(
            "order {} is of epoch {} of its signer {}, who has taken back all orders before epoch {}; ask for another",
            e.orderHash, e.signedEpoch, e.signer, e.currentEpoch
        ),
        Error::UnmarkedOrderRefused(e) => format!(
            "order {} names no epoch of its signer {}, who stands by none of those any more; ask for one that does",
            e.orderHash, e.signer
        ),
        Error::AssetTransferred(e) => format!(
            "order {} was signed when {} had changed hands {} times, and by now it has {} times; ask its owner of \
             today for another",
            e.orderHash, e.asset, e.signedEpoch, e.currentEpoch
        ),
        Error::PolicyChanged(e) => format!(
            "order {} was signed under another policy than the workerpool {} has today ({} % staked, {} % kept); \
             ask the pool for another, or wait until it goes back",
            e.orderHash, e.workerpool, e.stakeRatio, e.rewardRatio
        ),
        Error::StakeRatioTooHigh(e) => format!(
            "the workerpool {} asks its workers for a stake of {} % of the price, more than the {} % allowed; take \
             another pool",
            e.workerpool, e.ratio, e.limit
        ),
        Error::OrdersConsumed(e) => {
            let orders = [
                ("app", e.app),
                ("dataset", e.dataset),
                ("workerpool", e.workerpool),
                ("request", e.request),
            ];
            let used_up: Vec<&str> = orders
                .iter()
                .filter(|(_, left)| left.is_zero())
                .map(|(name, _)| *name)
                .collect();
            format!(
                "nothing is left of the {} order: it was matched or closed; take another",
                used_up.join(" order and the ")
            )
        }
        Error::OperationNotAuthorized(e) => {
            format!(
                "order {} belongs to {}, and {} may not sign or close it",
                e.orderHash, e.owner, e.sender
            )
        }
        Error::CallerIsNotTheRequester(e) => format!(
            "deposit and match in one step is for the requester's own money: {} asks, {} pays",
            e.requester, e.caller
        ),

        Error::TaskIndexOutOfRange(e) => format!(
            "deal {} has {} tasks from index {} on, and none of index {}",
            e.dealid, e.size, e.first, e.idx
        ),
        Error::TaskAlreadyInitialized(e) => {
            format!(
                "task {} is already initialized: it is {}",
                e.taskid,
                task_status(e.status)
            )
        }
        Error::TaskNotActive(e) => {
            format!(
                "task {} takes no contributions: it is {}",
                e.taskid,
                task_status(e.status)
            )
        }
        Error::TaskNotRevealing(e) => {
            format!(
                "task {} has no consensus to reveal or finalize: it is {}",
                e.taskid,
                task_status(e.status)
            )
        }
        Error::TaskNotClaimable(e) => format!(
            "task {} cannot be claimed: it is {}",
            e.taskid,
            task_status(e.status)
        ),
        Error::TaskPending(e) => format!("task {} has no result yet", e.taskid),
        Error::NotTheWorkerpoolOwner(e) => {
            format!(
                "only the workerpool's owner {} may do this, and {} is not",
                e.owner, e.sender
            )
        }
        Error::NotTheOwner(e) => format!(
            "only the owner {} may do this, and {} is not",
            e.owner, e.sender
        ),
        Error::AlreadyContributed(e) => {
            format!("{} has contributed to task {} already", e.worker, e.taskid)
        }
        Error::TooManyContributions(e) => format!(
            "task {} has {} contributions, the most allowed",
            e.taskid, e.limit
        ),
        Error::TaskHasContributions(e) => {
            format!(
                "task {} has {} contributions; only the first may finalize at once",
                e.taskid, e.contributions
            )
        }
        Error::TrustNotOne(e) => {
            format!(
                "task {} asks for trust {}; one worker alone finalizes at trust 1 only",
                e.taskid, e.trust
            )
        }
        Error::InvalidAuthorization(e) => format!(
            "{} has no leave of {} to contribute to task {}",
            e.worker, e.signer, e.taskid
        ),
        Error::EnclaveRequired(e) => {
            format!("task {} asks for a trusted execution environment", e.taskid)
        }
        Error::InvalidEnclaveSignature(e) => {
            format!(
                "the enclave {} did not sign this contribution to task {}",
                e.enclave, e.taskid
            )
        }
        Error::ContributionDeadlineReached(e) => {
            too_late("contributions to", e.taskid, e.deadline, e.time)
        }
        Error::RevealDeadlineReached(e) => too_late("reveals of", e.taskid, e.deadline, e.time),
        Error::FinalDeadlineReached(e) => {
            too_late("anything but a claim of", e.taskid, e.deadline, e.time)
        }
        Error::FinalDeadlineAhead(e) => too_early("claimed", e.taskid, e.deadline, e.time),
        Error::RevealDeadlineAhead(e) => too_early("reopened", e.taskid, e.deadline, e.time),
        Error::DealNotOver(e) => format!(
            "the tasks of deal {} cannot be claimed before {}, {}; claim them then, if they are not finished",
            e.dealid,
            when(e.end),
            ahead(e.end, e.time)
        ),
        Error::WorkersTurnAhead(e) => format!(
            "a worker may finalize task {} in the scheduler's place only from {} on, {}; until then leave it to the \
             scheduler, and then try again",
            e.taskid,
            when(e.from),
            ahead(e.from, e.time)
        ),
        Error::ResultsNotAllowed(e) => format!(
            "a worker who finalizes task {} says nothing of where the result lies, and this one says it in {} bytes; \
             leave the results empty: the bytes are found by their digest",
            e.taskid, e.length
        ),
        Error::AlreadyRevealed(e) => {
            format!(
                "task {} has {} reveals: finalize it instead of reopening it",
                e.taskid, e.reveals
            )
        }
        Error::NothingToReveal(e) => {
            format!(
                "{} has no contribution to task {} that waits to be revealed",
                e.worker, e.taskid
            )
        }
        Error::NotTheConsensus(e) => format!(
            "the contribution of {} to task {} is not the consensus",
            e.worker, e.taskid
        ),
        Error::DigestMismatch(e) => {
            format!(
                "the digest {} is not the one contributed to task {}",
                e.digest, e.taskid
            )
        }
        Error::SealMismatch(e) => {
            format!(
                "the contribution of {} to task {} was sealed with another digest, or copied",
                e.worker, e.taskid
            )
        }
        Error::RevealsMissing(e) => format!(
            "task {} has {} of {} reveals; it can be finalized with all of them, or with some after {}",
            e.taskid,
            e.reveals,
            e.winners,
            when(e.deadline)
        ),
        Error::CallbackDataMismatch(e) => format!(
            "the callback's data of task {} comes to {}, but the result is {}",
            e.taskid, e.dataDigest, e.resultDigest
        ),
        Error::ResultsTooLong(e) => format!(
            "the results have {} bytes, more than the {} allowed",
            e.length, e.limit
        ),
        Error::AlreadyConfigured(_) => {
            "the hub is configured already, and that goes only once".to_owned()
        }
        Error::ZeroArgument(e) => format!("the argument {} is nobody; name an address", e.name),
        Error::NotReadyToSeal(e) => format!(
            "{} is not ready for the hub to be sealed: configure the hub and initialize every registry first (`oxec \
             chain deploy` does)",
            e.what
        ),
        Error::HubIsSealed(_) => {
            "the hub is sealed: its token, registries, broker and stray deposits are fixed for good; who needs others \
             deploys another hub"
                .to_owned()
        }
        Error::CallbackGasOutOfBounds(e) => format!(
            "a sealed hub gives callbacks from {} to {} gas, and {} is asked for; choose within that",
            e.least, e.most, e.callbackgas
        ),
        Error::UnknownFunction(e) => format!("the hub has no function {}", e.selector),
        _ => return None,
    };
    Some(words)
}

fn token_words(error: &RLC::RLCErrors) -> Option<String> {
    use RLC::RLCErrors as Error;
    let words = match error {
        Error::ERC20InsufficientBalance(e) => {
            format!(
                "the wallet {} holds {}, and {} is needed",
                e.sender,
                rlc(e.balance),
                rlc(e.needed)
            )
        }
        Error::ERC20InsufficientAllowance(e) => {
            format!(
                "{} may spend {}, and {} is needed; approve more first",
                e.spender,
                rlc(e.allowance),
                rlc(e.needed)
            )
        }
        Error::ERC20InvalidReceiver(_) => "RLC cannot be sent to the zero address".to_owned(),
        Error::ApprovalRefused(e) => format!("{} did not take {}", e.spender, rlc(e.amount)),
        _ => return None,
    };
    Some(words)
}

fn registry_words(error: &AppRegistry::AppRegistryErrors) -> Option<String> {
    use AppRegistry::AppRegistryErrors as Error;
    let words = match error {
        Error::EntryAlreadyExists(e) => format!(
            "an entry of this content and owner is in the registry already, at {}",
            e.entry
        ),
        Error::ContentTooLong(e) => format!(
            "the entry has {} bytes, more than the {} allowed",
            e.length, e.limit
        ),
        Error::ERC721NonexistentToken(_) => "there is no such entry in the registry".to_owned(),
        Error::OwnableUnauthorizedAccount(e) => format!("{} is not the owner", e.account),
        _ => return None,
    };
    Some(words)
}

fn workerpool_words(error: &Workerpool::WorkerpoolErrors) -> Option<String> {
    use Workerpool::WorkerpoolErrors as Error;
    let words = match error {
        Error::CallerIsNotTheOwner(e) => format!(
            "only the owner {} may do this, and {} is not",
            e.owner, e.caller
        ),
        Error::SchedulerRewardRatioTooHigh(e) => {
            format!(
                "the scheduler cannot keep {} percent; {} is the most",
                e.ratio, e.limit
            )
        }
        Error::WorkerStakeRatioTooHigh(e) => format!(
            "workers cannot stake {} percent; {} is the most",
            e.ratio, e.limit
        ),
        _ => return None,
    };
    Some(words)
}

fn rlc(amount: U256) -> Nrlc {
    Nrlc(amount)
}

fn overpriced(what: &str, price: U256, most: U256) -> String {
    format!(
        "the {what} costs {} per task, and the request pays at most {}",
        rlc(price),
        rlc(most)
    )
}

fn restricted(by: &str, what: &str, restriction: Address, account: Address) -> String {
    format!(
        "the {by} takes only the {what} {restriction} (or a member of that group), not {account}"
    )
}

fn unsigned(what: &str, hash: B256, whose: &str, owner: Address) -> String {
    format!("the {what} {hash} is not signed by {whose} {owner}")
}

fn too_late(what: &str, task: B256, deadline: U256, time: U256) -> String {
    format!(
        "it is too late for {what} task {task}: the time was over at {}, {}",
        when(deadline),
        ago(deadline, time)
    )
}

fn too_early(done: &str, task: B256, deadline: U256, time: U256) -> String {
    format!(
        "task {task} cannot be {done} before {}, {}",
        when(deadline),
        ahead(deadline, time)
    )
}

fn ago(past: U256, time: U256) -> String {
    format!("{} seconds ago", time.saturating_sub(past))
}

fn ahead(future: U256, time: U256) -> String {
    format!("in {} seconds", future.saturating_sub(time))
}

fn when(time_secs: U256) -> String {
    crate::wallet::utc(time_secs.saturating_to())
}

fn tag(bits: B256) -> String {
    format!("{:#x}", U256::from_be_bytes(bits.0))
}

fn task_status(status: u8) -> String {
    TaskStatus::try_from(status).map_or_else(
        |_| format!("in state {status}"),
        |status| status.to_string(),
    )
}

/// The name of an error, out of its `Debug`: `Enum(Name { field: value })` or `Name(Name(…))`.
fn name_of(error: &impl fmt::Debug) -> String {
    format!("{error:?}")
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// An error as name and values, out of its `Debug`.
fn plain(error: &impl fmt::Debug) -> String {
    let shown = format!("{error:?}");
    // The interface's variant wraps the error of the same name.
    let inner = shown
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(&shown);
    match inner.split_once(" { ") {
        Some((name, values)) => format!(
            "{name}: {}",
            values.trim_end_matches(" }").replace(": ", " ")
        ),
        None => inner.to_owned(),
    }
}

fn panic_words(code: U256) -> String {
    let why = match code.saturating_to::<u64>() {
        0x01 => "an assertion failed",
        0x11 => "a sum or difference does not fit its number",
        0x12 => "a division by zero",
        0x21 => "a number that is no value of its enumeration",
        0x32 => "an index beyond the end of a list",
        0x41 => "too much memory was asked for",
        _ => return format!("the contract panicked with code {code:#x}"),
    };
    format!("{why} (panic {code:#04x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(error: impl alloy_sol_types::SolError) -> Refusal {
        Refusal::decode(&error.abi_encode().into())
    }

    #[test]
    fn common_refusals_read_as_sentences() {
        let account = Address::repeat_byte(0x11);
        let needed = U256::from(3_000_000_000_u64);
        let poor = decoded(Hub::InsufficientBalance {
            account,
            balance: needed / U256::from(2),
            needed,
        });
        assert_eq!(poor.name, "InsufficientBalance");
        assert_eq!(
            poor.to_string(),
            format!(
                "the hub account of {account} holds 1.5 RLC, and 3 RLC is needed; deposit first"
            )
        );
        assert!(poor.is::<Hub::InsufficientBalance>() && !poor.is::<Hub::ZeroAddress>());
        let poor = poor
            .decode_as::<Hub::InsufficientBalance>()
            .expect("this very error");
        assert_eq!(poor.needed, needed);

        let used_up = decoded(Hub::OrdersConsumed {
            app: U256::ZERO,
            dataset: U256::MAX,
            workerpool: U256::from(2),
            request: U256::ZERO,
        });
        assert_eq!(
            used_up.to_string(),
            "nothing is left of the app order and the request order: it was matched or closed; take another"
        );
        let late = decoded(Hub::ContributionDeadlineReached {
            taskid: B256::ZERO,
            deadline: U256::from(1_700_000_000),
            time: U256::from(1_700_000_007),
        });
        assert!(
            late.to_string()
                .ends_with("over at 2023-11-14 22:13:20 UTC, 7 seconds ago"),
            "{late}"
        );
        let wallet = decoded(RLC::ERC20InsufficientBalance {
            sender: account,
            balance: U256::ZERO,
            needed,
        });
        assert_eq!(
            wallet.to_string(),
            format!("the wallet {account} holds 0 RLC, and 3 RLC is needed")
        );
    }

    #[test]
    fn an_order_at_its_end_says_what_ended_it_and_where_to_get_another() {
        let signer = Address::repeat_byte(0x11);
        let hash = B256::repeat_byte(1);
        let expired = decoded(Hub::OrderExpired {
            orderHash: hash,
            expiry: U256::from(1_700_000_000),
            time: U256::from(1_700_000_007),
        });
        assert_eq!(
            expired.to_string(),
            format!(
                "order {hash} was good until 2023-11-14 22:13:20 UTC, 7 seconds ago; ask its signer for another"
            )
        );
        let passed = decoded(Hub::OrderEpochPassed {
            orderHash: hash,
            signer,
            signedEpoch: U256::from(2),
            currentEpoch: U256::from(3),
        });
        assert_eq!(
            passed.to_string(),
            format!(
                "order {hash} is of epoch 2 of its signer {signer}, who has taken back all orders before epoch 3; \
                 ask for another"
            )
        );
    }

    #[test]
    fn other_refusals_read_as_name_and_values() {
        let missing = decoded(Hub::CallbackGasMissing {
            left: U256::from(1),
            needed: U256::from(2),
        });
        assert_eq!(missing.to_string(), "CallbackGasMissing: left 1, needed 2");
        assert_eq!(decoded(Hub::NoFormerHub {}).to_string(), "NoFormerHub");
    }

    #[test]
    fn reasons_that_are_no_named_error_are_told_too() {
        assert_eq!(
            Refusal::decode(&Bytes::new()).to_string(),
            "the contract gave no reason"
        );
        assert_eq!(
            decoded(Revert {
                reason: "not today".to_owned()
            })
            .to_string(),
            "not today"
        );
        let panic = decoded(Panic {
            code: U256::from(0x11),
        });
        assert_eq!(
            panic.to_string(),
            "a sum or difference does not fit its number (panic 0x11)"
        );
        let unknown = Refusal::decode(&Bytes::from_static(&[1, 2, 3, 4, 5]));
        assert!(unknown.to_string().contains("0x0102030405"), "{unknown}");
    }
}
