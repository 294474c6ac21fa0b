//! From text on disk to batches of token ids: host arrays only, never a tensor.
//!
//! Reading order: documents come from [`text`] and [`beir`], become ids through [`tokenizer`], lie in [`blocks`]
//! (in memory, or memory-mapped by [`shards`]), are drawn by a [`sampler`], masked by [`masking`], padded by
//! [`collate`] and [`pairs`], and arrive ahead of the device through a [`loader`]. Whatever is written, here and above,
//! reaches its place whole through [`atomic`].
//!
//! A batch is a pure function of (seed, step, data set): it does not depend on the number of workers, and a run
//! resumed at step s sees the batches that would have followed.

pub mod atomic;
pub mod beir;
pub mod blocks;
mod byte_level;
pub mod causal;
pub mod colbert;
pub mod collate;
pub mod delimiters;
pub mod error;
pub mod files;
pub mod labelled;
pub mod loader;
pub mod masking;
pub mod pairs;
pub mod random;
pub mod records;
pub mod retromae;
pub mod rust_docs;
pub mod sampler;
pub mod shards;
pub mod spans;
pub mod text;
pub mod tokenizer;
pub mod wordpiece;
pub mod xlnet;
pub mod xlnet_stream;

pub use blocks::TokenBlocks;
pub use causal::CausalCollator;
pub use colbert::{ColbertBatch, ColbertCollator, Marking};
pub use collate::{MlmBatch, MlmCollator, Padding, TokenBatch};
pub use delimiters::{Delimiters, Side};
pub use error::{Error, Result};
pub use labelled::{Examples, Kind, LabelBatch, LabelCollator};
pub use loader::Loader;
pub use masking::MaskPool;
pub use pairs::{JointBatch, PairBatch, PairCollator};
pub use records::{Record, Records};
pub use retromae::{DecoderMasks, RetroMaeBatch, RetroMaeCollator};
pub use sampler::{Draw, Sampler};
pub use spans::SpanPairs;
pub use tokenizer::{SpecialIds, Tokenizer};
pub use xlnet::{Walk, XlNetBatch, XlNetCollator};
pub use xlnet_stream::{Strides, XlNetStream};
