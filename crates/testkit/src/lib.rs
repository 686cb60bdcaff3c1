//! the whole town in one process, for tests and benches
