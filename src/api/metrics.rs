//! `GET /metrics`: figures in the text format of Prometheus (version 0.0.4). Names begin with
//! `linkops_`, units are base units, and labels have few values: never a machine, user or path.

mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ROUTES;
use super::route::Route;
use crate::error::Result;
use crate::health::Health;
use crate::health::vitals::{State, Vitals};
use crate::http::Response;
use crate::inventory::{self, Filter, Machine, Sort};
use crate::operations::Operations;
use crate::ssh::Pool;
use crate::store::Store;

use page::{Kind, Page};

/// The content type of the format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper ends of the spans in which durations are counted, in milliseconds.
const SPANS: [u64; 6] = [5, 25, 100, 500, 2_500, 10_000];

/// What has been counted since the start.
pub struct Metrics {
    /// Answers by row of the table and class of status; the last row is for what found none.
    answers: Vec<[AtomicU64; 5]>,
    /// Requests by duration; the last span has no end.
    spans: [AtomicU64; SPANS.len() + 1],
    microseconds: AtomicU64,
    /// Milliseconds since the epoch.
    started_at: i64,
}

/// Whose figures are shown.
pub struct Sources {
    /// Machines and operations.
    pub store: Arc<Store>,
    /// Runs of scripts.
    pub operations: Arc<Operations>,
    /// Connections to machines.
    pub pool: Arc<Pool>,
    /// Checks of machines.
    pub health: Arc<Health>,
    /// What LinkOps stands on.
    pub vitals: Arc<Vitals>,
}

impl Metrics {
    /// Nothing is counted yet; `started_at` is in milliseconds since the epoch.
    #[must_use]
    pub fn new(started_at: i64) -> Metrics {
        let answers = std::iter::repeat_with(Default::default).take(ROUTES.len() + 1).collect();
        Metrics { answers, spans: Default::default(), microseconds: AtomicU64::new(0), started_at }
    }

    /// Counts an answer of a row of the table, or of none.
    pub(super) fn count(&self, route: Option<&Route>, status: u16, took: Duration) {
        let row = route.and_then(|route| ROUTES.iter().position(|one| one.id == route.id));
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answers[row.unwrap_or(ROUTES.len())][class].fetch_add(1, Ordering::Relaxed);
        let within = |end: &u64| took <= Duration::from_millis(*end);
        let span = SPANS.iter().position(within).unwrap_or(SPANS.len());
        self.spans[span].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(micros, Ordering::Relaxed);
    }

    fn requests(&self, page: &mut Page) {
        page.family(
            "linkops_http_requests_total",
            Kind::Counter,
            "Answers, by call and class of status.",
        );
        for (row, classes) in self.answers.iter().enumerate() {
            let call = ROUTES.get(row).map_or("none", |route| route.id);
            for (class, count) in (1..).zip(classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    page.sample(&[("call", call), ("status", &format!("{class}xx"))], count as f64);
                }
            }
        }
        let ends = SPANS.iter().map(|millis| *millis as f64 / 1e3);
        let counts = self.spans.iter().map(|one| one.load(Ordering::Relaxed));
        let sum = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let about = "From the complete request to its answer, without streams.";
        page.histogram("linkops_http_request_duration_seconds", about, ends, counts, sum);
    }
}

/// `GET /metrics`
pub(super) fn show(metrics: &Metrics, sources: &Sources) -> Result<Response> {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.family("linkops_build_info", Kind::Gauge, "Always 1; the label is the version.");
    page.sample(&[("version", version)], 1.0);
    metrics.requests(&mut page);
    machines(&mut page, sources)?;
    work(&mut page, sources)?;
    process(&mut page, sources, metrics.started_at);
    Ok(Response::new(200).body(FORMAT, page.text().into_bytes()))
}

fn machines(page: &mut Page, sources: &Sources) -> Result<()> {
    let all = sources
        .store
        .read(|db| inventory::store::machines(db, &Filter::default(), Sort::default()))?;
    let mut groups: BTreeMap<(&str, &str, bool), u32> = BTreeMap::new();
    for Machine { kind, health, enrollment, .. } in &all {
        *groups.entry((kind.as_str(), health.status.as_str(), enrollment.enrolled)).or_default() +=
            1;
    }
    page.family("linkops_links", Kind::Gauge, "Machines of the inventory.");
    for ((kind, status, enrolled), count) in groups {
        let enrolled = if enrolled { "true" } else { "false" };
        let labels = [("type", kind), ("status", status), ("enrolled", enrolled)];
        page.sample(&labels, f64::from(count));
    }
    let (online, offline) = sources.health.figures();
    page.family(
        "linkops_health_checks_total",
        Kind::Counter,
        "Checks of machines, by what they found.",
    );
    page.sample(&[("status", "online")], online as f64);
    page.sample(&[("status", "offline")], offline as f64);
    Ok(())
}

fn work(page: &mut Page, sources: &Sources) -> Result<()> {
    let (waiting, open) = sources.operations.figures();
    page.gauge(
        "linkops_operations_waiting",
        "Operations that wait for their turn.",
        waiting as f64,
    );
    page.gauge("linkops_operations_open", "Operations that have not ended.", open as f64);
    page.family(
        "linkops_operations_finished_total",
        Kind::Counter,
        "Operations that are kept, by how they ended.",
    );
    for (status, count) in sources.operations.finished()? {
        page.sample(&[("status", &status)], count as f64);
    }
    let sessions = sources.pool.figures();
    page.family("linkops_ssh_sessions", Kind::Gauge, "Connections to machines.");
    for (use_, count) in
        [("idle", sessions.idle), ("busy", sessions.busy), ("jump", sessions.jumps)]
    {
        page.sample(&[("use", use_)], count as f64);
    }
    let synced = sources.vitals.sync.status()?.last_sync;
    let seconds = synced.map_or(0.0, |millis| millis as f64 / 1e3);
    let about = "When the last good sync ended; 0 when there was none.";
    page.gauge("linkops_git_last_sync_timestamp_seconds", about, seconds);
    Ok(())
}

/// The names of these are those of Prometheus' own client libraries.
fn process(page: &mut Page, sources: &Sources, started_at: i64) {
    page.family("linkops_component_up", Kind::Gauge, "Whether what LinkOps stands on works.");
    for one in sources.vitals.look() {
        let up = one.state != State::Down;
        page.sample(&[("component", one.name)], f64::from(u8::from(up)));
    }
    if let Some(room) = sources.vitals.room() {
        page.gauge("linkops_storage_free_bytes", "Room on the disk of the database.", room as f64);
    }
    if let Ok(file) = std::fs::metadata(&sources.vitals.database) {
        page.gauge("linkops_database_size_bytes", "The file of the database.", file.len() as f64);
    }
    page.gauge("process_start_time_seconds", "When the process started.", started_at as f64 / 1e3);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    if let Some(kib) = field("VmRSS:") {
        page.gauge("process_resident_memory_bytes", "Memory in use.", kib * 1024.0);
    }
    if let Some(threads) = field("Threads:") {
        page.gauge("process_threads", "Threads.", threads);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.gauge("process_open_fds", "Open descriptors.", open.count() as f64);
    }
}
