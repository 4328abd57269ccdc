// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TLS before CER (RFC 6733 §13.1, port 5868), sans-IO like the rest: octets of the socket in, octets for the socket out.
//! Both ends show a certificate, and both compare its names with the Diameter identity of the other.

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Decrypted octets held for a peer at most: a message and what may stand behind it.
const MAX_PLAIN: usize = 256 * 1024;

/// Why certificates cannot be used: a sentence with the file and the mend.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadCertificates(pub String);

/// Own certificate and key, and whom to trust.
#[derive(Clone, Debug)]
pub struct Credentials {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Credentials {
    /// Reads PEM files: the own chain (own certificate first), its key, the authorities the other end's must come from.
    pub fn load(certificate: &Path, key: &Path, ca: &Path) -> Result<Credentials, BadCertificates> {
        let said = |file: &Path, said: &dyn std::fmt::Display| {
            let mend = "give a PEM file that this user may read";
            BadCertificates(format!("{}: {said}; {mend}", file.display()))
        };
        let read = |file: &Path| -> Result<Vec<CertificateDer<'static>>, BadCertificates> {
            let found = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match found.map_err(|error| said(file, &error))? {
                none if none.is_empty() => Err(said(file, &"holds no certificate")),
                found => Ok(found),
            }
        };
        let chain = read(certificate)?;
        let private = || PrivateKeyDer::from_pem_file(key).map_err(|error| said(key, &error));
        let mut roots = RootCertStore::empty();
        for authority in read(ca)? {
            roots.add(authority).map_err(|error| said(ca, &error))?;
        }
        let (roots, provider) =
            (Arc::new(roots), Arc::new(rustls::crypto::ring::default_provider()));
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| said(ca, &error))?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| said(ca, &error))?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| said(certificate, &error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.clone(), private()?)
            .map_err(|error| said(certificate, &error))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| said(certificate, &error))?
            .with_webpki_verifier(servers)
            .with_client_auth_cert(chain, private()?)
            .map_err(|error| said(certificate, &error))?;
        Ok(Credentials { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// The handshake failed, or what came is not of this connection. An alert may be left to send.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub struct Broken(pub String);

/// One connection's encryption, between its socket and its state machine.
#[derive(Debug)]
pub struct Channel {
    connection: Connection,
}

impl Channel {
    /// The end that was connected to.
    pub fn server(credentials: &Credentials) -> Result<Channel, Broken> {
        let connection = ServerConnection::new(credentials.server.clone());
        let connection = connection.map_err(|error| Broken(error.to_string()))?;
        Ok(Channel { connection: connection.into() })
    }

    /// The end that connected, to the server with this Diameter identity: another one's certificate fails the handshake.
    pub fn client(credentials: &Credentials, identity: &str) -> Result<Channel, Broken> {
        let name = ServerName::try_from(identity.to_owned());
        let name = name.map_err(|error| Broken(error.to_string()))?;
        let connection = ClientConnection::new(credentials.client.clone(), name);
        let connection = connection.map_err(|error| Broken(error.to_string()))?;
        Ok(Channel { connection: connection.into() })
    }

    /// Octets of the socket; what they say is appended to `plain`.
    pub fn receive(&mut self, mut octets: &[u8], plain: &mut Vec<u8>) -> Result<(), Broken> {
        while !octets.is_empty() {
            let taken = self.connection.read_tls(&mut octets);
            taken.map_err(|error| Broken(error.to_string()))?;
            let state = self.connection.process_new_packets();
            let there = state.map_err(|error| Broken(error.to_string()))?.plaintext_bytes_to_read();
            if plain.len() + there > MAX_PLAIN {
                return Err(Broken("more than a message at once".into()));
            }
            let start = plain.len();
            plain.resize(start + there, 0);
            let read = self.connection.reader().read_exact(&mut plain[start..]);
            read.map_err(|error| Broken(error.to_string()))?;
        }
        Ok(())
    }

    /// Encrypts, behind what waits to be sent.
    pub fn send(&mut self, plain: &[u8], unsent: &mut Vec<u8>) -> Result<(), Broken> {
        let mut rest = plain;
        while !rest.is_empty() {
            let taken = self.connection.writer().write(rest);
            let taken = taken.map_err(|error| Broken(error.to_string()))?;
            rest = &rest[taken..];
            self.unsent(unsent)?;
            if taken == 0 {
                return Err(Broken("nothing can be sent before the handshake is over".into()));
            }
        }
        self.unsent(unsent)
    }

    /// What the handshake, an alert or the end has to send.
    pub fn unsent(&mut self, unsent: &mut Vec<u8>) -> Result<(), Broken> {
        while self.connection.wants_write() {
            self.connection.write_tls(unsent).map_err(|error| Broken(error.to_string()))?;
        }
        Ok(())
    }

    /// Whether data can be sent.
    pub fn is_open(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Says that nothing more comes.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether the other end's certificate is of this Diameter identity.
    pub fn is_of(&self, identity: &str) -> bool {
        let certificate = self.connection.peer_certificates().and_then(|chain| chain.first());
        let (Some(certificate), Ok(name)) = (certificate, ServerName::try_from(identity)) else {
            return false;
        };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
    }
}
