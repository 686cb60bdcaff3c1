//! The reconcilers, by stage: each compares what is known with what should be, and does the next thing.
//!
//! All have the same shape ([`each`]): what is filed under their job on the board is taken, worked on side by side
//! (transactions pipelined through the pool's one sender), and filed again. A task in trouble keeps only itself busy.
//! None of them takes an input: what to do stands on the board.
//!
//! # Every state a task can be stuck in
//!
//! What a task waits for is one of [`Waiting`](crate::waiting::Waiting), a pure function of the task and a few facts. At
//! `/metrics`, `oxec_scheduler_tasks_waiting{for="…"}` counts the tasks of each and
//! `oxec_scheduler_oldest_waiting_seconds{for="…"}` says how long the oldest has waited; `oxec task why` says it in words.
//! The net is the sweep every [`safety_net_secs`](crate::Options::safety_net_secs): it finds what no bell announced.
//!
//! | state, and its word | who waits for whom | what wakes it | net | test |
//! |---|---|---|---|---|
//! | deal not pinned, `pins` | pool for a web server, its disk, the node | the deal's event; the fetch ends | next try after `pin_pause_secs`; our own full disk is no try | `an_input_that_cannot_be_had_gives_the_deal_up_with_the_reason`, `a_full_disk_fails_the_write_…` |
//! | not on chain, `initialize` | pool for the chain | pins are here; the receipt | sweep; compared with the chain after an error | `on_a_chain_with_block_times_…` |
//! | active, nobody here can, `worker` | pool for a worker | a worker connects | sweep files the starved anew; pauses end | `a_task_without_a_worker_says_so_…` |
//! | active, all busy, `slot` | pool for a slot | any replica ends | sweep | `a_task_that_waits_for_a_slot_says_so_…` |
//! | assigned, unanswered, `answer` | pool for its worker | accepted, declined, connection gone | lost after `answer_timeout_secs` | `a_worker_that_does_not_even_answer_is_passed_over` |
//! | computing too long, `compute` | pool for its worker | contribution, failure, connection gone | lost after 1.5 category times | `a_worker_that_never_answers_for_its_task_is_passed_over` |
//! | worker lost: its place is free at once | – | the connection ends, or is silent for `silence_secs` | – | `a_worker_lost_before_contributing_is_replaced_at_once`, `a_worker_that_died_before_contributing_may_try_again_…`, `a_task_that_all_its_workers_left_…` |
//! | bytes taken, worker gone before it ended the task, `worker` | pool for another worker | the connection ends | as computing | `who_dies_after_its_bytes_were_taken_is_replaced_…` |
//! | claims on chain, no consensus in reach, `contribution` | pool for more workers | each contribution; a worker connects | sweep; the chain's own tally corrects ours | `consensus_out_of_reach_of_those_who_are_here_…` |
//! | the application fails, `refund` | – | the failures agree, or everybody who is here has failed: told at once, never true of no failure, nor where nobody is here | – | `an_app_that_fails_everywhere_is_given_up_…`, `complaints_that_do_not_agree_…`, `one_failure_is_not_that_of_all_workers_…` |
//! | consensus, nobody reveals, `reveal` then `reopen` | pool for the winners | reveal; the alarm at the reveal deadline, chain time | hint said again every 10 s; sweep | `a_task_nobody_reveals_is_reopened_and_done_by_others` |
//! | won, bytes missing, `upload` | pool for one winner after the other | consensus; a winner connects; an upload fails | passed over after `upload_timeout_secs` | `a_wrong_upload_is_refused_and_another_worker_is_asked`, `who_revealed_and_does_not_upload_…` |
//! | bytes here, some winners silent, `reveals` | pool for the others | reveal; the alarm at the reveal deadline | sweep | `every_state_has_a_word_of_its_own_…` |
//! | all here, `finalize` | pool for the chain | the upload, the last reveal | as trouble | `one_worker_takes_a_task_from_deal_to_payment` |
//! | finished by a worker alone without our having the bytes | – | the event; counted in `tasks_finished_unchecked_total` | – | `a_task_finished_behind_the_pools_back_…` |
//! | a transaction fails, the node is away, no ether, `trouble` | pool for node, hub, or its owner | success | tried again after a pause that doubles, the task compared with the chain | `a_pool_without_ether_says_so_and_goes_on_…` |
//! | refused for good, `refused` | operator | the task's stage changes; the next start | 14 refusals, then no more: initialize and finalize give the task up, its money goes back by claim | `what_the_hub_keeps_refusing_is_not_asked_for_ever` |
//! | too late, `refund` then `claim` | requester for the final deadline | the alarms at both deadlines, chain time | sweep | `the_deadline_is_the_chains_and_a_late_task_is_claimed` |
//! | the pool's own stake missing | offers for RLC in its account | – (no deal can be made then, so no task waits; the market marks the offer dead) | – | `account_free_nrlc` at `/metrics`; market: `life` |
//! | a reorganisation undoes any of these | – | the follower notices; all tasks compared as a whole | comparison after each failed turn and at each start | `what_a_reorganisation_takes_back_is_done_again`, `…_while_nobody_looked_…` |
//! | the pool itself is killed | – | the start | – | `restarts.rs`; ten thousand open tasks: `benches/restart.rs` |
//!
//! Payment's other half, telling workers that a task is settled, needs no reconciler: the board does it as soon as
//! the chain says so.

mod consensus;
mod contribution;
mod deal;
mod payment;
mod result;
mod task;

use std::sync::Arc;

use sdk::chain::ChainError;
use tokio::sync::Notify;

use crate::context::Context;

/// Starts all of them; the service's tracker owns them.
pub(crate) fn start(context: &Arc<Context>) {
    let tasks = &context.tasks;
    tasks.spawn(deal::pin(context.clone()));
    tasks.spawn(task::initialize(context.clone()));
    tasks.spawn(contribution::assign(context.clone()));
    tasks.spawn(consensus::reopen(context.clone()));
    tasks.spawn(result::upload(context.clone()));
    tasks.spawn(result::finalize(context.clone()));
    tasks.spawn(payment::claim(context.clone()));
}

/// Calls `step` whenever the bell rings, and now and then in case it did not, until the service stops.
async fn each(context: &Arc<Context>, bell: &Notify, mut step: impl FnMut(&Arc<Context>)) {
    if !context.caught_up().await {
        return;
    }
    loop {
        step(context);
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = bell.notified() => {}
            () = tokio::time::sleep(context.safety_net()) => {}
        }
    }
}

/// Work on the side, owned by the service: a stop ends it where it waits.
fn spawn(context: &Arc<Context>, work: impl Future<Output = ()> + Send + 'static) {
    let stop = context.stop.clone();
    context.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

fn closed(verb: &str) -> ChainError {
    ChainError::Closed {
        verb: verb.to_owned(),
    }
}
