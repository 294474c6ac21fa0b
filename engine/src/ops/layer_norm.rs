//! Layer normalisation of each row, with the residual connection and the dropout before it.

use crate::device::{Buffer, Device, Format, Launch};
use crate::kernels::layer_norm::Params;
use crate::kernels::{layer_norm as scalar, layer_norm_rows as by_row, layer_norm_vec4 as by_quad};
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::{Backward, Tensor};

/// Most strips of rows whose parameter gradients are summed apart.
const MOST_STRIPS: usize = 128;

/// Normalises each row of `h = residual + dropout(x)`: `y = γ ⊙ (h − mean(h))/√(var(h) + ε) + β`.
///
/// # Shapes
/// `x, residual: [.., C]`, `gamma, beta: [C]` → `[.., C]`; the variance is the biased one, over C.
///
/// # Gradients
/// Flows to all tensors. Keeps `h` (`x` itself if nothing is added to it) and two floats a row.
///
/// # Panics
/// If shapes disagree, or the probability of `dropout` is not in [0, 1).
///
/// # Source
/// Ba, Kiros & Hinton 2016, arXiv:1607.06450, eq. 3. Kernels `shaders/layer_norm*.wgsl`.
#[track_caller]
pub fn layer_norm(
    x: &Tensor,
    residual: Option<&Tensor>,
    dropout: Option<&Dropout>,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f32,
) -> Tensor {
    let (rows, channels) = x.shape().rows_and_last();
    gamma.expect_shape("layer_norm: gamma", &[channels]);
    beta.expect_shape("layer_norm: beta", &[channels]);
    if let Some(residual) = residual {
        residual.expect_shape("layer_norm: residual", x.shape().axes());
    }
    let dropout = dropout.filter(|dropout| dropout.probability > 0.0);
    let plan = Plan::new(x, rows, channels);
    let params = params(&plan, residual, dropout, epsilon);
    let (h, y, moments) = match (residual, dropout) {
        (None, None) => {
            let (y, moments) = plan.forward(params, x.buffer(), gamma.buffer(), beta.buffer());
            (x.buffer().clone(), y, moments)
        }
        _ => plan.forward_residual(params, x, residual, dropout, gamma, beta),
    };
    let y = Tensor::new(x.device(), x.shape().clone(), y);
    let key = dropout.map(|dropout| dropout.key.clone());
    let saved = Saved { plan, params, key, h, moments, gamma: gamma.detach() };
    y.record("layer_norm", [x, residual.unwrap_or(&x.detach()), gamma, beta], saved)
}

/// What backward needs: what was normalised, and its mean and 1/σ per row. x̂ is recomputed.
struct Saved {
    plan: Plan,
    params: Params,
    key: Option<Tensor>,
    h: Buffer,
    moments: Buffer,
    gamma: Tensor,
}

impl Backward<4> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 4]) -> [Option<Tensor>; 4] {
        let [to_x, to_residual, to_gamma, to_beta] = wants;
        let tensor = |buffer| Tensor::new(dy.device(), dy.shape().clone(), buffer);
        let (mut dx, mut dresidual) = (None, None);
        match &self.key {
            Some(key) if to_x => {
                let (dh, dropped) = self.plan.backward_dropout(&self, key.buffer(), dy.buffer());
                (dx, dresidual) = (Some(tensor(dropped)), Some(tensor(dh)));
            }
            _ if to_x || to_residual => {
                let dh = tensor(self.plan.backward(&self, dy.buffer()));
                (dx, dresidual) = (Some(dh.clone()), Some(dh));
            }
            _ => {}
        }
        let (mut dgamma, mut dbeta) = (None, None);
        if to_gamma || to_beta {
            let (gamma, beta) = self.plan.backward_params(&self, dy.buffer());
            let tensor = |buffer| Tensor::new(dy.device(), [self.plan.channels], buffer);
            (dgamma, dbeta) = (Some(tensor(gamma)), Some(tensor(beta)));
        }
        [
            dx.filter(|_| to_x),
            dresidual.filter(|_| to_residual),
            dgamma.filter(|_| to_gamma),
            dbeta.filter(|_| to_beta),
        ]
    }
}

fn params(
    plan: &Plan,
    residual: Option<&Tensor>,
    dropout: Option<&Dropout>,
    epsilon: f32,
) -> Params {
    let strip_rows = plan.rows.div_ceil(MOST_STRIPS).max(16);
    let probability = dropout.map_or(0.0, |dropout| dropout.probability);
    Params {
        rows: plan.rows as u32,
        channels: plan.channels as u32,
        epsilon,
        has_residual: residual.is_some().into(),
        site: dropout.map_or(0, |dropout| dropout.site),
        first_row: dropout.map_or(0, |dropout| dropout.first_row),
        threshold: dropout_threshold(probability),
        keep_scale: 1.0 / (1.0 - probability),
        strip_rows: strip_rows as u32,
        strips: plan.rows.div_ceil(strip_rows) as u32,
    }
}

/// Which shader suits the device and the channel count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Any channel count.
    Scalar,
    /// A multiple of 4: loads four times as wide.
    Quads,
    /// The same on a software adapter with subgroups: a lane per row, no barrier.
    Rows,
}

impl Variant {
    fn new(device: &Device, channels: usize) -> Self {
        // Four lanes of `Rows` read γ and β for all of a subgroup.
        let subgroup = device.limits().subgroup;
        let by_rows = device.is_software() && subgroup.is_some_and(|lanes| lanes >= 4);
        match (channels.is_multiple_of(4), by_rows) {
            (false, _) => Self::Scalar,
            (true, false) => Self::Quads,
            (true, true) => Self::Rows,
        }
    }
}

