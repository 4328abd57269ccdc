// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Between the protocol's questions (draft steps 2 and 3) and Diameter's messages (PROTOCOL.md 3.7).

mod pool;

use crate::Output;
use crate::config::Aaa as Config;
use crate::effects::{Effects, escaped};
use diameter::nasreq::{AaAnswer, AaRequest, StRequest};
use diameter::peer::{ClientConfig, ClientInput, ClientOutput, Time, Unavailable};
use mobility::{AaaAnswer, AaaRequest};
use pool::Pool;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai};
use wire::time::{AttachTime, Instant, Now};

/// RFC 6733 §12: Tw and Tc.
const TW: Duration = Duration::from_secs(30);
const TC: Duration = Duration::from_secs(30);
/// R-28b: 2 s a try, 3 tries.
const TRY: Duration = Duration::from_secs(2);
const TRIES: u32 = 3;
/// A stop waits no longer for the DPA.
const STOP: Duration = Duration::from_secs(1);
/// RFC 6733 §7.1.
const SUCCESS: u32 = 2001;
/// Termination-Cause (RFC 6733 §8.15).
const LOGOUT: u32 = 1;
/// Attachments whose canonical MN-ID differs from the one that was sent.
const MAX_RENAMED: usize = 65_536;

/// What the AAA has to say to the protocol.
#[derive(Debug)]
pub(crate) enum News {
    /// The answer to a request.
    Answer(u64, AaaAnswer),
    /// It lost its table (R-28b).
    LostState,
}

/// The connections to the AAA's servers.
#[derive(Debug)]
pub(crate) struct Aaa {
    config: Config,
    maar: Ipv6Addr,
    servers: Pool,
    /// Origin-State-Id by Origin-Host when it was last up.
    state_ids: BTreeMap<String, u32>,
    /// Requests under way: the attachment and the MN-ID that were sent.
    asked: BTreeMap<u64, (u64, Nai)>,
    /// Attachments that were sent under another MN-ID than the AAA's: a Session-Id keeps the one it was made with.
    renamed: BTreeMap<u64, Nai>,
    stops: u64,
    stopping: Option<Instant>,
    /// Servers whose connection a stop waits for.
    closing: usize,
}

impl Aaa {
    pub(crate) fn new(config: &crate::Config, now: Now) -> Aaa {
        let aaa = config.aaa.clone();
        let client = ClientConfig {
            identity: aaa.identity.clone(),
            host_ip: aaa.host_ip,
            state_id: aaa.state_id,
            tw: TW,
            tc: TC,
            try_timeout: TRY,
            tries: TRIES,
            seed: config.mobility.seed,
            shares: false,
        };
        Aaa {
            servers: Pool::new(&client, &aaa.servers, time(now)),
            closing: aaa.servers.len(),
            config: aaa,
            maar: config.mobility.address,
            state_ids: BTreeMap::new(),
            asked: BTreeMap::new(),
            renamed: BTreeMap::new(),
            stops: 0,
            stopping: None,
        }
    }

    /// Draft step 2.
    pub(crate) fn ask(&mut self, now: Now, request: AaaRequest) {
        let AaaRequest { id, mn_id, mac, attachment, attach_time } = request;
        let aar = AaRequest {
            session_id: self.session_id(attachment, &mn_id),
            destination_realm: self.config.realm.clone(),
            user_name: mn_id.as_str().to_owned(),
            calling_station_id: Some(calling_station(mac)),
            maar: self.maar,
            attach_time: attach_time.map(|time| time.0),
        };
        self.asked.insert(id, (attachment, mn_id));
        self.servers.authorize(time(now), id, aar);
    }

    /// STR: the MN left the network.
    pub(crate) fn stop(&mut self, now: Now, mn_id: &Nai, attachment: u64) {
        let sent_as = self.renamed.remove(&attachment).unwrap_or_else(|| mn_id.clone());
        let request = StRequest {
            session_id: self.session_id(attachment, &sent_as),
            destination_realm: self.config.realm.clone(),
            user_name: mn_id.as_str().to_owned(),
            cause: LOGOUT,
        };
        self.stops += 1;
        self.servers.stop(time(now), self.stops, request);
    }

