//! The way back: three walks that make every weight again, and the sums that belong to all items.

use super::SEGMENT_ROWS;
use super::emulated::Distant;
use super::inputs::{Inputs, SegmentInputs};
use crate::device::{Buffer, Device, Format, Kernel, Launch};
use crate::kernels::attention_relative::Params;
use crate::kernels::attention_relative_backward::{
    BackwardDistances, BackwardKeys, BackwardNotes, BackwardQueries, Constants,
};
use crate::kernels::attention_relative_backward_fused::Backward as BackwardFused;
use crate::kernels::relative_segments::{
    BackwardQueries as SegmentQueries, BackwardTable as SegmentTable,
};
use crate::ops::attention::is_emulated;
use crate::ops::cast::{cast, converted};
use crate::ops::{column_sums, subtract};
use crate::tensor::{Backward, Tensor};

/// What backward needs to make any weight again: the inputs, y, and one float a row and head.
pub(super) struct Saved {
    pub inputs: Inputs,
    pub y: Buffer,
    pub lse: Buffer,
    /// On emulated GPUs, products with distances that were kept; empty where they are made again.
    pub distant: Vec<Distant>,
}

/// Six parents, or eight with segments.
impl<const N: usize> Backward<N> for Saved {
    fn backward(mut self: Box<Self>, dy: &Tensor, wants: [bool; N]) -> [Option<Tensor>; N] {
        let gradients = match self.inputs.widened(dy.device()) {
            Some(inputs) => self.in_words(inputs, dy, &wants),
            None => self.gradients(dy, &wants),
        };
        let mut gradients = gradients.into_iter().zip(wants);
        std::array::from_fn(|_| {
            let (gradient, wanted) = gradients.next().expect("eight are at least N");
            gradient.filter(|_| wanted)
        })
    }
}

/// What the walks give, `None` where it is not wanted.
pub(super) struct Walked {
    /// `[B, T, A, D]` without the segments' part, and `[B, T, A]`: σ.
    pub queries: Option<[Buffer; 2]>,
    /// `[B, S, A, D]`: dk and dv.
    pub keys: Option<[Buffer; 2]>,
    /// `[Q + S, A, D]`: dr.
    pub table: Option<Buffer>,
    /// `[A·D]`: du and dw.
    pub content_bias: Option<Tensor>,
    pub distance_bias: Option<Tensor>,
}

/// Runs a walk: all read the same, and write what is named here.
macro_rules! walk {
    ($saved:expr, $device:expr, $launch:expr, $reads:expr, $kernel:ident { $($written:ident),+ }) => {{
        let Inputs { params, q, k, v, table, .. } = &$saved.inputs;
        let (params, constants) = (bytemuck::cast(*params), $saved.constants($device));
        let (dy, notes) = $reads;
        $device.run(
            $kernel { params, constants, q, k, v, table, dy, notes, $($written: &mut $written),+ },
            $launch,
        );
    }};
}

impl Saved {
    /// As [`Self::gradients`], by `inputs` in f32; those of q, k and v are f16 again.
    fn in_words(mut self, inputs: Inputs, dy: &Tensor, wants: &[bool]) -> [Option<Tensor>; 8] {
        self.y = converted(dy.device(), &self.y, Format::Word);
        let wide = Self { inputs, ..self }.gradients(&cast(dy, Format::Word), wants);
        let [dq, dk, dv, rest @ ..] = wide;
        let [dq, dk, dv] = [dq, dk, dv].map(|wide| wide.map(|wide| cast(&wide, Format::Half)));
        let [table, content, bias, segments, segment_bias] = rest;
        [dq, dk, dv, table, content, bias, segments, segment_bias]
    }

