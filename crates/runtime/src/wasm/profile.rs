//! The runtime profile: what all replicas of a task share, so that equal work gives equal digests and equal fuel.
//!
//! The same constants configure the engine and make the text, so that one cannot change without the other.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::wasm::world::{CLOCK_STEP_NANOS, INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};

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

/// WebAssembly stack of a run, bytes. How deep a program may call depends on it and on the machine's code; whoever
/// goes deeper traps, and a trap is never contributed.
pub(crate) const STACK_BYTES: usize = 1 << 20;
/// The engine's version; the workspace pins its line.
const ENGINE: &str = "wasmtime 48";
/// What programs may use beyond WebAssembly 1.0, and what they may not, for being different from machine to machine
/// (threads) or not built in (collected heaps, exceptions, 64-bit memories).
const FEATURES: &str = "+bulk-memory +extended-const +multi-memory +multi-value +reference-types +simd +relaxed-simd \
                        +tail-call +component-model -threads -memory64 -gc -exceptions -custom-page-sizes -stack-switching";

static PROFILE: LazyLock<RuntimeProfile> = LazyLock::new(|| {
    RuntimeProfile(format!(
        "{ENGINE}; {FEATURES}; nan canonical; relaxed-simd deterministic; fuel 1 per operator; stack {STACK_BYTES}; \
         clock step {CLOCK_STEP_NANOS} ns; randomness sha256 of task and counter; instances {INSTANCES}, memories \
         {MEMORIES}, tables {TABLES} of {TABLE_ELEMENTS} elements in all"
    ))
});

/// The profile of this build.
#[must_use]
pub fn profile() -> RuntimeProfile {
    PROFILE.clone()
}

/// An engine of that profile, with room for `slots` programs at once.
pub(crate) fn engine(slots: u32) -> wasmtime::Result<wasmtime::Engine> {
    let mut pool = PoolingAllocationConfig::new();
    let each = |count: usize| slots.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    pool.total_component_instances(slots)
        .total_core_instances(each(INSTANCES))
        .total_memories(each(MEMORIES))
        .total_tables(each(TABLES))
        .max_core_instances_per_component(INSTANCES as u32)
        .max_memories_per_component(MEMORIES as u32)
        .max_tables_per_component(TABLES as u32)
        .max_memories_per_module(MEMORIES as u32)
        .max_tables_per_module(TABLES as u32)
        .max_core_instance_size(16 << 20)
        .max_component_instance_size(16 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(1 << 32)
        // A little is kept between runs: clearing it is quicker than asking the host again.
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(slots);
    let mut pooled = config();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    wasmtime::Engine::new(&pooled).or_else(|error| {
        // Where address space is rationed there is no pool; runs start more slowly and are the same.
        tracing::warn!(
            error = format!("{error:#}"),
            "no pool of sandboxes on this machine, making them one by one"
        );
        wasmtime::Engine::new(&config())
    })
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .wasm_bulk_memory(true)
        .wasm_component_model(true)
        .wasm_custom_page_sizes(false)
        .wasm_extended_const(true)
        .wasm_memory64(false)
        .wasm_multi_memory(true)
        .wasm_multi_value(true)
        .wasm_relaxed_simd(true)
        .wasm_simd(true)
        .wasm_tail_call(true)
        .wasm_wide_arithmetic(false);
    let refused = [
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::FUNCTION_REFERENCES,
        WasmFeatures::GC,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::THREADS,
    ];
    for feature in refused {
        config.wasm_features(feature, false);
    }
    config.wasm_features(WasmFeatures::REFERENCE_TYPES, true);
    config
}
