// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages to octets: options in the order of PROTOCOL.md 3.3, each at its alignment; MAC, then checksum.
//! Read [`super::options`] first for the layouts.

use super::options as opt;
use super::{
    BINDING_ACK, BINDING_ERROR, BINDING_UPDATE, Ddba, Ddbu, HEARTBEAT, Heartbeat, Message,
    NEXT_HEADER, Sdba, Sdbu, Seal, TooLong, auth, flags,
};
use crate::addr::Nai;
use crate::ip6;
use crate::time::{AttachTime, MesgId};
use std::net::Ipv6Addr;

/// An MH is at most 256 units of 8 octets: Header Len is one octet.
const MAX_HEADER_LEN: usize = 2048;

pub(super) fn encode(
    message: &Message,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    seal: Option<Seal<'_>>,
) -> Result<Vec<u8>, TooLong> {
    let mut mh = body(message, seal.map(|s| s.mesg_id)).octets;
    let len = closed_len(mh.len(), seal.is_some());
    if len > MAX_HEADER_LEN {
        return Err(TooLong { len });
    }
    mh[1] = (len / 8 - 1) as u8;
    let mut out = Writer { octets: mh };
    match seal {
        Some(seal) => out.seal(seal, src, dst),
        None => out.pad_to(8, 0),
    }
    debug_assert_eq!(out.octets.len(), len);
    let checksum = ip6::checksum(src, dst, NEXT_HEADER, &out.octets);
    out.octets[4..6].copy_from_slice(&checksum.to_be_bytes());
    Ok(out.octets)
}

pub(super) fn encoded_len(message: &Message, sealed: bool) -> usize {
    // The value of MESG-ID does not change the length.
    closed_len(body(message, sealed.then_some(MesgId(0))).octets.len(), sealed)
}

/// Octets of an MH whose last option but AUTH ends at `len`.
fn closed_len(len: usize, sealed: bool) -> usize {
    if sealed { (len - 1).next_multiple_of(8) + 1 + opt::AUTH_LEN } else { len.next_multiple_of(8) }
}

/// Everything but AUTH, the padding at the end, Header Len and checksum.
fn body(message: &Message, mesg_id: Option<MesgId>) -> Writer {
    match message {
        Message::Sdbu(m) => sdbu(m, mesg_id),
        Message::Sdba(m) => sdba(m, mesg_id),
        Message::Ddbu(m) => ddbu(m, mesg_id),
        Message::Ddba(m) => ddba(m, mesg_id),
        Message::Heartbeat(m) => heartbeat(m, mesg_id),
        Message::BindingError(status) => binding_error(*status, mesg_id),
    }
}

fn sdbu(m: &Sdbu, mesg_id: Option<MesgId>) -> Writer {
    let mut out = Writer::update(m.seq, flags::BU_A | flags::BU_D, m.lifetime);
    out.mn_id(&m.mn_id);
    out.times(m.attach_time, mesg_id);
    for group in &m.groups {
        out.hoa(group.hoa);
        group.cns.iter().for_each(|cn| out.cn(*cn));
    }
    if let Some((hoa, cn)) = m.cursor {
        out.option(opt::EXPERIMENTAL, 4, &[&[opt::SUBTYPE_CURSOR, 0], &hoa.octets(), &cn.octets()]);
    }
    out
}

fn sdba(m: &Sdba, mesg_id: Option<MesgId>) -> Writer {
    let mut out = Writer::ack(m.status.0, flags::BA_D, m.seq, m.lifetime);
    if let Some(mn_id) = &m.mn_id {
        out.mn_id(mn_id);
    }
    out.times(m.attach_time, mesg_id);
    // A HoA without a session tells nothing, and the grammar has no place for it.
    for group in m.groups.iter().filter(|g| !g.sessions.is_empty()) {
        out.hoa(group.hoa);
        for session in &group.sessions {
            out.cn(session.cn);
            out.serving_maar(session.maar);
        }
    }
    out
}

fn ddbu(m: &Ddbu, mesg_id: Option<MesgId>) -> Writer {
    let mut out = Writer::update(m.seq, flags::BU_A | flags::BU_D | flags::BU_E, m.lifetime);
    out.times(m.attach_time, mesg_id);
    out.hoa(m.hoa);
    out.serving_maar(m.serving);
    m.cns.iter().for_each(|cn| out.cn(*cn));
    out
}

fn ddba(m: &Ddba, mesg_id: Option<MesgId>) -> Writer {
    let mut out = Writer::ack(m.status.0, flags::BA_D | flags::BA_E, m.seq, m.lifetime);
    out.times(m.attach_time, mesg_id);
    // Without a HoA (status 158) there is no group for a CN to stand in.
    if let Some(hoa) = m.hoa {
        out.hoa(hoa);
        for place in &m.cns {
            out.cn(place.cn);
            if let Some(maar) = place.moved_to {
                out.serving_maar(maar);
            }
        }
    }
    out
}

