//! `check`: what became of payments.

use std::time::Duration;

use serde_json::json;

use super::args::Check;
use super::output::{Closed, Out, Table, Tone, plain, toned};
use super::{Context, Exit, how};
use crate::deck::Deck;
use crate::domain::{
    Ability, AccountId, Answer, Expected, Op, Payment, PaymentId, PaymentState, Problem,
    ProblemKind, WallTime, time,
};

/// The first wait between two checks, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

pub async fn run(args: &Check, context: &Context, deck: &Deck, out: &Out) -> Result<Exit, Closed> {
    let account = match deck.pick(context.account(), Some(Ability::Payments)) {
        Ok(account) => account.id.clone(),
        Err(problem) => return out.fail(&problem),
    };
    let expected = args
        .amount
        .clone()
        .zip(args.currency.clone())
        .map(|(amount, currency)| Expected { amount, currency });
    let deadline = context.clock.now().mono + args.timeout;
    let mut exit = Exit::Done;
    for id in &args.ids {
        let result = match &args.wait {
            Some(goal) => {
                wait(
                    id,
                    goal,
                    &account,
                    deadline,
                    args.timeout,
                    context,
                    deck,
                    out,
                )
                .await
            }
            None => ask(id, &account, deck).await,
        };
        let this = match result {
            Ok(payment) => {
                let failings = failings(&payment, args, expected.as_ref());
                show(
                    &payment,
                    &account,
                    context.clock.now().wall,
                    expected.as_ref(),
                    out,
                )?;
                for failing in &failings {
                    out.tell(
                        Tone::Warn,
                        "expectation:",
                        &format!("payment {id}: {failing}"),
                    );
                }
                if failings.is_empty() {
                    Exit::Done
                } else {
                    Exit::Expectation
                }
            }
            Err(problem) => out.fail(&problem)?,
        };
        exit = exit.and(this);
    }
    Ok(exit)
}

async fn ask(id: &PaymentId, account: &AccountId, deck: &Deck) -> Result<Payment, Problem> {
    match deck
        .ask(account, Op::CheckPayment(id.clone()), how(false))
        .await?
    {
        Answer::Payment(payment) => Ok(payment),
        other => unreachable!("a check is answered with a payment, not {other:?}"),
    }
}

/// Asks until the payment is in the state, or never will be. A payment not known yet may become known,
/// and a provider that fails may recover, so both are waited out.
#[expect(
    clippy::too_many_arguments,
    reason = "they are the command's own, unpacked"
)]
async fn wait(
    id: &PaymentId,
    goal: &PaymentState,
    account: &AccountId,
    deadline: Duration,
    timeout: Duration,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Payment, Problem> {
    let mut pause = WAITS.0;
    let mut last: Option<String> = None;
    loop {
        let seen = match ask(id, account, deck).await {
            Ok(payment) if payment.state == *goal || !payment.state.can_reach(goal) => {
                return Ok(payment);
            }
            Ok(payment) => format!("it is {}", payment.state),
            Err(problem)
                if matches!(
                    problem.kind,
                    ProblemKind::NotFound
                        | ProblemKind::Unreachable
                        | ProblemKind::Failing
                        | ProblemKind::Nonsense
                ) =>
            {
                problem.message
            }
            Err(problem) => return Err(problem),
        };
        if last.as_ref() != Some(&seen) {
            out.tell(
                Tone::Dim,
                "waiting:",
                &format!("payment {id} for {goal}: {seen}"),
            );
            pause = WAITS.0;
        }
        let left = deadline.saturating_sub(context.clock.now().mono);
        if left.is_zero() {
            return Err(Problem::new(
                ProblemKind::TimedOut,
                format!(
                    "account {account}: payment {id} did not come to {goal} within {}; {seen}",
                    time::fine(timeout)
                ),
                "give more time with --timeout, or check again later",
            ));
        }
        last = Some(seen);
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(WAITS.1);
    }
}

fn failings(payment: &Payment, args: &Check, expected: Option<&Expected>) -> Vec<String> {
    let mut failings = Vec::new();
    for wanted in args.expect.iter().chain(&args.wait) {
        let said = format!("state {wanted} was expected, it is {}", payment.state);
        if payment.state != *wanted && !failings.contains(&said) {
            failings.push(said);
        }
    }
    if let Some(expected) = expected {
        if payment.currency.read() != Some(&expected.currency) {
            failings.push(format!(
                "currency {} was expected, it is {}",
                expected.currency, payment.currency
            ));
        }
        if payment.amount.read() != Some(&expected.amount) {
            failings.push(format!(
                "amount {} was expected, it is {}",
                expected.amount, payment.amount
            ));
        }
    }
    failings
}

fn show(
    payment: &Payment,
    account: &AccountId,
    at: WallTime,
    expected: Option<&Expected>,
    out: &Out,
) -> Result<(), Closed> {
    let verdict = payment.verdict(expected);
    if out.json {
        return out.object(&json!({
            "account": account,
            "id": payment.id,
            "state": payment.state.as_str(),
            "verdict": verdict.as_str(),
            "paid": verdict.paid(),
            "final": payment.state.is_final(),
            "currency": payment.currency,
            "amount": payment.amount,
            "checked_at": at.rfc3339(),
        }));
    }
    let (glyph, _) = payment.badge(expected);
    let tone = payment.severity(expected).into();
    let word = format!("{}, {}", payment.state, verdict.words());
    let mut table = Table::default();
    // A fixed width for the state keeps the lines of several ids in columns though each is printed at once.
    table.row([
        toned(glyph, tone),
        toned(format!("{word:<31}"), tone),
        plain(format!("{:>14} {:<5}", payment.amount, payment.currency)),
        toned(payment.id.as_str(), Tone::Strong),
        toned(account.as_str(), Tone::Dim),
    ]);
    out.table(&table)
}
