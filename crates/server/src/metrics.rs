//! Prometheus metrics: one recorder a process, whoever mounts the doors.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

use metrics::Histogram;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::limits::METRICS_UPKEEP_INTERVAL;

/// Upper bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The name of the latency histogram.
const REQUEST_SECONDS: &str = "wargate_http_request_seconds";

/// Renders what was measured.
#[derive(Clone)]
pub(crate) struct Metrics(Option<PrometheusHandle>);

static SHARED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

thread_local! {
    /// By route and status: to find a histogram by its labels costs more than what a small request needs.
    static REQUESTS: RefCell<HashMap<u16, HashMap<String, Histogram>>> = RefCell::default();
}

/// Measures a request. The route is one of the router's, never what a client sent.
pub(crate) fn note_request(route: &str, status: u16, seconds: f64) {
    REQUESTS.with_borrow_mut(|by_status| {
        let by_route = by_status.entry(status).or_default();
        if let Some(known) = by_route.get(route) {
            return known.record(seconds);
        }
        let labels = [("route", route.to_owned()), ("status", status.to_string())];
        let histogram = metrics::histogram!(REQUEST_SECONDS, &labels);
        histogram.record(seconds);
        by_route.insert(route.to_owned(), histogram);
    });
}

impl Metrics {
    /// The process's recorder, installed at the first call. An embedder that installed its own keeps it, and
    /// `/metrics` here says so.
    pub(crate) fn shared() -> Self {
        Self(SHARED.get_or_init(install).clone())
    }

    pub(crate) fn render(&self) -> Option<String> {
        self.0.as_ref().map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
    }
}

fn install() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &LATENCY_BUCKETS_SECONDS)
        .ok()?;
    match builder.install_recorder() {
        Ok(handle) => {
            keep_up(handle.clone());
            Some(handle)
        }
        Err(error) => {
            tracing::info!(%error, "another metrics recorder is installed; /metrics is left to it");
            None
        }
    }
}

/// Folds samples into their buckets now and then: without it they gather until somebody scrapes.
fn keep_up(handle: PrometheusHandle) {
    let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(METRICS_UPKEEP_INTERVAL);
            handle.run_upkeep();
        }
    });
    if let Err(error) = thread {
        tracing::warn!(%error, "couldn't start the upkeep of metrics");
    }
}
