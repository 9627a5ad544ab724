//! How far an import or a validation is, for who watches: a bar on a terminal, a line every 5 s otherwise.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tell;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is counted; shared by all who count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Bytes of input taken.
    pub(super) bytes: AtomicU64,
    /// Resources that are stored.
    pub(super) resources: AtomicU64,
    /// Resources that were refused.
    pub(super) refused: AtomicU64,
}

/// Shows the counters until it is dropped.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    stop: Option<Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show; `total` is the number of bytes, where it is known.
    pub(super) fn start(counters: Arc<Counters>, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        let (stop, stopped) = channel();
        let own_bar = bar.clone();
        let ticker = std::thread::spawn(move || {
            let every = if own_bar.is_some() { BAR_EVERY } else { LINE_EVERY };
            let started = Instant::now();
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                show(&counters, total, own_bar.as_ref(), started.elapsed());
            }
        });
        Self { bar, stop: Some(stop), ticker: Some(ticker) }
    }

    /// Does something that writes to the terminal without tearing the bar.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// A line on standard error that does not tear the bar.
    pub(super) fn say(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{wide_bar} {bytes}/{total_bytes}, {msg}, {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}, {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn show(counters: &Counters, total: Option<u64>, bar: Option<&ProgressBar>, elapsed: Duration) {
    let bytes = counters.bytes.load(Ordering::Relaxed);
    let resources = counters.resources.load(Ordering::Relaxed);
    let rate = resources as f64 / elapsed.as_secs_f64().max(1e-3);
    match bar {
        Some(bar) => {
            bar.set_position(bytes);
            bar.set_message(format!("{resources} resources, {rate:.0}/s"));
        }
        None => {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let of = total.map_or_else(String::new, |total| {
                let left = elapsed.as_secs_f64() * (total.saturating_sub(bytes)) as f64 / bytes.max(1) as f64;
                format!(" of {:.1}, about {left:.0} s left", mib(total))
            });
            tell(format_args!("{resources} resources, {rate:.0}/s, {:.1} MiB{of}", mib(bytes)));
        }
    }
}
