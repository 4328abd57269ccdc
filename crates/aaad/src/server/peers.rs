// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the connections want: admission of peers, answers to their requests.

use super::store::Awaited;
use super::{Server, wall};
use crate::authority::Authority;
use crate::connection::{Connection, Turn};
use crate::text::Foreign;
use diameter::dictionary::result;
use diameter::peer::{ServerOutput, Time};
use log::info;

/// Peers whose Origin-State-Id is remembered.
const MAX_STATE_IDS: usize = 64 * 1024;

impl Server {
    pub(super) fn outputs(&mut self, now: Time, token: usize, connection: &mut Connection) {
        while let Some(output) = connection.machine.poll_output() {
            match output {
                ServerOutput::Send(octets) => connection.send(&octets),
                ServerOutput::Close => connection.close(now),
                ServerOutput::Count(name) => self.counters.add(name),
                ServerOutput::Down => self.down(token, connection),
                ServerOutput::Claim { host, state_id, .. } => {
                    self.claim(now, token, connection, host, state_id)
                }
                ServerOutput::Authorize { ticket, sender, request } => {
                    let taken = connection.bucket.as_mut().map_or(Ok(()), |b| b.take(now));
                    if let Err(report) = taken {
                        self.counters.add("peer_over_rate");
                        connection.machine.reject_busy(&ticket, report);
                        continue;
                    }
                    match self.authority.attach(wall(), &sender, ticket.end_to_end(), &request) {
                        Ok(operation) => {
                            self.ask(token, connection, Awaited::Attach(ticket), operation);
                        }
                        Err(refusal) => connection.machine.reject(&ticket, &refusal),
                    }
                }
                ServerOutput::Stop { ticket, request, .. } => {
                    let operation = Authority::detach(&request);
                    self.ask(token, connection, Awaited::Detach(ticket), operation);
                }
                ServerOutput::Asked { result_code, .. } => {
                    self.counters.add(if result_code == result::SUCCESS {
                        "session_request_done"
                    } else {
                        "session_request_refused"
                    });
                }
            }
        }
    }

    /// A CER. One connection per peer: the first stays, unless it is suspect or the peer was restarted since.
    fn claim(
        &mut self,
        now: Time,
        token: usize,
        connection: &mut Connection,
        host: String,
        state_id: Option<u32>,
    ) {
        if !self.config.clients.iter().any(|client| client.admits(&host)) {
            let address = connection.address;
            self.warn(|| {
                format!("{} at {address} is not among `clients`: refused with 3010", Foreign(&host))
            });
            return connection.machine.refuse(result::UNKNOWN_PEER);
        }
        if connection.channel.as_ref().is_some_and(|channel| !channel.is_of(&host)) {
            let address = connection.address;
            self.counters.add("tls_other_name");
            self.warn(|| {
                format!(
                    "{} at {address}: its certificate is of another name: refused with 3010",
                    Foreign(&host)
                )
            });
            return connection.machine.refuse(result::UNKNOWN_PEER);
        }
        if let Some(old) = self.peers.get(&host).copied() {
            if !self.may_replace(old, state_id) {
                let address = connection.address;
                self.warn(|| {
                    format!(
                        "{} at {address} is connected already: refused with 5012",
                        Foreign(&host)
                    )
                });
                return connection.machine.refuse(result::UNABLE_TO_COMPLY);
            }
            self.counters.add("peer_replaced");
            if let Some(mut replaced) = self.connections.remove(&old) {
                replaced.machine.abandon();
                self.settle(old, replaced, Turn::Over);
            }
        }
        info!("peer {} is up from {}", Foreign(&host), connection.address);
        self.peers.insert(host.clone(), token);
        connection.host = Some(host);
        connection.state_id = state_id;
        self.remember(state_id, connection);
        connection.machine.admit(now);
    }

    /// A larger Origin-State-Id than before: the peer's sessions are lost (RFC 6733 §8.16). Its rows stay: they say where the
    /// MNs were, which is what the next MAAR asks.
    fn remember(&mut self, state_id: Option<u32>, connection: &Connection) {
        let (Some(host), Some(now)) = (&connection.host, state_id) else { return };
        if self.state_ids.len() >= MAX_STATE_IDS {
            self.state_ids.clear();
        }
        if self.state_ids.insert(host.clone(), now).is_some_and(|before| now > before) {
            self.counters.add("peer_lost_sessions");
            info!("peer {} was restarted: its sessions are lost", Foreign(host));
        }
    }

    fn may_replace(&self, old: usize, state_id: Option<u32>) -> bool {
        self.connections
            .get(&old)
            .is_none_or(|old| old.machine.is_suspect() || state_id > old.state_id)
    }

    fn down(&mut self, token: usize, connection: &mut Connection) {
        let Some(host) = connection.host.take() else { return };
        info!("peer {} is down", Foreign(&host));
        if self.peers.get(&host) == Some(&token) {
            self.peers.remove(&host);
        }
    }
}
