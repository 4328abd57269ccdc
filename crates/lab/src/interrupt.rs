// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ctrl-C and waiting. Signals only set a flag; whoever waits looks at it, returns, and the guards take everything down.

use crate::error::{Attempt, LabError, Result, failed};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Whether the user wants to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP set the flag instead of ending the process.
    pub fn catch() -> Result<Interrupt> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).attempt("catch signals")?;
        }
        Ok(Interrupt(flag))
    }

    /// An error once a signal has come.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(LabError::Interrupted) } else { Ok(()) }
    }

    /// Asks `look` until it gives something. `what` completes "waited for: ...".
    pub fn until<T>(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let until = Instant::now() + limit;
        loop {
            self.check()?;
            if let Some(found) = look()? {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(failed(format!("{what}: not within {} s", limit.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for a point in time; `look` may end the wait with an error.
    pub fn sleep_until(&self, until: Instant, mut look: impl FnMut() -> Result<()>) -> Result<()> {
        while Instant::now() < until {
            self.check()?;
            look()?;
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Interrupt {
        Interrupt(Arc::new(AtomicBool::new(false)))
    }

    #[test]
    fn a_wait_ends_with_what_was_found_or_says_what_was_missed() {
        let mut looks = 0;
        let third = |looks: &mut u32| {
            *looks += 1;
            Ok((*looks == 3).then_some("it"))
        };
        let found = never().until(Duration::from_secs(10), "it appears", || third(&mut looks));
        assert_eq!(found.unwrap(), "it");
        let missed = never().until(Duration::ZERO, "it appears", || Ok(None::<()>)).unwrap_err();
        assert!(missed.to_string().contains("it appears"), "{missed}");
    }

    #[test]
    fn a_signal_ends_every_wait() {
        let interrupt = never();
        interrupt.0.store(true, Ordering::Relaxed);
        let wait = interrupt.until(Duration::from_secs(10), "it appears", || Ok(None::<()>));
        assert!(matches!(wait, Err(LabError::Interrupted)));
        let until = Instant::now() + Duration::from_secs(10);
        assert!(matches!(interrupt.sleep_until(until, || Ok(())), Err(LabError::Interrupted)));
    }
}
