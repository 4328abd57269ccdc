// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The packet buffers. A pool is made once, its mbufs go round: port, worker, port; an empty pool is weather, not an
//! error.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys as sys;
use wire::buf::PacketBuf as _;

use crate::Eal;
use crate::eal::{Hugepages, Root, errno_text};
use crate::lcore;
use crate::mbuf::Mbuf;

/// Octets in front of a received frame, for headers to be put there.
pub const HEADROOM: u16 = sys::RTE_PKTMBUF_HEADROOM as u16;
/// A data room that holds every frame of a 1,500 octet link, and NICs' 2 KiB receive buffers.
pub const DATA_ROOM: u16 = 2048;
/// The most mbufs an lcore may keep to itself.
pub const MAX_CACHE: u32 = sys::RTE_MEMPOOL_CACHE_MAX_SIZE;

/// A pool of mbufs, shared by ports and threads; a clone is another handle of the same pool.
///
/// Let the last handle go on the main lcore, with all mbufs back and the workers joined: only then is its memory given
/// back. Otherwise it is kept to the end of the process, and a line in the log says so.
#[derive(Clone)]
pub struct Mempool {
    inner: Arc<Inner>,
}

struct Inner {
    raw: NonNull<sys::rte_mempool>,
    mbufs: u32,
    data_room: u16,
    root: Arc<Root>,
}

// SAFETY: rte_mempool with the default handler is safe for any number of threads: lcores have a cache each, others go to
// the multi-producer, multi-consumer ring. The other fields do not change.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// Why a pool was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// DPDK's limit is 26 octets, less what it puts in front.
    #[error("mempool name {name:?} is empty, longer than 25 octets or has a NUL octet in it")]
    Name {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is a mempool {name:?} already")]
    Exists {
        /// The name.
        name: String,
    },
    /// A pool of nothing, or a cache larger than DPDK allows.
    #[error(
        "mempool {name:?}: a cache of {cache} mbufs does not fit {mbufs} mbufs (at most {most}); mend: a smaller cache or more mbufs"
    )]
    Cache {
        /// The pool.
        name: String,
        /// Mbufs wanted.
        mbufs: u32,
        /// Cache wanted.
        cache: u32,
        /// The largest cache for so many mbufs.
        most: u32,
    },
    /// Headroom and data room are counted in 16 bits together.
    #[error("mempool {name:?}: a data room of {data_room} octets is too large (at most {})", u16::MAX - HEADROOM)]
    DataRoom {
        /// The pool.
        name: String,
        /// Octets wanted.
        data_room: u16,
    },
    /// It does not fit.
    #[error(
        "mempool {name:?}: {mbufs} mbufs of {data_room} octets need {needed} MiB, DPDK has {free} MiB free{}; mend: fewer mbufs or more memory", .pages.as_deref().unwrap_or("")
    )]
    Memory {
        /// The pool.
        name: String,
        /// Mbufs wanted.
        mbufs: u32,
        /// Octets each.
        data_room: u16,
        /// MiB in all.
        needed: u64,
        /// MiB that DPDK has.
        free: u64,
        /// Free hugepages of the kernel and the command for more, where hugepages are used.
        pages: Option<String>,
    },
    /// DPDK's handlers are plug-ins too.
    #[error("mempool {name:?}: DPDK has no handler for it; mend: `apt-get install {package}`")]
    Handler {
        /// The pool.
        name: String,
        /// The Debian package.
        package: String,
    },
    /// Everything else, in DPDK's words.
    #[error("mempool {name:?}: {why}")]
    Other {
        /// The pool.
        name: String,
        /// DPDK's words.
        why: String,
    },
}

impl Mempool {
    /// Makes a pool of `mbufs` buffers, each with [`HEADROOM`] and then `data_room` octets for a frame (its first
    /// segment). Each lcore keeps up to `cache` free ones to itself. Memory is taken near the calling lcore.
    ///
    /// # Errors
    /// [`PoolError`]; the usual one is [`PoolError::Memory`].
    pub fn new(
        eal: &Eal,
        name: &str,
        mbufs: u32,
        cache: u32,
        data_room: u16,
    ) -> Result<Mempool, PoolError> {
        let c_name = check(name, mbufs, cache, data_room)?;
        // SAFETY: the EAL runs (eal), the name is a NUL-terminated string that DPDK copies, the sizes were checked.
        let raw = unsafe {
            sys::rte_pktmbuf_pool_create(
                c_name.as_ptr(),
                mbufs,
                cache,
                0,
                data_room + HEADROOM,
                sys::SOCKET_ID_ANY,
            )
        };
        let Some(raw) = NonNull::new(raw) else {
            // SAFETY: reads this thread's rte_errno.
            return Err(explain(unsafe { sys::shim_errno() }, eal, name, mbufs, data_room));
        };
        Ok(Mempool { inner: Arc::new(Inner { raw, mbufs, data_room, root: eal.root.clone() }) })
    }

    /// An empty mbuf; `None` when the pool is empty.
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool exists as long as self.
        let raw = unsafe { sys::shim_pktmbuf_alloc(self.raw()) };
        // SAFETY: fresh from the pool: one reference, ours.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }

