//! Attributes that are not accepted.

use super::{envelope, *};

#[test]
fn a_subject_that_no_index_takes_is_not_read() {
    let mut headers = envelope().to_headers();
    let read = |headers: &BTreeMap<String, String>| {
        Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };

    headers.insert("cloudEvents:subject".to_owned(), "s".repeat(MAX_SUBJECT));
    assert_eq!(read(&headers).unwrap().subject.unwrap().len(), MAX_SUBJECT);
    headers.insert("cloudEvents:subject".to_owned(), "s".repeat(MAX_SUBJECT + 1));
    assert_eq!(read(&headers), Err(EnvelopeError::Malformed("subject", "at most 1024 bytes")));
}

#[test]
fn a_missing_or_malformed_attribute_is_named() {
    let mut headers = envelope().to_headers();
    headers.insert("cloudEvents:sequence".to_owned(), "three".to_owned());
    let read = |headers: &BTreeMap<String, String>| {
        Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };

    for sequence in ["three", "0", "-1", "1.5", "1099511627777", "9223372036854775807"] {
        headers.insert("cloudEvents:sequence".to_owned(), sequence.to_owned());
        let form = "a whole number from 1 to 1099511627776";
        assert_eq!(read(&headers), Err(EnvelopeError::Malformed("sequence", form)), "{sequence}");
    }
    headers.remove("cloudEvents:id");
    assert_eq!(read(&headers), Err(EnvelopeError::Missing("id")));
}

#[test]
fn text_that_no_store_can_keep_or_index_is_refused_with_its_attribute() {
    let (long, subject) = (MAX_ATTRIBUTE, EnvelopeError::Malformed("subject", "at most 1024 bytes"));
    let limits = [("id", long), ("type", long), ("source", long), ("subject", MAX_SUBJECT)];
    for (name, most) in limits {
        let too_long = if name == "subject" { subject.clone() } else { EnvelopeError::TooLong(name) };
        let with = |value: String| {
            let mut headers = envelope().to_headers();
            headers.insert(format!("cloudEvents:{name}"), value);
            Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        };

        assert_eq!(with("x".repeat(most + 1)), Err(too_long));
        let malformed = EnvelopeError::Malformed(name, "text without control characters");
        assert_eq!(with("a\0b".to_owned()), Err(malformed));
        assert!(with("x".repeat(most)).is_ok());
    }
}
