//! The explorer: find a call in the catalogue, fill it in, send it, read the response. It sends nothing on
//! its own, and its history is lost when the console quits.

mod accounts;
pub mod calls;
pub mod draft;
mod follow;
pub mod history;
mod input;
mod request;
pub mod response;
mod rows;
mod send;
mod table;
mod view;

use ratatui::crossterm::event::KeyEvent;

use crate::domain::{Account, AccountId, Answer, DocumentedCall, Now};
use crate::tui::overlays;
use crate::tui::prelude::*;
use crate::tui::store::Purpose;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::input::Paste;

use calls::Row;
use draft::Draft;
use history::{History, PastCall};
use response::Response;

keys! {
    Action:
    EXPLORER "Explorer" keys [EXPLORER_CALL, NAV, GLOBAL] else "no call is selected" {
        OpenCall "open-call" ["enter"] "fill in" "fill in the selected call";
        FindCall "find-call" ["/"] "find" "find a call by path or purpose";
        NextAccount "next-account" ["}"] "" "go to the next account" else "there is no other account";
        PreviousAccount "previous-account" ["{"] "" "go to the previous account" else "there is no other account";
        SendSelected "send-selected" ["ctrl-s" "f5"] "send" "send the selected call";
    }
    EXPLORER_FIELDS "Explorer, request" text [EXPLORER_REQUEST] else "no call is selected" {
        SendField "send-field" ["enter"] "send" "send the call";
        NextParam "next-param" ["down"] "" "next field";
        PreviousParam "previous-param" ["up" "shift-tab"] "" "previous field";
    }
    EXPLORER_REQUEST "Explorer, request" text [] else "no call is selected" {
        SendCall "send" ["ctrl-s" "f5" "alt-enter" "ctrl-enter"] "send" "send the call, also from the body";
        ToCalls "calls" ["esc"] "calls" "cancel the call, or show all calls";
        NextInCall "next-in-call" ["tab"] "next" "next field, then the body";
        ToResponse "answer" ["ctrl-o"] "response" "go to the response" else "there is no response";
    }
    EXPLORER_BODY "Explorer, request" text [EXPLORER_REQUEST, EXPLORER_EDITOR] {
        PreviousInCall "previous-in-call" ["shift-tab"] "" "previous field";
    }
    EXPLORER_EDITOR "Explorer, request" text [] {
        TidyBody "tidy" ["ctrl-t"] "indent" "indent the body";
        UndoEdit "undo-edit" ["ctrl-/" "ctrl-7" "alt-z"] "undo" "undo the last change to the body";
    }
    EXPLORER_RESPONSE "Explorer, response" keys [EXPLORER_CALL] else "there is no response" {
        FollowRow "follow-row" ["enter"] "next call" "list the calls for this row" else "the response has no rows";
        EditCall "edit-call" ["e"] "edit" "edit the request" else "no call is selected";
        SendAgain "send-again" ["r"] "again" "send the call again" else "no call is selected, or it is not answered yet";
        Search "search" ["/"] "search" "search the response";
        ToggleDigest "table" ["d"] "table/body" "switch between table and body" else "the response is no list";
        CopyResponse "copy-answer" ["b"] "copy body" "copy the response body" else "there is no body";
    }
    EXPLORER_PAGES "Explorer, response" keys [EXPLORER_RESPONSE, NAV, GLOBAL] {
        NextPage "next-page" ["n"] "next page" "show the next page of the list" else "there is no next page";
        PreviousPage "previous-page" ["p"] "" "show the previous page of the list" else "there is no previous page";
    }
    EXPLORER_MATCHES "Explorer, response" keys [EXPLORER_RESPONSE, NAV, GLOBAL] {
        NextMatch "next-match" ["n"] "next" "go to the next match" else "nothing is searched";
        PreviousMatch "previous-match" ["N"] "" "go to the previous match" else "nothing is searched";
    }
    EXPLORER_CALL "Explorer" keys [] else "no call is selected" {
        CopyRow "copy-row" ["y"] "copy" "copy the row id, else a command";
        CopyCallCurl "copy-call-curl" ["Y"] "as curl" "copy as curl, without secrets";
        History "history" ["H"] "history" "list the calls of this session" else "no call was sent in this session";
        ArmAccount "arm-account" ["A"] "arm" "allow write calls, or disarm" else "the account has no real money";
    }
}

