//! The simulator's controls at Pledg: settings, events, and scripted outcomes that fall due in simulated time.

use std::time::Duration;

use super::Pledg;
use super::access::BACKENDS;
use super::purchase::{self, ABANDONED, BACK_STATUSES, CREATED, PAID, Purchase};
use crate::domain::simulate::PayerAct;
use crate::domain::{PaymentId, WallTime, inert};
use crate::sandbox::Done;
use crate::sandbox::controls::{self, Life, OFF_ON, choices, controls};

/// The delays before each retry of a notice, where retries are on. Pledg documents no rule.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

choices! {
    pub enum Fault {
        None = "none",
        /// A signed value is changed after signing: the amount of a transfer, the id in back mode.
        Tampered = "tampered",
        /// Another amount, correctly signed.
        OtherAmount = "other-amount",
        WrongSecret = "wrong-secret",
        /// Back mode.
        LowerCase = "lower-case",
        /// Back mode.
        SwappedOrder = "swapped-order",
        /// A JWT's.
        ExtraDot = "extra-dot",
        /// A JWT's: `alg` is `none`, and there is no signature.
        AlgNone = "alg-none",
        /// A JWT's: it is expired.
        Expired = "expired",
        /// Nothing is signed, though the merchant has a secret.
        Unsigned = "unsigned",
        Duplicate = "duplicate",
        /// An error notice follows that of a payment.
        LateError = "late-error",
    }
}

impl Rules {
    /// The delays before each retry; empty where retries are off.
    pub fn waits(&self) -> &'static [Duration] {
        if self.retries { &RETRY_WAITS } else { &[] }
    }
}

controls! {
    Pledg:
    #[derive(Debug, Clone, Copy)]
    settings Rules {
        "token-life" token_life: Life = Life(Duration::from_mins(10)), ["600s", "20s"],
            "lifetime of access tokens";
        "notice-fault" fault: Fault = Fault::None, Fault::WORDS,
            "send notifications that are forged, unsigned, expired, sent twice, or in another format";
        "notice-booleans" text_booleans: bool = false, ["json", "text"],
            "write `sandbox` in back-mode notifications as true or \"true\"";
        "error-names" plugin_names: bool = false, ["documented", "plugins"],
            "name of the state field in error notifications: `purchase_state` or `state`";
        "notice-retries" retries: bool = false, OFF_ON,
            "send notifications again until the response is 200";
    }
    events {
        "purchase" ("a new reference; -PAID or -SCORING_KO at its end sets the outcome")
            "a payer starts a purchase of 20.00, by transfer" => buy;
        "pay" ("a purchase's reference")
            "the payer pays; Pledg notifies the merchant"
            => |scene| scene.move_on(PAID);
        "refuse" ("a reference, and a state such as FICP_FILTER_KO")
            "Pledg rejects the purchase (default: SCORING_KO) and notifies the merchant" => refuse;
        "abandon" ("a purchase's reference")
            "the payer abandons; Pledg notifies the merchant"
            => |scene| scene.move_on(ABANDONED);
        "debit" ("a reference of a merchant in back mode")
            "the merchant charges the virtual card; it can no longer be released" => debit;
        "status" ("a reference and a back-mode status such as pending or chargeback-initiated")
            "Pledg notifies the merchant of this transaction status" => status;
        "revoke-tokens" ("")
            "revoke all access tokens now"
            => |scene| Ok(format!("revoked access tokens: {}", scene.state.tokens.revoke()));
    }
}

type Scene<'a> = controls::Scene<'a, Pledg>;

impl<'a> Scene<'a> {
    fn reference(&self) -> &'a str {
        self.word(0).unwrap_or_default()
    }

    fn move_on(&mut self, state: &str) -> Done {
        let at = self.state.place(self.reference())?;
        self.state.move_on(at, state, self.now)
    }
}

