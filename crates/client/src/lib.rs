//! A verifying client: trusts keys, not servers.
