//! A safe door to the `gemm` crate: matrices are views of slices, and their bounds are checked once a product.
//!
//! The one file of the CPU path with `unsafe`: the crate takes raw pointers and nothing else.
//! The sum over the inner axis is cut in blocks that depend on the shape alone, so the number of threads changes no bit.

use gemm::Parallelism;

/// A matrix that lies in a slice with any positive strides; a transpose is a swap of two numbers.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    size: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Views `values` as `size` = [rows, columns] with `strides` = [row, column] in elements.
    ///
    /// # Panics
    /// If the last element lies outside of `values`.
    #[track_caller]
    pub fn new(values: &'a [f32], size: [usize; 2], strides: [usize; 2]) -> Self {
        assert_extent(values.len(), size, strides);
        Self { values, size, strides }
    }

    /// Views `values` as dense rows: [rows, columns], row-major.
    ///
    /// # Panics
    /// As [`Matrix::new`].
    #[track_caller]
    pub fn rows(values: &'a [f32], size: [usize; 2]) -> Self {
        Self::new(values, size, [size[1], 1])
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.size, self.strides);
        Self { size: [columns, rows], strides: [column, row], ..self }
    }
}

/// Who computes a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread alone: for products inside a parallel loop.
    One,
    /// All threads of the current rayon pool.
    All,
}

/// What happens to the old contents of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// C = α·A·B: they are not read.
    Overwrite,
    /// C = C + α·A·B.
    Add,
}

/// C = α·A·B, or C += α·A·B, for row-major C of rows `row_stride` elements apart.
///
/// # Shapes
/// `a: [M, K]`, `b: [K, N]` → `c: [M, N]`, the first N of each row of `c`.
///
/// # Panics
/// If the inner extents differ, rows of `c` overlap or its last element lies outside of the slice.
#[track_caller]
pub fn multiply(
    alpha: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    onto: Onto,
    (c, row_stride): (&mut [f32], usize),
    threads: Threads,
) {
    let ([rows, inner], [b_inner, columns]) = (a.size, b.size);
    assert_eq!(inner, b_inner, "multiply: a is {:?}, b is {:?}", a.size, b.size);
    assert!(columns <= row_stride || rows <= 1, "multiply: rows of the result overlap");
    assert_extent(c.len(), [rows, columns], [row_stride, 1]);
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    let [a_row, a_column] = a.strides.map(|stride| stride as isize);
    let [b_row, b_column] = b.strides.map(|stride| stride as isize);
    // SAFETY: `assert_extent` holds for all three (in `Matrix` at construction), so every index (row, column) below
    // the sizes lies inside its slice; `c` is borrowed exclusively, hence disjoint from `a` and `b`, and its
    // elements are distinct because `columns <= row_stride`.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            c.as_mut_ptr(),
            1,
            row_stride as isize,
            onto == Onto::Add,
            a.values.as_ptr(),
            a_column,
            a_row,
            b.values.as_ptr(),
            b_column,
            b_row,
            1.0,
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[track_caller]
fn assert_extent(length: usize, [rows, columns]: [usize; 2], [row, column]: [usize; 2]) {
    if rows > 0 && columns > 0 {
        let last = (rows - 1) * row + (columns - 1) * column;
        assert!(last < length, "matrix [{rows}, {columns}] reaches element {last} of {length}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both operands strided or transposed, the result with a gap between its rows, against a plain sum.
    #[test]
    fn products_match_the_plain_sum() {
        for (rows, columns, inner) in [(1, 1, 1), (3, 5, 7), (17, 33, 300), (5, 9, 2), (4, 3, 0)] {
            let value = |at: usize| ((at * 37 + 11) % 29) as f32 - 14.0;
            let a: Vec<f32> = (0..rows * inner).map(value).collect();
            let b: Vec<f32> = (0..inner * columns).map(|at| value(at + 5)).collect();
            let (wide, gap) = (columns + 3, 7.0);
            for onto in [Onto::Overwrite, Onto::Add] {
                let mut c = vec![gap; rows * wide];
                let left = Matrix::new(&a, [rows, inner], [1, rows]); // a holds [K, M]
                let right = Matrix::rows(&b, [columns, inner]).transposed(); // b holds [N, K]
                multiply(2.0, left, right, onto, (&mut c, wide), Threads::One);
                for row in 0..rows {
                    for column in 0..wide {
                        let product = |k: usize| a[k * rows + row] * b[column * inner + k];
                        let old = if onto == Onto::Add { gap } else { 0.0 };
                        let inside = column < columns;
                        // Small integers: every sum is exact.
                        let expected = if inside {
                            old + 2.0 * (0..inner).map(product).sum::<f32>()
                        } else {
                            gap
                        };
                        assert_eq!(c[row * wide + column], expected, "{rows} {columns} {inner}");
                    }
                }
            }
        }
    }
}
