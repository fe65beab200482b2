//! The console: keys, pastes, the mouse, sizes, time and news from outside, in any order. Each state can be drawn at any
//! size, and nothing that is drawn moves the terminal's cursor.

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use tilldeck::domain::delivery::Received;
use tilldeck::domain::delivery::{CallbackVerdict, DeliveryId};
use tilldeck::domain::explore::Column;
use tilldeck::domain::job::{Job, JobId, JobKind, JobState};
use tilldeck::domain::payment::Price;
use tilldeck::domain::search::Found;
use tilldeck::domain::{
    Account, AccountId, Amount, Answer, Body, BudgetGauge, CheckedPayment, Counts, Currency,
    Delivery, Digest, Environment, Estimate, Exchange, ExchangeId, Expectation, Expected,
    ExpectedBy, Explored, Inventory, Item, ListenerStatus, LoadedInventory, Note, Now, Observation,
    Op, Outcome, Payment, PaymentId, PaymentLink, PaymentState, PaymentVerdict, Player, PlayerId,
    Problem, ProblemKind, Reported, RequestId, RowIds, Secret, Subject, Timeline, TimelineEntry,
    TimelineEvent, TokenLifetime, TokenStatus, Ui, Watch, inert,
};
use tilldeck::providers::REGISTRY;
use tilldeck::tui::msg::{Level, Notice, Ready, Saved};
use tilldeck::tui::{Effect, Model, Msg, Setup, update, view};

use super::{Input, NOW};

/// Longer inputs show nothing that shorter ones do not.
const STEPS_MAX: usize = 100;

const KEYS: [KeyCode; 18] = [
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::BackTab,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Backspace,
    KeyCode::Delete,
    KeyCode::F(5),
    KeyCode::Char('漢'),
    KeyCode::Char('\u{202e}'),
    KeyCode::Null,
];

const MOUSE: [MouseEventKind; 5] = [
    MouseEventKind::Down(MouseButton::Left),
    MouseEventKind::ScrollDown,
    MouseEventKind::ScrollUp,
    MouseEventKind::Moved,
    MouseEventKind::Drag(MouseButton::Left),
];

/// The account's kind, and the size; then what happens: a printable byte is that key, any other byte is what
/// [`Console::entry`] makes of it.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let environment = input.choose(&[
        Environment::Embedded,
        Environment::Production,
        Environment::Sandbox,
    ]);
    let size = size(&mut input);
    let mut console = Console::new(environment, size);
    for step in 1..=STEPS_MAX {
        if input.is_empty() {
            break;
        }
        let msg = console.entry(&mut input);
        console.tell(msg);
        // Drawing costs most.
        if step % 4 == 0 {
            console.draw();
        }
    }
    console.draw();
}

fn size(input: &mut Input<'_>) -> (u16, u16) {
    let (width, height) = (input.byte(), input.byte());
    (u16::from(width % 140) + 1, u16::from(height % 50) + 1)
}

struct Console {
    model: Model,
    now: Now,
    size: (u16, u16),
    asked: Vec<(RequestId, Op)>,
    open: Vec<Effect>,
    account: AccountId,
}

impl Console {
    fn new(environment: Environment, size: (u16, u16)) -> Self {
        let accounts = REGISTRY.iter().map(|manifest| Account {
            id: AccountId::new(manifest.id.0).expect("a name"),
            provider: manifest.id,
            provider_title: manifest.title,
            environment,
            host: "127.0.0.1:9".into(),
            base: "http://127.0.0.1:9".into(),
            secret_source: "env A_SECRET".into(),
            uses_access_tokens: manifest.tokens.is_some(),
            abilities: manifest.abilities,
        });
        let catalogues = REGISTRY.iter();
        let setup = Setup {
            profile: "live".into(),
            accounts: accounts.collect(),
            setups: Vec::new(),
            is_shared: false,
            may_manage: true,
            catalogues: catalogues
                .map(|manifest| (manifest.id, manifest.catalogue))
                .collect(),
            profiles: Vec::new(),
            recording: None,
            deadlines: Vec::new(),
            ui: Ui::default(),
            tint: None,
            color: true,
        };
        let account = AccountId::new("kanga").expect("a name");
        let mut console = Self {
            model: Model::new(setup).expect("the built-in keys"),
            now: Now {
                mono: Duration::from_secs(1),
                wall: NOW,
            },
            size,
            asked: Vec::new(),
            open: Vec::new(),
            account,
        };
        let (width, height) = size;
        console.tell(Msg::Resized { width, height });
        let ready = console.ready();
        console.tell(Msg::Ready(ready));
        console
    }

