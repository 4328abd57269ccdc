// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An input read from front to back; 0 when it is used up, so that every input is a script.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next octet.
    pub fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// The next octet as a choice of `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.octet()) % n
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// The next two octets.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// The next `n` octets, or as many as there are.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Changes `octets` as the script says: up to 7 octets, the length.
    pub fn mutate(&mut self, octets: &mut Vec<u8>) {
        let what = self.octet();
        for _ in 0..what & 7 {
            let (at, value) = (self.octet(), self.octet());
            if let Some(octet) = octets.get_mut(usize::from(at)) {
                *octet = value;
            }
        }
        match what >> 6 {
            1 => octets.truncate(self.below(octets.len() + 1)),
            2 => octets.extend_from_slice(self.take(usize::from(what >> 3 & 7) * 8)),
            _ => {}
        }
    }
}
