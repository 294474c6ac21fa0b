//! One problem by kernels that the test chooses, whatever the device would take.

use wgrad_engine::Tensor;
use wgrad_engine::device::{Buffer, Device, Format, Launch};
use wgrad_engine::kernels::attention::Constants;
use wgrad_engine::kernels::attention_backward::{self as walks, BackwardRows};
use wgrad_engine::kernels::attention_backward_fused as fused;
use wgrad_engine::ops;
use wgrad_engine::params::attention_backward as backward;

use super::problem::Problem;

/// The inputs of a problem on a device.
pub struct Forced<'a> {
    problem: &'a Problem,
    device: &'a Device,
    format: Format,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    dy: Buffer,
    lengths: Buffer,
    bits: Buffer,
    key: Buffer,
}

impl<'a> Forced<'a> {
    /// Rounds the inputs of `problem` to what `format` can hold, for the twin too.
    pub fn new(device: &'a Device, problem: &'a mut Problem, format: Format) -> Self {
        let [q, k, v, dy] =
            [&mut problem.q, &mut problem.k, &mut problem.v, &mut problem.dy].map(|values| {
                let stored = ops::cast(&Tensor::f32(device, [values.len()], values), format);
                *values = stored.to_f32();
                stored.buffer().clone()
            });
        let [lengths, bits, key] =
            [&problem.lengths[..], &problem.bits, &problem.key].map(|x| device.upload_u32(x));
        Self { problem, device, format, q, k, v, dy, lengths, bits, key }
    }

    fn like(&self, of: &Buffer) -> Buffer {
        self.device.buffer_of(self.format, of.elements())
    }

    fn chunks(&self) -> u32 {
        self.problem.params.width.div_ceil(32)
    }

    fn read(&self, buffers: [Buffer; 4]) -> [Vec<f32>; 4] {
        buffers.map(|buffer| self.device.read_f32(&buffer))
    }

    /// Workgroups of `tile` rows and `block` channels.
    fn tiles(&self, rows: usize, tile: usize, block: usize) -> Launch {
        let [batch, _, _, heads, width] = self.problem.extents();
        let parts = heads * width.div_ceil(block);
        Launch::groups([rows.div_ceil(tile), parts, batch].map(|count| count as u32))
    }

    /// What the walks of the backward read beside q, k, v and dy.
    fn notes(&self, y: &Buffer, lse: &Buffer) -> Buffer {
        let Self { problem, device, dy, lengths, bits, key, .. } = self;
        let [batch, queries, keys, heads, _] = problem.extents();
        let halves = problem.params.has_bits as usize * 2 * batch * queries * keys.div_ceil(32);
        let words = 4 + batch + 2 * batch * heads * queries + halves;
        let mut notes = device.buffer(words);
        let params = bytemuck::cast(problem.params);
        let constants = walks::Constants { chunks: self.chunks() };
        let rows =
            BackwardRows { params, constants, y, dy, lse, lengths, bits, key, notes: &mut notes };
        device.run(rows, Launch::lanes(words, 64));
        notes
    }

    /// dq, dk and dv of `y` in one walk.
    fn in_one_walk(&self, notes: &Buffer) -> [Buffer; 3] {
        let Self { q, k, v, dy, .. } = self;
        let [batch, _, _, heads, width] = self.problem.extents();
        let [mut dq, mut dk, mut dv] = [self.like(q), self.like(k), self.like(k)];
        let step = fused::Backward {
            params: bytemuck::cast(self.problem.params),
            constants: fused::Constants { chunks: self.chunks() },
            q,
            k,
            v,
            dy,
            notes,
            dq: &mut dq,
            dk: &mut dk,
            dv: &mut dv,
        };
        let parts = heads * width.div_ceil(64);
        self.device.run(step, Launch::groups([1, parts as u32, batch as u32]));
        [dq, dk, dv]
    }
}

/// y and the gradients by the forward of one stem and the two walks of another.
macro_rules! by_kernels {
    ($name:ident, $forward:ident, $walks:ident) => {
        /// y and `notes`; then dq, dk and dv by two walks.
        fn $name(&self, tile: usize, block: usize) -> (Buffer, Buffer, [Buffer; 3]) {
            use wgrad_engine::kernels::{$forward, $walks};
            let Self { problem, device, q, k, v, dy, lengths, bits, key, .. } = self;
            let [batch, queries, keys, heads, _] = problem.extents();
            let (mut y, mut lse) = (self.like(q), device.buffer(batch * heads * queries));
            let params = problem.params;
            let constants = Constants { chunks: self.chunks() };
            let forward = $forward::Forward {
                params,
                constants,
                q,
                k,
                v,
                lengths,
                bits,
                key,
                y: &mut y,
                lse: &mut lse,
            };
            device.run(forward, self.tiles(queries, tile, block));
            let notes = &self.notes(&y, &lse);
            let params: backward::Params = bytemuck::cast(params);
            let constants = walks::Constants { chunks: self.chunks() };
            let [mut dq, mut dk, mut dv] = [self.like(q), self.like(k), self.like(k)];
            let of_queries =
                $walks::BackwardQueries { params, constants, q, k, v, dy, notes, dq: &mut dq };
            device.run(of_queries, self.tiles(queries, tile, block));
            let of_keys = $walks::BackwardKeys {
                params,
                constants,
                q,
                k,
                v,
                dy,
                notes,
                dk: &mut dk,
                dv: &mut dv,
            };
            device.run(of_keys, self.tiles(keys, tile, block));
            (y, notes.clone(), [dq, dk, dv])
        }
    };
}

impl Forced<'_> {
    by_kernels!(by_lanes, attention, attention_backward);
    by_kernels!(by_fragments, attention_cooperative, attention_backward_cooperative);

    /// y, dq, dk and dv by the tiles of lanes: by two walks, and by one.
    pub fn tiled(&self) -> [[Vec<f32>; 4]; 2] {
        let (y, notes, two_walks) = self.by_lanes(64, 64);
        [two_walks, self.in_one_walk(&notes)].map(|[dq, dk, dv]| self.read([y.clone(), dq, dk, dv]))
    }

    /// y, dq, dk and dv by fragments of `side`.
    pub fn cooperative(&self, side: usize) -> [Vec<f32>; 4] {
        let (y, _, [dq, dk, dv]) = self.by_fragments(4 * side, 8 * side);
        self.read([y, dq, dk, dv])
    }
}
