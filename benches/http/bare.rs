//! The ceiling for reads: an actix-web server, without anything behind it, that answers every GET
//! with the very bytes that renraku answered. It runs in a process of its own, as renraku does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};

/// The argument that makes this program the bare server.
pub(crate) const ARGUMENT: &str = "--bare";

/// The headers that actix-web sets by itself.
const OWN_HEADERS: [&str; 4] = ["content-length", "date", "connection", "transfer-encoding"];

/// Serves the answer in the file `path` until killed.
pub(crate) fn serve(path: &str) -> std::io::Result<()> {
    let answer = std::fs::read(path)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole HTTP answer") + 4;
    let body = web::Bytes::copy_from_slice(&answer[end..]);
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()))
        .collect();
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let (headers, body) = (headers.clone(), body.clone());
            let handler = move || {
                let mut response = HttpResponse::Ok();
                for (name, value) in &headers {
                    response.insert_header((name.as_str(), value.as_str()));
                }
                std::future::ready(response.body(body.clone()))
            };
            App::new().route("/fhir/Patient/{id}", web::get().to(handler))
        })
        .bind("127.0.0.1:0")?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on http://{}", server.addrs()[0])?;
        stdout.flush()?;
        server.run().await
    })
}

/// The bare server as a child process; killed when dropped.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: String,
}

impl Bare {
    pub(crate) fn start(answer: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the path of this program"))
            .arg(ARGUMENT)
            .arg(answer)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("the address").to_owned();
        Self { child, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
