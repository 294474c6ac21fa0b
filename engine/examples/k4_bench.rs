#[path = "../../benches/ops/mod.rs"]
mod ops;
use std::time::Instant;
use wgrad_engine::device::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let device = Device::open(&args[1].parse().unwrap(), Options::default()).unwrap();
    for case in ops::cases() {
        let label = format!("{} {} {}", case.stem, case.name, case.shape);
        if args.len() > 2 && !label.contains(&args[2]) {
            continue;
        }
        let mut run = (case.prepare)(&device);
        let mut times = vec![];
        for i in 0..12 {
            let t = Instant::now();
            (run.step)();
            device.wait();
            if i >= 2 {
                times.push(t.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let t = times[times.len() / 2];
        println!(
            "{label:70} {:8.2} ms (min {:.2}) {:6.2} GB/s err {:.1e}",
            t * 1e3,
            times[0] * 1e3,
            4.0 * case.words as f64 / t / 1e9,
            run.error
        );
    }
}
