//! The ledger's tables, one module a subject: the SQL and the rows' shapes, no rules.
//!
//! Readers make a [`Statement`] and later take its rows apart, so that one round trip can carry several.

use bytes::Bytes;
use wargate_core::digest::Digest;
use wargate_core::id::{LogId, RecordId};
use wargate_core::time::Time;

use crate::db::{Row, Value};
use crate::error::Error;

pub(crate) mod checkpoints;
pub(crate) mod content;
pub(crate) mod facts;
pub(crate) mod garbage;
pub(crate) mod inspections;
pub(crate) mod logs;
pub(crate) mod pending;
pub(crate) mod proposals;
pub(crate) mod records;
pub(crate) mod references;
pub(crate) mod releases;
pub(crate) mod repositories;
pub(crate) mod standing;
pub(crate) mod sweep;
pub(crate) mod tagged;
pub(crate) mod tokens;

pub(crate) fn int(number: u64) -> Value {
    // Indexes and sizes stay far below 2^63; a larger one cannot have come from this ledger.
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn bytes(slice: &[u8]) -> Value {
    Value::Bytes(Bytes::copy_from_slice(slice))
}

pub(crate) fn text<T: ToString + ?Sized>(text: &T) -> Value {
    Value::Text(text.to_string())
}

/// Takes a row apart, column by column.
pub(crate) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    pub(crate) fn of(row: Row) -> Self {
        Self(row.into_iter())
    }

    fn odd(what: &str) -> Error {
        Error::Internal {
            reason: format!("the ledger holds a row whose {what} is not one: run `wargate fsck`"),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value, Error> {
        self.0.next().ok_or_else(|| Self::odd("column"))
    }

    pub(crate) fn int(&mut self, what: &str) -> Result<i64, Error> {
        match self.value()? {
            Value::Int(number) => Ok(number),
            _ => Err(Self::odd(what)),
        }
    }

    pub(crate) fn unsigned(&mut self, what: &str) -> Result<u64, Error> {
        u64::try_from(self.int(what)?).map_err(|_| Self::odd(what))
    }

    pub(crate) fn bytes(&mut self, what: &str) -> Result<Bytes, Error> {
        match self.value()? {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Self::odd(what)),
        }
    }

    /// A column that may be NULL, read by what reads it otherwise.
    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<Option<T>, Error> {
        if self.0.as_slice().first() == Some(&Value::Null) {
            self.value()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn optional_unsigned(&mut self, what: &str) -> Result<Option<u64>, Error> {
        self.optional(|columns| columns.unsigned(what))
    }

    pub(crate) fn optional_bytes(&mut self, what: &str) -> Result<Option<Bytes>, Error> {
        self.optional(|columns| columns.bytes(what))
    }

    pub(crate) fn optional_text(&mut self, what: &str) -> Result<Option<String>, Error> {
        self.optional(|columns| columns.text(what))
    }

    /// A text column that may be NULL, in some type's text form.
    pub(crate) fn optional_parse<T: std::str::FromStr>(&mut self, what: &str) -> Result<Option<T>, Error> {
        self.optional(|columns| columns.parse(what))
    }

    pub(crate) fn text(&mut self, what: &str) -> Result<String, Error> {
        match self.value()? {
            Value::Text(text) => Ok(text),
            _ => Err(Self::odd(what)),
        }
    }

    /// A text column in some type's text form.
    pub(crate) fn parse<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, Error> {
        self.text(what)?.parse().map_err(|_| Self::odd(what))
    }

    pub(crate) fn digest(&mut self, what: &str) -> Result<Digest, Error> {
        Digest::from_slice(&self.bytes(what)?).ok_or_else(|| Self::odd(what))
    }

    pub(crate) fn optional_digest(&mut self, what: &str) -> Result<Option<Digest>, Error> {
        self.optional(|columns| columns.digest(what))
    }

    pub(crate) fn log_id(&mut self) -> Result<LogId, Error> {
        self.digest("log id").map(LogId::from_digest)
    }

    pub(crate) fn record_id(&mut self) -> Result<RecordId, Error> {
        self.digest("record id").map(RecordId::from_digest)
    }

    /// Two columns that may both be NULL: seconds and nanoseconds.
    pub(crate) fn optional_time(&mut self) -> Result<Option<Time>, Error> {
        if self.0.as_slice().first() == Some(&Value::Null) {
            self.value()?;
            self.value()?;
            return Ok(None);
        }
        self.time().map(Some)
    }

    /// Two columns: seconds and nanoseconds.
    pub(crate) fn time(&mut self) -> Result<Time, Error> {
        let (seconds, nanos) = (self.int("seconds")?, self.int("nanoseconds")?);
        i32::try_from(nanos).ok().and_then(|n| Time::new(seconds, n)).ok_or_else(|| Self::odd("time"))
    }
}

/// The values of a time's two columns.
pub(crate) fn time(time: Time) -> [Value; 2] {
    [Value::Int(time.seconds()), Value::Int(i64::from(time.nanos()))]
}
