//! What stands on the stack of a pickle: few kinds of values, and none that does anything.

use std::rc::Rc;

/// How numbers lie in a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    F64,
    F16,
    Bf16,
    I64,
    /// u8 and bool.
    Byte,
}

impl Kind {
    /// Bytes of a number.
    pub fn width(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

/// Numbers that tensors look at.
#[derive(Debug)]
pub struct Storage {
    pub kind: Kind,
    /// The archive's entry `data/<key>`.
    pub key: Rc<str>,
    pub elements: usize,
}

/// A view of a storage: element i₀, i₁, … is number `offset + Σ iₖ·strideₖ`.
#[derive(Debug)]
pub struct Tensor {
    pub storage: Rc<Storage>,
    pub offset: usize,
    pub size: Vec<usize>,
    pub stride: Vec<usize>,
}

/// What a pickle may ask for.
#[derive(Clone, Copy, Debug)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

impl Global {
    /// What the name stands for.
    ///
    /// # Errors
    /// One line, for any other name.
    pub fn named(module: &str, name: &str) -> Result<Self, String> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Kind::F32),
            ("torch", "DoubleStorage") => Self::Storage(Kind::F64),
            ("torch", "HalfStorage") => Self::Storage(Kind::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Kind::Bf16),
            ("torch", "LongStorage") => Self::Storage(Kind::I64),
            ("torch", "ByteStorage" | "BoolStorage") => Self::Storage(Kind::Byte),
            _ => {
                return Err(format!(
                    "it asks for `{module}.{name}`, which no file of weights needs, so nothing of it was run; {STATE_DICT}"
                ));
            }
        })
    }
}

/// What stands on the stack.
#[derive(Clone, Debug)]
pub enum Value {
    /// None, and floats, which no tensor is made of.
    Nothing,
    Bool,
    Int(i64),
    Text(Rc<str>),
    Tuple(usize),
    List(usize),
    /// Key and value in turn.
    Dict(usize),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<Tensor>),
}

impl Value {
    /// What it is, in words.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Nothing => "None or a float",
            Self::Bool => "a truth value",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(_) => "a type",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// What to do about a file of something else.
pub const STATE_DICT: &str =
    "expected a dictionary of tensors; write it by torch.save(model.state_dict(), file)";
