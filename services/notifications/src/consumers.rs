//! The events of other services that notify members, or that provide data for notifications.

use accounts_events::{Erased, SignedIn};
use contacts_events::{ImportFailed, ImportFinished};
use notifications_events::{AccountDataErased, DeliveredChannel, SendMail};
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::postgres::Tx};
use uuid::Uuid;

use crate::{
    domain::News,
    events::delivered,
    excerpts::{ChangedContact, ChangedMember, LinkedContact, NewContact, NewMember, RemovedContact},
    store::{self, ContactName, Recipient},
};

/// The events that this service subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on_latest(on_registered)
        .on_latest(on_profile_changed)
        .on(on_erased)
        .on(on_signed_in)
        .on_latest(on_contact_added)
        .on_latest(on_contact_changed)
        .on_latest(on_contact_removed)
        .on(on_import_finished)
        .on(on_import_failed)
        .on(on_identity_linked)
}

/// Stores a new member's address, so that the member can be notified.
async fn on_registered(NewMember(member): NewMember, tx: &mut Tx) -> HandlerResult {
    Ok(store::put_recipient(tx, member.account_id, &member.email).await?)
}

/// Stores the newest address.
async fn on_profile_changed(ChangedMember(member): ChangedMember, tx: &mut Tx) -> HandlerResult {
    Ok(store::put_recipient(tx, member.account_id, &member.email).await?)
}

/// Deletes everything of an erased account but its id, by which late events are recognised and dropped.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let removed = store::erase(tx, erased.account_id).await?;
    tx.forget_replies_to(erased.account_id).await?;
    let erased_at = tx.now();
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at, removed })
}

/// Notifies about a sign-in from a new device, which may not be the owner's.
async fn on_signed_in(signed_in: SignedIn, tx: &mut Tx) -> HandlerResult {
    if !signed_in.new_device {
        return Ok(());
    }
    let news = News::NewDevice { session: signed_in.session_id, device: signed_in.device, at: signed_in.signed_in_at };
    tell(tx, signed_in.account_id, news).await
}

/// Stores the contact's name for later notifications.
async fn on_contact_added(NewContact(contact): NewContact, tx: &mut Tx) -> HandlerResult {
    Ok(store::put_contact_name(tx, contact.contact_id, contact.owner_id, Some(&contact.name.full)).await?)
}

/// Stores the contact's new name.
async fn on_contact_changed(ChangedContact(contact): ChangedContact, tx: &mut Tx) -> HandlerResult {
    Ok(store::put_contact_name(tx, contact.contact_id, contact.owner_id, Some(&contact.name.full)).await?)
}

/// Forgets the contact's name.
async fn on_contact_removed(removed: RemovedContact, tx: &mut Tx) -> HandlerResult {
    Ok(store::put_contact_name(tx, removed.contact_id, removed.owner_id, None).await?)
}

/// Notifies the owner of the import's result.
async fn on_import_finished(finished: ImportFinished, tx: &mut Tx) -> HandlerResult {
    let news = News::ImportFinished {
        import: finished.import_id,
        file: finished.file_name,
        added: finished.added,
        changed: finished.changed,
        unchanged: finished.unchanged,
        failed: finished.failed,
    };
    tell(tx, finished.account_id, news).await
}

/// Notifies the owner of the reason why the file could not be imported.
async fn on_import_failed(failed: ImportFailed, tx: &mut Tx) -> HandlerResult {
    let news = News::ImportFailed { import: failed.import_id, file: failed.file_name, reason: failed.reason };
    tell(tx, failed.account_id, news).await
}

/// Notifies the owner that a contact has just joined.
async fn on_identity_linked(linked: LinkedContact, tx: &mut Tx) -> HandlerResult {
    if !linked.joined {
        return Ok(());
    }
    match store::contact_name(tx, linked.contact_id, linked.owner_id).await? {
        ContactName::Known(name) => {
            tell(tx, linked.owner_id, News::ContactJoined { contact: linked.contact_id, name }).await
        }
        ContactName::Removed => Ok(()),
        // The contact comes from another service than the link, so its event may still be on its way.
        ContactName::Unknown => Err(Failure::retry("the contact is not known yet")),
    }
}

/// Notifies an account through the channels it has chosen, once per import, contact or session.
async fn tell(tx: &mut Tx, account: Uuid, news: News) -> HandlerResult {
    match store::recipient(tx, account).await? {
        Recipient::Member(_) => {}
        Recipient::Erased => return Ok(()),
        // The event comes from another service than the member, so the member's event may still be on its way.
        Recipient::Unknown => return Err(Failure::retry("the recipient is not known yet")),
    }
    let channels = store::preferences_of(tx, account).await?.channels_of(news.kind());
    let notification = news.told_to(account, tx.new_id(), tx.now());
    if !(channels.in_app || channels.email) || !store::insert(tx, &notification, news.about(), channels.in_app).await? {
        return Ok(());
    }
    if channels.in_app {
        tx.publish(delivered(&notification, DeliveredChannel::InApp, notification.created_at))?;
    }
    if channels.email {
        tx.enqueue(SendMail::from(&notification))?;
    }
    Ok(())
}