    /// `<origin-host>;<boot>;<attachment>;<user>`: the user without realm, as in the worked example. The number of an
    /// attachment holds the boot it was made in, so that a later one can still end it.
    fn session_id(&self, attachment: u64, mn_id: &Nai) -> String {
        let user = mn_id.as_str();
        let user = user.split_once('@').map_or(user, |(user, _)| user);
        let (boot, number) = (attachment >> 32, attachment & u64::from(u32::MAX));
        format!("{};{boot};{number};{user}", self.config.identity.host)
    }

    pub(crate) fn handle(&mut self, now: Now, server: usize, input: ClientInput<'_>) {
        self.servers.handle(time(now), server, input);
    }

    /// DPR; [`Output::Stopped`] follows when it is answered, or after a second.
    pub(crate) fn shutdown(&mut self, now: Now) {
        if self.stopping.is_none() {
            self.stopping = Some(now.mono + STOP);
            self.servers.shutdown(time(now));
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.servers.deadline().map(instant).into_iter().chain(self.stopping).min()
    }

    pub(crate) fn tick(&mut self, now: Now, fx: &mut Effects) {
        self.servers.tick(time(now));
        if self.stopping.is_some_and(|at| at <= now.mono) {
            fx.warn("the AAA did not answer the DPR".to_owned());
            for server in 0..self.config.servers.len() {
                fx.push(Output::AaaClose { server });
            }
            self.stopped(fx);
        }
    }

    fn stopped(&mut self, fx: &mut Effects) {
        self.stopping = None;
        fx.push(Output::Stopped);
    }

    /// Does what the client wants until it wants nothing or an answer is for the protocol.
    pub(crate) fn poll(&mut self, now: Now, fx: &mut Effects) -> Option<News> {
        while let Some((server, output)) = self.servers.poll_output(time(now)) {
            match output {
                ClientOutput::Connect => fx.push(Output::AaaConnect { server }),
                ClientOutput::Send(octets) => fx.push(Output::AaaSend { server, octets }),
                ClientOutput::Close => {
                    fx.push(Output::AaaClose { server });
                    self.closing =
                        self.closing.saturating_sub(usize::from(self.stopping.is_some()));
                    if self.stopping.is_some() && self.closing == 0 {
                        self.stopped(fx);
                    }
                }
                ClientOutput::Up { host, state_id } => {
                    if self.up(server, &host, state_id, fx) {
                        return Some(News::LostState);
                    }
                }
                ClientOutput::Down => fx.warn(format!("AAA {} is down", self.name(server))),
                ClientOutput::TryElsewhere(_) => fx.count("aaa_silent"),
                ClientOutput::Stopped { result_code, .. } if result_code == SUCCESS => {}
                ClientOutput::Stopped { .. } => fx.count("aaa_stop_refused"),
                ClientOutput::Count(name) => fx.count(name),
                // Answered by the pool.
                ClientOutput::Asked { .. } => {}
                ClientOutput::Answer { id, answer } => {
                    let answer = translate(answer, fx);
                    if let Some(asked) = self.asked.remove(&id) {
                        self.answered(asked, &answer, fx);
                    }
                    return Some(News::Answer(id, answer));
                }
            }
        }
        None
    }

    /// Tells people of what is no service, and remembers what a later STR needs.
    fn answered(&mut self, asked: (u64, Nai), answer: &AaaAnswer, fx: &mut Effects) {
        let (attachment, sent_as) = asked;
        let name = escaped(sent_as.as_str()).to_string();
        match answer {
            AaaAnswer::Granted { mn_id: Some(canonical), .. } if *canonical != sent_as => {
                if self.renamed.len() == MAX_RENAMED {
                    self.renamed.pop_first();
                }
                self.renamed.insert(attachment, sent_as);
            }
            AaaAnswer::Granted { .. } => {}
            AaaAnswer::Refused { code, .. } => fx.info(format!("AAA refused {name}: {code}")),
            AaaAnswer::Unavailable => {
                fx.warn(format!("no usable answer of an AAA for {name}"));
            }
        }
    }

    fn name(&self, server: usize) -> String {
        self.servers.address(server).map_or_else(String::new, |address| address.to_string())
    }

    /// A higher Origin-State-Id than before: the AAA lost its table (R-28b), which people must know.
    fn up(&mut self, server: usize, host: &str, state_id: Option<u32>, fx: &mut Effects) -> bool {
        let shown = escaped(host).to_string();
        fx.info(format!("AAA {shown} at {} is up", self.name(server)));
        let Some(now) = state_id else { return false };
        let before = self.state_ids.insert(host.to_ascii_lowercase(), now);
        let lost = before.filter(|before| now > *before);
        if let Some(before) = lost {
            fx.count("aaa_lost_state");
            fx.warn(format!("AAA {shown} lost its state (Origin-State-Id {before} -> {now})"));
        }
        lost.is_some()
    }
}

/// PROTOCOL.md 3.7: 3xxx and silence are "AAA down", 4xxx and 5xxx a refusal; an answer without MIP6-Agent-Info is an
/// error, never a first attachment.
fn translate(answer: Result<AaAnswer, Unavailable>, fx: &mut Effects) -> AaaAnswer {
    let unavailable = |name, fx: &mut Effects| {
        fx.count(name);
        AaaAnswer::Unavailable
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Unavailable) => return unavailable("aaa_unavailable", fx),
    };
    match (answer.result_code, answer.previous) {
        (SUCCESS, Some(previous)) => {
            let mn_id = answer
                .mn_id
                .as_deref()
                .and_then(|text| Nai::new(text).inspect_err(|_| fx.count("aaa_bad_mn_id")).ok());
            let attach_time = answer.attach_time.map(AttachTime);
            AaaAnswer::Granted { previous, attach_time, mn_id }
        }
        (SUCCESS, None) => unavailable("aaa_answer_incomplete", fx),
        (code @ 4000..6000, current) => AaaAnswer::Refused { code, current },
        _ => unavailable("aaa_unexpected_result", fx),
    }
}

