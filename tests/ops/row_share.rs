//! Kernels whose rows may be shared by one lane, by 64 or by 256: each way, whatever the op would choose on this device.

use wgrad_engine::Device;
use wgrad_engine::device::{Buffer, Launch};
use wgrad_engine::kernels::{attention_biased, attention_relative, relative_segments, softmax};
use wgrad_engine::testing::{assert_close, devices, normal, wide};

/// B, T, S, A: rows that fill no workgroup, columns past 64.
const EXTENTS: [u32; 4] = [2, 5, 70, 2];

/// Runs a kernel of rows on a device with so many lanes a row, and gives what it wrote.
type Run = fn(&Device, u32) -> Vec<Vec<f32>>;

#[test]
fn every_share_matches_the_cpu() {
    let short: [(&str, Run); 4] = [
        ("attention_biased", biased),
        ("attention_relative scores", relative_scores),
        ("attention_relative", relative),
        ("relative_segments", segments),
    ];
    let cases = short.map(|case| (case, &[1, 64][..]));
    let softmax: (&str, Run) = ("softmax", softmaxes);
    for ((name, run), shares) in cases.into_iter().chain([(softmax, &[1, 64, 256][..])]) {
        let expected = run(&Device::cpu(), 64);
        for device in devices() {
            for &share in shares {
                let context = format!("{name}, {share} lanes a row on {device:?}");
                for (found, expected) in run(&device, share).iter().zip(&expected) {
                    assert_close(found, &wide(expected), 2e-6, &context);
                }
            }
        }
    }
}

fn launch(rows: u32, share: u32, lanes: u32) -> Launch {
    Launch::rows(rows.div_ceil(lanes / share) as usize)
}

fn values(device: &Device, count: u32, seed: u64) -> Buffer {
    device.upload_f32(&normal(count as usize, seed))
}

fn read<const N: usize>(device: &Device, buffers: [&Buffer; N]) -> Vec<Vec<f32>> {
    buffers.map(|buffer| device.read_f32(buffer)).to_vec()
}

fn softmaxes(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let (rows, channels) = (9, 300);
    let params = softmax::Params { rows, channels };
    let constants = softmax::Constants { row_lanes };
    let launch = launch(rows, row_lanes, 256);
    let x = &values(device, rows * channels, 1);
    let dy = &values(device, rows * channels, 2);
    let [mut plain, mut log, mut dplain, mut dlog] =
        [3; 4].map(|seed| values(device, rows * channels, seed));
    device.run(softmax::Forward { params, constants, x, y: &mut plain }, launch);
    device.run(softmax::ForwardLog { params, constants, x, y: &mut log }, launch);
    device.run(softmax::Backward { params, constants, y: &plain, dy, dx: &mut dplain }, launch);
    device.run(softmax::BackwardLog { params, constants, y: &log, dy, dx: &mut dlog }, launch);
    read(device, [&plain, &log, &dplain, &dlog])
}

fn biased(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let [batch, queries, keys, heads] = EXTENTS;
    let params = attention_biased::Params {
        queries,
        keys,
        heads,
        bias_items: 1,
        bias_heads: heads,
        scale: 0.5,
        causal: 1,
        has_lengths: 1,
        has_bits: 0,
        threshold: 1 << 29,
        keep_scale: 8.0 / 7.0,
        site: 3,
        first_row: 0,
        first_head: 0,
        some_heads: heads,
        first_item: 0,
        some_items: batch,
    };
    let constants = attention_biased::Constants { row_lanes };
    let rows = batch * queries * heads;
    let launch = launch(rows, row_lanes, 64);
    let bias = &values(device, heads * queries * keys, 1);
    let (lengths, key) = (&device.upload_u32(&[70, 67]), &device.upload_u32(&[5, 6]));
    let [mut forward, mut again, mut ds] = [2, 2, 3].map(|seed| values(device, rows * keys, seed));
    let mut lse = values(device, rows, 4);
    let weights = &mut forward;
    let kernel = attention_biased::Forward {
        params,
        constants,
        bias,
        lengths,
        bits: lengths,
        key,
        weights,
        lse: &mut lse,
    };
    device.run(kernel, launch);
    let kernel = attention_biased::Backward {
        params,
        constants,
        bias,
        lengths,
        bits: lengths,
        key,
        lse: &lse,
        weights: &mut again,
        ds: &mut ds,
    };
    device.run(kernel, launch);
    read(device, [&forward, &lse, &again, &ds])
}

