//! One attempt of a call: slot taken, signed, sent, recorded redacted. Its caller decides what follows.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::budget::{self, Permit, WaitReporter};
use super::call::{Call, Reply, SignedRequest};
use super::error::NetError;
use super::http::{AttemptResult, Outgoing};
use super::{Authorise, ClockWarning, Event, Gate, RequestOptions, Session, forwarding, record};
use crate::domain::{Exchange, Now, Outcome, RequestId, Secret, WallTime};
use crate::ledger::{LedgerError, NONCE_LEAD_MAX, Persistence, Status};

/// How long to wait for another program's lock on the ledger.
const LOCK_WAITED_MAX: Duration = Duration::from_mins(1);

/// How often a call is prepared again because its token expired while it waited for a slot, or because the ledger was
/// locked.
const UNPREPARED_MAX: u32 = 3;

/// Requests with a faster response are not reported as running.
const RUNNING_AFTER: Duration = Duration::from_secs(1);

/// A call to send, with all that an attempt needs.
pub(super) struct Outbound<'a> {
    pub(super) session: &'a Session,
    pub(super) call: &'a Call,
    pub(super) url: &'a Url,
    pub(super) authorise: &'a dyn Authorise,
    pub(super) options: RequestOptions,
}

pub(super) struct Attempt {
    /// When it was sent, on the monotonic clock: before that it may have waited for its slot.
    pub(super) began: Duration,
    pub(super) result: Result<Reply, NetError>,
    pub(super) credential: Option<Secret>,
    /// How long the provider wants no further request.
    pub(super) held: Option<Duration>,
}

impl<'a> Outbound<'a> {
    /// One attempt; a retry cannot help against the outer error.
    pub(super) async fn attempt(&self, number: u32) -> Result<Attempt, NetError> {
        let Self {
            session,
            call,
            authorise,
            options,
            ..
        } = *self;
        let gate = &session.gate;
        let (slot, signed) = self.authorised().await?;
        // From here on the bytes are final: what is signed is what is recorded and sent.
        let headers = signed.headers(&call.method);
        let url = &signed.url(self.url);
        let began = gate.clock.now();
        let sent = record::Sent {
            account: &session.account,
            profile: &gate.profile,
            call,
            url,
            headers: &headers,
            foreign: signed.forwarded.is_some(),
            body: &signed.body,
            hidden: signed.hidden,
            at: began.wall,
            attempt: number,
        };
        let mut unanswered = Unanswered {
            gate,
            sent: &sent,
            began,
            slot: Some(slot),
            running: None,
        };
        let outgoing = Outgoing {
            method: &call.method,
            url,
            headers: headers.clone(),
            body: signed.body.clone(),
            idle: session.idle,
            decodes: true,
            longest: None,
            measured: signed.measured.as_ref(),
        };
        let response = async {
            match &signed.forwarded {
                Some(forwarded) => forwarding::send(gate, outgoing, forwarded).await,
                None => gate.http.send(outgoing).await,
            }
        };
        let tried = unanswered.until_response(options.request, response).await;
        let seen = gate.clock.now();
        let reply = tried.result.as_ref().ok();
        // The `Date` of a shop's own server says nothing about the provider's clock; of a probe, its caller judges it.
        if let Some(reply) = reply
            && signed.forwarded.is_none()
            && signed.measured.is_none()
        {
            self.compare_clocks(began, seen, reply);
        }
        // The hold must be set before the lock is released: the next call of this key already has its slot.
        let held = reply.and_then(|reply| budget::start_hold(session, call, reply));
        // Reported only now that it was sent: until then a retry may have replaced the nonce.
        if let Some(by) = signed.nonce_ahead {
            gate.emit_clock_warning(&session.account.id, ClockWarning::Nonces(by));
        }
        // Calls of one key go one after another, so that nonces arrive in ascending order.
        drop(signed.key_lock);
        let refusal = reply.and_then(|reply| authorise.refusal(reply));
        // Before the first await: cancelling now must not lose the record of a request that was sent.
        unanswered.end(seen, &tried, refusal);
        // Back-pressure: a burst waits here for the disk, with its slot already released.
        gate.ledger.keep_up().await;
        Ok(Attempt {
            began: began.mono,
            result: tried.result,
            credential: signed.credential,
            held,
        })
    }