    fn ready(&self) -> Ready {
        let seen = |state: &str| Observation {
            at: NOW,
            payment: payment("ORDER-1", "25.00", state),
        };
        let watch = |text: &str, expected: Option<Expectation>| Watch {
            expected,
            ..Watch::new(self.account.clone(), id(text), NOW)
        };
        Ready {
            zone: jiff::tz::TimeZone::UTC,
            saved: Saved::default(),
            watches: vec![
                (
                    watch("ORDER-1", Some(expectation())),
                    vec![seen("ACTIVE"), seen("FINALIZED")],
                ),
                (watch("ORDER-2", None), Vec::new()),
            ],
            handled: Vec::new(),
            is_unread: false,
            log: vec![exchange(1, "hostile \u{1b}[2J\u{202e}")],
            listening: ListenerStatus::Off,
            verify: vec![self.account.clone()],
            simulator: Some("http://127.0.0.1:9".into()),
            seed: 0,
        }
    }

    fn tell(&mut self, msg: Msg) {
        for effect in update(&mut self.model, self.now, msg) {
            match effect {
                Effect::Query { request, op, .. } => {
                    assert!(self.asked.iter().all(|(other, _)| *other != request));
                    self.asked.push((request, op));
                }
                Effect::LoadHistory(..) | Effect::OpenDelivery(..) | Effect::OpenExchange(..) => {
                    self.open.push(effect);
                }
                _ => {}
            }
        }
        let _ = self.model.next_wake(self.now);
    }

    fn draw(&self) {
        let (width, height) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        let mut frame = terminal.get_frame();
        view(&self.model, self.now, &mut frame);
        let hostile = frame
            .buffer_mut()
            .content()
            .iter()
            .find(|cell| cell.symbol().contains(inert::is_hostile));
        assert_eq!(hostile, None);
    }

    fn entry(&mut self, input: &mut Input<'_>) -> Msg {
        let first = input.byte();
        if matches!(first, b' '..=b'~') {
            return key(KeyCode::Char(char::from(first)), KeyModifiers::NONE);
        }
        let which = first & 0x1f;
        match which {
            0..=8 => key(input.choose(&KEYS), modifiers(first)),
            9 => key(
                KeyCode::Char(char::from(input.byte())),
                KeyModifiers::CONTROL,
            ),
            10 => Msg::Paste(input.text()),
            11 => Msg::Mouse(MouseEvent {
                kind: input.choose(&MOUSE),
                column: input.byte().into(),
                row: input.byte().into(),
                modifiers: KeyModifiers::NONE,
            }),
            12 => {
                self.size = size(input);
                let (width, height) = self.size;
                Msg::Resized { width, height }
            }
            // The terminal has another size than it has told yet.
            13 => {
                self.size = size(input);
                Msg::Woke
            }
            14 => {
                let seconds = u64::from(input.byte()) * u64::from(input.byte());
                self.now = self.now.plus(Duration::from_secs(seconds));
                Msg::Woke
            }
            15..=17 => self.answer(input),
            18..=20 => self.opened(input),
            21 if input.byte().is_multiple_of(2) => Msg::Shared {
                exchanges: vec![exchange(input.byte().into(), &input.text())],
                observations: vec![(
                    self.account.clone(),
                    Observation {
                        at: NOW,
                        payment: payment("ORDER-1", &input.text(), &input.text()),
                    },
                )],
                failed_hooks: vec![(
                    Notice {
                        level: Level::Warning,
                        about: "hook on_paid".into(),
                        text: inert::line(&input.text()).into_owned(),
                    },
                    NOW,
                )],
            },
            21 => Msg::Exchange(exchange(input.byte().into(), &input.text())),
            22 => Msg::Log(Ok(found(exchange(-i64::from(input.byte()), &input.text())))),
            23 => Msg::Notice(Notice {
                level: input.choose(&[Level::Info, Level::Warning, Level::Error]),
                about: "a notice".into(),
                text: inert::line(&input.text()).into_owned(),
            }),
            24 | 25 => Msg::Delivery(self.delivery(input).into()),
            26 => Msg::Deliveries(Ok(found(self.delivery(input).into()))),
            27 => Msg::ListenerStatus(listening(input)),
            28 => self.asked_by_callback(input),
            29 => Msg::Budget(self.account.clone(), gauge(input)),
            30 => self.token(input),
            _ => {
                let back = Duration::from_secs(input.byte().into());
                self.now.wall.0 -= i64::try_from(back.as_millis()).unwrap_or_default();
                Msg::Woke
            }
        }
    }

