//! runs an untrusted application and says what came out
