// Fibonacci numbers: one half is a task, the other one an asynchronous call, for which recursion needs a box.
use tokio::task::JoinHandle;

#[path = "../support.rs"]
mod support;

const N: u64 = 27;
const RESULT: u64 = 196_418;

fn fork(n: u64) -> JoinHandle<u64> {
    tokio::spawn(fib(n))
}

async fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let forked = fork(n - 1);
    Box::pin(fib(n - 2)).await + forked.await.unwrap()
}

fn calls(n: u64) -> u64 {
    if n < 2 { 1 } else { 1 + calls(n - 1) + calls(n - 2) }
}

fn main() {
    support::report(calls(N), || async { fib(N).await == RESULT });
}
