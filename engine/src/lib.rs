//! wgrad-engine.
