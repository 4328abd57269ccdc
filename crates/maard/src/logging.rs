// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Log lines go to stderr by a thread of their own: whoever logs puts a finished line into a bounded queue and goes
//! on. A full queue (a stderr nobody reads) drops lines and says how many as soon as one fits again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait for the writer.
const QUEUE: usize = 1024;
/// How long the end of the process waits for lines still queued.
const FLUSH: Duration = Duration::from_millis(200);

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The queue's end that stays with the program.
#[derive(Clone)]
pub struct Logging {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Logging {
    /// Starts the writer and installs the logger: from now on `log`'s macros work. `name` stands in each line.
    pub fn start(level: log::LevelFilter, name: &str) -> Logging {
        let (queue, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let logging = Logging { queue, dropped: dropped.clone() };
        let writer = std::thread::Builder::new().name("log writer".into());
        let spawned = writer.spawn(move || write(&lines, &dropped, io::stderr()));
        if let Err(error) = spawned {
            eprintln!("maard: no log lines: the writer's thread cannot be started: {error}");
        }
        install(level, name.to_owned(), logging.clone());
        logging
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits a moment until what was logged is written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH);
        }
    }
}

fn install(level: log::LevelFilter, name: String, logging: Logging) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).target(env_logger::Target::Pipe(Box::new(logging)));
    builder.format(move |line, record| {
        let text = record.args().to_string();
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        writeln!(line, "{} {:5} {name}: {text}", line.timestamp_millis(), record.level())
    });
    // Only one logger can be installed; this is called once, by main.
    let _ = builder.try_init();
}

/// env_logger hands over one finished line a call.
impl Write for Logging {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(lines: &Receiver<Message>, dropped: &AtomicU64, mut to: impl Write) {
    let mut told = 0;
    loop {
        let message = match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // An error means that nobody reads stderr any more; there is no place left to say so.
        let _ = match &message {
            Some(Message::Line(line)) => to.write_all(line),
            _ => to.flush(),
        };
        let lost = dropped.load(Ordering::Relaxed);
        if lost > told {
            let _ = writeln!(to, "maard: {} log lines lost, stderr is too slow", lost - told);
            told = lost;
        }
        if let Some(Message::Flush(done)) = message {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_lines_counts_them_and_says_so_later() {
        let (queue, lines) = sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut logging = Logging { queue, dropped: dropped.clone() };
        for _ in 0..5 {
            logging.write_all(b"x\n").expect("logging never fails");
        }
        assert_eq!(logging.dropped(), 3);
        let sink = Sink::default();
        drop(logging);
        write(&lines, &dropped, sink.clone());
        let text =
            String::from_utf8(sink.0.lock().expect("no writer panics").clone()).expect("text");
        assert_eq!(text, "x\nmaard: 3 log lines lost, stderr is too slow\nx\n");
    }
}
