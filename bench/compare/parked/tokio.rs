// Tasks that wait for a number each from one channel with one place; it has one receiver, which they share by a mutex.
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::{Mutex, mpsc};

#[path = "../support.rs"]
mod support;

const TASKS: usize = 1_000_000;

static BYTES: OnceLock<f64> = OnceLock::new(); // of the first pass: the second one takes what that has left

struct Shared {
    started: AtomicUsize,
    numbers: Mutex<mpsc::Receiver<usize>>,
}

async fn wait(shared: Arc<Shared>) -> usize {
    shared.started.fetch_add(1, Relaxed);
    shared.numbers.lock().await.recv().await.unwrap()
}

async fn all() -> Option<support::Figures> {
    let (sender, receiver) = mpsc::channel(1);
    let shared = Arc::new(Shared { started: AtomicUsize::new(0), numbers: Mutex::new(receiver) });

    let before = support::resident_bytes();
    let start = Instant::now();
    let waiting: Vec<_> = (0..TASKS).map(|_| tokio::spawn(wait(shared.clone()))).collect();
    while shared.started.load(Relaxed) != TASKS {
        tokio::task::yield_now().await;
    }
    let created = start.elapsed();
    let bytes = *BYTES.get_or_init(|| (support::resident_bytes() - before) / TASKS as f64);

    let start = Instant::now();
    for number in 0..TASKS {
        sender.send(number).await.unwrap();
    }
    let mut sum = 0;
    for one in waiting {
        sum += one.await.unwrap();
    }
    let woken = start.elapsed();

    let each = |time: std::time::Duration| time.as_nanos() as f64 / TASKS as f64;
    let figures = vec![("bytes", bytes), ("create_ns", each(created)), ("wake_ns", each(woken))];
    (sum == TASKS * (TASKS - 1) / 2).then_some(figures)
}

fn main() {
    support::report_figures(all);
}
