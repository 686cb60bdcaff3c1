//! What a task waits for: the one place that says so, for `oxec task why`, for the metrics and for people in the log.
//!
//! Pure, like [`task`](crate::task): the task and a few facts of its pool come in, a [`Waiting`] and a sentence come
//! out. The table of all of them, with what wakes each, stands at the head of [`reconcile`](crate::reconcile).

use alloy_primitives::Address;
use protocol::task::Deadlines;

use crate::board::Job;
use crate::task::{Asking, Replica, ReplicaState, Stage, Task};

/// What a task waits for; one word each in `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Waiting {
    /// The deal's app and inputs are being fetched.
    Pins,
    /// It is to be put on chain.
    Initialize,
    /// No worker is connected that could do it.
    Worker,
    /// Workers that could do it have no slot free.
    Slot,
    /// A worker was given it and has not answered.
    Answer,
    /// A worker computes it.
    Compute,
    /// Claims are on chain, no consensus yet, and nobody is at it for now.
    Contribution,
    /// Consensus; nobody has revealed.
    Reveal,
    /// The result's bytes.
    Upload,
    /// The bytes are here; not all winners have revealed.
    Reveals,
    /// `finalize`.
    Finalize,
    /// Nobody revealed in time: `reopen`.
    Reopen,
    /// Given up, or too late: the time until a claim is let in.
    Refund,
    /// `claim`.
    Claim,
    /// The chain, or the node, does not do what is wanted; tried again.
    Trouble,
    /// The hub refused so often that it is not asked again at this stage.
    Refused,
    /// Nothing.
    Over,
}

impl Waiting {
    /// All that an open task can wait for, in the order of its life.
    pub(crate) const OPEN: [Self; 16] = [
        Self::Pins,
        Self::Initialize,
        Self::Worker,
        Self::Slot,
        Self::Answer,
        Self::Compute,
        Self::Contribution,
        Self::Reveal,
        Self::Upload,
        Self::Reveals,
        Self::Finalize,
        Self::Reopen,
        Self::Refund,
        Self::Claim,
        Self::Trouble,
        Self::Refused,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pins => "pins",
            Self::Initialize => "initialize",
            Self::Worker => "worker",
            Self::Slot => "slot",
            Self::Answer => "answer",
            Self::Compute => "compute",
            Self::Contribution => "contribution",
            Self::Reveal => "reveal",
            Self::Upload => "upload",
            Self::Reveals => "reveals",
            Self::Finalize => "finalize",
            Self::Reopen => "reopen",
            Self::Refund => "refund",
            Self::Claim => "claim",
            Self::Trouble => "trouble",
            Self::Refused => "refused",
            Self::Over => "over",
        }
    }
}

/// What the pool knows beside the task itself. Times are of this machine's steady clock, but for `chain_now` and the
/// deadlines, which are the chain's.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) now_secs: u64,
    pub(crate) chain_now: u64,
    /// None: the deal is not known (any more).
    pub(crate) deadlines: Option<Deadlines>,
    /// The category's time, seconds.
    pub(crate) time_secs: u64,
    pub(crate) pinning: PinFacts<'a>,
    /// A reconciler is at it.
    pub(crate) busy: Option<Job>,
    pub(crate) trouble: Option<&'a Trouble>,
    /// Connected workers.
    pub(crate) workers: &'a [WorkerFacts],
    pub(crate) limits: Limits,
}

/// How the deal's app and inputs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PinFacts<'a> {
    Fetching,
    /// It failed, and is tried again.
    Failing(&'a str),
    Here,
    Failed,
}

/// A connected worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerFacts {
    pub(crate) address: Address,
    pub(crate) has_room: bool,
}

/// The times the pool waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) answer_secs: u64,
    pub(crate) upload_secs: u64,
    pub(crate) second_try_secs: u64,
}

/// A transaction, or the way to the chain, that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) job: Job,
    /// The error, in words.
    pub(crate) why: String,
    pub(crate) since_secs: u64,
    /// How often the hub, and not the way to it, said no in a row.
    pub(crate) refusals: u32,
    /// When it is tried again; none: not at this stage.
    pub(crate) again_secs: Option<u64>,
}

