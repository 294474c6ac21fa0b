//! The variants by fragments, on the adapters that multiply them: llvmpipe does from Mesa 26 on, and most GPUs.

use wgrad_engine::Tensor;
use wgrad_engine::device::{Device, Format, Fragments, Launch};
use wgrad_engine::kernels::attention::Constants;
use wgrad_engine::kernels::attention_backward::{self as walks, BackwardRows};
use wgrad_engine::kernels::attention_backward_cooperative::{BackwardKeys, BackwardQueries};
use wgrad_engine::kernels::attention_cooperative::Forward;
use wgrad_engine::ops;
use wgrad_engine::params::attention_backward as backward;

use super::DEVICES;
use super::problem::{Extents, Hidden, Problem, assert_all_close};

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

/// Weights, their gradients and results are rounded to f16, relative to the largest.
const HALF: f64 = 1.0 / 1024.0;

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
    let params = problem.params;
    let [batch, queries, keys, heads, width] = problem.extents();
    // What lies as f16 is rounded first, and the twin is given what was rounded.
    let [q, k, v, dy] =
        [&mut problem.q, &mut problem.k, &mut problem.v, &mut problem.dy].map(|values| {
            let stored = ops::cast(&Tensor::f32(device, [values.len()], values), format);
            *values = stored.to_f32();
            stored.buffer().clone()
        });
    let [lengths, bits, key] =
        [&problem.lengths[..], &problem.bits, &problem.key].map(|x| device.upload_u32(x));
    let [mut y, mut dq] = [(); 2].map(|()| device.buffer_of(format, q.elements()));
    let [mut dk, mut dv] = [(); 2].map(|()| device.buffer_of(format, k.elements()));
    let mut lse = device.buffer(batch * heads * queries);
    let halves = params.has_bits as usize * 2 * batch * queries * keys.div_ceil(32);
    let words = 4 + batch + 2 * batch * heads * queries + halves;
    let mut notes = device.buffer(words);
    let chunks = width.div_ceil(32) as u32;
    let side = fragments.side as usize;
    let tiles = |rows: usize| {
        let parts = heads * width.div_ceil(8 * side);
        Launch::groups([rows.div_ceil(4 * side), parts, batch].map(|count| count as u32))
    };

    let constants = Constants { chunks };
    let (q, k, v, dy) = (&q, &k, &v, &dy);
    let (lengths, bits, key) = (&lengths, &bits, &key);
    let forward =
        Forward { params, constants, q, k, v, lengths, bits, key, y: &mut y, lse: &mut lse };
    device.run(forward, tiles(queries));
    let params: backward::Params = bytemuck::cast(params);
    let constants = walks::Constants { chunks };
    let rows = BackwardRows {
        params,
        constants,
        y: &y,
        dy,
        lse: &lse,
        lengths,
        bits,
        key,
        notes: &mut notes,
    };
    device.run(rows, Launch::lanes(words, 64));
    let notes = &notes;
    let of_queries = BackwardQueries { params, constants, q, k, v, dy, notes, dq: &mut dq };
    device.run(of_queries, tiles(queries));
    let of_keys = BackwardKeys { params, constants, q, k, v, dy, notes, dk: &mut dk, dv: &mut dv };
    device.run(of_keys, tiles(keys));

    let context = format!("{device:?} {format:?} {fragments:?} {params:?}");
    let found = [y, dq, dk, dv].map(|buffer| device.read_f32(&buffer));
    let within = if format == Format::Half { 2.0 * HALF } else { 3e-6 };
    assert_all_close(&found, &problem.expected(), within, &context);
}
