//! The kinds of notification, and the channels of each.

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A contacts file has been imported.
    ImportFinished,
    /// A contacts file could not be imported at all.
    ImportFailed,
    /// Someone in the address book has become a member.
    ContactJoined,
    /// A sign-in from a device that the account has not used before.
    NewDevice,
}

/// The channels of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Whether it shows in the feed.
    pub in_app: bool,
    /// Whether it is mailed.
    pub email: bool,
}

/// The channels that an account has chosen; the defaults apply to all other kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences(pub Vec<(Kind, Channels)>);

impl Kind {
    /// Every kind, in display order.
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

    /// The kind with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The default channels: mail only for what should not wait until the member opens the app.
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
