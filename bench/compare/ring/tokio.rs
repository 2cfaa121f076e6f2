// Tasks in a ring pass a number on until it is zero; channels with one place, as tokio has none without.
use tokio::sync::mpsc;

#[path = "../support.rs"]
mod support;

const TASKS: usize = 503;
const PASSES: u64 = 1_000_000;

/// Ends at zero, or when the task before it has ended, and returns how often it has passed a number on.
async fn link(mut before: mpsc::Receiver<u64>, after: mpsc::Sender<u64>) -> u64 {
    let mut passed = 0;
    while let Some(number @ 1..) = before.recv().await {
        after.send(number - 1).await.unwrap();
        passed += 1;
    }
    passed
}

async fn ring() -> bool {
    let (start, first) = mpsc::channel(1);
    let mut before = first;
    let mut links = Vec::with_capacity(TASKS);
    for _ in 1..TASKS {
        let (after, next) = mpsc::channel(1);
        links.push(tokio::spawn(link(before, after)));
        before = next;
    }
    links.push(tokio::spawn(link(before, start.clone())));
    start.send(PASSES).await.unwrap();
    drop(start);
    let mut passed = 0;
    for link in links {
        passed += link.await.unwrap();
    }
    passed == PASSES
}

fn main() {
    support::report(PASSES, ring);
}
