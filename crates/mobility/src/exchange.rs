// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One request under way and its repeats, and the order of requests at the receiver.

use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::Status;
use wire::time::{AttachTime, Instant};

/// MAX_BINDACK_TIMEOUT (RFC 6275 §12).
const MAX_TIMEOUT: Duration = Duration::from_secs(32);
/// A request fails this long after its first transmission.
const GIVE_UP: Duration = Duration::from_secs(63);

/// A request that is repeated until it is answered. Every transmission has a sequence number of its own, so every
/// answer is a sample of the round trip.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    first: Instant,
    timeout: Duration,
    /// What was sent, and when. At most 11.
    sent: Vec<(u16, Instant)>,
}

impl Repeats {
    /// The first transmission goes out `now` with `seq`.
    pub(crate) fn new(now: Instant, seq: u16, timeout: Duration) -> Repeats {
        Repeats { first: now, timeout, sent: vec![(seq, now)] }
    }

    /// When to repeat or give up.
    pub(crate) fn deadline(&self) -> Instant {
        let last = self.sent.last().map_or(self.first, |&(_, at)| at);
        (last + self.timeout).min(self.first + GIVE_UP)
    }

    /// At the deadline: another transmission with `seq`, or `false` when it is time to give up.
    pub(crate) fn again(&mut self, now: Instant, seq: u16) -> bool {
        if now >= self.first + GIVE_UP {
            return false;
        }
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
        self.sent.push((seq, now));
        true
    }

    /// The round trip of the transmission an answer echoes; `None`: no number of ours.
    pub(crate) fn round_trip(&self, now: Instant, seq: u16) -> Option<Duration> {
        self.sent.iter().find(|&&(sent, _)| sent == seq).map(|&(_, at)| now - at)
    }
}

/// The last request a receiver accepted, for one MN or one HoA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accepted {
    pub(crate) time: AttachTime,
    /// `::`: told of by another; whoever has this time is good.
    pub(crate) from: Ipv6Addr,
    /// `None`: learnt by other means than a request; any number is good.
    pub(crate) seq: Option<u16>,
}

/// What a request is, compared with the last accepted one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Take it.
    Newer,
    /// The same once more: answer again, change nothing.
    Repeat,
    /// Refuse; for 135 with the last accepted number.
    Refuse(Status, Option<u16>),
}

impl Accepted {
    /// attach time first, then the sender, then the sequence number modulo 2^16.
    pub(crate) fn order(&self, time: AttachTime, from: Ipv6Addr, seq: u16) -> Order {
        match time.cmp(&self.time) {
            std::cmp::Ordering::Less => Order::Refuse(Status::OLD_TIMESTAMP, None),
            std::cmp::Ordering::Greater => Order::Newer,
            std::cmp::Ordering::Equal if from != self.from && !self.from.is_unspecified() => {
                Order::Refuse(Status::OLD_TIMESTAMP, None)
            }
            std::cmp::Ordering::Equal => {
                match self.seq.map(|last| (last, seq.wrapping_sub(last))) {
                    None | Some((_, 1..=32767)) => Order::Newer,
                    Some((_, 0)) => Order::Repeat,
                    Some((last, _)) => Order::Refuse(Status::SEQUENCE, Some(last)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0xa2);

    fn times(initial: Duration) -> (Vec<u64>, u64) {
        let mut repeats = Repeats::new(Instant(0), 7, initial);
        let mut sent = vec![0];
        loop {
            let at = repeats.deadline();
            if !repeats.again(at, 8) {
                return (sent, at.0 / 1000);
            }
            sent.push(at.0 / 1000);
        }
    }

    #[test]
    fn a_request_is_sent_at_0_1_3_7_15_31_seconds_and_fails_at_63() {
        assert_eq!(times(Duration::from_secs(1)), (vec![0, 1000, 3000, 7000, 15000, 31000], 63000));
    }

    #[test]
    fn shorter_first_repeats_mean_more_transmissions_not_a_longer_wait() {
        let (sent, end) = times(Duration::from_millis(200));
        assert_eq!((sent.len(), end), (9, 63000));
        let (sent, end) = times(Duration::from_millis(50));
        assert_eq!((sent.len(), end), (11, 63000));
    }

    #[test]
    fn sequence_numbers_wrap_and_half_the_circle_is_old() {
        let at = |seq| Accepted { time: AttachTime(5), from: PEER, seq: Some(seq) };
        assert_eq!(at(65535).order(AttachTime(5), PEER, 0), Order::Newer);
        assert_eq!(at(0).order(AttachTime(5), PEER, 32767), Order::Newer);
        assert_eq!(
            at(0).order(AttachTime(5), PEER, 32768),
            Order::Refuse(Status::SEQUENCE, Some(0))
        );
        assert_eq!(at(9).order(AttachTime(5), PEER, 9), Order::Repeat);
    }

    #[test]
    fn attach_time_comes_before_everything() {
        let last = Accepted { time: AttachTime(5), from: PEER, seq: Some(9) };
        let other = Ipv6Addr::LOCALHOST;
        assert_eq!(last.order(AttachTime(4), PEER, 10), Order::Refuse(Status::OLD_TIMESTAMP, None));
        assert_eq!(last.order(AttachTime(6), other, 1), Order::Newer);
        assert_eq!(
            last.order(AttachTime(5), other, 10),
            Order::Refuse(Status::OLD_TIMESTAMP, None)
        );
    }
}