fn relative_params() -> attention_relative::Params {
    let [batch, queries, keys, heads] = EXTENTS;
    attention_relative::Params {
        batch,
        queries,
        keys,
        heads,
        distances: queries + keys,
        scale: 0.5,
        causal: 1,
        has_lengths: 1,
        has_bits: 0,
        has_places: 0,
        has_segments: 1,
        threshold: 1 << 29,
        keep_scale: 8.0 / 7.0,
        site: 3,
        first_row: 0,
        first_head: 0,
        some_heads: heads,
        first_item: 0,
        some_items: batch,
    }
}

/// Segments that change along the row.
fn segment_ids(device: &Device, count: u32) -> Buffer {
    device.upload_u32(&(0..count).map(|at| at / 3 % 2).collect::<Vec<_>>())
}

fn relative_scores(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let (params, [batch, queries, keys, heads]) = (relative_params(), EXTENTS);
    let rows = batch * queries * heads;
    let mut weights = values(device, rows * keys, 2);
    let lengths = &device.upload_u32(&[70, 67]);
    let kernel = attention_relative::Scores {
        params,
        constants: attention_relative::Constants { row_lanes },
        distant: &values(device, rows * params.distances, 1),
        lengths,
        bits: lengths,
        places: lengths,
        query_segments: &segment_ids(device, batch * queries),
        key_segments: &segment_ids(device, batch * keys),
        slopes: &values(device, rows, 3),
        weights: &mut weights,
    };
    device.run(kernel, launch(rows, row_lanes, 64));
    read(device, [&weights])
}

fn relative(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let (params, [batch, queries, keys, heads]) = (relative_params(), EXTENTS);
    let constants = attention_relative::Constants { row_lanes };
    let rows = batch * queries * heads;
    let launch = launch(rows, row_lanes, 64);
    let key = &device.upload_u32(&[5, 6]);
    let [mut forward, mut again, mut ds] = [2, 2, 3].map(|seed| values(device, rows * keys, seed));
    let mut lse = values(device, rows, 4);
    let mut shifted = values(device, rows * params.distances, 5);
    let weights = &mut forward;
    let kernel = attention_relative::Forward { params, constants, key, weights, lse: &mut lse };
    device.run(kernel, launch);
    let kernel = attention_relative::Backward {
        params,
        constants,
        places: key,
        key,
        lse: &lse,
        weights: &mut again,
        ds: &mut ds,
        shifted: &mut shifted,
    };
    device.run(kernel, launch);
    read(device, [&forward, &lse, &again, &ds, &shifted])
}

fn segments(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let [batch, queries, keys, heads] = EXTENTS;
    let rows = batch * queries * heads;
    let mut sigma = values(device, rows, 4);
    let kernel = relative_segments::BackwardRows {
        params: relative_segments::Params {
            batch,
            queries,
            keys,
            heads,
            width: 8,
            first_head: 0,
            some_heads: heads,
            first_item: 0,
            some_items: batch,
        },
        constants: relative_segments::Constants { row_lanes },
        query_segments: &segment_ids(device, batch * queries),
        key_segments: &segment_ids(device, batch * keys),
        ds: &values(device, rows * keys, 1),
        sigma: &mut sigma,
    };
    device.run(kernel, launch(rows, row_lanes, 64));
    read(device, [&sigma])
}
