//! A registry that a command asks.
