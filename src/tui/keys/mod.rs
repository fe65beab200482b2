//! The key table: in which scope a key works, what it does, and its action's name. Footer, help, palette and the
//! overrides under `[ui.keys]` are built from it. It knows nothing about the state of a pane.

mod chord;
mod scope;

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::KeyEvent;

pub use chord::Chord;
pub use scope::Scope;

/// The most columns of a key's help: the help window shows it whole beside the keys and the action's name.
#[cfg(test)]
const HELP_MAX: usize = 40;

/// One row of the table.
pub struct Binding {
    pub scope: Scope,
    pub action: Action,
    /// The action's name, in `[ui.keys]` and in the palette.
    pub name: &'static str,
    pub keys: &'static [&'static str],
    /// One word for the footer; empty: the footer omits the key.
    pub short: &'static str,
    /// A verb and a noun, at most 40 columns.
    pub help: &'static str,
}

macro_rules! table {
    ($($scope:ident $action:ident $name:literal [$($key:literal)*] $short:literal $help:literal;)*) => {
        /// Everything that a key can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($action),* }

        /// Every key, in the order of footer and help.
        pub const TABLE: &[Binding] = &[$(Binding {
            scope: Scope::$scope, action: Action::$action, name: $name,
            keys: &[$($key),*], short: $short, help: $help,
        }),*];
    };
}

impl Action {
    /// Its row of the table.
    pub fn binding(self) -> &'static Binding {
        // One macro builds both from one list, in the same order.
        &TABLE[self as usize]
    }
}

