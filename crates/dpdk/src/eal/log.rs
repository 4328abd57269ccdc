// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DPDK's log goes to the `log` facade, and its last lines are kept: they are often the only place where a driver says
//! why it failed, so an error can carry them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, Once, PoisonError};

use dpdk_sys as sys;

/// Lines kept; a failed probe writes fewer than ten.
const KEPT: usize = 8;

/// Parts of what net_tap calls errors on a kernel without the multiq qdisc, where it goes on without rte_flow.
const HARMLESS: &[&str] = &["qdisc", "Disabling rte flow support"];

thread_local! {
    /// See [`hush`]. Of this thread: DPDK logs on the thread that calls it, and workers go on meanwhile.
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sends DPDK's messages here, for the life of the process: DPDK may log from its own threads at any time.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let functions =
            sys::cookie_io_functions_t { read: None, write: Some(write), seek: None, close: None };
        // SAFETY: the mode is a NUL-terminated string; `write` uses no cookie, so null is one.
        let stream = unsafe { sys::fopencookie(std::ptr::null_mut(), c"w".as_ptr(), functions) };
        if !stream.is_null() {
            // SAFETY: the stream is open and never closed, as DPDK keeps the pointer.
            unsafe { sys::rte_openlog_stream(stream) };
        }
    });
}

/// Forgets the lines so far: what follows belongs to the next operation.
pub(crate) fn forget() {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The lines since [`forget`], in one.
pub(crate) fn recent() -> String {
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// Runs `f`, whose failure its caller tells in better words: DPDK's lines about it are kept, and logged as debug.
pub(crate) fn hush<T>(f: impl FnOnce() -> T) -> T {
    let before = HUSHED.replace(true);
    let result = f();
    HUSHED.set(before);
    result
}

/// What the C library calls with each flush; DPDK flushes after each message.
unsafe extern "C" fn write(
    _cookie: *mut c_void,
    text: *const c_char,
    len: usize,
) -> sys::__ssize_t {
    // SAFETY: the C library gives `len` readable octets for the time of the call.
    let octets = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    // SAFETY: reads a variable of this thread, which is the one that logs.
    let level = unsafe { sys::rte_log_cur_msg_loglevel() };
    for line in String::from_utf8_lossy(octets).lines() {
        take(level, line.trim());
    }
    sys::__ssize_t::try_from(len).unwrap_or(sys::__ssize_t::MAX)
}

fn take(level: i32, line: &str) {
    if line.is_empty() {
        return;
    }
    let harmless = HUSHED.get() || HARMLESS.iter().any(|part| line.contains(part));
    let level = if harmless { log::Level::Debug } else { severity(level) };
    log::log!(target: "dpdk", level, "{line}");
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if recent.len() == KEPT {
        recent.pop_front();
    }
    recent.push_back(line.to_owned());
}

/// RTE_LOG_EMERG is 1, RTE_LOG_DEBUG is 8.
fn severity(level: i32) -> log::Level {
    match level {
        ..=4 => log::Level::Error,
        5 => log::Level::Warn,
        6 | 7 => log::Level::Info,
        _ => log::Level::Debug,
    }
}
