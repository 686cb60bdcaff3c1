//! A chain as the tests have it, for a look from outside: prints where it is as one line of JSON, and runs until its
//! input ends or it is killed. The engine is named by `OXEC_TEST_CHAIN`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = testchain::start(testchain::Options::default()).await?;
    let place = serde_json::json!({
        "engine": chain.engine().name(),
        "http": chain.http_url(),
        "ws": chain.ws_url(),
        "deployment": chain.deployment(),
    });
    println!("{place}");
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    Ok(())
}
