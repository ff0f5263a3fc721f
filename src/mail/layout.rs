//! The layout around a body.
