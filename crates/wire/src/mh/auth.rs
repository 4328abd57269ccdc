// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mobility message authentication option (RFC 4285 §5, PROTOCOL.md 3.2): HMAC-SHA-256 cut to 16 octets over the
//! two MAARs' addresses and the MH up to the end of the SPI, checksum field 0.

use super::Key;
use super::options::{AUTH, AUTH_LEN, MAC_LEN, SUBTYPE_AUTH};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::Ipv6Addr;

/// Option 9 at the very end of an MH: nothing of the message is outside its MAC.
pub(super) struct Trailer<'a> {
    pub spi: u32,
    /// All octets before the MAC.
    covered: &'a [u8],
    mac: &'a [u8; MAC_LEN],
}

impl<'a> Trailer<'a> {
    /// Looks at the place and not at the walk of options: whoever holds the key wrote all of it either way.
    pub(super) fn of(mh: &'a [u8]) -> Option<Self> {
        let (covered, mac) = mh.split_last_chunk::<MAC_LEN>()?;
        let (_, head) = covered.split_last_chunk::<{ AUTH_LEN - MAC_LEN }>()?;
        let [AUTH, len, SUBTYPE_AUTH, spi @ ..] = *head else { return None };
        let whole = usize::from(len) + 2 == AUTH_LEN;
        whole.then(|| Trailer { spi: u32::from_be_bytes(spi), covered, mac })
    }

    /// Whether `key` made the MAC; the comparison takes the same time wherever they differ.
    pub(super) fn verify(&self, key: &Key, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        self.spi == key.spi
            && keyed(key, src, dst, self.covered).verify_truncated_left(self.mac).is_ok()
    }
}

/// The MAC for an MH whose octets so far, SPI last, are `covered`.
pub(super) fn mac(key: &Key, src: Ipv6Addr, dst: Ipv6Addr, covered: &[u8]) -> [u8; MAC_LEN] {
    let whole = keyed(key, src, dst, covered).finalize().into_bytes();
    let mut cut = [0; MAC_LEN];
    cut.copy_from_slice(&whole[..MAC_LEN]);
    cut
}

/// `covered` is an MH of at least its first six octets: both callers have an option 9 in it.
fn keyed(key: &Key, src: Ipv6Addr, dst: Ipv6Addr, covered: &[u8]) -> Hmac<Sha256> {
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(&key.secret).expect("HMAC takes a key of any length");
    let (head, rest) = covered.split_at(covered.len().min(4));
    hmac.update(&src.octets());
    hmac.update(&dst.octets());
    hmac.update(head);
    hmac.update(&[0, 0]);
    hmac.update(rest.get(2..).unwrap_or_default());
    hmac
}
