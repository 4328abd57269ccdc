// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables, and what is asked of the server before anything is kept there.

use crate::store::Opening;
use log::{info, warn};
use postgres::{Client, Config, NoTls, config::TargetSessionAttrs};
use std::time::Duration;

/// The least `server_version_num`: 15.
const LEAST: i32 = 15_00_00;
/// So long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// Of the advisory lock under which the tables are changed: several aaads may start at once.
const LOCK: i64 = 0x726f_6d69_7061_6161;

/// Each step leads from its place in the list to the next version. A step that was released is never changed.
const MIGRATIONS: &[&str] = &["CREATE TABLE location (key bytea PRIMARY KEY, seq bigint NOT NULL, row bytea NOT NULL) WITH (fillfactor = 50);
     CREATE TABLE aaad_state (one boolean PRIMARY KEY CHECK (one), state_id bigint NOT NULL)"];

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun {
    /// Origin-State-Id.
    pub state_id: u32,
    /// MNs ever seen.
    pub known: u64,
}

/// What an operator wants to know before the start; displays as a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    version: String,
    known: Option<u64>,
    standbys: String,
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgreSQL {}, ", self.version)?;
        match self.known {
            Some(known) => write!(f, "{known} MNs")?,
            None => write!(f, "no tables yet, made at the first start")?,
        }
        match self.standbys.as_str() {
            "" => write!(f, ", no synchronous standby: what is lost with its disk is lost"),
            names => write!(f, ", synchronous_standby_names {names}"),
        }
    }
}

/// Connects to the server that takes writes; an error is a sentence.
pub fn connect(url: &str) -> Result<Client, String> {
    let mut config: Config =
        url.parse().map_err(|error| format!("the connection string: {}", full(&error)))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    // A primary that is gone without a word must not hold a shard for the kernel's quarter of an hour.
    config.tcp_user_timeout(CONNECT).keepalives_idle(CONNECT).keepalives_interval(CONNECT);
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).application_name("aaad");
    let mut client = config.connect(NoTls).map_err(|error| full(&error))?;
    // Whatever the server's default is: an answer waits for the disk, and for the synchronous standby where there is one.
    client.batch_execute("SET synchronous_commit = on").map_err(|error| full(&error))?;
    Ok(client)
}

/// The error with its causes.
pub fn full(error: &postgres::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(error));
    while let Some(error) = cause {
        if !text.contains(&error.to_string()) {
            text += &format!(": {error}");
        }
        cause = error.source();
    }
    text.replace('\n', "; ")
}

/// What `aaad --check` says about the server.
pub fn check(url: &str) -> Result<About, String> {
    let failed = |said: String| format!("store postgres: {said}; {MEND}");
    let mut client = connect(url).map_err(failed)?;
    examine(&mut client).map_err(failed)?;
    let version = setting(&mut client, "server_version").map_err(failed)?;
    let standbys = setting(&mut client, "synchronous_standby_names").map_err(failed)?;
    let known = match version_of_tables(&mut client).map_err(failed)? {
        0 => None,
        _ => Some(known(&mut client).map_err(failed)?),
    };
    Ok(About { version, known, standbys })
}

const MEND: &str = "mend the server, or the connection string of `store: {postgres: ...}`, and ask `aaad --check` again";

/// Connects, brings the tables up to date, takes what is there as `opening` says.
pub fn open(url: &str, opening: Opening, wall: Duration) -> Result<Begun, String> {
    let failed = |said: String| format!("store postgres: {said}; {MEND}");
    let mut client = connect(url).map_err(failed)?;
    examine(&mut client).map_err(failed)?;
    prepare(&mut client, opening, wall).map_err(failed)
}

fn setting(client: &mut Client, name: &str) -> Result<String, String> {
    let row = client.query_one("SELECT current_setting($1)", &[&name]);
    row.map(|row| row.get(0)).map_err(|error| full(&error))
}

/// A server that forgets is none.
fn examine(client: &mut Client) -> Result<(), String> {
    let number = setting(client, "server_version_num")?;
    if number.parse::<i32>().unwrap_or_default() < LEAST {
        return Err(format!("the server is version {number}, at least {LEAST} is needed"));
    }
    for name in ["fsync", "full_page_writes"] {
        if setting(client, name)? != "on" {
            return Err(format!(
                "the server has {name} off: a power failure would lose what was answered"
            ));
        }
    }
    Ok(())
}

fn version_of_tables(client: &mut Client) -> Result<usize, String> {
    let found = client
        .query_one("SELECT to_regclass('aaad_schema') IS NOT NULL", &[])
        .map_err(|error| full(&error))?;
    if !found.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM aaad_schema", &[]);
    row.map(|row| row.get::<_, i32>(0) as usize).map_err(|error| full(&error))
}

fn known(client: &mut Client) -> Result<u64, String> {
    let row = client.query_one("SELECT count(*) FROM location", &[]);
    row.map(|row| row.get::<_, i64>(0) as u64).map_err(|error| full(&error))
}

/// All of it in one transaction, one aaad at a time.
fn prepare(client: &mut Client, opening: Opening, wall: Duration) -> Result<Begun, String> {
    let full = |error: postgres::Error| full(&error);
    let found = version_of_tables(client)?;
    let mut transaction = client.transaction().map_err(full)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).map_err(full)?;
    transaction
        .batch_execute("CREATE TABLE IF NOT EXISTS aaad_schema (version integer PRIMARY KEY)")
        .map_err(full)?;
    let row = transaction
        .query_one("SELECT coalesce(max(version), 0) FROM aaad_schema", &[])
        .map_err(full)?;
    let version = row.get::<_, i32>(0) as usize;
    if version > MIGRATIONS.len() {
        return Err(format!("its tables are of version {version}, made by a newer aaad"));
    }
    for (at, step) in MIGRATIONS.iter().enumerate().skip(version) {
        transaction.batch_execute(step).map_err(full)?;
        let to = at as i32 + 1;
        transaction.execute("INSERT INTO aaad_schema VALUES ($1)", &[&to]).map_err(full)?;
        info!("store postgres: tables of version {to}, before {found}");
    }
    if opening == Opening::Empty {
        let aside = format!("location_set_aside_{}", wall.as_secs());
        transaction
            .batch_execute(&format!(
                "ALTER TABLE location RENAME TO {aside};
                 ALTER INDEX location_pkey RENAME TO {aside}_pkey;
                 CREATE TABLE location (LIKE {aside} INCLUDING ALL) WITH (fillfactor = 50)"
            ))
            .map_err(full)?;
        warn!("store postgres: what was there is in the table {aside}; starting with an empty one");
    }
    let last = transaction.query_opt("SELECT state_id FROM aaad_state", &[]).map_err(full)?;
    let last = last.map(|row| row.get::<_, i64>(0));
    let state_id = match (last, opening) {
        (Some(last), Opening::AsItIs) => last,
        // Larger than any before, whatever the clock says.
        (last, _) => last.map_or(0, |last| last + 1).max(wall.as_secs() as i64),
    };
    transaction
        .execute(
            "INSERT INTO aaad_state VALUES (true, $1) ON CONFLICT (one) DO UPDATE SET state_id = excluded.state_id",
            &[&state_id],
        )
        .map_err(full)?;
    transaction.commit().map_err(full)?;
    Ok(Begun { state_id: state_id as u32, known: known(client)? })
}
