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
        connection.machine.admit(now);
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
