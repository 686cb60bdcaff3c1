//! Who is let in, and what strangers are told.

use alloy_primitives::B256;
use protocol::TaskId;
use protocol::task::TaskStatus;
use reqwest::StatusCode;
use sdk::wire::pool::{ErrorBody, PoolInfo, ToPool, ToWorker, hello_digest};

use crate::pool::{PROFILE, Pool, account, eventually};
use crate::script::{Conduct, open, put, read, result, write};

/// Says hello, changed; gives the refusal's reason.
async fn refusal(pool: &Pool, change: impl FnOnce(&mut ToPool)) -> String {
    let wallet = account(3);
    let mut socket = open(&pool.url()).await.expect("a connection");
    let Some(ToWorker::Challenge { nonce }) = read(&mut socket).await else {
        panic!("no challenge")
    };
    let digest = hello_digest(
        pool.chain.deployment().chain_id,
        pool.options.workerpool,
        nonce,
    );
    let mut hello = ToPool::Hello {
        worker: wallet.address(),
        signature: wallet.sign_message(digest.as_slice()),
        runtime_profile: PROFILE.to_owned(),
        slots: 1,
        holding: vec![],
    };
    change(&mut hello);
    write(&mut socket, &hello).await;
    match read(&mut socket).await {
        Some(ToWorker::Refused { reason }) => reason,
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_must_be_signed_by_the_worker_and_fit_the_pool() {
    let pool = Pool::start().await;
    let stranger = account(4).address();
    let reason = refusal(&pool, |hello| {
        if let ToPool::Hello { worker, .. } = hello {
            *worker = stranger;
        }
    })
    .await;
    assert!(reason.contains("not signed"), "{reason}");
    let reason = refusal(&pool, |hello| {
        if let ToPool::Hello {
            runtime_profile, ..
        } = hello
        {
            "another".clone_into(runtime_profile);
        }
    })
    .await;
    assert!(reason.contains("runtime profile"), "{reason}");
    let reason = refusal(&pool, |hello| {
        if let ToPool::Hello { slots, .. } = hello {
            *slots = 0;
        }
    })
    .await;
    assert!(reason.contains("slot"), "{reason}");
    let reason = refusal(&pool, |hello| {
        *hello = ToPool::Computing {
            task: TaskId::default(),
        }
    })
    .await;
    assert!(reason.contains("hello first"), "{reason}");
    assert_eq!(pool.handle().workers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_connection_replaces_the_older_one() {
    let pool = Pool::start().await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let wallet = account(3);
        let mut socket = open(&pool.url()).await.expect("a connection");
        let Some(ToWorker::Challenge { nonce }) = read(&mut socket).await else {
            panic!("no challenge")
        };
        let digest = hello_digest(
            pool.chain.deployment().chain_id,
            pool.options.workerpool,
            nonce,
        );
        let hello = ToPool::Hello {
            worker: wallet.address(),
            signature: wallet.sign_message(digest.as_slice()),
            runtime_profile: PROFILE.to_owned(),
            slots: 1,
            holding: vec![],
        };
        write(&mut socket, &hello).await;
        assert_eq!(
            read(&mut socket).await,
            Some(ToWorker::Welcome { keep: vec![] })
        );
        sockets.push(socket);
    }
    assert!(matches!(
        read(&mut sockets[0]).await,
        Some(ToWorker::Refused { .. })
    ));
    assert_eq!(pool.handle().workers(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_refused_unless_its_worker_revealed_the_task() {
    let pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::Silent, 1);
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until(task, TaskStatus::Revealing).await;

    let (zip, _) = result("the truth about 0");
    let answer = put(&pool.url(), &account(4), task, zip.clone())
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "a stranger");
    let unsigned = reqwest::Client::new()
        .put(pool.url().join(&format!("results/{task}")).unwrap())
        .body(zip.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    assert!(
        unsigned
            .json::<ErrorBody>()
            .await
            .unwrap()
            .error
            .contains("oxec-worker")
    );
    let forged = reqwest::Client::new()
        .put(pool.url().join(&format!("results/{task}")).unwrap())
        .header("oxec-worker", worker.wallet.address().to_string())
        .header("oxec-sha256", B256::ZERO.to_string())
        .header(
            "oxec-signature",
            account(4).sign_message(b"something else").to_string(),
        )
        .body(zip.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let unknown = put(
        &pool.url(),
        &worker.wallet,
        TaskId(B256::repeat_byte(7)),
        zip,
    )
    .await
    .unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        std::fs::read_dir(pool.options.database.with_file_name("incoming"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_have_a_quota_which_what_nobody_needs_makes_room_in() {
    let pool = Pool::start_with(|options| options.uploads_quota_bytes = 100_000).await;
    let post = async |bytes: Vec<u8>| {
        reqwest::Client::new()
            .post(pool.url().join("blobs").unwrap())
            .body(bytes)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(post(vec![1; 60_000]).await, StatusCode::OK);
    // It may be the input of a deal about to be made: not removed within the hour.
    assert_eq!(
        post(vec![2; 60_000]).await,
        StatusCode::INSUFFICIENT_STORAGE
    );
    assert_eq!(post(vec![3; 30_000]).await, StatusCode::OK);
    // What a deal of ours needs does not count: the app was here before, and the pool works.
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let deal = pool.request(1, 1, "").await;
    pool.completed(deal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deal_needs_stays_until_no_reorganisation_can_open_it_again_and_the_rest_goes() {
    let pool = Pool::start_with(|options| {
        options.uploads_quota_bytes = 100_000;
        options.uploads_keep_secs = 0;
    })
    .await;
    let post = async |byte: u8| {
        let bytes = vec![byte; 60_000];
        let answer = reqwest::Client::new()
            .post(pool.url().join("blobs").unwrap())
            .body(bytes.clone())
            .send()
            .await
            .unwrap();
        let mut hasher = blobs::Hasher::new();
        hasher.update(&bytes);
        (answer.status(), hasher.finish().cid)
    };
    // Room is made at most every ten seconds.
    let posted = async |byte: u8| {
        eventually(async || {
            let (status, cid) = post(byte).await;
            (status == StatusCode::OK).then_some(cid)
        })
        .await
    };
    let input = posted(1).await;
    let worker = pool.worker(0, Conduct::Honest, 1);
    let params = format!(r#"{{"iexec_input_files":["http://127.0.0.1:1/ipfs/{input}"]}}"#);
    let deal = pool.request(1, 1, &params).await;
    pool.completed(deal).await;
    pool.handle().idle().await;
    // It is over, but a reorganisation may open it again.
    let idle = posted(2).await;
    let next = posted(3).await;
    assert!(pool.blobs.has(input).await.unwrap(), "a deal's input");
    assert!(!pool.blobs.has(idle).await.unwrap(), "nobody's");
    assert!(pool.blobs.has(next).await.unwrap());
    // Out of every reorganisation's reach, the oldest goes first.
    for _ in 0..70 {
        pool.node("evm_mine", serde_json::json!([])).await;
    }
    let head = pool.chain.block().await.expect("a block").number;
    eventually(async || (pool.metric("next_block").await > head).then_some(())).await;
    posted(4).await;
    assert!(!pool.blobs.has(input).await.unwrap(), "nobody's any more");
    // And results stay as long as the options say.
    let link = pool.task(pool.tasks_of(deal).await[0]).await.results;
    let link = protocol::result::ResultLink::parse(&link).expect("a link");
    let result = link.cid().expect("a CID").parse().expect("an address");
    assert!(pool.blobs.has(result).await.unwrap(), "a result");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_nothing_at_stake_yet_cannot_fill_the_disk_with_results() {
    let (zip, _) = result("one");
    let length = zip.len() as u64;
    let pool = Pool::start_with(|options| {
        // The three of them are equally long; the first two fit, and the application.
        options.uploads_quota_bytes = length * 5 / 2;
    })
    .await;
    let first = pool.worker(0, Conduct::Sleeps, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| report.state == "computing")
        .await;
    let deliver = async |wallet, task, text| {
        put(&pool.url(), wallet, task, result(text).0)
            .await
            .unwrap()
            .status()
    };
    assert_eq!(deliver(&first.wallet, task, "one").await, StatusCode::OK);
    assert_eq!(
        deliver(&first.wallet, task, "one").await,
        StatusCode::OK,
        "the same again"
    );
    assert_eq!(deliver(&first.wallet, task, "two").await, StatusCode::OK);
    assert_eq!(
        deliver(&first.wallet, task, "six").await,
        StatusCode::CONFLICT,
        "two tries are enough"
    );
    // Nor can several together.
    let second = pool.worker(1, Conduct::Sleeps, 1);
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let other = pool.tasks_of(deal).await[0];
    pool.until_reported(other, |report| report.state == "computing")
        .await;
    assert_eq!(
        deliver(&second.wallet, other, "one").await,
        StatusCode::CONFLICT,
        "no room before its contribution"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_are_not_found_and_bad_ones_are_named() {
    let pool = Pool::start().await;
    let id = B256::repeat_byte(1);
    for (path, status) in [
        (format!("tasks/{id}"), StatusCode::NOT_FOUND),
        (format!("deals/{id}"), StatusCode::NOT_FOUND),
        (format!("results/{id}"), StatusCode::NOT_FOUND),
        ("tasks/0x12".to_owned(), StatusCode::BAD_REQUEST),
        ("nowhere".to_owned(), StatusCode::NOT_FOUND),
        (
            "ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".to_owned(),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = reqwest::get(pool.url().join(&path).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let body: ErrorBody = answer
            .json()
            .await
            .expect("every error is one sentence in JSON");
        assert!(!body.error.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_says_who_it_is_and_how_it_fares() {
    let pool = Pool::start().await;
    let _worker = pool.worker(0, Conduct::Honest, 2);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let info: PoolInfo = reqwest::get(pool.url().join("pool").unwrap())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (info.workerpool, info.owner),
        (pool.options.workerpool, pool.owner.address())
    );
    assert_eq!((info.description.as_str(), info.workers), ("test pool", 1));
    let metrics = reqwest::get(pool.url().join("metrics").unwrap())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(metrics.contains("oxec_scheduler_slots 2\n"), "{metrics}");
}
