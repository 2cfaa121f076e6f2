// All ways to place queens: a task for each that can be placed in the next row.
use std::time::Instant;

use tokio::task::JoinHandle;

#[path = "../support.rs"]
mod support;

const QUEENS: u32 = 12;
const SOLUTIONS: u64 = 14_200;

/// Takes the columns and both diagonals on which the next row is attacked, a bit each.
fn place(columns: u32, left: u32, right: u32) -> JoinHandle<u64> {
    tokio::spawn(rest(columns, left, right))
}

async fn rest(columns: u32, left: u32, right: u32) -> u64 {
    const ALL: u32 = (1 << QUEENS) - 1;
    if columns == ALL {
        return 1;
    }
    let mut free = ALL & !(columns | left | right);
    let mut children = Vec::with_capacity(free.count_ones() as usize);
    while free != 0 {
        let queen = free & free.wrapping_neg();
        free ^= queen;
        children.push(place(columns | queen, (left | queen) << 1, (right | queen) >> 1));
    }
    let mut solutions = 0;
    for child in children {
        solutions += child.await.unwrap();
    }
    solutions
}

fn main() {
    support::report_figures(|| async {
        let start = Instant::now();
        let solutions = rest(0, 0, 0).await;
        (solutions == SOLUTIONS).then(|| vec![("ms", 1e3 * start.elapsed().as_secs_f64())])
    });
}
