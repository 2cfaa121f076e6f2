// A busy thread sends a message 2 ms after the last one was received, to a task all whose threads sleep by then.
use std::{
    hint,
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

#[path = "../support.rs"]
mod support;

const MESSAGES: usize = 500;
const PAUSE: Duration = Duration::from_millis(2);

fn send(messages: mpsc::Sender<Instant>, received: Arc<AtomicUsize>) {
    for sent in 0..MESSAGES {
        while received.load(Acquire) != sent {
            hint::spin_loop();
        }
        let last = Instant::now();
        while last.elapsed() < PAUSE {
            hint::spin_loop();
        }
        messages.try_send(Instant::now()).unwrap();
    }
}

async fn receive() -> Option<support::Figures> {
    let (sender, mut messages) = mpsc::channel(1);
    let received = Arc::new(AtomicUsize::new(0));
    let sending = thread::spawn({
        let received = received.clone();
        || send(sender, received)
    });
    let mut took = Vec::with_capacity(MESSAGES);
    while let Some(sent) = messages.recv().await {
        took.push(1e6 * sent.elapsed().as_secs_f64());
        received.store(took.len(), Release);
    }
    let all = sending.join().is_ok() && took.len() == MESSAGES;
    all.then(|| vec![("p50_us", support::quantile(&mut took, 0.5)), ("p99_us", support::quantile(&mut took, 0.99))])
}

fn main() {
    support::report_figures(receive);
}
