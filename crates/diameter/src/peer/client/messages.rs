// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client does with what the AAA sends.

use super::{AskedTicket, Client, ClientOutput, Kind, State};
use crate::base::{self, Capabilities, DisconnectCause};
use crate::dictionary::{code, result};
use crate::message::{Message, command};
use crate::nasreq::{AaAnswer, SessionRequest};
use crate::peer::watchdog::Watchdog;
use crate::peer::{EXCHANGE_TIMEOUT, Time};
use crate::refuse::{self, Refusal};

impl Client {
    pub(super) fn octets(&mut self, now: Time, octets: &[u8]) {
        // Taken out, so that a message can be read while the rest of the client changes.
        let mut stream = std::mem::take(&mut self.stream);
        stream.push(octets);
        while matches!(
            self.state,
            State::WaitCea { .. } | State::Open { .. } | State::Stopping { .. }
        ) {
            match stream.next_message().and_then(|next| next.map(Message::parse).transpose()) {
                Ok(Some(message)) => self.message(now, &message),
                Ok(None) => break,
                Err(_) => self.abort(now, "diameter_framing"),
            }
        }
        self.stream = stream;
    }

    fn message(&mut self, now: Time, message: &Message<'_>) {
        let header = message.header;
        if let State::Open { watchdog, .. } = &mut self.state {
            let dwa = !header.is_request() && header.command == command::DEVICE_WATCHDOG;
            watchdog.heard(now, dwa, &mut self.rng);
        }
        match (&self.state, header.is_request(), header.command) {
            (State::WaitCea { .. }, false, command::CAPABILITIES_EXCHANGE) => {
                self.cea(now, message)
            }
            (State::WaitCea { .. }, _, _) => self.abort(now, "diameter_cea_refused"),
            (State::Stopping { .. }, false, command::DISCONNECT_PEER) => self.stopped(),
            (State::Stopping { .. }, _, _) => {}
            (_, true, command::DEVICE_WATCHDOG) => {
                self.send(base::base_answer(&self.origin, &header))
            }
            (_, true, command::DISCONNECT_PEER) => self.dpr(now, message),
            (_, true, command::RE_AUTH | command::ABORT_SESSION) => self.asked(message),
            (_, true, _) => {
                self.count("diameter_unknown_request");
                let refusal = Refusal::code(result::COMMAND_UNSUPPORTED);
                self.send(refuse::answer(&self.origin, message, &refusal));
            }
            (_, false, command::DEVICE_WATCHDOG) => {}
            (_, false, _) => self.answer(message),
        }
    }

    fn cea(&mut self, now: Time, message: &Message<'_>) {
        match Capabilities::decode(message) {
            Ok(peer) if peer.result_code == Some(result::SUCCESS) && peer.common_application => {
                let watchdog = Watchdog::new(now, self.tw, &mut self.rng);
                self.state = State::Open { since: now, watchdog };
                self.outputs.push_back(ClientOutput::Up {
                    host: peer.identity.host,
                    state_id: peer.state_id,
                });
                for key in self.requests.keys() {
                    self.transmit(now, key);
                }
            }
            _ => self.abort(now, "diameter_cea_refused"),
        }
    }

    fn dpr(&mut self, now: Time, message: &Message<'_>) {
        let cause = message.find(code::DISCONNECT_CAUSE).and_then(|avp| avp.u32().ok());
        let unwanted = cause.is_some_and(|cause| cause != DisconnectCause::Rebooting.number());
        self.send(base::base_answer(&self.origin, &message.header));
        self.outputs.push_back(ClientOutput::Down);
        self.requests.disconnected();
        self.reconnect.dismissed(now, unwanted, &mut self.rng);
        self.state = State::Dismissed { until: now + EXCHANGE_TIMEOUT };
    }

    /// RAR or ASR.
    fn asked(&mut self, message: &Message<'_>) {
        match SessionRequest::decode(message) {
            Ok(request) => {
                let ticket = AskedTicket {
                    header: message.header,
                    session_id: request.session_id.clone(),
                    proxy_info: refuse::proxy_info(message),
                };
                self.outputs.push_back(ClientOutput::Asked { ticket, request });
            }
            Err(fault) => {
                self.count("diameter_unknown_request");
                self.send(refuse::answer(&self.origin, message, &Refusal::from(fault)));
            }
        }
    }

    /// An answer to a request, or one that comes too late. Relays clear the P bit and set E or not: only
    /// Hop-by-Hop and Result-Code count.
    fn answer(&mut self, message: &Message<'_>) {
        let hop_by_hop = message.header.hop_by_hop;
        let Some((key, kind)) =
            self.requests.find(hop_by_hop).and_then(|k| Some((k, self.requests.kind(k)?)))
        else {
            return self.count("diameter_late_answer");
        };
        let Ok(answer) = AaAnswer::decode(message) else {
            self.count("diameter_malformed_answer");
            return self.reject(key, hop_by_hop);
        };
        if matches!(answer.result_code, 3000..4000) {
            self.count("diameter_protocol_error");
            return self.reject(key, hop_by_hop);
        }
        let success = matches!(answer.result_code, 2000..3000);
        let Some((id, _)) = self.requests.finish(key) else { return };
        match kind {
            Kind::Stop => {
                self.outputs
                    .push_back(ClientOutput::Stopped { id, result_code: answer.result_code });
            }
            Kind::Authorize if success && answer.previous.is_none() => {
                self.count("diameter_no_agent_info");
                self.give_up(id, kind);
            }
            Kind::Authorize => {
                self.outputs.push_back(ClientOutput::Answer { id, answer: Ok(answer) })
            }
        }
    }

    fn reject(&mut self, key: u64, hop_by_hop: u32) {
        if let Some((id, kind)) = self.requests.rejected(key, hop_by_hop) {
            self.give_up(id, kind);
        }
    }
}
