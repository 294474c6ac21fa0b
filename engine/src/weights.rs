//! A model's parameters: declared once by name, allocated together, loaded and saved by name.
//!
//! Declaring comes first and needs no device; allocation then lays all parameters into a few arenas, so that the
//! optimizer updates each arena in one dispatch.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::device::{Buffer, Device};
use crate::file::{FileError, HostTensor, Values};
use crate::ops::assign;
use crate::random;
use crate::shape::Shape;
use crate::tensor::{Gradients, Tensor};

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with mean 0 and this deviation.
    Normal(f32),
    /// This value everywhere.
    Constant(f32),
}

/// A parameter of a model. It is a [`Tensor`] once its [`Weights`] are allocated; clones are the same parameter.
#[derive(Clone)]
pub struct Param(Arc<Declared>);

struct Declared {
    name: String,
    shape: Shape,
    init: Init,
    tensor: OnceLock<Tensor>,
}

impl Param {
    /// The name of the published checkpoint.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its extents, known before allocation.
    pub fn declared_shape(&self) -> &Shape {
        &self.0.shape
    }

    /// Whether weight decay applies: to matrices, not to biases and LayerNorm parameters.
    pub fn decays(&self) -> bool {
        self.0.shape.axes().len() > 1
    }
}

impl Deref for Param {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        self.0.tensor.get().expect("weights are allocated before a model runs")
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.name, self.0.shape)
    }
}

/// The parameters that a model declares, in the order of its paper.
#[derive(Default)]
pub struct Declarations {
    params: Vec<Param>,
    prefix: String,
}

impl Declarations {
    /// Declares `name` below the current prefix.
    ///
    /// # Panics
    /// If the name stands already.
    #[track_caller]
    pub fn param(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Param {
        let name = format!("{}{name}", self.prefix);
        assert!(self.params.iter().all(|p| p.name() != name), "parameter {name} is declared twice");
        let declared = Declared { name, shape: shape.into(), init, tensor: OnceLock::new() };
        let param = Param(Arc::new(declared));
        self.params.push(param.clone());
        param
    }

    /// Declares what `declare` does with `name.` before every name.
    pub fn under<T>(&mut self, name: &str, declare: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.clone();
        self.prefix = format!("{outer}{name}.");
        let declared = declare(self);
        self.prefix = outer;
        declared
    }
}

/// Where a parameter lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index of its arena.
    pub arena: usize,
    /// First word in the arena, a multiple of 64.
    pub offset: usize,
    /// Number of words.
    pub words: usize,
    /// Whether weight decay applies.
    pub decays: bool,
}

/// Where all parameters of a model lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Words of each arena, a multiple of 64.
    pub arenas: Vec<usize>,
    /// The parameters in the order of declaration.
    pub parameters: Vec<Slot>,
}

/// All parameters of a model, on a device.
pub struct Weights {
    device: Device,
    params: Vec<Param>,
    layout: Layout,
    arenas: Vec<Buffer>,
}

impl Weights {
    /// Allocates what was declared and fills it: each parameter from Philox keyed by seed and name, so that it is
    /// the same on every device and does not depend on its neighbours.
    pub fn allocate(device: &Device, declarations: Declarations, seed: u64) -> Self {
        let params = declarations.params;
        let layout = lay_out(&params, device.limits().max_binding_bytes);
        let arenas: Vec<Buffer> =
            layout.arenas.iter().map(|&words| device.upload_f32(&vec![0.0; words])).collect();
        for (param, slot) in params.iter().zip(&layout.parameters) {
            let mut view = arenas[slot.arena].view(slot.offset, slot.words);
            let values = match param.0.init {
                Init::Constant(value) => vec![value; slot.words],
                Init::Normal(deviation) => {
                    let draws = random::normal(slot.words, random::key_of(seed, param.name()));
                    draws.into_iter().map(|draw| deviation * draw).collect()
                }
            };
            device.write_f32(&mut view, &values);
            let tensor = Tensor::new(device, param.0.shape.clone(), view).tracked();
            assert!(param.0.tensor.set(tensor).is_ok(), "{} is allocated once", param.name());
        }
        Self { device: device.clone(), params, layout, arenas }
    }

    /// Where they lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameters in the order of declaration.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Where each parameter lies, in the same order.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory of all parameters.
    pub fn arenas(&self) -> &[Buffer] {
        &self.arenas
    }

