// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The clients' own knowledge of where each MN is, and the oracle: whatever happened to the store, the answer to the next
//! request of an MN names the MAAR of its last answered one; a request without an answer is repeated first.
#![allow(dead_code)] // Each test file uses its part.

use super::disk::Rng;
use super::driver::{Driver, NOBODY, at};
use aaad::store::{Attach, LocationStore, Operation, Outcome, Reply};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

pub struct Model {
    /// Where each MN is by its last answer.
    at: Vec<Ipv6Addr>,
    /// Its request without an answer.
    asked: Vec<Option<Attach>>,
    ids: BTreeMap<u64, usize>,
    next: u32,
    pub rng: Rng,
    pub answered: usize,
}

impl Model {
    pub fn new(mns: usize, seed: u64) -> Model {
        Model {
            at: vec![NOBODY; mns],
            asked: vec![None; mns],
            ids: BTreeMap::new(),
            next: 0,
            rng: Rng(seed),
            answered: 0,
        }
    }

    /// The next move of an MN, or the one it waits for once more.
    fn ask(&mut self, mn: usize) -> Attach {
        if let Some(asked) = &self.asked[mn] {
            return asked.clone();
        }
        self.next += 1;
        let maar = Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(self.next));
        let asked = Attach {
            mn_id: format!("user{mn}@example.org").into(),
            origin_host: "amaar1.example.org".into(),
            end_to_end: self.next,
            session_id: format!("s;{}", self.next).into(),
            maar,
            time: None,
        };
        self.asked[mn] = Some(asked.clone());
        asked
    }

    fn submit<S: LocationStore>(&mut self, driver: &mut Driver<S>, mns: Vec<usize>) {
        let group: Vec<_> = mns.iter().map(|mn| Operation::Attach(self.ask(*mn))).collect();
        self.ids.extend(driver.submit(at(10), group).into_iter().zip(mns));
    }

    /// A group of MNs that wait for nothing.
    pub fn submit_some<S: LocationStore>(&mut self, driver: &mut Driver<S>) {
        let (start, most) = (self.rng.below(self.at.len()), 1 + self.rng.below(40));
        let idle = (0..self.at.len()).map(|n| (start + n) % self.at.len());
        let mns = idle.filter(|mn| self.asked[*mn].is_none()).take(most).collect();
        self.submit(driver, mns);
    }

    pub fn waits(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Takes the next outcomes; what is wrong with one.
    pub fn take<S: LocationStore>(&mut self, driver: &mut Driver<S>) -> Result<(), String> {
        for (id, outcome) in driver.wait() {
            let mn = self.ids.remove(&id).unwrap();
            let (was, asked) = (self.at[mn], self.asked[mn].clone().unwrap());
            match outcome {
                Outcome::Attached(Reply::Accepted { previous, .. }) if previous == was => {
                    self.at[mn] = asked.maar;
                    self.asked[mn] = None;
                    self.answered += 1;
                }
                wrong => return Err(format!("MN {mn} was at {was}, the answer is {wrong:?}")),
            }
        }
        Ok(())
    }

    /// The former store is gone: every MN once, on the one that was opened after it.
    pub fn check<S: LocationStore>(&mut self, driver: &mut Driver<S>) -> Result<(), String> {
        self.ids.clear();
        self.submit(driver, (0..self.at.len()).collect());
        while self.waits() {
            self.take(driver)?;
        }
        Ok(())
    }

    /// The same, but a row may be refused; how many were.
    pub fn check_but_refused<S: LocationStore>(
        &mut self,
        driver: &mut Driver<S>,
    ) -> Result<usize, String> {
        let group: Vec<_> = (0..self.at.len()).map(|mn| Operation::Attach(self.ask(mn))).collect();
        let mut refused = 0;
        for (mn, outcome) in driver.run(at(10), group).into_iter().enumerate() {
            match outcome {
                Outcome::Attached(Reply::Accepted { previous, .. }) if previous == self.at[mn] => {}
                Outcome::Failed => refused += 1,
                wrong => return Err(format!("MN {mn} was at {}, not {wrong:?}", self.at[mn])),
            }
        }
        Ok(refused)
    }

    /// The same knowledge for another copy of the store.
    pub fn fork(&self) -> Model {
        let (at, asked, rng) = (self.at.clone(), self.asked.clone(), self.rng.clone());
        Model { at, asked, ids: BTreeMap::new(), next: self.next, rng, answered: self.answered }
    }
}