/// What a task waits for, since when (this machine's clock), and the sentence for people.
pub(crate) fn waiting(task: &Task, facts: &Facts<'_>) -> (Waiting, u64, String) {
    let (what, since, sentence) = look(task, facts);
    if let Some(trouble) = facts.trouble.filter(|_| what != Waiting::Over) {
        let for_secs = span(facts.now_secs.saturating_sub(trouble.since_secs));
        let verb = trouble.job.verb();
        return match trouble.again_secs {
            Some(again) => {
                let soon = span(again.saturating_sub(facts.now_secs));
                let why = format!(
                    "cannot {verb} the task for {for_secs}: {}; it is tried again in {soon}",
                    trouble.why
                );
                (Waiting::Trouble, trouble.since_secs, why)
            }
            None => {
                let why = format!(
                    "cannot {verb} the task: {}; refused {} times and not tried again until something about the task changes{}",
                    trouble.why,
                    trouble.refusals,
                    facts.refund()
                );
                (Waiting::Refused, trouble.since_secs, why)
            }
        };
    }
    (what, since, sentence)
}

fn look(task: &Task, facts: &Facts<'_>) -> (Waiting, u64, String) {
    let since = task.since_secs;
    let for_secs = facts.since(since);
    let Some(until) = facts.deadlines else {
        return match task.stage {
            Stage::Completed => (Waiting::Over, since, COMPLETED.to_owned()),
            Stage::Claimed => (Waiting::Over, since, CLAIMED.to_owned()),
            Stage::Unset | Stage::Active | Stage::Revealing { .. } => (
                Waiting::Pins,
                since,
                "its deal is being looked for on chain".to_owned(),
            ),
        };
    };
    let late = facts.chain_now >= until.contribution;
    if !task.is_closed() && facts.chain_now >= until.end {
        let why = "the deal's time is over; it is being claimed, which gives the requester the money back";
        return (Waiting::Claim, since, why.to_owned());
    }
    match task.stage {
        Stage::Completed => (Waiting::Over, since, COMPLETED.to_owned()),
        Stage::Claimed => (Waiting::Over, since, CLAIMED.to_owned()),
        Stage::Unset | Stage::Active if task.given_up.is_some() || late => {
            let reason = task
                .given_up
                .as_deref()
                .unwrap_or("the time to contribute is over");
            let why = format!("given up {for_secs}: {reason}{}", facts.refund());
            (Waiting::Refund, since, why)
        }
        Stage::Unset | Stage::Active => open(task, facts),
        Stage::Revealing { deadline_secs, .. } => revealing(task, facts, deadline_secs),
    }
}

const COMPLETED: &str = "it waits for nothing: it is finalized and paid";
const CLAIMED: &str = "it waits for nothing: it failed, and the requester has the money back";

