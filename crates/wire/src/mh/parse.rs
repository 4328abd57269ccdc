// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets to messages: the grammar of PROTOCOL.md 3.3 as a receiver takes it, flags by R-38, faults by R-39.
//!
//! One pass gathers the options whatever their order (groups keep theirs), then each kind takes what it may have.
//! Options a kind does not use are skipped, as RFC 6275 §6.2.1 asks for unknown ones.

use super::options::{Raw, Said, Walk};
use super::{
    AskGroup, BINDING_ACK, BINDING_ERROR, BINDING_UPDATE, CnPlace, Ddba, Ddbu, HEARTBEAT,
    Heartbeat, Malformed, Message, ParseError, Refusal, Sdba, Sdbu, Serving, Status, TellGroup,
    flags,
};
use crate::addr::Nai;
use crate::time::AttachTime;
use std::net::Ipv6Addr;

/// Where the options of an MH type begin, which is also its least length.
pub(super) fn options_at(mh_type: u8) -> Option<usize> {
    match mh_type {
        BINDING_UPDATE | BINDING_ACK | HEARTBEAT => Some(12),
        BINDING_ERROR => Some(24),
        _ => None,
    }
}

/// `mh` has passed `MhView::new_checked`, so it is at least 8 octets long.
pub(super) fn parse(mh: &[u8]) -> Result<Message, ParseError> {
    let mh_type = mh[2];
    let needed = options_at(mh_type).ok_or(ParseError::UnknownType(mh_type))?;
    let Some(fixed) = mh.first_chunk::<12>().filter(|_| mh.len() >= needed) else {
        return Err(Malformed::Short { got: mh.len(), needed }.into());
    };
    let options = Walk::new(mh, needed);
    match mh_type {
        BINDING_UPDATE => update(fixed, options, Walk::new(mh, needed)),
        BINDING_ACK => acknowledgement(fixed, options),
        HEARTBEAT => heartbeat(fixed, options),
        _ => {
            gather(options, SmaarOf::Nothing)?;
            Ok(Message::BindingError(fixed[6]))
        }
    }
}

fn update(fixed: &[u8; 12], options: Walk<'_>, again: Walk<'_>) -> Result<Message, ParseError> {
    let [seq, bits, lifetime] = [6, 8, 10].map(|at| half(fixed, at));
    if bits & flags::BU_D == 0 {
        return Err(ParseError::NotRomip);
    }
    if bits & flags::BU_FOREIGN != 0 {
        return Err(Malformed::Flags(bits).into());
    }
    let source = bits & flags::BU_E == 0;
    let refused = |status| ParseError::Refused(Refusal { source, seq, status });
    // Before the content: a PBU asks with prefix `::`/0, which in a DBU would be malformed.
    if has_pmip_option(again)? {
        return Err(refused(Status::NOT_PROXY));
    }
    if source {
        let seen = gather(options, SmaarOf::Nothing)?;
        let mn_id = seen.mn_id.ok_or(refused(Status::MN_ID_MISSING))?;
        let groups = seen.groups.into_iter().map(Group::asked).collect();
        let (attach_time, cursor) = (seen.attach_time, seen.cursor);
        Ok(Message::Sdbu(Sdbu { seq, lifetime, mn_id, attach_time, groups, cursor }))
    } else {
        let seen = gather(options, SmaarOf::Hoa)?;
        let attach_time = seen.attach_time;
        let group = seen.only_group()?.ok_or(refused(Status::HOA_MISSING))?;
        let serving = group.serving.ok_or(refused(Status::PROHIBITED))?;
        let AskGroup { hoa, cns } = group.asked();
        Ok(Message::Ddbu(Ddbu { seq, lifetime, attach_time, hoa, serving, cns }))
    }
}

fn acknowledgement(fixed: &[u8; 12], options: Walk<'_>) -> Result<Message, ParseError> {
    let (status, bits) = (Status(fixed[6]), fixed[7]);
    let (seq, lifetime) = (half(fixed, 8), half(fixed, 10));
    if bits & flags::BA_D == 0 {
        return Err(ParseError::NotRomip);
    }
    if bits & flags::BA_FOREIGN != 0 {
        return Err(Malformed::Flags(bits.into()).into());
    }
    let seen = gather(options, SmaarOf::Cn)?;
    let attach_time = seen.attach_time;
    if bits & flags::BA_E == 0 {
        let groups = seen.groups.into_iter().map(Group::told).collect::<Result<_, _>>()?;
        Ok(Message::Sdba(Sdba { status, seq, lifetime, mn_id: seen.mn_id, attach_time, groups }))
    } else {
        let group = seen.only_group()?;
        let hoa = group.as_ref().map(|group| group.hoa);
        let cns = group.map(Group::places).unwrap_or_default();
        Ok(Message::Ddba(Ddba { status, seq, lifetime, attach_time, hoa, cns }))
    }
}

