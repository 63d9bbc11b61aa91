//! From an act to the record that carries it (`spec/delegation.md`, "Acts and records", "Projection").

use std::collections::BTreeSet;

use super::carry::{self, Entries, Opened};
use super::endorsers::{Endorsers, Signatures};
use super::judge::{Changes, check_first_signer, no_commit_key};
use super::{Context, Refusal, State};
use crate::act::{Act, ActError, Endorsement};
use crate::envelope::ENVELOPE_BYTES_MAX;
use crate::id::RecordId;
use crate::key::KeyId;
use crate::time::Time;

/// What an envelope adds to its record, in bytes, at most: key id, signature, and the frames of three fields.
const ENVELOPE_FRAME_BYTES_MAX: usize = 256;

/// A record that carries an act, and what it changes.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The record's bytes, to be signed by the commit key.
    pub contents: Vec<u8>,
    /// The endorsements that it holds.
    pub endorsements: Vec<Endorsement>,
    /// What the record changes.
    pub changes: Changes,
}

/// A record that may carry an act.
pub(super) struct Carrying {
    pub(super) opened: Opened,
    signers: BTreeSet<KeyId>,
    contents: Vec<u8>,
}

impl State {
    /// Makes the record that carries an act at `time`, with its v1 projection, and judges it. Endorsements by keys
    /// that have no say (any more) are left out, the others are sorted. `commit_key` is to sign the envelope.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn carry(
        &self,
        context: &Context<'_>,
        time: Time,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
    ) -> Result<Carried, Refusal> {
        self.carry_with(context, time, act, endorsements, commit_key, Signatures::Verify)
    }

    /// As [`State::carry`], of an act of which the caller has verified every endorsement.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn carry_verified(
        &self,
        context: &Context<'_>,
        time: Time,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
    ) -> Result<Carried, Refusal> {
        self.carry_with(context, time, act, endorsements, commit_key, Signatures::Verified)
    }

    fn carry_with(
        &self,
        context: &Context<'_>,
        time: Time,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
        signatures: Signatures,
    ) -> Result<Carried, Refusal> {
        let parsed = Act::decode(act)?;
        let endorsers = Endorsers { state: self, context, act: &parsed, time };
        let Carrying { opened, signers, contents } =
            self.carrying(&endorsers, act, endorsements, commit_key, signatures)?;
        let record = self.log.layer().record_id(&contents);
        let doing = self.doing(context, &opened, record, &signers, commit_key);
        let (changes, _) = self.perform(&parsed, &opened, doing)?;
        Ok(Carried { contents, endorsements: opened.endorsements, changes })
    }

    /// The record that carries an act. Roles are known by the record that made them, and the record's id covers the
    /// projection: so the act is done for its projection here, and once more under its record's name where it is to last.
    pub(super) fn carrying(
        &self,
        endorsers: &Endorsers<'_>,
        act: &[u8],
        endorsements: &[Endorsement],
        commit_key: &KeyId,
        signatures: Signatures,
    ) -> Result<Carrying, Refusal> {
        let Endorsers { context, time, act: parsed, .. } = *endorsers;
        let mut opened = self.opening(act, endorsers.counted(endorsements), time);
        self.check_time(context, time)?;
        self.check_act(context, parsed, &opened)?;
        let signers = endorsers.check(&opened, signatures)?;
        let unnamed = RecordId::from_digest(Act::digest(act));
        let doing = self.doing(context, &opened, unnamed, &signers, commit_key);
        let (changes, projection) = self.perform(parsed, &opened, doing)?;
        check_first_signer(&projection, commit_key)?;
        if changes.state.operator_of(context)?.key(commit_key).is_none() {
            return Err(no_commit_key(*commit_key));
        }
        opened.entries = projection;
        let contents = carry::contents(&opened);
        let bytes = contents.len() + ENVELOPE_FRAME_BYTES_MAX;
        if bytes > ENVELOPE_BYTES_MAX {
            return Err(ActError::TooLarge { bytes }.into());
        }
        Ok(Carrying { opened, signers, contents })
    }

    /// The next record for an act, without the entries that stand for it.
    pub(super) fn opening(&self, act: &[u8], endorsements: Vec<Endorsement>, time: Time) -> Opened {
        let entries = Entries::none(self.log.layer());
        Opened { prev: self.head(), time, entries, act: act.to_vec().into(), endorsements }
    }
}
