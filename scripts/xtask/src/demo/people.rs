//! People with plausible names, firms and positions. None of them is anybody.

/// Somebody made up.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their number, which is also their address.
    pub number: u64,
    /// Given name.
    pub given_name: &'static str,
    /// Family name.
    pub family_name: &'static str,
    /// Where they work.
    pub firm: &'static str,
    /// What they do there.
    pub title: &'static str,
}

const GIVEN: &[&str] = &[
    "Ada", "Amara", "Ana", "Anders", "Aoife", "Ayşe", "Bram", "Camille", "Chen", "Chloé", "Clara", "Dáithí", "Dmitri",
    "Elif", "Emeka", "Erik", "Fatima", "Femi", "Finn", "Giulia", "Grace", "Hana", "Hiroshi", "Ines", "Ingrid", "Iwona",
    "Jamal", "João", "Jürgen", "Kavya", "Kofi", "Lars", "Leila", "Lucía", "Maja", "Malik", "Marek", "Mei", "Miguel",
    "Nadia", "Noor", "Olga", "Omar", "Pedro", "Priya", "Rania", "Ravi", "Rosa", "Sanne", "Siobhán", "Sofia", "Søren",
    "Tariq", "Thandi", "Tomasz", "Uma", "Viktor", "Wei", "Yara", "Zoë",
];

const FAMILY: &[&str] = &[
    "Abara",
    "Almeida",
    "Andersson",
    "Bakker",
    "Bauer",
    "Bianchi",
    "Björk",
    "Brennan",
    "Castillo",
    "Chowdhury",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fernández",
    "Fischer",
    "García",
    "Gupta",
    "Haddad",
    "Hansen",
    "Hernández",
    "Horvat",
    "Ibrahim",
    "Ito",
    "Ivanova",
    "Jansen",
    "Kaya",
    "Keller",
    "Kowalska",
    "Kumar",
    "Larsen",
    "Lefèvre",
    "Lindqvist",
    "Martins",
    "Mbeki",
    "Moreau",
    "Müller",
    "Nakamura",
    "Novák",
    "Nowak",
    "Nyström",
    "O’Brien",
    "Okafor",
    "Olsen",
    "Osei",
    "Park",
    "Pereira",
    "Petrov",
    "Ricci",
    "Rossi",
    "Sato",
    "Schäfer",
    "Silva",
    "Singh",
    "Sørensen",
    "Suzuki",
    "Tanaka",
    "Tremblay",
    "Van Dijk",
    "Weber",
    "Yılmaz",
    "Zhang",
];

const FIRMS: &[&str] = &[
    "Alder & Finch",
    "Blue Harbour Logistics",
    "Brightwater Energy",
    "Cedar Analytics",
    "Copperline Networks",
    "Delta Kiln",
    "Eastgate Architects",
    "Fenwick Robotics",
    "Foxglove Foods",
    "Granite Peak Capital",
    "Harrow Textiles",
    "Juniper Health",
    "Kestrel Aviation",
    "Larkspur Media",
    "Meridian Rail",
    "Northlight Studio",
    "Oak & Iron Works",
    "Pemberton Labs",
    "Quillfeather Press",
    "Redstart Biotech",
    "Saltmarsh Seafood",
    "Tamarind Travel",
    "Upland Solar",
    "Vesper Security",
    "Willowbrook Schools",
];

const TITLES: &[&str] = &[
    "Accountant",
    "Analyst",
    "Architect",
    "Buyer",
    "Chemist",
    "Consultant",
    "Data Engineer",
    "Designer",
    "Director of Operations",
    "Editor",
    "Engineer",
    "Founder",
    "Head of Sales",
    "Journalist",
    "Lawyer",
    "Marketing Lead",
    "Nurse",
    "Pilot",
    "Product Manager",
    "Recruiter",
    "Researcher",
    "Site Manager",
    "Teacher",
    "Translator",
    "Treasurer",
];

/// The person of a number: always the same one.
pub fn plausible(number: u64) -> Person {
    // Steps without a common factor with the lists' lengths, so that neighbours differ in everything.
    let pick = |list: &[&'static str], step: u64| {
        let length = list.len() as u64;
        list[usize::try_from((number.wrapping_mul(step) + number / length) % length).unwrap_or(0)]
    };
    Person {
        number,
        given_name: pick(GIVEN, 7),
        family_name: pick(FAMILY, 13),
        firm: FIRMS[usize::try_from(number / 20 % FIRMS.len() as u64).unwrap_or(0)],
        title: pick(TITLES, 3),
    }
}

impl Person {
    /// Where they sign in.
    pub fn email(&self) -> String {
        format!("n{}@demo.test", self.number)
    }

    /// Their full name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// How somebody else's address book has them.
    pub fn vcard(&self) -> String {
        format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{}\r\nN:{};{};;;\r\nEMAIL:{}\r\nORG:{}\r\nTITLE:{}\r\nEND:VCARD\r\n",
            self.name(),
            self.family_name,
            self.given_name,
            self.email(),
            self.firm,
            self.title,
        )
    }
}
