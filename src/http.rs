//! HTTP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::engine::Engine;

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct HttpSettings {
    pub listen: SocketAddr,
    pub base_url: Option<String>,
    pub max_body: usize,
    pub workers: usize,
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            base_url: None,
            max_body: 50 << 20,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            trusted_proxies: Vec::new(),
        }
    }
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When it cannot listen.
#[allow(clippy::needless_pass_by_value)]
pub fn serve(_engine: Engine, settings: HttpSettings, ready: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    let listener = TcpListener::bind(settings.listen)?;
    ready(listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    }
    Ok(())
}
