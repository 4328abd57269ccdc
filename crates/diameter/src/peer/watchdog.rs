// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The watchdog of an open connection (RFC 3539 §3.4.1): a DWR after Tw without traffic, SUSPECT when Tw more brings no
//! DWA, closed when still nothing came in another Tw. The state REOPEN (three DWAs before a connection is used again)
//! guards the choice between several servers and has no place where there is one.

use super::Time;
use super::rng::Rng;
use std::time::Duration;

/// The jitter of Tw (RFC 3539 §3.4.1); a third of it when a test sets Tw below the RFC's 6 s.
const JITTER: Duration = Duration::from_secs(2);

/// What to do when the timer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bark {
    /// Not due.
    Silent,
    /// Send a DWR.
    Ask,
    /// No DWA came: fail over if there is another peer.
    Suspect,
    /// The connection is dead.
    Dead,
}

/// OKAY and SUSPECT with the timer Tw.
#[derive(Debug)]
pub struct Watchdog {
    tw: Duration,
    asked: bool,
    suspect: bool,
    at: Time,
}

impl Watchdog {
    /// Of a connection that just opened.
    pub fn new(now: Time, tw: Duration, rng: &mut Rng) -> Watchdog {
        let mut dog = Watchdog { tw, asked: false, suspect: false, at: now };
        dog.set(now, rng);
        dog
    }

    fn set(&mut self, now: Time, rng: &mut Rng) {
        self.at = now + rng.around(self.tw, JITTER.min(self.tw / 3));
    }

    /// When the timer ends.
    pub fn deadline(&self) -> Time {
        self.at
    }

    /// No answer to the last DWR in time.
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// A message came in; `dwa`: it is the answer to a DWR.
    pub fn heard(&mut self, now: Time, dwa: bool, rng: &mut Rng) {
        if dwa || self.suspect {
            self.asked = false;
        }
        self.suspect = false;
        self.set(now, rng);
    }

    /// Looks at the timer.
    pub fn expire(&mut self, now: Time, rng: &mut Rng) -> Bark {
        if now < self.at {
            return Bark::Silent;
        }
        self.set(now, rng);
        if self.suspect {
            Bark::Dead
        } else if self.asked {
            self.suspect = true;
            Bark::Suspect
        } else {
            self.asked = true;
            Bark::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dog: &mut Watchdog, rng: &mut Rng) -> (Time, Bark) {
        let at = dog.deadline();
        assert_eq!(dog.expire(at - Duration::from_micros(1), rng), Bark::Silent);
        (at, dog.expire(at, rng))
    }

    #[test]
    fn silence_asks_suspects_and_ends_one_tw_apart() {
        let (tw, mut rng) = (Duration::from_secs(30), Rng::new(1));
        let mut dog = Watchdog::new(Duration::ZERO, tw, &mut rng);
        let mut last = Duration::ZERO;
        for expected in [Bark::Ask, Bark::Suspect, Bark::Dead] {
            let (at, bark) = run(&mut dog, &mut rng);
            assert_eq!(bark, expected);
            assert!((28..=32).contains(&(at - last).as_secs()), "{at:?} after {last:?}");
            last = at;
        }
    }

    #[test]
    fn any_message_makes_a_suspect_connection_good_again() {
        let (tw, mut rng) = (Duration::from_secs(30), Rng::new(1));
        let mut dog = Watchdog::new(Duration::ZERO, tw, &mut rng);
        run(&mut dog, &mut rng);
        run(&mut dog, &mut rng);
        assert!(dog.is_suspect());
        dog.heard(Duration::from_secs(70), false, &mut rng);
        assert!(!dog.is_suspect());
        assert_eq!(run(&mut dog, &mut rng).1, Bark::Ask);
    }

    #[test]
    fn traffic_puts_the_next_dwr_off() {
        let (tw, mut rng) = (Duration::from_secs(30), Rng::new(1));
        let mut dog = Watchdog::new(Duration::ZERO, tw, &mut rng);
        dog.heard(Duration::from_secs(25), false, &mut rng);
        assert!(dog.deadline() >= Duration::from_secs(53));
    }
}
