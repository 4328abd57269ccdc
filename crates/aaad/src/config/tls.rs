// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys for encrypted connections: all of them or none.

use super::TlsConfig;
use super::check::Checker;
use super::file::Placed;
use std::path::PathBuf;

impl Checker {
    pub(super) fn tls(
        &mut self,
        listen: Option<Vec<Placed<String>>>,
        certificate: Option<Placed<String>>,
        key: Option<Placed<String>>,
        ca: Option<Placed<String>>,
    ) -> Option<TlsConfig> {
        let files = [("certificate", certificate), ("key", key), ("ca", ca)];
        let Some(listen) = listen.filter(|listen| !listen.is_empty()) else {
            for (name, file) in files {
                if let Some(file) = file {
                    let text = format!(
                        "{name}: is for `listen_tls`, which is missing; add for example `listen_tls: [\"[::]:5868\"]`"
                    );
                    self.problem(file.line, text);
                }
            }
            return None;
        };
        let listen = self.listen("listen_tls", Some(listen), false);
        let [certificate, key, ca] = files.map(|(name, file)| match file {
            Some(file) => {
                if !file.value.starts_with('/') {
                    let text = file.value.escape_debug();
                    let text =
                        format!("{name}: path `{text}` is not absolute; start it with a slash");
                    self.problem(file.line, text);
                }
                PathBuf::from(file.value)
            }
            None => {
                self.missing(name, &format!("{name}: /etc/romip/{name}.pem"));
                PathBuf::new()
            }
        });
        Some(TlsConfig { listen, certificate, key, ca })
    }
}
