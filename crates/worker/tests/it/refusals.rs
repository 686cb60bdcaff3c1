//! Tasks a worker does not take, or cannot do.

use alloy_primitives::{Address, B256};
use sdk::wire::pool::{Assignment, FailureCause, TaskFailure, ToPool, ToWorker};
use worker::{Conduct, Options};

use crate::town::{COMPLAIN, HELLO, Town, eventually};

/// What a worker answers to an assignment, in the end.
async fn answer(town: &mut Town, assignment: Assignment) -> ToPool {
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    let decided = |message: &ToPool| {
        matches!(
            message,
            ToPool::Declined { .. } | ToPool::Failed { .. } | ToPool::Contributed { .. }
        )
    };
    town.pool.until(decided).await.pop().expect("at least one")
}

async fn declined(town: &mut Town, assignment: Assignment) -> String {
    match answer(town, assignment).await {
        ToPool::Declined { reason, .. } => reason,
        other => panic!("expected it to decline: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_chain_does_not_bear_out_is_declined() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Honest).await;
    let sound = town.assignment(&given, 0).await;

    let unknown = Assignment {
        deal: protocol::ids::DealId(B256::repeat_byte(1)),
        ..sound.clone()
    };
    assert!(
        declined(&mut town, unknown)
            .await
            .contains("there is no deal")
    );
    let other_index = Assignment {
        index: 1,
        ..sound.clone()
    };
    assert!(
        declined(&mut town, other_index)
            .await
            .contains("no such task")
    );
    let forged = sdk::contribution::authorize(
        &town.worker,
        town.worker.address(),
        sound.task,
        Address::ZERO,
    );
    let forged = Assignment {
        authorization: forged,
        ..sound.clone()
    };
    assert!(
        declined(&mut town, forged)
            .await
            .contains("not signed by the workerpool's owner")
    );
    let garbage = Assignment {
        authorization: vec![7; 3].into(),
        ..sound.clone()
    };
    assert!(
        declined(&mut town, garbage)
            .await
            .contains("not signed by the workerpool's owner")
    );
    let enclave = Assignment {
        enclave_challenge: Address::repeat_byte(1),
        ..sound.clone()
    };
    assert!(declined(&mut town, enclave).await.contains("enclave"));
    let other_app = Assignment {
        app: town.put(b"another module").await,
        ..sound.clone()
    };
    assert!(declined(&mut town, other_app).await.contains("checksum"));
    let input = town.input("https://example.org/x", town.put(b"x").await);
    let more_inputs = Assignment {
        inputs: vec![input],
        ..sound.clone()
    };
    assert!(declined(&mut town, more_inputs).await.contains("inputs"));

    // None of it got in the way of the real one, which is not taken twice.
    assert_eq!(
        answer(&mut town, sound.clone()).await,
        ToPool::Contributed { task: sound.task }
    );
}

#[tokio::test]
async fn a_pinned_input_must_be_what_its_url_says() {
    let mut town = Town::start().await;
    let pinned = format!(
        "https://example.org/x#sha256={:x}",
        protocol::result::sha256(b"right")
    );
    let given = town
        .deal(HELLO, &format!(r#"{{"iexec_input_files":["{pinned}"]}}"#))
        .await;
    let _worker = town.worker(Conduct::Honest).await;
    let mut assignment = town.assignment(&given, 0).await;
    assignment.inputs = vec![town.input(&pinned, town.put(b"wrong").await)];
    assert!(
        declined(&mut town, assignment.clone())
            .await
            .contains("other inputs")
    );
    assignment.inputs = vec![town.input(&pinned, town.put(b"right").await)];
    assert_eq!(
        answer(&mut town, assignment.clone()).await,
        ToPool::Contributed {
            task: assignment.task
        }
    );
}

#[tokio::test]
async fn a_deal_that_asks_for_what_a_worker_has_not_is_declined() {
    let mut town = Town::start().await;
    let _worker = town.worker(Conduct::Honest).await;
    for (params, expected) in [
        (r#"{"oxec_network":true}"#, "network"),
        (r#"{"iexec_result_encryption":true}"#, "encrypted"),
    ] {
        let given = town.deal(HELLO, params).await;
        let assignment = town.assignment(&given, 0).await;
        assert!(declined(&mut town, assignment).await.contains(expected));
    }
}

#[tokio::test]
async fn a_stake_that_cannot_be_covered_is_no_task_to_take() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let options = Options {
        deposit_stakes: false,
        ..town.options()
    };
    let worker = town.worker_with(options).await;
    let assignment = town.assignment(&given, 0).await;
    let reason = declined(&mut town, assignment.clone()).await;
    assert!(reason.contains("does not let it deposit"), "{reason}");
    worker.shutdown().await;

    let sender = town.chain.sender(&town.worker);
    let all = sdk::payment::wallet_balance(&town.chain, town.worker.address())
        .await
        .expect("a balance");
    sdk::payment::transfer(&sender, Address::repeat_byte(1), all)
        .await
        .expect("gone");
    let _worker = town.worker(Conduct::Honest).await;
    let reason = declined(&mut town, assignment).await;
    assert!(reason.contains("the stakes come to 0.5 RLC"), "{reason}");
}

async fn failure(town: &mut Town, program: &str, params: &str) -> TaskFailure {
    let given = town.deal(program, params).await;
    let assignment = town.assignment(&given, 0).await;
    match answer(town, assignment).await {
        ToPool::Failed { failure, .. } => failure,
        other => panic!("expected it to fail: {other:?}"),
    }
}

#[tokio::test]
async fn an_application_that_fails_is_told_with_its_log_and_never_contributed() {
    let mut town = Town::start().await;
    let worker = town.worker(Conduct::Honest).await;
    let failed = failure(&mut town, COMPLAIN, "").await;
    assert_eq!(failed.cause, FailureCause::Application);
    assert_eq!(failed.message, "the application ended with exit code 3");
    assert_eq!(failed.log, "too bad\n");
    let failed = failure(&mut town, "no module at all", "").await;
    assert_eq!(failed.cause, FailureCause::Application);
    assert!(
        failed.message.contains("not a WebAssembly program"),
        "{}",
        failed.message
    );
    let failed = failure(&mut town, HELLO, r#"{"iexec_args":"'open"}"#).await;
    assert_eq!(failed.cause, FailureCause::Application);
    assert!(failed.message.contains("quote"), "{}", failed.message);
    eventually("it lets go", async || worker.tasks() == 0).await;
    let account = sdk::payment::account(&town.chain, town.worker.address())
        .await
        .expect("an account");
    assert!(account.frozen.is_zero(), "nothing was staked");
}

#[tokio::test]
async fn a_blob_the_pool_does_not_have_is_this_workers_failure() {
    let mut town = Town::start().await;
    let url = "https://example.org/x";
    let given = town
        .deal(HELLO, &format!(r#"{{"iexec_input_files":["{url}"]}}"#))
        .await;
    let _worker = town.worker(Conduct::Honest).await;
    let mut assignment = town.assignment(&given, 0).await;
    let blob = town.put(b"x").await;
    town.store
        .remove(blob.cid.parse().expect("an address"))
        .await
        .expect("removed");
    assignment.inputs = vec![town.input(url, blob)];
    let failed = match answer(&mut town, assignment).await {
        ToPool::Failed { failure, .. } => failure,
        other => panic!("expected it to fail: {other:?}"),
    };
    assert_eq!(failed.cause, FailureCause::Worker);
    assert!(
        failed.message.contains("cannot fetch"),
        "{}",
        failed.message
    );
}

#[tokio::test]
async fn a_pool_of_another_runtime_profile_is_not_worked_for_until_it_has_ours() {
    let mut town = Town::start().await;
    town.pool
        .set_info(|info| info.runtime_profile = "another engine".to_owned());
    let worker = worker::Service::start(town.options(), town.worker.clone())
        .await
        .expect("started");
    eventually("it has asked", async || town.pool.times_asked() > 1).await;
    assert!(!worker.is_connected());
    town.pool
        .set_info(|info| info.runtime_profile = runtime::profile().to_string());
    worker.connected().await;
    assert!(matches!(town.pool.next().await, ToPool::Hello { .. }));
}
