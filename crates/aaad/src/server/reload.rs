// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading the configuration again (SIGHUP), under load: what is good applies as a whole, what is not changes nothing.

use super::Server;
use crate::config::Config;
use log::{error, info, warn};

impl Server {
    /// Subscribers, clients, rate, Session-Timeout, watchdog and certificates apply; connections that are up stay up.
    pub(super) fn reload(&mut self) {
        let Some(file) = self.file.clone() else { return };
        let config = match Config::load(&file) {
            Ok(config) => config,
            Err(problems) => return self.not_reloaded(&problems.to_string().replace('\n', "; ")),
        };
        let credentials = match config.tls.as_ref().map(crate::config::TlsConfig::load).transpose()
        {
            Ok(credentials) => credentials,
            Err(error) => return self.not_reloaded(&error.to_string()),
        };
        let needs_restart = self.needs_restart(&config);
        if !needs_restart.is_empty() {
            warn!("configuration: needs restart: {}; the rest applies", needs_restart.join(", "));
        }
        self.authority.set(config.subscribers.clone(), config.session_timeout);
        self.credentials = credentials.or(self.credentials.take());
        self.config.clients = config.clients;
        self.config.rate = config.rate;
        self.config.watchdog = config.watchdog;
        self.config.session_timeout = config.session_timeout;
        self.config.subscribers = config.subscribers;
        self.counters.add("reloaded");
        info!("configuration read again");
    }

    fn not_reloaded(&mut self, said: &str) {
        self.counters.add("reload_failed");
        error!("configuration stays as it was: {said}");
    }

    fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let old = &self.config;
        let listen_tls = |config: &Config| config.tls.as_ref().map(|tls| tls.listen.clone());
        let changed = [
            ("host, realm", old.identity != new.identity),
            ("listen", old.listen != new.listen),
            ("listen_tls", listen_tls(old) != listen_tls(new)),
            ("store", old.store != new.store),
            ("log", old.log != new.log),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}
