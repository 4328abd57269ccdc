// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door: inputs to their handlers, outputs in order, deadlines; and what every handler asks.

use crate::bindings::{Lists, Source, Station};
use crate::correspondent::Held;
use crate::heartbeat::Beats;
use crate::lease::Leases;
use crate::mn::{Mn, Queued, State};
use crate::order::Holds;
use crate::parked::Parked;
use crate::peer::{Drop, Opened, Peers};
use crate::recover::{Budget, Recovery};
use crate::rng::Rng;
use crate::timers::{Timer, Timers};
use crate::update::Updates;
use crate::{Config, Event, Input, Output, StationState};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::{Mac, Nai, Prefix64};
use wire::mh::Message;
use wire::time::{AttachTime, Instant, Now};

/// How long a station's frames start nothing after it was released or refused.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

/// One MAAR's protocol state.
#[derive(Debug)]
pub struct Maar {
    pub(crate) config: Config,
    pub(crate) out: VecDeque<Output>,
    pub(crate) timers: Timers,
    pub(crate) rng: Rng,
    pub(crate) peers: Peers,
    pub(crate) beats: Beats,
    /// The peers know that this process is there.
    greeted: bool,
    pub(crate) leases: Leases,
    pub(crate) lists: Lists,
    pub(crate) mns: BTreeMap<Nai, Mn>,
    /// Who is behind a MAC.
    pub(crate) stations: HashMap<Mac, Nai, foldhash::fast::FixedState>,
    /// AAA requests under way.
    pub(crate) requests: HashMap<u64, Nai, foldhash::fast::FixedState>,
    /// sDBUs whose sender the AAA is asked about, by request.
    pub(crate) questions: BTreeMap<u64, Queued>,
    /// MNs in WaitSDBA.
    pub(crate) asking: BTreeSet<Nai>,
    /// HoAs asked of their anchors, by MN.
    pub(crate) recoveries: BTreeMap<(Nai, Prefix64), Recovery>,
    /// What the workers hold.
    pub(crate) parked: Parked,
    /// Whose straight packets wait.
    pub(crate) holds: Holds,
    /// dDBUs whose CN may turn up when an exchange ends (table 4.3).
    pub(crate) held: VecDeque<Held>,
    /// New MNs of this second, by access port.
    pub(crate) budgets: BTreeMap<crate::PortId, Budget>,
    /// The dDBUs sent, by HoA and MAAR.
    pub(crate) updates: Updates,
    /// Which MNs here talk to a CN's /64.
    pub(crate) watchers: BTreeMap<Prefix64, BTreeSet<Nai>>,
    /// Numbers attachments and AAA requests.
    pub(crate) counter: u64,
    /// The largest attach time made by the own clock.
    pub(crate) own_time: AttachTime,
}

/// Where a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    /// Attached here.
    Here,
    /// At this MAAR, or it is the one to ask; may be the own address.
    At(Ipv6Addr),
    /// No MAAR's node.
    Legacy,
}

impl Maar {
    /// A MAAR that knows nobody.
    pub fn new(mut config: Config) -> Maar {
        // Longest match first.
        config.anchors.push((config.pool, config.address));
        config
            .anchors
            .sort_by_key(|(prefix, maar)| (std::cmp::Reverse(prefix.len), prefix.addr, *maar));
        config.anchors.dedup();
        Maar {
            out: VecDeque::new(),
            timers: Timers::default(),
            rng: Rng::new(config.seed),
            peers: Peers::new(config.address, &config.peers),
            beats: Beats::new(),
            greeted: false,
            leases: Leases::new(config.pool),
            lists: Lists::default(),
            mns: BTreeMap::new(),
            stations: HashMap::default(),
            requests: HashMap::default(),
            questions: BTreeMap::new(),
            asking: BTreeSet::new(),
            recoveries: BTreeMap::new(),
            parked: Parked::default(),
            holds: Holds::new(),
            held: VecDeque::new(),
            budgets: BTreeMap::new(),
            updates: Updates::default(),
            watchers: BTreeMap::new(),
            // Attachments of one process never have the numbers of another's.
            counter: config.boot << 32,
            own_time: AttachTime(config.boot << 16),
            config,
        }
    }

    /// Starts at `now`, which may be long before the first input: what peers sent earlier is no news.
    pub fn begin(&mut self, now: Now) {
        self.peers.note_time(now);
    }

