//! The key table: where a key is heard, what it does, how it is called. Footer, help, palette and the
//! overrides of the config file come from it; it knows nothing of panes' insides.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Always,
    Global,
    Nav,
    Credentials,
    Tokens,
    Payments,
    Estimates,
    Requests,
    Explorer,
    ExplorerCall,
    ExplorerFind,
    ExplorerRequest,
    ExplorerFields,
    ExplorerBody,
    ExplorerAnswer,
    ExplorerSearch,
    Overlay,
    Reader,
    Form,
    Palette,
    Filter,
    Exchange,
    LinkResult,
    Claims,
    CopyToken,
    Help,
    Guide,
    History,
    Sandbox,
    SendAsk,
    QuitAsk,
}

impl Scope {
    /// Every scope that can be the innermost one.
    pub const LEAVES: [Self; 24] = [
        Self::Credentials,
        Self::Tokens,
        Self::Payments,
        Self::Estimates,
        Self::Requests,
        Self::Explorer,
        Self::ExplorerFind,
        Self::ExplorerFields,
        Self::ExplorerBody,
        Self::ExplorerAnswer,
        Self::ExplorerSearch,
        Self::Form,
        Self::Palette,
        Self::Filter,
        Self::Exchange,
        Self::LinkResult,
        Self::Claims,
        Self::CopyToken,
        Self::Help,
        Self::Guide,
        Self::History,
        Self::Sandbox,
        Self::SendAsk,
        Self::QuitAsk,
    ];

    /// The scopes a key is looked up in, innermost first, while this one is the innermost.
    pub fn chain(self) -> &'static [Self] {
        use Scope as S;
        match self {
            S::Credentials => &[S::Credentials, S::Nav, S::Global, S::Always],
            S::Tokens => &[S::Tokens, S::Nav, S::Global, S::Always],
            S::Payments => &[S::Payments, S::Nav, S::Global, S::Always],
            S::Estimates => &[S::Estimates, S::Nav, S::Global, S::Always],
            S::Requests => &[S::Requests, S::Nav, S::Global, S::Always],
            S::Explorer => &[S::Explorer, S::ExplorerCall, S::Nav, S::Global, S::Always],
            S::ExplorerAnswer => &[
                S::ExplorerAnswer,
                S::ExplorerCall,
                S::Nav,
                S::Global,
                S::Always,
            ],
            S::ExplorerFind => &[S::ExplorerFind, S::Always],
            S::ExplorerSearch => &[S::ExplorerSearch, S::Always],
            S::ExplorerFields => &[S::ExplorerFields, S::ExplorerRequest, S::Always],
            S::ExplorerBody => &[S::ExplorerBody, S::ExplorerRequest, S::Always],
            S::Form => &[S::Form, S::Overlay, S::Always],
            S::Palette => &[S::Palette, S::Overlay, S::Always],
            S::Filter => &[S::Filter, S::Overlay, S::Always],
            S::Exchange => &[S::Exchange, S::Nav, S::Reader, S::Overlay, S::Always],
            S::LinkResult => &[S::LinkResult, S::Nav, S::Reader, S::Overlay, S::Always],
            S::Claims => &[S::Claims, S::Nav, S::Reader, S::Overlay, S::Always],
            S::CopyToken => &[S::CopyToken, S::Overlay, S::Always],
            S::Help => &[S::Help, S::Nav, S::Reader, S::Overlay, S::Always],
            S::Guide => &[S::Guide, S::Nav, S::Reader, S::Overlay, S::Always],
            S::History => &[S::History, S::Nav, S::Reader, S::Overlay, S::Always],
            S::SendAsk => &[S::SendAsk, S::Overlay, S::Always],
            S::Sandbox => &[S::Sandbox, S::Nav, S::Reader, S::Overlay, S::Always],
            S::QuitAsk => &[S::QuitAsk, S::Overlay, S::Always],
            S::Global
            | S::Nav
            | S::Overlay
            | S::Reader
            | S::ExplorerCall
            | S::ExplorerRequest
            | S::Always => &[S::Always],
        }
    }

    /// Whether plain letters are text here.
    fn takes_text(self) -> bool {
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
                | Self::Overlay
                | Self::Always
        )
    }

    /// Its heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Always => "Anywhere",
            Self::Global => "Console",
            Self::Nav => "Moving",
            Self::Credentials => "Credentials",
            Self::Tokens => "Tokens",
            Self::Payments => "Payments",
            Self::Estimates => "Estimates",
            Self::Requests => "Requests",
            Self::Explorer | Self::ExplorerCall => "Explorer",
            Self::ExplorerFind => "Explorer, finding",
            Self::ExplorerRequest | Self::ExplorerFields | Self::ExplorerBody => {
                "Explorer, request"
            }
            Self::ExplorerAnswer => "Explorer, answer",
            Self::ExplorerSearch => "Explorer, searching",
            Self::Overlay | Self::Reader => "Windows",
            Self::Form => "Forms",
            Self::Palette => "Palette",
            Self::Filter => "Filter",
            Self::Exchange => "Exchange",
            Self::LinkResult => "Payment link",
            Self::Claims => "Claims",
            Self::CopyToken => "Copying a token",
            Self::Help => "Help",
            Self::Guide => "Guide",
            Self::History => "History",
            Self::Sandbox => "Simulator",
            Self::SendAsk => "Sending",
            Self::QuitAsk => "Quit",
        }
    }
}

