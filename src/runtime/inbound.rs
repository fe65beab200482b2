//! Effects about received callbacks.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::tasks::Tasks;
use crate::deck::Deck;
use crate::tui::{Effect, Msg};

/// Starts an effect about callbacks; returns any other.
pub fn perform(
    effect: Effect,
    deck: &Arc<Deck>,
    tasks: &mut Tasks,
    messages: &mpsc::Sender<Msg>,
) -> Option<Effect> {
    let deck = deck.clone();
    let messages = messages.clone();
    match effect {
        Effect::LoadDeliveries {
            before,
            search,
            limit,
        } => tasks.start(async move {
            let deliveries = deck.deliveries(before, search, limit).await;
            let _ = messages.send(Msg::Deliveries(deliveries)).await;
        }),
        Effect::FindDelivery(request, delivery) => tasks.start(async move {
            let result = deck.find_delivery(delivery).await;
            let _ = messages.send(Msg::DeliveryFound(request, result)).await;
        }),
        Effect::OpenDelivery(request, delivery) => tasks.start(async move {
            let result = deck.received(delivery).await;
            let _ = messages.send(Msg::Received(request, result)).await;
        }),
        Effect::Replay {
            request,
            delivery,
            to,
        } => tasks.start(async move {
            let result = deck.replay(delivery, &to).await.map(drop);
            let _ = messages.send(Msg::Replayed(request, result)).await;
        }),
        Effect::Retry(request, delivery) => tasks.start(async move {
            let result = deck.retry(delivery).await.map(drop);
            let _ = messages.send(Msg::Retried(request, result)).await;
        }),
        Effect::LoadHistory(request, account, payment) => tasks.start(async move {
            let result = deck.timeline(&account, &payment).await;
            let _ = messages.send(Msg::Timeline(request, result)).await;
        }),
        other => return Some(other),
    }
    None
}
