// SPDX-License-Identifier: Apache-2.0 OR MIT
//! As much of Diameter (RFC 6733 §3, §4) as a witness needs: which command, whose, and which router it names.

use std::net::Ipv6Addr;

/// AA-Request and AA-Answer.
pub const AA: u32 = 265;

const HEADER: usize = 20;
const USER_NAME: u32 = 1;
const AGENT_INFO: u32 = 486;
const AGENT_ADDRESS: u32 = 334;

/// A message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// Command code.
    pub code: u32,
    /// R bit.
    pub request: bool,
    /// Which answer belongs to which request.
    pub hop_by_hop: u32,
    /// User-Name.
    pub user: Option<String>,
    /// MIP-Home-Agent-Address in MIP6-Agent-Info: the asker, or the router that served the user before.
    pub agent: Option<Ipv6Addr>,
}

/// The messages in a TCP segment that begins with one. A message cut off by the segment's end is left out: the routers
/// send each with one write, far below a segment's size.
pub fn commands(mut octets: &[u8]) -> Vec<Command> {
    let mut found = Vec::new();
    while octets.len() >= HEADER && octets[0] == 1 {
        let length = be24(&octets[1..]) as usize;
        let Some(message) = octets.get(..length).filter(|m| m.len() >= HEADER) else { break };
        found.push(command(message));
        octets = &octets[length..];
    }
    found
}

/// `message` has at least its header.
fn command(message: &[u8]) -> Command {
    let mut command = Command {
        code: be24(&message[5..]),
        request: message[4] & 0x80 != 0,
        hop_by_hop: be32(&message[12..]),
        ..Command::default()
    };
    for (code, data) in avps(&message[HEADER..]) {
        match code {
            USER_NAME => command.user = Some(String::from_utf8_lossy(data).into_owned()),
            AGENT_INFO => {
                let agent = avps(data).find(|(code, _)| *code == AGENT_ADDRESS);
                command.agent = agent.and_then(|(_, data)| address(data));
            }
            _ => {}
        }
    }
    command
}

/// The AVPs of a message or of a grouped AVP, up to the first that does not fit.
fn avps(mut octets: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        if octets.len() < 8 {
            return None;
        }
        let code = be32(octets);
        let length = be24(&octets[5..]) as usize;
        // V bit: a Vendor-ID follows.
        let header = if octets[4] & 0x80 == 0 { 8 } else { 12 };
        let data = octets.get(header..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, data))
    })
}

/// An Address (RFC 6733 §4.3.1) of family 2, IPv6.
fn address(data: &[u8]) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = data.strip_prefix(&[0, 2])?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

fn be24(octets: &[u8]) -> u32 {
    u32::from_be_bytes([0, octets[0], octets[1], octets[2]])
}

fn be32(octets: &[u8]) -> u32 {
    u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]])
}

/// Messages for the tests of the analysis.
#[cfg(test)]
pub(crate) mod build {
    use super::*;

    fn avp(code: u32, data: &[u8]) -> Vec<u8> {
        let mut octets = code.to_be_bytes().to_vec();
        octets.extend((0x4000_0000 | (data.len() as u32 + 8)).to_be_bytes());
        octets.extend(data);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    /// An AAR or AAA of `user` that names `agent`.
    pub(crate) fn aa(request: bool, hop_by_hop: u32, user: &str, agent: Ipv6Addr) -> Vec<u8> {
        let address = [&[0, 2][..], &agent.octets()].concat();
        let avps = [
            avp(263, b"a;1;2"),
            avp(USER_NAME, user.as_bytes()),
            avp(AGENT_INFO, &avp(AGENT_ADDRESS, &address)),
        ]
        .concat();
        let mut octets = (0x0100_0000 | (HEADER + avps.len()) as u32).to_be_bytes().to_vec();
        octets.extend((u32::from(request) << 31 | 0x4000_0000 | AA).to_be_bytes());
        for word in [1, hop_by_hop, 9] {
            octets.extend(word.to_be_bytes());
        }
        octets.extend(avps);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_messages_in_a_segment_are_both_read() {
        let agent: Ipv6Addr = "2001:db8:ff::a2".parse().unwrap();
        let mut octets = build::aa(true, 7, "usera@example.org", agent);
        octets.extend(build::aa(false, 8, "userb@example.org", Ipv6Addr::UNSPECIFIED));
        let found = commands(&octets);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Command {
                code: AA,
                request: true,
                hop_by_hop: 7,
                user: Some("usera@example.org".to_owned()),
                agent: Some(agent),
            }
        );
        assert!(!found[1].request);
        assert_eq!(found[1].agent, Some(Ipv6Addr::UNSPECIFIED));
    }

    #[test]
    fn octets_cut_anywhere_give_no_message_and_no_panic() {
        let octets = build::aa(true, 7, "usera@example.org", Ipv6Addr::UNSPECIFIED);
        for end in 0..octets.len() {
            assert_eq!(commands(&octets[..end]), [], "cut at {end}");
        }
        for at in 0..octets.len() {
            let mut flipped = octets.clone();
            flipped[at] ^= 0xff;
            let _ = commands(&flipped);
        }
    }
}
