//! How numbers lie in a buffer.

/// What one element of a buffer is: the storage of a tensor, never the precision of a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Four bytes: f32, or u32 where a kernel says so.
    #[default]
    Word,
    /// Two bytes: f16. Kernels widen what they read and round what they write; in between all is f32.
    Half,
}

impl Format {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::Word => 4,
            Self::Half => 2,
        }
    }

    /// 4-byte words that hold `elements`.
    pub fn words(self, elements: usize) -> usize {
        (elements * self.bytes()).div_ceil(4)
    }

    /// What stands before a shader, on its first line: the type of the bindings that it declares as `Element`.
    pub fn prelude(self) -> &'static str {
        match self {
            Self::Word => "alias Element = f32; alias Element4 = vec4<f32>; ",
            Self::Half => "enable f16; alias Element = f16; alias Element4 = vec4<f16>; ",
        }
    }
}
