// The same between two threads with a runtime of their own each; channels with one place, as tokio has none without.
use std::thread;

use tokio::{runtime::Builder, sync::mpsc};

#[path = "../support.rs"]
mod support;

const ROUNDS: u64 = 50_000;

async fn answer(mut requests: mpsc::Receiver<u64>, replies: mpsc::Sender<u64>) {
    while let Some(value) = requests.recv().await {
        replies.send(value + 1).await.unwrap();
    }
}

async fn ask(requests: mpsc::Sender<u64>, mut replies: mpsc::Receiver<u64>) -> u64 {
    let mut value = 0;
    for _ in 0..ROUNDS {
        requests.send(value).await.unwrap();
        value = replies.recv().await.unwrap();
    }
    value
}

fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn main() {
    support::report_outside(ROUNDS, || {
        let (requests, asked) = mpsc::channel(1);
        let (replying, replies) = mpsc::channel(1);
        let answering = thread::spawn(|| on_this_thread(answer(asked, replying)));
        let value = on_this_thread(ask(requests, replies));
        answering.join().is_ok() && value == ROUNDS
    });
}
