// A tree of tasks, ten children each, down to leaves with a number each, whose sum comes back up.
use std::{array, time::Instant};

use tokio::task::JoinHandle;

#[path = "../support.rs"]
mod support;

const LEAVES: u64 = 1_000_000;

fn node(first: u64, leaves: u64) -> JoinHandle<u64> {
    if leaves == 1 {
        return tokio::spawn(async move { first });
    }
    tokio::spawn(async move {
        let each = leaves / 10;
        let children: [_; 10] = array::from_fn(|i| node(first + i as u64 * each, each));
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

fn main() {
    support::report_figures(|| async {
        let start = Instant::now();
        let sum = node(0, LEAVES).await.unwrap();
        (sum == LEAVES * (LEAVES - 1) / 2).then(|| vec![("ms", 1e3 * start.elapsed().as_secs_f64())])
    });
}
