use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::turns::Turns;
use super::*;

fn visitor(text: &str) -> Payer {
    Payer::Visitor(Some(text.parse::<IpAddr>().unwrap()))
}

fn ledger(points_per_second: u64, burst: u64, points_per_operation: u64) -> Ledger {
    let visitors = Allowance { points_per_second, burst, points_per_operation };
    Ledger::new(Allowances { visitors, ..Allowances::default() })
}

#[test]
fn an_account_holds_its_burst_and_fills_steadily() {
    let (ledger, one, now) = (ledger(10, 100, 100), visitor("192.0.2.1"), Instant::now());
    assert_eq!(ledger.take(one, 60, 0, now), Ok(()));
    assert_eq!(ledger.take(one, 60, 0, now), Err(Refused::Wait { seconds: 2 }));
    // A refusal takes nothing, and nobody else pays.
    assert_eq!(ledger.take(one, 40, 0, now), Ok(()));
    assert_eq!(ledger.take(visitor("192.0.2.2"), 100, 0, now), Ok(()));
    let later = now + Duration::from_secs(3);
    assert_eq!(ledger.take(one, 31, 0, later), Err(Refused::Wait { seconds: 1 }));
    assert_eq!(ledger.take(one, 30, 0, later), Ok(()));
    let standing = ledger.standing(one, later).unwrap();
    assert_eq!((standing.left, standing.burst, standing.full_in_seconds), (0, 100, 10));
    assert_eq!(ledger.standing(one, later + Duration::from_secs(60)).unwrap().left, 100);
}

#[test]
fn an_operation_costs_no_more_than_it_may() {
    let (ledger, one, now) = (ledger(10, 100, 70), visitor("192.0.2.1"), Instant::now());
    assert_eq!(ledger.take(one, 71, 0, now), Err(Refused::TooMuch { asked: 71, most: 70 }));
    assert_eq!(ledger.take(one, 11, 60, now), Err(Refused::TooMuch { asked: 71, most: 70 }));
    assert_eq!(ledger.take(one, 70, 0, now), Ok(()));
    // That holds for whoever is not counted as well.
    let uncounted = Payer::Visitor(None);
    assert_eq!(ledger.take(uncounted, 71, 0, now), Err(Refused::TooMuch { asked: 71, most: 70 }));
    for _ in 0..10 {
        assert_eq!(ledger.take(uncounted, 70, 0, now), Ok(()));
    }
}

#[test]
fn an_account_is_overdrawn_by_its_burst_at_most() {
    let (ledger, one, now) = (ledger(10, 100, 100), visitor("192.0.2.1"), Instant::now());
    ledger.overdraw(one, 1_000_000, now);
    assert_eq!(ledger.take(one, 10, 0, now), Err(Refused::Wait { seconds: 11 }));
    ledger.give_back(one, 1_000_000, now);
    assert_eq!(ledger.standing(one, now).unwrap().left, 100);
}

#[test]
fn full_accounts_are_forgotten() {
    let (ledger, now) = (ledger(1_000_000_000, 100, 100), Instant::now());
    for number in 0..20_000_u32 {
        let payer = Payer::Visitor(Some(IpAddr::from(number.to_be_bytes())));
        let now = now + Duration::from_millis(number.into());
        ledger.take(payer, 1, 0, now).unwrap();
    }
    assert!(ledger.open() <= 4096, "{} are open", ledger.open());
}

#[test]
fn the_least_burst_lets_a_visitor_ask_for_a_large_organisation_once() {
    let ledger = ledger(1, LEAST_BURST, LEAST_BURST);
    let (agents, days) = (5_000, 63);
    let slots = agents * (days + 2);
    assert_eq!(ledger.take(visitor("192.0.2.1"), slots, 1_000, Instant::now()), Ok(()));
    let defaults = Allowances::default();
    for allowance in [defaults.visitors, defaults.agents, defaults.api_keys] {
        assert!(LEAST_BURST <= allowance.burst.min(allowance.points_per_operation));
    }
}

#[tokio::test]
async fn callers_take_turns_however_much_one_of_them_asks() {
    let turns = Turns::new(1);
    let held = turns.place(visitor("192.0.2.9")).await.unwrap();
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    for address in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"] {
        let (turns, told) = (Arc::clone(&turns), told.clone());
        tokio::spawn(async move {
            let place = turns.place(visitor(address)).await.unwrap();
            told.send(address).unwrap();
            tokio::task::yield_now().await;
            drop(place);
        });
        // Each is in line before the next one comes.
        tokio::task::yield_now().await;
    }
    drop((held, told));
    let mut seen = Vec::new();
    while let Some(address) = order.recv().await {
        seen.push(address);
    }
    let (one, two) = ("192.0.2.1", "192.0.2.2");
    assert_eq!(seen, [one, two, one, two, one, one]);
}

#[tokio::test]
async fn one_caller_fills_neither_all_places_nor_the_queue() {
    let turns = Turns::new(2);
    let (one, other) = (visitor("192.0.2.1"), visitor("192.0.2.2"));
    let _held = turns.place(one).await.unwrap();
    let mut waiting: Vec<_> = (0..64).map(|_| Box::pin(turns.place(one))).collect();
    for place in &mut waiting {
        assert!(futures_util::poll!(place).is_pending());
    }
    assert_eq!(turns.place(one).await.unwrap_err(), Refused::Crowded);
    assert!(futures_util::poll!(Box::pin(turns.place(other))).is_ready());
    // Who gives up leaves its place in the queue to others.
    waiting.pop();
    assert!(futures_util::poll!(Box::pin(turns.place(one))).is_pending());
}

/// Work that says whether it was dropped, and never ends by itself.
async fn endless(alive: Arc<()>) {
    let _alive = alive;
    loop {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn heavy_work_ends_once_nobody_waits_for_it() {
    let heavy = Heavy::new(1);
    let alive = Arc::new(());
    let (one, other) = (visitor("192.0.2.1"), visitor("192.0.2.2"));
    let work = Work::new(one, None, heavy.clone());
    let endless = work.whole(endless(Arc::clone(&alive)));
    assert!(tokio::time::timeout(Duration::from_millis(20), endless).await.is_err());
    // Its place is free only after it was dropped.
    let work = Work::new(other, None, heavy);
    let thread = work.whole(async { std::thread::current().name().map(str::to_owned) });
    assert_eq!(thread.await.unwrap().as_deref(), Some("frontdesk-heavy"));
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn parts_are_done_in_place_until_they_come_to_much() {
    let work = Work::new(visitor("192.0.2.1"), None, Heavy::default());
    let is_heavy = async |points| {
        let thread = async { std::thread::current().name().map(str::to_owned) };
        work.part(points, thread).await.unwrap().as_deref() == Some("frontdesk-heavy")
    };
    assert!(!is_heavy(INLINE / 2).await);
    assert!(!is_heavy(INLINE / 2).await);
    assert!(is_heavy(1).await);
}

#[tokio::test]
async fn a_panic_in_heavy_work_is_the_callers() {
    let work = Work::new(visitor("192.0.2.1"), None, Heavy::new(1));
    let panic = std::panic::AssertUnwindSafe(work.whole(async { panic!("on purpose") }));
    assert!(futures_util::FutureExt::catch_unwind(panic).await.is_err());
    assert_eq!(work.whole(async { 1 }).await, Ok(1));
}