fn heartbeat(m: &Heartbeat, mesg_id: Option<MesgId>) -> Writer {
    let bits =
        if m.unsolicited { flags::HB_U } else { 0 } | if m.response { flags::HB_R } else { 0 };
    let mut out = Writer::header(HEARTBEAT);
    out.put(&bits.to_be_bytes());
    out.put(&m.seq.to_be_bytes());
    out.times(None, mesg_id);
    if let Some(counter) = m.restart_counter {
        out.pad_to(4, 2);
        out.put(&[opt::RESTART_COUNTER, 4]);
        out.put(&counter.to_be_bytes());
    }
    out
}

fn binding_error(status: u8, mesg_id: Option<MesgId>) -> Writer {
    let mut out = Writer::header(BINDING_ERROR);
    out.put(&[status, 0]);
    // Home Address: `::` where the offending message carried no Home Address option (RFC 6275 §6.1.9).
    out.put(&[0; 16]);
    out.times(None, mesg_id);
    out
}

/// An MH in the making.
struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    /// The first six octets; Header Len and checksum are filled in last.
    fn header(mh_type: u8) -> Self {
        let mut octets = Vec::with_capacity(256);
        octets.extend_from_slice(&[ip6::NO_NEXT_HEADER, 0, mh_type, 0, 0, 0]);
        Writer { octets }
    }

    fn update(seq: u16, flags: u16, lifetime: u16) -> Self {
        let mut out = Writer::header(BINDING_UPDATE);
        [seq, flags, lifetime].iter().for_each(|field| out.put(&field.to_be_bytes()));
        out
    }

    fn ack(status: u8, flags: u8, seq: u16, lifetime: u16) -> Self {
        let mut out = Writer::header(BINDING_ACK);
        out.put(&[status, flags]);
        [seq, lifetime].iter().for_each(|field| out.put(&field.to_be_bytes()));
        out
    }

    fn put(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Fills up to the next offset `unit * n + rest`: Pad1 for one octet, PadN for more (RFC 6275 §6.2.1).
    fn pad_to(&mut self, unit: usize, rest: usize) {
        let gap = (unit + rest - self.octets.len() % unit) % unit;
        match gap {
            0 => {}
            1 => self.octets.push(opt::PAD1),
            _ => {
                self.put(&[opt::PADN, gap as u8 - 2]);
                self.octets.resize(self.octets.len() + gap - 2, 0);
            }
        }
    }

    /// An option at `8n + rest`. Its parts are together at most 255 octets long.
    fn option(&mut self, kind: u8, rest: usize, parts: &[&[u8]]) {
        self.pad_to(8, rest);
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.put(&[kind, len as u8]);
        parts.iter().for_each(|part| self.put(part));
    }

    /// The one option without alignment. An [`Nai`] is at most 253 octets long, so the length fits.
    fn mn_id(&mut self, nai: &Nai) {
        let nai = nai.as_str().as_bytes();
        self.put(&[opt::MN_ID, nai.len() as u8 + 1, opt::SUBTYPE_NAI]);
        self.put(nai);
    }

    fn times(&mut self, attach_time: Option<AttachTime>, mesg_id: Option<MesgId>) {
        if let Some(time) = attach_time {
            self.option(opt::TIMESTAMP, 2, &[&time.0.to_be_bytes()]);
        }
        if let Some(id) = mesg_id {
            self.option(opt::MESG_ID, 2, &[&id.0.to_be_bytes()]);
        }
    }

    fn hoa(&mut self, hoa: Ipv6Addr) {
        self.option(opt::HNP, 4, &[&[0, 128], &hoa.octets()]);
    }

    fn cn(&mut self, cn: Ipv6Addr) {
        self.option(opt::EXPERIMENTAL, 4, &[&[opt::SUBTYPE_CN, 128], &cn.octets()]);
    }

    fn serving_maar(&mut self, maar: Ipv6Addr) {
        self.option(opt::SERVING_MAAR, 6, &[&maar.octets()]);
    }

    /// Option 9 at 8n+1, so that it ends the MH. Header Len is in place, the checksum field still 0.
    fn seal(&mut self, seal: Seal<'_>, src: Ipv6Addr, dst: Ipv6Addr) {
        self.pad_to(8, 1);
        self.put(&[opt::AUTH, opt::AUTH_LEN as u8 - 2, opt::SUBTYPE_AUTH]);
        self.put(&seal.key.spi.to_be_bytes());
        let mac = auth::mac(seal.key, src, dst, &self.octets);
        self.put(&mac);
    }
}
