//! content-addressed bytes over a store, with an HTTP door
