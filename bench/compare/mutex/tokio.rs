// Tasks lock one mutex, count up and unlock.
use std::sync::Arc;

use tokio::sync::Mutex;

#[path = "../support.rs"]
mod support;

const TASKS: u64 = 8;
const LOCKINGS: u64 = 250_000; // of each

async fn count(counted: Arc<Mutex<u64>>) {
    for _ in 0..LOCKINGS {
        *counted.lock().await += 1;
    }
}

async fn all() -> bool {
    let counted = Arc::new(Mutex::new(0));
    let counting: Vec<_> = (0..TASKS).map(|_| tokio::spawn(count(counted.clone()))).collect();
    for one in counting {
        one.await.unwrap();
    }
    *counted.lock().await == TASKS * LOCKINGS
}

fn main() {
    support::report(TASKS * LOCKINGS, all);
}
