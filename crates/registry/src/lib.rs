//! The Wargate registry without HTTP: the library people embed.

pub mod db;
