//! Kernels whose rows may be shared by one lane, by 64 or by 256: each way, whatever the op would choose on this device.

use wgrad_engine::Device;
use wgrad_engine::device::{Buffer, Launch};
use wgrad_engine::kernels::{attention_biased, softmax};
use wgrad_engine::testing::{assert_close, devices, normal, wide};

/// B, T, S, A: rows that fill no workgroup, columns past 64.
const EXTENTS: [u32; 4] = [2, 5, 70, 2];

/// Runs a kernel of rows on a device with so many lanes a row, and gives what it wrote.
type Run = fn(&Device, u32) -> Vec<Vec<f32>>;

#[test]
fn every_share_matches_the_cpu() {
    let cases: [(&str, Run, &[u32]); 2] =
        [("attention_biased", biased, &[1, 64]), ("softmax", softmaxes, &[1, 64, 256])];
    for (name, run, shares) in cases {
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
