// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the system's libdpdk by pkg-config, compiles the shim, and has bindgen write the declarations.
//!
//! What is missing is named with the Debian package that holds it; nothing else may stop the build.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs, panic};

const OLDEST: &str = "22.11";

/// Only what crates/dpdk calls: a wider list takes in types that rustc refuses (packed over aligned, vectors).
const FUNCTIONS: &[&str] = &[
    "shim_.*",
    // EAL and its log
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_eal_get_runtime_dir",
    "rte_eal_primary_proc_alive",
    "rte_version",
    "rte_get_tsc_hz",
    "rte_strerror",
    "rte_openlog_stream",
    "rte_log_cur_msg_loglevel",
    "fopencookie",
    // lcores
    "rte_eal_remote_launch",
    "rte_eal_wait_lcore",
    "rte_eal_get_lcore_state",
    "rte_get_main_lcore",
    "rte_get_next_lcore",
    "rte_lcore_is_enabled",
    "rte_lcore_to_socket_id",
    // memory
    "rte_malloc_get_socket_stats",
    "rte_pktmbuf_pool_create",
    "rte_pktmbuf_free_bulk",
    "rte_mempool_free",
    "rte_mempool_lookup",
    "rte_mempool_avail_count",
    "rte_mempool_in_use_count",
    // devices and ports
    "rte_devargs_parse",
    "rte_devargs_reset",
    "rte_dev_probe",
    "rte_dev_remove",
    "rte_eth_find_next",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_info_get",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_configure",
    "rte_eth_rx_queue_setup",
    "rte_eth_tx_queue_setup",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_get_mtu",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_allmulticast_disable",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_stats_get",
];

const CONSTANTS: &[&str] = &[
    "SHIM_.*",
    "RTE_MAX_ETHPORTS",
    "RTE_MEMPOOL_CACHE_MAX_SIZE",
    "RTE_PKTMBUF_HEADROOM",
    "SOCKET_ID_ANY",
    "LCORE_ID_ANY",
    "RTE_MAX_NUMA_NODES",
    "RTE_MAX_LCORE",
];

/// Never looked into from Rust: their layout is DPDK's business.
const OPAQUE: &[&str] = &["rte_mbuf", "rte_mempool", "rte_device", "_IO_FILE"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=LIBCLANG_PATH");
    let cflags = libdpdk();
    compile_shim(&cflags);
    pick_libclang();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    write_declarations(&cflags, &out.join("declarations.rs"));
}

/// Prints the link lines and gives every compiler flag: `-include rte_config.h` and `-march` are among them.
fn libdpdk() -> Vec<String> {
    if let Err(error) = pkg_config::Config::new().atleast_version(OLDEST).probe("libdpdk") {
        match error {
            pkg_config::Error::Command { .. } => {
                stop("pkg-config is missing", "apt-get install pkg-config")
            }
            _ => stop(
                &format!("libdpdk {OLDEST} or newer is missing (pkg-config finds none)"),
                "apt-get install libdpdk-dev",
            ),
        }
    }
    let pkg_config = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let answer = Command::new(pkg_config).args(["--cflags", "libdpdk"]).output();
    let answer =
        answer.unwrap_or_else(|_| stop("pkg-config is missing", "apt-get install pkg-config"));
    String::from_utf8_lossy(&answer.stdout).split_whitespace().map(str::to_owned).collect()
}

fn compile_shim(cflags: &[String]) {
    let mut build = cc::Build::new();
    build.file("shim/shim.c").include("shim").opt_level(2);
    for flag in cflags {
        build.flag(flag);
    }
    if let Err(error) = build.try_compile("dpdk_shim") {
        stop(
            &format!("the C compiler refused shim/shim.c: {error}"),
            "apt-get install gcc libc6-dev libdpdk-dev",
        );
    }
}

/// A libclang of another release than the headers it is fed fails in the vector intrinsics ("invalid conversion between
/// vector type '__m128i'"): with several installed, take the one of the `clang` in PATH, whose headers bindgen uses.
fn pick_libclang() {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return;
    }
    let Ok(answer) = Command::new("clang").arg("-print-resource-dir").output() else { return };
    let resources = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    if let Some(lib) = resources.ancestors().nth(2).filter(|lib| holds_libclang(lib)) {
        // SAFETY: a build script has one thread here.
        unsafe { env::set_var("LIBCLANG_PATH", lib) };
    }
}

fn holds_libclang(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name == "libclang.so" || name.starts_with("libclang.so.") || name.starts_with("libclang-")
    })
}

fn write_declarations(cflags: &[String], to: &Path) {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(cflags)
        .clang_arg("-D_GNU_SOURCE")
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .prepend_enum_name(false)
        .generate_comments(false)
        .layout_tests(false)
        .derive_debug(false);
    builder = FUNCTIONS.iter().fold(builder, |builder, name| builder.allowlist_function(name));
    builder = CONSTANTS.iter().fold(builder, |builder, name| builder.allowlist_var(name));
    builder = OPAQUE.iter().fold(builder, |builder, name| builder.opaque_type(name));
    builder = builder.allowlist_type("shim_mbuf_field");

    // bindgen panics when it cannot load libclang; its text does not name the package.
    panic::set_hook(Box::new(|_| ()));
    let written = panic::catch_unwind(AssertUnwindSafe(|| builder.generate()));
    let _ = panic::take_hook();
    match written {
        Ok(Ok(declarations)) => declarations.write_to_file(to).expect("OUT_DIR is writable"),
        Ok(Err(error)) => stop(
            &format!(
                "libclang cannot read DPDK's headers (with several installed, set LIBCLANG_PATH to one of /usr/lib/llvm-*/lib): {error}"
            ),
            "apt-get install clang libclang-dev",
        ),
        Err(_) => stop("libclang is missing", "apt-get install libclang-dev"),
    }
}

/// Cargo fails the build for the line and shows it alone; a failed exit would bury it under everything printed so far.
fn stop(what: &str, mend: &str) -> ! {
    println!("cargo::error={}; mend: `{mend}`", what.replace('\n', "; "));
    exit(0)
}
