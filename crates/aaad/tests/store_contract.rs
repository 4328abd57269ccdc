// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every store passes the contract.

mod common;

use aaad::store::embedded::Limits;
use aaad::store::memory::Memory;
use aaad::store::{Opening, embedded, postgres};
use common::driver::{Driver, at};

contract!(memory, (Driver::new(|_| Memory::new(at(0).wall)), ()));

contract!(embedded_store, {
    let directory = tempfile::tempdir().unwrap();
    let open = |wake| {
        let limits = Limits::default();
        embedded::open_directory(directory.path(), limits, Opening::AsItIs, at(0).wall, wake)
            .unwrap()
    };
    (Driver::new(open), directory)
});

// Every group goes into the table at once.
contract!(embedded_store_of_small_journals, {
    let directory = tempfile::tempdir().unwrap();
    let open = |wake| {
        let limits = Limits { generation: 1, journal: 512 };
        embedded::open_directory(directory.path(), limits, Opening::AsItIs, at(0).wall, wake)
            .unwrap()
    };
    (Driver::new(open), directory)
});

contract!(postgres_store, {
    let url = common::postgres::new_database();
    let open = |wake| postgres::open(&url, 2, Opening::AsItIs, at(0).wall, &wake).unwrap();
    (Driver::new(open), ())
});
