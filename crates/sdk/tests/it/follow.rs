//! Following the hub's events through bad weather and changes of mind.

use std::time::Duration;

use protocol::abi::Hub;
use protocol::payment::Nrlc;
use sdk::chain::{Chain, ChainOptions, EventStream, Followed};
use sdk::payment;

use crate::town::{Town, nano_rlc, url};

/// Amounts deposited, as told, until `count` of them came.
async fn deposits(stream: &mut EventStream, count: usize) -> Vec<u64> {
    let mut amounts = Vec::new();
    while amounts.len() < count {
        match stream.next().await {
            Followed::Blocks { events, .. } => {
                amounts.extend(events.iter().filter_map(|event| match &event.event {
                    Hub::HubEvents::Transfer(transfer) if transfer.from.is_zero() => {
                        Some(transfer.value.to::<u64>())
                    }
                    _ => None,
                }));
            }
            Followed::Reorganised { back_to } => {
                panic!("nothing was undone, least of all back to {back_to}")
            }
        }
    }
    amounts
}

async fn deposit_each(chain: &Chain, wallet: &sdk::wallet::Wallet, amounts: std::ops::Range<u64>) {
    let sender = chain.sender(wallet);
    for amount in amounts {
        payment::deposit(&sender, nano_rlc(amount))
            .await
            .expect("deposited");
    }
}

#[tokio::test]
async fn each_event_is_told_once_across_a_broken_connection() {
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    let proxy = town.weather().await;
    let options = ChainOptions {
        log_range_blocks: 3,
        ..ChainOptions::default()
    };
    let chain = town.connect(&proxy.http_url(), options).await;
    let start = town.chain.block().await.expect("a block").number + 1;

    deposit_each(&town.chain, &wallet, 1..10).await;
    let mut stream = chain.follow(start);
    let mut told = deposits(&mut stream, 5).await;
    proxy.change(|faults| faults.down = true);
    let sleepless = tokio::spawn(async move {
        let more = deposits(&mut stream, 29 - told.len()).await;
        told.extend(more);
        told
    });
    deposit_each(&town.chain, &wallet, 10..20).await;
    proxy.calm();
    deposit_each(&town.chain, &wallet, 20..30).await;
    assert_eq!(
        sleepless.await.expect("no panic"),
        (1..30).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_new_block_is_told_at_once() {
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    // So slow a timer that only the subscription can be the messenger.
    let options = ChainOptions {
        poll_every: Duration::from_secs(60),
        ..ChainOptions::default()
    };
    let chain = town.connect(&url(&town.node.http_url()), options).await;
    let mut stream = chain.follow(town.chain.block().await.expect("a block").number + 1);
    for amount in 1..5 {
        deposit_each(&town.chain, &wallet, amount..amount + 1).await;
        let told = tokio::time::timeout(Duration::from_secs(4), deposits(&mut stream, 1)).await;
        assert_eq!(told.expect("long before any timer"), [amount]);
    }
}

#[tokio::test]
async fn what_a_reorganisation_undoes_is_taken_back() {
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    let mut stream = town
        .chain
        .follow(town.chain.block().await.expect("a block").number + 1);
    deposit_each(&town.chain, &wallet, 1..3).await;
    assert_eq!(deposits(&mut stream, 2).await, [1, 2]);
    let standing = town.chain.block().await.expect("a block");

    let snapshot = town.node.snapshot().await.expect("noted");
    deposit_each(&town.chain, &wallet, 3..6).await;
    assert_eq!(deposits(&mut stream, 3).await, [3, 4, 5]);
    town.node.revert(&snapshot).await.expect("put back");
    deposit_each(&town.chain, &wallet, 6..8).await;

    loop {
        match stream.next().await {
            Followed::Reorganised { back_to } => {
                assert_eq!(back_to, standing.number);
                break;
            }
            Followed::Blocks { events, .. } => {
                assert!(events.is_empty(), "told before taken back: {events:?}")
            }
        }
    }
    assert_eq!(deposits(&mut stream, 2).await, [6, 7]);
}
