//! Tests of the envelope.

#![allow(clippy::unwrap_used)]

mod refused;

use std::collections::BTreeMap;

use super::*;

fn envelope() -> Envelope {
    Envelope {
        id: Uuid::from_u128(7),
        name: "contacts.contact-added.v1".to_owned(),
        source: "/contacts".to_owned(),
        time: "2026-11-01T09:30:00.000001Z".parse().unwrap(),
        subject: Some("s".to_owned()),
        sequence: Some(3),
        trace: Some(TraceParent { trace_id: 1, span_id: 2, sampled: true }),
        correlation_id: Some(Uuid::from_u128(8)),
        causation_id: None,
        actor: None,
        deadline: None,
    }
}

#[test]
fn headers_carry_the_whole_envelope() {
    let headers = envelope().to_headers();

    let read = Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));

    assert_eq!(read, Ok(envelope()));
    assert_eq!(headers["cloudEvents:traceparent"], "00-00000000000000000000000000000001-0000000000000002-01");
}

#[test]
fn a_traceparent_that_is_not_in_its_form_is_refused() {
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let zeros = "0".repeat(32);
    let wrong = [
        String::new(),
        format!("00-{trace}-{span}"),
        format!("ff-{trace}-{span}-01"),
        format!("00-{zeros}-{span}-01"),
        format!("00-{trace}-{}-01", &zeros[..16]),
        format!("00-+{}-{span}-01", &trace[1..]),
        format!("00-{}-{span}-01", trace.to_uppercase()),
        format!("xx-{trace}-{span}-01"),
        format!("00-{trace}-{span}-01-more"),
    ];

    let read: Vec<_> = wrong.iter().filter(|text| text.parse::<TraceParent>().is_ok()).collect();

    assert!(read.is_empty(), "{read:?}");
    assert!(format!("00-{trace}-{span}-01").parse::<TraceParent>().is_ok());
}

#[test]
fn a_time_in_milliseconds_is_read_as_well() {
    let mut headers = envelope().to_headers();
    headers.insert("cloudEvents:time".to_owned(), "1793525400000".to_owned());

    let read = Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));

    assert_eq!(read.unwrap().time.to_rfc3339(), "2026-11-01T09:30:00+00:00");
}

#[test]
fn an_id_that_is_not_a_uuid_gives_the_same_uuid_each_time_and_another_for_another_source() {
    let read = |id: &str, source: &str| {
        let mut headers = envelope().to_headers();
        headers.insert("cloudEvents:id".to_owned(), id.to_owned());
        headers.insert("cloudEvents:source".to_owned(), source.to_owned());
        Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .map(|envelope| envelope.id)
    };

    assert_eq!(read("A234-1234-1234", "/shop"), read("A234-1234-1234", "/shop"));
    assert_ne!(read("A234-1234-1234", "/shop"), read("A234-1234-1234", "/office"));
    assert_ne!(read("A234-1234-1234", "/shop"), read("A234-1234-1235", "/shop"));
    assert_eq!(read("", "/shop"), Err(EnvelopeError::Malformed("id", "text that is not empty")));
}
