// Two tasks that yield to each other.
#[path = "../support.rs"]
mod support;

const ROUNDS: u64 = 2_000_000; // of each

async fn turns() -> u64 {
    let mut taken = 0;
    for _ in 0..ROUNDS {
        tokio::task::yield_now().await;
        taken += 1;
    }
    taken
}

async fn two() -> bool {
    let first = tokio::spawn(turns());
    let second = tokio::spawn(turns());
    first.await.unwrap() + second.await.unwrap() == 2 * ROUNDS
}

fn main() {
    support::report(2 * ROUNDS, two);
}
