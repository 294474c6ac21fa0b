//! wgrad.