    fn answer(&mut self, input: &mut Input<'_>) -> Msg {
        match self.asked.pop() {
            Some((request, op)) => Msg::Answered(request, answer(&op, input)),
            None => Msg::Woke,
        }
    }

    /// What one of the other questions brings.
    fn opened(&mut self, input: &mut Input<'_>) -> Msg {
        let fails = input.choose(&[false, true]);
        let problem = || Problem::new(ProblemKind::Local, "it failed", "try again");
        match self.open.pop() {
            Some(Effect::LoadHistory(request, _, payment)) => Msg::Timeline(
                request,
                if fails {
                    Err(problem())
                } else {
                    Ok(self.timeline(payment, input))
                },
            ),
            Some(Effect::OpenDelivery(request, _)) => Msg::Received(
                request,
                Ok(Received {
                    target: "/callbacks/kanga?x=\u{1b}".into(),
                    headers: vec![("x-note".into(), input.text())],
                    body: body(&input.text()),
                    replies: vec![(JobId(1), body(&input.text()))],
                    ids: RowIds {
                        ids: vec![("offerId", input.text())],
                    },
                }),
            ),
            Some(Effect::OpenExchange(request, exchange)) => {
                Msg::Opened(request, Ok(self::exchange(exchange.0, &input.text())))
            }
            _ => Msg::Woke,
        }
    }

    fn timeline(&self, payment: PaymentId, input: &mut Input<'_>) -> Timeline {
        let mut entries = Vec::new();
        for at in 0..input.byte() % 12 {
            let what = match input.byte() % 7 {
                0 => TimelineEvent::Call {
                    operator: String::new(),
                    exchange: ExchangeId(1),
                    method: "POST".into(),
                    path: input.text(),
                    outcome: Outcome::Status(503),
                    took: Duration::from_millis(3),
                },
                1 => TimelineEvent::State(Observation {
                    at: NOW,
                    payment: self::payment("ORDER-1", &input.text(), &input.text()),
                }),
                2 => TimelineEvent::Expected {
                    old: None,
                    new: expectation(),
                },
                3 => TimelineEvent::Noted(Note {
                    text: input.text(),
                    at: NOW,
                    operator: input.text(),
                }),
                4 => TimelineEvent::Watched {
                    operator: input.text(),
                },
                5 => TimelineEvent::Marked {
                    verdict: input.choose(&PaymentVerdict::ALL),
                    handled: input.choose(&[false, true]),
                    operator: input.text(),
                },
                _ => TimelineEvent::Callback(self.delivery(input).into()),
            };
            let at = NOW.plus(Duration::from_secs(u64::from(at) * 7));
            entries.push(TimelineEntry { at, what });
        }
        Timeline {
            account: self.account.clone(),
            latest: input.choose(&[false, true]).then(|| Observation {
                at: NOW,
                payment: self::payment("ORDER-1", "25", "FINALIZED"),
            }),
            payment,
            expected: Some(expectation().sum),
            entries,
            cut: input.choose(&[false, true]),
        }
    }

