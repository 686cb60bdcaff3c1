use alloy_primitives::{Address, B256, Bytes, U256};
use protocol::abi::Hub;
use protocol::payment::Nrlc;
use protocol::result::{Digest, ResultLink};
use sdk::*;
use std::time::Instant;
#[tokio::main]
async fn main() {
    let n: u64 = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(200);
    let devchain = devchain::spawn(devchain::Config::default().with_contracts())
        .await
        .unwrap();
    let chain = chain::Chain::connect(
        &devchain.http_url().parse().unwrap(),
        devchain.deployment().unwrap().clone(),
    )
    .await
    .unwrap();
    let bank = chain.sender(&wallet::Wallet::from_mnemonic(devchain::DEV_MNEMONIC, 0).unwrap());
    payment::deposit(&bank, Nrlc::rlc(100000)).await.unwrap();
    let mut workers = vec![];
    for _ in 0..3 {
        let w = wallet::Wallet::random();
        bank.send_ether(w.address(), U256::from(10).pow(U256::from(19)))
            .await
            .unwrap();
        payment::transfer_inside(&bank, w.address(), Nrlc::rlc(10000))
            .await
            .unwrap();
        workers.push(chain.sender(&w));
    }
    let new = app::NewApp::wasm(
        "echo",
        "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        B256::repeat_byte(1),
    );
    let app = app::publish(&bank, &new).await.unwrap();
    let pool = workerpool::create(&bank, "p").await.unwrap();
    let domain = chain.domain();
    let mut request = order::request_order(bank.address(), app, n);
    request.workerpoolmaxprice = Nrlc::rlc(1).0;
    let orders = deal::Orders {
        app: bank
            .wallet()
            .sign_order(&order::app_order(app, Nrlc::ZERO, 100000), domain),
        dataset: None,
        workerpool: bank.wallet().sign_order(
            &order::workerpool_order(pool, Nrlc::rlc(1), 100000, 0, 10),
            domain,
        ),
        request: bank.wallet().sign_order(&request, domain),
    };
    let matched = deal::match_orders(&bank, &orders).await.unwrap();
    let (d, digest) = (matched.deal, Digest(B256::repeat_byte(7)));
    let id = protocol::TaskId::derive(d, U256::ZERO);
    // estimate against call
    for _ in 0..2 {
        let t = Instant::now();
        for _ in 0..50 {
            let _: Result<B256, _> = chain
                .hub(Hub::initializeCall {
                    dealid: d.0,
                    idx: U256::ZERO,
                })
                .await;
        }
        println!("call {:?}", t.elapsed() / 50);
    }
    let _ = id;
    let t = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for i in 0..n {
        let (bank, w) = (bank.clone(), workers[(i % 3) as usize].clone());
        set.spawn(async move {
            let t0 = Instant::now();
            let (id, _) = task::initialize(&bank, d, i).await.unwrap();
            let leave = contribution::authorize(bank.wallet(), w.address(), id, Address::ZERO);
            contribution::contribute(&w, id, digest, leave, Default::default())
                .await
                .unwrap();
            contribution::reveal(&w, id, digest).await.unwrap();
            let link =
                ResultLink::ipfs("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
            task::finalize(&bank, id, &link, Bytes::new())
                .await
                .unwrap();
            t0.elapsed()
        });
    }
    let lat = set.join_all().await;
    let e = t.elapsed();
    println!(
        "{n} tasks x 4 tx in {e:?}: {:.0} tasks/s; mean latency {:?}",
        n as f64 / e.as_secs_f64(),
        lat.iter().sum::<std::time::Duration>() / n as u32
    );
    let t = Instant::now();
    let b = payment::bill(&chain, d).await.unwrap();
    println!("bill of {} lines in {:?}", b.lines.len(), t.elapsed());
}
