//! Personal data is masked.

use events::{MASK, masked};
use serde_json::json;

#[test]
fn what_is_marked_or_unknown_is_masked_and_the_rest_is_shown() {
    events::catalogue::register(&contacts_events::PACKAGE);
    let data = json!({
        "contact_id": "c", "name": {"full": "Zoë", "Zoë": 1}, "emails": ["zoe@example.org"], "Zoë": "Zoë",
        "added_at": "2026-11-01T09:30:00Z"
    });

    assert_eq!(
        masked("contacts.contact-added.v2", &data),
        json!({
            "contact_id": "c", "name": {"full": MASK, MASK: MASK}, "emails": [MASK], MASK: MASK,
            "added_at": "2026-11-01T09:30:00Z"
        })
    );
    assert_eq!(masked("contacts.contact-added.v2", &json!({"name": "Zoë"})), json!({"name": MASK}));
    assert_eq!(masked("shop.sold.v1", &json!({"to": "Zoë", "count": 3})), json!({MASK: MASK}));
}