/// Not initialized, or taking contributions.
fn open(task: &Task, facts: &Facts<'_>) -> (Waiting, u64, String) {
    let since = task.since_secs;
    let for_secs = facts.since(since);
    match facts.pinning {
        PinFacts::Here => {}
        PinFacts::Failed | PinFacts::Fetching => {
            let why = format!(
                "the pool is fetching the deal's application and inputs {for_secs}; then the task goes on chain and to workers"
            );
            return (Waiting::Pins, since, why);
        }
        PinFacts::Failing(error) => {
            let why = format!(
                "the pool cannot fetch what the deal needs {for_secs}: {error}; it tries again"
            );
            return (Waiting::Pins, since, why);
        }
    }
    let claims = task
        .replicas
        .iter()
        .filter(|replica| replica.state.hash().is_some())
        .count();
    // Whoever is at it longest.
    let computing = oldest(task, |state| *state == ReplicaState::Computing);
    let assigned = oldest(task, |state| *state == ReplicaState::Assigned);
    if let Some(replica) = computing {
        let limit = facts.time_secs.saturating_add(facts.time_secs / 2);
        let left = limit.saturating_sub(facts.now_secs.saturating_sub(replica.since_secs));
        let others = match task.pending().count() {
            1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        let delivered = if task.delivered_by(replica.worker).next().is_some() {
            "has delivered its bytes, checked by the pool, and ends it on chain by itself"
        } else {
            "is at it"
        };
        let why = format!(
            "worker {}{others} {delivered} {}; {} it goes to another worker in {}",
            replica.worker,
            facts.since(replica.since_secs),
            if claims > 0 {
                "its claim is weighed with those on chain; without one"
            } else {
                "without a word from it"
            },
            span(left)
        );
        return (Waiting::Compute, replica.since_secs, why);
    }
    if let Some(replica) = assigned {
        let left = facts
            .limits
            .answer_secs
            .saturating_sub(facts.now_secs.saturating_sub(replica.since_secs));
        let why = format!(
            "worker {} was given it {} and has not answered; it goes to another in {}",
            replica.worker,
            facts.since(replica.since_secs).replace("for ", "") + " ago",
            span(left)
        );
        return (Waiting::Answer, replica.since_secs, why);
    }
    if task.stage == Stage::Unset
        && (facts.busy == Some(Job::Initialize) || facts.workers.is_empty())
    {
        let why = format!(
            "it is being put on chain (initialize) {for_secs}; then workers may contribute"
        );
        return (Waiting::Initialize, since, why);
    }
    nobody_at_it(task, facts, claims)
}

/// Nobody has it at this moment: who could, and why not now?
fn nobody_at_it(task: &Task, facts: &Facts<'_>, claims: usize) -> (Waiting, u64, String) {
    let since = task
        .replicas
        .iter()
        .map(|replica| replica.since_secs)
        .max()
        .unwrap_or_default()
        .max(task.since_secs);
    let for_secs = facts.since(since);
    let asking = |worker: &WorkerFacts| {
        task.may_ask(worker.address, facts.now_secs, facts.limits.second_try_secs)
    };
    let able = facts
        .workers
        .iter()
        .filter(|worker| asking(worker) == Asking::Now);
    let (mut free, mut busy) = (0, 0);
    for worker in able {
        if worker.has_room {
            free += 1;
        } else {
            busy += 1;
        }
    }
    let soonest = facts
        .workers
        .iter()
        .filter_map(|worker| match asking(worker) {
            Asking::From(at) => Some(at),
            Asking::Now | Asking::Never => None,
        })
        .min();
    let before = match claims {
        0 => String::new(),
        1 => "one worker's claim is on chain and the deal's trust asks for more; ".to_owned(),
        several => {
            format!("{several} workers' claims are on chain and do not reach the deal's trust; ")
        }
    };
    let what = match claims {
        0 => Waiting::Worker,
        _ => Waiting::Contribution,
    };
    if free > 0 {
        let why = format!("{before}it is about to be given to a worker ({free} with a free slot)");
        return (what, since, why);
    }
    if busy > 0 {
        let why = format!(
            "{before}all slots of the {busy} workers that could do it have been taken {for_secs}; it is given to the first that comes free"
        );
        let what = if claims == 0 { Waiting::Slot } else { what };
        return (what, since, why);
    }
    let why = match soonest {
        Some(at) => format!(
            "{before}every worker here has failed or declined it; one is asked again in {}",
            span(at.saturating_sub(facts.now_secs))
        ),
        None if facts.workers.is_empty() => {
            format!(
                "{before}no worker has been connected to this pool {for_secs}; it is given to the first that comes"
            )
        }
        None => format!(
            "{before}none of the {} workers here may try it (again) {for_secs}; it waits for another",
            facts.workers.len()
        ),
    };
    (what, since, format!("{why}{}", facts.refund()))
}

fn revealing(task: &Task, facts: &Facts<'_>, deadline_secs: u64) -> (Waiting, u64, String) {
    let since = task.since_secs;
    let for_secs = facts.since(since);
    let late = facts.chain_now >= deadline_secs;
    let left = span(deadline_secs.saturating_sub(facts.chain_now));
    let shown = task.revealed().count();
    let winners = task.winners().count();
    if shown == 0 && late {
        let why = format!(
            "consensus was reached {for_secs} but nobody revealed in time; the task is being reopened for other workers"
        );
        return (Waiting::Reopen, since, why);
    }
    if let Some(reason) = &task.given_up {
        let why = format!("given up {for_secs}: {reason}{}", facts.refund());
        return (Waiting::Refund, since, why);
    }
    if shown == 0 {
        let why = format!(
            "consensus was reached {for_secs}; it waits for {winners} of its winners to reveal, and is reopened for others in {left} if none does"
        );
        return (Waiting::Reveal, since, why);
    }
    match (task.result(), task.asked) {
        (None, Some(asked)) => {
            let waited = facts.now_secs.saturating_sub(asked.at_secs);
            let why = format!(
                "worker {} was asked for the result's bytes {} ago; another winner is asked in {}",
                asked.worker,
                span(waited),
                span(facts.limits.upload_secs.saturating_sub(waited))
            );
            (Waiting::Upload, asked.at_secs, why)
        }
        (None, None) => {
            let here = facts
                .workers
                .iter()
                .filter(|worker| task.has_won(worker.address))
                .count();
            let who = match here {
                0 => format!("none of the {winners} winners is connected"),
                some => format!(
                    "{some} of its winners are connected, and one is asked (again) within seconds"
                ),
            };
            let why = format!(
                "the result's bytes are missing {for_secs}: {who}{}",
                facts.refund()
            );
            (Waiting::Upload, since, why)
        }
        (Some(_), _) if late || task.all_winners_revealed() => {
            let why = format!("its result is here and checked; it is being finalized {for_secs}");
            (Waiting::Finalize, since, why)
        }
        (Some(_), _) => {
            let why = format!(
                "{shown} of {winners} winners have revealed and the result is here; it is finalized when the others have too, or in {left}"
            );
            (Waiting::Reveals, since, why)
        }
    }
}

fn oldest(task: &Task, is: impl Fn(&ReplicaState) -> bool) -> Option<&Replica> {
    task.replicas
        .iter()
        .filter(|replica| is(&replica.state))
        .min_by_key(|replica| replica.since_secs)
}

impl Facts<'_> {
    fn since(&self, since_secs: u64) -> String {
        format!("for {}", span(self.now_secs.saturating_sub(since_secs)))
    }

    /// What happens if nothing does.
    fn refund(&self) -> String {
        self.deadlines.map_or_else(String::new, |until| {
            format!(
                "; the requester's money goes back in {}",
                span(until.end.saturating_sub(self.chain_now))
            )
        })
    }
}

