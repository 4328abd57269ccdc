// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Threads that DPDK pinned at start. A closure runs on an lcore until it returns; if it panics, the process ends: a
//! router that lives on with a dead worker is worse than one that restarts.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::{Arc, Once};

use dpdk_sys as sys;

use crate::Eal;
use crate::eal::Root;

/// Why a closure was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// No such lcore among those DPDK was started with.
    #[error(
        "lcore {lcore} is not one of DPDK's lcores (workers: {workers:?}); mend: name it at start"
    )]
    Unknown {
        /// The one wanted.
        lcore: u32,
        /// Those there are.
        workers: Vec<u32>,
    },
    /// The thread that started DPDK: call the function instead.
    #[error("lcore {lcore} is the main lcore, which runs the caller itself")]
    Main {
        /// The one wanted.
        lcore: u32,
    },
    /// It runs something.
    #[error("lcore {lcore} is busy")]
    Busy {
        /// The one wanted.
        lcore: u32,
    },
}

/// A running lcore. Dropping the handle lets it run on.
#[must_use = "join it, or the program ends while the lcore works"]
pub struct Handle {
    lcore: u32,
    _root: Arc<Root>,
    /// rte_eal_wait_lcore is for the main lcore, where the Eal that launched is: not Send.
    main_thread: PhantomData<*const ()>,
}

type Work = Box<dyn FnOnce() + Send>;

/// What crosses to the lcore: the closure, and the EAL it runs under.
struct Job {
    work: Work,
    _root: Arc<Root>,
}

thread_local! {
    static RUNNING_ON: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Runs `work` on a worker lcore. A panic in it ends the process with one line that names the lcore.
///
/// # Errors
/// The lcore does not exist, is the main one, or is busy.
pub fn launch(
    eal: &Eal,
    lcore: u32,
    work: impl FnOnce() + Send + 'static,
) -> Result<Handle, LaunchError> {
    // SAFETY: reads what rte_eal_init wrote.
    if lcore == unsafe { sys::rte_get_main_lcore() } {
        return Err(LaunchError::Main { lcore });
    }
    let workers = workers(eal);
    if !workers.contains(&lcore) {
        return Err(LaunchError::Unknown { lcore, workers });
    }
    name_the_lcore_of_a_panic();
    let job = Box::into_raw(Box::new(Job { work: Box::new(work), _root: eal.root.clone() }));
    // SAFETY: `run` takes exactly this pointer and is called once with it if the launch succeeds; a worker lcore, as
    // just checked, on the main lcore's thread, as Eal is neither Send nor Sync.
    let rc = unsafe { sys::rte_eal_remote_launch(Some(run), job.cast(), lcore) };
    if rc != 0 {
        // SAFETY: the launch was refused, so the pointer is still only ours.
        drop(unsafe { Box::from_raw(job) });
        return Err(LaunchError::Busy { lcore });
    }
    Ok(Handle { lcore, _root: eal.root.clone(), main_thread: PhantomData })
}

/// The worker lcores, ascending: all but the main one.
pub fn workers(_eal: &Eal) -> Vec<u32> {
    all_workers().collect()
}

fn all_workers() -> impl Iterator<Item = u32> {
    let next = |after: u32| {
        // SAFETY: walks DPDK's table of lcores; any number may be given; the main lcore is left out.
        let lcore = unsafe { sys::rte_get_next_lcore(after, 1, 0) };
        (lcore < sys::RTE_MAX_LCORE).then_some(lcore)
    };
    std::iter::successors(next(u32::MAX), move |lcore| next(*lcore))
}

/// Whether the caller is the main lcore and no worker runs: nobody else touches a per-lcore cache meanwhile.
pub(crate) fn alone() -> bool {
    // SAFETY: reads what rte_eal_init wrote.
    let main = unsafe { sys::rte_get_main_lcore() };
    // SAFETY: an lcore of DPDK's table, as `all_workers` gives them; the state is read atomically.
    let idle = |lcore| unsafe { sys::rte_eal_get_lcore_state(lcore) } == sys::WAIT;
    current() == Some(main) && all_workers().all(idle)
}

/// The calling thread's lcore; `None` on a thread that DPDK does not know.
pub fn current() -> Option<u32> {
    // SAFETY: reads a variable of this thread.
    let lcore = unsafe { sys::shim_lcore_id() };
    (lcore < sys::RTE_MAX_LCORE).then_some(lcore)
}

impl Handle {
    /// The lcore's number.
    pub fn lcore(&self) -> u32 {
        self.lcore
    }

    /// Waits until the closure has returned.
    pub fn join(self) {
        // SAFETY: a worker lcore that was launched; called on the main lcore, as a Handle is not Send.
        unsafe { sys::rte_eal_wait_lcore(self.lcore) };
    }
}

/// What DPDK calls on the lcore. A panic ends the process in the hook; should that be replaced, `extern "C"` aborts.
unsafe extern "C" fn run(job: *mut c_void) -> i32 {
    // SAFETY: the pointer `launch` made, given to this one call.
    let job = unsafe { Box::from_raw(job.cast::<Job>()) };
    RUNNING_ON.set(current());
    let Job { work, _root } = *job;
    work();
    RUNNING_ON.set(None);
    0
}

/// Rust knows DPDK's threads by no name: the hook says which lcore it was.
fn name_the_lcore_of_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match RUNNING_ON.get() {
            Some(lcore) => {
                let why = info.payload_as_str().unwrap_or("panic").replace('\n', " ");
                let place = info.location().map(|at| format!(" at {at}")).unwrap_or_default();
                eprintln!("lcore {lcore} panicked{place}: {why}");
                std::process::abort();
            }
            None => before(info),
        }));
    });
}
