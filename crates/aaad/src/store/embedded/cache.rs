// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rows lately used, as they are on disk. Two generations: when the young one is full it becomes the old one and what was
//! old is dropped; a row found among the old is young again.

use super::codec::Key;
use crate::store::row::Row;
use hashbrown::HashMap;

/// Rows of a generation: about 100 MB in both together.
const GENERATION: usize = 128 * 1024;

type Rows = HashMap<Key, Row, foldhash::fast::RandomState>;

/// A bounded number of rows.
#[derive(Debug, Default)]
pub struct Cache {
    young: Rows,
    old: Rows,
}

impl Cache {
    /// The row, if it is here. It is no longer: whoever took it puts it back, changed or not.
    pub fn take(&mut self, key: &Key) -> Option<Row> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Keeps a row.
    pub fn put(&mut self, key: Key, row: Row) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, row);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Cache::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        (n as u128).to_be_bytes()
    }

    #[test]
    fn what_is_used_stays_and_the_number_of_rows_is_bounded() {
        let mut cache = Cache::default();
        for n in 0..4 * GENERATION {
            let kept = cache.take(&key(0)).unwrap_or_else(|| Row::vacant("kept"));
            assert_eq!(&*kept.mn_id, "kept");
            cache.put(key(0), kept);
            cache.put(key(1 + n), Row::vacant(""));
            assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        }
        assert_eq!(&*cache.take(&key(0)).unwrap().mn_id, "kept");
        assert!(cache.take(&key(1)).is_none());
    }
}