    /// Every text in it is inert, as the receiver makes it.
    fn delivery(&self, input: &mut Input<'_>) -> Delivery {
        let at = NOW.plus(Duration::from_secs(input.byte().into()));
        let state = input.choose(&[JobState::Done, JobState::GivenUp, JobState::Due { at }]);
        let job = Job {
            id: JobId(1),
            kind: input.choose(&JobKind::ALL),
            target: "http://127.0.0.1:9/hook".into(),
            is_replay: false,
            attempts: input.byte().into(),
            not_found: input.byte().into(),
            state,
            tried_at: Some(NOW),
            summary: inert::line(&input.text()).into_owned(),
            status: Some(500),
            took: Some(Duration::from_millis(9)),
        };
        let known = input.choose(&[true, false]);
        Delivery {
            id: DeliveryId(input.byte().into()),
            account: if known {
                self.account.to_string()
            } else {
                "nobody".into()
            },
            provider: "kanga".into(),
            received_at: at,
            happened_at: None,
            from: "127.0.0.1".into(),
            method: "POST".into(),
            verdict: input.choose(&CallbackVerdict::ALL),
            why: inert::cut(&input.text(), 300),
            kind: inert::cut(&input.text(), 100),
            subject: match input.byte() % 3 {
                0 => None,
                1 => Some(Subject::Payment(id("ORDER-1"))),
                _ => Some(Subject::Player(PlayerId(7))),
            },
            attempt: input.byte().into(),
            status: 200,
            bytes: 12,
            jobs: vec![job; usize::from(input.byte() % 3)],
        }
    }

    fn asked_by_callback(&self, input: &mut Input<'_>) -> Msg {
        let account = self.account.clone();
        let op = if input.choose(&[true, false]) {
            Op::CheckPayment(id("ORDER-1"))
        } else {
            Op::PlayerItems(PlayerId(7))
        };
        match answer(&op, input) {
            Answer::Payment(result) => Msg::Checked(CheckedPayment {
                account,
                id: id("ORDER-1"),
                result,
                expected: None,
                here: input.byte().is_multiple_of(2),
            }),
            Answer::Inventory(result) => Msg::PlayerItems(LoadedInventory {
                account,
                player: PlayerId(7),
                result,
            }),
            _ => Msg::Woke,
        }
    }

