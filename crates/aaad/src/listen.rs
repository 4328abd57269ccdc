// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Listening on the configured addresses, and what to say when that fails.

use mio::net::TcpListener;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An address whose duplicate detection still runs cannot be bound: a second or two at start.
const BIND_WAIT: Duration = Duration::from_secs(3);

/// Why the server does not start: one sentence with the mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address of `listen`.
    #[error("cannot listen on {address}: {error}; {mend}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The system's word.
        error: io::Error,
        /// What to do.
        mend: &'static str,
    },
    /// A certificate, its key, the authorities.
    #[error(transparent)]
    Tls(#[from] diameter::tls::BadCertificates),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// epoll, eventfd.
    #[error("cannot set up the event loop: {0}; look at the limit of open files (ulimit -n)")]
    Loop(#[from] io::Error),
}

/// Listens on one address.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let start = Instant::now();
    loop {
        let error = match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let mend = match error.kind() {
            ErrorKind::AddrNotAvailable if start.elapsed() < BIND_WAIT => {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            ErrorKind::AddrNotAvailable => "give the address to an interface or change `listen`",
            ErrorKind::AddrInUse => {
                "another program, perhaps another aaad, has it: stop that or change `listen`"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: grant it or change `listen`"
            }
            _ => "change `listen`",
        };
        return Err(StartError::Listen { address, error, mend });
    }
}
