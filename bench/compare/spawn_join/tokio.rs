// One child after the other, each with a value that its parent waits for.
#[path = "../support.rs"]
mod support;

const CHILDREN: u64 = 1_000_000;

async fn twice(value: u64) -> u64 {
    2 * value
}

async fn parent() -> bool {
    let mut sum = 0;
    for i in 0..CHILDREN {
        sum += tokio::spawn(twice(i)).await.unwrap();
    }
    sum == CHILDREN * (CHILDREN - 1)
}

fn main() {
    support::report(CHILDREN, parent);
}
