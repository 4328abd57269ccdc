// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Texts of the configuration as values. Each takes the text as it stands and knows one form only.

use slowpath::config::Prefix;
use std::net::Ipv6Addr;
use wire::addr::Mac;

/// `02:00:00:00:00:0a`, also with `-`, either case.
pub fn mac(text: &str) -> Option<Mac> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut octets = [0; 6];
    let mut parts = text.split(separator);
    for octet in &mut octets {
        let part = parts.next().filter(|p| p.len() == 2)?;
        *octet = hex_octet(part.as_bytes())?;
    }
    parts.next().is_none().then_some(Mac(octets))
}

/// An even number of hexadecimal digits.
pub fn hex(text: &str) -> Option<Box<[u8]>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|p| hex_octet(p)).collect()).flatten()
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

/// What a text with a slash turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefixText {
    /// A prefix.
    Good(Prefix),
    /// There are bits behind the length; the prefix that was probably meant.
    HostBits(Prefix),
    /// Neither.
    Bad,
}

/// `2001:db8::/32`.
pub fn prefix(text: &str) -> PrefixText {
    let parsed = text.split_once('/').and_then(|(addr, len)| {
        let digits = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
        let len = len.parse::<u8>().ok().filter(|len| digits && *len <= 128)?;
        Some((addr.parse::<Ipv6Addr>().ok()?, len))
    });
    let Some((addr, len)) = parsed else { return PrefixText::Bad };
    let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
    let network = Prefix { addr: Ipv6Addr::from_bits(addr.to_bits() & mask), len };
    if network.addr == addr { PrefixText::Good(network) } else { PrefixText::HostBits(network) }
}

/// Decimal digits.
pub fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && range.contains(n))
}

/// `true` or `false`; `yes` and `no` mean different things to different readers of YAML.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A Diameter identity: a host name of letters, digits, `-` and dots.
pub fn host_name(text: &str) -> Option<String> {
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_owned())
}

/// An instance name: it becomes part of file names.
pub fn instance_name(text: &str) -> Option<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    ((1..=32).contains(&text.len()) && text.bytes().all(good)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_six_octets_of_two_digits() {
        let a = Some(Mac([2, 0, 0, 0, 0, 0x0a]));
        assert_eq!(mac("02:00:00:00:00:0a"), a);
        assert_eq!(mac("02-00-00-00-00-0A"), a);
        for bad in [
            "2:0:0:0:0:a",
            "02:00:00:00:00",
            "02:00:00:00:00:0a:0b",
            "72834",
            "",
            "+2:00:00:00:00:0a",
        ] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_prefix_has_no_host_bits() {
        let net = |addr: &str, len| Prefix { addr: addr.parse().expect("an address"), len };
        assert_eq!(prefix("2001:db8:a1::/48"), PrefixText::Good(net("2001:db8:a1::", 48)));
        assert_eq!(prefix("2001:db8:a1::1/48"), PrefixText::HostBits(net("2001:db8:a1::", 48)));
        assert_eq!(prefix("::/0"), PrefixText::Good(net("::", 0)));
        assert_eq!(prefix("2001:db8::1/128"), PrefixText::Good(net("2001:db8::1", 128)));
        for bad in ["2001:db8::", "2001:db8::/129", "2001:db8::/+8", "10.0.0.0/8", "/48"] {
            assert_eq!(prefix(bad), PrefixText::Bad, "{bad}");
        }
    }

    #[test]
    fn a_key_is_an_even_number_of_digits() {
        assert_eq!(hex("00fF").as_deref(), Some(&[0, 255][..]));
        assert_eq!(hex("00f"), None);
        assert_eq!(hex("0x00"), None);
    }
}