/// Drafts in memory. Of more, the oldest one that nothing was typed into goes, else the oldest one that is not in flight.
const DRAFTS_MAX: usize = 64;

/// The part that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    #[default]
    Calls,
    Request,
    Response,
}

/// The list of calls, the drafts, and the responses.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub part: Part,
    list: List,
    rows: Vec<Row>,
    filter: Filter,
    /// The accounts as of the last fit, which drafts and history are of.
    accounts: Vec<Account>,
    /// The filter's text and whether each account may write, as of `rows`; `None` before the rows of these accounts
    /// are built.
    listed_for: Option<(String, Vec<bool>)>,
    drafts: Vec<Draft>,
    current: Option<usize>,
    response: Option<Response>,
    pub history: History,
    area: Rect,
}

/// The documented calls of every account, but for those that must not be sent now.
pub fn offered(store: &Store, now: Now) -> Vec<(AccountId, &'static DocumentedCall)> {
    let calls = store.accounts.iter().flat_map(|known| {
        let all = store.catalogue(known.account.provider).iter();
        let offered = all.filter(move |call| !calls::is_hidden(known, call.writes, now));
        offered.map(|call| (known.id().clone(), call))
    });
    calls.collect()
}

impl State {
    pub fn draft(&self) -> Option<&Draft> {
        self.drafts.get(self.current?)
    }

    pub fn draft_mut(&mut self) -> Option<&mut Draft> {
        self.drafts.get_mut(self.current?)
    }

    /// The account of the selected row.
    fn account(&self) -> Option<&AccountId> {
        match self.draft() {
            Some(draft) => Some(&draft.account),
            None => self.rows.get(self.list.selected).map(Row::account),
        }
    }

    /// The sent call whose response is shown. While the next one is in flight, none is.
    fn past(&self) -> Option<&PastCall> {
        let draft = self.draft().filter(|draft| draft.in_flight.is_none())?;
        self.history.get(draft.past?)
    }

    /// Rebuilds the rows if the filter, accounts or their arming have changed, and lays out for an area.
    fn lay_out(&mut self, store: &Store, area: Rect, now: Now) {
        self.area = area;
        let accounts = store.accounts.iter();
        let may_write = accounts.map(|known| known.may_write(now)).collect();
        let listed_for = Some((self.filter.text().to_owned(), may_write));
        if self.listed_for != listed_for {
            // Of the calls that a new filter finds, the best one is selected.
            let before = self.listed_for.as_ref().map(|(text, _)| text.as_str());
            let is_kept =
                before.is_none_or(|it| it == self.filter.text()) || !self.filter.is_active();
            let selected = self
                .rows
                .get(self.list.selected)
                .filter(|_| is_kept)
                .cloned();
            let (rows, best) = calls::rows(store, self.filter.text(), now);
            (self.rows, self.listed_for) = (rows, listed_for);
            let same = selected.and_then(|old| self.rows.iter().position(|row| row.is_same(&old)));
            self.list.selected = same.or(best).unwrap_or(0);
            match self.draft().filter(|_| self.part != Part::Calls) {
                Some(draft) => {
                    let (account, call) = (draft.account.clone(), draft.call);
                    self.select_call(&account, call);
                }
                None => self.open_selected(store),
            }
        }
        let height = view::list_area(self.area, self).height;
        // The first visible row may be covered by its account's heading.
        self.list.fit_with_row_above(self.rows.len(), height);
        let area = view::response_area(self.area, self);
        if let Some(past) = self.draft().and_then(|draft| self.history.get(draft.past?)) {
            if self
                .response
                .as_ref()
                .is_none_or(|response| response.number != past.number)
            {
                let row = self
                    .response
                    .as_ref()
                    .and_then(|old| old.row_id(&self.history));
                let old = self.response.replace(Response::new(past));
                if let (Some(response), Some(row)) = (&mut self.response, row) {
                    response.select_id(past, &row);
                }
                if let (Some(response), Some(old)) = (&mut self.response, old) {
                    response.go_on_searching(old.search);
                }
            }
            if let Some(response) = &mut self.response {
                response.fit(past, area);
            }
        } else {
            self.response = None;
        }
    }

