// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The other MAARs: keys, the order of checks on what they send, their round-trip time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{self, Key, Message, MhView, ParseError, Refusal, Seal};
use wire::time::{Instant, MesgId, Now};

/// One second in units of a MESG-ID.
const SECOND: i64 = 1 << 32;
/// A MESG-ID further than this from the own clock is answered with status 144.
const WINDOW: i64 = 7 * SECOND;
/// Requests remembered of the last second; a peer that sends more is told nothing and heard again a second later.
const RECENT: usize = 8192;

/// Why a Mobility Header is dropped without an answer. Each is a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Drop {
    /// Length, Payload Proto, options, flags.
    Malformed,
    /// Wrong checksum.
    Checksum,
    /// The source is no peer of ours.
    UnknownPeer,
    /// Option 9 missing, not last, or wrong.
    Auth,
    /// No MESG-ID from a peer with a key.
    NoMesgId,
    /// A replay, a duplicate, or older than our own start.
    OldMesgId,
    /// D flag clear.
    NotRomip,
}

impl Drop {
    pub(crate) const fn counter(self) -> &'static str {
        match self {
            Drop::Malformed => "mh_malformed",
            Drop::Checksum => "mh_checksum",
            Drop::UnknownPeer => "mh_unknown_peer",
            Drop::Auth => "mh_auth_failed",
            Drop::NoMesgId => "mesg_id_missing",
            Drop::OldMesgId => "mesg_id_old",
            Drop::NotRomip => "mh_not_romip",
        }
    }
}

/// A Mobility Header that its peer really sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Opened {
    /// To be handled.
    Message(Message),
    /// To be refused with a status of its kind.
    Refused(Refusal),
    /// The peer's clock and ours are more than 7 s apart: status 144 with our time.
    ClockOff(Message),
    /// Binding Error 2.
    UnknownType,
}

/// What is known of one peer.
#[derive(Debug)]
pub(crate) struct Peer {
    keys: Vec<Key>,
    /// The last MESG-ID sent.
    sent: Option<MesgId>,
    /// Added to the own clock in what is sent to this peer, after a 144.
    offset: i64,
    /// The newest MESG-ID accepted, and those of the second before it.
    newest: Option<MesgId>,
    recent: BTreeSet<u64>,
    srtt: Option<Duration>,
    /// The last 144 or Binding Error to it.
    last_error: Option<Instant>,
}

impl Peer {
    fn new(keys: Vec<Key>) -> Peer {
        Peer {
            keys,
            sent: None,
            offset: 0,
            newest: None,
            recent: BTreeSet::new(),
            srtt: None,
            last_error: None,
        }
    }

    /// First repeat of a request to this peer.
    pub(crate) fn timeout(&self, fixed: Option<Duration>) -> Duration {
        let adaptive = self.srtt.map_or(Duration::from_millis(200), |srtt| {
            (srtt * 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
        });
        fixed.unwrap_or(adaptive)
    }

    /// A round trip was measured (RFC 6298 §2.3).
    pub(crate) fn sample(&mut self, round_trip: Duration) {
        self.srtt = Some(self.srtt.map_or(round_trip, |srtt| (srtt * 7 + round_trip) / 8));
    }

    /// The peer said 144: its clock is `theirs` when ours is `now`.
    pub(crate) fn adopt_clock(&mut self, now: Now, theirs: MesgId) {
        self.offset = theirs.distance(MesgId::from_unix(now.wall));
        // What was sent by the old clock may lie ahead of the new one; the peer never accepted it.
        self.sent = None;
    }

    /// At most one a second to each peer.
    pub(crate) fn may_send_error(&mut self, now: Instant) -> bool {
        let free = self.last_error.is_none_or(|at| now - at >= Duration::from_secs(1));
        if free {
            self.last_error = Some(now);
        }
        free
    }

    /// Newer than the newest, or at most a second older and not seen.
    fn is_fresh(&mut self, id: MesgId) -> bool {
        match self.newest.map(|newest| id.distance(newest)) {
            Some(d)
                if d <= -SECOND || self.recent.contains(&id.0) || self.recent.len() >= RECENT =>
            {
                return false;
            }
            Some(d) if d < 0 => {}
            _ => self.newest = Some(id),
        }
        self.recent.insert(id.0);
        let newest = self.newest.unwrap_or(id);
        self.recent.retain(|&old| newest.distance(MesgId(old)) < SECOND);
        true
    }
}

/// All peers, and the own place among them.
#[derive(Debug)]
pub(crate) struct Peers {
    own: Ipv6Addr,
    /// Nothing sent before this is accepted.
    started: Option<MesgId>,
    /// What the clock showed last.
    clock: Option<Now>,
    by_address: BTreeMap<Ipv6Addr, Peer>,
}

impl Peers {
    pub(crate) fn new(own: Ipv6Addr, peers: &[crate::config::Peer]) -> Peers {
        let by_address = peers.iter().map(|p| (p.address, Peer::new(p.keys.clone()))).collect();
        Peers { own, started: None, clock: None, by_address }
    }

