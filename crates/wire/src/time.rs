// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Time as an argument: monotonic instants for deadlines, wall-clock stamps for the wire.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the monotonic clock, in microseconds from an origin the caller chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(pub u64);

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, d: Duration) -> Instant {
        Instant(self.0.saturating_add(d.as_micros() as u64))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// Zero if `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// What a sans-IO state machine is told of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For deadlines. Never steps back.
    pub mono: Instant,
    /// Since 1970-01-01T00:00:00Z by the wall clock, which may step.
    pub wall: Duration,
}

/// The time of an attachment: RFC 5213 §8.8 form, 48-bit seconds since 1970 and a 16-bit fraction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AttachTime(pub u64);

impl AttachTime {
    /// From the wall clock, rounded down to 1/65536 s.
    pub const fn from_unix(wall: Duration) -> Self {
        let fraction = ((wall.subsec_nanos() as u64) << 16) / 1_000_000_000;
        AttachTime((wall.as_secs() << 16) | fraction)
    }

    /// The next later time. The last one, which only a broken peer names, is followed by itself.
    pub const fn next(self) -> Self {
        AttachTime(self.0.saturating_add(1))
    }
}

/// The time of sending of a signalling message: 64-bit NTP, strictly rising per peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MesgId(pub u64);

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

impl MesgId {
    /// From the wall clock; wraps in 2036 as NTP does.
    pub const fn from_unix(wall: Duration) -> Self {
        let seconds = wall.as_secs().wrapping_add(NTP_UNIX_OFFSET) & 0xffff_ffff;
        let fraction = ((wall.subsec_nanos() as u64) << 32) / 1_000_000_000;
        MesgId((seconds << 32) | fraction)
    }

    /// `self - earlier` modulo 2^64, as a signed distance in units of 2^-32 s.
    pub const fn distance(self, earlier: MesgId) -> i64 {
        self.0.wrapping_sub(earlier.0) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00.25Z, the time of PROTOCOL.md's worked messages.
    const WORKED: Duration = Duration::from_millis(1_767_225_600_250);

    #[test]
    fn stamps_are_those_of_the_worked_messages() {
        assert_eq!(AttachTime::from_unix(WORKED), AttachTime(0x0000_6955_b900_4000));
        assert_eq!(MesgId::from_unix(WORKED), MesgId(0xed00_3780_4000_0000));
    }

    #[test]
    fn ntp_time_goes_on_rising_over_its_second_era() {
        // 2036-02-07T06:28:16Z is second 0 of era 1.
        let before = MesgId::from_unix(Duration::from_secs(2_085_978_495));
        let after = MesgId::from_unix(Duration::from_secs(2_085_978_496));
        assert_eq!((before.0, after.0), (0xffff_ffff << 32, 0));
        assert_eq!((after.distance(before), before.distance(after)), (1 << 32, -1 << 32));
    }

    #[test]
    fn times_at_the_end_of_their_range_stay_there() {
        assert_eq!(AttachTime(u64::MAX).next(), AttachTime(u64::MAX));
        assert_eq!(Instant(u64::MAX) + Duration::from_secs(1), Instant(u64::MAX));
        assert_eq!(Instant(1) - Instant(2), Duration::ZERO);
    }
}