    fn open_selected(&mut self, store: &Store) {
        let (account, call) = match self.rows.get(self.list.selected) {
            Some(Row::Call { account, call, .. }) => (account.clone(), Some(*call)),
            Some(Row::Other(account)) => (account.clone(), None),
            _ => {
                self.current = None;
                return;
            }
        };
        self.open(&account, call, store);
    }

    fn open(&mut self, account: &AccountId, call: Option<&'static DocumentedCall>, store: &Store) {
        // A half-typed call is found again after a look at another one.
        let known = self
            .drafts
            .iter()
            .position(|draft| draft.account == *account && calls::is_same_call(draft.call, call));
        if known.is_none() {
            let Some(known) = store.known(account) else {
                return;
            };
            if self.drafts.len() >= DRAFTS_MAX
                && let Some(idle) = self.least_needed(store)
            {
                self.drafts.remove(idle);
            }
            self.drafts.push(Draft::new(&known.account, call));
        }
        self.current = Some(known.unwrap_or(self.drafts.len() - 1));
    }

    /// The oldest draft that nothing was typed into or sent from, else the oldest without a request in flight.
    fn least_needed(&self, store: &Store) -> Option<usize> {
        let is_new = |draft: &Draft| {
            let known = store.known(&draft.account);
            draft.past.is_none() && known.is_some_and(|known| draft.is_new(&known.account))
        };
        let is_idle = |draft: &Draft| draft.in_flight.is_none();
        let mut drafts = self.drafts.iter();
        let new = drafts.position(|draft| is_idle(draft) && is_new(draft));
        new.or_else(|| self.drafts.iter().position(is_idle))
    }

    fn next_in_call(&mut self, forward: bool) {
        if let Some(draft) = self.draft_mut() {
            draft.next(forward);
        }
    }

    fn next_match(&mut self, forward: bool) {
        if let Some(response) = &mut self.response
            && let Some(past) = self.history.get(response.number)
        {
            response.next_match(past, forward);
        }
    }

    /// Whether matches of a search are shown.
    fn is_searched(&self) -> bool {
        self.response.as_ref().is_some_and(Response::is_searched)
    }

    /// The first row of the next or the previous account.
    fn other_account(&self, forward: bool) -> Option<usize> {
        let here = self.list.selected;
        let own = self.rows.get(here)?.account();
        let mut firsts = (0..self.rows.len()).filter(|at| {
            let starts = *at == 0 || self.rows[*at - 1].account() != self.rows[*at].account();
            starts && self.rows[*at].account() != own
        });
        let heading = if forward {
            firsts.find(|at| *at > here)
        } else {
            firsts.rfind(|at| *at < here)
        };
        heading.map(|at| at + 1)
    }

    fn go_to_account(&mut self, forward: bool, store: &Store) {
        if let Some(at) = self.other_account(forward) {
            self.list.selected = at;
            self.open_selected(store);
        }
    }

    /// Whether there is an answer, or a request in flight.
    fn has_response(&self) -> bool {
        self.draft()
            .is_some_and(|draft| draft.past.is_some() || draft.in_flight.is_some())
    }

    fn reopen(&mut self, number: u64, store: &Store) {
        let Some(past) = self.history.get(number).cloned() else {
            return;
        };
        // It may hide the call.
        self.filter.clear();
        self.open(&past.account, past.documented, store);
        if let Some(draft) = self.draft_mut() {
            draft.fill(&past.values, &past.call);
            draft.past = Some(number);
            self.part = Part::Response;
        }
        self.select_call(&past.account, past.documented);
    }
}

impl Component for State {
    type Action = Action;

