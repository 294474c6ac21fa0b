//! The gradients of attention, for which every weight is made again.

use super::inputs::Inputs;
use super::variant::{EMULATED_ROUNDS, EMULATED_WIDTH, Variant, rounds, run};
use crate::device::{Buffer, Device, Format, Kernel, Launch};
use crate::kernels::attention_backward::{self as walks, BackwardRows};
use crate::kernels::{
    attention_backward_cooperative, attention_backward_fused as fused, attention_backward_software,
    attention_backward_software_fused,
};
use crate::ops::cast::{cast, converted};
use crate::tensor::{Backward, Tensor};

/// Lanes of one workgroup of `backward_rows`.
const ROW_LANES: u32 = BackwardRows::WORKGROUP[0];

// The shaders declare the same `Params`, hence the casts; their tests would not survive a difference.

/// What backward needs to make any weight again: the inputs and one float per row and head.
pub(super) struct Saved {
    pub inputs: Inputs,
    pub y: Buffer,
    pub lse: Buffer,
}

impl Backward<3> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        let device = dy.device();
        if let Some(inputs) = self.inputs.widened(device) {
            let y = converted(device, &self.y, Format::Word);
            let wide = Box::new(Self { inputs, y, lse: self.lse });
            let gradients = wide.backward(&cast(dy, Format::Word), wants);
            return gradients.map(|gradient| gradient.map(|wide| cast(&wide, Format::Half)));
        }
        let [batch, queries, keys, heads, width] = self.inputs.extents();
        let notes = self.notes(device, dy.buffer());
        let gradients = if self.walks_once(device, wants) {
            self.in_one_walk(device, dy.buffer(), &notes).map(Some)
        } else {
            let [wants_q, wants_k, wants_v] = wants;
            let dq = wants_q.then(|| self.over_keys(device, dy.buffer(), &notes));
            let of_keys =
                (wants_k || wants_v).then(|| self.over_queries(device, dy.buffer(), &notes));
            let (dk, dv) = of_keys.unzip();
            [dq, dk, dv]
        };
        let mut rows = [queries, keys, keys].into_iter().zip(wants);
        gradients.map(|gradient| {
            let (rows, wanted) = rows.next().expect("q, k and v are three");
            let shape = [batch, rows, heads, width];
            gradient.filter(|_| wanted).map(|buffer| Tensor::new(device, shape, buffer))
        })
    }
}

impl Saved {
    /// What the walks read beside q, k, v and dy, in one buffer.
    pub fn notes(&self, device: &Device, dy: &Buffer) -> Buffer {
        let Inputs { params, variant, lengths, bits, key, .. } = &self.inputs;
        let [batch, queries, keys, heads, width] = self.inputs.extents();
        let rows = batch * heads * queries;
        let halves = params.has_bits as usize * batch * queries * keys.div_ceil(32) * 2;
        let words = 4 + batch + 2 * rows + halves;
        let mut notes = device.buffer(words);
        device.run(
            BackwardRows {
                params: bytemuck::cast(*params),
                constants: walks::Constants { chunks: variant.chunks(params) },
                y: &self.y,
                dy,
                lse: &self.lse,
                lengths,
                bits,
                key,
                notes: &mut notes,
            },
            Launch::lanes(words, ROW_LANES)
                .flops(2 * rows * width)
                .words(2 * rows * width + rows + words),
        );
        notes
    }

    /// Whether one walk makes all three gradients. It makes every weight once instead of twice, but with one workgroup a
    /// head, which would leave most of a GPU idle. The variant for emulated ones does all of a head in one invocation a
    /// lane, so its loops must end before llvmpipe ends them.
    fn walks_once(&self, device: &Device, wants: [bool; 3]) -> bool {
        let Inputs { params, variant, .. } = &self.inputs;
        let fits =
            params.width <= EMULATED_WIDTH && rounds(self.inputs.extents()) <= EMULATED_ROUNDS;
        device.is_cpu() || (*variant == Variant::Software && wants == [true; 3] && fits)
    }

    /// dq.
    pub fn over_keys(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> Buffer {
        let Inputs { params, variant, q, k, v, .. } = &self.inputs;
        let mut dq = device.buffer_like(q);
        let launch = self
            .inputs
            .tiles(params.queries as usize)
            .flops(3 * self.inputs.product())
            .words(3 * q.elements() + 2 * k.elements());
        run!(
            device,
            variant,
            launch,
            walks
                | attention_backward_software
                | attention_backward_cooperative::BackwardQueries {
                    params: bytemuck::cast(*params),
                    constants: walks::Constants { chunks: variant.chunks(params) },
                    q,
                    k,
                    v,
                    dy,
                    notes,
                    dq: &mut dq,
                }
        );
        dq
    }

    /// dk and dv.
    pub fn over_queries(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> (Buffer, Buffer) {
        let Inputs { params, variant, q, k, v, .. } = &self.inputs;
        let (mut dk, mut dv) = (device.buffer_like(k), device.buffer_like(k));
        let launch = self
            .inputs
            .tiles(params.keys as usize)
            .flops(4 * self.inputs.product())
            .words(2 * q.elements() + 4 * k.elements());
        run!(
            device,
            variant,
            launch,
            walks
                | attention_backward_software
                | attention_backward_cooperative::BackwardKeys {
                    params: bytemuck::cast(*params),
                    constants: walks::Constants { chunks: variant.chunks(params) },
                    q,
                    k,
                    v,
                    dy,
                    notes,
                    dk: &mut dk,
                    dv: &mut dv,
                }
        );
        (dk, dv)
    }

    /// dq, dk and dv.
    fn in_one_walk(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> [Buffer; 3] {
        let Inputs { params, variant, q, k, v, .. } = &self.inputs;
        let mut dq = device.buffer_like(q);
        let (mut dk, mut dv) = (device.buffer_like(k), device.buffer_like(k));
        let launch = Launch::groups([1, params.heads, params.batch])
            .flops(5 * self.inputs.product())
            .words(3 * q.elements() + 4 * k.elements());
        run!(
            device,
            variant,
            launch,
            fused
                | attention_backward_software_fused::Backward {
                    params: bytemuck::cast(*params),
                    constants: fused::Constants { chunks: variant.chunks(params) },
                    q,
                    k,
                    v,
                    dy,
                    notes,
                    dq: &mut dq,
                    dk: &mut dk,
                    dv: &mut dv,
                }
        );
        [dq, dk, dv]
    }
}
