//! Logs as JSON lines with trace ids, metrics for Prometheus, and bugs to Sentry.

use std::sync::OnceLock;

use events::Envelope;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::Span;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogSettings;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Keeps error reporting alive; dropping it sends what is left.
pub struct Telemetry {
    _sentry: Option<sentry::ClientInitGuard>,
}

/// Starts logs, metrics and error reports for the process.
pub fn start(service: &str, settings: &LogSettings) -> Telemetry {
    let filter = filter(&settings.filter);
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    // A second start in one process, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    metrics();
    let dsn = settings.sentry_dsn.reveal();
    let mut options = sentry::ClientOptions::default();
    options.release = sentry::release_name!();
    options.server_name = Some(service.to_owned().into());
    let sentry = (!dsn.is_empty()).then(|| sentry::init((dsn, options)));
    Telemetry { _sentry: sentry }
}

/// What is logged: what the settings say, but of the broker's client only what nobody else logs. It logs messages that
/// come back whole, data included, and as an error each channel that the broker closes: for a queue that is looked for
/// and not there, that is the answer. A channel's end always reaches its user, who logs it where it is one.
pub fn filter(wanted: &str) -> EnvFilter {
    const QUIET: &str = "lapin=error,lapin::channel=off";
    EnvFilter::try_new(format!("{wanted},{QUIET}")).unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")))
}

/// The process's metrics, in the text form of Prometheus.
pub fn metrics_text() -> String {
    metrics().render()
}

fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&buckets).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Refused only where the process has a recorder already; then that one is kept.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// Keeps the histograms of the process small; to be called every few seconds.
pub fn tidy_metrics() {
    metrics().run_upkeep();
}

/// The span that a message is handled in: every line logged in it carries the trace and the message.
pub fn message_span(envelope: &Envelope) -> Span {
    let trace = envelope.trace.map(|trace| format!("{:032x}", trace.trace_id));
    tracing::info_span!(
        "message",
        trace.id = trace,
        message.id = %envelope.id,
        message.name = envelope.name,
        message.subject = envelope.subject,
    )
}

/// Reports something that must not happen.
pub fn report_bug(text: &str) {
    sentry::capture_message(text, sentry::Level::Error);
}