/// One row of the table.
pub struct Binding {
    pub scope: Scope,
    pub action: Action,
    /// What the config file and the palette call it.
    pub name: &'static str,
    pub keys: &'static [&'static str],
    /// One word for the footer; empty where it is left out.
    pub short: &'static str,
    pub help: &'static str,
}

macro_rules! table {
    ($($scope:ident $action:ident $name:literal [$($key:literal)*] $short:literal $help:literal;)*) => {
        /// All a key can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($action),* }

        /// Every key there is, in the order of footer and help.
        pub const TABLE: &[Binding] = &[$(Binding {
            scope: Scope::$scope, action: Action::$action, name: $name,
            keys: &[$($key),*], short: $short, help: $help,
        }),*];
    };
}

table! {
    Credentials Verify "verify" ["v" "enter"] "verify" "verify the selected account: the cheapest call that changes nothing";
    Credentials VerifyAll "verify-all" ["V"] "verify all" "verify every account";
    Credentials Arm "arm" ["A"] "arm" "arm a live account for calls that write, or disarm it";

    Credentials AddAccount "add-account" ["a"] "add" "add an account: verified first, then kept";
    Credentials RotateSecret "rotate-secret" ["R"] "rotate" "replace the selected account's secret by a new one";
    Credentials RemoveAccount "remove-account" ["d"] "remove" "take the selected account out of the config";
    Credentials Guide "guide" ["i"] "guide" "how accounts and credentials are come by at each provider";
    Tokens RefreshToken "refresh-token" ["r"] "refresh" "fetch a new access token now; the one in hand serves until it is there";
    Tokens CopyToken "copy-token" ["y"] "copy" "copy the selected access token, after a question";
    Tokens Claims "claims" ["i" "enter"] "claims" "read what the token says of itself, where it is a JWT";

    Payments Check "check" ["c" "enter"] "check" "ask for the selected payment's state now";
    Payments AddWatch "add" ["a"] "add" "watch a payment (or just paste its id)";
    Payments RemoveWatch "remove" ["d"] "remove" "stop watching the selected payment";
    Payments UndoRemove "undo" ["u"] "undo" "take the last removal back";
    Payments CopyId "copy-id" ["y"] "copy id" "copy the selected payment's id";

    Estimates Quote "quote" ["e" "enter"] "ask" "choose the sum to be quoted";
    Estimates Refresh "refresh" ["r"] "refresh" "ask for the same quote again";
    Estimates AutoRefresh "auto-refresh" ["t"] "auto" "ask again every 30 s, or stop doing so";

    Requests OpenExchange "open" ["enter"] "open" "read the selected request and its reply";
    Requests Filter "filter" ["/"] "filter" "show only requests that contain a text";
    Requests LoadOlder "older" ["o"] "older" "bring older requests from the ledger";

    Requests CancelWaiting "cancel-waiting" ["x"] "call off" "call the selected waiting request off; first press: go to the waiting ones";

    Explorer OpenCall "open-call" ["enter"] "fill in" "fill in and send the selected call";
    Explorer FindCall "find-call" ["/"] "find" "find a call by letters of its path, purpose or account";

    ExplorerFind TakeFound "take-found" ["enter"] "take" "fill in the selected call";
    ExplorerFind FoundDown "found-down" ["down" "ctrl-n"] "" "next call";
    ExplorerFind FoundUp "found-up" ["up" "ctrl-p"] "" "previous call";
    ExplorerFind DropFind "drop-find" ["esc"] "all" "show all calls again";

    ExplorerFields SendField "send-field" ["enter"] "send" "send the call";
    ExplorerFields NextParam "next-param" ["down"] "" "next field";
    ExplorerFields PreviousParam "previous-param" ["up"] "" "previous field";
    ExplorerRequest SendCall "send" ["ctrl-s" "f5" "alt-enter" "ctrl-enter"] "send" "send the call, from the body too";
    ExplorerRequest NextInCall "next-in-call" ["tab"] "next" "next field, behind the last the body";
    ExplorerRequest PreviousInCall "previous-in-call" ["shift-tab"] "" "previous field";
    ExplorerBody TidyBody "tidy" ["ctrl-t"] "indent" "indent the body";
    ExplorerBody UndoEdit "undo-edit" ["ctrl-/" "ctrl-7" "alt-z"] "undo" "take the last change of the body back";
    ExplorerRequest ToAnswer "answer" ["ctrl-o"] "answer" "to the answer";
    ExplorerRequest ToCalls "calls" ["esc"] "calls" "back to the calls; calls off one that is under way";

    ExplorerAnswer EditCall "edit-call" ["e" "enter"] "edit" "back to the request";
    ExplorerAnswer SendAgain "send-again" ["r"] "again" "send the call again";
    ExplorerAnswer Search "search" ["/"] "search" "find a text in the answer";
    ExplorerAnswer NextMatch "next-match" ["n"] "next" "next place where it is";
    ExplorerAnswer PreviousMatch "previous-match" ["N"] "" "previous place";
    ExplorerAnswer ToggleDigest "table" ["d"] "table/body" "what the provider says as a table, or the body as it came";
    ExplorerAnswer ToggleWrap "wrap" ["w"] "wrap" "wrap long lines, or scroll sideways";
    ExplorerAnswer ScrollLeft "scroll-left" ["<"] "" "scroll left, where lines are not wrapped";
    ExplorerAnswer ScrollRight "scroll-right" [">"] "" "scroll right";
    ExplorerAnswer CopyAnswer "copy-answer" ["b"] "copy body" "copy the answer's body";

    ExplorerSearch KeepSearch "keep-search" ["enter"] "keep" "keep what was found; n and N go on";
    ExplorerSearch DropSearch "drop-search" ["esc"] "drop" "stop searching";

    ExplorerCall CopyCommand "copy-command" ["y"] "copy" "copy the call as a tilldeck command";
    ExplorerCall CopyCallCurl "copy-call-curl" ["Y"] "as curl" "copy the call as a curl command, secrets replaced";
    ExplorerCall History "history" ["H"] "history" "the calls of this session, to look at or send again";
    ExplorerCall ArmAccount "arm-account" ["A"] "arm" "arm the selected call's live account for ten minutes, or disarm it";

    History Reopen "reopen" ["enter"] "open" "take up the selected call and its answer";

    SendAsk ConfirmSend "confirm-send" ["y"] "send" "send the call that writes";
    SendAsk DontSend "dont-send" ["n"] "do not" "do not send it";

    Exchange CopyCurl "copy-curl" ["y"] "copy as curl" "copy the request as a curl command, secrets replaced";
    Exchange CopyBody "copy-body" ["b"] "copy body" "copy the reply's body (the request's where there is none)";

    LinkResult CopyLink "copy-link" ["y"] "copy" "copy the link";
    LinkResult OpenLink "open-link" ["o"] "open" "open the link in the browser";
    LinkResult WatchLink "watch-link" ["w" "enter"] "watch" "go to this payment in the watch list";

    Guide NextGuide "next-guide" ["tab" "right" "l"] "next provider" "the next provider's guide";
    Guide PreviousGuide "previous-guide" ["shift-tab" "left" "h"] "" "the previous provider's guide";

    Sandbox Play "play" ["enter"] "do it" "make the selected thing happen in the simulator";

    Sandbox NextChoice "next-choice" ["right" "l"] "" "next value of the selected setting";
    Sandbox PreviousChoice "previous-choice" ["left" "h"] "change" "previous value of the selected setting";
    Sandbox OtherValue "other-value" ["e"] "other value" "type a value for the selected setting";
    Sandbox NextSection "next-section" ["tab"] "next group" "to the next group of rows";

    CopyToken ConfirmCopy "confirm-copy" ["y"] "copy it" "copy the access token to the clipboard";

    QuitAsk ConfirmQuit "confirm-quit" ["y"] "quit anyway" "quit although a call that writes is under way";
    QuitAsk Stay "stay" ["n"] "stay" "wait for it";

    Form Submit "submit" ["enter"] "done" "check the form and go on";
    Form NextField "next-field" ["tab" "down"] "next" "next field";
    Form PreviousField "previous-field" ["shift-tab" "up"] "back" "previous field";

    Form FormGuide "form-guide" ["f1"] "guide" "in the forms of Credentials: how what is asked for is come by";

    Palette Choose "choose" ["enter"] "do it" "do the selected action";
    Palette ChooseDown "choose-down" ["down" "ctrl-n"] "" "next action";
    Palette ChooseUp "choose-up" ["up" "ctrl-p"] "" "previous action";

    Filter KeepFilter "keep-filter" ["enter"] "keep" "keep the filter, and look for it in older requests too";

    Overlay Close "close" ["esc"] "close" "close the window";
    Reader Back "back" ["q"] "" "close the window";

    Nav Down "down" ["j" "down"] "" "one row down";
    Nav Up "up" ["k" "up"] "" "one row up";
    Nav PageDown "page-down" ["pgdn" "ctrl-d"] "" "one page down";
    Nav PageUp "page-up" ["pgup" "ctrl-u"] "" "one page up";
    Nav Top "top" ["g" "home"] "" "first row";
    Nav Bottom "bottom" ["G" "end"] "" "last row; in the request log, follow it";

    Global Link "link" ["L"] "link" "build a payment link";
    Global Sandbox "sandbox" ["S"] "simulator" "faults, clock and payer of the embedded simulator";
    Global Zoom "zoom" ["f"] "zoom" "give the focused pane the whole screen, or all panes their place";
    Global NextPane "next-pane" ["tab" "right" "l"] "" "next pane";
    Global PreviousPane "previous-pane" ["shift-tab" "left" "h"] "" "previous pane";
    Global FocusCredentials "credentials" ["1"] "" "to the credentials";
    Global FocusTokens "tokens" ["2"] "" "to the tokens";
    Global FocusPayments "payments" ["3"] "" "to the payments";
    Global FocusEstimates "estimates" ["4"] "" "to the estimates";
    Global FocusRequests "requests" ["5"] "" "to the request log";
    Global FocusExplorer "explorer" ["6"] "explore" "to the explorer: any call, filled in and sent";
    Global Escape "escape" ["esc"] "" "cancel what the selection asks; else dismiss the notice; else go back, undo filter and zoom";
    Global Palette "palette" [":" "ctrl-p"] "" "find an action by its name";
    Global Help "help" ["?"] "help" "this list";
    Global Quit "quit" ["q"] "quit" "leave; asks first only while a call that writes is under way";

    Always Leave "leave" ["ctrl-c"] "" "leave at once";
    Always Suspend "suspend" ["ctrl-z"] "" "back to the shell; `fg` returns";
}

