//! The tiles of real GPUs on every device, also where the op would choose something else.

use wgrad_engine::Tensor;
use wgrad_engine::device::{Buffer, Device, Format, Kernel, Launch};
use wgrad_engine::kernels::attention_relative::{self as forward, Forward, ForwardNotes};
use wgrad_engine::kernels::attention_relative_backward::{
    self as walks, BackwardDistances, BackwardKeys, BackwardNotes, BackwardQueries,
};
use wgrad_engine::kernels::attention_relative_backward_fused::Backward;
use wgrad_engine::ops::cast;
use wgrad_engine::testing::{assert_close, wide};

use super::problem::{KEY, Problem};
use super::twins::Twins;

/// Storage buffers of the walk that is all of them.
const ONE_WALK_BINDS: u32 = 12;

/// What the walks give: dq, σ, dk, dv, the table's gradient of each item, and dw in parts.
type Gradients = [Buffer; 6];

impl Problem {
    /// Compares every entry point with its twin: the three walks, then the one that is all of them.
    pub fn check_tiles(&self, device: &Device, format: Format, tolerance: f64) {
        let twins = self.twins(&self.wide_inputs());
        let [q, k, v, r, u, w, ..] = &self.inputs;
        let stored = |values: &Vec<f32>| {
            let tensor = Tensor::f32(device, [values.len()], values);
            cast(&tensor, format).buffer().clone()
        };
        let ([q, k, v, dy], r) = ([q, k, v, &self.dy].map(stored), device.upload_f32(r));
        let biases = device.upload_f32(&[&u[..], &w[..]].concat());
        let params = self.params();
        let constants = forward::Constants { chunks: params.width.div_ceil(32) };
        let slopes: Vec<f32> = twins.slopes.iter().map(|&e| e as f32).collect();
        let words = |values: &[u32]| device.upload_u32(values);
        let mut packed = device.buffer(twins.packed.len());
        device.run(
            ForwardNotes {
                params,
                constants,
                lengths: &words(&self.lengths),
                bits: &words(&self.bits),
                places: &words(&self.places),
                query_segments: &words(&self.query_segments),
                key_segments: &words(&self.key_segments),
                slopes: &device.upload_f32(&slopes),
                key: &words(&KEY),
                packed: &mut packed,
            },
            Launch::lanes(twins.packed.len(), ForwardNotes::WORKGROUP[0]),
        );
        let (mut y, mut lse) = (device.buffer_like(&q), device.buffer(twins.lse.len()));
        let parts = params.heads * params.width.div_ceil(64); // heads in blocks of 64 channels
        let tiles = |rows: u32| Launch::groups([rows.div_ceil(64), parts, params.batch]);
        device.run(
            Forward {
                params,
                constants,
                q: &q,
                k: &k,
                v: &v,
                table: &r,
                biases: &biases,
                notes: &packed,
                y: &mut y,
                lse: &mut lse,
            },
            tiles(params.queries),
        );
        let close = |found: &Buffer, expected: &[f64], name: &str| {
            let context = format!("{device:?} {format:?} {:?} {name}", self.case);
            assert_close(&device.read_f32(found), expected, tolerance, &context);
        };
        close(&packed, &twins.packed, "notes");
        close(&y, &twins.y, "y");
        close(&lse, &twins.lse, "L");

        let (params, constants) =
            (bytemuck::cast(params), walks::Constants { chunks: constants.chunks });
        let mut notes = device.buffer(twins.notes.len());
        device.run(
            BackwardNotes {
                params,
                constants,
                biases: &biases,
                packed: &packed,
                y: &y,
                dy: &dy,
                lse: &lse,
                repacked: &mut notes,
            },
            Launch::lanes(twins.notes.len(), BackwardNotes::WORKGROUP[0]),
        );
        let of_walks = by_walks(device, [&q, &k, &v, &r, &dy, &notes], params, constants, &twins);
        let names = ["dq", "sigma", "dk", "dv", "dr", "dw"];
        for ((found, expected), name) in of_walks.iter().zip(&twins.walked).zip(names) {
            close(found, expected, name);
        }
        // No GPU is given the one walk, and SwiftShader has no room for its buffers.
        if device.limits().max_storage_buffers < ONE_WALK_BINDS {
            return;
        }
        let [mut dq, mut sigma, mut dk, mut dv, mut dtable, mut dbias] =
            room(device, format, &twins);
        device.run(
            Backward {
                params,
                constants,
                q: &q,
                k: &k,
                v: &v,
                table: &r,
                dy: &dy,
                notes: &notes,
                dq: &mut dq,
                sigma: &mut sigma,
                dk: &mut dk,
                dv: &mut dv,
                dtable: &mut dtable,
                dbias: &mut dbias,
            },
            tiles(1),
        );
        let of_one = [dq, sigma, dk, dv, dtable];
        for ((found, expected), name) in of_one.iter().zip(&twins.walked).zip(names) {
            close(found, expected, &format!("{name} of one walk"));
        }
        // Of dw only the sum over items and tiles counts.
        let plane = (params.heads * params.width) as usize;
        let sums = |parts: &[f64]| -> Vec<f64> {
            (0..plane).map(|c| parts.iter().skip(c).step_by(plane).sum()).collect()
        };
        let found: Vec<f32> =
            sums(&wide(&device.read_f32(&dbias))).iter().map(|&x| x as f32).collect();
        assert_close(&found, &sums(&twins.walked[5]), tolerance, "dw of one walk");
    }
}

/// dq, dk and dv lie in `format`.
fn room(device: &Device, format: Format, twins: &Twins) -> Gradients {
    let [dq, sigma, dk, dv, dtable, dbias] = twins.walked.each_ref().map(Vec::len);
    let [dq, dk, dv] = [dq, dk, dv].map(|elements| device.buffer_of(format, elements));
    let [sigma, dtable, dbias] = [sigma, dtable, dbias].map(|words| device.buffer(words));
    [dq, sigma, dk, dv, dtable, dbias]
}

fn by_walks(
    device: &Device,
    [q, k, v, table, dy, notes]: [&Buffer; 6],
    params: walks::Params,
    constants: walks::Constants,
    twins: &Twins,
) -> Gradients {
    let parts = params.heads * params.width.div_ceil(64); // heads in blocks of 64 channels
    let tiles = |rows: u32| Launch::groups([rows.div_ceil(64), parts, params.batch]);
    let [mut dq, mut sigma, mut dk, mut dv, mut dtable, mut dbias] =
        room(device, q.format(), twins);
    let kernel = BackwardQueries {
        params,
        constants,
        q,
        k,
        v,
        table,
        dy,
        notes,
        dq: &mut dq,
        sigma: &mut sigma,
    };
    device.run(kernel, tiles(params.queries));
    let kernel =
        BackwardKeys { params, constants, q, k, v, table, dy, notes, dk: &mut dk, dv: &mut dv };
    device.run(kernel, tiles(params.keys));
    let kernel = BackwardDistances {
        params,
        constants,
        q,
        k,
        v,
        table,
        dy,
        notes,
        dtable: &mut dtable,
        dbias: &mut dbias,
    };
    device.run(kernel, tiles(params.distances));
    [dq, sigma, dk, dv, dtable, dbias]
}
