// A value goes to another task and comes back raised by one; channels with one place, as tokio has none without.
use tokio::sync::mpsc;

#[path = "../support.rs"]
mod support;

const ROUNDS: u64 = 1_000_000;

async fn answer(mut requests: mpsc::Receiver<u64>, replies: mpsc::Sender<u64>) {
    while let Some(value) = requests.recv().await {
        replies.send(value + 1).await.unwrap();
    }
}

async fn ask() -> bool {
    let (requests, asked) = mpsc::channel(1);
    let (replying, mut replies) = mpsc::channel(1);
    let answering = tokio::spawn(answer(asked, replying));
    let mut value = 0;
    for _ in 0..ROUNDS {
        requests.send(value).await.unwrap();
        value = replies.recv().await.unwrap();
    }
    drop(requests);
    answering.await.unwrap();
    value == ROUNDS
}

fn main() {
    support::report(ROUNDS, ask);
}
