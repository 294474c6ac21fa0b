//! The variants by fragments, on the adapters that multiply them: llvmpipe does from Mesa 26 on, and most GPUs.

use wgrad_engine::device::{Device, Format, Fragments};

use super::forced::Forced;
use super::problem::{Extents, Hidden, Problem, assert_all_close};
use super::{DEVICES, tolerance};

/// Less than a fragment, one short of a tile and one over, every chunk count, widths off a chunk, cross attention. llvmpipe
/// takes ten seconds to compile a pipeline of emulated fragments.
const SHAPES: [Extents; 6] = [
    [2, 3, 5, 2, 8],
    [1, 65, 33, 2, 32],
    [2, 33, 70, 1, 64],
    [1, 40, 66, 1, 128],
    [1, 130, 70, 1, 40],
    [2, 64, 64, 1, 72],
];

#[test]
fn fragments_match_twin() {
    let mut seen = 0;
    for device in DEVICES.iter() {
        for format in [Format::Word, Format::Half] {
            let Some(fragments) = device.listed_fragments(format) else { continue };
            if !fragments.fit_attention(format) {
                continue;
            }
            seen += 1;
            for extents in SHAPES {
                for hidden in [Hidden::Nothing, Hidden::All] {
                    check(device, format, fragments, &mut Problem::new(extents, hidden, 0.1));
                }
            }
            for hidden in [Hidden::Padding, Hidden::Future, Hidden::Bits] {
                check(
                    device,
                    format,
                    fragments,
                    &mut Problem::new([2, 66, 66, 2, 16], hidden, 0.0),
                );
            }
        }
    }
    if seen == 0 {
        eprintln!("skipped: no adapter multiplies fragments");
    }
}

fn check(device: &Device, format: Format, fragments: Fragments, problem: &mut Problem) {
    let context = format!("{device:?} {format:?} {fragments:?} {:?}", problem.params);
    let found = Forced::new(device, problem, format).cooperative(fragments.side as usize);
    assert_all_close(&found, &problem.expected(), tolerance(format), &context);
}