    pub(crate) fn contains(&self, address: Ipv6Addr) -> bool {
        self.by_address.contains_key(&address)
    }

    pub(crate) fn get(&mut self, address: Ipv6Addr) -> Option<&mut Peer> {
        self.by_address.get_mut(&address)
    }

    /// The time to go by. The first one is the own start. A wall clock that steps back by more than a second is not
    /// followed (R-43, FC-31): peers have heard later times from us, and we from them.
    pub(crate) fn note_time(&mut self, now: Now) -> Now {
        self.started.get_or_insert(MesgId::from_unix(now.wall));
        let kept = self.clock.map_or(now.wall, |last| last.wall + (now.mono - last.mono));
        let stepped = kept > now.wall + Duration::from_secs(1);
        let steady = Now { wall: if stepped { kept } else { now.wall }, ..now };
        self.clock = Some(steady);
        steady
    }

    /// The octets of `message` for `dst`: stamped and signed with the peer's first key; else the counter that says
    /// why not.
    pub(crate) fn seal(
        &mut self,
        now: Now,
        dst: Ipv6Addr,
        message: &Message,
    ) -> Result<Vec<u8>, &'static str> {
        let own = self.own;
        let Peer { keys, sent, offset, .. } =
            self.by_address.get_mut(&dst).ok_or("mh_to_no_peer")?;
        let seal = keys.first().map(|key| Seal { mesg_id: stamp(sent, *offset, now), key });
        mh::encode(message, own, dst, seal).map_err(|_| "mh_too_long")
    }

    /// R-36, in its order; first failure ends. Also gives the peer's MESG-ID.
    pub(crate) fn open(
        &mut self,
        now: Now,
        src: Ipv6Addr,
        octets: &[u8],
    ) -> Result<(Opened, Option<MesgId>), Drop> {
        let view = MhView::new_checked(octets).map_err(|_| Drop::Malformed)?;
        if !view.checksum_ok(src, self.own) {
            return Err(Drop::Checksum);
        }
        let (own, started) = (self.own, self.started);
        let peer = self.by_address.get_mut(&src).ok_or(Drop::UnknownPeer)?;
        let keyed = !peer.keys.is_empty();
        if keyed && !peer.keys.iter().any(|key| view.verify(key, src, own)) {
            return Err(Drop::Auth);
        }
        let mesg_id = view.mesg_id();
        let opened = match view.parse() {
            Ok(message) => Opened::Message(message),
            Err(ParseError::Refused(refusal)) => Opened::Refused(refusal),
            Err(ParseError::UnknownType(_)) => Opened::UnknownType,
            Err(ParseError::NotRomip) => return Err(Drop::NotRomip),
            Err(ParseError::Malformed(_)) => return Err(Drop::Malformed),
        };
        if !keyed || !needs_mesg_id(&opened) {
            return Ok((opened, mesg_id));
        }
        let id = mesg_id.ok_or(Drop::NoMesgId)?;
        let off = id.distance(MesgId::from_unix(now.wall)).unsigned_abs() > WINDOW as u64;
        if off {
            return match opened {
                Opened::Message(message) => Ok((Opened::ClockOff(message), mesg_id)),
                _ => Err(Drop::OldMesgId),
            };
        }
        if started.is_some_and(|start| id.distance(start) < 0) || !peer.is_fresh(id) {
            return Err(Drop::OldMesgId);
        }
        Ok((opened, mesg_id))
    }
}

/// The MESG-ID of a message sent now: strictly rising, whatever the wall clock does.
fn stamp(sent: &mut Option<MesgId>, offset: i64, now: Now) -> MesgId {
    let clock = MesgId(MesgId::from_unix(now.wall).0.wrapping_add_signed(offset));
    let next = match *sent {
        Some(last) if clock.distance(last) <= 0 => MesgId(last.0.wrapping_add(1)),
        _ => clock,
    };
    *sent = Some(next);
    next
}

