//! The words of the template, and what stands for them in a new service.

use anyhow::{Result, ensure};

use crate::names;

/// What a new service is called, and what it keeps.
#[derive(Clone, Debug)]
pub struct Words {
    /// The service: `billing`.
    pub service: String,
    /// One of the things that it keeps: `invoice`.
    pub thing: String,
    /// Several of them: `invoices`.
    pub things: String,
}

impl Words {
    /// Validates the words.
    ///
    /// # Errors
    /// If a word cannot be used, with the reason.
    pub fn try_new(service: String, thing: String, things: Option<String>) -> Result<Self> {
        names::service(&service)?;
        names::thing(&thing)?;
        let things = things.unwrap_or_else(|| plural(&thing));
        names::things(&things)?;
        for word in [&service, &thing, &things] {
            let own = ["depot", "parcel"].into_iter().find(|own| word.contains(own));
            ensure!(
                own.is_none(),
                "{word} contains a word of the template, {}: choose another",
                own.unwrap_or_default()
            );
        }
        ensure!(thing != things, "--thing and --things are both {thing}: tables and types need two words");
        Ok(Self { service, thing, things })
    }

    /// The word for what the service keeps, as variables and as types are named.
    pub fn names_of_thing(&self) -> [String; 2] {
        [self.thing.clone(), capital(&self.thing)]
    }

    /// A text or path of the template with the words of the new service.
    pub fn render(&self, text: &str) -> String {
        let Self { service, thing, things } = self;
        let mut pairs = vec![
            ("DEPOT", service.to_uppercase()),
            ("depot", service.clone()),
            ("Depot", capital(service)),
            ("PARCELS", things.to_uppercase()),
            ("parcels", things.clone()),
            ("Parcels", capital(things)),
            ("PARCEL", thing.to_uppercase()),
            ("parcel", thing.clone()),
            ("Parcel", capital(thing)),
        ];
        if takes_an(thing) {
            let an = [("a parcel", "an "), ("A parcel", "An "), ("a_parcel", "an_")];
            pairs.splice(0..0, an.map(|(article, an)| (article, format!("{an}{thing}"))));
        }
        replace_all(text, &pairs)
    }
}

/// The regular plural of a word: `addresses`, `deliveries`, `days`.
fn plural(word: &str) -> String {
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    match word.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

/// Whether the article of a word is "an": by its sound, as far as the first letters tell it.
fn takes_an(word: &str) -> bool {
    let begins = |starts: &[&str]| starts.iter().any(|start| word.starts_with(start));
    let like_you_or_one = begins(&["eu", "ewe", "one", "ufo", "uni", "uri", "url", "urn", "usa", "use", "usu", "uti"]);
    let like_a_vowel = begins(&["heir", "honest", "honor", "honour", "hour", "html", "mfa", "sms", "xml", "xray"]);
    like_a_vowel || begins(&["a", "e", "i", "o", "u"]) && !like_you_or_one
}

/// Replaces in one pass; at each place the first pair that fits.
fn replace_all(text: &str, pairs: &[(&str, String)]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((from, to)) = pairs.iter().find(|(from, _)| rest.starts_with(from)) {
            result.push_str(to);
            rest = &rest[from.len()..];
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

/// `order_desk` becomes `OrderDesk`.
fn capital(word: &str) -> String {
    let parts = word.split('_').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_uppercase() + rest
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test shall fail on an unexpected value")]

    use super::Words;

    #[test]
    fn plurals_are_regular() {
        for (thing, expected) in
            [("address", "addresses"), ("delivery", "deliveries"), ("day", "days"), ("batch", "batches")]
        {
            assert_eq!(Words::try_new("desk".into(), thing.into(), None).unwrap().things, expected);
        }
    }

    #[test]
    fn articles_follow_the_sound() {
        for (thing, expected) in [("unit", "a unit"), ("hour", "an hour"), ("entry", "an entry"), ("book", "a book")] {
            let words = Words::try_new("desk".into(), thing.into(), None).unwrap();
            assert_eq!(words.render("a parcel"), expected);
        }
    }

    #[test]
    fn words_are_replaced_in_every_form() {
        let words = Words::try_new("order_desk".into(), "invoice".into(), None).unwrap();
        let text =
            "Depot::Parcel DEPOT__STORE depot.parcel-added parcels_by_age GetParcel `Parcels` a_parcel_is A parcel";
        assert_eq!(
            words.render(text),
            "OrderDesk::Invoice ORDER_DESK__STORE order_desk.invoice-added invoices_by_age GetInvoice `Invoices` \
             an_invoice_is An invoice"
        );
    }
}
