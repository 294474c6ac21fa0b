//! Tensors joined along an axis, and taken apart again.

use crate::device::{Buffer, Device, Launch};
use crate::kernels::concat::Params;
use crate::kernels::{concat as by_word, concat_vec4 as by_quad};
use crate::shape::Shape;
use crate::tensor::{Backward, BackwardAll, Tensor};

/// Lanes of a workgroup.
const LANES: u32 = 256;

/// Runs one entry point over `words` words, in quads where every part lies in whole ones.
macro_rules! run {
    ($device:expr, $params:expr, $words:expr, $cost:expr, $entry:ident { $($field:ident: $value:expr),+ $(,)? }) => {{
        let (device, params, words): (&Device, Params, usize) = ($device, $params, $words);
        if in_quads(device, &params) {
            let kernel = by_quad::$entry { params, $($field: $value),+ };
            device.run(kernel, Launch::lanes(words / 4, LANES).words($cost));
        } else {
            let kernel = by_word::$entry { params, $($field: $value),+ };
            device.run(kernel, Launch::lanes(words, LANES).words($cost));
        }
    }};
}

fn in_quads(device: &Device, params: &Params) -> bool {
    let sizes = [params.part_words, params.whole_words, params.first];
    !device.is_cpu() && sizes.iter().all(|words| words.is_multiple_of(4))
}

/// Joins tensors along `axis`, in their order.
///
/// Words are copied as they are: floats and ids alike.
///
/// # Shapes
/// `parts[i]: [.., Lᵢ, ..]` with Lᵢ at `axis` and all other axes alike → `[.., Σᵢ Lᵢ, ..]`.
///
/// # Gradients
/// Flows to each part: its piece of `dy`. Keeps nothing.
///
/// # Panics
/// If there is no part, a part has no such axis or no element, or another axis differs.
///
/// # Source
/// Kernels `shaders/concat*.wgsl`.
#[track_caller]
pub fn concat(parts: &[&Tensor], axis: usize) -> Tensor {
    let first = parts.first().expect("concat: no parts, expected one at least");
    let axes = first.shape().axes();
    assert!(axis < axes.len(), "concat: axis {axis} of {}", first.shape());
    for (index, part) in parts.iter().enumerate() {
        let mut expected = axes.to_vec();
        if let Some(&length) = part.shape().axes().get(axis) {
            expected[axis] = length;
        }
        part.expect_shape(&format!("concat: part {index}"), &expected);
    }
    let mut whole = axes.to_vec();
    whole[axis] = parts.iter().map(|part| part.shape().axes()[axis]).sum();
    let lengths = parts.iter().map(|part| part.shape().axes()[axis]);
    let pieces = Pieces::new("concat", &Shape::from(whole), axis, lengths);
    let device = first.device();
    let mut y = device.buffer(pieces.whole.elements());
    for (part, &params) in parts.iter().zip(&pieces.params) {
        let words = part.shape().elements();
        run!(device, params, words, 2 * words, Join { part: part.buffer(), joined: &mut y });
    }
    let shape = pieces.whole.clone();
    Tensor::new(device, shape, y).record_all("concat", parts, pieces)
}

/// Takes a tensor apart along `axis` into pieces of `sizes`, in their order: what [`concat()`] joins.
///
/// # Shapes
/// `x: [.., Σᵢ sizes[i], ..]` → each `[.., sizes[i], ..]`.
///
/// # Gradients
/// Flows to `x` from each piece, as a tensor of `x`'s shape: a piece that nothing depends on costs nothing. Keeps nothing.
///
/// # Panics
/// If `x` has no such axis, a size is 0, or they do not add up to the axis.
///
/// # Source
/// Kernels `shaders/concat*.wgsl`.
#[track_caller]
pub fn split(x: &Tensor, axis: usize, sizes: &[usize]) -> Vec<Tensor> {
    let axes = x.shape().axes();
    assert!(axis < axes.len(), "split: axis {axis} of {}", x.shape());
    assert!(
        sizes.iter().sum::<usize>() == axes[axis],
        "split: sizes are {sizes:?}, expected a sum of {}",
        axes[axis]
    );
    let pieces = Pieces::new("split", x.shape(), axis, sizes.iter().copied());
    let piece = |at: usize| {
        let part = pieces.take(at, x);
        let saved = SavedPiece { params: pieces.params[at], whole: x.shape().clone() };
        part.record("split", [x], saved)
    };
    (0..sizes.len()).map(piece).collect()
}

/// How parts lie in the whole.
struct Pieces {
    whole: Shape,
    shapes: Vec<Shape>,
    params: Vec<Params>,
}

impl Pieces {
    #[track_caller]
    fn new(op: &str, whole: &Shape, axis: usize, lengths: impl Iterator<Item = usize>) -> Self {
        let axes = whole.axes();
        let outer: usize = axes[..axis].iter().product();
        let inner: usize = axes[axis + 1..].iter().product();
        let mut pieces = Self { whole: whole.clone(), shapes: Vec::new(), params: Vec::new() };
        let mut first = 0;
        for length in lengths {
            let mut shape = axes.to_vec();
            shape[axis] = length;
            let shape = Shape::from(shape);
            assert!(shape.elements() > 0, "{op}: a part is {shape}, expected elements");
            pieces.shapes.push(shape);
            pieces.params.push(Params {
                outer: outer as u32,
                part_words: (length * inner) as u32,
                whole_words: (axes[axis] * inner) as u32,
                first: (first * inner) as u32,
            });
            first += length;
        }
        pieces
    }

    /// The part `at` of `whole`, outside any graph.
    fn take(&self, at: usize, whole: &Tensor) -> Tensor {
        let words = self.shapes[at].elements();
        let device = whole.device();
        let (params, mut taken) = (self.params[at], device.buffer(words));
        run!(device, params, words, 2 * words, Take { whole: whole.buffer(), taken: &mut taken });
        Tensor::new(device, self.shapes[at].clone(), taken)
    }
}

impl BackwardAll for Pieces {
    fn backward(self: Box<Self>, dy: &Tensor, wants: &[bool]) -> Vec<Option<Tensor>> {
        let piece = |(at, wanted): (usize, &bool)| wanted.then(|| self.take(at, dy));
        wants.iter().enumerate().map(piece).collect()
    }
}

/// Where a piece lay.
struct SavedPiece {
    params: Params,
    whole: Shape,
}

impl Backward<1> for SavedPiece {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let device = dy.device();
        let dx = spread(device, self.params, dy.buffer(), self.whole.elements());
        [Some(Tensor::new(device, self.whole, dx))]
    }
}

/// `part` at its place among zeros.
fn spread(device: &Device, params: Params, part: &Buffer, words: usize) -> Buffer {
    let mut joined = device.buffer(words);
    let cost = part.words() + words;
    run!(device, params, words, cost, Spread { part: part, joined: &mut joined });
    joined
}
