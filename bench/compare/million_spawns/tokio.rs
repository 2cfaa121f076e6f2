// A million children that do no more than count themselves, and a tracker with which their parent waits for all.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio_util::task::TaskTracker;

#[path = "../support.rs"]
mod support;

const CHILDREN: u64 = 1_000_000;

static ENDED: AtomicU64 = AtomicU64::new(0);

async fn nothing() {
    ENDED.fetch_add(1, Relaxed);
}

async fn parent() -> bool {
    let all = TaskTracker::new();
    for _ in 0..CHILDREN {
        all.spawn(nothing());
    }
    all.close();
    all.wait().await;
    ENDED.swap(0, Relaxed) == CHILDREN
}

fn main() {
    support::report(CHILDREN, parent);
}
