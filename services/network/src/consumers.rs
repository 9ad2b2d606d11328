//! The events of other services that change the graph.

use accounts_events::Erased;
use network_events::AccountDataErased;
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::neo4j::Tx};

use crate::{
    domain::{Card, Newness, Pepper, Profile, Standing},
    events,
    excerpts::{ChangedContact, ChangedMember, Contact, Member, NewContact, NewMember, RemovedContact},
    store,
};

/// The events that network subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_registered)
        .on(on_profile_changed)
        .on(on_erased)
        .on(on_contact_added)
        .on(on_contact_changed)
        .on(on_contact_removed)
}

/// Makes the new member the person whom others have under this address.
async fn on_registered(NewMember(member): NewMember, tx: &mut Tx) -> HandlerResult {
    let profile = profile_of(member, tx)?;
    let standing = store::standing_of(tx, &profile).await?;
    enrol(&profile, &standing, tx).await
}

/// Updates a member's name and privacy settings.
async fn on_profile_changed(ChangedMember(member): ChangedMember, tx: &mut Tx) -> HandlerResult {
    let profile = profile_of(member, tx)?;
    let standing = store::standing_of(tx, &profile).await?;
    standing.must_be_known().map_err(Failure::retry)?;
    enrol(&profile, &standing, tx).await
}

fn profile_of(member: Member, tx: &Tx) -> Result<Profile, Failure> {
    let key = tx.resource::<Pepper>().email(&member.email);
    Ok(Profile {
        account_id: member.account_id,
        key: key.ok_or_else(|| Failure::bug("an account has an invalid e-mail address"))?,
        name: member.name,
        discoverable: member.discoverable,
        nameable: member.nameable,
        newness: Newness::event(tx.sequence()?),
    })
}

/// Makes a person the member, and updates other members' contacts accordingly.
pub async fn enrol(profile: &Profile, standing: &Standing, tx: &mut Tx) -> HandlerResult {
    let Some(person) = standing.enrol(profile).map_err(Failure::retry)? else { return Ok(()) };
    store::enrol(tx, profile, person).await?;
    let mut linked = store::move_to_member(tx, profile, person).await?;
    if standing.is_new() {
        linked = store::contacts_of(tx, person).await?;
    }
    // A rebuild or a replay cannot tell a new member from one that it restores, who must not be announced again.
    let has_joined = standing.is_new() && profile.newness.is_event() && !tx.is_replay();
    linked.iter().try_for_each(|contact| tx.publish(events::claimed(contact, profile, person, has_joined)))
}

/// Deletes a member with their address book; in other members' address books they remain a person.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let removed = store::erase(tx, erased.account_id).await?;
    let erased_at = tx.now();
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at, removed })
}

/// Adds a contact, which creates a tie between its owner and its person.
async fn on_contact_added(NewContact(contact): NewContact, tx: &mut Tx) -> HandlerResult {
    place(&card_of(contact, tx)?, tx).await
}

/// Updates a contact, which may be a different person now.
async fn on_contact_changed(ChangedContact(contact): ChangedContact, tx: &mut Tx) -> HandlerResult {
    place(&card_of(contact, tx)?, tx).await
}

fn card_of(contact: Contact, tx: &Tx) -> Result<Card, Failure> {
    Ok(Card {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        name: contact.name.full,
        keys: tx.resource::<Pepper>().keys(&contact.emails, &contact.phones, &contact.urls),
        newness: Newness::event(tx.sequence()?),
    })
}

/// Links a contact to its person.
pub async fn place(card: &Card, tx: &mut Tx) -> HandlerResult {
    let situation = store::situation_of(tx, card.contact_id, card.owner_id, card.newness, &card.keys).await?;
    let Some(placement) = situation.place(card).map_err(Failure::retry)? else { return Ok(()) };
    if placement.leaves {
        store::unlink(tx, &[card.contact_id]).await?;
    }
    store::put(tx, card, &placement);
    if situation.is_change() {
        store::keep_identifiers(tx, card.contact_id, &card.keys).await?;
    }
    if placement.is_link { tx.publish(events::linked(card, &placement)) } else { Ok(()) }
}

/// Removes a contact.
async fn on_contact_removed(removed: RemovedContact, tx: &mut Tx) -> HandlerResult {
    let sequence = tx.sequence()?;
    let newness = Newness::event(sequence);
    let situation = store::situation_of(tx, removed.contact_id, removed.owner_id, newness, &[]).await?;
    let Some(_) = situation.taken_in_by(newness).map_err(Failure::retry)? else { return Ok(()) };
    store::remove(tx, removed.contact_id, sequence).await?;
    Ok(())
}
