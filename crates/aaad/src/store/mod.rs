// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each MN is, kept by a store: R-04's exchange and STR as grouped operations. The server hands a group over, the
//! store makes it durable, then the answers leave: never 2001 without a durable update.
//!
//! Reading order: this file, [`row`] (table 4.2), [`memory`] (for tests and trials), [`embedded`] (the one of one machine),
//! [`postgres`] (the one of several).

mod codec;
pub mod embedded;
pub mod memory;
pub mod postgres;
pub mod row;

use crate::config::StoreConfig;
use diameter::dictionary::result;
use std::fmt::Debug;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::time::{AttachTime, Now};

/// Called, from any thread, when [`LocationStore::finished`] has something new.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// An AAR as the store sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attach {
    /// The MN, in canonical form.
    pub mn_id: Arc<str>,
    /// With `end_to_end` it names the request.
    pub origin_host: Arc<str>,
    /// End-to-End Identifier.
    pub end_to_end: u32,
    /// Session-Id of the attachment.
    pub session_id: Arc<str>,
    /// The asking MAAR.
    pub maar: Ipv6Addr,
    /// Absent: a new attachment. Present: a re-registration or a question.
    pub time: Option<AttachTime>,
}

/// An STR as the store sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detach {
    /// The MN, in canonical form.
    pub mn_id: Arc<str>,
    /// Session-Id of the attachment that is over.
    pub session_id: Arc<str>,
}

/// What is asked of one MN's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Exchange the stored MAAR for the asker.
    Attach(Attach),
    /// Clear the stored MAAR.
    Detach(Detach),
}

impl Operation {
    /// The MN.
    pub fn mn_id(&self) -> &Arc<str> {
        match self {
            Operation::Attach(attach) => &attach.mn_id,
            Operation::Detach(detach) => &detach.mn_id,
        }
    }
}

/// An operation under the number by which its outcome comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Chosen by the caller, unique while the outcome is awaited.
    pub id: u64,
    /// What is asked.
    pub operation: Operation,
}

/// What an AAR is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 2001: the previous MAAR (`::` for none) and the attach time.
    Accepted {
        /// Where the MN was.
        previous: Ipv6Addr,
        /// When it came to where it is now.
        time: AttachTime,
    },
    /// 5003: a newer attachment is stored, at this MAAR (`::` after a detach).
    Outdated {
        /// Where the MN is.
        current: Ipv6Addr,
    },
}

impl Reply {
    /// Result-Code.
    pub fn result_code(self) -> u32 {
        match self {
            Reply::Accepted { .. } => result::SUCCESS,
            Reply::Outdated { .. } => result::AUTHORIZATION_REJECTED,
        }
    }
}

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Of an [`Operation::Attach`]; what it says is durable.
    Attached(Reply),
    /// Of an [`Operation::Detach`]: whether the stored attachment was this session's, and is over, durably.
    Detached(bool),
    /// 5012: the store cannot do it. Whether the row changed is known after the next start.
    Failed,
}

/// A store of rows, one per MN. An operation is atomic and durable before its outcome is given out; the operations of one
/// MN take effect in the order they were handed over.
pub trait LocationStore: Debug + Send {
    /// Origin-State-Id: constant while the table is whole, larger after each loss (R-28b).
    fn state_id(&self) -> u32;

    /// MNs ever seen.
    fn known(&self) -> u64;

    /// Takes a group of operations. Returns at once, whatever the disk does.
    fn submit(&mut self, now: Now, group: Vec<Request>);

    /// Appends the outcomes that came since the last call.
    fn finished(&mut self, into: &mut Vec<(u64, Outcome)>);

    /// Finishes what was handed over and lets go of everything.
    fn close(self: Box<Self>);
}

/// How to take what is found at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Opening {
    /// It must be whole and the newest there was.
    #[default]
    AsItIs,
    /// A backup was put back: it must be whole, but newer rows are lost. Raises Origin-State-Id.
    Restored,
    /// Set it aside and start with an empty table. Raises Origin-State-Id.
    Empty,
}

/// Why a store cannot be had: one sentence with the mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Opens the configured store.
pub fn open(
    config: &StoreConfig,
    opening: Opening,
    wake: Wake,
) -> Result<Box<dyn LocationStore>, StoreError> {
    match config {
        StoreConfig::Memory => Ok(Box::new(memory::Memory::new(crate::server::wall()))),
        StoreConfig::Directory { path, limits } => {
            let wall = crate::server::wall();
            Ok(Box::new(embedded::open_directory(path, *limits, opening, wall, wake)?))
        }
        StoreConfig::Postgres { url, shards } => {
            Ok(Box::new(postgres::open(url, *shards, opening, crate::server::wall(), &wake)?))
        }
    }
}
