//! Prints what the receiver does: its greeting, callbacks, and the state of their jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::PATIENCE;
use super::forwards::Forwards;
use crate::cli::deliveries;
use crate::cli::prelude::*;
use crate::clock::Clock;
use crate::deck::metrics::Metrics;
use crate::domain::{Delivery, DeliveryId, Job, JobId, JobKind, JobState, Now, Recent};
use crate::net::{Event, EventReceiver};
use crate::runtime;

/// How many deliveries are remembered as printed.
const REPORTED_MAX: usize = 16_384;

/// Printed besides events.
pub(super) enum Note {
    Greeting {
        url: String,
        callbacks: Vec<(&'static str, String)>,
        simulator: Option<String>,
    },
    Words(Tone, &'static str, String),
    /// The last note: prints the deliveries so far, then this.
    End(Option<Problem>),
}

impl Note {
    pub(super) fn greeting(url: String, deck: &Deck) -> Self {
        let callbacks = deck.accounts().map(|account| {
            let path = format!("{url}/callbacks/{}", account.id);
            (account.provider_title, path)
        });
        Self::Greeting {
            callbacks: callbacks.collect(),
            simulator: deck.simulator_url(),
            url,
        }
    }
}

/// Prints on its own thread, so that a slow reader of stdout blocks neither callbacks nor signals.
pub(super) struct Printing {
    notes: mpsc::UnboundedSender<Note>,
    ended: oneshot::Receiver<()>,
}

impl Printing {
    pub(super) fn start(
        out: &Out,
        clock: Clock,
        events: EventReceiver,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let (notes_to, notes) = mpsc::unbounded_channel();
        let (ended_to, ended) = oneshot::channel();
        let mut printer = Printer {
            listing: deliveries::listing(&out.for_reader()),
            out: out.for_reader(),
            zone: crate::clock::time_zone(),
            started: clock.now(),
            clock,
            metrics,
            reported: Recent::new(REPORTED_MAX),
            attempts: Recent::new(REPORTED_MAX),
            events,
            unread: false,
            forwards: Forwards::default(),
            clocks: BTreeSet::new(),
        };
        let runtime = Handle::current();
        std::thread::spawn(move || {
            runtime.block_on(printer.run(notes));
            let _ = ended_to.send(());
        });
        Self {
            notes: notes_to,
            ended,
        }
    }

    pub(super) fn note(&self, note: Note) {
        // The thread ends only after the last note.
        let _ = self.notes.send(note);
    }

    /// Prints where callbacks are turned away before the first can be saved: the greeting comes only then.
    pub(super) fn turned_away(&self, url: Option<String>) {
        if let Some(url) = url {
            let words = format!("{url} answers 503 until callbacks can be saved; Ctrl-C stops it");
            self.note(Note::Words(Tone::Dim, "address:", words));
        }
    }

    /// Prints the deliveries so far and why the program ends, as far as the reader takes them.
    pub(super) async fn end(self, problem: Option<Problem>) {
        self.note(Note::End(problem));
        let _ = tokio::time::timeout(PATIENCE, self.ended).await;
    }
}

struct Printer {
    out: Out,
    listing: deliveries::Rows,
    zone: TimeZone,
    clock: Clock,
    /// What came later is new.
    started: Now,
    metrics: Option<Arc<Metrics>>,
    /// The printed deliveries.
    reported: Recent<DeliveryId, ()>,
    /// The last reported attempt and state of each of their jobs.
    attempts: Recent<DeliveryId, Vec<(JobId, Option<WallTime>, JobState)>>,
    events: EventReceiver,
    /// Whether stdout has failed.
    unread: bool,
    forwards: Forwards,
    /// Accounts whose clock warning was printed.
    clocks: BTreeSet<AccountId>,
}

impl Printer {
    async fn run(&mut self, mut notes: mpsc::UnboundedReceiver<Note>) {
        let out = self.out.clone();
        let reader_gone = out.reader_gone();
        tokio::pin!(reader_gone);
        let problem = loop {
            tokio::select! {
                biased;
                note = notes.recv() => match note {
                    Some(Note::End(problem)) => break problem,
                    Some(Note::Words(tone, label, words)) => self.out.message(tone, label, &words),
                    Some(Note::Greeting { url, callbacks, simulator }) => {
                        let printed = self.greet(&url, &callbacks, simulator.as_deref());
                        self.note_failure(printed);
                    }
                    None => return,
                },
                Some(event) = self.events.recv() => self.on_event(event),
                () = &mut reader_gone, if !self.unread => self.note_failure(Err(OutputError::ReaderGone)),
            }
        };
        while let Some(event) = self.events.try_recv() {
            self.on_event(event);
        }
        if let Some(problem) = problem {
            let printed = self.out.problem(&problem);
            self.note_failure(printed);
        }
    }

    /// A failure to print does not stop the receiver; it is reported once.
    fn note_failure(&mut self, printed: Result<(), OutputError>) {
        let Err(error) = printed else { return };
        if !std::mem::replace(&mut self.unread, true) {
            let words = format!(
                "output stopped ({error}); tilldeck still receives callbacks, see `tilldeck log --deliveries`"
            );
            self.out.warn(&words);
        }
    }

    fn greet(
        &self,
        url: &str,
        callbacks: &[(&str, String)],
        simulator: Option<&str>,
    ) -> Result<(), OutputError> {
        if self.out.is_json() {
            return self.out.object(&json!({ "url": url }));
        }
        self.out.line(url)?;
        for (provider, path) in callbacks {
            self.out.message(Tone::Accent, provider, path);
        }
        if let Some(simulator) = simulator {
            self.out.message(Tone::Dim, "simulator", simulator);
            self.out
                .note("these accounts are the built-in simulator's; --profile chooses your own");
        }
        self.out.say("Ctrl-C stops it");
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Delivery(delivery) => {
                let printed = self.delivery(&delivery);
                self.note_failure(printed);
            }
            Event::Exchange(exchange) => {
                if let Some(metrics) = &self.metrics {
                    metrics.sent(&exchange);
                }
            }
            Event::Warning { text, .. } => self.out.warn(&text),
            Event::ClockWarning(account, warning) if self.clocks.insert(account.clone()) => {
                let words = runtime::clock_warning(&account, warning);
                self.out.warn(&words);
            }
            Event::Lagged if !self.unread => {
                let words = "callbacks arrive faster than stdout is read; all are saved, see `tilldeck log --deliveries`";
                self.out.warn(words);
            }
            _ => {}
        }
    }

    fn is_new(&self, at: WallTime) -> bool {
        self.clock.now().is_of_run(self.started, at)
    }

    /// Prints and counts a new delivery, or one whose jobs changed. For those of earlier runs, only changes.
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), OutputError> {
        let is_new = self.reported.remember(delivery.id) && self.is_new(delivery.received_at);
        let reported = self.attempts.get(delivery.id);
        let reported = reported.map_or(&[][..], Vec::as_slice);
        let attempted: Vec<&Job> = delivery
            .jobs
            .iter()
            .filter(|job| {
                let before = reported.iter().find(|(id, ..)| *id == job.id);
                // Not by the number of attempts: it starts again when a job is retried.
                job.tried_at != before.and_then(|(_, at, _)| *at)
                    && job.tried_at.is_some_and(|at| self.is_new(at))
            })
            .collect();
        for job in &attempted {
            if job.kind != JobKind::Check {
                self.forwards.note(job, &self.out);
            }
        }
        let attempts = delivery.jobs.iter();
        let attempts = attempts.map(|job| (job.id, job.tried_at, job.state));
        let has_ended = |attempts: &Vec<(_, _, JobState)>| {
            let is_due = |state: &JobState| matches!(state, JobState::Due { .. });
            !attempts.iter().any(|(.., state)| is_due(state))
        };
        let attempts = attempts.collect();
        self.attempts.insert(delivery.id, attempts, has_ended);
        if let Some(metrics) = &self.metrics {
            if is_new {
                metrics.received(delivery);
            }
            for job in &attempted {
                metrics.attempted(delivery, job);
            }
        }
        if self.unread {
            return Ok(());
        }
        if is_new {
            return deliveries::print(
                std::slice::from_ref(delivery),
                &self.zone,
                &mut self.listing,
            );
        }
        attempted
            .into_iter()
            .try_for_each(|job| self.job(delivery, job))
    }

    fn job(&self, delivery: &Delivery, job: &Job) -> Result<(), OutputError> {
        let line = format!("{:>5}  {}", delivery.id.0, deliveries::in_words(job));
        let line = inert::line(&line);
        if self.out.is_json() {
            self.out.say(&line);
            return Ok(());
        }
        self.out.line(&line)
    }
}
