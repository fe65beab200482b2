//! The key table: where a key is heard, what it does, how it is called. Footer, help, palette and the
//! overrides of the config file come from it; it knows nothing of panes' insides.

mod chord;
mod scope;

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::KeyEvent;

pub use chord::Chord;
pub use scope::Scope;

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

impl Action {
    /// Its row of the table.
    pub fn binding(self) -> &'static Binding {
        // Both are made from one list.
        &TABLE[self as usize]
    }
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

    Payments Check "check" ["c" "enter"] "check" "check the selected or marked payments now";
    Payments AddWatch "add" ["a"] "add" "watch a payment (or paste one or many)";
    Payments RemoveWatch "remove" ["d"] "remove" "stop watching the selected or marked ones";
    Payments UndoRemove "undo" ["u"] "undo" "undo the last removal";
    Payments PaymentTimeline "timeline" ["t"] "timeline" "show the selected payment's timeline";
    Payments ExpectPayment "expect" ["e"] "expect" "set or change the expected amount";
    Payments FilterPayments "filter-payments" ["/"] "filter" "filter by id, state, verdict or account";
    Payments MarkPayment "mark" ["space"] "mark" "mark or unmark the payment";
    Payments CopyId "copy-id" ["y"] "copy id" "copy the ids of the selected or marked";
    Payments SortPayments "sort" ["s"] "sort" "change the order of the payments";
    Payments ClearSettled "clear-settled" ["x"] "clear" "remove payments that are settled";

    Estimates Quote "quote" ["e" "enter"] "ask" "choose the sum to be quoted";
    Estimates Refresh "refresh" ["r"] "refresh" "ask for the same quote again";
    Estimates AutoRefresh "auto-refresh" ["t"] "auto" "ask again every 30 s, or stop doing so";

    Requests OpenExchange "open" ["enter"] "open" "read the selected request and its reply";
    Requests Filter "filter" ["/"] "filter" "show only requests that contain a text";
    Requests LoadOlder "older" ["o"] "older" "bring older requests from the ledger";

    Requests RequestTimeline "request-timeline" ["t"] "timeline" "all that happened to the payment the selected request is about";
    Requests CancelWaiting "cancel-waiting" ["x"] "call off" "call the selected waiting request off; first press: go to the waiting ones; where none waits, lift the hold after a 429";

    Callbacks CallbackSubject "callback-subject" ["enter" "t"] "timeline" "all that happened to the payment it tells of; of a player, the inventory; else the callback itself";
    Callbacks OpenDelivery "open-callback" ["i"] "details" "read the selected callback whole: its bytes, its verdict, what came of it";
    Callbacks Replay "replay" ["r"] "replay" "hand the selected callback on once more, after a question";
    Callbacks FilterCallbacks "filter-callbacks" ["/"] "filter" "show only callbacks that contain a text";
    Callbacks CopySubject "copy-subject" ["y"] "copy id" "copy the number of the payment or player it tells of";
    Callbacks OlderCallbacks "older-callbacks" ["o"] "older" "bring older callbacks from the ledger";

    Players Authenticate "authenticate" ["a"] "authenticate" "authenticate a player, or look at one by number";
    Players RefreshItems "refresh-items" ["r" "enter"] "refresh" "fetch the selected player's inventory now";
    Players CopyPlayer "copy-player" ["y"] "copy id" "copy the selected player's number";
    Players ForgetPlayer "forget-player" ["d"] "forget" "take the selected player off the list";

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

    Exchange ExchangeTimeline "exchange-timeline" ["enter" "t"] "timeline" "all that happened to the payment it is about";
    Exchange CopyCurl "copy-curl" ["y"] "copy as curl" "copy the request as a curl command, secrets replaced";
    Exchange CopyBody "copy-body" ["b"] "copy body" "copy the reply's body (the request's where there is none)";

    Delivery DeliveryTimeline "delivery-timeline" ["enter" "t"] "timeline" "all that happened to the payment it tells of";
    Delivery ReplayDelivery "replay-delivery" ["r"] "replay" "hand it on once more, after a question";
    Delivery CopyDelivery "copy-delivery" ["y"] "copy as curl" "copy it as a curl command, secrets replaced";
    Delivery CopyDeliveryBody "copy-delivery-body" ["b"] "copy body" "copy its body, secrets replaced";

    Timeline OpenHappening "open-happening" ["enter"] "open" "read the selected call or callback; calls told as one are unfolded";
    Timeline AllCalls "all-calls" ["a"] "all calls" "tell every call, or those alike as one";
    Timeline CheckTimeline "check-timeline" ["c"] "check" "ask for the payment's state now";
    Timeline CopyTimelineId "copy-timeline-id" ["y"] "copy id" "copy the payment's id";

    LinkResult CopyLink "copy-link" ["y"] "copy" "copy the link";
    LinkResult OpenLink "open-link" ["o"] "open" "open the link in the browser";
    LinkResult WatchLink "watch-link" ["w" "enter"] "watch" "go to this payment in the watch list";

    Alerts GoToAlert "go-to-alert" ["enter"] "go there" "go to the selected payment or account";
    Alerts MarkHandled "mark-handled" ["m"] "handled" "mark as handled, or take the mark away";

    ExpectAsk ConfirmExpected "confirm-expected" ["y"] "change it" "change the expected amount";
    ExpectAsk LeaveExpected "leave-expected" ["n"] "leave it" "leave the expected amount as it is";

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
    Global ShowAlerts "alerts" ["!"] "" "list what needs attention";
    Global Zoom "zoom" ["f"] "zoom" "give the focused pane the whole screen, or all panes their place";
    Global NextPane "next-pane" ["tab" "right" "l"] "" "next pane";
    Global PreviousPane "previous-pane" ["shift-tab" "left" "h"] "" "previous pane";
    Global FocusCredentials "credentials" ["1"] "" "to the credentials";
    Global FocusTokens "tokens" ["2"] "" "to the tokens";
    Global FocusPayments "payments" ["3"] "" "to the payments";
    Global FocusEstimates "estimates" ["4"] "" "to the estimates";
    Global FocusRequests "requests" ["5"] "" "to the request log";
    Global FocusExplorer "explorer" ["6"] "explore" "to the explorer: any call, filled in and sent";
    Global FocusCallbacks "callbacks" ["7"] "" "to the callbacks";
    Global FocusPlayers "players" ["8"] "players" "to the players of a game and what they own";
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

/// The table with the operator's overrides, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    bound: HashMap<(Scope, Chord), Action>,
    /// Each action's, in the order of the table.
    shown: Vec<Vec<Chord>>,
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
        // The table by itself has no clash; that is tested, and need not be looked for before every first frame.
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
                            "the key {chord} is set for both `{}` and `{}`",
                            before.binding().name,
                            row.name
                        ));
                    }
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
            .find_map(|scope| self.bound.get(&(*scope, chord)).copied())
    }

    /// Every key of an action.
    pub fn all(&self, action: Action) -> &[Chord] {
        &self.shown[action as usize]
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
}
