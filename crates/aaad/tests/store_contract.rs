// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every store passes the contract.

mod common;

use aaad::store::memory::Memory;
use aaad::store::{Opening, embedded};
use common::driver::{Driver, at};

contract!(memory, (Driver::new(|_| Memory::new(at(0).wall)), ()));

contract!(embedded_store, {
    let directory = tempfile::tempdir().unwrap();
    let open = |wake| {
        embedded::open_directory(directory.path(), Opening::AsItIs, at(0).wall, wake).unwrap()
    };
    (Driver::new(open), directory)
});