    /// Those of q, k, v, r, u and w, then of the table and the bias of segments; more than is wanted may be there.
    fn gradients(&mut self, dy: &Tensor, wants: &[bool]) -> [Option<Tensor>; 8] {
        let device = dy.device();
        let wanted = |parents: &[usize]| {
            parents.iter().any(|&parent| wants.get(parent).copied().unwrap_or(false))
        };
        let notes = self.notes(device, dy.buffer());
        let walked = if device.is_cpu() {
            self.walk_once(device, dy.buffer(), &notes)
        } else if is_emulated(device) {
            self.in_chunks(device, dy.buffer(), &notes)
        } else {
            let of_queries = wanted(&[0, 4, 6, 7]);
            let of_distances = wanted(&[3, 4, 5]);
            self.with_sums(
                device,
                of_queries.then(|| self.over_keys(device, dy.buffer(), &notes)),
                wanted(&[1, 2]).then(|| self.over_queries(device, dy.buffer(), &notes)),
                of_distances.then(|| self.by_distance(device, dy.buffer(), &notes)),
            )
        };
        let inputs = &self.inputs;
        let [batch, heads, width] =
            [inputs.params.batch, inputs.params.heads, inputs.params.width].map(|n| n as usize);
        let tensor =
            |buffer: Buffer, rows: usize| Tensor::new(device, [batch, rows, heads, width], buffer);
        let [dcontent, dbias] = [walked.content_bias, walked.distance_bias]
            .map(|bias| bias.map(|bias| bias.reshape([heads, width])));
        let dtable = walked
            .table
            .map(|table| Tensor::new(device, [inputs.distances(), heads, width], table));
        let (dq, sigma) = walked
            .queries
            .map_or((None, None), |[dq, sigma]| (Some(tensor(dq, inputs.queries())), Some(sigma)));
        let (dq, segments) = match (&inputs.segments, dq, sigma) {
            (Some(segments), Some(dq), Some(sigma)) => {
                let (dq, table, bias) = segments.gradients(device, &inputs.q, dq, sigma);
                (Some(dq), Some((table, bias)))
            }
            (_, dq, _) => (dq, None),
        };
        let (segment_table, segment_bias) = segments.unzip();
        let [dk, dv] = walked.keys.map_or([None, None], |both| {
            both.map(|gradient| Some(tensor(gradient, inputs.keys())))
        });
        [dq, dk, dv, dtable, dcontent, dbias, segment_table, segment_bias]
    }

    /// What walks over items and tiles gave, added up.
    fn with_sums(
        &self,
        device: &Device,
        queries: Option<[Buffer; 2]>,
        keys: Option<[Buffer; 2]>,
        distances: Option<[Buffer; 2]>,
    ) -> Walked {
        let Params { batch, heads, width, .. } = self.inputs.params;
        let [batch, plane] = [batch, heads * width].map(|n| n as usize);
        let sums = |buffer: &Buffer, columns: usize| {
            let rows = buffer.elements() / columns;
            column_sums(&Tensor::new(device, [rows, columns], buffer.clone()))
        };
        let (table, distance_bias) = distances.map_or((None, None), |[table, bias]| {
            let words = self.inputs.table.words();
            let table = if batch == 1 { table } else { sums(&table, words).buffer().clone() };
            (Some(table), Some(sums(&bias, plane)))
        });
        let both = queries.as_ref().map(|[dq, _]| sums(dq, plane));
        let content_bias = both.zip(distance_bias.as_ref()).map(|(both, dw)| subtract(&both, dw));
        Walked { queries, keys, table, content_bias, distance_bias }
    }

    pub(super) fn constants(&self, device: &Device) -> Constants {
        Constants { chunks: self.inputs.chunks(device) }
    }

    /// What the walks read beside q, k, v, the table and dy, in one buffer.
    fn notes(&self, device: &Device, dy: &Buffer) -> Buffer {
        let inputs = &self.inputs;
        let words = inputs.notes.words() + inputs.biases.words() + 2 * self.lse.words();
        let mut notes = device.buffer(words);
        device.run(
            BackwardNotes {
                params: bytemuck::cast(inputs.params),
                constants: self.constants(device),
                biases: &inputs.biases,
                packed: &inputs.notes,
                y: &self.y,
                dy,
                lse: &self.lse,
                repacked: &mut notes,
            },
            Launch::lanes(words, BackwardNotes::WORKGROUP[0])
                .flops(2 * dy.elements())
                .words(2 * dy.elements() + 2 * words),
        );
        notes
    }

