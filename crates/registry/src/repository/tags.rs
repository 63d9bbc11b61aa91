//! Lists of tags: what was pushed, and what follows from the log (`spec/oci.md`, "Lists").

use std::sync::Arc;

use wargate_core::id::LogId;
use wargate_wire::oci::reference::Tag;

use super::Repository;
use crate::access::Action;
use crate::error::Error;
use crate::limits::TAGS_AT_ONCE;
use crate::tables::tagged;
use crate::takedowns::KeptBack;

/// A part of a repository's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPage {
    /// In byte order.
    pub tags: Vec<Tag>,
    /// Whether there are tags after them.
    pub more: bool,
}

/// Some tags, in byte order.
struct NextTags {
    tags: Vec<Tag>,
    /// Up to where none is missing; `None` if that is everywhere.
    complete_to: Option<String>,
}

/// Texts of one kind, in byte order.
struct Texts {
    found: Vec<String>,
    /// Whether there may be more of them.
    more: bool,
}

impl Texts {
    /// What a look for at most `limit` found.
    fn of(found: Vec<String>, limit: usize) -> Self {
        Self { more: found.len() >= limit, found }
    }

    /// Up to where nothing is missing; `None` if that is everywhere.
    fn complete_to(&self) -> Option<&String> {
        self.found.last().filter(|_| self.more)
    }
}

impl Repository {
    /// All tags, in byte order. Versions that are yanked or kept back are not listed, and `latest` of a logged package
    /// neither, though it can be pulled: `wkg` warns of every tag that is no version.
    ///
    /// # Errors
    /// [`Error::UnknownRepository`].
    pub async fn tags(&self) -> Result<Vec<Tag>, Error> {
        Ok(self.tag_page("", usize::MAX).await?.tags.clone())
    }

    /// The same after a text, which need not be a tag of it, at most `limit`.
    ///
    /// # Errors
    /// [`Error::UnknownRepository`].
    pub async fn tag_page(&self, after: &str, limit: usize) -> Result<Arc<TagPage>, Error> {
        self.check(Action::Pull)?;
        let question = (self.name.clone(), after.to_owned(), limit);
        let kept_back = self.kept_back();
        let ask = async || {
            let page = self.read_tags(after, limit, kept_back.as_ref()).await?;
            Ok(page.map(Arc::new))
        };
        let page = match &kept_back {
            // What is listed depends on the time.
            Some(_) => Box::pin(ask()).await?,
            None => self.shared.answers.tags.get(&*self.shared.db, question, ask).await?,
        };
        page.ok_or_else(|| Error::UnknownRepository { repository: self.name.clone() })
    }

    /// The same as the ledger says it; `None` if the repository has not begun.
    async fn read_tags(
        &self,
        after: &str,
        limit: usize,
        kept_back: Option<&KeptBack>,
    ) -> Result<Option<TagPage>, Error> {
        let is_given = |tag: &Tag| {
            kept_back.is_none_or(|kept_back| match tag.version() {
                Some(version) => kept_back.version(&version).is_none(),
                None => kept_back.whole().is_none(),
            })
        };
        let log = self.package().map(|name| LogId::package(&name));
        let (mut tags, mut after) = (Vec::new(), after.to_owned());
        // One more tells whether there are more.
        let enough = limit.saturating_add(1);
        while tags.len() < enough {
            let Some(next) = self.next_tags(log.as_ref(), &after, enough - tags.len()).await? else {
                return Ok(None);
            };
            tags.extend(next.tags.into_iter().filter(is_given));
            match next.complete_to {
                Some(last) => after = last,
                None => break,
            }
        }
        let more = tags.len() > limit;
        tags.truncate(limit);
        Ok(Some(TagPage { tags, more }))
    }

    /// Tags after a text, about as many as are wanted; `None` if the repository has not begun.
    async fn next_tags(
        &self,
        log: Option<&LogId>,
        after: &str,
        wanted: usize,
    ) -> Result<Option<NextTags>, Error> {
        let limit = wanted.min(TAGS_AT_ONCE);
        let statements = vec![
            tagged::select_standing(&self.name, log),
            tagged::select_pushed(&self.name, after, limit),
            tagged::select_live(log, after, limit),
        ];
        let mut answers = self.shared.db.read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let standing = tagged::standing(next())?;
        if !standing.begun && !standing.logged {
            return Ok(None);
        }
        let pushed = Texts::of(tagged::texts(next())?, limit);
        let live = Texts::of(tagged::texts(next())?, limit);
        let complete_to = [pushed.complete_to(), live.complete_to()].into_iter().flatten().min().cloned();
        // In the repository of a logged package versions and `latest` follow from the log alone.
        let counts = |tag: &Tag| !standing.logged || (tag.version().is_none() && !tag.is_latest());
        let pushed = pushed.found.iter().filter_map(|text| text.parse().ok()).filter(counts);
        let live = live.found.iter().filter_map(|text| text.parse().ok());
        let mut tags: Vec<Tag> = pushed.chain(live).collect();
        tags.retain(|tag| complete_to.as_ref().is_none_or(|last| tag.as_str() <= last.as_str()));
        tags.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(Some(NextTags { tags, complete_to }))
    }
}