    /// The memory of all parameters, for the optimizer.
    pub fn arenas_mut(&mut self) -> &mut [Buffer] {
        &mut self.arenas
    }

    /// Overwrites `param` by `values`, on the device.
    ///
    /// # Panics
    /// If it is none of these parameters, or has another shape.
    #[track_caller]
    pub fn set(&mut self, param: &Param, values: &Tensor) {
        values.expect_shape(&format!("set: {}", param.name()), param.0.shape.axes());
        let is_it = |known: &Param| Arc::ptr_eq(&known.0, &param.0);
        let at = self.params.iter().position(is_it);
        let slot = self.layout.parameters[at.expect("the parameter is one of these weights")];
        let mut view = self.arenas[slot.arena].view(slot.offset, slot.words);
        assign(&self.device, values.buffer(), &mut view, 1.0);
    }

    /// Number of numbers.
    pub fn elements(&self) -> usize {
        self.layout.parameters.iter().map(|slot| slot.words).sum()
    }

    /// A gradient per parameter in order; `None` where the loss does not depend on it.
    pub fn gradients(&self, mut gradients: Gradients) -> Vec<Option<Tensor>> {
        self.params.iter().map(|param| gradients.take(param)).collect()
    }

    /// Overwrites every parameter that `find` gives a tensor for; `path` is where errors point to. Returns the names
    /// of the parameters that `find` knows nothing of. Nothing is changed when it fails.
    ///
    /// # Errors
    /// [`FileError::WrongShape`], [`FileError::WrongType`] or [`FileError::NotFinite`], naming the tensor.
    pub fn load<'a>(
        &mut self,
        path: &Path,
        find: impl Fn(&str) -> Option<&'a HostTensor>,
    ) -> Result<Vec<String>, FileError> {
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for (param, slot) in self.params.iter().zip(&self.layout.parameters) {
            match find(param.name()) {
                Some(tensor) => found.push((slot, checked(path, param, tensor)?)),
                None => missing.push(param.name().to_string()),
            }
        }
        for (slot, values) in found {
            let mut view = self.arenas[slot.arena].view(slot.offset, slot.words);
            self.device.write_f32(&mut view, values);
        }
        Ok(missing)
    }

    /// Copies the parameters whose name passes `keep` to the host.
    pub fn to_host(&self, keep: impl Fn(&str) -> bool) -> BTreeMap<String, HostTensor> {
        let arenas: Vec<Vec<f32>> =
            self.arenas.iter().map(|arena| self.device.read_f32(arena)).collect();
        let pairs =
            self.params.iter().zip(&self.layout.parameters).filter(|(param, _)| keep(param.name()));
        let host = pairs.map(|(param, slot)| {
            let values = arenas[slot.arena][slot.offset..slot.offset + slot.words].to_vec();
            (param.name().to_string(), HostTensor::f32(param.0.shape.axes(), values))
        });
        host.collect()
    }
}

/// Places parameters one after the other, each at a multiple of 64 words, in arenas that one binding can hold.
fn lay_out(params: &[Param], max_bytes: u64) -> Layout {
    let most = usize::try_from(max_bytes / 4).unwrap_or(usize::MAX);
    let mut sizes = vec![0];
    let place = |param: &Param| {
        let words = param.0.shape.elements();
        let room = words.next_multiple_of(64);
        let last = sizes.len() - 1;
        if sizes[last] > 0 && sizes[last] + room > most {
            sizes.push(0);
        }
        let arena = sizes.len() - 1;
        let offset = sizes[arena];
        sizes[arena] += room;
        Slot { arena, offset, words, decays: param.decays() }
    };
    let parameters = params.iter().map(place).collect();
    Layout { arenas: sizes, parameters }
}

fn checked<'a>(path: &Path, param: &Param, tensor: &'a HostTensor) -> Result<&'a [f32], FileError> {
    let name = || param.name().to_string();
    if tensor.shape != param.0.shape.axes() {
        return Err(FileError::WrongShape {
            path: path.into(),
            name: name(),
            found: tensor.shape.clone(),
            expected: param.0.shape.axes().to_vec(),
        });
    }
    let Values::F32(values) = &tensor.values else {
        let (path, found) = (path.into(), "integers".into());
        return Err(FileError::WrongType { path, name: name(), found, expected: "floats" });
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            let value = values[index];
            Err(FileError::NotFinite { path: path.into(), name: name(), index, value })
        }
        None => Ok(values),
    }
}
