//! The requests that the gateway sends to notifications.

use notifications_events::{
    ChangePreferences, GetPreferences, ListNotifications, MarkRead, Notice, NotificationPage, Preference,
    PreferencesView,
};
use skeleton::{
    HandlerResult, Postgres, Problem, Publish, ReadContext, RequestHandlers,
    paging::{PageRequest, malformed_cursor},
    store::postgres::Tx,
};

use crate::{
    domain::{Channels, Kind, Preferences},
    jobs::digest::{choose_digest, get_digest},
    store::{self, Listed},
};

/// The page size if the caller does not name one.
const USUAL_PAGE: u32 = 20;

/// The requests that this service handles.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new()
        .read(list_notifications)
        .write(mark_read)
        .read(get_preferences)
        .write(change_preferences)
        .read(get_digest)
        .write(choose_digest)
}

/// Handles `list-notifications`: a page of an account's feed, newest first.
async fn list_notifications(asked: ListNotifications, store: ReadContext<Postgres>) -> HandlerResult<NotificationPage> {
    let request = PageRequest::parse(asked.cursor.as_deref(), asked.limit, USUAL_PAGE)?;
    if let Some(after) = request.after
        && !store::has(&store, asked.account_id, after).await?
    {
        return Err(malformed_cursor().into());
    }
    let found = store::list(&store, asked.account_id, request.after, request.fetch()).await?;
    let (listed, next_cursor) = request.page(found, |last| last.notification.id);
    let unread = store::count_unread(&store, asked.account_id).await?;
    Ok(NotificationPage { items: listed.into_iter().map(Notice::from).collect(), unread, next_cursor })
}

/// Handles `mark-read`: marks a notification as read. It cannot become unread again.
async fn mark_read(asked: MarkRead, tx: &mut Tx) -> HandlerResult<()> {
    let now = tx.now();
    let is_there = store::mark_read(tx, asked.account_id, asked.notification_id, now).await?;
    is_there.then_some(()).ok_or_else(|| Problem::not_found("notification").into())
}

/// Handles `get-preferences`: the channels of every kind.
async fn get_preferences(asked: GetPreferences, store: ReadContext<Postgres>) -> HandlerResult<PreferencesView> {
    Ok(store::find_preferences(&store, asked.account_id).await?.into())
}

/// Handles `change-preferences`: sets the channels of the given kinds, and keeps the others.
async fn change_preferences(asked: ChangePreferences, tx: &mut Tx) -> HandlerResult<PreferencesView> {
    for Preference { kind, in_app, email } in asked.items {
        store::put_preference(tx, asked.account_id, kind.into(), Channels { in_app, email }).await?;
    }
    Ok(store::preferences_of(tx, asked.account_id).await?.into())
}

impl From<Preferences> for PreferencesView {
    fn from(preferences: Preferences) -> Self {
        let items = Kind::ALL.into_iter().map(|kind| {
            let Channels { in_app, email } = preferences.channels_of(kind);
            Preference { kind: kind.into(), in_app, email }
        });
        Self { items: items.collect() }
    }
}

impl From<Listed> for Notice {
    fn from(Listed { notification, read }: Listed) -> Self {
        Self {
            notification_id: notification.id,
            kind: notification.kind.into(),
            title: notification.title,
            body: notification.body,
            read,
            created_at: notification.created_at,
        }
    }
}
