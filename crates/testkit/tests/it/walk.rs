//! The walk as it should go, and with a liar.

use alloy_primitives::{Address, U256};
use cli::{bill, rent::Wish};
use protocol::{contribution::ContributionStatus, payment::Nrlc, task::TaskStatus};
use sdk::payment::Role;
use testkit::{Town, errand};
use worker::Conduct;

/// What is at the hub and in wallets of everybody in town, together.
async fn all_money(town: &Town, people: &[Address]) -> anyhow::Result<U256> {
    let mut sum = U256::ZERO;
    for &person in people {
        let account = sdk::payment::account(town.running().chain(), person).await?;
        sum += account.balance.0 + account.frozen.0;
    }
    Ok(sum)
}

fn people(town: &Town) -> Vec<Address> {
    let mut people = vec![
        town.running().requester().address(),
        town.running().pool_owner().address(),
    ];
    people.extend(
        town.running()
            .workers()
            .iter()
            .map(|worker| worker.wallet.address()),
    );
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_is_computed_verified_and_paid() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let author = town.running().home().own_wallet("author")?.address();
    let mut people = people(&town);
    people.push(author);

    let rented = town
        .rent(app, 6, 5, &["write", "tile", "{index}", "of", "{size}"])
        .await?;
    let locked = all_money(&town, &people).await?;
    let statuses = town.wait(&rented).await?;
    assert_eq!(statuses, vec![TaskStatus::Completed; 6]);

    for (index, &task) in rented.tasks.iter().enumerate() {
        let on_chain = sdk::task::view(town.running().chain(), task).await?;
        assert_eq!(
            on_chain.contributors.len(),
            3,
            "trust 5 takes three newcomers"
        );
        let out = town.fetch(task).await?;
        assert_eq!(
            std::fs::read_to_string(out.join("words.txt"))?,
            format!("tile {index} of 6")
        );
    }
    // Money moved between accounts and nowhere else.
    assert_eq!(all_money(&town, &people).await?, locked);
    let author_earned = sdk::payment::account(town.running().chain(), author)
        .await?
        .balance;
    assert_eq!(author_earned, Nrlc::rlc(6));
    let requester =
        sdk::payment::account(town.running().chain(), town.running().requester().address()).await?;
    assert_eq!(requester.frozen, Nrlc::ZERO);

    let lines = bill::of(town.running().chain(), &rented.deals, &Default::default()).await?;
    let paid_workers = lines
        .iter()
        .filter(|line| line.role == Role::Worker && !line.paid.is_zero())
        .count();
    assert!(paid_workers >= 3, "{lines:?}");
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_reach_the_application_under_their_own_names() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let file = town.folder().join("letter.txt");
    std::fs::write(&file, "dear reader")?;
    let input = cli::rent::find_input(&town.running().file().pool, file.to_str().unwrap()).await?;
    let rented = town
        .wish(Wish {
            app,
            inputs: vec![input],
            trust: 1,
            tasks: 1,
            category: 0,
            max_price: None,
            arguments: ["copy", "letter.txt"].map(str::to_owned).to_vec(),
        })
        .await?;
    assert_eq!(town.wait(&rented).await?, [TaskStatus::Completed]);
    let out = town.fetch(rented.tasks[0]).await?;
    assert_eq!(std::fs::read_to_string(out.join("copy"))?, "dear reader");
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_outvoted_by_workers_with_a_history_and_loses_its_stake() -> anyhow::Result<()> {
    let mut town = Town::builder().honest(2).trust(8).start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    // Sixteen tasks that both agree on: each of the two then weighs four newcomers' answers.
    let history = town
        .rent(app, 16, 4, &["write", "history", "{index}"])
        .await?;
    assert!(
        town.wait(&history)
            .await?
            .iter()
            .all(|status| *status == TaskStatus::Completed)
    );

    let liar = town.add_worker("liar", Conduct::Lying).await?;
    let before = sdk::payment::account(town.running().chain(), liar).await?;
    let rented = town.rent(app, 6, 6, &["write", "truth", "{index}"]).await?;
    assert!(
        town.wait(&rented)
            .await?
            .iter()
            .all(|status| *status == TaskStatus::Completed)
    );

    let mut lies = 0;
    for (index, &task) in rented.tasks.iter().enumerate() {
        let out = town.fetch(task).await?;
        assert_eq!(
            std::fs::read_to_string(out.join("words.txt"))?,
            format!("truth {index}")
        );
        let contribution = sdk::contribution::view(town.running().chain(), task, liar).await?;
        assert_ne!(
            contribution.status,
            ContributionStatus::Proved,
            "a lie was believed"
        );
        lies += u64::from(contribution.status != ContributionStatus::Unset);
    }
    assert!(lies > 0, "the liar was never asked");
    let after = sdk::payment::account(town.running().chain(), liar).await?;
    let stake = sdk::deal::view(town.running().chain(), rented.deals[0])
        .await?
        .worker_stake;
    assert_eq!(
        before.balance.0 - after.balance.0,
        stake.0 * U256::from(lies)
    );
    assert_eq!(after.frozen, Nrlc::ZERO);
    town.shutdown().await
}
