//! Money in and out, and refusals in words.

use protocol::abi::Hub;
use protocol::payment::Nrlc;
use sdk::chain::{Chain, ChainError};
use sdk::payment::{self, PaymentError};
use sdk::wallet::Wallet;

use crate::town::{Town, url};

#[tokio::test]
async fn money_goes_in_and_comes_out() {
    let town = Town::start().await;
    let sender = town.somebody(Nrlc::rlc(5)).await;
    let who = sender.address();

    payment::deposit(&sender, "3.5".parse().expect("an amount"))
        .await
        .expect("deposited");
    assert_eq!(town.account(who).await.balance.to_string(), "3.5 RLC");
    payment::withdraw(&sender, Nrlc::rlc(1))
        .await
        .expect("withdrawn");
    assert_eq!(town.account(who).await.balance.to_string(), "2.5 RLC");
    assert!(town.account(who).await.frozen.is_zero());
    let left = payment::wallet_balance(&town.chain, who)
        .await
        .expect("a balance");
    assert_eq!(left.to_string(), "2.5 RLC");

    let other = Wallet::random().address();
    payment::transfer_inside(&sender, other, Nrlc::rlc(2))
        .await
        .expect("moved");
    assert_eq!(town.account(other).await.balance, Nrlc::rlc(2));
}

#[tokio::test]
async fn refusals_say_what_is_missing() {
    let town = Town::start().await;
    let sender = town.somebody(Nrlc::rlc(2)).await;
    let who = sender.address();
    payment::deposit(&sender, Nrlc::rlc(1))
        .await
        .expect("deposited");

    let error = payment::withdraw(&sender, Nrlc::rlc(3))
        .await
        .expect_err("too much");
    let PaymentError::Chain { source, .. } = &error else {
        panic!("{error}")
    };
    let refusal = source.refusal().expect("the hub's own no");
    assert!(refusal.is::<Hub::InsufficientBalance>());
    assert_eq!(
        refusal.to_string(),
        format!("the hub account of {who} holds 1 RLC, and 3 RLC is needed; deposit first")
    );
    assert!(!source.is_transient());

    let error = payment::deposit(&sender, Nrlc::rlc(9))
        .await
        .expect_err("more than there is");
    let PaymentError::Chain { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        source.to_string(),
        format!("approveAndCall was refused: the wallet {who} holds 1 RLC, and 9 RLC is needed")
    );
}

#[tokio::test]
async fn a_refusal_that_was_mined_is_decoded_too() {
    let town = Town::start().await;
    let sender = town.somebody(Nrlc::ZERO).await;
    let call = Hub::withdrawCall {
        amount: Nrlc::rlc(1).0,
    };
    // No estimate, so that nobody notices before it is mined.
    let error = sender
        .hub_with_gas(call, 300_000)
        .await
        .expect_err("nothing there");
    let refusal = error.refusal().unwrap_or_else(|| panic!("{error}"));
    assert!(refusal.is::<Hub::InsufficientBalance>(), "{refusal}");
}

#[tokio::test]
async fn without_ether_the_error_says_so() {
    let town = Town::start().await;
    let sender = town.chain.sender(&Wallet::random());
    let call = || Hub::withdrawCall {
        amount: Nrlc::ZERO.0,
    };
    for error in [
        sender
            .hub_with_gas(call(), 300_000)
            .await
            .expect_err("no ether"),
        payment_error(
            sender
                .send_ether(sender.address(), alloy_primitives::U256::from(1))
                .await,
        ),
    ] {
        assert!(matches!(error, ChainError::NoEther { .. }), "{error:?}");
        assert!(error.to_string().contains("holds 0 ETH"), "{error}");
    }
    // The nonce was not used up: the sender works as soon as there is ether.
    let bank = town.bank();
    bank.send_ether(sender.address(), crate::town::ether(1))
        .await
        .expect("ether");
    sender
        .hub_with_gas(call(), 300_000)
        .await
        .expect("now it can");
}

fn payment_error(result: Result<sdk::chain::Receipt, ChainError>) -> ChainError {
    result.expect_err("no ether")
}

#[tokio::test]
async fn a_wrong_chain_or_hub_is_noticed_at_once() {
    let town = Town::start().await;
    let rpc = url(&town.node.http_url());
    let right = town.chain.deployment().clone();

    let mut wrong = right.clone();
    wrong.chain_id = 1;
    let error = Chain::connect(&rpc, wrong)
        .await
        .expect_err("another chain");
    assert!(
        matches!(
            error,
            ChainError::WrongChain {
                expected: 1,
                found: 31_337,
                ..
            }
        ),
        "{error:?}"
    );

    let mut wrong = right.clone();
    wrong.hub = Wallet::random().address();
    let error = Chain::connect(&rpc, wrong)
        .await
        .expect_err("nothing there");
    assert!(
        matches!(error, ChainError::NothingThere { what: "hub", .. }),
        "{error:?}"
    );

    let error = Chain::connect(&url("http://127.0.0.1:1"), right.clone())
        .await
        .expect_err("nobody there");
    assert!(error.is_transient(), "{error:?}");
    let error = Chain::connect(&url("ftp://127.0.0.1"), right)
        .await
        .expect_err("not JSON-RPC");
    assert!(matches!(error, ChainError::BadUrl { .. }), "{error:?}");
}

#[tokio::test]
async fn everything_works_over_websocket_too() {
    let town = Town::start().await;
    let chain = town
        .connect(&url(&town.node.ws_url()), Default::default())
        .await;
    let sender = town.somebody(Nrlc::rlc(1)).await;
    let sender = chain.sender(sender.wallet());
    payment::deposit(&sender, Nrlc::rlc(1))
        .await
        .expect("deposited");
    let account = payment::account(&chain, sender.address())
        .await
        .expect("an account");
    assert_eq!(account.balance, Nrlc::rlc(1));
}
