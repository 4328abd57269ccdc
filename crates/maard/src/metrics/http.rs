// SPDX-License-Identifier: Apache-2.0 OR MIT
//! As much of HTTP/1.1 as a scraper needs: one GET a connection, bounded in octets, time and number.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at once; one more is closed at once.
const CLIENTS: usize = 64;
/// Octets of a request.
const REQUEST: usize = 8192;
/// A request has come, and its answer has been taken, within this time each.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is answered.
pub struct Page {
    /// 200 or 503.
    pub status: u16,
    /// Content-Type.
    pub kind: &'static str,
    /// Text.
    pub body: String,
}

impl Page {
    /// A sentence.
    pub fn plain(status: u16, body: String) -> Page {
        Page { status, kind: "text/plain; charset=utf-8", body }
    }
}

/// Answers what `page` knows by its path, 404 for what it does not, on threads of its own.
///
/// # Errors
/// When the system gives no thread.
pub fn serve(
    listener: TcpListener,
    page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static,
) -> io::Result<()> {
    let page = Arc::new(page);
    let clients = Arc::new(AtomicUsize::new(0));
    thread::Builder::new().name("metrics".into()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Descriptors used up: they come back as clients leave.
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            if clients.load(Ordering::Relaxed) >= CLIENTS {
                continue;
            }
            clients.fetch_add(1, Ordering::Relaxed);
            let (one, page) = (Leaves(clients.clone()), page.clone());
            // Without a thread the closure is dropped, and with it the connection and its place.
            let _ = thread::Builder::new().name("metrics client".into()).spawn(move || {
                let _one = one;
                let _ = answer(stream, page.as_ref());
            });
        }
    })?;
    Ok(())
}

/// Gives a client's place back, whatever became of it.
struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(mut stream: TcpStream, page: &impl Fn(&str) -> Option<Page>) -> io::Result<()> {
    let request = request(&mut stream)?;
    let page = match path(&request) {
        Some(path) => page(path)
            .unwrap_or_else(|| Page::plain(404, "there are /metrics and /health\n".into())),
        None => Page::plain(400, "this server answers GET\n".into()),
    };
    let reason = match page.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Service Unavailable",
    };
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.status,
        page.kind,
        page.body.len()
    );
    write(&mut stream, &(head + &page.body))
}

/// Everything up to the empty line.
fn request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut request, mut octets) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let n = stream.read(&mut octets)?;
        if n == 0 || request.len() + n > REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        request.extend_from_slice(&octets[..n]);
    }
    Ok(request)
}

fn write(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    let (deadline, mut rest) = (Instant::now() + PATIENCE, text.as_bytes());
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let n = stream.write(rest)?;
        rest = &rest[n..];
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The path of a GET, without its query.
fn path(request: &[u8]) -> Option<&str> {
    let line = request.split(|octet| *octet == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    if words.next() != Some("GET") {
        return None;
    }
    words.next()?.split('?').next()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn the_path_of_a_get_is_read_and_nothing_else() {
        assert_eq!(path(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Some("/metrics"));
        assert_eq!(path(b"GET /health?verbose HTTP/1.1\r\n\r\n"), Some("/health"));
        assert_eq!(path(b"POST /metrics HTTP/1.1\r\n\r\n"), None);
        assert_eq!(path(b"GET\r\n\r\n"), None);
        assert_eq!(path(b"\xff\xfe\r\n\r\n"), None);
    }
}