/// One row of the key table as it is printed outside the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Where the keys are heard: "Payments".
    pub place: &'static str,
    /// The action's name, as the config file writes it.
    pub action: &'static str,
    /// Its keys without overrides: "c, Enter".
    pub keys: String,
    /// What it does.
    pub help: &'static str,
}

/// The whole key table without overrides, for the README and the manual.
#[must_use]
pub fn key_rows() -> Vec<KeyRow> {
    TABLE
        .iter()
        .map(|row| {
            let keys: Vec<String> = row
                .keys
                .iter()
                .filter_map(|key| Chord::parse(key))
                .map(|chord| chord.to_string())
                .collect();
            KeyRow {
                place: row.scope.title(),
                action: row.name,
                keys: keys.join(", "),
                help: row.help,
            }
        })
        .collect()
}

/// One key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// Shift is part of the character, and Shift-Tab is one key, whatever the terminal calls them.
    pub fn of(key: &KeyEvent) -> Self {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match key.code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) => {
                let shifted = modifiers.contains(KeyModifiers::SHIFT);
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if shifted { c.to_ascii_uppercase() } else { c })
            }
            other => other,
        };
        Self { code, modifiers }
    }

    fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_))
            && !self
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    }

    /// Reads `ctrl-p`, `shift-tab`, `G`, `f5`.
    fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((modifier, after)) = rest.split_once('-').filter(|(_, r)| !r.is_empty()) {
            modifiers |= match modifier.to_ascii_lowercase().as_str() {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return None,
            };
            rest = after;
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match rest.to_ascii_lowercase().as_str() {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "space" => KeyCode::Char(' '),
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "pgup" => KeyCode::PageUp,
                "pgdn" => KeyCode::PageDown,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "backspace" => KeyCode::Backspace,
                "delete" => KeyCode::Delete,
                "insert" => KeyCode::Insert,
                other => KeyCode::F(
                    other
                        .strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|n| (1..=24).contains(n))?,
                ),
            },
        };
        Some(Self::of(&KeyEvent::new(code, modifiers)))
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in [
            (KeyModifiers::CONTROL, "Ctrl-"),
            (KeyModifiers::ALT, "Alt-"),
            (KeyModifiers::SHIFT, "Shift-"),
        ] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                write!(f, "{}", c.to_ascii_uppercase())
            }
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Enter => f.write_str("Enter"),
            KeyCode::Esc => f.write_str("Esc"),
            KeyCode::Tab => f.write_str("Tab"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::Home => f.write_str("Home"),
            KeyCode::End => f.write_str("End"),
            KeyCode::Backspace => f.write_str("Backspace"),
            KeyCode::Delete => f.write_str("Delete"),
            KeyCode::Insert => f.write_str("Insert"),
            KeyCode::F(n) => write!(f, "F{n}"),
            _ => f.write_str("?"),
        }
    }
}

