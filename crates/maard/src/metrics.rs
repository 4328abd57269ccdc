// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prometheus over HTTP: `GET /metrics` and `GET /health` on the management address of `metrics:`.
//!
//! A thread of its own that asks the control socket like any other client, so that a scrape costs the slow path one
//! question and a scraper that does not read costs it nothing (FC-48).

mod health;
mod http;
mod text;

use serde_json::Value;
use slowpath::control::{Request, Response, Table};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The slow path answers within this time, or is taken for stuck.
const ANSWER: Duration = Duration::from_secs(1);

/// Name -> value, as `romip show counters` has them.
type Counters = BTreeMap<String, u64>;

/// Serves the listener on a thread of its own as long as the process lives.
///
/// # Errors
/// When the system gives no thread.
pub fn serve(listener: TcpListener, control: PathBuf) -> io::Result<()> {
    http::serve(listener, move |path| match path {
        "/metrics" => Some(match counters(&control) {
            Ok(counters) => http::Page { status: 200, kind: text::KIND, body: text::of(&counters) },
            Err(error) => {
                http::Page::plain(503, format!("the slow path does not answer: {error}\n"))
            }
        }),
        "/health" => Some(match health::check(|| counters(&control)) {
            Ok(()) => http::Page::plain(200, "ok\n".into()),
            Err(why) => http::Page::plain(503, format!("{why}\n")),
        }),
        _ => None,
    })
}

/// Asks the slow path for all counters.
fn counters(control: &Path) -> io::Result<Counters> {
    let mut stream = UnixStream::connect(control)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut line = serde_json::to_vec(&Request::Show { what: Table::Counters })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match serde_json::from_str(&answer)? {
        Response::Ok(Value::Array(rows)) => Ok(rows.iter().filter_map(pair).collect()),
        Response::Ok(_) => Err(io::Error::other("an answer without rows")),
        Response::Error(why) => Err(io::Error::other(why)),
    }
}

fn pair(row: &Value) -> Option<(String, u64)> {
    Some((row["name"].as_str()?.to_owned(), row["value"].as_u64()?))
}
