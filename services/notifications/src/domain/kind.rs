//! The kinds of notification, and the channels that each takes.

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A contacts file has been read.
    ImportFinished,
    /// A contacts file could not be read at all.
    ImportFailed,
    /// Someone in the address book has become a member.
    ContactJoined,
    /// Someone has signed in from a device not seen before.
    NewDevice,
}

/// Which channels a kind takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Whether it shows in the feed.
    pub in_app: bool,
    /// Whether it is mailed.
    pub email: bool,
}

/// What an account has chosen; for all else the defaults hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences(pub Vec<(Kind, Channels)>);

impl Kind {
    /// Every kind, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::ImportFinished, Self::ImportFailed, Self::ContactJoined, Self::NewDevice];

    /// Its name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImportFinished => "import-finished",
            Self::ImportFailed => "import-failed",
            Self::ContactJoined => "contact-joined",
            Self::NewDevice => "new-device",
        }
    }

    /// The kind of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The channels of someone who has chosen none: mail only for what cannot wait to be seen.
    pub fn default_channels(self) -> Channels {
        match self {
            Self::ImportFinished | Self::ImportFailed => Channels { in_app: true, email: false },
            Self::ContactJoined | Self::NewDevice => Channels { in_app: true, email: true },
        }
    }
}

impl Preferences {
    /// The channels of a kind.
    pub fn channels_of(&self, kind: Kind) -> Channels {
        let chosen = self.0.iter().find(|(of, _)| *of == kind);
        chosen.map_or_else(|| kind.default_channels(), |(_, channels)| *channels)
    }
}