    /// An mbuf that holds a copy of `frame`; `None` when the pool is empty or the frame longer than the data room.
    pub fn alloc_copy(&self, frame: &[u8]) -> Option<Mbuf> {
        let mut mbuf = self.alloc()?;
        mbuf.append(frame.len())?;
        mbuf.data_mut().copy_from_slice(frame);
        Some(mbuf)
    }

    /// Mbufs the pool was made with.
    pub fn size(&self) -> u32 {
        self.inner.mbufs
    }

    /// Octets of a frame's first segment, headroom not counted.
    pub fn data_room(&self) -> u16 {
        self.inner.data_room
    }

    /// Mbufs free, those in the lcores' caches included. Walks all caches: for counters, not for the packet path.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool exists as long as self; the count is a snapshot.
        unsafe { sys::rte_mempool_avail_count(self.raw()) }
    }

    /// Mbufs held by programs and NICs.
    pub fn in_use(&self) -> u32 {
        self.size().saturating_sub(self.available())
    }

    pub(crate) fn raw(&self) -> *mut sys::rte_mempool {
        self.inner.raw.as_ptr()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the pool exists.
        let available = unsafe { sys::rte_mempool_avail_count(self.raw.as_ptr()) };
        // The last handle: what is out can only become fewer. But a cache that another lcore flushes at this moment is
        // counted twice, so the count is believed only when no other lcore runs.
        if available == self.mbufs && lcore::alone() {
            // SAFETY: every mbuf is back and no handle is left: neither Rust nor a port (it holds one) points into it.
            unsafe { sys::rte_mempool_free(self.raw.as_ptr()) };
        } else {
            // Somebody still owns mbufs and will give them back here: the pool stays, and so must DPDK's memory.
            log::warn!(
                "{} mbufs outlive their mempool; its memory is kept",
                self.mbufs - available
            );
            std::mem::forget(self.root.clone());
        }
    }
}

fn check(name: &str, mbufs: u32, cache: u32, data_room: u16) -> Result<CString, PoolError> {
    let owned = || name.to_owned();
    let c_name = CString::new(name).map_err(|_| PoolError::Name { name: owned() })?;
    if name.is_empty() || name.len() > NAME_LEN {
        return Err(PoolError::Name { name: owned() });
    }
    // DPDK flushes a cache at one and a half of its size, which must not exceed the pool.
    let most = (mbufs / 3 * 2).min(MAX_CACHE);
    if mbufs == 0 || cache > most {
        return Err(PoolError::Cache { name: owned(), mbufs, cache, most });
    }
    if data_room > u16::MAX - HEADROOM {
        return Err(PoolError::DataRoom { name: owned(), data_room });
    }
    Ok(c_name)
}

/// RTE_MEMPOOL_NAMESIZE less its NUL.
const NAME_LEN: usize = 25;
const ENOMEM: i32 = 12;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;

fn explain(errno: i32, eal: &Eal, name: &str, mbufs: u32, data_room: u16) -> PoolError {
    let name = name.to_owned();
    match errno {
        ENOMEM => memory(eal, name, mbufs, data_room),
        EEXIST => PoolError::Exists { name },
        // The other causes of EINVAL were checked before: the handler's plug-in is what is left.
        EINVAL => PoolError::Handler { name, package: crate::port::debian_package("mempool_ring") },
        _ => PoolError::Other { name, why: errno_text(errno) },
    }
}

fn memory(eal: &Eal, name: String, mbufs: u32, data_room: u16) -> PoolError {
    // The object's header is one cache line.
    let each = 64 + u64::from(sys::SHIM_MBUF_SIZE) + u64::from(HEADROOM) + u64::from(data_room);
    let needed = (u64::from(mbufs) * each).div_ceil(1 << 20);
    let pages = eal.root.hugepages.then(|| {
        let pages = Hugepages::read();
        format!(
            " and the kernel {} MiB of hugepages (`{}` for more)",
            pages.free_mib(),
            pages.command_for(needed)
        )
    });
    PoolError::Memory { name, mbufs, data_room, needed, free: free_octets() >> 20, pages }
}

/// What DPDK's heaps of all sockets have left.
fn free_octets() -> u64 {
    let sockets = 0..i32::try_from(sys::RTE_MAX_NUMA_NODES).unwrap_or(1);
    sockets.map(heap_free).sum()
}

fn heap_free(socket: i32) -> u64 {
    // SAFETY: the struct is plain numbers, for which zero is a value.
    let mut stats: sys::rte_malloc_socket_stats = unsafe { std::mem::zeroed() };
    // SAFETY: the EAL runs, `stats` is ours to be written; an unknown socket gives an error and writes nothing.
    let known = unsafe { sys::rte_malloc_get_socket_stats(socket, &mut stats) } == 0;
    if known { stats.heap_freesz_bytes as u64 } else { 0 }
}

impl std::fmt::Debug for Mempool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mempool({} of {} mbufs free)", self.available(), self.size())
    }
}
