// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions and orders of the control socket: tables, and the L2 events an access point gives.

use crate::control::{Request, Response, Table};
use crate::{Output, Router, show};
use dataplane::PortId;
use dataplane::fib::Role;
use mobility::Input;
use mobility::show::{BindingRow, MnRow};
use serde_json::{Value, json};
use std::net::Ipv6Addr;
use wire::addr::{Mac, Nai, Prefix64};
use wire::time::Now;

impl Router {
    /// Answers after everything the order caused is out; a detach event when it is in force, so that an access point
    /// may then end its link and nothing is lost on it.
    pub(crate) fn control(&mut self, now: Now, id: u64, request: Request) {
        let leaves = matches!(request, Request::Detach { .. });
        let answer = match request {
            Request::Show { what } => Ok(self.table(now, what)),
            Request::Attach { mac, port, mn_id } => self.attach(now, &mac, port, mn_id.as_deref()),
            Request::Detach { mac } => self.detach(now, &mac),
        };
        self.settle(now);
        let response = match answer {
            Ok(value) => Response::Ok(value),
            Err(sentence) => {
                self.fx.count("control_refused");
                Response::Error(sentence)
            }
        };
        let after = if leaves { self.install.all_told() } else { 0 };
        self.confirmations.push_back((after, id, response));
        self.confirm();
    }

    /// Gives the answers whose orders are in force by now, in their order.
    pub(crate) fn confirm(&mut self) {
        while let Some((_, id, response)) =
            self.confirmations.pop_front_if(|(after, ..)| self.install.reached(*after))
        {
            self.fx.push(Output::Control { id, response });
        }
    }

    fn table(&self, now: Now, what: Table) -> Value {
        match what {
            Table::Mns => self.maar.mns().iter().map(show::mn).collect(),
            Table::Bindings => self.maar.bindings(now).iter().map(show::binding).collect(),
            Table::Counters => self.counters().map(show::counter).collect(),
            Table::Handovers => self.handovers.rows().into(),
        }
    }

    fn attach(
        &mut self,
        now: Now,
        mac: &str,
        port: Option<PortId>,
        mn_id: Option<&str>,
    ) -> Result<Value, String> {
        let mac = station(mac)?;
        let port = self.access_port(port)?;
        let mn_id = mn_id.map(Nai::new).transpose().map_err(|bad| format!("mn_id: {bad}"))?;
        self.maar.handle(now, Input::L2Attach { port, mac, mn_id });
        self.settle(now);
        Ok(self.confirmation(mac))
    }

    fn access_port(&self, port: Option<PortId>) -> Result<PortId, String> {
        let mut access =
            (0..).zip(&self.config.ports).filter(|(_, info)| info.role == Role::Access);
        let (found, _) = match port {
            None => access.next().ok_or("there is no access port")?,
            Some(port) => access
                .find(|&(id, _)| id == port)
                .ok_or_else(|| format!("port {port} is no access port"))?,
        };
        Ok(found)
    }

    /// FC-28: a late event about an MN that is elsewhere by now is refused; the protocol counts it and changes nothing.
    fn detach(&mut self, now: Now, mac: &str) -> Result<Value, String> {
        let mac = station(mac)?;
        let row = self.maar.mns().into_iter().find(|row| row.mac == mac);
        self.maar.handle(now, Input::L2Detach { mac });
        let gone = match row {
            None => "not attached here".to_owned(),
            Some(row) if row.state == "Released" => match self.moved_to(now, &row) {
                Some(maar) => format!("not attached here, moved to {maar}"),
                None => "not attached here".to_owned(),
            },
            Some(_) => {
                self.settle(now);
                return Ok(self.confirmation(mac));
            }
        };
        Err(gone)
    }

    /// The forwarding entry of the lease says where its MN went.
    fn moved_to(&self, now: Now, row: &MnRow) -> Option<Ipv6Addr> {
        self.maar.bindings(now).into_iter().find_map(|binding| match binding {
            BindingRow::Internal { hoa, maar, .. } if Some(Prefix64::of(hoa)) == row.lease => {
                Some(maar)
            }
            _ => None,
        })
    }

    fn confirmation(&self, mac: Mac) -> Value {
        let row = self.maar.mns().into_iter().find(|row| row.mac == mac);
        row.as_ref().map_or_else(|| json!({ "mac": mac.to_string() }), show::mn)
    }
}

/// Six groups of two hexadecimal digits with `:` or `-`.
fn station(text: &str) -> Result<Mac, String> {
    let octet = |group: &str| match group.len() {
        2 if group.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u8::from_str_radix(group, 16).ok()
        }
        _ => None,
    };
    let groups: Option<Vec<u8>> = text.split([':', '-']).map(octet).collect();
    let mac = groups.and_then(|octets| <[u8; 6]>::try_from(octets).ok()).map(Mac);
    mac.filter(|mac| mac.is_unicast()).ok_or_else(|| {
        format!("mac: {} is no MAC of a station such as 02:00:00:00:00:0a", text.escape_debug())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_six_pairs_of_digits_and_a_single_station() {
        let mac = Mac([2, 0, 0, 0, 0, 0xa]);
        assert_eq!(station("02:00:00:00:00:0a"), Ok(mac));
        assert_eq!(station("02-00-00-00-00-0A"), Ok(mac));
        for bad in
            ["", "2:0:0:0:0:a", "02:00:00:00:00", "02:00:00:00:00:0a:0b", "+2:00:00:00:00:0a"]
        {
            assert!(station(bad).is_err(), "{bad}");
        }
        assert!(station("33:33:00:00:00:01").is_err(), "a group");
        assert!(station("00:00:00:00:00:00").is_err());
    }
}
