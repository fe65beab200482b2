//! Scopes: the panes and windows where a key works, and the wider scopes around each.

macro_rules! scopes {
    (
        around { $($around:ident $heading:literal;)* }
        innermost { $($leaf:ident [$($outer:ident)*] $title:literal;)* }
    ) => {
        /// Where a key works.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope { $($around,)* $($leaf),* }

        impl Scope {
            /// Every scope that can be the innermost one.
            pub const LEAVES: &'static [Self] = &[$(Self::$leaf),*];

            /// The scopes a key is looked up in, innermost first, while this one is the innermost.
            pub fn chain(self) -> &'static [Self] {
                match self {
                    $(Self::$leaf => &[Self::$leaf, $(Self::$outer,)* Self::Always],)*
                    $(Self::$around)|* => &[Self::Always],
                }
            }

            /// The heading in the help.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$around => $heading,)*
                    $(Self::$leaf => $title),*
                }
            }
        }
    };
}

scopes! {
    around {
        Always "Anywhere";
        Global "Console";
        Nav "Moving";
        ExplorerCall "Explorer";
        ExplorerRequest "Explorer, request";
        Overlay "Windows";
        Reader "Windows";
    }
    innermost {
        Credentials [Nav Global] "Credentials";
        Tokens [Nav Global] "Tokens";
        Payments [Nav Global] "Payments";
        Estimates [Nav Global] "Estimates";
        Requests [Nav Global] "Requests";
        Explorer [ExplorerCall Nav Global] "Explorer";
        ExplorerFind [] "Explorer, finding";
        ExplorerFields [ExplorerRequest] "Explorer, request";
        ExplorerBody [ExplorerRequest] "Explorer, request";
        ExplorerResponse [ExplorerCall Nav Global] "Explorer, response";
        ExplorerSearch [] "Explorer, searching";
        Callbacks [Nav Global] "Callbacks";
        Players [Nav Global] "Players";
        Form [Overlay] "Forms";
        Palette [Overlay] "Palette";
        Filter [Overlay] "Filter";
        Exchange [Nav Reader Overlay] "Request";
        Delivery [Nav Reader Overlay] "Callback";
        Timeline [Nav Reader Overlay] "Timeline";
        LinkResult [Nav Reader Overlay] "Payment link";
        Alerts [Nav Reader Overlay] "Alerts";
        ExpectAsk [Overlay] "Expected amount";
        Claims [Nav Reader Overlay] "Claims";
        CopyToken [Overlay] "Copy a token";
        Help [Nav Reader Overlay] "Help";
        HelpFind [] "Help, searching";
        Guide [Nav Reader Overlay] "Guide";
        History [Nav Reader Overlay] "History";
        Sandbox [Nav Reader Overlay] "Simulator";
        SendAsk [Overlay] "Send";
        QuitAsk [Overlay] "Quit";
    }
}

impl Scope {
    /// Whether a plain letter is text in this scope, and not a key.
    pub fn takes_text(self) -> bool {
        matches!(
            self,
            Self::Form
                | Self::Palette
                | Self::Filter
                | Self::ExplorerFind
                | Self::ExplorerRequest
                | Self::ExplorerFields
                | Self::ExplorerBody
                | Self::ExplorerSearch
                | Self::HelpFind
                | Self::Overlay
                | Self::Always
        )
    }

    /// Whether the scope belongs to the explorer or to one of its windows.
    pub fn is_explorers(self) -> bool {
        matches!(
            self,
            Self::Explorer
                | Self::ExplorerCall
                | Self::ExplorerFind
                | Self::ExplorerRequest
                | Self::ExplorerFields
                | Self::ExplorerBody
                | Self::ExplorerResponse
                | Self::ExplorerSearch
                | Self::History
                | Self::SendAsk
        )
    }
}
