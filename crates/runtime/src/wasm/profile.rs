//! The runtime profile: what all replicas of a task share, so that equal work gives equal digests and equal fuel.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Engine, features, fuel table and stack size, as one line of text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuntimeProfile(String);

impl RuntimeProfile {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuntimeProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// WebAssembly stack of a run, bytes.
pub(crate) const STACK_BYTES: usize = 1 << 20;

/// The profile of this build.
#[must_use]
pub fn profile() -> RuntimeProfile {
    RuntimeProfile(format!(
        "wasmtime 48; nan canonical; relaxed simd deterministic; no threads; fuel 1 per operator; stack {STACK_BYTES}"
    ))
}