struct Plan {
    device: Device,
    format: Format,
    rows: usize,
    channels: usize,
    variant: Variant,
}

/// Runs one entry point of the variant: their structs have the same fields and different types.
macro_rules! run {
    ($plan:expr, $launch:expr, $entry:ident { $($field:ident: $value:expr),+ $(,)? }) => {
        match $plan.variant {
            Variant::Scalar => $plan.device.run(scalar::$entry { $($field: $value),+ }, $launch),
            Variant::Quads => $plan.device.run(by_quad::$entry { $($field: $value),+ }, $launch),
            Variant::Rows => $plan.device.run(by_row::$entry { $($field: $value),+ }, $launch),
        }
    };
}

impl Plan {
    fn new(x: &Tensor, rows: usize, channels: usize) -> Self {
        let device = x.device();
        let variant = Variant::new(device, channels);
        Self { device: device.clone(), format: x.format(), rows, channels, variant }
    }

    fn forward(
        &self,
        params: Params,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> (Buffer, Buffer) {
        let (mut y, mut moments) = (self.rows_buffer(), self.device.buffer(2 * self.rows));
        let (y_out, moments_out) = (&mut y, &mut moments);
        run!(
            self,
            self.by_row(2),
            Forward {
                params: params,
                x: x,
                gamma: gamma,
                beta: beta,
                y: y_out,
                moments: moments_out
            }
        );
        (y, moments)
    }

    fn forward_residual(
        &self,
        params: Params,
        x: &Tensor,
        residual: Option<&Tensor>,
        dropout: Option<&Dropout>,
        gamma: &Tensor,
        beta: &Tensor,
    ) -> (Buffer, Buffer, Buffer) {
        // A shader binds all it names; what is absent has a stand-in that is never read.
        let stand_in = || self.device.buffer_of(self.format, 4);
        let residual = residual.map_or_else(stand_in, |tensor| tensor.buffer().clone());
        let key = dropout.map_or_else(|| self.device.buffer(2), |d| d.key.buffer().clone());
        let (mut h, mut y) = (self.rows_buffer(), self.rows_buffer());
        let mut moments = self.device.buffer(2 * self.rows);
        run!(
            self,
            self.by_row(4),
            ForwardResidual {
                params: params,
                x: x.buffer(),
                residual: &residual,
                key: &key,
                gamma: gamma.buffer(),
                beta: beta.buffer(),
                h: &mut h,
                y: &mut y,
                moments: &mut moments,
            }
        );
        (h, y, moments)
    }

    fn backward(&self, saved: &Saved, dy: &Buffer) -> Buffer {
        let mut dh = self.rows_buffer();
        run!(
            self,
            self.by_row(3),
            Backward {
                params: saved.params,
                gamma: saved.gamma.buffer(),
                h: &saved.h,
                moments: &saved.moments,
                dy: dy,
                dh: &mut dh,
            }
        );
        dh
    }

    fn backward_dropout(&self, saved: &Saved, key: &Buffer, dy: &Buffer) -> (Buffer, Buffer) {
        let (mut dh, mut dx) = (self.rows_buffer(), self.rows_buffer());
        run!(
            self,
            self.by_row(4),
            BackwardDropout {
                params: saved.params,
                key: key,
                gamma: saved.gamma.buffer(),
                h: &saved.h,
                moments: &saved.moments,
                dy: dy,
                dh: &mut dh,
                dx: &mut dx,
            }
        );
        (dh, dx)
    }

    fn backward_params(&self, saved: &Saved, dy: &Buffer) -> (Buffer, Buffer) {
        let (params, strips) = (saved.params, saved.params.strips as usize);
        let partial = || self.device.buffer(strips * self.channels);
        let (mut partial_dgamma, mut partial_dbeta) = (partial(), partial());
        let columns =
            if self.variant == Variant::Scalar { self.channels } else { self.channels / 4 };
        let groups = columns.div_ceil(64) as u32;
        let elements = self.rows * self.channels;
        run!(
            self,
            Launch::groups([groups, params.strips, 1]).flops(5 * elements).words(2 * elements),
            BackwardParams {
                params: params,
                h: &saved.h,
                moments: &saved.moments,
                dy: dy,
                partial_dgamma: &mut partial_dgamma,
                partial_dbeta: &mut partial_dbeta,
            }
        );
        let vector = || self.device.buffer(self.channels);
        let (mut dgamma, mut dbeta) = (vector(), vector());
        let partials = strips * self.channels;
        run!(
            self,
            Launch::groups([groups, 1, 1]).flops(2 * partials).words(2 * partials),
            SumParams {
                params: params,
                partial_dgamma: &partial_dgamma,
                partial_dbeta: &partial_dbeta,
                dgamma: &mut dgamma,
                dbeta: &mut dbeta,
            }
        );
        (dgamma, dbeta)
    }

    fn rows_buffer(&self) -> Buffer {
        self.device.buffer_of(self.format, self.rows * self.channels)
    }

    /// A launch over rows that moves `moves` tensors of their size.
    fn by_row(&self, moves: usize) -> Launch {
        let rows = if self.variant == Variant::Rows { 32 } else { 4 };
        let elements = self.rows * self.channels;
        Launch::rows(self.rows.div_ceil(rows)).flops(8 * elements).words(moves * elements)
    }
}