    /// Takes one input. Poll the outputs afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let now = self.peers.note_time(now);
        if !self.greeted {
            self.greeted = true;
            self.greet(now);
        }
        match input {
            Input::RouterSolicit { port, mac, rs } => self.on_router_solicit(now, port, mac, rs),
            Input::L2Attach { port, mac, mn_id } => self.on_l2_attach(now, port, mac, mn_id),
            Input::L2Detach { mac } => self.on_l2_detach(now, mac),
            Input::StationFrame { port, mac, source } => {
                self.on_station_frame(now, port, mac, source)
            }
            Input::Session { hoa, cn } => self.on_session(now, hoa, cn),
            Input::Aaa { id, answer } => self.on_aaa(now, id, answer),
            Input::AaaLostState => self.on_aaa_lost_state(now),
            Input::Mh { src, octets } => self.on_mh(now, src, octets),
            Input::Parked(key) => self.on_parked(now, key),
            Input::Held { hoa, maar } => self.on_held(now, hoa, maar),
            Input::Marker { hoa, maar } => self.on_marker(hoa, maar),
            Input::SourceFailed { port, mac, source } => {
                self.on_source_failed(now, port, mac, source);
            }
            Input::PortUp { port } => self.on_port_up(now, port),
            Input::Timeout => {}
        }
        self.run_timers(now);
    }

    /// The next effect, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call `handle` with [`Input::Timeout`]; at once before the first time.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.greeted && !self.config.timers.heartbeat.is_zero() {
            return Some(Instant(0));
        }
        self.timers.next()
    }

    fn run_timers(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                Timer::State(mn) => self.on_state_deadline(now, &mn),
                Timer::Register(mn) => self.register(&mn),
                Timer::Heartbeat => self.beat(now),
                Timer::Advert(mn) => self.advertise(now, &mn),
                Timer::Settle(mn) => self.settle(&mn),
                Timer::Update(hoa, maar) => self.on_update_deadline(now, hoa, maar),
                Timer::Internal(prefix) => {
                    self.lists.clear_internal(prefix, &mut self.timers, &mut self.out)
                }
                Timer::Recover(mn, prefix) => self.repeat_recovery(now, &mn, prefix),
                Timer::Held => self.answer_held(now),
                Timer::Buffer(mn) => self.end_buffer(&mn),
                Timer::Park(key) => self.on_park_deadline(now, key),
                Timer::Lift(key) => self.lift_parked(key),
                Timer::Hold(hoa, maar) => self.on_hold_deadline(hoa, maar),
                Timer::Quiet(mac) => self.out.push_back(Output::Station { mac, state: None }),
            }
        }
    }

    fn on_state_deadline(&mut self, now: Now, mn: &Nai) {
        match self.mns.get(mn).map(|mn| &mn.state) {
            Some(State::WaitAaa { .. }) => self.ask_aaa(now, mn),
            Some(State::WaitSdba(_)) => self.repeat_sdbu(now, mn),
            Some(State::Detached) => self.end_detached(now, mn),
            Some(State::Released(_)) => self.end_hold(now, mn),
            Some(State::Attached) | None => {}
        }
    }

    fn on_mh(&mut self, now: Now, src: Ipv6Addr, octets: &[u8]) {
        let (opened, mesg_id) = match self.peers.open(now, src, octets) {
            Ok(opened) => opened,
            Err(drop) => return self.count(Drop::counter(drop)),
        };
        match opened {
            Opened::Message(Message::Sdbu(sdbu)) => self.on_sdbu(now, src, sdbu),
            Opened::Message(Message::Sdba(sdba)) => self.on_sdba(now, src, sdba, mesg_id),
            Opened::Message(Message::Ddbu(ddbu)) => self.on_ddbu(now, src, ddbu),
            Opened::Message(Message::Ddba(ddba)) => self.on_ddba(now, src, ddba, mesg_id),
            Opened::Message(Message::Heartbeat(beat)) => self.on_heartbeat(now, src, &beat),
            Opened::Message(Message::BindingError(_)) => self.count("binding_error_received"),
            Opened::Refused(refusal) => self.refuse(now, src, refusal),
            Opened::ClockOff(message) => self.tell_clock(now, src, message),
            Opened::UnknownType => self.tell_unknown_type(now, src),
        }
    }

    /// Sends to a peer; a MAAR that is none gets nothing.
    pub(crate) fn send(&mut self, now: Now, dst: Ipv6Addr, message: &Message) {
        match self.peers.seal(now, dst, message) {
            Ok(octets) => self.out.push_back(Output::Mh { dst, octets }),
            Err(counter) => self.count(counter),
        }
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.out.push_back(Output::Event(Event::Count(name)));
    }

    /// A step of Figure 1 is done.
    pub(crate) fn step(&mut self, mn: &Nai, step: u8, via: &'static str, with: Option<Ipv6Addr>) {
        let Some(attachment) = self.mns.get(mn).map(|mn| mn.attachment) else { return };
        self.out.push_back(Output::Event(Event::Step {
            mn_id: mn.clone(),
            attachment,
            step,
            via,
            with,
        }));
    }

    /// The workers learn what to think of a station; `Quiet` ends by itself.
    pub(crate) fn set_station(&mut self, now: Now, mac: Mac, state: StationState) {
        match state {
            StationState::Quiet => return self.quieten(now, mac, QUIET),
            StationState::Exchange | StationState::Attached => {
                self.timers.disarm(&Timer::Quiet(mac));
            }
        }
        self.out.push_back(Output::Station { mac, state: Some(state) });
    }

    /// Frames of the station start nothing for so long.
    pub(crate) fn quieten(&mut self, now: Now, mac: Mac, time: Duration) {
        self.timers.arm(Timer::Quiet(mac), now.mono + time);
        self.out.push_back(Output::Station { mac, state: Some(StationState::Quiet) });
    }

    /// The MAAR that anchors `addr`, by longest match.
    pub(crate) fn anchor(&self, addr: Ipv6Addr) -> Option<Ipv6Addr> {
        self.config.anchors.iter().find(|(prefix, _)| prefix.contains(addr)).map(|&(_, maar)| maar)
    }

    /// Whether `addr` may stand in a list: anchored somewhere and in no core /64.
    pub(crate) fn may_bind(&self, addr: Ipv6Addr) -> bool {
        self.anchor(addr).is_some()
            && !self.config.core_prefixes.iter().any(|prefix| prefix.contains(addr))
    }

    ///
    pub(crate) fn where_is(&self, addr: Ipv6Addr) -> Where {
        let prefix = Prefix64::of(addr);
        if self.lists.owner(prefix).is_some() {
            return Where::Here;
        }
        match self.lists.internal(prefix) {
            Some(entry) => Where::At(entry.maar),
            None => self.anchor(addr).map_or(Where::Legacy, Where::At),
        }
    }

    /// Attach times of the own clock rise whatever it does.
    pub(crate) fn own_attach_time(&mut self, now: Now) -> AttachTime {
        self.own_time = AttachTime::from_unix(now.wall).max(self.own_time.next());
        self.own_time
    }

    /// What the data plane needs of `mn`, told for each of its /64s.
    pub(crate) fn place_mn(&mut self, mn: &Nai) {
        let Some(record) = self.mns.get(mn) else { return };
        let at = Station { port: record.port, mac: record.mac, settled: record.settled };
        for prefix in record.prefixes() {
            self.lists.set_here(prefix, mn, at, &mut self.out);
        }
        self.persist(mn);
    }

    /// Nobody serves `prefixes` for `mn` here any more.
    pub(crate) fn unplace(&mut self, mn: &Nai, prefixes: &[Prefix64]) {
        for &prefix in prefixes {
            self.end_holds(prefix);
            self.lists.clear_here(prefix, mn, &mut self.out);
        }
        self.persist(mn);
    }

    fn settle(&mut self, mn: &Nai) {
        if let Some(record) = self.mns.get_mut(mn).filter(|record| record.is_here()) {
            record.settled = true;
            if !matches!(record.state, State::Detached) {
                self.place_mn(mn);
            }
        }
    }

    /// `mn` talks to `cn`: as long as it is here, `cn`'s entry is kept fresh by its MAAR.
    pub(crate) fn watch(&mut self, mn: &Nai, cn: Ipv6Addr) {
        let watchers = self.watchers.entry(Prefix64::of(cn)).or_default();
        if !watchers.contains(mn) {
            watchers.insert(mn.clone());
        }
    }

    /// `mn` is gone: entries that only it kept fresh are stale now.
    pub(crate) fn unwatch(&mut self, mn: &Nai) {
        let Some(record) = self.mns.get(mn) else { return };
        let cns: Vec<Prefix64> = record.sessions.all().map(|(_, cn)| Prefix64::of(cn)).collect();
        for cn in cns {
            let Some(watchers) = self.watchers.get_mut(&cn) else { continue };
            watchers.remove(mn);
            if watchers.is_empty() {
                self.watchers.remove(&cn);
                if self.lists.internal(cn).is_some_and(|entry| entry.source == Source::Ddbu) {
                    self.lists.mark_stale(cn);
                }
            }
        }
    }
}
