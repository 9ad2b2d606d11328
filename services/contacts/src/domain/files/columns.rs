//! The meaning of CSV columns, for all supported programs and languages.

use super::Format;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    GivenName,
    MiddleName,
    FamilyName,
    Nickname,
    Email,
    Phone,
    Company,
    Title,
    Notes,
    Url,
    Birthday,
    KnownSince,
}

/// The columns of a header and the format they indicate, or `None` if this line is not a known header.
pub(super) fn recognise(header: &[String]) -> Option<(Format, Vec<Option<Column>>)> {
    let keys: Vec<String> = header.iter().map(|cell| key_of(cell)).collect();
    let mut columns: Vec<Option<Column>> = keys.iter().map(|key| column_of(key)).collect();
    // In Outlook, which has a `Job Title` or at least a `Suffix`, `Title` means `Mr.`; in a plain list it is the
    // position.
    let has_position = columns.contains(&Some(Column::Title)) || keys.iter().any(|key| key == "suffix");
    if let Some(index) = keys.iter().position(|key| key == "title").filter(|_| !has_position) {
        columns[index] = Some(Column::Title);
    }
    let known = columns.iter().flatten().count();
    let names = [Column::Name, Column::GivenName, Column::FamilyName];
    let has_name = columns.iter().flatten().any(|column| names.contains(column));
    // A row of values, or a line of a broken vCard, may contain a word that is a column's name elsewhere.
    if header.iter().any(|cell| cell.contains(['@', '='])) {
        return None;
    }
    let is_header = columns.contains(&Some(Column::Email)) || has_name && known > 1;
    is_header.then(|| (format_of(header, &keys), columns))
}

fn format_of(header: &[String], keys: &[String]) -> Format {
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    let numbered = ["emailvalue", "phonevalue", "emailtype", "emaillabel", "phonelabel"].into_iter().any(has);
    // Only Outlook writes these with the hyphen or in these words.
    let outlook = ["e-mail address", "e-mail-adresse", "adresse de messagerie", "dirección de correo electrónico"];
    if has("connectedon") {
        Format::LinkedIn
    } else if has("givenname") && (numbered || has("groupmembership")) {
        Format::GoogleOld
    } else if has("firstname") && (numbered || has("organizationname") || has("labels")) {
        Format::GoogleNew
    } else if header.iter().any(|cell| outlook.contains(&cell.trim().to_lowercase().as_str())) {
        Format::Outlook
    } else {
        Format::Csv
    }
}

