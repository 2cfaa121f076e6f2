// Messages through one channel from so many senders to one receiver, or to several by flume, as tokio has no such one.
use tokio::sync::mpsc;

#[path = "../support.rs"]
mod support;

const MESSAGES: u64 = 1_000_000;
const PLACES: usize = 4096;

async fn to_one(senders: u64) -> u64 {
    let (sender, mut receiver) = mpsc::channel(PLACES);
    for first in 0..senders {
        let sender = sender.clone();
        tokio::spawn(async move {
            for i in (first..MESSAGES).step_by(senders as usize) {
                sender.send(i).await.unwrap();
            }
        });
    }
    drop(sender);
    let mut sum = 0;
    while let Some(i) = receiver.recv().await {
        sum += i;
    }
    sum
}

async fn to_several(senders: u64, receivers: u64) -> u64 {
    let (sender, receiver) = flume::bounded(PLACES);
    for first in 0..senders {
        let sender = sender.clone();
        tokio::spawn(async move {
            for i in (first..MESSAGES).step_by(senders as usize) {
                sender.send_async(i).await.unwrap();
            }
        });
    }
    drop(sender);
    let receive = |receiver: flume::Receiver<u64>| async move {
        let mut sum = 0;
        while let Ok(i) = receiver.recv_async().await {
            sum += i;
        }
        sum
    };
    let receiving: Vec<_> = (0..receivers).map(|_| tokio::spawn(receive(receiver.clone()))).collect();
    let mut sum = 0;
    for one in receiving {
        sum += one.await.unwrap();
    }
    sum
}

fn main() {
    let variant = support::asked().variant;
    let (senders, receivers) = variant.split_once('x').unwrap();
    let (senders, receivers) = (senders.parse().unwrap(), receivers.parse().unwrap());
    support::report(MESSAGES, || async move {
        let sum = if receivers == 1 { to_one(senders).await } else { to_several(senders, receivers).await };
        sum == MESSAGES * (MESSAGES - 1) / 2
    });
}