/// A length of time, as people say it.
fn span(secs: u64) -> String {
    match secs {
        0 => "less than a second".to_owned(),
        1..=119 => format!("{secs} s"),
        120..=7199 => format!("{} min", secs / 60),
        7200..=172_799 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use protocol::{DealId, TaskId};
    use sdk::wire::pool::{FailureCause, PinnedBlob, TaskFailure};

    use super::*;
    use crate::task::{Event, TaskResult};

    const A: Address = Address::repeat_byte(0xa);
    const B: Address = Address::repeat_byte(0xb);

    fn digest() -> B256 {
        B256::repeat_byte(0xd)
    }

    fn hash() -> B256 {
        protocol::contribution::hash(TaskId(B256::repeat_byte(1)), digest().into())
    }

    fn after(events: impl IntoIterator<Item = Event>) -> Task {
        let task = Task::new(
            TaskId(B256::repeat_byte(1)),
            DealId(B256::repeat_byte(2)),
            0,
        );
        events
            .into_iter()
            .fold(task, |task, event| task.apply(event, 100).expect("legal"))
    }

    fn facts(workers: &[WorkerFacts]) -> Facts<'_> {
        Facts {
            now_secs: 110,
            chain_now: 1_000,
            deadlines: Some(Deadlines {
                contribution: 3_100,
                end: 4_000,
            }),
            time_secs: 300,
            pinning: PinFacts::Here,
            busy: None,
            trouble: None,
            workers,
            limits: Limits {
                answer_secs: 15,
                upload_secs: 120,
                second_try_secs: 60,
            },
        }
    }

    const FREE: [WorkerFacts; 1] = [WorkerFacts {
        address: A,
        has_room: true,
    }];

    fn check(
        events: impl IntoIterator<Item = Event>,
        facts: &Facts<'_>,
        what: Waiting,
        says: &str,
    ) {
        let (found, _, sentence) = waiting(&after(events), facts);
        assert_eq!(found, what, "{sentence}");
        assert!(sentence.contains(says), "{sentence}");
    }

    fn contributed(worker: Address) -> Event {
        Event::Contributed {
            worker,
            hash: hash(),
        }
    }

    fn consensus() -> Event {
        Event::Consensus {
            consensus: hash(),
            deadline_secs: 1_600,
        }
    }

    fn revealed(worker: Address) -> Event {
        Event::Revealed {
            worker,
            digest: digest(),
        }
    }

    fn stored() -> Event {
        Event::Stored(TaskResult {
            worker: A,
            digest: digest(),
            blob: PinnedBlob {
                cid: String::new(),
                length: 0,
                sha256: B256::ZERO,
            },
            callback: None,
        })
    }

    #[test]
    fn every_state_has_a_word_of_its_own_and_a_sentence_that_names_who_is_at_it() {
        let facts = facts(&FREE);
        let nobody = Facts {
            workers: &[],
            ..facts.clone()
        };
        let fetching = Facts {
            pinning: PinFacts::Failing("no such host"),
            ..facts.clone()
        };
        check([], &fetching, Waiting::Pins, "no such host");
        check([], &nobody, Waiting::Initialize, "initialize");
        check(
            [Event::Initialized],
            &nobody,
            Waiting::Worker,
            "no worker has been connected",
        );
        check(
            [Event::Initialized],
            &facts,
            Waiting::Worker,
            "about to be given",
        );
        let taken = [WorkerFacts {
            has_room: false,
            ..FREE[0]
        }];
        let full = Facts {
            workers: &taken,
            ..facts.clone()
        };
        check(
            [Event::Initialized],
            &full,
            Waiting::Slot,
            "first that comes free",
        );
        let given = [Event::Initialized, Event::Assigned { worker: A }];
        check(given.clone(), &facts, Waiting::Answer, "another in 5 s");
        let at_it = given.into_iter().chain([Event::Accepted { worker: A }]);
        check(at_it.clone(), &facts, Waiting::Compute, "is at it for 10 s");
        check(
            at_it.chain([stored()]),
            &facts,
            Waiting::Compute,
            "has delivered its bytes",
        );
        check(
            [contributed(B)],
            &nobody,
            Waiting::Contribution,
            "one worker's claim",
        );
        let agreed = [contributed(A), consensus()];
        check(
            agreed.clone(),
            &facts,
            Waiting::Reveal,
            "reopened for others in 10 min",
        );
        let late = Facts {
            chain_now: 1_600,
            ..facts.clone()
        };
        check(
            agreed.clone(),
            &late,
            Waiting::Reopen,
            "nobody revealed in time",
        );
        let shown = agreed.into_iter().chain([revealed(A)]);
        check(
            shown.clone(),
            &facts,
            Waiting::Upload,
            "winners are connected",
        );
        check(
            shown.clone(),
            &nobody,
            Waiting::Upload,
            "none of the 1 winners",
        );
        let asked = shown.clone().chain([Event::UploadAsked { worker: A }]);
        check(
            asked,
            &facts,
            Waiting::Upload,
            "was asked for the result's bytes 10 s ago",
        );
        check(
            shown.chain([stored()]),
            &facts,
            Waiting::Finalize,
            "being finalized",
        );
        let two = [
            contributed(A),
            contributed(B),
            consensus(),
            revealed(A),
            stored(),
        ];
        check(two.clone(), &facts, Waiting::Reveals, "1 of 2 winners");
        check(two, &late, Waiting::Finalize, "being finalized");
        let over = Facts {
            chain_now: 4_000,
            ..facts.clone()
        };
        check([Event::Initialized], &over, Waiting::Claim, "money back");
        let too_late = Facts {
            chain_now: 3_100,
            ..facts.clone()
        };
        check(
            [Event::Initialized],
            &too_late,
            Waiting::Refund,
            "time to contribute is over",
        );
        check([Event::Finalized], &facts, Waiting::Over, "paid");
        check([Event::Claimed], &over, Waiting::Over, "money back");
    }

    #[test]
    fn trouble_with_the_chain_comes_first_and_says_when_it_is_tried_again() {
        let trouble = |again_secs| Trouble {
            job: Job::Finalize,
            why: "finalize was refused: the hub does not like it".to_owned(),
            since_secs: 100,
            refusals: 3,
            again_secs,
        };
        let events = [contributed(A), consensus(), revealed(A), stored()];
        let (passing, for_good) = (trouble(Some(114)), trouble(None));
        let facts = Facts {
            trouble: Some(&passing),
            ..facts(&FREE)
        };
        check(
            events.clone(),
            &facts,
            Waiting::Trouble,
            "tried again in 4 s",
        );
        let facts = Facts {
            trouble: Some(&for_good),
            ..facts
        };
        check(events, &facts, Waiting::Refused, "not tried again");
    }

    #[test]
    fn who_failed_it_is_asked_again_after_a_pause_which_is_named() {
        let failure = TaskFailure {
            cause: FailureCause::Worker,
            message: "disk full".to_owned(),
            log: String::new(),
        };
        let events = [
            Event::Initialized,
            Event::Assigned { worker: A },
            Event::Failed { worker: A, failure },
        ];
        let facts = Facts {
            now_secs: 101,
            ..facts(&FREE)
        };
        check(events, &facts, Waiting::Worker, "asked again in 1 s");
    }

    #[test]
    fn no_two_states_share_a_word() {
        let words: std::collections::BTreeSet<_> =
            Waiting::OPEN.iter().map(|what| what.word()).collect();
        assert_eq!(words.len(), Waiting::OPEN.len());
    }
}