table! {
    Credentials Verify "verify" ["v" "enter"] "verify" "verify the selected credentials";
    Credentials VerifyAll "verify-all" ["V"] "verify all" "verify every account";
    Credentials Arm "arm" ["A"] "arm" "allow write calls, or disarm";

    Credentials AddAccount "add-account" ["a"] "add" "add and verify an account";
    Credentials RotateSecret "rotate-secret" ["R"] "new secret" "replace the account's secret";
    Credentials RemoveAccount "remove-account" ["d"] "remove" "remove the account from the config";
    Credentials Guide "guide" ["i"] "guide" "show how to get credentials";
    Tokens RefreshToken "refresh-token" ["r"] "renew" "renew the access token now";
    Tokens CopyToken "copy-token" ["y"] "copy" "copy the token, after confirmation";
    Tokens Claims "claims" ["i" "enter"] "claims" "show the token's claims (JWT)";

    Payments Check "check" ["c" "enter"] "check" "check the selected or marked payments";
    Payments AddWatch "add" ["a"] "add" "watch a payment; paste adds several";
    Payments RemoveWatch "remove" ["d"] "remove" "stop watching the selected or marked";
    Payments UndoRemove "undo" ["u"] "undo" "undo the last removal";
    Payments PaymentTimeline "timeline" ["t"] "timeline" "show the payment's timeline";
    Payments ExpectPayment "expect" ["e"] "expect" "set the expected amount";
    Payments FilterPayments "filter-payments" ["/"] "filter" "filter by id, state, verdict, account";
    Payments MarkPayment "mark" ["space"] "mark" "mark or unmark the payment";
    Payments CopyId "copy-id" ["y"] "copy id" "copy the payment ids";
    Payments SortPayments "sort" ["s"] "sort" "change the sort order";
    Payments ClearSettled "clear-settled" ["x"] "clear" "remove settled payments";

    Estimates Quote "quote" ["e" "enter"] "amount" "set the amount to estimate";
    Estimates Refresh "refresh" ["r"] "refresh" "estimate the same amount again";
    Estimates AutoRefresh "auto-refresh" ["t"] "auto" "repeat every 30 s, or stop";

    Requests OpenExchange "open" ["enter"] "open" "show the request and its response";
    Requests Filter "filter" ["/"] "filter" "filter the requests by text";
    Requests LoadOlder "older" ["o"] "older" "load older requests";

    Requests RequestTimeline "request-timeline" ["t"] "timeline" "show the payment's timeline";
    Requests CancelWaiting "cancel-waiting" ["x"] "cancel" "cancel a waiting request; end a pause";

    Callbacks CallbackSubject "callback-subject" ["enter" "t"] "timeline" "show the payment's or player's page";
    Callbacks OpenDelivery "open-callback" ["i"] "details" "show the callback's details";
    Callbacks Replay "replay" ["r"] "replay" "forward again, after confirmation";
    Callbacks FilterCallbacks "filter-callbacks" ["/"] "filter" "filter the callbacks by text";
    Callbacks CopySubject "copy-subject" ["y"] "copy id" "copy the payment or player id";
    Callbacks OlderCallbacks "older-callbacks" ["o"] "older" "load older callbacks";

    Players Authenticate "authenticate" ["a"] "authenticate" "authenticate or look up a player";
    Players RefreshItems "refresh-items" ["r" "enter"] "refresh" "load the player's inventory";
    Players CopyPlayer "copy-player" ["y"] "copy id" "copy the player's number";
    Players ForgetPlayer "forget-player" ["d"] "forget" "remove the player from the list";

    Explorer OpenCall "open-call" ["enter"] "fill in" "fill in the selected call";
    Explorer FindCall "find-call" ["/"] "find" "find a call by path or purpose";

    ExplorerFind TakeFound "take-found" ["enter"] "fill in" "fill in the selected call";
    ExplorerFind FoundDown "found-down" ["down" "ctrl-n"] "" "next call";
    ExplorerFind FoundUp "found-up" ["up" "ctrl-p"] "" "previous call";
    ExplorerFind DropFind "drop-find" ["esc"] "all calls" "show all calls again";

    ExplorerFields SendField "send-field" ["enter"] "send" "send the call";
    ExplorerFields NextParam "next-param" ["down"] "" "next field";
    ExplorerFields PreviousParam "previous-param" ["up"] "" "previous field";
    ExplorerRequest SendCall "send" ["ctrl-s" "f5" "alt-enter" "ctrl-enter"] "send" "send the call, also from the body";
    ExplorerRequest NextInCall "next-in-call" ["tab"] "next" "next field, then the body";
    ExplorerRequest PreviousInCall "previous-in-call" ["shift-tab"] "" "previous field";
    ExplorerBody TidyBody "tidy" ["ctrl-t"] "indent" "indent the body";
    ExplorerBody UndoEdit "undo-edit" ["ctrl-/" "ctrl-7" "alt-z"] "undo" "undo the last change to the body";
    ExplorerRequest ToResponse "answer" ["ctrl-o"] "response" "go to the response";
    ExplorerRequest ToCalls "calls" ["esc"] "calls" "cancel the call, or show all calls";

    ExplorerResponse EditCall "edit-call" ["e" "enter"] "edit" "edit the request";
    ExplorerResponse SendAgain "send-again" ["r"] "again" "send the call again";
    ExplorerResponse Search "search" ["/"] "search" "search the response";
    ExplorerResponse NextMatch "next-match" ["n"] "next" "next match";
    ExplorerResponse PreviousMatch "previous-match" ["N"] "" "previous match";
    ExplorerResponse ToggleDigest "table" ["d"] "table/body" "switch between table and body";
    ExplorerResponse ToggleWrap "wrap" ["w"] "wrap" "wrap long lines, or scroll sideways";
    ExplorerResponse ScrollLeft "scroll-left" ["<"] "" "scroll left (unwrapped lines)";
    ExplorerResponse ScrollRight "scroll-right" [">"] "" "scroll right (unwrapped lines)";
    ExplorerResponse CopyResponse "copy-answer" ["b"] "copy body" "copy the response body";

    ExplorerSearch KeepSearch "keep-search" ["enter"] "search" "close the search; n and N continue";
    ExplorerSearch DropSearch "drop-search" ["esc"] "cancel" "cancel the search";

    ExplorerCall CopyCommand "copy-command" ["y"] "copy" "copy as a tilldeck command";
    ExplorerCall CopyCallCurl "copy-call-curl" ["Y"] "as curl" "copy as curl, without secrets";
    ExplorerCall History "history" ["H"] "history" "list the calls of this session";
    ExplorerCall ArmAccount "arm-account" ["A"] "arm" "allow write calls, or disarm";

    History Reopen "reopen" ["enter"] "open" "open the call and its response";

    SendAsk ConfirmSend "confirm-send" ["y"] "send" "send the write call";
    SendAsk DontSend "dont-send" ["n"] "do not send" "do not send it";

    Exchange ExchangeTimeline "exchange-timeline" ["enter" "t"] "timeline" "show the payment's timeline";
    Exchange CopyCurl "copy-curl" ["y"] "copy as curl" "copy as curl, without secrets";
    Exchange CopyBody "copy-body" ["b"] "copy body" "copy the response (or request) body";

    Delivery DeliveryTimeline "delivery-timeline" ["enter" "t"] "timeline" "show the payment's timeline";
    Delivery ReplayDelivery "replay-delivery" ["r"] "replay" "forward again, after confirmation";
    Delivery CopyDelivery "copy-delivery" ["y"] "copy as curl" "copy as curl, without secrets";
    Delivery CopyDeliveryBody "copy-delivery-body" ["b"] "copy body" "copy the body, without secrets";

    Timeline OpenHappening "open-happening" ["enter"] "open" "open an entry, or expand a group";
    Timeline AllCalls "all-calls" ["a"] "all calls" "group or show repeated calls";
    Timeline CheckTimeline "check-timeline" ["c"] "check" "check the payment now";
    Timeline CopyTimelineId "copy-timeline-id" ["y"] "copy id" "copy the payment id";

    LinkResult CopyLink "copy-link" ["y"] "copy" "copy the link";
    LinkResult OpenLink "open-link" ["o"] "open" "open the link in the browser";
    LinkResult WatchLink "watch-link" ["w" "enter"] "show" "show the payment in the list";

    Alerts GoToAlert "go-to-alert" ["enter"] "go there" "go to the payment or account";
    Alerts MarkHandled "mark-handled" ["m"] "handled" "mark as handled, or unmark";

    ExpectAsk ConfirmExpected "confirm-expected" ["y"] "change" "change the expected amount";
    ExpectAsk LeaveExpected "leave-expected" ["n"] "keep" "keep the current expected amount";

    Help FindInHelp "find-in-help" ["/"] "search" "search this window";
    HelpFind ApplyHelpSearch "apply-help-search" ["enter"] "apply" "show the matching lines";
    HelpFind DropHelpSearch "drop-help-search" ["esc"] "clear" "show all lines again";

    Guide NextGuide "next-guide" ["tab" "right" "l"] "next provider" "next provider";
    Guide PreviousGuide "previous-guide" ["shift-tab" "left" "h"] "" "previous provider";

    Sandbox Play "play" ["enter"] "run" "do the selected action";

    Sandbox NextChoice "next-choice" ["right" "l"] "" "next value of the setting";
    Sandbox PreviousChoice "previous-choice" ["left" "h"] "change" "previous value of the setting";
    Sandbox OtherValue "other-value" ["e"] "other value" "type a value for the setting";
    Sandbox NextSection "next-section" ["tab"] "next group" "go to the next group";

    CopyToken ConfirmCopy "confirm-copy" ["y"] "copy" "copy the access token";

    QuitAsk ConfirmQuit "confirm-quit" ["y"] "quit anyway" "quit without waiting";
    QuitAsk Stay "stay" ["n"] "wait" "wait for the response";

    Form Submit "submit" ["enter"] "submit" "check and submit the form";
    Form NextField "next-field" ["tab" "down"] "next" "next field";
    Form PreviousField "previous-field" ["shift-tab" "up"] "back" "previous field";

    Form FormGuide "form-guide" ["f1"] "guide" "show how to get credentials";

    Palette Choose "choose" ["enter"] "run" "run the selected action";
    Palette ChooseDown "choose-down" ["down" "ctrl-n"] "" "next action";
    Palette ChooseUp "choose-up" ["up" "ctrl-p"] "" "previous action";

    Filter KeepFilter "keep-filter" ["enter"] "apply" "apply the filter";

    Overlay Close "close" ["esc"] "close" "close the window";
    Reader Back "back" ["q"] "" "close the window";

    Nav Down "down" ["j" "down"] "" "one row down";
    Nav Up "up" ["k" "up"] "" "one row up";
    Nav PageDown "page-down" ["pgdn" "ctrl-d"] "" "one page down";
    Nav PageUp "page-up" ["pgup" "ctrl-u"] "" "one page up";
    Nav Top "top" ["g" "home"] "" "first row";
    Nav Bottom "bottom" ["G" "end"] "" "last row; follow new requests";

    Global Link "link" ["L"] "link" "create a payment link";
    Global Sandbox "sandbox" ["S"] "simulator" "control the built-in simulator";
    Global ShowAlerts "alerts" ["!"] "" "list what needs attention";
    Global Zoom "zoom" ["f"] "zoom" "zoom this pane, or show all panes";
    Global NextPane "next-pane" ["tab" "right" "l"] "" "next pane";
    Global PreviousPane "previous-pane" ["shift-tab" "left" "h"] "" "previous pane";
    Global FocusCredentials "credentials" ["1"] "" "go to Credentials";
    Global FocusTokens "tokens" ["2"] "" "go to Tokens";
    Global FocusPayments "payments" ["3"] "" "go to Payments";
    Global FocusEstimates "estimates" ["4"] "" "go to Estimates";
    Global FocusRequests "requests" ["5"] "" "go to Requests";
    Global FocusExplorer "explorer" ["6"] "explore" "go to Explorer";
    Global FocusCallbacks "callbacks" ["7"] "" "go to Callbacks";
    Global FocusPlayers "players" ["8"] "players" "go to Players";
    Global Escape "escape" ["esc"] "" "cancel, dismiss or go back";
    Global Palette "palette" [":" "ctrl-p"] "" "search actions by name";
    Global Help "help" ["?"] "help" "show keys, symbols and columns";
    Global Quit "quit" ["q"] "quit" "quit, with confirmation during a write";

    Always Leave "leave" ["ctrl-c"] "" "quit at once";
    Always Suspend "suspend" ["ctrl-z"] "" "suspend to the shell (`fg` resumes)";
}

