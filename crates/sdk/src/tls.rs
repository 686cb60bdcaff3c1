//! Which cryptography secures connections: ring, chosen once per process.
//!
//! The HTTP client is built without a provider of its own, so that the whole program carries one; whoever opens a
//! connection calls [`install`] first. [`client`] does both.

use std::time::Duration;

/// Makes ring the process's provider of TLS. Calling it again, or after somebody else chose, changes nothing.
pub fn install() {
    // An error means that a provider is already installed, which is all that is asked for.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An HTTP client that keeps connections and gives up on those that cannot be opened within five seconds.
///
/// It sets no limit on how long an answer may take as long as bytes keep coming, because results may be large; thirty
/// silent seconds end it.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    install();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .pool_idle_timeout(Duration::from_secs(60))
        .build()
}
