// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TLS (case 4): both ends show a certificate, and its name is the Diameter identity.

mod common;

use aaad::config::TlsConfig;
use aaad::server::Server;
use aaad::store::Opening;
use common::{Running, address, config, result_code};
use diameter::base;
use diameter::nasreq::{AaRequest, Identity, Origin};
use diameter::tls::{Channel, Credentials};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { directory, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Certificate and key of a Diameter identity.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (pem, own_key) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        std::fs::write(&pem, certificate.pem()).unwrap();
        std::fs::write(&own_key, key.serialize_pem()).unwrap();
        (pem, own_key)
    }

    fn credentials(&self, name: &str, ca: &Path) -> Credentials {
        let (certificate, key) = self.issue(name);
        Credentials::load(&certificate, &key, ca).unwrap()
    }

    /// An aaad with this certificate.
    fn server(&self, name: &str) -> Running {
        let mut config = config("accept: realm\nstore: memory");
        let (certificate, key) = self.issue(name);
        let listen = std::mem::take(&mut config.listen);
        config.tls = Some(TlsConfig { listen, certificate, key, ca: self.file("ca.pem") });
        Running::of(Server::bind(config, Opening::AsItIs).unwrap())
    }
}

struct Client {
    stream: TcpStream,
    channel: Channel,
    plain: Vec<u8>,
}

impl Client {
    fn connect(server: SocketAddr, credentials: &Credentials, name: &str) -> Client {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let channel = Channel::client(credentials, name).unwrap();
        Client { stream, channel, plain: Vec::new() }
    }

    /// Sends a request; its answer, or why there is none.
    fn ask(&mut self, octets: &[u8]) -> Result<Vec<u8>, String> {
        let mut unsent = Vec::new();
        self.channel.send(octets, &mut unsent).map_err(|error| error.to_string())?;
        let mut buffer = [0; 4096];
        loop {
            let _ = self.stream.write_all(&std::mem::take(&mut unsent));
            if let Some(head) = self.plain.first_chunk::<4>() {
                let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
                if self.plain.len() >= length {
                    return Ok(self.plain.drain(..length).collect());
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("closed".into()),
                Err(error) => return Err(error.to_string()),
                Ok(n) => {
                    let received = self.channel.receive(&buffer[..n], &mut self.plain);
                    received.map_err(|error| error.to_string())?;
                    self.channel.unsent(&mut unsent).unwrap();
                }
            }
        }
    }
}

fn origin(host: &str) -> Origin {
    let identity = Identity { host: host.into(), realm: "example.org".into() };
    Origin { identity, state_id: 7 }
}

fn cer(host: &str) -> Vec<u8> {
    base::cer(&origin(host), "::1".parse().unwrap(), (1, 1))
}

const AAA: &str = "aaa.example.org";
const MAAR: &str = "amaar1.example.org";

#[test]
fn with_certificates_of_both_names_requests_flow() {
    let authority = Authority::new();
    let server = authority.server(AAA);
    let credentials = authority.credentials(MAAR, &authority.file("ca.pem"));
    let mut client = Client::connect(server.address, &credentials, AAA);
    assert_eq!(result_code(&client.ask(&cer(MAAR)).unwrap()), 2001);
    for n in 0..200 {
        let request = AaRequest {
            session_id: format!("{MAAR};1;{n};usera"),
            destination_realm: "example.org".into(),
            user_name: "usera@example.org".into(),
            calling_station_id: None,
            maar: address(0xa1),
            attach_time: None,
        };
        let answer = client.ask(&request.encode(&origin(MAAR), (n, n))).unwrap();
        assert_eq!(result_code(&answer), 2001);
    }
    server.stop();
}

#[test]
fn a_certificate_of_another_name_than_origin_host_is_refused() {
    let authority = Authority::new();
    let server = authority.server(AAA);
    let credentials = authority.credentials("amaar2.example.org", &authority.file("ca.pem"));
    let mut client = Client::connect(server.address, &credentials, AAA);
    assert_eq!(result_code(&client.ask(&cer(MAAR)).unwrap()), 3010);
}

#[test]
fn a_client_without_a_certificate_of_the_authority_has_no_handshake() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.server(AAA);
    let credentials = stranger.credentials(MAAR, &authority.file("ca.pem"));
    let mut client = Client::connect(server.address, &credentials, AAA);
    assert!(client.ask(&cer(MAAR)).is_err());
}

#[test]
fn a_server_with_a_certificate_of_another_name_is_not_spoken_to() {
    let authority = Authority::new();
    let server = authority.server("bbb.example.org");
    let credentials = authority.credentials(MAAR, &authority.file("ca.pem"));
    let mut client = Client::connect(server.address, &credentials, AAA);
    let said = client.ask(&cer(MAAR)).unwrap_err();
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_plain_cer_to_the_tls_port_is_closed_and_the_others_are_served() {
    let authority = Authority::new();
    let server = authority.server(AAA);
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    plain.write_all(&cer(MAAR)).unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).unwrap();
    assert!(said.len() < 20, "an alert at most: {said:?}");
    let credentials = authority.credentials(MAAR, &authority.file("ca.pem"));
    let mut client = Client::connect(server.address, &credentials, AAA);
    assert_eq!(result_code(&client.ask(&cer(MAAR)).unwrap()), 2001);
}

#[test]
fn files_that_hold_no_certificate_are_named_at_the_start() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(AAA);
    let said = Credentials::load(&key, &key, &certificate).unwrap_err().to_string();
    assert!(said.contains("aaa.example.org.key: holds no certificate"), "{said}");
    let said = Credentials::load(&certificate, &authority.file("none"), &certificate);
    assert!(said.unwrap_err().to_string().contains("none: "));
}
