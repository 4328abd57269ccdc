// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket's path: one living owner, and nothing left behind (FC-47).

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another instance answers there.
    #[error(
        "{path}: process {pid} is listening on this control socket; stop it, or give this instance another `name` or `control`"
    )]
    InUse {
        /// The path.
        path: String,
        /// Who.
        pid: i32,
    },
    /// Something else lies there.
    #[error("{path}: is there and no socket; delete it, or give another `control`")]
    NoSocket {
        /// The path.
        path: String,
    },
    /// The system refuses.
    #[error("{path}: cannot make the control socket: {why}")]
    Io {
        /// The path.
        path: String,
        /// Why.
        why: io::Error,
    },
}

/// The listening socket's file, removed when dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Takes the path: a stale socket is replaced, a living owner is not (FC-47).
    ///
    /// # Errors
    /// [`SocketError`], which names the path.
    pub fn bind(path: &Path) -> Result<Socket, SocketError> {
        let name = path.display().to_string();
        let io = |why| SocketError::Io { path: name.clone(), why };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                if let Some(pid) = owner(path) {
                    return Err(SocketError::InUse { path: name, pid });
                }
                std::fs::remove_file(path).map_err(io)?;
            }
            Ok(_) => return Err(SocketError::NoSocket { path: name }),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(io)?;
        let socket = Socket { path: path.into(), listener };
        // Whoever may write to it may attach and detach mobile nodes.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(io)?;
        socket.listener.set_nonblocking(true).map_err(io)?;
        Ok(socket)
    }

    /// The listener, for the loop.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that listens at `path`.
fn owner(path: &Path) -> Option<i32> {
    let stream = UnixStream::connect(path).ok()?;
    getsockopt(&stream, PeerCredentials).ok().map(|peer| peer.pid())
}
