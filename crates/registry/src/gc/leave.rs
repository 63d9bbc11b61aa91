//! Leave to remove map pages and swept content, which whoever copies a registry beside it withholds for as long as that
//! takes.
//!
//! A copied ledger names the map segments that its trees need, and the content that it holds. If one of them was removed
//! or rewritten before it was copied too, the copy would lack what its ledger promises. What else is garbage no copy needs.

use std::any::Any;
use std::io;

/// Says whether what a copy may need may be removed now.
pub trait Leave: Send + Sync + 'static {
    /// `None` while somebody copies. Else nobody begins to copy before what came is dropped.
    ///
    /// # Errors
    /// What the system says; nothing is removed then.
    fn take(&self) -> io::Result<Option<Box<dyn Any + Send>>>;
}
