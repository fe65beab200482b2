//! What it sends of its own accord.

use crate::callbacks::{Held, Inbound, Refusal, Spec, Told};

/// How its callbacks are judged and read.
pub const SPEC: Spec = Spec { secrets: &[], read };

fn read(_inbound: &Inbound, _held: &Held) -> Result<Told, Refusal> {
    Err(Refusal::Method { allowed: "" })
}
