//! The extent of a tensor along each axis.

use std::fmt;

/// Row-major extents, e.g. `[B, T, H]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The extents.
    pub fn axes(&self) -> &[usize] {
        &self.0
    }

    /// Number of elements; 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// Number of rows (product of all axes but the last) and the last axis.
    ///
    /// # Panics
    /// If there are no axes.
    #[track_caller]
    pub fn rows_and_last(&self) -> (usize, usize) {
        let (&last, rows) = self.0.split_last().expect("a tensor of rows has at least one axis");
        (rows.iter().product(), last)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Self(axes.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(axes: &[usize]) -> Self {
        Self(axes.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(axes: Vec<usize>) -> Self {
        Self(axes)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
