//! The best few of many scores, and the best few of a corpus that is scored chunk by chunk.

use crate::device::Launch;
use crate::kernels::top_k::{Forward, Params};
use crate::tensor::Tensor;

/// Largest `k` of [`top_k`]: `MAX_K` of its kernel, whose list lies in workgroup memory.
pub const MAX_TOP_K: usize = 1024;

/// Keeps the `k` largest scores of each row, best first, and their columns.
///
/// The order is total: a larger score first, of equal scores the lower column; −0 equals +0 and a NaN comes last.
///
/// # Shapes
/// `scores: [.., C]` → values `[.., k]`, indices `[.., k]` (u32).
///
/// # Gradients
/// None: it ranks what is already trained.
///
/// # Panics
/// If `k` is 0, above C or above [`MAX_TOP_K`], or a gradient is wanted of `scores`.
///
/// # Source
/// Kernel `shaders/top_k.wgsl`.
#[track_caller]
pub fn top_k(scores: &Tensor, k: usize) -> (Tensor, Tensor) {
    let (rows, columns) = scores.shape().rows_and_last();
    let largest = columns.min(MAX_TOP_K);
    assert!((1..=largest).contains(&k), "top_k: k is {k}, expected 1 to {largest}");
    assert!(!scores.is_tracked(), "top_k: has no gradient, pass scores.detach()");
    let device = scores.device();
    let params = Params { rows: rows as u32, columns: columns as u32, k: k as u32 };
    let (mut values, mut indices) = (device.buffer(rows * k), device.buffer(rows * k));
    let kernel =
        Forward { params, scores: scores.buffer(), values: &mut values, indices: &mut indices };
    device.run(kernel, Launch::rows(rows).words(rows * (columns + 2 * k)));
    let mut shape = scores.shape().axes().to_vec();
    *shape.last_mut().expect("rows_and_last found an axis") = k;
    (Tensor::new(device, shape.clone(), values), Tensor::new(device, shape, indices))
}

/// The best `k` so far of each row, over a corpus whose scores arrive in chunks of columns.
///
/// ```
/// # use wgrad_engine::ops::RunningTopK;
/// let mut best = RunningTopK::new(1, 2);
/// best.merge(0, &[0.9, 0.1], &[4, 0]); // the top 2 of columns 0..10
/// best.merge(10, &[0.5, 0.3], &[1, 7]); // and of columns 10..20
/// assert_eq!(best.row(0), [(0.9, 4), (0.5, 11)]);
/// ```
#[derive(Clone, Debug)]
pub struct RunningTopK {
    k: usize,
    rows: Vec<Vec<(f32, u32)>>,
}

impl RunningTopK {
    /// Starts with nothing in any of `rows` rows.
    ///
    /// # Panics
    /// If `k` is 0.
    #[track_caller]
    pub fn new(rows: usize, k: usize) -> Self {
        assert!(k > 0, "running top k: k is 0, expected at least 1");
        Self { k, rows: vec![Vec::new(); rows] }
    }

    /// Takes in the best of one more chunk of columns, of which `first` is the number of the first. Chunks come in
    /// increasing order, so that of equal scores the lower column stays in front.
    ///
    /// # Shapes
    /// `values, indices: [rows, n]` as [`top_k`] gives them, any `n`; `indices` count from the start of the chunk.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of the rows.
    #[track_caller]
    pub fn merge(&mut self, first: u32, values: &[f32], indices: &[u32]) {
        assert_eq!(
            values.len(),
            indices.len(),
            "running top k: values and indices differ in length"
        );
        let rows = self.rows.len().max(1);
        assert!(
            values.len().is_multiple_of(rows),
            "running top k: {} for {rows} rows",
            values.len()
        );
        let n = values.len() / rows;
        for (at, old) in self.rows.iter_mut().enumerate() {
            let range = at * n..(at + 1) * n;
            let new = values[range.clone()].iter().zip(&indices[range]);
            let mut new = new.map(|(&value, &index)| (value, first + index)).peekable();
            let mut earlier = std::mem::take(old).into_iter().peekable();
            while old.len() < self.k {
                let takes_new = match (earlier.peek(), new.peek()) {
                    (Some((before, _)), Some((after, _))) => {
                        after > before || (before.is_nan() && !after.is_nan())
                    }
                    (before, _) => before.is_none(),
                };
                let Some(next) = (if takes_new { new.next() } else { earlier.next() }) else {
                    break;
                };
                old.push(next);
            }
        }
    }

    /// The best of a row, best first: scores and columns of the whole corpus.
    pub fn row(&self, row: usize) -> &[(f32, u32)] {
        &self.rows[row]
    }
}
