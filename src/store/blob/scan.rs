//! Asks clamd, the ClamAV daemon, about content before it is kept (its INSTREAM command).
//!
//! Whoever sets a scanner wants nothing unscanned: when it does not answer, nothing is kept.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::BlobError;

/// How long the scanner may take for one step: an answer comes when all is read.
const PATIENCE: Duration = Duration::from_secs(120);
const TO_CONNECT: Duration = Duration::from_secs(5);
/// Content sent at once.
const CHUNK: usize = 64 << 10;
/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 4096;

/// Where a clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanner {
    /// `tcp://127.0.0.1:3310`
    Tcp(String),
    /// `unix:///run/clamav/clamd.ctl`
    Unix(PathBuf),
}

impl Scanner {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says which forms are right.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{url:?} is not the address of a clamd; use tcp://127.0.0.1:3310 or unix:///run/clamav/clamd.ctl")
        };
        if let Some(address) = url.strip_prefix("tcp://") {
            let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            return match port.and_then(|port| port.parse::<u16>().ok()) {
                Some(_) => Ok(Self::Tcp(address.to_owned())),
                None => Err(wrong()),
            };
        }
        match url.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            _ => Err(wrong()),
        }
    }

    /// Sends the content; an error when something was found, or when there is no clear answer.
    pub(super) fn scan(&self, content: &mut impl Read) -> Result<(), BlobError> {
        let answer = match self {
            Self::Tcp(address) => {
                let away = |why: &dyn fmt::Display| BlobError::ScannerAway(format!("{self}: {why}"));
                let resolved = address.to_socket_addrs().map_err(|error| away(&error))?.next();
                let resolved = resolved.ok_or_else(|| away(&"no such host"))?;
                let stream = TcpStream::connect_timeout(&resolved, TO_CONNECT).map_err(|error| away(&error))?;
                let timeouts =
                    stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
                timeouts.map_err(|error| away(&error))?;
                self.exchange(stream, content)?
            }
            Self::Unix(path) => {
                let away = |error: std::io::Error| BlobError::ScannerAway(format!("{self}: {error}"));
                let stream = UnixStream::connect(path).map_err(away)?;
                let timeouts =
                    stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
                timeouts.map_err(away)?;
                self.exchange(stream, content)?
            }
        };
        verdict(&answer).unwrap_or_else(|| Err(BlobError::ScannerAway(format!("{self} answered {answer:?}"))))
    }

    /// `zINSTREAM`, chunks with their lengths, an empty one; then one line.
    fn exchange(&self, mut stream: impl Read + Write, content: &mut impl Read) -> Result<String, BlobError> {
        let away = |error: std::io::Error| BlobError::ScannerAway(format!("{self}: {error}"));
        let mut buffer = vec![0; CHUNK];
        let mut sent = stream.write_all(b"zINSTREAM\0");
        while sent.is_ok() {
            let count = content.read(&mut buffer)?;
            let length = u32::try_from(count).unwrap_or(0).to_be_bytes();
            sent = stream.write_all(&length).and_then(|()| stream.write_all(buffer.get(..count).unwrap_or_default()));
            if count == 0 {
                break;
            }
        }
        let mut answer = Vec::new();
        // Who has read enough answers and closes; what it said counts more than that it did.
        let read = stream.take(LONGEST_ANSWER).read_to_end(&mut answer);
        if answer.is_empty() {
            sent.and(read.map(|_| ())).map_err(away)?;
            return Err(away(ErrorKind::UnexpectedEof.into()));
        }
        Ok(String::from_utf8_lossy(&answer).trim_end_matches(['\0', '\n']).to_owned())
    }
}

/// What `stream: OK` and `stream: Eicar-Signature FOUND` say.
fn verdict(answer: &str) -> Option<Result<(), BlobError>> {
    let said = answer.strip_prefix("stream: ")?;
    if said == "OK" {
        return Some(Ok(()));
    }
    said.strip_suffix(" FOUND").map(|name| Err(BlobError::Infected(name.to_owned())))
}

impl fmt::Display for Scanner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
        }
    }
}
