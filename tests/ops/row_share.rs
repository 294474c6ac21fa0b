//! Kernels whose rows may be shared by one lane, by 64 or by 256: each way, whatever the op would choose on this device.

use wgrad_engine::Device;
use wgrad_engine::device::{Buffer, Launch};
use wgrad_engine::kernels::{attention_biased, contrastive, softmax};
use wgrad_engine::testing::{assert_close, devices, normal, wide};

/// B, T, S, A: rows that fill no workgroup, columns past 64.
const EXTENTS: [u32; 4] = [2, 5, 70, 2];

/// Runs a kernel of rows on a device with so many lanes a row, and gives what it wrote.
type Run = fn(&Device, u32) -> Vec<Vec<f32>>;

#[test]
fn every_share_matches_the_cpu() {
    let cases: [(&str, Run, &[u32]); 3] = [
        ("attention_biased", biased, &[1, 64]),
        ("softmax", softmaxes, &[1, 64, 256]),
        ("contrastive", contrastives, &[1, 64, 256]),
    ];
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

/// Nine queries, one without a target, and 300 passages of which every 50th is the same.
fn contrastives(device: &Device, row_lanes: u32) -> Vec<Vec<f32>> {
    let (rows, passages) = (9, 300);
    let params = contrastive::Params {
        rows,
        passages,
        strip: 64,
        continues: 0,
        has_ids: 1,
        of_log_sums: 0,
        inverse_temperature: 3.0,
    };
    let constants = contrastive::Constants { row_lanes };
    let launch = launch(rows, row_lanes, 256);
    let ids: Vec<u32> = (0..passages).map(|passage| passage % 50).collect();
    let candidate_ids = &device.upload_u32(&ids);
    let none = u32::MAX;
    let classes = [3, 299, 0, none, 7, 150, 64, 1, 2];
    let source = |j: u32| classes.iter().position(|&class| class == j);
    let sources: Vec<u32> = (0..passages).map(|j| source(j).map_or(none, |i| i as u32)).collect();
    let (targets, sources) = (&device.upload_u32(&classes), &device.upload_u32(&sources));
    let log_scale = &device.upload_f32(&[0.2]);
    let row_weight = &device.upload_f32(&[0.125]);
    let scores = || values(device, rows * passages, 1);
    let [mut positives, mut losses, mut log_sums] = [2; 3].map(|seed| values(device, rows, seed));
    let mut stats = values(device, 2 * rows, 3);
    let kernel = contrastive::Forward {
        params,
        constants,
        candidate_ids,
        targets,
        log_scale,
        scores: &scores(),
        row_stats: &mut stats,
        positives: &mut positives,
        row_losses: &mut losses,
        log_sums: &mut log_sums,
    };
    device.run(kernel, launch);
    // m′ is above every score of a passage, and Σ′ what makes their probabilities seen.
    let columns: Vec<f32> = (0..passages).flat_map(|j| [20.0 + j as f32 / 99.0, 1e-6]).collect();
    let column_stats = &device.upload_f32(&columns);
    let (row_stats, drows) = (&stats, &values(device, rows, 4));
    let [mut one, mut both, mut of_rows] = [(); 3].map(|()| scores());
    let kernel = contrastive::BackwardScores {
        params,
        constants,
        candidate_ids,
        targets,
        log_scale,
        row_weight,
        scores: &mut one,
        row_stats,
    };
    device.run(kernel, launch);
    let kernel = contrastive::BackwardBoth {
        params,
        constants,
        candidate_ids,
        targets,
        sources,
        log_scale,
        row_weight,
        scores: &mut both,
        row_stats,
        column_stats,
    };
    device.run(kernel, launch);
    let kernel = contrastive::BackwardRows {
        params,
        constants,
        candidate_ids,
        targets,
        log_scale,
        scores: &mut of_rows,
        row_stats,
        drows,
    };
    device.run(kernel, launch);
    read(device, [&stats, &positives, &losses, &log_sums, &one, &both, &of_rows])
}
