//! A load client that costs little: one thread and one kept-alive connection each, blocking sockets,
//! requests as ready bytes, and of an answer only the status and the length are read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What came of a load.
pub(crate) struct Report {
    /// Requests answered with 2xx.
    pub(crate) answered: usize,
    /// Requests answered otherwise.
    pub(crate) failed: usize,
    /// The first answer that was not 2xx.
    pub(crate) first_failure: Option<String>,
    /// Wall-clock seconds from the first request to the last answer.
    pub(crate) seconds: f64,
    /// Sorted, in nanoseconds.
    latencies: Vec<u64>,
}

impl Report {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }

    /// A quantile of the latencies in milliseconds.
    pub(crate) fn quantile(&self, fraction: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * fraction).round() as usize;
        self.latencies.get(index).map_or(f64::NAN, |nanoseconds| *nanoseconds as f64 / 1e6)
    }
}

/// How long a load lasts.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    /// Each connection sends this many requests.
    Sent(usize),
}

/// Sends requests over `connections` connections, each as soon as the answer before is there.
/// `request(connection, number, buffer)` appends the bytes of one request to the empty buffer.
pub(crate) fn run(
    address: &str,
    connections: usize,
    until: Until,
    request: impl Fn(usize, usize, &mut Vec<u8>) + Sync,
) -> Report {
    let started = Instant::now();
    let parts: Vec<Report> = std::thread::scope(|scope| {
        let request = &request;
        let threads: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || one_connection(address, connection, until, request)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a load thread")).collect()
    });
    let mut total = Report {
        answered: 0,
        failed: 0,
        first_failure: None,
        seconds: started.elapsed().as_secs_f64(),
        latencies: vec![],
    };
    for part in parts {
        total.answered += part.answered;
        total.failed += part.failed;
        total.first_failure = total.first_failure.or(part.first_failure);
        total.latencies.extend(part.latencies);
    }
    total.latencies.sort_unstable();
    total
}

fn one_connection(
    address: &str,
    connection: usize,
    until: Until,
    request: &(impl Fn(usize, usize, &mut Vec<u8>) + Sync),
) -> Report {
    let mut stream = connect(address);
    let mut report =
        Report { answered: 0, failed: 0, first_failure: None, seconds: 0.0, latencies: Vec::with_capacity(1 << 16) };
    let (mut outgoing, mut incoming) = (Vec::with_capacity(8192), vec![0; 1 << 16]);
    let started = Instant::now();
    for number in 0.. {
        match until {
            Until::Elapsed(limit) if started.elapsed() >= limit => break,
            Until::Sent(limit) if number >= limit => break,
            _ => {}
        }
        outgoing.clear();
        request(connection, number, &mut outgoing);
        let sent = Instant::now();
        stream.write_all(&outgoing).expect("the server takes the request");
        let (status, length) = read_answer(&mut stream, &mut incoming);
        report.latencies.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if (200..300).contains(&status) {
            report.answered += 1;
        } else {
            report.failed += 1;
            report.first_failure.get_or_insert_with(|| String::from_utf8_lossy(&incoming[..length]).into_owned());
        }
    }
    report
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// One request on a connection of its own; the status and the raw answer.
pub(crate) fn once(address: &str, request: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = connect(address);
    stream.write_all(request).expect("the server takes the request");
    let mut buffer = vec![0; 1 << 16];
    let (status, length) = read_answer(&mut stream, &mut buffer);
    buffer.truncate(length);
    (status, buffer)
}

/// Reads exactly one answer into `buffer`, which grows as needed: its status and its length.
fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> (u16, usize) {
    let mut filled = 0;
    let mut expected = None;
    loop {
        if let Some(length) = expected
            && filled >= length
        {
            assert_eq!(filled, length, "one answer for one request");
            return (status(buffer), length);
        }
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        let searched = filled.saturating_sub(3);
        filled += read;
        if expected.is_none()
            && let Some(end) = buffer[searched..filled].windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = searched + end + 4;
            expected = Some(head + content_length(&buffer[..head]));
        }
    }
}

fn status(answer: &[u8]) -> u16 {
    std::str::from_utf8(&answer[9..12]).ok().and_then(|text| text.parse().ok()).expect("an HTTP status")
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME));
    let Some(line) = line else {
        // 204 and 304 have no body; anything else without a length would be chunked.
        assert!(
            matches!(status(head), 204 | 304),
            "an answer without Content-Length: {}",
            String::from_utf8_lossy(head)
        );
        return 0;
    };
    std::str::from_utf8(&line[NAME.len()..]).ok().and_then(|text| text.trim().parse().ok()).expect("a length")
}