    /// The key scope of the focused part.
    fn scope(&self) -> &'static Scope {
        let search = self.response.as_ref().map(|response| &response.search);
        match self.part {
            Part::Calls if self.filter.is_typed() => &FILTER,
            Part::Calls => &EXPLORER,
            Part::Response if search.is_some_and(Filter::is_typed) => &FILTER,
            Part::Response if self.is_searched() => &EXPLORER_MATCHES,
            Part::Response => &EXPLORER_PAGES,
            Part::Request if self.draft().is_some_and(|draft| draft.in_body) => &EXPLORER_BODY,
            Part::Request => &EXPLORER_FIELDS,
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let read = self.past().is_some_and(|past| past.outcome.is_ok());
        let response = self.response.as_ref().filter(|_| read);
        match action {
            // In the fields, `SendField` has the shorter key and is the one shown in the footer.
            Action::SendCall => self.draft().is_some_and(|draft| draft.in_body),
            Action::OpenCall
            | Action::SendField
            | Action::SendSelected
            | Action::CopyRow
            | Action::CopyCallCurl
            | Action::EditCall => self.draft().is_some(),
            Action::SendAgain => self.draft().is_some() && self.in_flight().is_none(),
            Action::ToResponse => self.has_response(),
            Action::History => !self.history.is_empty(),
            Action::ToggleDigest => response.is_some_and(Response::has_table),
            Action::NextMatch | Action::PreviousMatch => self.is_searched(),
            Action::NextPage => response.is_some() && self.page(true).is_some(),
            Action::PreviousPage => response.is_some() && self.page(false).is_some(),
            Action::FollowRow => response.is_some() && self.row_ids().is_some(),
            Action::Search => response.is_some(),
            Action::CopyResponse => response.is_some() && self.response_body().is_some(),
            Action::ArmAccount => {
                let known = self.account().and_then(|id| ctx.store.known(id));
                ctx.store.is_ready() && known.is_some_and(AccountState::is_live)
            }
            Action::NextAccount => self.other_account(true).is_some(),
            Action::PreviousAccount => self.other_account(false).is_some(),
            Action::FindCall
            | Action::NextParam
            | Action::PreviousParam
            | Action::NextInCall
            | Action::PreviousInCall
            | Action::TidyBody
            | Action::UndoEdit
            | Action::ToCalls => true,
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        self.own_command(ctx.store)
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::SendCall | Action::SendField | Action::SendSelected | Action::SendAgain => {
                self.send(ctx);
            }
            Action::NextAccount => self.go_to_account(true, ctx.store),
            Action::PreviousAccount => self.go_to_account(false, ctx.store),
            Action::FollowRow => self.offer_follow_ups(ctx),
            Action::NextPage => self.turn_page(true, ctx),
            Action::PreviousPage => self.turn_page(false, ctx),
            Action::CopyRow => self.copy_row(ctx),
            Action::CopyCallCurl => self.copy_curl(ctx),
            Action::CopyResponse => self.copy_response(ctx),
            Action::ArmAccount => self.toggle_arming(ctx),
            Action::History => {
                if self.history.is_empty() {
                    ctx.flash(Level::Info, "no calls in this session yet");
                } else {
                    ctx.open(overlays::history::State::new(self.history.describe()));
                }
            }
            Action::FindCall => {
                self.part = Part::Calls;
                self.filter.clear();
                self.filter.open("letters of path, purpose, account");
            }
            Action::OpenCall if self.rows.is_empty() => {
                if self.filter.is_active() {
                    ctx.flash(Level::Info, "no call matches");
                }
            }
            Action::OpenCall if self.draft().is_none() => self.toggle_arming(ctx),
            Action::OpenCall | Action::EditCall => self.part = Part::Request,
            Action::ToCalls => match self.in_flight() {
                Some(request) => ctx.console.push(Command::Cancel(request)),
                None if self.return_to_row(ctx) => {}
                None => self.part = Part::Calls,
            },
            Action::ToResponse => {
                if self.has_response() {
                    self.part = Part::Response;
                } else {
                    ctx.store
                        .flash(Level::Info, "this call has not been sent yet");
                }
            }
            Action::NextParam | Action::NextInCall => self.next_in_call(true),
            Action::PreviousParam | Action::PreviousInCall => self.next_in_call(false),
            Action::TidyBody => {
                if self.draft_mut().is_some_and(|draft| !draft.tidy()) {
                    ctx.flash(Level::Warning, "only a JSON body can be indented");
                }
            }
            Action::UndoEdit => {
                if self.draft_mut().is_some_and(|draft| !draft.undo()) {
                    ctx.flash(Level::Info, "nothing to undo");
                }
            }
            Action::Search => self.with_response(Response::find),
            Action::NextMatch => self.next_match(true),
            Action::PreviousMatch => self.next_match(false),
            Action::ToggleDigest => self.with_response(Response::toggle_table),
        }
    }

