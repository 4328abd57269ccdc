// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests of one MAAR, encoded once: a request is a copy with the digits and addresses overwritten, so that the client
//! costs far less than the server it measures.

use diameter::message::FLAG_RETRANSMITTED;
use diameter::nasreq::{AaRequest, Origin, StRequest};
use std::net::Ipv6Addr;

/// Stands for the attachment's number, as decimal digits.
const NUMBER: &str = "1111111111";
/// Stands for the subscriber's number.
const SUBSCRIBER: &str = "2222222222";
/// Stands for the asking MAAR.
const MAAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 3, 3, 3, 3, 3);

/// An encoded request and where its variable parts are.
#[derive(Debug)]
struct Shape {
    octets: Vec<u8>,
    numbers: Vec<usize>,
    subscribers: Vec<usize>,
    maar: Option<usize>,
}

impl Shape {
    fn of(octets: Vec<u8>) -> Shape {
        let find = |part: &[u8]| -> Vec<usize> {
            let found = octets.windows(part.len()).enumerate().filter(|(_, w)| *w == part);
            found.map(|(at, _)| at).collect()
        };
        let numbers = find(NUMBER.as_bytes());
        let subscribers = find(SUBSCRIBER.as_bytes());
        let maar = find(&MAAR.octets()).first().copied();
        Shape { octets, numbers, subscribers, maar }
    }

    fn write(&self, out: &mut Vec<u8>, ids: (u32, u32), subscriber: u32, attachment: u32) -> usize {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        out[start + 12..start + 16].copy_from_slice(&ids.0.to_be_bytes());
        out[start + 16..start + 20].copy_from_slice(&ids.1.to_be_bytes());
        for at in &self.numbers {
            digits(&mut out[start + at..start + at + 10], attachment);
        }
        for at in &self.subscribers {
            digits(&mut out[start + at..start + at + 10], subscriber);
        }
        start
    }
}

fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The two requests of a MAAR.
#[derive(Debug)]
pub struct Template {
    attach: Shape,
    detach: Shape,
}

impl Template {
    pub fn new(origin: &Origin, user: &str) -> Template {
        let session_id = format!("{};1;{NUMBER};{user}{SUBSCRIBER}", origin.identity.host);
        let user_name = format!("{user}{SUBSCRIBER}@{}", origin.identity.realm);
        let destination_realm = origin.identity.realm.clone();
        let attach = AaRequest {
            session_id: session_id.clone(),
            destination_realm: destination_realm.clone(),
            user_name: user_name.clone(),
            calling_station_id: None,
            maar: MAAR,
            attach_time: None,
        };
        let detach = StRequest { session_id, destination_realm, user_name, cause: 1 };
        Template {
            attach: Shape::of(attach.encode(origin, (0, 0))),
            detach: Shape::of(detach.encode(origin, (0, 0))),
        }
    }

    /// An AAR; `ids` are Hop-by-Hop and End-to-End, of which the second names the attachment.
    pub fn attach(
        &self,
        out: &mut Vec<u8>,
        ids: (u32, u32),
        subscriber: u32,
        maar: u128,
        again: bool,
    ) {
        let start = self.attach.write(out, ids, subscriber, ids.1);
        if let Some(at) = self.attach.maar {
            out[start + at..start + at + 16].copy_from_slice(&maar.to_be_bytes());
        }
        if again {
            out[start + 4] |= FLAG_RETRANSMITTED;
        }
    }

    /// An STR of an attachment.
    pub fn detach(&self, out: &mut Vec<u8>, ids: (u32, u32), subscriber: u32, attachment: u32) {
        self.detach.write(out, ids, subscriber, attachment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diameter::message::Message;
    use diameter::nasreq::Identity;

    #[test]
    fn a_copy_reads_back_as_the_request_that_was_meant() {
        let identity = Identity { host: "maar3.example.org".into(), realm: "example.org".into() };
        let template = Template::new(&Origin { identity, state_id: 1 }, "u3-");
        let mut out = Vec::new();
        template.attach(&mut out, (5, 6), 77, 0x2001_0db8 << 96 | 9, true);
        let message = Message::parse(&out).unwrap();
        assert_eq!((message.header.hop_by_hop, message.header.end_to_end), (5, 6));
        assert_eq!(message.header.flags, 0xd0);
        let request = AaRequest::decode(&message).unwrap();
        assert_eq!(request.user_name, "u3-0000000077@example.org");
        assert_eq!(request.session_id, "maar3.example.org;1;0000000006;u3-0000000077");
        assert_eq!(request.maar, "2001:db8::9".parse::<Ipv6Addr>().unwrap());
        out.clear();
        template.detach(&mut out, (7, 8), 77, 6);
        let request = StRequest::decode(&Message::parse(&out).unwrap()).unwrap();
        assert_eq!(request.session_id, "maar3.example.org;1;0000000006;u3-0000000077");
    }
}
