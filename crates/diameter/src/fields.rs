// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The top-level AVPs of one message, sorted out once: what is unknown and mandatory (5001), what is there twice (5009),
//! what is missing (5005). Order does not matter.

use crate::avp::{self, Avp, FLAG_MANDATORY, Fault, MAX_AVPS};
use crate::dictionary::{self, code, result};
use crate::message::Message;
use arrayvec::ArrayVec;
use std::net::IpAddr;

/// The AVPs of a message that passed [`avp::check`].
#[derive(Debug)]
pub struct Fields<'a> {
    found: ArrayVec<Avp<'a>, MAX_AVPS>,
}

impl<'a> Fields<'a> {
    /// Of a request: unknown AVPs with the M bit and doubled ones are faults.
    pub fn of_request(message: &Message<'a>) -> Result<Fields<'a>, Fault> {
        let fields = Fields::of_answer(message)?;
        let mut seen = 0u64;
        for avp in &fields.found {
            match avp.definition() {
                None if avp.flags & FLAG_MANDATORY != 0 => {
                    return Err(Fault::at(result::AVP_UNSUPPORTED, avp));
                }
                Some(known) if known.once => {
                    let bit = dictionary::place(avp.code).map_or(0, |place| 1 << place);
                    if seen & bit != 0 {
                        return Err(Fault::at(result::AVP_OCCURS_TOO_MANY_TIMES, avp));
                    }
                    seen |= bit;
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    /// Of an answer: relays add what they like, so only the structure is judged.
    pub fn of_answer(message: &Message<'a>) -> Result<Fields<'a>, Fault> {
        avp::check(message.avps)?;
        let mut found = ArrayVec::new();
        for avp in message.avps().take(MAX_AVPS) {
            found.push(avp?);
        }
        Ok(Fields { found })
    }

    /// Every AVP of this code, in order.
    pub fn all(&self, code: u32) -> impl Iterator<Item = &Avp<'a>> {
        self.found.iter().filter(move |avp| avp.code == code && avp.vendor == 0)
    }

    /// The first AVP of this code.
    pub fn get(&self, code: u32) -> Option<&Avp<'a>> {
        self.all(code).next()
    }

    /// The first AVP of this code, or 5005.
    pub fn need(&self, code: u32) -> Result<&Avp<'a>, Fault> {
        self.get(code).ok_or_else(|| Fault::missing(code))
    }

    /// An Unsigned32 that may be absent.
    pub fn u32(&self, code: u32) -> Result<Option<u32>, Fault> {
        self.get(code).map(Avp::u32).transpose()
    }

    /// Text that must be there, 1 to `most` octets, no NUL.
    pub fn text(&self, code: u32, most: usize) -> Result<&'a str, Fault> {
        let avp = self.need(code)?;
        let text = avp.text()?;
        if text.is_empty() || text.len() > most || text.contains('\0') {
            return Err(Fault::value(avp));
        }
        Ok(text)
    }

    /// Like [`Fields::text`], but it may be absent.
    pub fn text_if_any(&self, code: u32, most: usize) -> Result<Option<&'a str>, Fault> {
        self.get(code).map(|_| self.text(code, most)).transpose()
    }

    /// MIP6-Agent-Info / MIP-Home-Agent-Address as it stands; `None` without the outer AVP.
    pub fn agent(&self) -> Result<Option<(Avp<'a>, IpAddr)>, Fault> {
        let Some(info) = self.get(code::MIP6_AGENT_INFO) else { return Ok(None) };
        let inner = info
            .group()
            .map_while(Result::ok)
            .find(|a| a.code == code::MIP_HOME_AGENT_ADDRESS && a.vendor == 0);
        let inner = inner.ok_or_else(|| Fault::missing(code::MIP_HOME_AGENT_ADDRESS))?;
        Ok(Some((inner, inner.address()?)))
    }
}
