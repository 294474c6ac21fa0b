//! progress: a line that fits.

use std::time::Duration;

use wgrad::train::progress::{Progress, Status, Verbosity, status_line};

#[test]
fn a_line_fits_and_drops_the_last_losses_first() {
    let losses = [("loss", 9.8765), ("loss_encoder", 5.0), ("loss_decoder", 4.8765)];
    let mut status = Status {
        step: 1200,
        last_step: 10_000,
        tokens_per_second: 8_512.0,
        remaining: Some(Duration::from_secs(3_723)),
        losses: &losses,
    };
    let wide = " 12% 1200/10000 8.5k tok/s ETA 1:02:03 loss 9.877 encoder 5.000 decoder 4.877";
    assert_eq!(status_line(&status, 80), wide);
    assert_eq!(
        status_line(&status, 66),
        " 12% 1200/10000 8.5k tok/s ETA 1:02:03 loss 9.877 encoder 5.000"
    );
    assert_eq!(status_line(&status, 20), " 12% 1200/10000 8.5k");
    status.remaining = None;
    status.losses = &[];
    for (speed, text) in [(0.4, "0"), (999.0, "999"), (9_960.0, "10k"), (999_600.0, "1.0M")] {
        status.tokens_per_second = speed;
        let line = format!(" 12% 1200/10000 {text} tok/s ETA -:--");
        assert_eq!(status_line(&status, 80), line);
    }
}

#[test]
fn nothing_overflows_at_the_edges() {
    for (first, last) in [(0, 0), (0, 1), (5, 5), (7, 3)] {
        let mut progress = Progress::new(first, last, Verbosity::Quiet);
        progress.update(first, 0, &[]);
        progress.update(last, 1, &[("loss", f64::NAN)]);
        progress.finish(last);
    }
}