/// RFC 2865 §5.31 as RFC 7155 has it: upper-case hex with dashes.
fn calling_station(mac: Mac) -> String {
    mac.0.map(|octet| format!("{octet:02X}")).join("-")
}

fn time(now: Now) -> Time {
    Duration::from_micros(now.mono.0)
}

/// Rounded up, so that a deadline is never reached too early.
fn instant(time: Time) -> Instant {
    Instant(u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(result_code: u32, previous: Option<Ipv6Addr>, mn_id: Option<&str>) -> AaaAnswer {
        let answer = AaAnswer {
            result_code,
            session_id: None,
            previous,
            attach_time: Some(7),
            mn_id: mn_id.map(str::to_owned),
            session_timeout: None,
        };
        translate(Ok(answer), &mut Effects::new())
    }

    #[test]
    fn only_a_success_that_names_the_previous_maar_is_a_grant() {
        let none = Ipv6Addr::UNSPECIFIED;
        let granted =
            |mn_id| AaaAnswer::Granted { previous: none, attach_time: Some(AttachTime(7)), mn_id };
        let named = Nai::new("usera@example.org").ok();
        assert_eq!(answer(2001, Some(none), Some("usera@example.org")), granted(named));
        assert_eq!(answer(2001, Some(none), Some("a\nb")), granted(None), "no name but a grant");
        assert_eq!(answer(2001, None, None), AaaAnswer::Unavailable);
        assert_eq!(
            answer(5003, Some(none), None),
            AaaAnswer::Refused { code: 5003, current: Some(none) }
        );
        assert_eq!(answer(4001, None, None), AaaAnswer::Refused { code: 4001, current: None });
        assert_eq!(answer(3004, Some(none), None), AaaAnswer::Unavailable);
        assert_eq!(answer(1001, Some(none), None), AaaAnswer::Unavailable);
        assert_eq!(translate(Err(Unavailable), &mut Effects::new()), AaaAnswer::Unavailable);
    }

    #[test]
    fn a_deadline_is_rounded_up_so_that_it_is_never_met_too_early() {
        assert_eq!(instant(Duration::from_nanos(1_000)), Instant(1));
        assert_eq!(instant(Duration::from_nanos(1_001)), Instant(2));
    }
}
