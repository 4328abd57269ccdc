// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a server does with what a peer sends.

use super::{Server, ServerOutput, State, Ticket};
use crate::base::{self, Capabilities};
use crate::dictionary::{code, result};
use crate::message::{FLAG_ERROR, Message, command};
use crate::peer::inspect::{self, Request};
use crate::peer::{EXCHANGE_TIMEOUT, Time};
use crate::refuse::{self, Refusal};
use std::sync::Arc;

impl Server {
    /// Reads one message; `false` if none is there, or the owner has to judge a CER first.
    pub(super) fn read_message(&mut self) -> bool {
        if !matches!(self.state, State::WaitCer { .. } | State::Open { .. } | State::Leaving { .. })
        {
            return false;
        }
        // Taken out, so that a message can be read while the rest of the connection changes.
        let mut stream = std::mem::take(&mut self.stream);
        let found =
            match stream.next_message().and_then(|next| next.map(Message::parse).transpose()) {
                Ok(Some(message)) => {
                    self.message(self.now, &message);
                    true
                }
                Ok(None) => false,
                Err(_) => {
                    self.close("diameter_framing");
                    true
                }
            };
        if !matches!(self.state, State::Closed) {
            self.stream = stream;
        }
        found
    }

    fn message(&mut self, now: Time, message: &Message<'_>) {
        let header = message.header;
        match &mut self.state {
            State::WaitCer { .. } => {
                if header.is_request() && header.command == command::CAPABILITIES_EXCHANGE {
                    self.cer(message);
                } else {
                    self.close("diameter_no_cer");
                }
            }
            State::Open { watchdog } => {
                let dwa = !header.is_request() && header.command == command::DEVICE_WATCHDOG;
                watchdog.heard(now, dwa, &mut self.rng);
                if header.is_request() {
                    self.request(now, message);
                } else if !dwa {
                    self.answer_to_own(message);
                }
            }
            State::Leaving { .. } => {
                if !header.is_request() && header.command == command::DISCONNECT_PEER {
                    self.end();
                }
            }
            State::Claimed { .. } | State::Closed => {}
        }
    }

    fn cer(&mut self, message: &Message<'_>) {
        let header = message.header;
        let (code, fault) = match Capabilities::decode(message) {
            Err(fault) => (fault.code, Some(fault)),
            Ok(_) if header.flags & FLAG_ERROR != 0 => (result::INVALID_HDR_BITS, None),
            Ok(peer) if !peer.common_application => (result::NO_COMMON_APPLICATION, None),
            Ok(peer) if !peer.plain => (result::NO_COMMON_SECURITY, None),
            Ok(peer) => {
                self.state = State::Claimed { cer: header };
                let (host, realm) = (peer.identity.host, peer.identity.realm);
                return self.outputs.push_back(ServerOutput::Claim {
                    host,
                    realm,
                    state_id: peer.state_id,
                });
            }
        };
        self.send(base::cea(
            &self.config.origin,
            self.config.host_ip,
            &header,
            code,
            fault.as_ref(),
        ));
        self.close("diameter_cer_refused");
    }

    /// RAA or ASA.
    fn answer_to_own(&mut self, message: &Message<'_>) {
        let Some(id) = self.asked.remove(&message.header.hop_by_hop) else {
            return self.count("diameter_unexpected_answer");
        };
        let code = message.find(code::RESULT_CODE).and_then(|avp| avp.u32().ok());
        let result_code = code.unwrap_or(result::UNABLE_TO_COMPLY);
        self.outputs.push_back(ServerOutput::Asked { id, result_code });
    }

    fn request(&mut self, now: Time, message: &Message<'_>) {
        let header = message.header;
        let ticket = |session_id: &Arc<str>, user_name: &Arc<str>, overload| Ticket {
            header,
            overload,
            session_id: session_id.clone(),
            user_name: user_name.clone(),
            proxy_info: refuse::proxy_info(message),
        };
        match inspect::request(&self.config.origin.identity, message, self.sender.as_ref()) {
            Ok(Request::Base) => {
                self.send(base::base_answer(&self.config.origin, &header));
                if header.command == command::DISCONNECT_PEER {
                    self.outputs.push_back(ServerOutput::Down);
                    self.state = State::Leaving { until: now + EXCHANGE_TIMEOUT };
                }
            }
            Ok(Request::Authorize(sender, request)) => {
                let ticket = ticket(&request.session_id, &request.user_name, request.overload);
                self.sender = Some(sender.clone());
                self.outputs.push_back(ServerOutput::Authorize { ticket, sender, request });
            }
            Ok(Request::Terminate(sender, request)) => {
                let ticket = ticket(&request.session_id, &request.user_name, false);
                self.outputs.push_back(ServerOutput::Stop { ticket, sender, request });
            }
            Err(refusal) => self.refuse_request(message, &refusal),
        }
    }

    fn refuse_request(&mut self, message: &Message<'_>, refusal: &Refusal) {
        self.count(refusal.counter());
        self.send(refuse::answer(&self.config.origin, message, refusal));
    }
}
