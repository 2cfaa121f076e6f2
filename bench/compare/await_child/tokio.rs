// Calls an asynchronous function and waits for its value, which the compiler cannot see through; no task is made.
use std::hint::black_box;

#[path = "../support.rs"]
mod support;

const CHILDREN: u64 = 5_000_000;

async fn twice(value: u64) -> u64 {
    2 * black_box(value)
}

async fn parent() -> bool {
    let mut sum = 0;
    for i in 0..CHILDREN {
        sum += twice(i).await;
    }
    sum == CHILDREN * (CHILDREN - 1)
}

fn main() {
    support::report(CHILDREN, parent);
}
