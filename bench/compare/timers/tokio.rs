// Tasks that sleep until a moment within one second each, the first of which is half a second away.
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[path = "../support.rs"]
mod support;

const TIMERS: usize = 1_000_000;

/// Returns by how many microseconds it is late, or none when it is early.
async fn sleeper(due: Instant) -> Option<f64> {
    sleep_until(due).await;
    Some(1e6 * Instant::now().checked_duration_since(due)?.as_secs_f64())
}

async fn all() -> Option<support::Figures> {
    let cpu = support::cpu_seconds();
    let first = Instant::now() + Duration::from_millis(500);
    let mut random: u64 = 1;
    let mut sleeping = Vec::with_capacity(TIMERS);
    for _ in 0..TIMERS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_nanos((random >> 32) * 1_000_000_000 >> 32);
        sleeping.push(tokio::spawn(sleeper(first + after)));
    }
    let mut late = Vec::with_capacity(TIMERS);
    for one in sleeping {
        late.push(one.await.unwrap()?);
    }
    let cpu = support::cpu_seconds() - cpu;
    Some(vec![
        ("cpu_ns", 1e9 * cpu / TIMERS as f64),
        ("late_p50_us", support::quantile(&mut late, 0.5)),
        ("late_p99_us", support::quantile(&mut late, 0.99)),
    ])
}

fn main() {
    support::report_figures(all);
}