/// Requests are. Answers are checked by MAC and sequence number; where the options of an unknown type begin is
/// not known, and a Binding Error, at most one a second, changes nothing.
fn needs_mesg_id(opened: &Opened) -> bool {
    match opened {
        Opened::Message(Message::Sdba(_) | Message::Ddba(_) | Message::BindingError(_)) => false,
        Opened::Message(Message::Heartbeat(heartbeat)) => !heartbeat.response,
        Opened::UnknownType => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::addr::Nai;
    use wire::mh::Sdbu;

    const A2: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);
    const A3: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa3);

    fn key() -> Key {
        Key { spi: 256, secret: (0..32).collect() }
    }

    fn peers(own: Ipv6Addr, other: Ipv6Addr, keys: Vec<Key>) -> Peers {
        Peers::new(own, &[crate::config::Peer { address: other, keys }])
    }

    fn at(seconds: f64) -> Now {
        Now {
            mono: Instant((seconds * 1e6) as u64),
            wall: Duration::from_secs(1_767_225_600) + Duration::from_secs_f64(seconds),
        }
    }

    fn sdbu(seq: u16) -> Message {
        let mn_id = Nai::new("usera@example.org").unwrap();
        Message::Sdbu(Sdbu {
            seq,
            lifetime: 23,
            mn_id,
            attach_time: None,
            groups: vec![],
            cursor: None,
        })
    }

    /// (sender at A3, receiver at A2), both started at second 0.
    fn pair() -> (Peers, Peers) {
        let (mut a3, mut a2) = (peers(A3, A2, vec![key()]), peers(A2, A3, vec![key()]));
        a3.note_time(at(0.0));
        a2.note_time(at(0.0));
        (a3, a2)
    }

    #[test]
    fn a_message_is_accepted_once() {
        let (mut a3, mut a2) = pair();
        let octets = a3.seal(at(1.0), A2, &sdbu(1)).unwrap();
        assert!(matches!(a2.open(at(1.0), A3, &octets), Ok((Opened::Message(_), Some(_)))));
        assert_eq!(a2.open(at(1.1), A3, &octets), Err(Drop::OldMesgId));
        assert!(
            matches!(a2.open(at(1200.0), A3, &octets), Ok((Opened::ClockOff(_), _))),
            "no state change, but told"
        );
    }

    #[test]
    fn order_on_the_way_may_change_within_a_second() {
        let (mut a3, mut a2) = pair();
        let first = a3.seal(at(1.0), A2, &sdbu(1)).unwrap();
        let second = a3.seal(at(1.9), A2, &sdbu(2)).unwrap();
        let late = a3.seal(at(3.0), A2, &sdbu(3)).unwrap();
        assert!(a2.open(at(2.0), A3, &second).is_ok());
        assert!(a2.open(at(2.0), A3, &first).is_ok());
        assert!(a2.open(at(3.0), A3, &late).is_ok());
        assert_eq!(a2.open(at(3.0), A3, &first), Err(Drop::OldMesgId));
    }

    #[test]
    fn a_clock_ten_seconds_off_is_told_so_and_then_agrees() {
        let (mut a3, mut a2) = pair();
        let ahead = a3.seal(at(20.0), A2, &sdbu(1)).unwrap();
        let Ok((Opened::ClockOff(_), _)) = a2.open(at(10.0), A3, &ahead) else { panic!("no 144") };
        a3.get(A2).unwrap().adopt_clock(at(20.0), MesgId::from_unix(at(10.0).wall));
        let again = a3.seal(at(20.5), A2, &sdbu(2)).unwrap();
        assert!(matches!(a2.open(at(10.5), A3, &again), Ok((Opened::Message(_), _))));
    }

    #[test]
    fn mesg_ids_rise_when_the_wall_clock_steps_back() {
        let mut sent = None;
        let first = stamp(&mut sent, 0, at(100.0));
        let second = stamp(&mut sent, 0, at(5.0));
        assert_eq!(second.0, first.0 + 1);
    }

    #[test]
    fn strangers_wrong_keys_and_bad_checksums_are_dropped_in_this_order() {
        let (mut a3, mut a2) = pair();
        let octets = a3.seal(at(1.0), A2, &sdbu(1)).unwrap();
        let mut broken = octets.clone();
        broken[6] ^= 1;
        assert_eq!(a2.open(at(1.0), A3, &broken), Err(Drop::Checksum));
        assert_eq!(
            peers(A2, Ipv6Addr::LOCALHOST, vec![]).open(at(1.0), A3, &octets),
            Err(Drop::UnknownPeer)
        );
        let other = Key { spi: 256, secret: vec![9; 32].into() };
        assert_eq!(peers(A2, A3, vec![other]).open(at(1.0), A3, &octets), Err(Drop::Auth));
    }

    #[test]
    fn the_first_repeat_follows_the_round_trip() {
        let mut peer = Peer::new(vec![]);
        assert_eq!(peer.timeout(None), Duration::from_millis(200));
        peer.sample(Duration::from_millis(1));
        assert_eq!(peer.timeout(None), Duration::from_millis(50));
        (0..64).for_each(|_| peer.sample(Duration::from_millis(100)));
        assert!(peer.timeout(None) > Duration::from_millis(390));
        assert_eq!(peer.timeout(Some(Duration::from_secs(1))), Duration::from_secs(1));
    }
}
