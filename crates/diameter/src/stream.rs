// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cuts a byte stream into messages. It holds what has arrived and never more: a claimed length allocates nothing, and
//! one that is out of bounds ends the stream at its fourth octet.

use crate::message::{FramingError, claimed_length};

/// The octets of one connection that make no whole message yet.
#[derive(Debug, Default)]
pub struct Stream {
    buffer: Vec<u8>,
    /// Octets of `buffer` already given out.
    taken: usize,
}

impl Stream {
    /// Adds what was read.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole message. After an error the stream is of no more use.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let rest = &self.buffer[self.taken..];
        let Some(start) = rest.first_chunk::<4>() else {
            return match rest.first() {
                Some(&version) if version != 1 => Err(FramingError::Version(version)),
                _ => Ok(None),
            };
        };
        let length = claimed_length(start)?;
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.taken;
        self.taken += length;
        Ok(Some(&self.buffer[from..self.taken]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [u8; 20] = [1, 0, 0, 20, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];

    #[test]
    fn five_hundred_messages_in_one_read_come_out_one_by_one() {
        let mut stream = Stream::default();
        stream.push(&MESSAGE.repeat(500));
        for _ in 0..500 {
            assert_eq!(stream.next_message(), Ok(Some(&MESSAGE[..])));
        }
        assert_eq!(stream.next_message(), Ok(None));
        stream.push(&[]);
        assert!(stream.buffer.is_empty());
    }

    #[test]
    fn a_huge_claim_fails_at_its_fourth_octet_and_holds_nothing() {
        let mut stream = Stream::default();
        stream.push(&[1, 255, 255]);
        assert_eq!(stream.next_message(), Ok(None));
        stream.push(&[252]);
        assert_eq!(stream.next_message(), Err(FramingError::Length(0xff_fffc)));
        assert!(stream.buffer.capacity() < 64);
    }

    #[test]
    fn what_is_no_diameter_fails_at_its_first_octet() {
        let mut stream = Stream::default();
        stream.push(b"G");
        assert_eq!(stream.next_message(), Err(FramingError::Version(b'G')));
    }
}