/// The table with the operator's overrides, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    heard: HashMap<(Scope, Chord), Action>,
    shown: HashMap<Action, Vec<Chord>>,
}

impl Keymap {
    /// # Errors
    /// Says which override names no action, no key, or a key that is taken.
    pub fn new(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        if let Some(unknown) = overrides
            .keys()
            .find(|name| TABLE.iter().all(|row| row.name != name.as_str()))
        {
            return Err(format!(
                "`{}` is no action; `?` in the console lists all of them",
                crate::domain::inert::cut(unknown, 40)
            ));
        }
        let mut map = Self {
            heard: HashMap::new(),
            shown: HashMap::new(),
        };
        for row in TABLE {
            let chords = match overrides.get(row.name) {
                None => row
                    .keys
                    .iter()
                    .map(|key| Chord::parse(key).expect("the table's keys are tested"))
                    .collect(),
                Some(keys) => overridden(row, keys)?,
            };
            for chord in &chords {
                map.heard.insert((row.scope, *chord), row.action);
            }
            map.shown.insert(row.action, chords);
        }
        map.check()?;
        Ok(map)
    }

    fn check(&self) -> Result<(), String> {
        for row in TABLE {
            for other in TABLE.iter().filter(|other| {
                other.action != row.action && heard_together(row.scope, other.scope)
            }) {
                let clash = self
                    .all(row.action)
                    .iter()
                    .find(|c| self.all(other.action).contains(c));
                if let Some(chord) = clash {
                    return Err(format!(
                        "the key {chord} is set for both `{}` and `{}`",
                        row.name, other.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// What a key does while `leaf` is the innermost scope.
    pub fn action(&self, leaf: Scope, key: &KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        leaf.chain()
            .iter()
            .find_map(|scope| self.heard.get(&(*scope, chord)).copied())
    }

    /// Every key of an action.
    pub fn all(&self, action: Action) -> &[Chord] {
        self.shown.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The key to show for an action, empty where it has none.
    pub fn first(&self, action: Action) -> String {
        self.all(action)
            .first()
            .map(Chord::to_string)
            .unwrap_or_default()
    }
}

fn overridden(row: &Binding, keys: &[String]) -> Result<Vec<Chord>, String> {
    let shown = |key: &str| crate::domain::inert::quoted(key, 40);
    let chords: Vec<Chord> = keys
        .iter()
        .map(|key| {
            Chord::parse(key).ok_or_else(|| {
                format!(
                    "{} (for `{}`) is no key; write x, G, f5, enter, ctrl-p or shift-tab",
                    shown(key),
                    row.name
                )
            })
        })
        .collect::<Result<_, _>>()?;
    if row.scope.takes_text() && chords.iter().any(|chord| chord.is_text()) {
        return Err(format!(
            "`{}` works where text is typed, so its key needs Ctrl, Alt or a name of its own",
            row.name
        ));
    }
    if chords.is_empty() && row.action == Action::Leave {
        return Err("`leave` needs a key, or there would be no sure way out".into());
    }
    Ok(chords)
}

fn heard_together(a: Scope, b: Scope) -> bool {
    Scope::LEAVES
        .iter()
        .any(|leaf| leaf.chain().contains(&a) && leaf.chain().contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_clash_and_no_unreadable_key() {
        let map = Keymap::new(&BTreeMap::new()).unwrap();
        for leaf in Scope::LEAVES {
            let mut taken: HashMap<Chord, &str> = HashMap::new();
            for row in TABLE.iter().filter(|r| leaf.chain().contains(&r.scope)) {
                for chord in map.all(row.action) {
                    let before = taken.insert(*chord, row.name);
                    assert_eq!(before, None, "{chord} in {leaf:?}: {}", row.name);
                    assert!(
                        !(leaf.takes_text() && chord.is_text()),
                        "{chord} cannot be typed in {leaf:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_made_for_a_config_file() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(
                row.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-')
            );
            assert!(!row.help.is_empty() && !row.keys.is_empty());
            assert!(
                TABLE[at + 1..].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn overrides_are_checked() {
        let with = |name: &str, keys: &[&str]| {
            Keymap::new(&BTreeMap::from([(
                name.to_owned(),
                keys.iter().map(ToString::to_string).collect(),
            )]))
            .map(|_| ())
        };
        assert_eq!(with("check", &["f5", "ctrl-k"]), Ok(()));
        assert_eq!(
            with("chek", &["x"]).unwrap_err(),
            "`chek` is no action; `?` in the console lists all of them"
        );
        assert_eq!(
            with("check", &["hyper-x"]).unwrap_err(),
            "`hyper-x` (for `check`) is no key; write x, G, f5, enter, ctrl-p or shift-tab"
        );
        assert_eq!(
            with("check", &["a"]).unwrap_err(),
            "the key a is set for both `check` and `add`"
        );
        assert_eq!(
            with("check", &["q"]).unwrap_err(),
            "the key q is set for both `check` and `quit`"
        );
        assert!(with("submit", &["x"]).unwrap_err().contains("typed"));
        assert!(with("leave", &[]).is_err());
    }

    #[test]
    fn a_terminal_may_report_shift_either_way() {
        let upper = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::NONE);
        let kitty = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(&upper), Chord::of(&kitty));
        let back = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT);
        assert_eq!(Some(Chord::of(&back)), Chord::parse("shift-tab"));
        assert_eq!(Chord::parse("ctrl-p").unwrap().to_string(), "Ctrl-P");
        assert_eq!(Chord::parse("-").unwrap().to_string(), "-");
    }
}
