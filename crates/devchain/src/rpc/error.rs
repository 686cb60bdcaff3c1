//! Errors as Ethereum nodes give them: the codes and texts that wallets and libraries look for.

use alloy_primitives::{Bytes, hex};
use alloy_sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::ErrorObjectOwned;

use crate::chain::{ChangeError, Forgotten};
use crate::pool::Refusal;
use crate::store::StoreError;

/// What a call came to when it reverted.
const REVERTED: i32 = 3;
/// What nodes say for anything they were asked rightly and cannot do.
const SERVER: i32 = -32_000;
/// The thing asked for is not there.
const NOT_FOUND: i32 = -32_001;
/// A transaction is not taken, or could not be.
const REJECTED: i32 = -32_003;
/// More was asked for than is given at once.
const TOO_MUCH: i32 = -32_005;
const INVALID_PARAMS: i32 = -32_602;
const INTERNAL: i32 = -32_603;

/// What a method gives back.
pub(super) type Answer<T> = Result<T, Fault>;

/// An error object that this node's own errors can be turned into by `?`.
#[derive(Debug)]
pub(super) struct Fault(ErrorObjectOwned);

impl Fault {
    pub(super) fn message(&self) -> String {
        self.0.message().to_owned()
    }
}

impl From<Fault> for ErrorObjectOwned {
    fn from(fault: Fault) -> ErrorObjectOwned {
        fault.0
    }
}

fn fault(code: i32, message: impl std::fmt::Display) -> Fault {
    Fault(ErrorObjectOwned::owned(
        code,
        message.to_string(),
        None::<()>,
    ))
}

pub(super) fn invalid(message: impl std::fmt::Display) -> Fault {
    fault(INVALID_PARAMS, message)
}

pub(super) fn server(message: impl std::fmt::Display) -> Fault {
    fault(SERVER, message)
}

pub(super) fn rejected(message: impl std::fmt::Display) -> Fault {
    fault(REJECTED, message)
}

pub(super) fn not_found(message: impl std::fmt::Display) -> Fault {
    fault(NOT_FOUND, message)
}

pub(super) fn internal(message: impl std::fmt::Display) -> Fault {
    fault(INTERNAL, message)
}

pub(super) fn too_much(message: impl std::fmt::Display) -> Fault {
    fault(TOO_MUCH, message)
}

pub(super) fn reverted(output: &Bytes) -> Fault {
    let message = match reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    };
    Fault(ErrorObjectOwned::owned(
        REVERTED,
        message,
        Some(hex::encode_prefixed(output)),
    ))
}

/// The words in `Error(string)` and `Panic(uint256)`; custom errors are left to who knows their ABI.
fn reason(output: &Bytes) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    Panic::abi_decode(output)
        .ok()
        .map(|panic| panic.to_string())
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        match refusal {
            Refusal::IntrinsicGas { .. }
            | Refusal::GasOverCap { .. }
            | Refusal::GasOverBlock { .. }
            // Nothing is wrong with the transaction.
            | Refusal::Full
            | Refusal::NotKept(_)
            | Refusal::Stumbled
            | Refusal::Stopping => server(refusal),
            refusal => rejected(refusal),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        server(error)
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Fault {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::Timestamp { .. } | ChangeError::TooFarBack { .. } => invalid(error),
        }
    }
}

impl From<Forgotten> for Fault {
    fn from(error: Forgotten) -> Fault {
        server(error)
    }
}
