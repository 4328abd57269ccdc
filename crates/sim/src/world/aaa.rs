// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The TCP connections between the MAARs and the AAA: octets in order, none lost, late when a segment was.

use crate::queue::{ConnectionId, Event, NodeId};
use crate::server::Wish;
use crate::trace::Lane;
use crate::world::World;
use diameter::peer::ClientInput;
use slowpath::Input;

/// One connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    node: NodeId,
    /// When the last octets arrive: at the AAA, at the MAAR.
    last: [u64; 2],
}

const UP: usize = 0;
const DOWN: usize = 1;

impl World {
    /// Orders `event` behind everything that is under way in this direction.
    fn over_tcp(&mut self, id: ConnectionId, way: usize, event: Event) {
        let aaa = self.nodes.len() + 1;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (from, to) = match way {
            UP => (connection.node, aaa),
            _ => (aaa, connection.node),
        };
        let at = self.links.segment(self.now, from, to).max(connection.last[way]);
        connection.last[way] = at;
        self.queue.push(at, event);
    }

    pub(super) fn aaa_connect(&mut self, node: NodeId) {
        self.next_connection += 1;
        let id = self.next_connection;
        self.connections.insert(id, Connection { node, last: [0, 0] });
        self.nodes[node].connection = Some(id);
        self.over_tcp(id, UP, Event::AaaOpen { connection: id });
    }

    pub(super) fn aaa_open(&mut self, connection: ConnectionId) {
        let up = self.server.open(self.now, connection);
        self.over_tcp(connection, DOWN, Event::AaaOpened { connection, up });
        self.order_aaa_wake(connection);
    }

    /// The MAAR of a connection, if it is still that one's.
    fn client_of(&self, id: ConnectionId) -> Option<NodeId> {
        let node = self.connections.get(&id)?.node;
        (self.nodes[node].connection == Some(id)).then_some(node)
    }

    pub(super) fn aaa_opened(&mut self, id: ConnectionId, up: bool) {
        let Some(node) = self.client_of(id) else { return };
        if !up {
            self.nodes[node].connection = None;
            self.connections.remove(&id);
        }
        let input = if up { ClientInput::Connected } else { ClientInput::Closed };
        self.input(node, Input::Aaa { server: 0, input });
    }

    pub(super) fn aaa_send(&mut self, node: NodeId, octets: Vec<u8>) {
        let Some(connection) = self.nodes[node].connection else { return };
        if let Some(trace) = &mut self.trace {
            trace.diameter(self.now, Lane::Maar(node), Lane::Aaa, &octets);
        }
        self.over_tcp(connection, UP, Event::ToAaa { connection, octets });
    }

    pub(super) fn aaa_hears(&mut self, id: ConnectionId, octets: Option<&[u8]>) {
        for wish in self.server.handle(self.now, id, octets) {
            match wish {
                Wish::Send(connection, octets) => {
                    let node = self.connections.get(&connection).map(|connection| connection.node);
                    if let (Some(trace), Some(node)) = (&mut self.trace, node) {
                        trace.diameter(self.now, Lane::Aaa, Lane::Maar(node), &octets);
                    }
                    self.over_tcp(connection, DOWN, Event::FromAaa { connection, octets });
                }
                Wish::Close(connection) => {
                    let event = Event::AaaClosed { connection, at_server: false };
                    self.over_tcp(connection, DOWN, event);
                }
            }
        }
        self.order_aaa_wake(id);
    }

    fn order_aaa_wake(&mut self, connection: ConnectionId) {
        if let Some(at) = self.server.deadline(connection) {
            self.queue.push(at.max(self.now + 1), Event::AaaWake { connection });
        }
    }

    pub(super) fn aaa_said(&mut self, id: ConnectionId, octets: &[u8]) {
        if let Some(node) = self.client_of(id) {
            self.input(node, Input::Aaa { server: 0, input: ClientInput::Octets(octets) });
        }
    }

    pub(super) fn aaa_close(&mut self, node: NodeId) {
        if let Some(connection) = self.nodes[node].connection.take() {
            self.hang_up(connection);
        }
    }

    /// The MAAR's end closes.
    pub(super) fn hang_up(&mut self, connection: ConnectionId) {
        self.over_tcp(connection, UP, Event::AaaClosed { connection, at_server: true });
    }

    pub(super) fn aaa_closed(&mut self, id: ConnectionId, at_server: bool) {
        if at_server {
            self.server.closed(self.now, id);
            self.connections.remove(&id);
        } else if let Some(node) = self.client_of(id) {
            self.nodes[node].connection = None;
            self.connections.remove(&id);
            self.input(node, Input::Aaa { server: 0, input: ClientInput::Closed });
        }
    }

    pub(super) fn aaa_stop(&mut self) {
        for connection in self.server.stop() {
            self.over_tcp(connection, DOWN, Event::AaaClosed { connection, at_server: false });
        }
        self.note_event("AAA stops".to_owned());
    }
}
