//! Why the chain did not do what was asked.

use alloy_primitives::{Address, B256};

use super::refusal::Refusal;

/// Why the chain did not do what was asked. Each says what was tried, why it failed and, where there is one, the
/// way out.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The contract said no.
    #[error("{verb} was refused: {refusal}")]
    Refused {
        /// The function that was called, or the deployment's step.
        verb: String,
        /// Why, decoded.
        refusal: Box<Refusal>,
    },
    /// The node does not answer, for now.
    #[error("the node at {node} does not answer, {doing}: {why}")]
    Unreachable {
        /// The node, without credentials.
        node: String,
        /// What was being done.
        doing: String,
        /// The connection's reason.
        why: String,
    },
    /// The node does not answer, and a signed transaction may or may not have reached it.
    #[error(
        "the node stopped answering while {verb} was on its way ({why}); \
         transaction {tx} may still be executed: look at the chain before trying again"
    )]
    Uncertain {
        /// The function that was called.
        verb: String,
        /// The transaction whose fate is unknown.
        tx: B256,
        /// The node, without credentials, and the connection's reason.
        why: String,
    },
    /// The node answered with an error of its own.
    #[error("the node at {node} refused {doing}: {message} (code {code})")]
    Node {
        /// The node, without credentials.
        node: String,
        /// What was being done.
        doing: String,
        /// JSON-RPC error code, or the HTTP status.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The node's answer is not what the call gives back.
    #[error("the answer of {node} to {doing} cannot be read: {why}")]
    Unreadable {
        /// The node, without credentials.
        node: String,
        /// What was being done.
        doing: String,
        /// What is wrong with it.
        why: String,
    },
    /// The node is on another chain than the deployment.
    #[error(
        "the node at {node} is on chain {found}, but these contracts stand on chain {expected}; check the RPC URL"
    )]
    WrongChain {
        /// The node, without credentials.
        node: String,
        /// The deployment's chain id.
        expected: u64,
        /// The node's.
        found: u64,
    },
    /// No code at an address of the deployment.
    #[error(
        "no contract stands at {address}, where the {what} should be, on chain {chain_id} at {node}; deploy first, or check the deployment file"
    )]
    NothingThere {
        /// The node, without credentials.
        node: String,
        /// "hub", "token".
        what: &'static str,
        /// Where.
        address: Address,
        /// The chain.
        chain_id: u64,
    },
    /// The account cannot pay for gas.
    #[error(
        "{address} cannot pay for {verb}: it holds {} ETH and may need up to {} ETH for gas; send it some ether",
        ether(*balance), ether(*needed)
    )]
    NoEther {
        /// The function that was called.
        verb: String,
        /// Whose ether.
        address: Address,
        /// What it holds, in wei.
        balance: u128,
        /// What the transaction may cost at most, in wei.
        needed: u128,
    },
    /// The gas limit was too low even after it was raised.
    #[error("{verb} ran out of gas at a limit of {gas_limit} (transaction {tx})")]
    OutOfGas {
        /// The function that was called.
        verb: String,
        /// The limit.
        gas_limit: u64,
        /// The transaction.
        tx: B256,
    },
    /// The program is shutting down.
    #[error("{verb} was given up: the chain's connection is shutting down")]
    Closed {
        /// The function that was called.
        verb: String,
    },
    /// The URL is neither http(s) nor ws(s).
    #[error("{url} is no JSON-RPC endpoint: expected an http, https, ws or wss URL")]
    BadUrl {
        /// What was given, without credentials.
        url: String,
    },
    /// The connection could not be prepared.
    #[error("cannot prepare a connection to {node}: {why}")]
    NoClient {
        /// The node, without credentials.
        node: String,
        /// The reason.
        why: String,
    },
}

impl ChainError {
    /// Whether the same may succeed later without anybody changing anything: the node is away or overloaded.
    /// [`Uncertain`](Self::Uncertain) counts too, but look at the chain before trying again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Uncertain { .. } | Self::Closed { .. } => true,
            Self::Refused { .. }
            | Self::Node { .. }
            | Self::Unreadable { .. }
            | Self::WrongChain { .. }
            | Self::NothingThere { .. }
            | Self::NoEther { .. }
            | Self::OutOfGas { .. }
            | Self::BadUrl { .. }
            | Self::NoClient { .. } => false,
        }
    }

    /// The contract's refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// Wei as ETH, in as many digits as it takes and no more than six decimals.
fn ether(wei: u128) -> String {
    let micros = wei / 1_000_000_000_000;
    let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if micros == 0 && wei != 0 {
        return format!("{wei} wei, less than 0.000001");
    }
    let fraction = format!("{fraction:06}");
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        decimals => format!("{whole}.{decimals}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wei_reads_as_ether() {
        let cases = [
            (0, "0"),
            (1, "1 wei, less than 0.000001"),
            (1_500_000_000_000_000_000, "1.5"),
            (100_000_000_000_000_000_000, "100"),
        ];
        for (wei, text) in cases {
            assert_eq!(ether(wei), text);
        }
    }
}
