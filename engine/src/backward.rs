//! The walk: from a result back to the leaves, newest operation first.
//!
//! A node's number is larger than its parents', so taking the largest number next is a reverse topological
//! order, and the same one every time. The walk knows no operation but the addition that accumulates.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use crate::ops::add;
use crate::tensor::{Gradients, Node, Tensor};

impl Tensor {
    /// The gradient of this scalar with respect to every leaf it depends on. What operations saved is freed on the way.
    ///
    /// # Panics
    /// If this is no scalar, depends on no leaf, or its graph has been walked before.
    #[track_caller]
    pub fn backward(&self) -> Gradients {
        assert_eq!(self.shape().elements(), 1, "backward: {} is no scalar", self.shape());
        self.backward_with(&Tensor::f32(self.device(), self.shape().clone(), &[1.0]))
    }

    /// The gradients of ⟨`dy`, this⟩: backward from the middle of a graph.
    ///
    /// # Panics
    /// If the shapes differ, nothing is tracked, or the graph has been walked before.
    #[track_caller]
    pub fn backward_with(&self, dy: &Tensor) -> Gradients {
        dy.expect_shape("backward: dy", self.shape().axes());
        let root = self.node().expect("backward: this tensor depends on no tracked leaf");
        walk(root, dy.detach())
    }
}

#[track_caller]
fn walk(root: &Arc<Node>, dy: Tensor) -> Gradients {
    let mut gradients = Gradients::default();
    let mut pending: BTreeMap<u64, (Arc<Node>, Tensor)> = BTreeMap::new();
    pending.insert(root.id, (root.clone(), dy));
    while let Some((_, (node, dy))) = pending.pop_last() {
        if node.parents.is_empty() {
            gradients.leaves.insert(node.id, dy);
            continue;
        }
        let step = node.step.lock().unwrap_or_else(PoisonError::into_inner).take();
        let step = step.unwrap_or_else(|| panic!("backward: {} has been walked before", node.op));
        let wants: Vec<bool> = node.parents.iter().map(Option::is_some).collect();
        let parents = step.backward(&dy, &wants);
        for ((parent, gradient), index) in node.parents.iter().zip(parents).zip(0..) {
            let Some(parent) = parent else { continue };
            let gradient: Tensor = gradient.unwrap_or_else(|| {
                panic!("backward: {} gives parent {index} no gradient", node.op)
            });
            accumulate(&mut pending, parent, gradient.detach());
        }
    }
    gradients
}

fn accumulate(
    pending: &mut BTreeMap<u64, (Arc<Node>, Tensor)>,
    node: &Arc<Node>,
    gradient: Tensor,
) {
    let sum = match pending.remove(&node.id) {
        Some((_, sum)) => add(&sum, &gradient.reshape(sum.shape().clone())),
        None => gradient,
    };
    pending.insert(node.id, (node.clone(), sum));
}