/// The letters of a column's name: `E-mail 1 - Value` and `Email value` have the same key.
fn key_of(cell: &str) -> String {
    cell.chars().filter(|letter| letter.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

fn column_of(key: &str) -> Option<Column> {
    Some(match key {
        "name" | "fullname" | "displayname" | "contactname" => Column::Name,
        "firstname" | "givenname" | "first" | "vorname" | "prénom" | "nombre" => Column::GivenName,
        "middlename" | "additionalname" | "weiterevornamen" | "deuxièmeprénom" | "segundonombre" => {
            Column::MiddleName
        }
        "lastname" | "familyname" | "last" | "surname" | "nachname" | "nom" | "apellidos" => Column::FamilyName,
        "nickname" => Column::Nickname,
        "company" | "companyname" | "organization" | "organisation" | "organizationname" | "employer" | "firma"
        | "société" | "organización" | "empresa" => Column::Company,
        "jobtitle" | "position" | "organizationtitle" | "titre" | "puesto" => Column::Title,
        "notes" | "note" | "comments" | "notizen" | "notas" => Column::Notes,
        "birthday" | "birthdate" | "dateofbirth" | "geburtstag" | "anniversaire" => Column::Birthday,
        "connectedon" => Column::KnownSince,
        _ if is_email(key) => Column::Email,
        _ if is_url(key) => Column::Url,
        _ if is_phone(key) => Column::Phone,
        _ => return None,
    })
}

/// `email`, alone or with a word that numbers or describes it; not `E-mail Type` or `E-mail Display Name`.
fn is_email(key: &str) -> bool {
    const WHICH: [&str; 13] = [
        "",
        "address",
        "value",
        "home",
        "work",
        "other",
        "primary",
        "secondary",
        "personal",
        "business",
        "private",
        "adresse",
        "id",
    ];
    let foreign = ["mail", "adressedemessagerie", "direccióndecorreoelectrónico", "direccióndelcorreoelectrónico"];
    let rest = key.strip_prefix("email").or_else(|| key.strip_suffix("email"));
    rest.is_some_and(|which| {
        WHICH.contains(&which) || which.strip_suffix("address").is_some_and(|which| WHICH.contains(&which))
    }) || foreign.contains(&key)
}

fn is_url(key: &str) -> bool {
    const NAMES: [&str; 12] = [
        "url",
        "webpage",
        "website",
        "homepage",
        "webseite",
        "pageweb",
        "páginaweb",
        "linkedin",
        "linkedinurl",
        "linkedinprofile",
        "profileurl",
        "personalwebpage",
    ];
    const WHICH: [&str; 6] = ["value", "blog", "homepage", "other", "profile", "work"];
    NAMES.contains(&key) || key.strip_prefix("website").is_some_and(|which| WHICH.contains(&which))
}

fn is_phone(key: &str) -> bool {
    const WORDS: [&str; 9] =
        ["phone", "mobile", "fax", "pager", "telefon", "téléphon", "teléfon", "telephon", "télécopie"];
    const OTHER: [&str; 9] =
        ["phonetic", "yomi", "type", "label", "country", "extension", "verified", "code", "carrier"];
    WORDS.into_iter().any(|word| key.contains(word)) && !OTHER.into_iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(header: &str) -> Option<(Format, Vec<Option<Column>>)> {
        recognise(&header.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn types_and_labels_are_not_taken_for_values() {
        let header = "Given Name,Phonetic First Name,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value";
        let (format, columns) = meaning(header).expect("a known header");
        assert_eq!(format, Format::GoogleOld);
        assert_eq!(columns, [Some(Column::GivenName), None, None, Some(Column::Email), None, Some(Column::Phone)]);
    }

    #[test]
    fn a_title_is_the_position_only_where_nothing_else_is() {
        assert_eq!(meaning("Name,Title").map(|(_, columns)| columns[1]), Some(Some(Column::Title)));
        assert_eq!(meaning("Title,First Name,Last Name,Suffix").map(|(_, columns)| columns[0]), Some(None));
    }

    #[test]
    fn outlook_is_known_in_other_languages() {
        for header in [
            "Vorname,Nachname,Firma,Position,E-Mail-Adresse,E-Mail-Typ,E-Mail: Angezeigter Name,E-Mail 2: Adresse",
            "Prénom,Nom,Société,Titre,Adresse de messagerie,Type de messagerie,Nom complet de l'adresse de messagerie,Adresse de messagerie 2",
            "Nombre,Apellidos,Organización,Puesto,Dirección de correo electrónico,Tipo de correo electrónico,Nombre de pantalla de correo electrónico,Dirección del correo electrónico 3",
        ] {
            let (format, columns) = meaning(header).expect("a known header");
            assert_eq!(format, Format::Outlook, "{header}");
            let expected = [Column::GivenName, Column::FamilyName, Column::Company, Column::Title, Column::Email];
            assert_eq!(columns[..5], expected.map(Some), "{header}");
            assert_eq!(columns[5..], [None, None, Some(Column::Email)], "{header}");
        }
    }

    #[test]
    fn prose_is_no_header() {
        for line in [
            "Notes:",
            "name",
            "When exporting, you may notice that some of the email addresses are missing.",
            "a,b,c",
            "",
        ] {
            assert_eq!(meaning(line), None, "{line}");
        }
    }
}