fn buy(scene: &mut Scene<'_>) -> Done {
    let reference = scene.reference();
    if PaymentId::new(reference).is_err() {
        return Err("enter the reference of a new purchase, such as ORDER-3005".into());
    }
    if scene.state.place(reference).is_ok() {
        return Err(format!("purchase {reference} already exists"));
    }
    let new = Purchase::new(&BACKENDS[0].merchants[0], reference, scene.now);
    let made = scene.state.make(new, scene.simulator.seed());
    Ok(format!("created {reference}: {}", made.uid))
}

fn refuse(scene: &mut Scene<'_>) -> Done {
    let state = scene.word(1).unwrap_or("SCORING_KO");
    if !purchase::is_refusal(state) {
        let state = inert::quoted(state, 40);
        return Err(format!("{state} is not a refusal; a refusal ends in _KO"));
    }
    scene.move_on(state)
}

fn debit(scene: &mut Scene<'_>) -> Done {
    let reference = scene.reference();
    let purchase = scene.state.latest(reference)?;
    if purchase.state != PAID {
        let state = &purchase.state;
        return Err(format!("{reference} is {state}, so it has no virtual card"));
    }
    purchase.debited = true;
    Ok(format!("{reference}: charged the virtual card"))
}

fn status(scene: &mut Scene<'_>) -> Done {
    let (reference, given) = (scene.reference(), scene.word(1).unwrap_or_default());
    if !BACK_STATUSES.contains(&given) {
        let known = BACK_STATUSES.join(", ");
        return Err(format!("enter a reference and one of {known}"));
    }
    let at = scene.state.place(reference)?;
    Ok(scene.state.notify_of(at, given, scene.now))
}

impl Pledg {
    /// Applies a payer's act, where Pledg supports it.
    pub(super) fn payer_act(&mut self, at: usize, act: PayerAct, now: WallTime) -> Done {
        let state = match act {
            PayerAct::Pay => PAID,
            PayerAct::Cancel => ABANDONED,
            PayerAct::Fail => "SCORING_KO",
            PayerAct::PayOnChain | PayerAct::PayPart | PayerAct::Overpay => {
                return Err("at Pledg the payer's actions are pay, cancel and fail".into());
            }
        };
        self.move_on(at, state, now)
    }

    /// Applies the scripted outcomes that are due, and says whether one was.
    pub fn follow_scripts(&mut self, now: WallTime) -> bool {
        let mut followed = false;
        for at in 0..self.purchases.len() {
            if let Some((due, state)) = self.purchases[at].script()
                && due <= now
            {
                // At the time it was due, not now: the simulated clock may have jumped over it.
                self.enter(at, &state, due);
                followed = true;
            }
        }
        followed
    }

    /// The latest purchase of this reference.
    pub(super) fn latest(&mut self, reference: &str) -> Result<&mut Purchase, String> {
        let at = self.place(reference)?;
        Ok(&mut self.purchases[at])
    }

    pub(super) fn place(&self, reference: &str) -> Result<usize, String> {
        let mut all = self.purchases.iter();
        // The last one: after a refusal a reference can be used again (`docs/providers/pledg.md#signed-purchases`).
        all.rposition(|purchase| purchase.reference == reference)
            .ok_or_else(|| format!("Pledg has no purchase {}", inert::quoted(reference, 60)))
    }

    fn move_on(&mut self, at: usize, state: &str, now: WallTime) -> Done {
        let purchase = &self.purchases[at];
        // All other states are final.
        if purchase.state != CREATED {
            let (reference, was) = (&purchase.reference, &purchase.state);
            return Err(format!("{reference} is already {was}"));
        }
        if self.purchases.iter().any(|known| known.completes(purchase)) {
            let reference = &purchase.reference;
            return Err(format!("{reference} belongs to a completed purchase"));
        }
        Ok(self.enter(at, state, now))
    }

    fn enter(&mut self, at: usize, state: &str, now: WallTime) -> String {
        state.clone_into(&mut self.purchases[at].state);
        self.notify(at, now)
    }
}
