//! What the programs of `./dev compare` that are written for tokio share; README.md says what they are asked and print.
#![allow(dead_code)] // no program uses all of it

use std::{env, fs, future::Future, io, mem, process, time::Instant};

use tokio::runtime::{Builder, Runtime};

pub type Figures = Vec<(&'static str, f64)>;

/// What the command line asks for: how many threads may be used, and which variant of the workload.
pub struct Asked {
    pub threads: usize,
    pub variant: String,
}

pub fn asked() -> Asked {
    let mut arguments = env::args().skip(1);
    let threads = arguments.next().and_then(|text| text.parse().ok()).filter(|&threads| threads > 0);
    match (threads, arguments.next(), arguments.next()) {
        (Some(threads), Some(variant), None) => Asked { threads, variant },
        _ => {
            eprintln!("usage: {} THREADS VARIANT", env::args().next().unwrap_or_default());
            process::exit(2)
        }
    }
}

pub fn runtime(threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

pub fn not_done() -> ! {
    eprintln!("{}: the work was not done", env::args().next().unwrap_or_default());
    process::exit(1)
}

/// Does the work twice, on threads that it starts itself, and prints the figures of the second time. There are none
/// unless all of it was really done.
pub fn report_figures_outside(mut work: impl FnMut() -> Option<Figures>) {
    let passes = [work(), work()];
    match passes {
        [Some(_), Some(figures)] => figures.iter().for_each(|(name, value)| println!("{name} {value:.3}")),
        _ => not_done(),
    }
}

/// The same for work whose only figure is the time of an operation in nanoseconds.
pub fn report_outside(operations: u64, mut work: impl FnMut() -> bool) {
    report_figures_outside(|| {
        let start = Instant::now();
        work().then(|| vec![("ns", start.elapsed().as_nanos() as f64 / operations as f64)])
    });
}

/// Runs the work as a task of a runtime with as many worker threads as are asked for.
pub fn report_figures<W>(work: impl Fn() -> W)
where
    W: Future<Output = Option<Figures>> + Send + 'static,
{
    let runtime = runtime(asked().threads).unwrap();
    report_figures_outside(|| runtime.block_on(runtime.spawn(work())).unwrap());
}

/// The same for work whose only figure is the time of an operation in nanoseconds.
pub fn report<W>(operations: u64, work: impl Fn() -> W)
where
    W: Future<Output = bool> + Send + 'static,
{
    let runtime = runtime(asked().threads).unwrap();
    report_outside(operations, || runtime.block_on(runtime.spawn(work())).unwrap());
}

/// Seconds of processor time of the process, user and system.
pub fn cpu_seconds() -> f64 {
    // SAFETY: all zero is a valid rusage, and the call writes no more than that.
    let used = unsafe {
        let mut used: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut used);
        used
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

/// The bytes of the process that are in memory.
pub fn resident_bytes() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    // SAFETY: only looks something up.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64
}

/// The value below which `share` of all lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    let at = (share * (values.len() - 1) as f64) as usize;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}
