//! How a worker behaves. All but [`Conduct::Honest`] exist for demonstrations and tests: to show that a liar loses its
//! stake, that a slow or dead worker is replaced, and that a killed one goes on where it was.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The stages of a task at a worker, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The pool gave it; nothing is done yet.
    Assigned,
    /// Module and inputs are on disk.
    Fetched,
    /// The digest is known and in the journal.
    Computed,
    /// The contribution is on chain.
    Contributed,
    /// The digest is on chain.
    Revealed,
    /// The result is with the pool.
    Uploaded,
}

/// How a worker behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Conduct {
    /// Does what it was asked. What every real worker is.
    #[default]
    Honest,
    /// Contributes the digest of something else than it computed. For demonstrations and tests.
    Lying,
    /// Waits this long before it computes. For demonstrations and tests.
    Slow(Duration),
    /// Stops dead as soon as a task has reached this stage, cleaning nothing up, as if the power had failed. For tests.
    Dying(Stage),
}