fn heartbeat(fixed: &[u8; 12], options: Walk<'_>) -> Result<Message, ParseError> {
    let bits = half(fixed, 6);
    let seen = gather(options, SmaarOf::Nothing)?;
    Ok(Message::Heartbeat(Heartbeat {
        unsolicited: bits & flags::HB_U != 0,
        response: bits & flags::HB_R != 0,
        seq: u32::from(half(fixed, 8)) << 16 | u32::from(half(fixed, 10)),
        restart_counter: seen.restart_counter,
    }))
}

fn half(fixed: &[u8; 12], at: usize) -> u16 {
    u16::from_be_bytes([fixed[at], fixed[at + 1]])
}

fn has_pmip_option(options: Walk<'_>) -> Result<bool, Malformed> {
    let mut found = false;
    for option in options {
        found |= option?.is_pmip();
    }
    Ok(found)
}

/// Whose place a Serving MAAR option tells in this kind of message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SmaarOf {
    /// It has no head here: misplaced.
    Nothing,
    /// That of the HoA before it (dDBU).
    Hoa,
    /// That of the CN before it (sDBA, dDBA).
    Cn,
}

/// All options of a message.
#[derive(Default)]
struct Seen {
    mn_id: Option<Nai>,
    attach_time: Option<AttachTime>,
    mesg_id: Option<()>,
    auth: Option<()>,
    cursor: Option<(Ipv6Addr, Ipv6Addr)>,
    restart_counter: Option<u32>,
    groups: Vec<Group>,
}

/// A HoA with what belongs to it.
struct Group {
    /// The fault if there is a group too many.
    misplaced: Malformed,
    hoa: Ipv6Addr,
    serving: Option<Ipv6Addr>,
    cns: Vec<Cn>,
}

/// A CN with what belongs to it.
struct Cn {
    /// The fault if this CN may not stand alone.
    misplaced: Malformed,
    cn: Ipv6Addr,
    serving: Option<Ipv6Addr>,
}

fn gather(options: Walk<'_>, smaar_of: SmaarOf) -> Result<Seen, Malformed> {
    let mut seen = Seen::default();
    for option in options {
        let option = option?;
        // AUTH ends the message: what follows it is outside its MAC.
        if seen.auth.is_some() {
            return Err(option.misplaced());
        }
        seen.take(&option, smaar_of)?;
    }
    Ok(seen)
}

impl Seen {
    fn take(&mut self, option: &Raw<'_>, smaar_of: SmaarOf) -> Result<(), Malformed> {
        let misplaced = option.misplaced();
        match option.said()? {
            Said::MnId(nai) => once(&mut self.mn_id, nai, misplaced),
            Said::Timestamp(time) => once(&mut self.attach_time, time, misplaced),
            Said::MesgId(_) => once(&mut self.mesg_id, (), misplaced),
            Said::Auth => once(&mut self.auth, (), misplaced),
            Said::Cursor(hoa, cn) => once(&mut self.cursor, (hoa, cn), misplaced),
            Said::RestartCounter(counter) => once(&mut self.restart_counter, counter, misplaced),
            Said::Hoa(hoa) => {
                self.groups.push(Group { misplaced, hoa, serving: None, cns: Vec::new() });
                Ok(())
            }
            Said::Cn(cn) => {
                let group = self.groups.last_mut().ok_or(misplaced)?;
                group.cns.push(Cn { misplaced, cn, serving: None });
                Ok(())
            }
            Said::ServingMaar(maar) => once(self.head(smaar_of).ok_or(misplaced)?, maar, misplaced),
            Said::Other => Ok(()),
        }
    }

    /// What a Serving MAAR option that comes now speaks of.
    fn head(&mut self, smaar_of: SmaarOf) -> Option<&mut Option<Ipv6Addr>> {
        match smaar_of {
            SmaarOf::Nothing => None,
            SmaarOf::Hoa => self.groups.last_mut().map(|group| &mut group.serving),
            SmaarOf::Cn => self.groups.last_mut()?.cns.last_mut().map(|cn| &mut cn.serving),
        }
    }

    /// The one group a dDBU or dDBA may have.
    fn only_group(self) -> Result<Option<Group>, Malformed> {
        let mut groups = self.groups.into_iter();
        let first = groups.next();
        groups.next().map_or(Ok(first), |second| Err(second.misplaced))
    }
}

impl Group {
    fn asked(self) -> AskGroup {
        AskGroup { hoa: self.hoa, cns: self.cns.into_iter().map(|cn| cn.cn).collect() }
    }

    /// Every CN of an sDBA has its Serving MAAR, and every HoA a CN.
    fn told(self) -> Result<TellGroup, Malformed> {
        if self.cns.is_empty() {
            return Err(self.misplaced);
        }
        let sessions = self
            .cns
            .into_iter()
            .map(|cn| cn.serving.map(|maar| Serving { cn: cn.cn, maar }).ok_or(cn.misplaced));
        Ok(TellGroup { hoa: self.hoa, sessions: sessions.collect::<Result<_, _>>()? })
    }

    fn places(self) -> Vec<CnPlace> {
        self.cns.into_iter().map(|cn| CnPlace { cn: cn.cn, moved_to: cn.serving }).collect()
    }
}

/// Fills `slot`, which may be filled once.
fn once<T>(slot: &mut Option<T>, value: T, doubled: Malformed) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(doubled),
    }
}
