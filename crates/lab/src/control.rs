// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Client of `maard`'s control socket: one JSON object a line, one JSON line back. It speaks JSON and links nothing of
//! the router; `romip` and the lab are its users.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where `maard` puts its socket unless told otherwise.
pub const DIRECTORY: &str = "/run/romip";

/// An answer later than this means that the slow path does not run.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer; each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no maard answers at {0}: {1}")]
    Connect(PathBuf, std::io::Error),
    /// The connection broke or the answer took too long.
    #[error("maard at {0} gave no answer: {1}")]
    Answer(PathBuf, std::io::Error),
    /// What came is no answer.
    #[error("maard at {0} answered what is no answer of this version: {1}")]
    Garbled(PathBuf, String),
    /// It answered with an error.
    #[error("{0}")]
    Refused(String),
}

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Connects.
    pub fn connect(path: &Path) -> Result<Control, ControlError> {
        let refused = |e| ControlError::Connect(path.to_owned(), e);
        let stream = UnixStream::connect(path).map_err(refused)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(refused)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(refused)?;
        Ok(Control { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// The rows of a table: `mns`, `bindings`, `counters`, `handovers`.
    pub fn show(&mut self, what: &str) -> Result<Vec<Value>, ControlError> {
        match self.ask(&json!({ "do": "show", "what": what }))? {
            Value::Array(rows) => Ok(rows),
            other => Err(ControlError::Garbled(self.path.clone(), other.to_string())),
        }
    }

    /// The event an access point gives when a station has associated.
    pub fn attach(
        &mut self,
        mac: &str,
        port: Option<u8>,
        mn_id: Option<&str>,
    ) -> Result<Value, ControlError> {
        let mut order = json!({ "do": "attach", "mac": mac });
        if let Some(port) = port {
            order["port"] = port.into();
        }
        if let Some(mn_id) = mn_id {
            order["mn_id"] = mn_id.into();
        }
        self.ask(&order)
    }

    /// The event an access point gives when a station has left.
    pub fn detach(&mut self, mac: &str) -> Result<Value, ControlError> {
        self.ask(&json!({ "do": "detach", "mac": mac }))
    }

    fn ask(&mut self, order: &Value) -> Result<Value, ControlError> {
        let lost = |e| ControlError::Answer(self.path.clone(), in_words(e));
        self.stream.get_mut().write_all(format!("{order}\n").as_bytes()).map_err(lost)?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(lost)? == 0 {
            return Err(lost(ErrorKind::UnexpectedEof.into()));
        }
        let garbled = || ControlError::Garbled(self.path.clone(), line.trim().to_owned());
        let mut answer: Value = serde_json::from_str(&line).map_err(|_| garbled())?;
        if let Some(Value::String(sentence)) = answer.get("error") {
            return Err(ControlError::Refused(sentence.clone()));
        }
        answer.get_mut("ok").map(Value::take).ok_or_else(garbled)
    }
}

/// A read that took too long is an odd "resource temporarily unavailable" to the system.
fn in_words(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            std::io::Error::other(format!("none within {} s; is it stopped?", PATIENCE.as_secs()))
        }
        _ => error,
    }
}

/// The only socket in `directory`, or a sentence about which there are.
pub fn find(directory: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut sockets: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "sock"))
        .collect();
    sockets.sort();
    match sockets.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!(
            "no maard runs here: no socket in {}; name one with --socket",
            directory.display()
        )),
        several => {
            let names: Vec<_> = several.iter().map(|p| p.display().to_string()).collect();
            Err(format!("choose a router with --socket: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A router that gives one answer to one question, and what it was asked.
    fn answer_once(answer: &'static str) -> (tempfile::TempDir, std::thread::JoinHandle<String>) {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("r.sock")).unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            line
        });
        (dir, thread)
    }

    #[test]
    fn rows_come_out_of_ok() {
        let (dir, router) = answer_once("{\"ok\":[{\"name\":\"rx\",\"value\":3}]}\n");
        let rows = Control::connect(&dir.path().join("r.sock")).unwrap().show("counters").unwrap();
        assert_eq!(rows, [json!({ "name": "rx", "value": 3 })]);
        let asked: Value = serde_json::from_str(&router.join().unwrap()).unwrap();
        assert_eq!(asked, json!({ "do": "show", "what": "counters" }));
    }

    #[test]
    fn an_error_of_the_router_is_its_sentence() {
        let (dir, router) = answer_once("{\"error\":\"no access port 7\"}\n");
        let mut control = Control::connect(&dir.path().join("r.sock")).unwrap();
        let said = control.attach("02:00:00:00:00:0a", Some(7), None).unwrap_err();
        assert_eq!(said.to_string(), "no access port 7");
        let asked: Value = serde_json::from_str(&router.join().unwrap()).unwrap();
        assert_eq!(asked, json!({ "do": "attach", "mac": "02:00:00:00:00:0a", "port": 7 }));
    }

    #[test]
    fn a_closed_connection_and_a_garbled_answer_are_told_apart() {
        let (dir, _router) = answer_once("");
        let said = Control::connect(&dir.path().join("r.sock")).unwrap().show("mns").unwrap_err();
        assert!(matches!(said, ControlError::Answer(..)), "{said}");
        let (dir, _router) = answer_once("{}\n");
        let said = Control::connect(&dir.path().join("r.sock")).unwrap().show("mns").unwrap_err();
        assert!(matches!(said, ControlError::Garbled(..)), "{said}");
    }

    #[test]
    fn the_only_socket_is_found_and_several_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find(dir.path()).unwrap_err().contains("no maard"));
        std::fs::write(dir.path().join("a.sock"), "").unwrap();
        std::fs::write(dir.path().join("a.log"), "").unwrap();
        assert_eq!(find(dir.path()).unwrap(), dir.path().join("a.sock"));
        std::fs::write(dir.path().join("b.sock"), "").unwrap();
        let said = find(dir.path()).unwrap_err();
        assert!(said.contains("a.sock") && said.contains("b.sock"), "{said}");
    }
}