    /// dq and σ.
    fn over_keys(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> [Buffer; 2] {
        let inputs = &self.inputs;
        let mut dq = device.buffer_like(&inputs.q);
        let mut sigma = device.buffer(self.lse.words());
        let launch = inputs
            .tiles(inputs.queries())
            .flops(5 * inputs.product())
            .words(3 * inputs.q.elements() + 2 * inputs.k.elements() + inputs.table.words());
        walk!(self, device, launch, (dy, notes), BackwardQueries { dq, sigma });
        [dq, sigma]
    }

    /// dk and dv.
    fn over_queries(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> [Buffer; 2] {
        let inputs = &self.inputs;
        let [mut dk, mut dv] = [(); 2].map(|()| device.buffer_like(&inputs.k));
        let launch = inputs
            .tiles(inputs.keys())
            .flops(5 * inputs.product())
            .words(2 * inputs.q.elements() + 4 * inputs.k.elements() + inputs.table.words());
        walk!(self, device, launch, (dy, notes), BackwardKeys { dk, dv });
        [dk, dv]
    }

    /// The gradients of the table and of w, of each item and of each item and tile.
    fn by_distance(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> [Buffer; 2] {
        let inputs = &self.inputs;
        let [mut dtable, mut dbias] = self.of_distances(device);
        let launch = inputs
            .tiles(inputs.distances())
            .flops(4 * inputs.product())
            .words(2 * inputs.q.elements() + 2 * inputs.k.elements() + inputs.table.words());
        walk!(self, device, launch, (dy, notes), BackwardDistances { dtable, dbias });
        [dtable, dbias]
    }

    /// Room for what [`Saved::by_distance`] gives.
    fn of_distances(&self, device: &Device) -> [Buffer; 2] {
        let params = &self.inputs.params;
        let [batch, rows] = [params.batch, params.distances].map(|n| n as usize);
        let plane = (params.heads * params.width) as usize;
        [rows, rows.div_ceil(super::TILE_ROWS)].map(|rows| device.buffer(batch * rows * plane))
    }

    /// All of it, every weight made once.
    fn walk_once(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> Walked {
        let inputs = &self.inputs;
        let mut dq = device.buffer_like(&inputs.q);
        let mut sigma = device.buffer(self.lse.words());
        let [mut dk, mut dv] = [(); 2].map(|()| device.buffer_like(&inputs.k));
        let [mut dtable, mut dbias] = self.of_distances(device);
        let words = 3 * inputs.q.elements() + 4 * inputs.k.elements() + dtable.words();
        let launch =
            inputs.tiles(1).flops(8 * inputs.product()).words(words + inputs.table.words());
        walk!(
            self,
            device,
            launch,
            (dy, notes),
            BackwardFused { dq, sigma, dk, dv, dtable, dbias }
        );
        self.with_sums(device, Some([dq, sigma]), Some([dk, dv]), Some([dtable, dbias]))
    }
}

impl SegmentInputs {
    /// `dq` with the segments' part, and the gradients of table and bias.
    fn gradients(
        &self,
        device: &Device,
        q: &Buffer,
        dq: Tensor,
        sigma: Buffer,
    ) -> (Tensor, Tensor, Tensor) {
        let params = self.params;
        let [batch, queries, heads, width] =
            [params.batch, params.queries, params.heads, params.width].map(|n| n as usize);
        let (rows, plane, words) = (batch * queries, heads * width, q.elements());
        let shape = dq.shape().clone();
        let mut dq = dq.buffer().clone();
        let mut touched = device.buffer(words);
        let kernel = SegmentQueries {
            params,
            q,
            origin: &self.bias,
            table: &self.table,
            sigma: &sigma,
            dq: &mut dq,
            touched: &mut touched,
        };
        device.run(
            kernel,
            Launch::lanes(rows.div_ceil(SEGMENT_ROWS) * plane, SegmentQueries::WORKGROUP[0])
                .flops(4 * words)
                .words(4 * words),
        );
        let touched_sum = column_sums(&Tensor::new(device, [rows, plane], touched));
        let sigma_sum = column_sums(&Tensor::new(device, [rows, heads], sigma));
        let (mut dorigin, mut dtable) = (device.buffer(plane), device.buffer(2 * plane));
        let kernel = SegmentTable {
            params,
            table: &self.table,
            sigma_sum: sigma_sum.buffer(),
            touched_sum: touched_sum.buffer(),
            dorigin: &mut dorigin,
            dtable: &mut dtable,
        };
        device.run(
            kernel,
            Launch::lanes(plane, SegmentTable::WORKGROUP[0]).flops(2 * plane).words(6 * plane),
        );
        let dtable = Tensor::new(device, [2, heads, width], dtable);
        let dorigin = Tensor::new(device, [heads, width], dorigin);
        (Tensor::new(device, shape, dq), dtable, dorigin)
    }
}
