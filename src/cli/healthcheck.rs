//! `renraku healthcheck`: HTTP/1.1 on one socket, in TLS or plain, so that a container needs no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

use super::config::Settings;
use super::{Failure, answer};

const LIMIT: Duration = Duration::from_secs(3);

/// Ask a running server whether it is well: exit code 0 when it is, 1 with the reason when not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku healthcheck                                    the address of --listen, renraku.toml or RENRAKU_LISTEN
  renraku healthcheck --url http://127.0.0.1:8080/health")]
pub(super) struct Arguments {
    /// What to ask; over https whatever certificate is shown is taken [default: http(s)://LISTEN/health]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let url = match arguments.url {
        Some(url) => url,
        None => {
            let http = arguments.settings.resolve()?.http;
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}/health", reachable(http.listen))
        }
    };
    match status(&url) {
        Ok(200) => {
            answer("ok");
            Ok(ExitCode::SUCCESS)
        }
        Ok(status) => Err(Failure::new(1, format!("{url} answered {status} instead of 200"))),
        Err(why) => Err(Failure::new(1, format!("{url}: {why}"))),
    }
}

/// Who listens on all addresses is asked on the loopback one.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// The status that `GET url` is answered with.
fn status(url: &str) -> Result<u16, String> {
    let (rest, is_tls) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Err("only http:// and https:// URLs can be asked".to_owned()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { authority.to_owned() } else { format!("{authority}:{}", if is_tls { 443 } else { 80 }) };
    let address = target
        .to_socket_addrs()
        .map_err(|error| error.to_string())?
        .next()
        .ok_or_else(|| format!("{authority} has no address"))?;
    let started = Instant::now();
    let socket = TcpStream::connect_timeout(&address, LIMIT).map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.set_write_timeout(Some(LIMIT)).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(LIMIT)).map_err(|error| error.to_string())?;
    let mut stream: Box<dyn ReadWrite> = if is_tls {
        // It is asked whether it lives, not who it is.
        let mut connector = SslConnector::builder(SslMethod::tls_client()).map_err(|error| error.to_string())?;
        connector.set_verify(SslVerifyMode::NONE);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let connection = socket.try_clone().map_err(|error| error.to_string())?;
        Box::new(connector.build().connect(host, connection).map_err(|error| error.to_string())?)
    } else {
        Box::new(socket.try_clone().map_err(|error| error.to_string())?)
    };
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    let mut part = [0; 256];
    while !head.contains(&b'\n') && head.len() < 1024 {
        let left = LIMIT.checked_sub(started.elapsed()).filter(|left| !left.is_zero());
        let left = left.ok_or("no answer within 3 s")?;
        socket.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return Err("no answer within 3 s".to_owned());
            }
            // Whoever asks for a certificate is alive.
            Err(error) if error.to_string().contains("certificate required") => return Ok(200),
            Err(error) => return Err(error.to_string()),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split_ascii_whitespace().nth(1));
    status.and_then(|status| status.parse().ok()).ok_or_else(|| "what answered does not speak HTTP".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80".parse().unwrap()).to_string(), "10.0.0.1:80");
    }
}
