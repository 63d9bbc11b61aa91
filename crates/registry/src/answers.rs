//! What the ledger answered, kept for as long as nothing is written: reading what is read often costs no SQL.
//!
//! Nobody has to say what a write touches: any write ends all that was kept ([`Db::generation`]). So a busy registry
//! asks the ledger more often, and no answer is ever older than the ledger. Bounded in bytes.

use std::hash::Hash;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::db::Db;
use crate::error::Error;
use crate::limits::ANSWER_CACHE_BYTES;

/// About what an answer costs beside the bytes of its texts.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// Bytes of the texts in a question and its answer.
type TextBytes<Q, A> = fn(&Q, &A) -> usize;

/// An answer, and what was written before it was asked for.
type Kept<A> = (u64, A);

/// Answers to one kind of question.
pub(crate) struct Answers<Q, A>(Cache<Q, Kept<A>, ByBytes<Q, A>>);

struct ByBytes<Q, A>(TextBytes<Q, A>);

impl<Q, A> Clone for ByBytes<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<Q, A> Weighter<Q, Kept<A>> for ByBytes<Q, A> {
    fn weight(&self, question: &Q, (_, answer): &Kept<A>) -> u64 {
        (ENTRY_OVERHEAD_BYTES + (self.0)(question, answer)) as u64
    }
}

impl<Q: Eq + Hash, A: Clone> Answers<Q, A> {
    pub(crate) fn new(text_bytes: TextBytes<Q, A>) -> Self {
        let expected = usize::try_from(ANSWER_CACHE_BYTES).unwrap_or(usize::MAX) / (2 * ENTRY_OVERHEAD_BYTES);
        Self(Cache::with_weighter(expected, ANSWER_CACHE_BYTES, ByBytes(text_bytes)))
    }

    /// Bytes that it holds, by its own reckoning.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    /// The answer that is kept, if nothing was written since; else what `ask` finds, which is kept if it is anything.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(crate) async fn get(
        &self,
        db: &dyn Db,
        question: Q,
        ask: impl AsyncFnOnce() -> Result<Option<A>, Error>,
    ) -> Result<Option<A>, Error> {
        // Looked at before the ledger is asked: what is written meanwhile ends the answer too.
        let Some(generation) = db.generation() else { return Box::pin(ask()).await };
        if let Some((then, answer)) = self.0.get(&question)
            && then == generation
        {
            return Ok(Some(answer));
        }
        // Apart, or every question that needs no asking would move it too.
        let answer = Box::pin(ask()).await?;
        if let Some(answer) = &answer {
            self.0.insert(question, (generation, answer.clone()));
        }
        Ok(answer)
    }
}