    /// Takes a slot and signs the request, both anew until they may be used together.
    async fn authorised(&self) -> Result<(Permit<'a>, SignedRequest), NetError> {
        let Self {
            session,
            call,
            authorise,
            options,
            ..
        } = *self;
        let gate = &session.gate;
        let mut unprepared = 0;
        loop {
            self.require_writable_ledger().await?;
            // Before the slot: fetching a token may take seconds, and takes a slot of its own.
            authorise.prepare(call, options).await?;
            let slot = budget::take(session, call, options).await?;
            let authorised = WaitReporter::new(session, call, options)
                .while_signing(authorise.authorise(call))
                .await;
            // A slot or nonce that the ledger could not save is unknown to other processes and must not be used.
            self.require_writable_ledger().await?;
            match authorised {
                // Both arms begin again: the slot went back to the limiter, and the signature's nonce is not used.
                Ok(_) if slot.has_lapsed(gate.clock.now()) => {}
                Ok(_) if slot.is_held(gate.clock.now()).await => {}
                Ok(signed)
                    if signed.has_late_nonce(gate.clock.now()) && unprepared < UNPREPARED_MAX =>
                {
                    unprepared += 1;
                }
                Ok(signed) if signed.has_late_nonce(gate.clock.now()) => {
                    return Err(NetError::Away("it is too slow".to_owned()));
                }
                Ok(signed) => return Ok((slot, signed)),
                Err(NetError::Unprepared(_)) if unprepared < UNPREPARED_MAX => unprepared += 1,
                // The nonce could not be saved in time.
                Err(NetError::Locked) if !options.no_wait && unprepared < UNPREPARED_MAX => {
                    unprepared += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fails where the ledger cannot be written, since other processes would not see slots and nonces; the simulator
    /// and `--uncoordinated` are exempt. Waits while another program has locked it.
    async fn require_writable_ledger(&self) -> Result<(), NetError> {
        let Session { gate, account, .. } = self.session;
        if gate.persistence(account) == Persistence::BestEffort {
            return Ok(());
        }
        if gate.overrides.read_only {
            return Err(NetError::Away(
                "--ledger sqlite opens this machine's own, for reading only".to_owned(),
            ));
        }
        let began = gate.clock.now().mono;
        let mut reporter = WaitReporter::new(self.session, self.call, self.options);
        loop {
            if gate.ledger.status().await.failure().is_none() {
                return Ok(());
            }
            // The ledger may be writable again without any write having shown it.
            let tried = gate.ledger.try_again().await;
            let why = match gate.ledger.status().await {
                Status::Degraded { why } => why,
                Status::Away { why, .. } => return Err(NetError::Away(why)),
                _ => return Ok(()),
            };
            let waited = gate.clock.now().mono.saturating_sub(began);
            if !matches!(tried, Err(LedgerError::Locked(_))) || waited > LOCK_WAITED_MAX {
                return Err(NetError::Uncounted(why));
            }
            if self.options.no_wait {
                return Err(NetError::Locked);
            }
            if !reporter.reported {
                reporter.emit(budget::LOCKED, None);
            }
            tokio::time::sleep(budget::LOOK_AGAIN).await;
        }
    }

    /// Warns if the clock here was ahead of the provider's; passes the provider's time on for the next nonces.
    fn compare_clocks(&self, sent: Now, seen: Now, reply: &Reply) {
        let Some(date) = reply.date() else { return };
        let Session { gate, account, .. } = self.session;
        let ahead = lead(sent.wall, date);
        if ahead > NONCE_LEAD_MAX {
            let warning = ClockWarning::Clock(ahead, self.authorise.has_nonces());
            gate.emit_clock_warning(&account.id, warning);
        }
        // A slow response may carry the date of its beginning, an error page the date of another machine.
        let is_prompt = seen.mono.saturating_sub(sent.mono) <= NONCE_LEAD_MAX;
        if is_prompt && (200..300).contains(&reply.status) {
            self.authorise.provider_time(date, seen);
        }
    }
}

/// How far this machine's clock was at least ahead of a server's when it sent a request that the server dates so.
pub(super) fn lead(sent: WallTime, date: WallTime) -> Duration {
    // `Date` has whole seconds, so up to 999 ms of an apparent lead is rounding.
    sent.since(date.plus(Duration::from_millis(999)))
}

/// A request whose response is outstanding. If the caller cancels it, dropping this records that it was sent.
struct Unanswered<'a> {
    gate: &'a Gate,
    sent: &'a record::Sent<'a>,
    began: Now,
    slot: Option<Permit<'a>>,
    /// The number under which it was reported as running.
    running: Option<RequestId>,
}

impl Unanswered<'_> {
    /// Awaits the response; reports the request as running if that takes longer than [`RUNNING_AFTER`].
    async fn until_response<T>(
        &mut self,
        request: RequestId,
        response: impl Future<Output = T>,
    ) -> T {
        let mut response = std::pin::pin!(response);
        if let Ok(tried) = tokio::time::timeout(RUNNING_AFTER, &mut response).await {
            return tried;
        }
        let exchange = Exchange {
            outcome: Outcome::Failed("running".to_owned()),
            ..record::exchange(self.sent, &self.cancelled(), None)
        };
        self.running = Some(request);
        let running = Event::Running(request, Some(Arc::new(exchange)));
        self.gate.emit(running);
        response.await
    }

    fn cancelled(&self) -> AttemptResult {
        AttemptResult {
            result: Err(NetError::Cancelled),
            head: None,
            took: (self.gate.clock.now().mono).saturating_sub(self.began.mono),
        }
    }

    fn end(&mut self, seen: Now, tried: &AttemptResult, refusal: Option<String>) {
        let Some(slot) = self.slot.take() else { return };
        // First: dropped by a panic, the slot would count as unused.
        slot.release(seen);
        let exchange = record::exchange(self.sent, tried, refusal);
        let ledger = &self.gate.ledger;
        ledger.record_later(exchange, self.gate.emit_recorded(self.running));
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.end(self.gate.clock.now(), &self.cancelled(), None);
    }
}
