//! A contiguous, row-major array on a device, and its place in the graph.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::device::{Buffer, Device, Format, Readback};
use crate::shape::Shape;

/// A reference-counted handle to a buffer with a shape. Cloning copies no data.
#[derive(Clone)]
pub struct Tensor {
    device: Device,
    shape: Shape,
    buffer: Buffer,
    node: Option<Arc<Node>>,
}

/// What an operation keeps for its backward, and how it goes back to its `N` parents.
///
/// One gradient per parent is a type: an operation that forgets one does not compile.
pub trait Backward<const N: usize>: Send + 'static {
    /// The gradients of the parents for which `wants` is true, given `dy`, that of the result.
    /// Parents stand in the order of [`Tensor::record`].
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; N]) -> [Option<Tensor>; N];
}

/// [`Backward`] of an operation whose number of parents is known only when it runs.
pub trait BackwardAll: Send + 'static {
    /// As [`Backward::backward`]: one gradient per parent, in the order of [`Tensor::record_all`].
    fn backward(self: Box<Self>, dy: &Tensor, wants: &[bool]) -> Vec<Option<Tensor>>;
}

/// A place in the graph: a leaf, or the result of an operation. Its number is larger than its parents'.
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) op: &'static str,
    pub(crate) parents: Vec<Option<Arc<Node>>>,
    pub(crate) step: Mutex<Option<Box<dyn BackwardAll>>>,
}

/// [`Backward`] without its number of parents.
struct Recorded<B, const N: usize>(Box<B>);

impl<B: Backward<N>, const N: usize> BackwardAll for Recorded<B, N> {
    fn backward(self: Box<Self>, dy: &Tensor, wants: &[bool]) -> Vec<Option<Tensor>> {
        let wants = wants.try_into().expect("a node has one parent per gradient by `record`");
        self.0.backward(dy, wants).into()
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Runs `work` without recording a graph: nothing is kept for a backward.
pub fn no_grad<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(false));
    work()
}

impl Tensor {
    /// A tensor over `buffer`, with no place in any graph.
    ///
    /// # Panics
    /// If the shape has another number of elements than the buffer.
    #[track_caller]
    pub fn new(device: &Device, shape: impl Into<Shape>, buffer: Buffer) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), buffer.elements(), "tensor {shape} over {buffer:?}");
        Self { device: device.clone(), shape, buffer, node: None }
    }

    /// A tensor of floats.
    ///
    /// # Panics
    /// If the shape has another number of elements than `values`.
    #[track_caller]
    pub fn f32(device: &Device, shape: impl Into<Shape>, values: &[f32]) -> Self {
        Self::new(device, shape, device.upload_f32(values))
    }

    /// A tensor of unsigned integers: ids, lengths, bit masks.
    ///
    /// # Panics
    /// As [`Tensor::f32`].
    #[track_caller]
    pub fn u32(device: &Device, shape: impl Into<Shape>, values: &[u32]) -> Self {
        Self::new(device, shape, device.upload_u32(values))
    }

    /// Where it lies.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its memory.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// How its elements lie.
    pub fn format(&self) -> Format {
        self.buffer.format()
    }

    /// New memory for `elements` that lie as its own do; see [`Device::buffer`].
    pub(crate) fn buffer_like(&self, elements: usize) -> Buffer {
        self.device.buffer_of(self.format(), elements)
    }

    /// Its memory, to be overwritten: what changes per step is data.
    pub fn buffer_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// The same memory under another shape, at the same place of the graph.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(
            shape.elements(),
            self.shape.elements(),
            "reshape: {} to {shape} changes the number of elements",
            self.shape
        );
        Self { shape, ..self.clone() }
    }

    /// The same memory without a place in the graph.
    pub fn detach(&self) -> Self {
        Self { node: None, ..self.clone() }
    }

    /// The same memory as a new leaf that wants a gradient.
    pub fn tracked(&self) -> Self {
        let node = Node { id: next_id(), op: "leaf", parents: Vec::new(), step: Mutex::new(None) };
        Self { node: Some(Arc::new(node)), ..self.clone() }
    }

    /// Whether a gradient flows to it.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    /// Whether an operation on it would be recorded: it is tracked, outside of [`no_grad`].
    pub fn wants_gradient(&self) -> bool {
        self.is_tracked() && RECORDING.get()
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// Makes this the result of an operation on `parents`, with `saved` to go back by. If no gradient is wanted,
    /// `saved` is dropped at once.
    pub fn record<const N: usize>(
        self,
        op: &'static str,
        parents: [&Tensor; N],
        saved: impl Backward<N>,
    ) -> Self {
        self.record_all(op, &parents, Recorded(Box::new(saved)))
    }

    /// [`Tensor::record`] for any number of parents.
    pub fn record_all(
        mut self,
        op: &'static str,
        parents: &[&Tensor],
        saved: impl BackwardAll,
    ) -> Self {
        if RECORDING.get() && parents.iter().any(|parent| parent.is_tracked()) {
            self.node = Some(Arc::new(Node {
                id: next_id(),
                op,
                parents: parents.iter().map(|parent| parent.node.clone()).collect(),
                step: Mutex::new(Some(Box::new(saved))),
            }));
        }
        self
    }

    /// Panics at the caller unless the shape is `expected`; `what` is the op and the argument.
    ///
    /// # Panics
    /// With both shapes, `layer_norm: gamma is [512], expected [768]`.
    #[track_caller]
    pub fn expect_shape(&self, what: &str, expected: &[usize]) {
        assert!(self.shape.axes() == expected, "{what} is {}, expected {:?}", self.shape, expected);
    }

    /// The two extents of a matrix; `what` is the op and the argument.
    ///
    /// # Panics
    /// If it is none, `linear_sample: weight is [7], expected two axes`.
    #[track_caller]
    pub(crate) fn expect_matrix(&self, what: &str) -> [usize; 2] {
        let &[rows, columns] = self.shape.axes() else {
            panic!("{what} is {}, expected two axes", self.shape)
        };
        [rows, columns]
    }

    /// Copies the floats to the host, waiting for all that came before.
    pub fn to_f32(&self) -> Vec<f32> {
        self.device.read_f32(&self.buffer)
    }

    /// Copies the integers to the host, waiting for all that came before.
    pub fn to_u32(&self) -> Vec<u32> {
        self.device.read_u32(&self.buffer)
    }

    /// Starts copying to the host.
    pub fn read_later(&self) -> Readback {
        self.device.read_later(&self.buffer)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = self.node.as_ref().map_or("", |node| node.op);
        write!(f, "Tensor({} on {} {op})", self.shape, self.device.name())
    }
}

/// The gradients of a graph's leaves.
#[derive(Default)]
pub struct Gradients {
    pub(crate) leaves: HashMap<u64, Tensor>,
}

impl Gradients {
    /// The gradient of a leaf, `None` if the loss does not depend on it.
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        self.leaves.get(&leaf.node()?.id)
    }

    /// Takes the gradient of a leaf out.
    pub fn take(&mut self, leaf: &Tensor) -> Option<Tensor> {
        self.leaves.remove(&leaf.node()?.id)
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
