//! Tests of search queries and the order of results.

use super::*;

fn words(text: &str) -> Vec<String> {
    Query::parse(text).unwrap().unwrap().words().to_vec()
}

fn digits(text: &str) -> Option<String> {
    Query::parse(text).unwrap().unwrap().digits().map(str::to_owned)
}

fn finding(kind: Kind, score: f64, title: &str) -> Finding {
    Finding { kind, score, contact_id: None, title: title.to_owned(), subtitle: String::new(), highlight: None }
}

#[test]
fn nothing_typed_is_nothing_asked() {
    for text in ["", "  ", "\u{3000}\t\n"] {
        assert_eq!(Query::parse(text), Ok(None), "{text:?}");
    }
}

#[test]
fn two_hundred_characters_are_taken_and_one_more_is_refused() {
    assert!(Query::parse(&"ж".repeat(200)).unwrap().is_some());
    assert_eq!(Query::parse(&"ж".repeat(201)), Err(SearchRefusal::TooLong));
    assert!(Query::parse(&format!("  {}  ", "a".repeat(200))).is_ok());
}

#[test]
fn signs_between_words_are_no_words_but_alone_they_are() {
    assert_eq!(words("Müller - Schmidt & 山田"), ["Müller", "Schmidt", "山田"]);
    assert_eq!(words("☺ !!!"), ["☺", "!!!"]);
}

#[test]
fn what_phone_numbers_are_written_with_is_a_phone_number() {
    assert_eq!(digits("+49 (30) 90-18.20").as_deref(), Some("4930901820"));
    assert_eq!(digits("0030 901820").as_deref(), Some("30901820"));
    assert_eq!(digits("٠١٢٣").as_deref(), Some("٠١٢٣"));
    assert_eq!(digits("12"), None);
    assert_eq!(digits("000"), None);
    assert_eq!(digits("901820 Berlin"), None);
}

#[test]
fn slips_are_forgiven_in_names_and_not_in_texts_of_many_parts() {
    let forgives = |text: &str| Query::parse(text).unwrap().unwrap().forgives_slips();

    assert!(forgives("one two three four five six"));
    assert!(forgives("मणीन्द्र सुब्रमण्यमजी"));
    assert!(!forgives("one two three four five six seven"));
    assert!(!forgives("Taumatawhakatangihangakoauauotamatea"));
    assert!(!forgives("one-two.three four'five(six)seven"));
}

#[test]
fn one_to_fifty_things_may_be_asked_for() {
    assert_eq!((limit(None), limit(Some(1)), limit(Some(50))), (Ok(20), Ok(1), Ok(50)));
    assert_eq!((limit(Some(0)), limit(Some(51))), (Err(SearchRefusal::Limit), Err(SearchRefusal::Limit)));
}

#[test]
fn a_refusal_names_the_field() {
    let refusals = [SearchRefusal::TooLong, SearchRefusal::Limit]
        .map(|refusal| (refusal.status(), refusal.field(), refusal.to_string()));

    assert_eq!(refusals[0], (422, Some("text"), "the text is too long: 200 characters at most".to_owned()));
    assert_eq!(refusals[1], (422, Some("limit"), "the limit must be 1 to 50".to_owned()));
}

#[test]
fn the_best_comes_first_then_people_then_by_name_whatever_came_in_first() {
    let expected = vec![
        finding(Kind::Note, 100.0, "Zoë"),
        finding(Kind::Person, 60.001, "anna"),
        finding(Kind::Person, 60.0, "Berta"),
        finding(Kind::Company, 60.0, "Acme"),
    ];
    let mut shuffled = expected.clone();
    shuffled.reverse();

    assert_eq!(best_of(shuffled.clone(), 10), expected);
    assert_eq!(best_of(shuffled, 2), expected[..2]);
}

#[test]
fn a_subtitle_says_what_there_is() {
    let addresses = ["zoe@example.org".to_owned()];

    assert_eq!(subtitle(Some("Engineer"), Some("Acme"), &addresses), "Engineer, Acme");
    assert_eq!(subtitle(None, Some("Acme"), &addresses), "Acme");
    assert_eq!(subtitle(Some("Engineer"), None, &addresses), "Engineer");
    assert_eq!(subtitle(None, None, &addresses), "zoe@example.org");
    assert_eq!(subtitle(None, None, &[]), "");
    assert_eq!((people_there(1), people_there(3)), ("1 contact".to_owned(), "3 contacts".to_owned()));
}