    fn word(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        if action == Action::CopyRow {
            return self.row_ids().map(|_| "copy id");
        }
        let known = self.account().and_then(|id| ctx.store.known(id))?;
        (action == Action::ArmAccount && known.armed(ctx.now).is_some()).then_some("disarm")
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        match self.part {
            Part::Calls => {
                let height = view::list_area(self.area, self).height;
                self.list.step(step, self.rows.len(), height);
                self.list.skip(step, |at| {
                    self.rows.get(*at).is_some_and(|row| !row.is_heading())
                });
                self.open_selected(ctx.store);
            }
            Part::Response => {
                if let Some(response) = &mut self.response {
                    response.step(step);
                }
            }
            Part::Request => {
                if let Some(draft) = self.draft_mut().filter(|draft| !draft.in_body) {
                    draft.next(matches!(step, Step::Down(_) | Step::PageDown));
                }
            }
        }
    }

    /// The search in the response while it is typed, else the filter of the calls.
    fn filter(&mut self) -> Option<&mut Filter> {
        let response = self
            .response
            .as_mut()
            .filter(|_| self.part == Part::Response);
        let search = response.map(|response| &mut response.search);
        Some(
            search
                .filter(|it| it.is_typed())
                .unwrap_or(&mut self.filter),
        )
    }

    fn key(&mut self, key: &KeyEvent, ctx: &mut UpdateContext<'_>) -> bool {
        ctx.store.flash = None;
        self.type_key(key, ctx.store)
    }

    fn paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> Paste {
        self.take_paste(text, ctx.store)
    }

    fn point(&mut self, at: Position, is_click: bool, _ctx: &mut UpdateContext<'_>) {
        self.pointed(at, is_click);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        self.part = Part::Calls;
        self.filter.keep();
        if self.rows.get(row).is_some_and(|row| !row.is_heading()) {
            self.list.selected = row;
            self.open_selected(ctx.store);
        }
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        self.take_accounts(ctx.store);
        if !ctx.area.is_empty() {
            self.lay_out(ctx.store, ctx.area, ctx.now);
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Answered(request, Answer::Explored(result)), _) => {
                self.apply(*request, result.clone(), ctx.now);
            }
            Event::Message(Msg::Exchange(exchange), _) => self.observe(exchange),
            Event::Cancelled {
                request,
                asked,
                waited,
            } if asked.purpose == Purpose::Explore => {
                if self.cancelled(request, waited, ctx.now) {
                    ctx.flash(Level::Info, "cancelled; nothing was sent");
                }
            }
            Event::Message(..) | Event::Cancelled { .. } | Event::Reopened => {}
        }
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        match intent {
            Intent::ShowCall(number) => self.reopen(number, ctx.store),
            Intent::FillIn(account, call) => {
                self.filter.clear();
                self.open(&account, Some(call), ctx.store);
                self.select_call(&account, Some(call));
                self.part = Part::Request;
            }
            Intent::Follow(next) => self.follow(&next, ctx),
            Intent::Send(account, call) => self.send_confirmed(account, call, ctx),
            _ => {}
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let request = self.in_flight();
        ctx.console.extend(request.map(Command::Cancel));
        request.is_some() || self.part == Part::Calls && self.filter.clear()
    }

    fn undoes(&self) -> Option<&'static str> {
        let filter = self.filter.undoes();
        filter.filter(|_| self.part == Part::Calls)
    }

    /// One step back: from a search, to the row that the call was made from, to the request, to the calls.
    fn back(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let is_searched = self.part == Part::Response && self.is_searched();
        let response = self.response.as_mut().filter(|_| is_searched);
        if response.is_some_and(|response| response.search.clear()) {
            return true;
        }
        if self.part != Part::Calls && self.return_to_row(ctx) {
            return true;
        }
        match self.part {
            Part::Response => self.part = Part::Request,
            Part::Request => self.part = Part::Calls,
            Part::Calls => return false,
        }
        true
    }

    fn draws_frames(&self) -> bool {
        true
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        self.draw(ctx, area, buf)
    }
}
