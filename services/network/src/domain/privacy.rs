//! Privacy: what a member may search for, and what a path shows of its people.

use uuid::Uuid;

use super::{Key, Pepper, Route};

/// The target of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// The id of a person, or of one of the member's contacts.
    Id(Uuid),
    /// A person with this e-mail address.
    Email(Key),
    /// No one: the text is neither an id nor an e-mail address.
    Nobody,
}

impl Wanted {
    /// Parses the target of a request.
    pub fn read(text: &str, pepper: &Pepper) -> Self {
        let id = text.trim().parse().ok().map(Self::Id);
        id.or_else(|| pepper.email(text).map(Self::Email)).unwrap_or(Self::Nobody)
    }
}

/// A person as one member knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquaintance {
    /// The person.
    pub person_id: Uuid,
    /// The member's own contact, and the name in it.
    pub contact: Option<(Uuid, String)>,
    /// Their own name, if they are a member.
    pub name: Option<String>,
    /// Whether any member may search for them by e-mail address.
    pub discoverable: bool,
    /// Whether they may be named as an intermediary.
    pub nameable: bool,
}

/// A person at the end of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Target(Shown);

/// A person on a path, as the caller sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The person's id; random if they must not be recognised.
    pub person_id: Uuid,
    /// `None` if they must not be named.
    pub name: Option<String>,
    /// Whether this is the caller.
    pub me: bool,
    /// The caller's contact for this person.
    pub contact_id: Option<Uuid>,
}

impl Acquaintance {
    /// The end of a path, if the member may search for this person: one of their contacts, or someone discoverable.
    /// `None` does not reveal whether there is such a person.
    pub fn as_target(&self, wanted: Wanted) -> Option<Target> {
        match (&self.contact, wanted) {
            (Some(_), _) => Some(Target(self.as_contact()?)),
            (None, Wanted::Email(_)) if self.discoverable => Some(Target(self.shown(self.name.clone()))),
            (None, Wanted::Id(_)) if self.discoverable => Some(Target(self.shown(None))),
            (None, _) => None,
        }
    }

    fn as_contact(&self) -> Option<Shown> {
        let (contact_id, name) = self.contact.clone()?;
        Some(Shown { contact_id: Some(contact_id), ..self.shown(Some(name)) })
    }

    fn shown(&self, name: Option<String>) -> Shown {
        Shown { person_id: self.person_id, name, me: false, contact_id: None }
    }
}

impl Target {
    /// The person.
    pub fn person_id(&self) -> Uuid {
        self.0.person_id
    }
}

/// The people of a path as the caller may see them. `made_up` returns an id for a person who must not be recognised.
pub fn show(
    route: &Route,
    my_name: &str,
    target: &Target,
    known: &[Acquaintance],
    mut made_up: impl FnMut(Uuid) -> Uuid,
) -> Vec<Shown> {
    let last = route.people.len().saturating_sub(1);
    let shown = route.people.iter().enumerate().map(|(place, person)| match place {
        0 => Shown { person_id: *person, name: Some(my_name.to_owned()), me: true, contact_id: None },
        place if place == last => target.0.clone(),
        _ => {
            let known = known.iter().find(|known| known.person_id == *person);
            known.and_then(go_between).unwrap_or_else(|| unnamed(made_up(*person)))
        }
    });
    shown.collect()
}

fn go_between(known: &Acquaintance) -> Option<Shown> {
    let named = || known.nameable.then(|| known.shown(known.name.clone()));
    known.as_contact().or_else(named)
}

fn unnamed(person_id: Uuid) -> Shown {
    Shown { person_id, name: None, me: false, contact_id: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone(person: u128) -> Acquaintance {
        let name = Some("Grace".to_owned());
        Acquaintance { person_id: Uuid::from_u128(person), contact: None, name, discoverable: false, nameable: false }
    }

    fn contact(person: u128) -> Acquaintance {
        Acquaintance { contact: Some((Uuid::from_u128(person + 100), "Gracie".to_owned())), ..someone(person) }
    }

    fn email() -> Wanted {
        Wanted::read("grace@example.org", &Pepper::try_new("test").unwrap())
    }

    #[test]
    fn ids_and_addresses_are_told_apart() {
        let pepper = Pepper::try_new("test").unwrap();
        let id = Uuid::from_u128(1);

        assert_eq!(Wanted::read(&id.to_string(), &pepper), Wanted::Id(id));
        assert!(matches!(email(), Wanted::Email(_)));
        assert_eq!(Wanted::read("Grace", &pepper), Wanted::Nobody);
    }

    #[test]
    fn a_stranger_can_be_looked_for_only_where_they_want_to_be_found() {
        let open = Acquaintance { discoverable: true, ..someone(1) };

        assert_eq!(someone(1).as_target(email()), None);
        assert_eq!(open.as_target(email()).unwrap().0.name.as_deref(), Some("Grace"));
        assert_eq!(open.as_target(Wanted::Id(open.person_id)).unwrap().0.name, None);
    }

    #[test]
    fn a_contact_is_shown_by_the_name_its_owner_gave() {
        let target = contact(1).as_target(email()).unwrap();

        assert_eq!((target.0.name.as_deref(), target.0.contact_id), (Some("Gracie"), Some(Uuid::from_u128(101))));
    }

    #[test]
    fn go_betweens_are_named_only_with_consent_or_as_own_contacts() {
        let people = [contact(2), Acquaintance { nameable: true, ..someone(3) }, someone(4)];
        let route = Route { people: (1..=6).map(Uuid::from_u128).collect(), strength: 0.1 };
        let target = contact(6).as_target(email()).unwrap();

        let shown = show(&route, "Ada", &target, &people, |person| Uuid::from_u128(person.as_u128() + 1000));

        let names: Vec<_> = shown.iter().map(|shown| shown.name.as_deref()).collect();
        assert_eq!(names, [Some("Ada"), Some("Gracie"), Some("Grace"), None, None, Some("Gracie")]);
        let ids: Vec<_> = shown.iter().map(|shown| shown.person_id.as_u128()).collect();
        assert_eq!(ids, [1, 2, 3, 1004, 1005, 6]);
        assert!(shown[0].me && shown[1..].iter().all(|shown| !shown.me));
    }
}
