// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The environment abstraction layer: started once a process, the root of everything else.
//!
//! [`Args`] builds the options, [`Eal::init`] starts with them; what goes wrong is an [`EalError`] that names the mend.

mod args;
mod error;
mod hugepages;
pub(crate) mod log;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dpdk_sys as sys;

pub use args::{Args, Memory};
pub use error::EalError;
pub use hugepages::Hugepages;

/// DPDK keeps its state in statics: one start a process, a failed one included.
static STARTED: AtomicBool = AtomicBool::new(false);

/// The running EAL. Belongs to the thread that started it (DPDK's main lcore): neither `Send` nor `Sync`.
///
/// Dropping it runs `rte_eal_cleanup`, unless a pool, port, queue or lcore closure is still alive: then the last of
/// them does. Threads started after [`Eal::init`] inherit the main lcore's CPU set; pin them explicitly.
pub struct Eal {
    pub(crate) root: Arc<Root>,
    main_thread: PhantomData<*const ()>,
}

/// What every pool, port and running lcore keeps alive.
pub(crate) struct Root {
    pub(crate) pci: bool,
    pub(crate) hugepages: bool,
    /// Ports handed out, by DPDK's number: a device has one owner.
    pub(crate) ports: Mutex<BTreeMap<u16, String>>,
}

impl Eal {
    /// Starts DPDK with these options (without a program's name in front; see [`Args`]).
    ///
    /// # Errors
    /// One [`EalError`] with what was wanted, what there is and the mend. DPDK cannot be started a second time in the
    /// same process, not even after a failure.
    pub fn init(args: &[String]) -> Result<Eal, EalError> {
        let c_args = c_strings(args)?;
        error::check_cpus(args)?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::StartedBefore);
        }
        log::install();
        log::forget();
        // DPDK keeps pointers into the arguments and reorders the array: both stay for the process's life.
        let mut pointers: Vec<*mut c_char> = c_args.into_iter().map(CString::into_raw).collect();
        let count = i32::try_from(pointers.len()).map_err(|_| EalError::TooManyArguments)?;
        pointers.push(std::ptr::null_mut());
        let argv = Box::leak(pointers.into_boxed_slice()).as_mut_ptr();
        // SAFETY: argv is `count` NUL-terminated strings and a null, leaked just above; STARTED admits one caller.
        if unsafe { sys::rte_eal_init(count, argv) } < 0 {
            // SAFETY: reads this thread's rte_errno.
            let errno = unsafe { sys::shim_errno() };
            return Err(error::explain(args, errno, &log::recent()));
        }
        let has = |option: &str| args.iter().any(|arg| arg == option);
        let root =
            Root { pci: !has("--no-pci"), hugepages: !has("--no-huge"), ports: Mutex::default() };
        Ok(Eal { root: Arc::new(root), main_thread: PhantomData })
    }

    /// Where DPDK keeps this instance's files, the telemetry socket among them: `/var/run/dpdk/<prefix>`.
    pub fn runtime_dir(&self) -> PathBuf {
        // SAFETY: the EAL runs (self), so the string was written by rte_eal_init and stays.
        let text = unsafe { CStr::from_ptr(sys::rte_eal_get_runtime_dir()) };
        PathBuf::from(text.to_string_lossy().into_owned())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // SAFETY: Root exists only after a successful rte_eal_init, and every object that points into DPDK's memory
        // holds an Arc of it: nobody is left.
        unsafe { sys::rte_eal_cleanup() };
    }
}

fn c_strings(args: &[String]) -> Result<Vec<CString>, EalError> {
    let program = std::env::args().next().unwrap_or_else(|| "dpdk".into());
    std::iter::once(&program)
        .chain(args)
        .map(|arg| {
            CString::new(arg.as_str()).map_err(|_| EalError::Argument { argument: arg.clone() })
        })
        .collect()
}

/// DPDK's or the C library's word for an error number.
pub(crate) fn errno_text(errno: i32) -> String {
    // SAFETY: rte_strerror takes any number and gives a NUL-terminated string of this thread.
    let text = unsafe { CStr::from_ptr(sys::rte_strerror(errno.abs())) };
    text.to_string_lossy().into_owned()
}
