//! wgrad-losses.
