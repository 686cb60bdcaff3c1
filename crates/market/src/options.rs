//! How a market is run: one honest struct, every key with its meaning, unit and default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of one market. Unknown keys are refused, so that a slip of the pen is not a silent default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// SQLite file of the book. Created when missing. It cannot be rebuilt from the chain: published orders are
    /// only here (but worth nothing to whoever steals them, and easily published again).
    pub database: PathBuf,

    /// Address of the HTTP door. Default 127.0.0.1 with a free port.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// How many connections the door takes on.
    #[serde(default)]
    pub serving: blobs::ServeOptions,
    /// Largest request body, bytes; bounds the length of an order's `params` and signature. Default 64 KiB.
    #[serde(default = "default_body_limit_bytes")]
    pub body_limit_bytes: usize,
    /// Open orders of one kind that one account may have in the book. Default 50.
    #[serde(default = "default_orders_per_signer")]
    pub orders_per_signer: u64,
    /// Period of the safety net that looks again at who owns what is on offer and whether stakes still cover it,
    /// seconds. Default 60.
    #[serde(default = "default_safety_net_secs")]
    pub safety_net_secs: u64,
}

impl Options {
    /// The defaults, over the book in this file.
    #[must_use]
    pub fn at(database: impl Into<PathBuf>) -> Self {
        Self {
            database: database.into(),
            listen: default_listen(),
            serving: blobs::ServeOptions::default(),
            body_limit_bytes: default_body_limit_bytes(),
            orders_per_signer: default_orders_per_signer(),
            safety_net_secs: default_safety_net_secs(),
        }
    }
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn default_body_limit_bytes() -> usize {
    64 * 1024
}

fn default_orders_per_signer() -> u64 {
    50
}

fn default_safety_net_secs() -> u64 {
    60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_the_default_and_what_is_unknown_is_refused() {
        let read = serde_json::from_str::<Options>(r#"{"database":"book.sqlite"}"#);
        assert_eq!(
            read.expect("the one key needed"),
            Options::at("book.sqlite")
        );
        let error = serde_json::from_str::<Options>(r#"{"database":"book.sqlite","listn":"x"}"#)
            .expect_err("a slip");
        assert!(error.to_string().contains("listn"), "{error}");
    }
}
