//! an EVM chain inside this process, contracts deployed