    fn token(&self, input: &mut Input<'_>) -> Msg {
        let life = Duration::from_secs(input.byte().into());
        Msg::Token(
            AccountId::new("kinguin").expect("a name"),
            TokenStatus {
                life: Some(TokenLifetime {
                    since: self.now,
                    aged: Duration::from_secs(input.byte().into()),
                    life,
                    renew_at: life / 2,
                }),
                fetching: input.choose(&[false, true]),
                claims: Some(inert::cut(&input.text(), 400)),
                ..TokenStatus::default()
            },
        )
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Msg {
    Msg::Key(KeyEvent::new(code, modifiers))
}

fn modifiers(first: u8) -> KeyModifiers {
    match first >> 5 {
        5 => KeyModifiers::SHIFT,
        6 => KeyModifiers::CONTROL,
        7 => KeyModifiers::ALT,
        _ => KeyModifiers::NONE,
    }
}

fn id(text: &str) -> PaymentId {
    PaymentId::new(text).expect("an id")
}

fn expectation() -> Expectation {
    let sum = Expected {
        amount: Amount::received("25.00").expect("an amount"),
        currency: Currency::new("EMT").expect("a currency"),
    };
    Expectation {
        sum,
        by: ExpectedBy::Form,
        at: NOW,
        operator: String::new(),
    }
}

fn payment(text: &str, amount: &str, state: &str) -> Payment {
    Payment {
        id: id(text),
        currency: Reported::currency("EMT"),
        amount: Reported::amount(amount),
        state: PaymentState::from_word(state),
    }
}

fn body(text: &str) -> Body {
    Body {
        text: text.to_owned(),
        bytes: text.len() as u64,
        ..Body::default()
    }
}

fn exchange(at: i64, text: &str) -> Arc<Exchange> {
    Arc::new(Exchange {
        id: ExchangeId(at),
        account: AccountId::new("kanga").expect("a name"),
        provider: "kanga".into(),
        environment: "embedded".into(),
        at: NOW,
        method: "POST".into(),
        url: format!("http://127.0.0.1:9/{text}"),
        about: text.to_owned(),
        attempt: 1,
        outcome: if at % 2 == 0 {
            Outcome::Status(200)
        } else {
            Outcome::Failed(inert::line(text).into_owned())
        },
        http_version: String::new(),
        response_wire: None,
        operator: String::new(),
        profile: String::new(),
        to_head: None,
        took: Duration::from_millis(12),
        request_headers: vec![("x-note".into(), text.to_owned())],
        request_body: body(text),
        response_headers: vec![("x-note".into(), text.to_owned())],
        response_body: body(text),
    })
}

/// What the ledger answers to a search.
fn found<T>(row: Arc<T>) -> Found<T> {
    Found {
        rows: vec![row],
        searched: Some(100_000),
    }
}

fn explored(input: &mut Input<'_>) -> Explored {
    let lines = usize::from(input.byte() % 16);
    let text: Vec<String> = (0..lines).map(|_| input.text()).collect();
    let text = text.join("\n");
    let digested = input.choose(&[false, true]);
    let row = vec![input.text(), input.text()];
    Explored {
        status: 100 + u16::from(input.byte()) * 2,
        content_type: Some("application/json".into()),
        took: Duration::from_millis(3),
        bytes: text.len(),
        text,
        cut: input.choose(&[false, true]),
        failure: input.choose(&[false, true]).then(|| input.text()),
        digest: digested.then(|| Digest {
            title: "a title".into(),
            columns: vec![Column::id("one", "offerId"), Column::number("two")],
            rows: vec![row; usize::from(input.byte() % 9)],
            note: "a note",
            has_more: input.byte().is_multiple_of(2),
        }),
    }
}

fn answer(op: &Op, input: &mut Input<'_>) -> Answer {
    let problem = |kind| op.failed(Problem::new(kind, "it failed", "try again"));
    match (input.byte() % 4, op) {
        (0, _) => problem(ProblemKind::Unreachable),
        (1, _) => problem(ProblemKind::NotFound),
        (_, Op::Verify) => Answer::Verified(Ok(())),
        (_, Op::CheckPayment(id)) => Answer::Payment(Ok(Payment {
            id: id.clone(),
            currency: Reported::currency(&input.text()),
            amount: Reported::amount(&input.text()),
            state: PaymentState::from_word(&input.text()),
        })),
        (_, Op::Estimate(sum)) => Answer::Estimate(Ok(Estimate {
            token: sum.token.clone(),
            quantity: sum.quantity.clone(),
            prices: vec![Price {
                currency: Reported::currency(&input.text()),
                amount: Reported::amount(&input.text()),
            }],
            quoted_at: NOW,
        })),
        (_, Op::PaymentLink(_)) => Answer::Link(Ok(PaymentLink {
            url: Secret::new("https://pay.example/of-a-test"),
            shown: "https://pay.example/…".into(),
        })),
        (_, Op::AuthenticatePlayer(claim)) => Answer::Player(Ok(Player {
            id: claim.player,
            username: input.text(),
        })),
        (_, Op::PlayerItems(player)) => {
            let item = Item {
                id: input.byte().into(),
                identifier: input.text(),
                name: input.text(),
                description: input.text(),
                remaining_uses: Some(input.byte().into()),
                data: Some(input.text()),
            };
            Answer::Inventory(Ok(Inventory {
                player: *player,
                items: vec![item; usize::from(input.byte() % 30)],
            }))
        }
        (_, Op::Explore { .. }) => Answer::Explored(Ok(explored(input))),
        (_, Op::RenewToken) => Answer::Renewed(Ok(())),
        (_, Op::CopyToken) => Answer::Token(Ok(Secret::new("a-token-of-a-test"))),
    }
}

fn listening(input: &mut Input<'_>) -> ListenerStatus {
    match input.byte() % 3 {
        0 => ListenerStatus::Off,
        1 => ListenerStatus::Up {
            url: "http://127.0.0.1:8787".into(),
            heartbeat: NOW.plus(Duration::from_secs(input.byte().into())),
        },
        _ => ListenerStatus::Down {
            address: "127.0.0.1:8787".into(),
            why: inert::cut(&input.text(), 300),
            since: NOW,
        },
    }
}

fn gauge(input: &mut Input<'_>) -> BudgetGauge {
    let seconds = |byte: u8| {
        byte.is_multiple_of(3)
            .then(|| Duration::from_secs(byte.into()))
    };
    BudgetGauge {
        counts: input.choose(&[Counts::All, Counts::Reads, Counts::Writes]),
        used: input.byte().into(),
        own: input.byte().into(),
        limit: input.byte().into(),
        period: Duration::from_secs(input.byte().into()),
        next_free: seconds(input.byte()),
        waiting: input.byte().into(),
        held: seconds(input.byte()),
    }
}
