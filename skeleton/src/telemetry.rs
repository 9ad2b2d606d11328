//! Logs as JSON lines with trace ids, metrics for Prometheus, and bug reports to Sentry.

use std::sync::OnceLock;

use events::{Envelope, TraceParent};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{Span, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::config::LogSettings;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Keeps error reporting alive; dropping it sends pending reports.
pub struct Telemetry {
    _sentry: Option<sentry::ClientInitGuard>,
}

/// Starts logs, metrics and error reports for the process.
pub fn start(service: &str, settings: &LogSettings) -> Telemetry {
    let filter = filter(&settings.filter);
    // A second start in one process, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines(std::io::stdout)).try_init();
    metrics();
    let dsn = settings.sentry_dsn.reveal();
    let mut options = sentry::ClientOptions::default();
    options.release = sentry::release_name!();
    options.server_name = Some(service.to_owned().into());
    let sentry = (!dsn.is_empty()).then(|| sentry::init((dsn, options)));
    Telemetry { _sentry: sentry }
}

/// The log filter: the settings' filter, without the broker's client. It logs returned messages with their data, and as
/// errors: each channel that the broker closes, even if that only means that a queue does not exist, and each failed
/// attempt to connect, without the cause. Its callers get every error, and log it if it is one. So do those of the pool of
/// connections to Postgres.
pub fn filter(wanted: &str) -> EnvFilter {
    const QUIET: &str = "lapin=off,deadpool.postgres=off";
    EnvFilter::try_new(format!("{wanted},{QUIET}")).unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")))
}

/// Log lines as JSON, each with its span.
pub(crate) fn lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
    lines.with_current_span(true).with_span_list(false).with_writer(writer)
}

/// The process's metrics, in the text format of Prometheus.
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
        // Fails only if the process already has a recorder; that one is kept.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// Runs the upkeep of the process's histograms; call it every few seconds.
pub fn tidy_metrics() {
    metrics().run_upkeep();
}

/// The span in which a message is handled: every line logged in it carries the trace and the message.
pub fn message_span(envelope: &Envelope) -> Span {
    // At the highest level: a filter that passes an error must not remove its trace.
    tracing::error_span!(
        "message",
        trace_id = envelope.trace.map(|trace| trace.trace_id_text()),
        message.id = %envelope.id,
        message.name = envelope.name,
        message.subject = envelope.subject,
    )
}

/// The span of a received message; none if its envelope cannot be read.
pub(crate) fn received_span<E>(envelope: &Result<Envelope, E>) -> Span {
    envelope.as_ref().map_or_else(|_| Span::none(), message_span)
}

/// The span in which an HTTP request is handled: every line logged in it carries the trace.
pub(crate) fn request_span(trace: TraceParent) -> Span {
    tracing::error_span!("request", trace_id = trace.trace_id_text())
}

/// Reports a state that must not occur.
pub fn report_bug(text: &str) {
    report_bug_in(text, None);
}

/// The same with the trace it belongs to, as the tag `trace_id`.
pub(crate) fn report_bug_in(text: &str, trace: Option<TraceParent>) {
    let tagged = |scope: &mut sentry::Scope| {
        if let Some(trace) = trace {
            scope.set_tag("trace_id", trace.trace_id_text());
        }
    };
    sentry::with_scope(tagged, || sentry::capture_message(text, sentry::Level::Error));
}

/// The name of a message as a label of metrics, which keep each label forever: a sender may have made up an unknown one.
pub(crate) fn label(name: &str, is_known: bool) -> &str {
    if is_known { name } else { "(unknown)" }
}