/// One row of the key table as it is printed outside the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The pane or window where the keys work: "Payments".
    pub place: &'static str,
    /// The action's name, as the config file writes it.
    pub action: &'static str,
    /// Its built-in keys: "c, Enter".
    pub keys: String,
    /// The action, as a verb and a noun.
    pub help: &'static str,
}

/// The whole key table without overrides, for `docs/keys.md`.
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

/// The table with the operator's overrides, indexed by scope and key.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    bound: HashMap<(Scope, Chord), Action>,
    /// The keys of each action, in the order of the table.
    shown: Vec<Vec<Chord>>,
}

impl Keymap {
    /// # Errors
    /// Names the override with an unknown action, an unknown key, or a key that another action uses.
    pub fn new(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        if let Some(unknown) = overrides
            .keys()
            .find(|name| TABLE.iter().all(|row| row.name != name.as_str()))
        {
            return Err(format!(
                "unknown action `{}`; the help (`?`) lists the action names",
                crate::domain::inert::cut(unknown, 40)
            ));
        }
        let mut map = Self {
            bound: HashMap::new(),
            shown: Vec::with_capacity(TABLE.len()),
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
                map.bound.insert((row.scope, *chord), row.action);
            }
            map.shown.push(chords);
        }
        // A test proves that the built-in table has no clash, so that start-up need not check it.
        if !overrides.is_empty() {
            map.check()?;
        }
        Ok(map)
    }

    fn check(&self) -> Result<(), String> {
        for leaf in Scope::LEAVES {
            let mut taken: HashMap<Chord, Action> = HashMap::new();
            for row in TABLE.iter().filter(|r| leaf.chain().contains(&r.scope)) {
                for chord in self.all(row.action) {
                    let before = taken.insert(*chord, row.action);
                    if let Some(before) = before.filter(|before| *before != row.action) {
                        return Err(format!(
                            "key {chord} is set for both `{}` and `{}`",
                            before.binding().name,
                            row.name
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The action of a key while `leaf` is the innermost scope.
    pub fn action(&self, leaf: Scope, key: &KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        leaf.chain()
            .iter()
            .find_map(|scope| self.bound.get(&(*scope, chord)).copied())
    }

    /// Every key of an action.
    pub fn all(&self, action: Action) -> &[Chord] {
        &self.shown[action as usize]
    }

    /// The key to show for an action; empty if it has none.
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
                    "{} (for `{}`) is not a key; write x, G, f5, enter, ctrl-p or shift-tab",
                    shown(key),
                    row.name
                )
            })
        })
        .collect::<Result<_, _>>()?;
    if row.scope.takes_text() && chords.iter().any(|chord| chord.is_text()) {
        return Err(format!(
            "`{}` works in a text field: use Ctrl, Alt or a named key such as f5",
            row.name
        ));
    }
    if chords.is_empty() && row.action == Action::Leave {
        return Err("`leave` needs a key: it must always be possible to quit".into());
    }
    Ok(chords)
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
            assert_eq!(row.action.binding().name, row.name);
            assert!(
                TABLE[at + 1..].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_keys_help_is_a_verb_and_a_noun_in_forty_columns() {
        for row in TABLE {
            let (columns, words) = (row.help.chars().count(), row.help.split(' ').count());
            assert!(
                columns <= HELP_MAX && words <= 7,
                "{}: {columns} columns, {words} words",
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
            "unknown action `chek`; the help (`?`) lists the action names"
        );
        assert_eq!(
            with("check", &["hyper-x"]).unwrap_err(),
            "`hyper-x` (for `check`) is not a key; write x, G, f5, enter, ctrl-p or shift-tab"
        );
        assert_eq!(
            with("check", &["a"]).unwrap_err(),
            "key a is set for both `check` and `add`"
        );
        assert_eq!(
            with("check", &["q"]).unwrap_err(),
            "key q is set for both `check` and `quit`"
        );
        assert!(with("submit", &["x"]).unwrap_err().contains("text field"));
        assert!(with("leave", &[]).is_err());
    }
}
